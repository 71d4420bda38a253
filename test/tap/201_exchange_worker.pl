# The exchange worker: connections shared by sessions and bounded, cancel at
# every state of a call, a worker that ends or fails, roles that take turns,
# and nothing that stays behind: slots, memory, connections.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use ExchangeTest;
use IO::Socket::INET;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'needs a library with fault points (TRIDENT_FAULTS)'
  unless $ENV{TRIDENT_FAULTS};

my $full = $ENV{TRIDENT_TEST_FULL};
my $node = exchange_node('worker', conf => <<'END');
shared_preload_libraries = trident
trident.exchange_mode = worker
trident.exchange_pool_size = 3
max_connections = 120
END
my $remote = q{FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name LIKE 'trident/%'};

# Slots and arena are empty again, and nobody is connected beyond the bound.
sub all_is_given_back
{
	my ($what) = @_;

	await($node, q{SELECT slots_used = 0 AND memory_used = 0 FROM trident.stat_exchange_memory},
		"$what: slots and memory are given back");
	await($node, q{SELECT coalesce(bool_and(running = 0 AND waiting = 0 AND place_connections <= 3), true) FROM trident.stat_pool},
		"$what: nothing runs, and connections are within the bound");
	return;
}

# Run a script by pgbench as that role; what it prints at the end.
sub bench
{
	my ($role, $script, $clients, $transactions) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . '/script';
	my ($out, $err);

	unlink $file;
	append_to_file($file, $script);
	IPC::Run::run([ 'pgbench', '-n', '-h', $node->host, '-p', $node->port, '-U', $role,
			'-f', $file, '-c', $clients, '-t', $transactions, 'postgres' ],
		'>', \$out, '2>', \$err);
	return "$out\n$err";
}

# Many sessions, few connections; every answer is that of its own question.
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION ask(i int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	FOR answer IN SELECT value FROM public.probe('{n1,n2,n1}', 'SELECT $1::int + 1', ARRAY[i::text], prepare => true) LOOP
		IF answer IS DISTINCT FROM (i + 1)::text THEN
			RAISE EXCEPTION 'asked %, answered %', i, answer;
		END IF;
	END LOOP;
END $$;
CREATE FUNCTION asks_worker() RETURNS boolean LANGUAGE sql SECURITY DEFINER
	AS $$ SELECT path = 'worker' FROM public.probe('{n1}', 'SELECT 1') $$;
ALTER FUNCTION asks_worker() OWNER TO alice;
SQL
my $rounds = $full ? 1000 : 20;
like(bench('alice', "\\set i random(1, 1000000)\nSELECT ask(:i);\n", 40, $rounds),
	qr/actually processed: @{[40 * $rounds]}\//, 'forty sessions, each with its own answers');
is($node->safe_psql('postgres', q{SELECT sum(calls) >= 40 * 3 * } . $rounds . q{ AND sum(errors + failures + timeouts + rejected) = 0 AND max(place_connections) <= 3
	AND bool_and(p50_ms <= p95_ms AND p95_ms <= p99_ms AND p99_ms <= max_ms * 1.02) FROM trident.stat_exchange JOIN trident.stat_pool USING (node)}),
	't', 'none failed, over three connections');
all_is_given_back('many sessions');

# Fifty roles, three connections: each gets its turn.
$node->safe_psql('postgres', <<'SQL');
DO $$
BEGIN
	FOR i IN 1 .. 50 LOOP
		EXECUTE format('CREATE ROLE r%s LOGIN SUPERUSER PASSWORD %L', i, 'secret-of-' || i);
		EXECUTE format('CREATE USER MAPPING FOR r%s SERVER n1 OPTIONS (user %L, password %L)', i, 'r' || i, 'secret-of-' || i);
	END LOOP;
END $$;
SQL
like(bench((getpwuid($>))[0], <<'SQL', 50, 4), qr/actually processed: 200\/200.*number of failed transactions: 0/s, 'fifty roles take turns');
\set role :client_id + 1
SET ROLE r:role;
SELECT 1 / (SELECT count(*) FROM probe('{n1}', 'SELECT current_user') WHERE value = 'r' || :role);
RESET ROLE;
SQL
all_is_given_back('fifty roles');

# Cancel, terminate and time out while calls wait, connect and run.
foreach my $how ('pg_cancel_backend', 'pg_terminate_backend')
{
	foreach my $statement ('SELECT pg_sleep(33)', 'SELECT pg_sleep(0.01)')
	{
		my @sessions = map { $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'alice' ]) } 1 .. 8;

		$_->query_until(qr/^go/, "\\echo go\nSELECT count(*) FROM generate_series(1, 2000), LATERAL probe('{n1,n2}', '$statement') WHERE ok;\n")
		  foreach @sessions;
		await($node, q{SELECT sum(running) = 3 AND sum(waiting) > 3 FROM trident.stat_pool}, "$how: calls run and wait")
		  if $statement =~ /33/;
		my $others = $node->safe_psql('postgres', "SELECT count($how(pid)) FROM pg_stat_activity WHERE usename = 'alice' AND query LIKE '%generate_series(1, 2000)%' AND backend_type = 'client backend' AND pid <> pg_backend_pid()");
		is($others, '8', "$how: eight sessions, $statement");
		all_is_given_back("$how, $statement");
		ok($node->poll_query_until('postgres', "SELECT count(*) <= 3 FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep(33)%'"),
			'at most three still sleep there');
		eval { $_->{run}->kill_kill } foreach @sessions;
	}
}
await($node, "SELECT count(*) = 0 $remote AND state = 'active'", 'and those end too');

# At each state of a request: queued for a worker that does not look, connecting
# to a node that does not accept, running there.  Cancelled, timed out, or the
# client gone, it ends at once, and the other requests do not notice.
my $deaf = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', Proto => 'tcp') or die 'no socket';
add_node($node, 'deaf', $deaf->sockport);

my %states = (
	queued => [ 'n1', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted} ],
	connecting => [ 'deaf', q{SELECT connections > 0 AND waiting > 0 FROM trident.stat_pool WHERE node = 'deaf'} ],
	running => [ 'n1', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(34)%' AND state = 'active' AND application_name LIKE 'trident/%'} ]);
my %ends = (
	cancel => [ 'SELECT', sub { $node->safe_psql('postgres', "SELECT pg_cancel_backend($_[1])") }, qr/canceling statement due to user request/ ],
	timeout => [ "SET statement_timeout = '1s';", sub { }, qr/canceling statement due to statement timeout/ ],
	disconnect => [ "SET client_connection_check_interval = '50ms';", sub { $_[0]->kill_kill }, undef ]);

foreach my $state (sort keys %states)
{
	my ($target, $reached) = @{ $states{$state} };

	foreach my $how (sort keys %ends)
	{
		my ($settings, $end, $says) = @{ $ends{$how} };
		my ($out, $err, $lock) = ('', '');

		if ($state eq 'queued')
		{
			# the worker stops before it looks
			$lock = $node->background_psql('postgres');
			$lock->query_safe('SELECT pg_advisory_lock(8400)');
			$node->safe_psql('postgres', "ALTER SYSTEM SET trident.fault = 'exchange-turn:wait'");
			$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
			await($node, $reached, "$how while $state: the worker waits");
		}
		my $session = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') . ' user=alice application_name=asks',
			'-c', $settings, '-c', "SELECT error FROM probe('{$target}', 'SELECT pg_sleep(34)', deadline_ms => 30000)" ], '<', \undef, '>', \$out, '2>', \$err);
		my $asks = q{FROM pg_stat_activity WHERE application_name = 'asks' AND query LIKE '%probe(%'};
		await($node, "SELECT count(*) = 1 $asks AND wait_event_type = 'Extension'", "$how while $state: the session waits") unless $how eq 'timeout';
		await($node, $reached, "$how while $state: it is so") unless $state eq 'queued' || $how eq 'timeout';
		my $pid = $node->safe_psql('postgres', "SELECT coalesce((SELECT pid $asks), 0)");
		$end->($session, $pid);
		$session->finish if defined $says;
		like($err, $says, "$how while $state") if defined $says;
		await($node, "SELECT count(*) = 0 $asks", "$how while $state: the session is free");
		if ($lock)
		{
			$node->safe_psql('postgres', 'ALTER SYSTEM RESET trident.fault');
			$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
			$lock->quit;
		}
		is(probe($node, 'bob', q{SELECT value, path FROM probe('{n1}', 'SELECT 9')}), '9|worker', "$how while $state: the worker goes on");
		all_is_given_back("$how while $state");
	}
}
$node->safe_psql('postgres', 'DROP SERVER deaf CASCADE');
close $deaf;

# While others are cancelled, no other session's call is hit.
{
	my $noise = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'bob' ]);

	$noise->query_until(qr/^go/, <<'SQL');
\echo go
SET statement_timeout = '7ms';
SELECT probe('{n1,n2}', 'SELECT pg_sleep(1)') FROM generate_series(1, 10);
\watch 0.01
SQL
	like(bench('alice', "\\set i random(1, 1000000)\nSELECT ask(:i);\n", 4, 100),
		qr/actually processed: 400\/400.*number of failed transactions: 0/s, 'a cancel never hits another call');
	$noise->{run}->kill_kill;
}
all_is_given_back('cancels beside');

# A call may run for longer than a worker without work is kept.
$node->safe_psql('postgres', "ALTER SYSTEM SET trident.worker_idle_timeout = '1s'; SELECT pg_reload_conf()");
await($node, "SELECT current_setting('trident.worker_idle_timeout') = '1s'", 'workers end soon');
is(probe($node, 'alice', q{SELECT coalesce(value, error) FROM probe('{n1}', 'SELECT 11 FROM pg_sleep(3)', class => 1)}), '11',
	'not while they have work');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET trident.worker_idle_timeout; SELECT pg_reload_conf()');

# What a transaction has not committed yet, no worker knows.
$node->safe_psql('postgres', "CREATE SERVER mine FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '1', dbname 'postgres')");
is(probe($node, 'admin', <<'SQL'), <<'END' =~ s/\n\z//r, 'a mapping and a server of this transaction');
BEGIN;
CREATE USER MAPPING FOR PUBLIC SERVER mine OPTIONS (user 'admin', password 'secret-of-admin');
SAVEPOINT a;
SELECT value FROM probe('{n1,mine}', 'SELECT 12');
ROLLBACK TO a;
ALTER SERVER n2 OPTIONS (ADD application_name 'x');
SELECT value FROM probe('{n2}', 'SELECT 12');
ROLLBACK;
SELECT value, path FROM probe('{n2}', 'SELECT 12');
SQL
12|worker
ERROR:  the exchange worker does not know server "mine" as this transaction has made or changed it, or its user mapping
HINT:  Commit the transaction first, or set trident.exchange_mode to auto.
ERROR:  the exchange worker does not know server "n2" as this transaction has made or changed it, or its user mapping
HINT:  Commit the transaction first, or set trident.exchange_mode to auto.
END

# What is set for a node holds from the next call on, whoever sets it.
is(probe($node, 'admin', <<'SQL'), <<'END' =~ s/\n\z//r, 'settings of nodes that change are noticed');
INSERT INTO trident.node_setting (node, uuid) VALUES ('n2', gen_random_uuid());
SELECT error FROM probe('{n2}', 'SELECT 14');
UPDATE trident.node_setting SET uuid = (SELECT uuid FROM trident.node_identity) WHERE node = 'n2';
SELECT value FROM probe('{n2}', 'SELECT 14');
UPDATE trident.node_setting SET uuid = gen_random_uuid() WHERE node = 'n2';
SELECT error FROM probe('{n2}', 'SELECT 14');
DELETE FROM trident.node_setting WHERE node = 'n2';
SELECT value FROM probe('{n2}', 'SELECT 14');
CREATE TABLE other (a name);
CREATE TRIGGER other AFTER INSERT ON other FOR EACH ROW EXECUTE FUNCTION trident.node_setting_changed();
INSERT INTO other VALUES (1);
SQL
TR004 handshake: another database answers than the one registered as this node
14
TR004 handshake: another database answers than the one registered as this node
14
ERROR:  function "trident.node_setting_changed" is the row trigger of table "trident.node_setting"
HINT:  Drop the trigger.
END

# A worker that is ended, one that fails, and one that cannot be had.
$node->safe_psql('postgres', "ALTER SYSTEM SET trident.exchange_mode = auto; SELECT pg_reload_conf()");
await($node, "SELECT current_setting('trident.exchange_mode') = 'auto'", 'mode auto');
is(probe($node, 'admin', <<"SQL" =~ s/PORT/$node->port/er), "13|direct\n13|worker", 'a server of this transaction, by the session itself');
BEGIN;
ALTER SERVER mine OPTIONS (SET port 'PORT');
CREATE USER MAPPING FOR PUBLIC SERVER mine OPTIONS (user 'admin', password 'secret-of-admin');
SELECT value, path FROM probe('{mine}', 'SELECT 13');
COMMIT;
SELECT value, path FROM probe('{mine}', 'SELECT 13');
SQL
$node->safe_psql('postgres', 'DROP SERVER mine CASCADE');
{
	my $session = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'alice' ]);

	$session->query_until(qr/^go/, <<'SQL');
\echo go
SELECT 'answer ' || value || ' ' || path FROM probe('{n1}', 'SELECT 5 FROM pg_sleep(2)');
SQL
	await($node, 'SELECT sum(running) = 1 FROM trident.stat_pool', 'a call runs');
	$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM trident.stat_worker WHERE kind = 'exchange'});
	like($session->query_safe('SELECT 1'), qr/answer 5 direct/, 'its worker ends: the session asks again by itself');
	$session->quit;
}
all_is_given_back('a worker that ended');
await($node, 'SELECT asks_worker()', 'another takes over');

# One that fails in every turn gives up in the end; answers come all the same.
$node->safe_psql('postgres', "ALTER SYSTEM SET trident.fault = 'exchange-turn:error'");
$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
await($node, q{SELECT error LIKE 'fault %' AND state = 'failed' FROM trident.stat_worker WHERE kind = 'exchange'},
	'three errors end a worker');
is(probe($node, 'alice', q{SELECT value, path FROM probe('{n1}', 'SELECT 6')}), '6|direct', 'the session asks by itself');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET trident.fault');
$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
await($node, 'SELECT asks_worker()', 'the worker is back');
all_is_given_back('a worker that failed');

# What is dropped is not connected to any more.
add_node($node, 'gone', $node->port);
is(probe($node, 'bob', q{SELECT value, path FROM probe('{gone}', 'SELECT 8')}), '8|worker', 'a node');
is($node->safe_psql('postgres', "SELECT count(*) $remote AND application_name LIKE 'trident/gone/%'"), '1', 'one connection');
$node->safe_psql('postgres', 'DROP SERVER gone CASCADE');
await($node, "SELECT count(*) = 0 $remote AND application_name LIKE 'trident/gone/%'", 'closed when its server is dropped');
$node->safe_psql('postgres', 'DROP OWNED BY r1; DROP USER MAPPING IF EXISTS FOR r1 SERVER n1; DROP ROLE r1');
await($node, "SELECT count(*) = 0 $remote AND usename = 'r1'", 'and when its role is');

# More places than there are records of: what has no connections makes room.
$node->safe_psql('postgres', <<'SQL');
DO $$
BEGIN
	FOR i IN 1 .. 520 LOOP
		EXECUTE format('CREATE SERVER place%s FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L)', i, '127.0.0.1', i);
		EXECUTE format('CREATE USER MAPPING FOR admin SERVER place%s OPTIONS (user %L, password %L)', i, 'admin', 'none');
	END LOOP;
END $$;
SQL
is(probe($node, 'admin', <<'SQL'), '520', 'five hundred nodes that are away');
SELECT count(*) FROM generate_series(0, 12) g, LATERAL probe((SELECT array_agg('place' || i) FROM generate_series(g * 40 + 1, g * 40 + 40) i), 'SELECT 1') WHERE NOT ok;
SQL
$node->safe_psql('postgres', "ALTER SERVER n2 OPTIONS (SET host 'localhost')");
is(probe($node, 'alice', q{SELECT value, path FROM probe('{n2}', 'SELECT 10')}), '10|worker', 'and one more that is not');
all_is_given_back('many places');

# Nothing unexpected was logged.
my $log = slurp_file($node->logfile);
$log =~ s/^.*STATEMENT: .*\n(\t.*\n)*//mg;
unlike($log, qr/secret-of-/, 'no password in the log');
unlike($log, qr/PANIC|TRAP|was not ended|was not closed|terminated by signal/, 'nor anything unexpected');
done_testing();
