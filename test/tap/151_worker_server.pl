# Workers and the server they are in: without preload, without free slots, at
# the limit of trident.worker_max, on a standby and after its promotion, and in
# binary upgrade.  What cannot be started says why and what to do.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'needs a library with fault points (TRIDENT_FAULTS)'
  unless $ENV{TRIDENT_FAULTS};

my $node = PostgreSQL::Test::Cluster->new('worker_server',
	install_path => $ENV{TRIDENT_FAULTS});
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "fsync = off\ntrident.worker_probe_interval = 1h\n");
$node->start;

my $extension = <<'END';
CREATE EXTENSION trident;
CREATE FUNCTION ensure(int) RETURNS bigint AS '$libdir/trident', 'trident_test_worker_ensure' LANGUAGE C;
CREATE FUNCTION wake() RETURNS bool AS '$libdir/trident', 'trident_test_worker_wake' LANGUAGE C;
END

# A statement fails, and says this.
sub refused
{
	my ($server, $database, $sql, $pattern, $what) = @_;
	my ($rc, $out, $err) = $server->psql($database, $sql);

	isnt($rc, 0, "$what: refused");
	like($err, $pattern, $what);
	return;
}

# --- not preloaded ---

$node->safe_psql('postgres', $extension);
my $preload = qr/loaded at server start.*HINT:  Add trident to shared_preload_libraries.*restart/s;
refused($node, 'postgres', 'SELECT ensure(1000)', $preload, 'not preloaded');
refused($node, 'postgres', 'SELECT trident_worker_stop()', $preload, 'nothing to stop');
is($node->safe_psql('postgres', 'SELECT wake()'), 'f', 'none is found');
is($node->safe_psql('postgres', 'SELECT count(*) FROM trident.stat_worker'), '0', 'none is shown');
is($node->safe_psql('postgres', 'BEGIN; DROP EXTENSION trident CASCADE; ROLLBACK; SELECT 1'), '1', 'the extension goes its way');

# --- no free slot of the server: the two are the launchers ---

$node->append_conf('postgresql.conf', "shared_preload_libraries = 'trident'\nmax_worker_processes = 2\n");
$node->restart;
refused($node, 'postgres', 'SELECT ensure(20000)',
	qr/could not be started.*DETAIL:  all 2 background worker slots of the server are in use.*HINT:  Raise max_worker_processes/s,
	'no free slot');
is($node->safe_psql('postgres', "SELECT state, error_code, hint FROM trident.stat_worker WHERE kind = 'test'"),
	'failed|53400|Raise max_worker_processes and restart the server.', 'the view says so');
like(slurp_file($node->logfile), qr/LOG:  could not start trident test worker.*all 2 background worker slots/, 'and the log');

# --- trident's own limit ---

$node->append_conf('postgresql.conf', "max_worker_processes = 8\ntrident.worker_max = 1\n");
$node->restart;
$node->safe_psql('postgres', 'CREATE DATABASE a');
$node->safe_psql('a', $extension);
is($node->safe_psql('postgres', 'SELECT ensure(20000) > 0'), 't', 'the first starts');
refused($node, 'a', 'SELECT ensure(20000)',
	qr/all 1 workers that trident.worker_max allows are running.*HINT:  Raise trident.worker_max/s, 'the second does not');
$node->safe_psql('postgres', 'SELECT trident_worker_stop()');
ok($node->poll_query_until('a', "SELECT state = 'ready' FROM trident.stat_worker WHERE kind = 'test' AND database = 'a'"),
	'it starts when there is room');

# --- a standby ---

$node->append_conf('postgresql.conf', "trident.worker_max = 8\n");
$node->restart;
$node->safe_psql('a', 'CREATE TABLE worker_test_wanted ()');
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('worker_standby',
	install_path => $ENV{TRIDENT_FAULTS});
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
refused($standby, 'a', 'SELECT ensure(20000)', qr/does not run on a standby.*HINT:  Connect to the primary/s, 'not on a standby');
is($standby->safe_psql('a', "SELECT kind, state FROM trident.stat_worker"), 'launcher|ready', 'the launcher does');
$standby->promote;
ok($standby->poll_query_until('a', "SELECT state = 'ready' FROM trident.stat_worker WHERE kind = 'test' AND database = 'a'"),
	'promotion starts what is needed, nobody having asked');
$standby->stop;

# --- binary upgrade ---

$node->stop;
system_or_bail("$ENV{TRIDENT_FAULTS}/bin/pg_ctl", '-w', '-D', $node->data_dir, '-l', $node->logfile, '-o', '-b', 'start');
$node->_update_pid(1);
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'trident%'"), '0',
	'no worker in binary upgrade');
is($node->safe_psql('postgres', 'SELECT state FROM trident.stat_worker'), 'stopped', 'nor the launcher');
refused($node, 'a', 'SELECT ensure(200)', qr/DETAIL:  The launcher is not running/, 'who asks is told');
$node->stop;

done_testing();
