# Workers live and end with the databases and extensions they serve: what may
# happen to either is done to a worker of the kind "test", and after each the
# worker is there or not as it should be, and commands are not kept waiting.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

plan skip_all => 'needs a library with fault points (TRIDENT_FAULTS)'
  unless $ENV{TRIDENT_FAULTS};

my $node = PostgreSQL::Test::Cluster->new('worker',
	install_path => $ENV{TRIDENT_FAULTS});
$node->init;
$node->append_conf('postgresql.conf', <<'END');
shared_preload_libraries = 'trident'
fsync = off
restart_after_crash = on
max_prepared_transactions = 5
trident.worker_probe_interval = 1h
END
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE a');

my $functions = <<'END';
CREATE FUNCTION ensure(int) RETURNS bigint AS '$libdir/trident', 'trident_test_worker_ensure' LANGUAGE C;
CREATE FUNCTION wake() RETURNS bool AS '$libdir/trident', 'trident_test_worker_wake' LANGUAGE C;
CREATE FUNCTION at_commit() RETURNS void AS '$libdir/trident', 'trident_test_worker_at_commit' LANGUAGE C;
END

# Start the worker of database a (or another); returns its generation.
sub ensure
{
	my $database = shift // 'a';
	return $node->safe_psql($database, 'SELECT ensure(20000)');
}

# What the view says of it.
sub state_of
{
	my ($column, $database) = @_;
	$database //= 'a';
	# its view is in database postgres, which no test takes away
	return $node->safe_psql('postgres', "SELECT $column FROM trident.stat_worker
		WHERE kind = 'test' AND database = '$database'");
}

sub await_state
{
	my ($state, $why, $database) = @_;
	$database //= 'a';
	ok($node->poll_query_until('postgres', "SELECT coalesce((SELECT state FROM trident.stat_worker
		WHERE kind = 'test' AND database = '$database'), 'none') = '$state'"), $why)
	  or diag $node->safe_psql('postgres', 'TABLE trident.stat_worker');
	return;
}

# A session of a database that holds what a fault point waits for.
sub hold_fault
{
	my ($database) = @_;
	my $session = $node->background_psql($database);

	$session->query_safe('SELECT pg_advisory_lock(8400)');
	return $session;
}

# Somebody of that database waits at a fault point.
sub await_fault
{
	my ($database, $why) = @_;
	ok($node->poll_query_until($database, "SELECT count(*) = 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
		WHERE locktype = 'advisory' AND NOT granted AND datname = '$database'"), $why);
	return;
}

# Processes of that type, as the server sees them.
sub processes
{
	my ($type, $database) = @_;
	return $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity
		WHERE backend_type = 'trident $type'" . ($database ? " AND datname = '$database'" : ''));
}

# A command that must neither fail nor wait for long.
sub quickly
{
	my ($database, $sql, $why) = @_;
	my $begin = time;
	my ($rc, $out, $err) = $node->psql($database, $sql);
	is($rc, 0, $why) or diag $err;
	cmp_ok(time - $begin, '<', 2.5, "$why, without delay");
	return;
}

# --- starting ---

is(processes('launcher'), 1, 'the launcher runs');
like(($node->psql('postgres', "LOAD 'trident'; $functions SELECT ensure(1000)"))[2],
	qr/extension "trident" is not in this database.*CREATE EXTENSION/s, 'no worker without the extension');
$node->safe_psql('postgres', 'CREATE EXTENSION trident');
$node->safe_psql('a', "CREATE EXTENSION trident; $functions");
is($node->safe_psql('a', 'SELECT wake()'), 'f', 'no worker before one is asked for');
my $first = ensure();
cmp_ok($first, '>', 0, 'one starts when asked for');
is($node->safe_psql('a', 'SELECT wake()'), 't', 'and is woken');
is(ensure(), $first, 'there is one for all who ask');
is(processes('test', 'a'), 1, 'one process');
is(state_of('state, restarts, error IS NULL'), 'ready|0|t', 'the view shows it');
is($node->safe_psql('postgres', "SELECT count(*) FROM trident.stat_worker WHERE kind = 'launcher' AND state = 'ready' AND pid > 0"),
	1, 'and the launcher');
$node->safe_psql('a', 'BEGIN; SELECT at_commit(); ROLLBACK');

# --- stopping, failing ---

is($node->safe_psql('postgres', "SELECT trident_worker_stop('a')"), 1, 'an administrator stops it');
is(state_of('state'), 'stopped', 'it is stopped');
is(processes('test'), 0, 'its process is gone');
$node->safe_psql('a', 'BEGIN; SELECT at_commit(); ROLLBACK');
is(state_of('state'), 'stopped', 'a request that is rolled back starts nothing');
$node->safe_psql('a', 'SELECT at_commit()');
await_state('ready', 'one that is committed does');
is($node->safe_psql('postgres', "SELECT trident_worker_stop('a', restart => true)"), 1, 'restarted');
await_state('ready', 'it comes back by itself');
is($node->safe_psql('postgres', "SELECT restarts > 1 FROM trident.stat_worker WHERE kind = 'test'"), 't', 'and that is counted');

my $pid = state_of('pid');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid, 5000)");
ok($node->poll_query_until('postgres', "SELECT state = 'ready' AND pid <> $pid AND error = 'worker was terminated'
	FROM trident.stat_worker WHERE kind = 'test'"), 'a terminated worker is started again');

# Who wakes it while it ends.
{
	my $lock = hold_fault('a');
	my $session = $node->background_psql('a');
	$session->query_until(qr/begun/, "\\echo begun\nSET trident.fault = 'worker_wake:wait'; SELECT 'woken ' || wake();\n");
	await_fault('a', 'a session is about to wake the worker');
	$node->safe_psql('postgres', "SELECT trident_worker_stop('a')");
	is(state_of('state'), 'stopped', 'which ends');
	$lock->quit;
	like($session->query('SELECT 1'), qr/woken true\n1/, 'the session does not notice');
	$session->quit;
	ensure();
}

# A cancel is for statements; that it is no error the log tells at the end.
$node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . state_of('pid') . ')');

$node->append_conf('postgresql.conf', "trident.fault = 'worker_turn:error'");
$node->reload;
await_state('failed', 'a worker that fails is shown so');
like(state_of("error_code || ' ' || error || (retry_at > now())"), qr/^XX000 fault "worker_turn"t/, 'with its error');
like(($node->psql('a', 'SELECT ensure(20000)'))[2],
	qr/test worker could not be started.*DETAIL:  fault "worker_turn"/s, 'who asks for it is told at once');
$node->append_conf('postgresql.conf', "trident.fault = ''");
$node->reload;
await_state('ready', 'it is tried again until it works');

# A crash resets shared memory; what is needed is found by the probe.
$node->safe_psql('a', 'CREATE TABLE worker_test_wanted ()');
my $log = -s $node->logfile;
kill 'KILL', state_of('pid');
$node->wait_for_log(qr/database system is ready to accept connections/, $log);
await_state('ready', 'and the worker is, nobody having asked');
$node->restart;
await_state('ready', 'so it is after a restart');

# --- DROP, CREATE and ALTER EXTENSION ---

my $before = ensure();
quickly('a', 'BEGIN; DROP EXTENSION trident CASCADE; ROLLBACK', 'DROP EXTENSION, rolled back');
await_state('ready', 'the worker is back after it');
cmp_ok(ensure(), '>', $before, 'and is another one');

my $session = $node->background_psql('a', on_error_stop => 0);
$session->query_safe('BEGIN; DROP EXTENSION trident');
is(processes('test', 'a'), 0, 'none runs while the extension is being dropped');
like(($node->psql('a', "SET lock_timeout = '1s'; SELECT ensure(200)"))[2],
	qr/command in progress keeps the workers|lock timeout/, 'none starts meanwhile');
$session->query_safe('COMMIT');
$session->quit;
await_state('none', 'nothing is left of it afterwards');
like(($node->psql('a', 'BEGIN; CREATE EXTENSION trident; SELECT ensure(20000)'))[2],
	qr/could not be started.*This transaction has created or updated/s, 'nobody waits for a worker that cannot see the extension');
quickly('a', 'CREATE EXTENSION trident', 'created again');
await_state('ready', 'and the new one is served, as its probe says');
quickly('a', 'DROP SCHEMA public CASCADE', 'dropped by the schema it is in');
await_state('none', 'nothing is left');
$node->safe_psql('a', "CREATE SCHEMA public; CREATE EXTENSION trident; $functions; CREATE TABLE worker_test_wanted ()");

$node->safe_psql('a', "UPDATE pg_extension SET extversion = '0.0.1' WHERE extname = 'trident'");
like(($node->psql('a', 'SELECT trident_worker_stop(); SELECT ensure(20000)'))[2],
	qr/could not be started.*version 0\.0\.1 here, but the library.*ALTER EXTENSION trident UPDATE/s,
	'a worker refuses to serve another version');
$node->safe_psql('a', "UPDATE pg_extension SET extversion = (SELECT default_version FROM pg_available_extensions WHERE name = 'trident') WHERE extname = 'trident'");
$node->safe_psql('a', 'ALTER EXTENSION trident UPDATE');
await_state('ready', 'ALTER EXTENSION has it started at once');

$node->safe_psql('a', "BEGIN; CREATE TABLE t (); PREPARE TRANSACTION 'trident_r_n_1'");
like(($node->psql('a', 'DROP EXTENSION trident'))[2],
	qr/cannot drop.*"trident_r_n_1" is prepared.*ROLLBACK PREPARED 'trident_r_n_1'/s,
	'no drop while a transaction of trident is prepared');
$node->safe_psql('a', "ROLLBACK PREPARED 'trident_r_n_1'");

# --- databases ---

ensure();
quickly('postgres', 'CREATE DATABASE b TEMPLATE a', 'a database is copied');
await_state('ready', 'the template has its worker again');
await_state('ready', 'the copy has one of its own', 'b');
quickly('postgres', 'ALTER DATABASE b RENAME TO c', 'renamed');
await_state('ready', 'served under its new name', 'c');
quickly('postgres', 'DROP DATABASE c', 'dropped');
await_state('none', 'nothing is left of it', 'c');
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM trident.stat_worker WHERE kind = 'test'"), 'really nothing');
quickly('postgres', 'DROP DATABASE a WITH (FORCE)', 'dropped by force');
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type IN ('trident test', 'trident probe')"),
	'no process is left');

# --- rights ---

$node->safe_psql('postgres', "CREATE ROLE app LOGIN; CREATE ROLE creator LOGIN CREATEDB; CREATE DATABASE d");
$node->safe_psql('d', "CREATE EXTENSION trident; $functions; CREATE TABLE worker_test_wanted ()");
$before = ensure('d');
like(($node->psql('d', 'SET ROLE app; DROP DATABASE d'))[2], qr/must be owner|cannot drop the currently open/, 'not by others');
$node->psql('postgres', 'DROP DATABASE d; -- by', extra_params => [ '-U', 'app' ]);
$node->psql('postgres', 'CREATE DATABASE e TEMPLATE d', extra_params => [ '-U', 'app' ]);
like(($node->psql('postgres', 'CREATE DATABASE e TEMPLATE d', extra_params => [ '-U', 'creator' ]))[2],
	qr/permission denied to copy database/, 'nor copied by who may create others');
$node->psql('d', 'DROP EXTENSION trident', extra_params => [ '-U', 'app' ]);
is(ensure('d'), $before, 'who may not run a command stops no worker by it');
foreach my $sql ('TABLE trident.stat_worker', 'SELECT * FROM trident.worker_rows()', 'SELECT trident_worker_stop()')
{
	like(($node->psql('d', $sql, extra_params => [ '-U', 'app' ]))[2], qr/permission denied/, "not for everybody: $sql");
}

# --- idle ---

$node->safe_psql('d', 'DROP TABLE worker_test_wanted');
$node->append_conf('postgresql.conf', "trident.worker_idle_timeout = '200ms'");
$node->reload;
await_state('stopped', 'a worker without work ends', 'd');
is(state_of('error IS NULL AND retry_at IS NULL', 'd'), 't', 'and that is no failure');

# Asked for while it ends: another one comes, without a probe.
$node->append_conf('postgresql.conf', "trident.fault = 'worker_leave:wait'");
$node->reload;
{
	my $lock = hold_fault('d');
	my $starts = state_of('restarts', 'd');

	$node->safe_psql('d', 'SELECT at_commit()');
	await_fault('d', 'one ends');
	$node->safe_psql('d', 'SELECT at_commit()');
	$lock->quit;
	ok($node->poll_query_until('postgres', "SELECT restarts >= $starts + 2 FROM trident.stat_worker WHERE kind = 'test' AND database = 'd'"),
		'who asks meanwhile gets another');
}

$node->stop;
my $text = slurp_file($node->logfile);
unlike($text, qr/PANIC|terminating trident|TRAP|canceling statement|signal 11/, 'nothing unexpected in the log');
done_testing();
