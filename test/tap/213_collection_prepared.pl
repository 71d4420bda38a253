# Where every node allows it, transactions on nodes are prepared, and the one
# here decides.  At each step the home is made to fail or to crash, or a node
# dies: nodes have all of it or nothing, once the cleanup has seen to what was
# left prepared, and nothing stays prepared.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use FleetTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $full = $ENV{TRIDENT_TEST_FULL};
my @nodes = fleet(3, faults => 1, preload => 0,
	conf => "restart_after_crash = on\nlog_min_messages = fatal\nmax_prepared_transactions = 20\n");
my ($home, $second, $third) = @nodes;

app_sql($home, <<'END');
CREATE TABLE fresh (id int PRIMARY KEY, embedding vector(4), title text);
INSERT INTO fresh SELECT i, ARRAY[i, i % 7, 1, 0]::vector, 'title ' || i FROM generate_series(1, 500) i;
CREATE TABLE item (LIKE fresh INCLUDING ALL);
INSERT INTO item TABLE fresh;
END
my $content = "SELECT count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)), 0) FROM item t";
my $before = app_sql($home, $content);
my $distribute = "SELECT trident_collection_distribute('item', '{node2,local,node3}', 3)";
my $load = "SELECT trident_collection_load('item', \$\$SELECT i, ARRAY[i, 0, 0, 0]::vector, 'new' FROM generate_series(1001, 1300) i\$\$)";

# Prepared transactions of trident on the nodes, as "node2 node3".
sub prepared
{
	return join ' ', map { app_sql($_, 'SELECT count(*) FROM pg_prepared_xacts') } $second, $third;
}

# The home is there again after a crash.
sub await_home
{
	await_sql($home, 'SELECT true', 'the home is back');
	return;
}

sub cleanup
{
	return app_sql($home, 'SELECT action FROM trident_collection_cleanup() ORDER BY 1');
}

# As it was, and nothing is left.
sub check_nothing
{
	my ($what) = @_;

	is(app_sql($home, "$content; SELECT relkind FROM pg_class WHERE relname = 'item'"), "$before\nr",
		"$what: the table is what it was");
	cleanup();
	no_leftovers("$what: nothing is left", @nodes);
	return;
}

# Run a statement that stops at a point until the lock is given; do something
# meanwhile.  Returns what the session said.
sub meanwhile
{
	my ($point, $sql, $something) = @_;
	my $lock = $home->background_psql('app', on_error_die => 1);
	my ($out, $err) = ('', '');

	$lock->query_safe('SELECT pg_advisory_lock(8400)');
	my $run = IPC::Run::start([ 'psql', '-XAtq', '-d', $home->connstr('app'), '-c', "SET trident.fault = '$point:wait'", '-c', $sql ],
		'<', \undef, '>', \$out, '2>', \$err);
	ok($home->poll_query_until('app', "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"), "the statement waits at $point");
	$something->();
	$lock->query_safe('SELECT pg_advisory_unlock(8400)');
	$run->finish;
	$lock->quit;
	return $out . $err;
}

# --- distribution ---

foreach my $point (qw(collection-before-prepare collection-prepare collection-prepare:1 collection-prepared))
{
	my ($name, $skip) = split /:/, $point;
	my $number = defined $skip ? ":$skip" : '';
	my $err;

	$home->psql('app', "SET trident.fault = '$name:error$number'; $distribute", stderr => \$err);
	like($err, qr/fault "$name"/, "error at $point");
	is(prepared(), '0 0', "error at $point: nothing stays prepared, without the cleanup");
	check_nothing("error at $point");
	next unless $full || $point =~ /prepare:1/;
	$home->psql('app', "SET trident.fault = '$name:exit$number'; $distribute", stderr => \$err);
	await_home();
	note("crash at $point: prepared " . prepared());
	check_nothing("crash of the home at $point");
}

is(app_sql($home, "SET trident.fault = 'collection-before-remote-commit:error'; $distribute"), 500, 'without a failure it is distributed, by preparing');
is(prepared(), '0 0', 'nothing is prepared afterwards');
is(app_sql($home, "$content; SELECT bool_and(ok) FROM trident_collection_status('item', true)"), "$before\nt", 'and it is whole');
is(cleanup(), '', 'there is nothing to clean up');

# --- a load: rows for all nodes, or none ---

foreach my $point (qw(collection-before-prepare collection-prepare:1 collection-prepared))
{
	my ($name, $skip) = split /:/, $point;
	my $number = defined $skip ? ":$skip" : '';
	my $err;

	$home->psql('app', "SET trident.fault = '$name:error$number'; $load", stderr => \$err);
	like($err, qr/fault "$name"/, "load: error at $point");
	is(app_sql($home, $content), $before, "load: error at $point: no row is there");
	next unless $full || $point eq 'collection-prepared';
	$home->psql('app', "SET trident.fault = '$name:exit$number'; $load", stderr => \$err);
	await_home();
	is(app_sql($home, $content), $before, "load: crash at $point: no row is there");
	cleanup();
	is(prepared(), '0 0', "load: crash at $point: nothing stays prepared");
	is(app_sql($home, $content), $before, "load: crash at $point: nor comes later");
}

# Decided, and the home crashes before, or while, it tells the nodes.
foreach my $point ('collection-decided', 'collection-commit-prepared')
{
	my $err;

	$home->psql('app', "SET trident.fault = '$point:exit'; $load", stderr => \$err);
	await_home();
	like(cleanup(), qr/a prepared transaction was committed/, "crash at $point: what was prepared is committed");
	is(prepared(), '0 0', 'nothing stays prepared');
	is(app_sql($home, "SELECT count(*) FROM item"), 800, 'all rows are there');
	app_sql($home, "DELETE FROM item WHERE id > 1000");
	is(app_sql($home, $content), $before, 'as before');
}

# A node dies when it has prepared: the decision reaches it by the cleanup.
like(meanwhile('collection-prepared', $load, sub { kill_node($third) }),
	qr/^300\n?.*WARNING:  node "node3" could not finish.*HINT:  Run trident_collection_cleanup\(\)/s, 'a node dies when it has prepared: a warning');
$third->start;
is(app_sql($third, 'SELECT count(*) FROM pg_prepared_xacts'), '1', 'its part is still prepared');
is(cleanup(), 'a prepared transaction was committed', 'the cleanup commits it');
is(app_sql($home, "SELECT count(*) FROM item"), 800, 'all rows are there');
app_sql($home, "DELETE FROM item WHERE id > 1000");

# A shard moves to a node that dies then: the old one stays until it is there.
my $shards = shard_tables($second);
like(meanwhile('collection-prepared', "SELECT trident_collection_move_shard('item', 0, 'node3')", sub { kill_node($third) }),
	qr/WARNING:  node "node3" could not finish/, 'a shard moves to a node that dies: a warning');
is(shard_tables($second), $shards, 'the old shard is kept');
$third->start;
like(cleanup(), qr/a prepared transaction was committed/, 'the cleanup commits the new one');
cleanup();
is(shard_tables($second), $shards - 1, 'and drops the old one');
is(app_sql($home, "SELECT trident_collection_move_shard('item', 0, 'node2'); $content"), "163\n$before", 'it moves back, and is whole');

# One that dies before: no row anywhere, when the statement has failed.
like(meanwhile('collection-before-prepare', $load, sub { kill_node($third) }), qr/ERROR:.*node3/s, 'a node dies before it has prepared: an error');
$third->start;
is(prepared(), '0 0', 'the other rolls back at once');
is(app_sql($home, $content), $before, 'no row is there');

# The cleanup leaves alone what is under way, of this home and of others.
my $other = '00000000-0000-4000-8000-000000000000';
meanwhile('collection-prepared', $load, sub {
	is(prepared(), '1 1', 'a load under way is prepared');
	is(cleanup(), '', 'the cleanup leaves it alone');
	is(prepared(), '1 1', 'really');
});
is(app_sql($home, "SELECT count(*) FROM item"), 800, 'and it ends well');
app_sql($home, "DELETE FROM item WHERE id > 1000");

my $own = app_sql($home, 'SELECT trident_node_identity()');
app_sql($third, "BEGIN; CREATE TABLE a (); PREPARE TRANSACTION 'trident_collection_${other}_1_1000_0'");
app_sql($third, "BEGIN; CREATE TABLE b (); PREPARE TRANSACTION 'trident_collection_${own}_ff_1000_0'");
app_sql($third, "BEGIN; CREATE TABLE c (); PREPARE TRANSACTION 'trident_collection_${own}_1_99999999_0'");
app_sql($third, "BEGIN; CREATE TABLE d (); PREPARE TRANSACTION 'trident_collection_${own}_nonsense'");
my @told = split /\n/, cleanup();
is(scalar(@told), 4, 'what no decision is known for is told of');
is(scalar(grep { /${other}.*for a node that is not known here/ } @told), 1, 'that of a home which is not known here');
is(scalar(grep { /does not know how it ended; COMMIT PREPARED or ROLLBACK PREPARED/ } @told), 3,
	'where a restored home, or one promoted, may not decide');
is(app_sql($third, 'SELECT count(*) FROM pg_prepared_xacts'), '4', 'and are left to people');
app_sql($third, "ROLLBACK PREPARED '$_'") foreach split /\n/, app_sql($third, 'SELECT gid FROM pg_prepared_xacts');

# What another role has prepared, that role or a superuser finishes.
app_sql($home, "GRANT INSERT, SELECT ON item TO app");
foreach my $node ($second, $third)
{
	app_sql($node, "GRANT INSERT, SELECT ON ALL TABLES IN SCHEMA trident_shard TO app");
}
my $err;
app_sql($home, "GRANT ALL ON ALL TABLES IN SCHEMA trident_shard TO app");
$home->psql('app', "SET trident.fault = 'collection-decided:exit'; $load", stderr => \$err);
await_home();
like(as_app($home, 'SELECT action FROM trident_collection_cleanup()'), qr/prepared there by role admin, who may finish it/, 'not by a role that may not');
like(cleanup(), qr/a prepared transaction was committed/, 'but by one that may');
app_sql($home, "DELETE FROM item WHERE id > 1000");

# --- where preparing is not possible ---

is(app_sql($home, "SET trident.fault = 'collection-prepared:error'; SELECT trident_collection_upsert('item', \$\$SELECT i, ARRAY[i, 0, 0, 0]::vector, 'up' FROM generate_series(1001, 1100) i\$\$)"),
	'100', 'upsert uses temporary tables, and commits node after node');
app_sql($home, "DELETE FROM item WHERE id > 1000");
$third->append_conf('postgresql.conf', "max_prepared_transactions = 0\n");
$third->restart;
is(app_sql($home, "SET trident.fault = 'collection-prepared:error'; $load"), '300', 'so does a load, where one node does not allow it');
app_sql($home, "DELETE FROM item WHERE id > 1000");
is(app_sql($home, $content), $before, 'the collection is whole');


# No cancel comes between the commits, and an error tells who has committed.
my $cancel = sub { app_sql($home, "SELECT pg_cancel_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") };
is(meanwhile('collection-remote-commit', $load, $cancel), "300\n", 'canceled when the first node commits: all do');
is(app_sql($home, 'SELECT count(*) FROM item'), 800, 'all rows are there');
app_sql($home, "DELETE FROM item WHERE id > 1000");
like(meanwhile('collection-remote-commit', $load, sub { kill_node($third) }),
	qr/ERROR:  node "node3" could not commit, but others did\nDETAIL:  Nodes that have committed: "node2"/, 'a node dies when the first one commits: an error names those that did');
$third->start;
app_sql($home, "DELETE FROM item WHERE id > 1000");

# A cancel while a node prepares that does not answer is not kept waiting long.
if ($full)
{
	$third->append_conf('postgresql.conf', "max_prepared_transactions = 20\n");
	$third->restart;
	app_sql($home, 'ALTER DATABASE app SET trident.exchange_timeout = 300000');
	my $canceler;
	my $start = time;
	like(meanwhile('collection-before-prepare', $load, sub {
		freeze_node($third);
		my $sql = "SELECT count(pg_cancel_backend(pid)) = 1 FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE '%collection_load%' AND wait_event_type IN ('Extension', 'IPC')";
		$canceler = IPC::Run::start([ 'sh', '-c', 'until [ "$(psql -XAtq -d "$1" -c "$2")" = t ]; do sleep 0.1; done', 'sh', $home->connstr('app'), $sql ]);
	}), qr/ERROR:  canceling statement/, 'canceled while a node that hangs prepares');
	cmp_ok(time - $start, '<', 60, 'and it ends long before the timeout');
	$canceler->finish;
	thaw_node($third);
	app_sql($home, 'ALTER DATABASE app RESET trident.exchange_timeout');
	cleanup();
	is(app_sql($home, $content), $before, 'no row is there');
}

app_sql($home, "SELECT trident_collection_undistribute('item')");
cleanup();
no_leftovers('nothing is left in the end', $second, $third);
done_testing();
