# Proves that distribution is all or nothing: at each step it is made to fail,
# and then the home or a node to die; the table is what it was, or the
# collection whole; and the cleanup leaves nothing on the nodes.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use FleetTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my @nodes = fleet(3, faults => 1, preload => 0,
	conf => "restart_after_crash = on\nlog_min_messages = fatal\n");
my ($home, $second, $third) = @nodes;

my $distribute = "SELECT trident_collection_distribute('item', '{node2,local,node3}', 4)";
my @points = qw(collection-made collection-stream-begun collection-stream-rows collection-stream-ended
  collection-moved collection-indexed collection-distributed collection-before-remote-commit
  collection-remote-commit collection-after-remote-commit);

app_sql($home, <<'END');
CREATE TABLE item (id int PRIMARY KEY, embedding vector(4), title text);
INSERT INTO item SELECT i, ARRAY[i, i % 7, 1, 0]::vector, 'title ' || i FROM generate_series(1, 2000) i;
CREATE INDEX ON item USING trident (embedding vector_l2_ops);
END
my $content = "SELECT count(*) || ' ' || sum(hashtextextended(t::text, 0)) FROM item t";
my $before = app_sql($home, $content);

# The home is there again after a crash.
sub await_home
{
	for (1 .. 1200)
	{
		my ($rc) = $home->psql('app', 'SELECT 1');
		return if defined $rc && $rc == 0;
		usleep(50_000);
	}
	die 'the home did not come back';
}

# What has failed is not there; what is left is dropped by the cleanup.
sub check_nothing
{
	my ($what) = @_;

	is(app_sql($home, "$content; SELECT relkind FROM pg_class WHERE relname = 'item'"), "$before\nr",
		"$what: the table is what it was");
	app_sql($home, 'SELECT FROM trident_collection_cleanup()');
	no_leftovers("$what: nothing is left", @nodes);
	return;
}

for my $point (@points)
{
	my ($rc, $out, $err);

	$home->psql('app', "SET trident.fault = '$point:error'; $distribute", stderr => \$err);
	like($err, qr/fault "$point"/, "error at $point");
	check_nothing("error at $point");
	next unless $point =~ /stream-rows|remote-commit/ || $ENV{TRIDENT_TEST_FULL};

	$home->psql('app', "SET trident.fault = '$point:exit'; $distribute", stderr => \$err);
	await_home();
	check_nothing("crash of the home at $point");
}

# A node dies while rows go there, and while its index is built.
for my $point (qw(collection-stream-rows collection-moved))
{
	my $lock = $home->background_psql('app', on_error_die => 1);
	my ($err, $out);

	$lock->query_safe('SELECT pg_advisory_lock(8400)');
	my $session = $home->background_psql('app', on_error_die => 0, on_error_stop => 0);
	$session->query_until(qr/begun/, "\\echo begun\nSET trident.fault = '$point:wait';\n$distribute;\n");
	ok($home->poll_query_until('app', "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"), "the distribution waits at $point");
	$third->stop('immediate');
	$lock->query_safe('SELECT pg_advisory_unlock(8400)');
	ok($home->poll_query_until('app', "SELECT count(*) = 0 FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%distribute(%' AND pid <> pg_backend_pid()"), 'and ends when a node dies');
	$session->quit;
	$lock->quit;
	$third->start;
	check_nothing("a node dies at $point");
}

# Canceled while its rows are on their way.
{
	my $lock = $home->background_psql('app', on_error_die => 1);

	$lock->query_safe('SELECT pg_advisory_lock(8400)');
	my $session = $home->background_psql('app', on_error_die => 0, on_error_stop => 0);
	$session->query_until(qr/begun/, "\\echo begun\nSET trident.fault = 'collection-stream-rows:wait';\n$distribute;\n");
	ok($home->poll_query_until('app', "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"), 'the distribution waits');
	app_sql($home, "SELECT pg_cancel_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted");
	$session->quit;
	$lock->quit;
	check_nothing('canceled');
}

# The cleanup waits for a distribution between its commit there and that here.
{
	my $lock = $home->background_psql('app', on_error_die => 1);

	$lock->query_safe('SELECT pg_advisory_lock(8400)');
	my $session = $home->background_psql('app', on_error_die => 0);
	$session->query_until(qr/begun/, "\\echo begun\nSET trident.fault = 'collection-after-remote-commit:wait';\n$distribute;\n");
	ok($home->poll_query_until('app', "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"), 'the distribution waits before its commit');
	my $cleanup = $home->background_psql('app', on_error_die => 0);
	$cleanup->query_until(qr/begun/, "\\echo begun\nSELECT 'dropped' FROM trident_collection_cleanup();\n");
	ok($home->poll_query_until('app', "SELECT count(*) = 1 FROM pg_locks WHERE relation = 'trident.collection'::regclass AND NOT granted"), 'the cleanup waits for it');
	is(shard_tables($third), 1, 'the shard is there for all to see on its node');
	$lock->query_safe('SELECT pg_advisory_unlock(8400)');
	unlike($cleanup->query_safe('SELECT 1'), qr/dropped/, 'the cleanup waits for the commit, and drops nothing');
	$_->quit foreach $session, $cleanup, $lock;
	is(app_sql($home, "$content; SELECT bool_and(ok) FROM trident_collection_status('item', true)"), "$before\nt",
		'the collection is whole');
	app_sql($home, "SELECT trident_collection_undistribute('item')");
	app_sql($home, 'SELECT FROM trident_collection_cleanup()');
	no_leftovers('and comes home', $second, $third);
	app_sql($home, <<'END');
CREATE TABLE again (LIKE item INCLUDING DEFAULTS);
INSERT INTO again SELECT * FROM item;
DROP TABLE item;
ALTER TABLE again RENAME TO item;
ALTER TABLE item ADD PRIMARY KEY (id);
CREATE INDEX ON item USING trident (embedding vector_l2_ops);
END
}

is(app_sql($home, $distribute), 2000, 'after all that it is distributed');
is(app_sql($home, $content), $before, 'with all rows');
is(app_sql($home, 'SELECT count(*) FROM trident_collection_cleanup()'), 0, 'the cleanup finds nothing to do');

# Moves and undistribution, at their own points
for my $point (qw(collection-shard-copied collection-before-remote-commit collection-after-remote-commit))
{
	my $err;

	$home->psql('app', "SET trident.fault = '$point:error'; SELECT trident_collection_move_shard('item', 0, 'node3')", stderr => \$err);
	like($err, qr/fault "$point"/, "move: error at $point");
	app_sql($home, 'SELECT FROM trident_collection_cleanup()');
	is(app_sql($home, "$content; SELECT bool_and(ok) FROM trident_collection_status('item', true); SELECT node FROM trident_collection_status('item') WHERE shard = 0"),
		"$before\nt\nnode2", "move: error at $point: the collection is what it was");
	is(shard_tables($third), 1, 'and no copy of the shard is left');
}
$home->psql('app', "SET trident.fault = 'collection-undistributed:exit'; SELECT trident_collection_undistribute('item')");
await_home();
is(app_sql($home, "$content; SELECT bool_and(ok) FROM trident_collection_status('item', true)"), "$before\nt",
	'a crash while the rows come home leaves the collection');

# DDL that a node does not get
my $err;
$home->psql('app', "SET trident.fault = 'collection-synced:error'; ALTER TABLE item ADD COLUMN extra int", stderr => \$err);
is(app_sql($home, "SELECT bool_and(ok) FROM trident_collection_status('item')"), 't', 'DDL that fails leaves the shards as they were');
$third->stop('immediate');
fails_with($home, 'ALTER TABLE item ADD COLUMN extra int', qr/node "node3"/, 'DDL needs all nodes');
fails_with($home, $content, qr/./, 'as a query does');
is(app_sql($home, "SELECT string_agg(shard || ':' || ok, ' ' ORDER BY shard) FROM trident_collection_status('item')"),
	'0:true 1:true 2:false 3:true', 'status tells which shard is away');
$third->start;
app_sql($home, 'ALTER TABLE item ADD COLUMN extra int');
is(app_sql($home, "SELECT bool_and(ok) FROM trident_collection_status('item')"), 't', 'back again, it follows');
app_sql($home, "SELECT trident_collection_undistribute('item')");
is(app_sql($home, "SELECT count(*) FROM item"), 2000, 'all rows come home');
no_leftovers('nothing is left in the end', $second, $third);

done_testing();
