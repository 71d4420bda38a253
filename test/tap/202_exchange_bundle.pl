# Searches that wait for a connection share a statement: each gets the answer
# to its own question, its own error, its own deadline and its own cancel.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use FleetTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $full = $ENV{TRIDENT_TEST_FULL};
my ($home, $far) = fleet(2, conf => <<'END');
fsync = off
trident.exchange_mode = worker
trident.exchange_pool_size = 1
trident.index_target_recall = 1
END

# No dimensions are declared, so that a query of others fails on the node.
app_sql($home, <<'END');
CREATE TABLE item (id int PRIMARY KEY, embedding vector, title text);
SELECT setseed(0.84);
INSERT INTO item SELECT i, array[random(), random(), random(), random()]::vector(4), 'title ' || i
	FROM generate_series(1, 2000) i;
ALTER TABLE item OWNER TO app;
CREATE FUNCTION question(n int) RETURNS vector LANGUAGE sql IMMUTABLE AS
	$$ SELECT array[n % 7, n % 5, n % 3, n % 2]::vector $$;
CREATE TABLE truth AS
	SELECT n, (SELECT array_agg(id ORDER BY d, id) FROM (SELECT id, embedding <-> question(n) AS d FROM item ORDER BY d, id LIMIT 5) x) AS ids
	FROM generate_series(0, 209) n;
GRANT SELECT ON truth TO app;
END
as_app($home, "SELECT trident_collection_distribute('item', '{node2}', 2)");

# One of the two is what is locked: of both there could be a deadlock.
my $shard = app_sql($far, "SELECT min(relname) FROM pg_class WHERE relnamespace = 'trident_shard'::regnamespace AND relkind = 'r'");
my $table = 'item';

sub search
{
	my ($question, $more) = @_;

	return "(SELECT array_agg(id::int ORDER BY distance, id::int) FROM trident_search('$table', $question, 5" . ($more // '') . '))';
}

# A session of role app that runs it, from now on.
sub begin
{
	my ($sql) = @_;
	my $session = { out => '', err => '' };

	$session->{run} = IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $home->connstr('app') . ' user=app', '-c', $sql ],
		'<', \undef, '>', \$session->{out}, '2>', \$session->{err});
	return $session;
}

# What it printed.
sub end
{
	my ($session) = @_;

	$session->{run}->finish;
	return $session->{out} . $session->{err};
}

sub is_right
{
	my ($n, $more) = @_;

	return "SELECT CASE WHEN (SELECT ids FROM truth WHERE n = $n) = " . search("question($n)", $more) . " THEN 'right' ELSE 'wrong' END";
}

# A session that keeps searches of that shard waiting until it ends; it may
# have to wait for that itself.
sub block
{
	my $session = $far->background_psql('app');

	$session->query_until(qr/^go/, "\\echo go\nBEGIN; LOCK TABLE trident_shard.$shard IN ACCESS EXCLUSIVE MODE;\n");
	return $session;
}

sub waiting
{
	my ($running, $waiting, $what) = @_;

	await_sql($home, "SELECT running = $running AND waiting = $waiting FROM trident.stat_pool WHERE node = 'node2'", $what);
	return;
}

# The search that was sent waits for the lock, before anybody else asks for it.
sub held
{
	my ($what) = @_;

	await_sql($far, "SELECT count(*) = 1 FROM pg_locks WHERE mode = 'AccessShareLock' AND NOT granted", $what);
	return;
}

sub locks
{
	my ($held, $awaited, $what) = @_;

	await_sql($far, "SELECT count(DISTINCT pid) FILTER (WHERE granted) = $held AND count(DISTINCT pid) FILTER (WHERE NOT granted) = $awaited FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation IN (SELECT oid FROM pg_class WHERE relnamespace = 'trident_shard'::regnamespace)", $what);
	return;
}

sub bundled
{
	return app_sql($home, "SELECT bundled FROM trident.stat_exchange WHERE node = 'node2'");
}

# One statement is held up, four more searches wait; the others go together.
my $block = block();
locks(1, 0, 'the shard is locked');
my @sessions = begin(is_right(0));
held('a search is held up');
push @sessions, map { begin(is_right($_)) } 1 .. 4;
waiting(1, 4, 'four wait for it');
is(bundled(), 0, 'none has shared a statement yet');
$block->quit;
is(join(' ', map { end($_) } @sessions), join(' ', ("right\n") x 5), 'each has its own answer');
is(bundled(), 4, 'four shared a statement');

# What is not alike is not sent together: another k, another filter.
$block = block();
locks(1, 0, 'the shard is locked again');
@sessions = begin(is_right(0));
held('a search is held up again');
push @sessions, map { begin("SELECT count(*) FROM trident_search('item', question($_), $_, filter => 'id > \$1', filter_args => '[$_]')") } 1 .. 4;
waiting(1, 4, 'four of different kinds wait');
$block->quit;
is(join('', map { end($_) } @sessions), "right\n1\n2\n3\n4\n", 'those are right too');
is(bundled(), 4, 'and were sent one by one');

# The error of one is no other's.
$block = block();
locks(1, 0, 'the shard is locked a third time');
@sessions = begin(is_right(0));
held('a search is held up a third time');
push @sessions, begin(is_right(1)), begin('SELECT ' . search("'[1,2,3]'")), begin(is_right(3));
waiting(1, 3, 'three wait, one of other dimensions');
$block->quit;
my @answers = map { end($_) } @sessions;
like(splice(@answers, 2, 1), qr/ERROR:  22000: could not search .* different vector dimensions/, 'the one that is wrong has its error');
is(join('', @answers), "right\n" x 3, 'the others have their answers');
is(bundled(), 7, 'though they were sent together at first');

# A cancel and a deadline end one call of a statement, which goes on.
$block = block();
locks(1, 0, 'the shard is locked a fourth time');
@sessions = begin(is_right(0));
held('a search is held up a fourth time');
my $second = block();
locks(1, 1, 'and the next one will be');
push @sessions, begin(is_right(1)), begin(is_right(2)),
  begin('SELECT ' . search('question(3)', ", deadline => '2 s'")), begin(is_right(4));
waiting(1, 4, 'four more wait');
$block->quit;
waiting(4, 0, 'they are sent together, and held up');
is(end($sessions[0]), "right\n", 'the first one is done');
is(app_sql($home, "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE query = \$\$" . is_right(2) . "\$\$"), 1, 'one is cancelled');
like(end($sessions[2]), qr/ERROR:  57014/, 'it ends by that');
like(end($sessions[3]), qr/ERROR:  TR\w+: could not search .* no answer before the deadline/, 'another one by its deadline');
waiting(2, 0, 'two go on');
$second->quit;
is(end($sessions[1]) . end($sessions[4]), "right\n" x 2, 'and have their answers');

# When all are gone, the statement is given up.
$block = block();
locks(1, 0, 'the shard is locked a fifth time');
@sessions = begin(is_right(0));
held('a search is held up a fifth time');
$second = block();
locks(1, 1, 'and the next one will be, too');
push @sessions, begin(is_right(1)), begin(is_right(2));
waiting(1, 2, 'two more wait');
$block->quit;
waiting(2, 0, 'they are sent together');
app_sql($home, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT CASE WHEN%' AND usename = 'app'");
end($_) foreach @sessions;
waiting(0, 0, 'nothing runs any more');
await_sql($far, "SELECT count(*) = 0 FROM pg_stat_activity WHERE query LIKE '%search_shards%' AND state = 'active' AND pid <> pg_backend_pid()", 'nor does the node search');
$second->quit;

# A connection that is lost with several calls on it: each is sent again.
$block = block();
locks(1, 0, 'the shard is locked a sixth time');
@sessions = begin(is_right(0));
held('a search is held up a sixth time');
$second = block();
locks(1, 1, 'and the next one will be, as before');
push @sessions, map { begin(is_right($_)) } 1 .. 3;
waiting(1, 3, 'three more wait');
$block->quit;
waiting(3, 0, 'three are sent together');
app_sql($far, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%search_shards_many%' AND pid <> pg_backend_pid()");
$second->quit;
is(join('', map { end($_) } @sessions), "right\n" x 4, 'each has its answer all the same');

# A node without the function, as of an older release: each by itself.
app_sql($far, 'ALTER EXTENSION trident DROP FUNCTION trident.search_shards_many; ALTER FUNCTION trident.search_shards_many RENAME TO other');
my $load = sub {
	my ($clients, $transactions, $what) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . '/script';
	my ($out, $err);

	unlink $file;
	append_to_file($file, "\\set n random(0, 209)\nSELECT 1 / count(*) FROM truth WHERE n = :n AND ids = " . search('question(:n)') . ";\n");
	IPC::Run::run([ 'pgbench', '-n', '-h', $home->host, '-p', $home->port, '-U', 'app',
			'-f', $file, '-c', $clients, '-t', $transactions, 'app' ], '>', \$out, '2>', \$err);
	like($out, qr/actually processed: @{[$clients * $transactions]}\/.*failed transactions: 0/s, $what) or diag($err);
};
$load->(8, 10, 'right answers from a node that cannot answer several at once');
app_sql($far, 'ALTER FUNCTION trident.other RENAME TO search_shards_many; ALTER EXTENSION trident ADD FUNCTION trident.search_shards_many');

# Where the executor runs the plan, it runs it for each query in turn, also a
# plan that is made for the values at hand: those of a filter, or all.
app_sql($home, <<'END');
CREATE TABLE indexed (id int PRIMARY KEY, embedding vector(4));
INSERT INTO indexed SELECT id, embedding FROM item;
CREATE INDEX ON indexed USING trident (embedding vector_l2_ops);
ALTER TABLE indexed OWNER TO app;
END
as_app($home, "SELECT trident_collection_distribute('indexed', '{node2}', 1)");
app_sql($far, 'ALTER DATABASE app SET enable_seqscan = off');
my %ways = ('a filter with values' => [ 'auto', ", filter => 'id > \$1', filter_args => '[0]'" ],
	'force_custom_plan' => [ 'force_custom_plan', '' ]);
$table = 'indexed';
$shard = app_sql($far, "SELECT relname FROM pg_class WHERE oid = (SELECT indrelid FROM pg_index JOIN pg_class i ON i.oid = indexrelid JOIN pg_am a ON a.oid = relam WHERE amname = 'trident')");
foreach my $way (sort keys %ways)
{
	my ($mode, $more) = @{ $ways{$way} };

	app_sql($far, "ALTER DATABASE app SET plan_cache_mode = $mode");
	app_sql($far, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'trident/%/read'");
	my $before = bundled();
	$block = block();
	locks(1, 0, "$way: the shard is locked");
	@sessions = begin(is_right(0, $more));
	held("$way: a search is held up");
	push @sessions, map { begin(is_right($_, $more)) } 1 .. 4;
	waiting(1, 4, "$way: four wait for it");
	$block->quit;
	is(join('', map { end($_) } @sessions), "right\n" x 5, "$way: each has its own answer");
	is(bundled() - $before, 4, "$way: four shared a statement");
}
like(app_sql($far, "SET trident.index_target_recall = 1; EXPLAIN SELECT id FROM trident_shard.$shard ORDER BY embedding <-> '[1,2,3,4]' LIMIT 5"),
	qr/Index Scan using/, 'by the index');
app_sql($far, 'ALTER DATABASE app RESET ALL');
app_sql($far, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'trident/%/read'");
$table = 'item';

# Many sessions: right answers only, and most of them together.
app_sql($home, 'SELECT trident_exchange_reset()');
$load->(24, $full ? 2000 : 50, 'many sessions, each with its own answers');
is(app_sql($home, "SELECT errors + failures + timeouts + retries = 0 AND bundled > calls / 4 FROM trident.stat_exchange WHERE node = 'node2'"), 't', 'many of them together');
app_sql($home, "ALTER SYSTEM SET trident.exchange_bundle_size = 1; SELECT pg_reload_conf()");
await_sql($home, "SELECT current_setting('trident.exchange_bundle_size') = '1'", 'bundles are off');
app_sql($home, 'SELECT trident_exchange_reset()');
$load->(8, 10, 'right answers without');
is(bundled(), 0, 'one by one');
await_sql($home, 'SELECT slots_used = 0 AND memory_used = 0 FROM trident.stat_exchange_memory', 'slots and memory are given back');

$_->stop foreach $home, $far;
done_testing();
