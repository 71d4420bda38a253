# A node that answers a search with anything but an answer: the session that
# asked gets an error or rows, and lives on; and one that does not end its
# answer is disconnected before it has cost much memory.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rounds = $ENV{TRIDENT_TEST_FULL} ? 20000 : 400;
my @nodes = map { PostgreSQL::Test::Cluster->new("hostile_$_") } 0 .. 1;

for my $node (@nodes)
{
	$node->init;
	# by TCP the kernel counts what came; elsewhere it is known in part
	$node->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1'\nsession_preload_libraries = trident\nautovacuum = off\njit = off\nsearch_path = '\"\$user\", public, trident'\n");
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION trident');
}
my ($home, $far) = @nodes;

# Rows with values of every kind that travels in binary form, and as text.
my $columns = 'id integer NOT NULL, v vector(3), n numeric, f float8, t timestamptz, u uuid, a integer[], b bytea, note text, doc jsonb, h halfvec(2), i interval';

$far->safe_psql('postgres', <<"SQL");
CREATE TABLE part_0 ($columns);
INSERT INTO part_0 SELECT i, ARRAY[i, 1, 2]::vector, i / 3.0, i / 3.0, now(), gen_random_uuid(), ARRAY[i, NULL, 3], 'abc', 'n' || i,
	'{"a": [1, null]}', '[1,2]', '3 days' FROM generate_series(1, 20) i;
-- What the node answers: its answer, cut or with some bytes changed.
CREATE TABLE evil (how text);
INSERT INTO evil VALUES ('honest');
ALTER FUNCTION trident.search_shards RENAME TO honest_shards;
CREATE FUNCTION trident.search_shards(integer, text[], trident.vector, integer, text, text, text[], text[], text[], text, text[],
	text[], float8, float8, integer, text, text) RETURNS bytea LANGUAGE plpgsql SET search_path = trident, public AS \$\$
DECLARE
	answer bytea := trident.honest_shards(\$1, \$2, \$3, \$4, \$5, \$6, \$7, \$8, \$9, \$10, \$11, \$12, \$13, \$14, \$15, \$16, \$17);
	how text := (SELECT evil.how FROM public.evil);
BEGIN
	CASE how
		WHEN 'honest' THEN NULL;
		WHEN 'null' THEN answer := NULL;
		WHEN 'empty' THEN answer := '';
		-- the text "n7" as 32 MB of zero bytes
		WHEN 'zero' THEN answer := overlay(answer PLACING int4send(32000000) || decode(repeat('00', 32000000), 'hex')
			FROM position('\\x000000026e37'::bytea IN answer) FOR 6);
		WHEN 'cut' THEN answer := substring(answer FOR floor(random() * length(answer))::integer);
		ELSE
			FOR i IN 0 .. (random() * 3)::integer LOOP
				answer := set_byte(answer, (random() * (length(answer) - 1))::integer,
					(ARRAY[0, 1, 127, 128, 255, (random() * 255)::integer])[1 + (random() * 5)::integer]);
			END LOOP;
	END CASE;
	RETURN answer;
END \$\$;
SQL
$home->safe_psql('postgres', sprintf(
		q{CREATE EXTENSION postgres_fdw;
		CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '%s', port '%d', dbname 'postgres', extensions 'trident');
		CREATE USER MAPPING FOR CURRENT_USER SERVER far;
		CREATE TABLE part (%s) PARTITION BY LIST (id);
		CREATE FOREIGN TABLE part_0 PARTITION OF part DEFAULT SERVER far},
		'127.0.0.1', $far->port, $columns));
$home->safe_psql('postgres', <<'SQL');
CREATE FUNCTION search(rounds integer, OUT state text, OUT times bigint) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE states text[];
BEGIN
	FOR i IN 1 .. rounds LOOP
		BEGIN
			PERFORM * FROM trident_search('part', '[7,1,2]', 5, key => '{id}', vector_column => 'v', columns => '{n,f,t,u,a,b,note,doc,h,i}');
			states := array_append(states, 'rows');
		EXCEPTION WHEN OTHERS THEN
			states := array_append(states, SQLSTATE);
		END;
	END LOOP;
	RETURN QUERY SELECT s, count(*) FROM unnest(states) s GROUP BY s ORDER BY s;
END $$;
SQL

sub answers
{
	my ($how, $n) = @_;

	$far->safe_psql('postgres', "UPDATE evil SET how = '$how'");
	return $home->safe_psql('postgres', "SELECT * FROM search($n)");
}

my $right = q{SELECT string_agg(id, ',') FROM trident_search('part', '[7,1,2]', 5, key => '{id}', vector_column => 'v')};

is(answers('honest', 1), 'rows|1', 'an honest answer');
is($home->safe_psql('postgres', $right), '7,6,8,5,9', 'is right');
is(answers('null', 1), '08P01|1', 'NULL is an error');
is(answers('empty', 1), '08P01|1', 'nothing is an error');
is(answers('zero', 1), '22021|1', 'text that is none is an error');
is(answers('cut', $rounds / 4), '08P01|' . $rounds / 4, 'whatever was cut is an error');

my $mutated = answers('mutated', $rounds);
note($mutated);
unlike($mutated, qr/^(?:XX|57)/m, 'bytes changed at random: rows, or an error of the data');
is(answers('honest', 1), 'rows|1', 'the same node, honest again');
is($home->safe_psql('postgres', $right), '7,6,8,5,9', 'is right again');

# A session that connects for itself, and has more to do here than nodes have
# time to answer: they have answered all the same.
is($home->safe_psql('postgres', <<'SQL'), '25', 'answers that came in time count, however late they are looked at');
SET client_min_messages = error;
SET trident.exchange_timeout = '300ms';
CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (101, 102, 103, 104, 105);
INSERT INTO part_1 (id, v, note) SELECT i, ARRAY[i, 1, 2]::vector, 'n' || i FROM generate_series(101, 105) i;
SELECT count(*) FROM trident_search('part', '[7,1,2]', 30, key => '{id}', vector_column => 'v',
	filter => $$id < 100 OR length(md5(repeat(note, 40000000))) = 32$$);
DROP TABLE part_1;
SQL

# Endless rows, and a value too long: given up while it comes, by whoever asks.
$home->append_conf('postgresql.conf', <<'END');
shared_preload_libraries = trident
session_preload_libraries = ''
trident.exchange_memory = '8MB'
trident.exchange_reply_size = '16MB'
trident.exchange_timeout = '20s'
END
$home->restart;

# Who may not connect to a node is told so, and not that it is away.
$home->safe_psql('postgres', 'CREATE ROLE poor LOGIN; GRANT SELECT ON part, part_0 TO poor; GRANT USAGE ON FOREIGN SERVER far TO poor; CREATE USER MAPPING FOR poor SERVER far');
foreach my $mode ('worker', 'direct')
{
	my (undef, undef, $error) = $home->psql('postgres', "SET trident.exchange_mode = $mode; SET ROLE poor; SELECT id FROM trident_search('part', '[7,1,2]', 5, key => '{id}', vector_column => 'v', partial => 'allow')");
	like($error, qr/ERROR: .*password is required/, "a role without a password, $mode");
}

# The most memory that the process has had, in MB, and what it said.
sub most_memory
{
	my ($pid) = @_;

	return slurp_file("/proc/$pid/status") =~ /VmHWM:\s+(\d+) kB/ ? $1 / 1024 : 0;
}

my %endless = (
	rows => q{SELECT repeat('x', 1000)::bytea FROM (SELECT generate_series(1, 1000000000)) g},
	value => q{SELECT convert_to(repeat(repeat('x', 1000), 100000), 'UTF8')});
my $signature = 'integer, text[], trident.vector, integer, text, text, text[], text[], text[], text, text[], text[], float8, float8, integer, text, text';
foreach my $what (sort keys %endless)
{
	$far->safe_psql('postgres', "DROP FUNCTION trident.search_shards($signature);
		CREATE FUNCTION trident.search_shards($signature) RETURNS SETOF bytea LANGUAGE sql AS \$\$ $endless{$what} \$\$");
	foreach my $mode ('worker', 'direct', 'auto')
	{
		my $session = $home->background_psql('postgres', on_error_stop => 0);
		my $search = $right =~ s/SELECT string_agg\(id, ','\)/SELECT count(*)/r;

		$session->query_safe("SET trident.exchange_mode = $mode; SET search_path = public, trident");
		my $pid = $session->query_safe('SELECT pg_backend_pid()');
		$session->query(<<"SQL");
DO \$\$ BEGIN PERFORM set_config('test.state', 'none', false); PERFORM ($search);
EXCEPTION WHEN OTHERS THEN PERFORM set_config('test.state', SQLSTATE || ' ' || SQLERRM, false); END \$\$;
SQL
		like($session->query_safe("SELECT current_setting('test.state')"), qr/^TR005 /, "endless $what, $mode: given up");
		# one value may come in one read of libpq, whole
		my $most = $what eq 'rows' ? 160 : 300;
		note(sprintf('%s, %s: session %d MB', $what, $mode, most_memory($pid)));
		cmp_ok(most_memory($pid), '<', $most, "endless $what, $mode: the session has not grown");
		my $worker = $session->query_safe("SELECT max(pid) FROM trident.stat_worker WHERE kind = 'exchange'");
		cmp_ok(most_memory($worker), '<', $most, "endless $what, $mode: nor the worker") if $worker ne '';
		$session->quit;
	}
	ok($far->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE 'trident%' AND state = 'active'"),
		"endless $what: the node is disconnected, and stops");
}

unlike(slurp_file($home->logfile), qr/terminated by signal|PANIC|TRAP/, 'nothing crashed');

$_->stop for @nodes;
done_testing();
