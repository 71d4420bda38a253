# Proves that rows and definitions come to the nodes of a collection as they
# are, whatever the session has set and whoever else writes, and that a
# collection does not lose shards with a node.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use FleetTest;
use PostgreSQL::Test::Utils;
use Test::More;

my ($home, $second, $third) = my @nodes = fleet(3);
my $settings = "SET datestyle = 'SQL, DMY'; SET intervalstyle = 'sql_standard'; SET extra_float_digits = -9; SET timezone = 'Asia/Kolkata';";

# Values and definitions do not depend on the session.  The array makes all go as text.
as_app($home, <<'END');
CREATE TABLE item (id int PRIMARY KEY, d date, at timestamptz, i interval, f float8, tags int[]);
INSERT INTO item SELECT n, '2026-01-01'::date + n, '2026-01-01 12:00+00'::timestamptz + n * interval '1 day',
	'-1 day'::interval - n * interval '1.5 seconds', n / 3.0, ARRAY[n] FROM generate_series(1, 300) n;
ALTER TABLE item ADD CONSTRAINT late CHECK (at > '2026-01-01 00:00+00');
CREATE INDEX ON item (d) WHERE at > '2026-02-01 00:00+00';
END
my $content = 'SELECT md5(string_agg(t::text, E\'\n\' ORDER BY id)) FROM item t';
my $before = as_app($home, $content);

as_app($home, "$settings SELECT trident_collection_distribute('item', '{local,node2,node3}')");
is(as_app($home, $content), $before, 'values come to nodes as they are, whatever the session has set');
is(as_app($home, "$settings SELECT bool_and(ok), min(indexes) FROM trident_collection_status('item')"), 't|1', 'and definitions');
is(as_app($home, "$settings SELECT count(*) FROM trident_collection_sync('item')"), 0, 'which no other time zone changes');
as_app($home, "$settings SELECT trident_collection_load('item', \$\$SELECT n, '05/06/2027', '05/06/2027 12:00', '1', 1 / 3.0, '{}' FROM generate_series(1001, 1030) n\$\$)");
is(as_app($home, "SELECT DISTINCT d, at, f FROM item WHERE id > 1000"), '2027-06-05|2027-06-05 06:30:00+00|0.3333333333333333', 'but the query is read as the caller reads it');
as_app($home, 'DELETE FROM item WHERE id > 1000');

# What old rows get in a new column is one value.
as_app($home, "ALTER TABLE item ADD COLUMN added timestamptz NOT NULL DEFAULT now()");
is(as_app($home, 'SELECT count(DISTINCT added), count(DISTINCT tableoid) FROM item'), '1|3', 'a new column has one time on all nodes');
is(as_app($home, "SELECT bool_and(ok) FROM trident_collection_status('item')"), 't', 'and no other default there');

# A name of an object is that name on every node, not its OID here.
app_sql($second, 'CREATE TABLE first_here (); CREATE TABLE named ()');
app_sql($home, 'CREATE TABLE named ()');
as_app($home, "CREATE TABLE r (id int PRIMARY KEY, c regclass); INSERT INTO r SELECT 1, 'named'; SELECT trident_collection_distribute('r', '{node2}')");
is(as_app($home, 'SELECT c FROM r'), 'named', 'a regclass goes by name');
is(as_app($second, 'SELECT c FROM ' . as_app($home, "SELECT shard_table FROM trident_collection_status('r')")), 'named', 'as the node knows it');

# Shards move while another node writes to them, after the transaction has seen them.
as_app($third, "SELECT trident_collection_attach('public.item', 'node1')");
my ($free) = map { $_->{number} } grep { $_->{node} eq 'node2' }
  map { my ($number, $node) = split /\|/; { number => $number, node => $node } }
  split /\n/, as_app($home, "SELECT shard, node FROM trident_collection_status('item')");
my $gate = $home->background_psql('app');
$gate->query_safe('SELECT pg_advisory_lock(1)');
my $mover = $home->background_psql('app', extra_params => [ '-U', 'app' ]);
$mover->query_until(qr/asked/, <<"END");
\\echo asked
DO \$\$
BEGIN
	PERFORM count(*) FROM item;
	PERFORM pg_advisory_lock(1);
	PERFORM trident_collection_move_shard('item', $free, 'local');
END \$\$;
\\echo moved
END
await_sql($home, "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted", 'a transaction has seen the shard');
as_app($third, "UPDATE item SET d = '2030-01-01'");
$gate->query_safe('SELECT pg_advisory_unlock(1)');
$mover->query_until(qr/moved/, '');
$mover->quit;
$gate->quit;
is(as_app($home, "SELECT bool_and(node = 'local') FROM trident_collection_status('item') WHERE shard = $free"), 't', 'it moved');
is(as_app($home, "SELECT count(*) FROM item WHERE d <> '2030-01-01'"), 0, 'with all that others have written since');
as_app($third, "SELECT trident_collection_detach('item')");
as_app($home, "SELECT trident_collection_move_shard('item', $free, 'node3')");
is(as_app($home, "SELECT count(*), sum(misplaced) FROM item, (SELECT sum(misplaced) AS misplaced FROM trident_collection_status('item', true)) s"), '300|0', 'and from here to a node');

# What a shard rounds belongs to the shard of what it has then.
app_sql($_, 'CREATE DOMAIN tenth AS numeric(6, 1)') foreach @nodes;
as_app($home, <<'END');
CREATE TABLE rounded (b tenth, a timestamp(0), n numeric(4, 1), c varchar(4), i interval second(0), PRIMARY KEY (a, n, c, i, b)) PARTITION BY HASH (n, a, c, i, b);
SELECT trident_collection_distribute('rounded', '{node2,node3,local}', 6);
END
is(as_app($home, <<'END'), 200, 'values that a shard rounds are loaded');
SELECT trident_collection_load('rounded', $$SELECT n / 7.0, '2026-01-01'::timestamp + n * '0.77 s'::interval, n / 7.0, 'abcd  ', n * '0.77 s'::interval FROM generate_series(1, 200) n$$)
END
is(as_app($home, <<'END'), 200, 'and upserted, half of them known by what they are rounded to');
SELECT trident_collection_upsert('rounded', $$SELECT n / 7.0, '2026-01-01'::timestamp + n * '0.77 s'::interval, n / 7.0, 'abcd  ', n * '0.77 s'::interval FROM generate_series(1, 400) n$$)
END
is(as_app($home, "SELECT count(*) || ' ' || (SELECT sum(misplaced) FROM trident_collection_status('rounded', true)) FROM rounded"), '400 0', 'each once, where it belongs');
as_app($home, "SELECT trident_collection_undistribute('rounded')");

# A move whose session on the node is gone has not held off writers.
as_app($home, "SELECT trident_collection_move_shard('item', $free, 'node2')");
$gate = $home->background_psql('app');
$gate->query_safe('BEGIN; LOCK TABLE item IN ACCESS SHARE MODE');
my ($out, $err) = ('', '');
my $move = IPC::Run::start([ 'psql', '-XAtq', '-d', $home->connstr('app') . ' user=app', '-c', "SELECT trident_collection_move_shard('item', $free, 'node3')" ],
	'<', \undef, '>', \$out, '2>', \$err);
await_sql($home, "SELECT count(*) = 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted", 'a move has copied its rows and waits for readers');
is(app_sql($second, "SELECT count(*) FROM (SELECT pg_terminate_backend(pid, 10000) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE l.mode = 'ShareLock' AND c.relnamespace = 'trident_shard'::regnamespace AND c.relkind = 'r' GROUP BY pid) t"), 1, 'its session on the node ends');
$gate->query_safe('COMMIT');
$gate->quit;
$move->finish;
like($err, qr/ERROR/, 'the move fails');
is(as_app($home, "SELECT node, ok FROM trident_collection_status('item') WHERE shard = $free"), 'node2|t', 'and the shard stays');
as_app($home, "SELECT FROM trident_collection_cleanup()");

# No shard is lost with its node.
fails_with($home, 'DROP SERVER node3 CASCADE', qr/cannot drop shard .*collection public\.item/, 'a server with shards is not dropped');
fails_with($home, 'DROP EXTENSION postgres_fdw CASCADE', qr/cannot drop shard/, 'nor the wrapper');
fails_with($home, 'DROP FOREIGN TABLE ' . app_sql($home, "SELECT ftrelid::regclass FROM pg_foreign_table LIMIT 1"), qr/cannot drop shard/, 'nor a leaf');

# Databases that sort by ICU are compared by its locale.
SKIP:
{
	skip 'no ICU', 2 unless app_sql($home, "SELECT count(*) FROM pg_collation WHERE collname = 'und-x-icu'");
	app_sql($home, "CREATE DATABASE sv TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'sv'");
	app_sql($second, "CREATE DATABASE de TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de'");
	$_->[0]->safe_psql($_->[1], 'CREATE EXTENSION postgres_fdw; CREATE EXTENSION trident') foreach [ $home, 'sv' ], [ $second, 'de' ];
	my $port = $second->port;
	like($home->safe_psql('sv', <<"END"), qr/"[^"]*locale de" there, "[^"]*locale sv" here/, 'nodes of different ICU locales are told apart');
SET client_min_messages = error;
SELECT trident_node_add('de', '127.0.0.1', $port, 'de');
CREATE USER MAPPING FOR CURRENT_USER SERVER de OPTIONS (user 'admin', password 'secret-of-admin');
SELECT detail FROM trident_node_check() WHERE checked = 'collation' AND NOT ok;
END
	my ($rc, undef, $error) = $home->psql('sv', <<'END', on_error_stop => 1);
SET client_min_messages = error;
CREATE TABLE t (id text PRIMARY KEY);
SELECT trident_collection_distribute('t', '{local}');
SELECT trident_collection_move_shard('t', 0, 'de');
END
	like($error, qr/ERROR.*collation/s, 'and none gets shards whose keys it would sort in another way');
}

# All comes home.
as_app($home, "SELECT trident_collection_undistribute('item'); SELECT trident_collection_undistribute('r')");
is(as_app($home, 'SELECT count(*), count(DISTINCT d) FROM item'), '300|1', 'undistributed, it has all rows');
no_leftovers('nothing is left on the nodes', $second, $third);

done_testing();
