# Calls to nodes, by the exchange worker and by the backend itself: replies,
# prepared statements, deadlines, cancel, lost and dead nodes, and whose rights
# a connection has.  Both ways give the same.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use ExchangeTest;
use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'needs a library with fault points (TRIDENT_FAULTS)'
  unless $ENV{TRIDENT_FAULTS};

my $user = (getpwuid($>))[0];
# The server is started with what would give its password to libpq.
$ENV{PGPASSWORD} = 'secret-of-admin';
my $node = exchange_node('calls', conf => "shared_preload_libraries = trident\n",
	hba => "local all $user peer\nhostssl all holder 127.0.0.1/32 cert\n");
delete $ENV{PGPASSWORD};
my $other = PostgreSQL::Test::Cluster->new('other');
my $mode;

$other->init;
$other->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1'\n");
$other->start;

# A node that is another server; the server itself without a password, with a
# mapping for everybody; and one where only a password file would help.
$node->safe_psql('postgres', <<"SQL");
CREATE SERVER other FOREIGN DATA WRAPPER postgres_fdw
	OPTIONS (host '127.0.0.1', port '@{[$other->port]}', dbname 'postgres');
CREATE USER MAPPING FOR admin SERVER other OPTIONS (user '$user');
CREATE SERVER open FOREIGN DATA WRAPPER postgres_fdw
	OPTIONS (host '@{[$node->host]}', port '@{[$node->port]}', dbname 'postgres');
GRANT USAGE ON FOREIGN SERVER open TO alice;
CREATE SERVER passfile FOREIGN DATA WRAPPER postgres_fdw
	OPTIONS (host '127.0.0.1', port '@{[$node->port]}', dbname 'postgres');
CREATE USER MAPPING FOR PUBLIC SERVER passfile OPTIONS (user 'admin');
GRANT USAGE ON FOREIGN SERVER passfile TO alice;
CREATE FUNCTION as_bob() RETURNS text LANGUAGE sql SECURITY DEFINER
	AS \$\$ SELECT value FROM public.probe('{n1}', 'SELECT current_user') \$\$;
ALTER FUNCTION as_bob() OWNER TO bob;
SQL

# Certificates: one of the server, and one that its own operating system user
# has for the role "holder", where libpq looks for it.
my $home = $ENV{HOME};
my $has_ssl = !system_log('sh', '-c', <<"END");
set -e
cd @{[$node->data_dir]}
exec >openssl.log 2>&1
openssl req -new -x509 -days 2 -nodes -subj /CN=ca -out ca.crt -keyout ca.key
for name in server holder; do
	openssl req -new -nodes -subj /CN=\$name -out \$name.csr -keyout \$name.key
	openssl x509 -req -days 2 -in \$name.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out \$name.crt
done
chmod 600 server.key holder.key
mkdir -p $home/.postgresql
mv holder.crt $home/.postgresql/postgresql.crt
mv holder.key $home/.postgresql/postgresql.key
END
if ($has_ssl)
{
	$node->append_conf('postgresql.conf', "ssl = on\nssl_ca_file = 'ca.crt'\n");
	$node->reload;
	$node->safe_psql('postgres', <<"SQL");
CREATE ROLE holder LOGIN;
CREATE SERVER certified FOREIGN DATA WRAPPER postgres_fdw
	OPTIONS (host '127.0.0.1', port '@{[$node->port]}', dbname 'postgres', sslmode 'require');
GRANT USAGE ON FOREIGN SERVER certified TO alice;
CREATE USER MAPPING FOR alice SERVER certified OPTIONS (user 'holder', password 'any');
CREATE USER MAPPING FOR admin SERVER certified OPTIONS (user 'holder');
SQL
	await($node, "SELECT current_setting('ssl') = 'on'", 'TLS is on');
}

foreach ('direct', 'worker')
{
	$mode = $_;
	$node->append_conf('postgresql.conf', "trident.exchange_mode = $mode\n");
	$node->reload;
	await($node, "SELECT current_setting('trident.exchange_mode') = '$mode'", "mode $mode");
	subtest "calls, $mode" => \&check_calls;
	subtest "prepared, $mode" => \&check_prepared;
	subtest "time, $mode" => \&check_time;
	subtest "nodes that go away, $mode" => \&check_away;
	subtest "a node of several hosts, $mode" => \&check_hosts;
	subtest "idle sessions, $mode" => \&check_idle if $mode eq 'direct';
	subtest "rights, $mode" => \&check_rights;
	subtest "certificate, $mode" => \&check_certificate;
}
subtest 'sessions' => \&check_sessions;
subtest 'what is left' => \&check_rest;
done_testing();


# Calls and replies.
sub check_calls
{
	is(probe($node, 'alice', <<'SQL'), "0|42|1|$mode\n1|42|1|$mode", 'one call a node');
SELECT call, value, nrows, path FROM probe('{n1,n2}', 'SELECT $1::int + 1', '{41}') ORDER BY 1;
SQL
	is(probe($node, 'alice', <<'SQL'), 'alice|pg_catalog|on|1min', 'as the mapping says, read only, with a timeout');
SELECT value FROM probe('{n1}', $$SELECT concat_ws('|', current_user, current_setting('search_path'),
	current_setting('transaction_read_only'), current_setting('statement_timeout'))$$);
SQL
	is(probe($node, 'alice', <<'SQL'), 'f|22012 remote: division by zero', 'an error of the node');
SELECT ok, error FROM probe('{n1}', 'SELECT 1 / $1::int', '{0}');
SQL
	like(probe($node, 'alice', q{SELECT * FROM probe('{n1}', 'SELECT 1 / 0', raise => true)}),
		qr/^ERROR:  node "n1" raised an error: division by zero\nDETAIL:  It came with SQLSTATE 22012, after [\d.]+ ms\.\nHINT:  .*\.\nCONTEXT:  probe 0$/,
		'an error of the node, raised');
	$node->safe_psql('postgres', 'DROP TABLE IF EXISTS made');
	is(probe($node, 'alice', <<'SQL'), "25006 remote: cannot execute CREATE TABLE in a read-only transaction\n\nt", 'only what is asked to write does');
SELECT error FROM probe('{n1}', 'CREATE TABLE public.made (a int)');
SELECT error FROM probe('{n1}', 'CREATE TABLE public.made (a int)', class => 1);
SELECT to_regclass('public.made') IS NOT NULL;
SQL
	is(probe($node, 'alice', <<'SQL'), '3000000', 'a result of megabytes');
SELECT length(value) FROM probe('{n1}', $$SELECT repeat('x', 3000000)$$);
SQL
	is(probe($node, 'alice', <<'SQL'), '2000000', 'a parameter of megabytes');
SELECT value FROM probe('{n1}', $$SELECT length($1)$$, ARRAY[repeat('x', 2000000)]);
SQL
	return;
}

# Prepared statements: kept, bounded, prepared anew when the node says so.
sub check_prepared
{
	is(probe($node, 'alice', <<'SQL'), "64\n100\n0", 'prepared statements are kept and bounded');
SET search_path = public, pg_catalog;
SELECT n FROM (SELECT count(*) FILTER (WHERE value = i::text) AS n FROM generate_series(1, 100) i,
	LATERAL probe('{n1}', format('SELECT %s', i), prepare => true)) x, LATERAL probe('{n1}', 'SELECT 1') WHERE n <> 100;
SELECT value FROM probe('{n1}', 'SELECT count(*) FROM pg_prepared_statements');
SELECT count(*) FILTER (WHERE value = i::text) FROM generate_series(1, 100) i,
	LATERAL probe('{n1}', format('SELECT %s', i), prepare => true);
SELECT count(*) FILTER (WHERE NOT ok) FROM generate_series(1, 20) i,
	LATERAL probe('{n1}', 'SELECT 1/0', prepare => true) p WHERE p.error NOT LIKE '22012%';
SQL
	is(probe($node, 'alice', <<'SQL'), "{(1)}\n{\"(1,)\"}\n1", 'prepared anew when its table has changed');
SELECT probe.ok FROM probe('{n1}', 'INSERT INTO public.made VALUES (1)', class => 1) WHERE NOT ok;
SELECT value FROM probe('{n1}', 'SELECT array_agg(m) FROM public.made m', prepare => true);
ALTER TABLE made ADD COLUMN b int;
SELECT value FROM probe('{n1}', 'SELECT array_agg(m) FROM public.made m', prepare => true);
SELECT count(value) FROM probe('{n1}', 'SELECT * FROM public.made', prepare => true);
SQL
	return;
}

# Deadlines and cancel: the statement ends here at once, there soon.
sub check_time
{
	like(probe($node, 'alice', q{SELECT error, ms < 2000 FROM probe('{n1,n2}', 'SELECT pg_sleep(60)', deadline_ms => 200)}),
		qr/^(TR002 timeout: .*\|t\n?){2}$/, 'a deadline');
	await($node, q{SELECT count(*) = 0 FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(60)' AND application_name LIKE 'trident/%'},
		'and the node stops too');
	like(probe($node, 'alice', <<'SQL'), qr/^1\nERROR:  canceling statement due to statement timeout$/, 'statement_timeout while waiting');
SET statement_timeout = '100ms';
SELECT * FROM probe('{n1}', 'SELECT pg_sleep(61)');
RESET statement_timeout;
SELECT value FROM probe('{n1}', 'SELECT 1');
SQL
	await($node, q{SELECT count(*) = 0 FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(61)' AND application_name LIKE 'trident/%'},
		'and the node stops then');
	is(probe($node, 'alice', <<'SQL'), "1\nNOTICE:  caught 57014", 'a batch ends with its subtransaction');
SET statement_timeout = '200ms';
DO $$
BEGIN
	PERFORM probe('{n1}', 'SELECT pg_sleep(62)');
EXCEPTION WHEN query_canceled THEN
	RAISE NOTICE 'caught %', SQLSTATE;
END $$;
RESET statement_timeout;
SELECT value FROM probe('{n1}', 'SELECT 1');
SQL
	return;
}

# Nodes that go away and come back.
sub check_away
{
	my $ask = q{SELECT coalesce(value, error) FROM probe('{other}', 'SELECT 7');};
	{
		my $session = $node->background_psql('postgres', on_error_stop => 0,
			extra_params => [ '-U', 'admin' ]);

		is($session->query_safe($ask), '7', 'a node answers');
		$other->restart;
		is($session->query_safe(q{SELECT value, attempts FROM probe('{other}', 'SELECT 7')}), '7|1',
			'after its restart, at once: what was closed is not used');
		$other->stop;
		like($session->query_safe($ask), qr/^TR001 connect: .*refused/, 'it is away');
		like($session->query_safe("$ask $ask"), qr/TR003 breaker: not tried/, 'and then left alone');
		like($session->query_safe(q{SELECT value || coalesce(error, '') FROM probe('{n1,other}', 'SELECT 7') WHERE ok}), qr/^7$/,
			'while others answer');
		$other->start;
		my $answer = '';
		for (1 .. 100)
		{
			$answer = $session->query_safe("SELECT pg_sleep(0.1) IS NULL; $ask");
			last if $answer =~ /7$/;
		}
		like($answer, qr/7$/, 'and comes back by itself');
		$session->quit;
	}
	return;
}

# A node of several hosts, of which the first swallows what it is sent: the next
# has its turn before the time to connect is over, and first the next time.
sub check_hosts
{
	my $silent = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 20, Blocking => 0) or die $!;
	my $taken = sub { my $n = 0; $n++ while $silent->accept; return $n };
	my $session = $node->background_psql('postgres', on_error_stop => 0,
		extra_params => [ '-U', 'admin' ]);
	my $server = "several_$mode";

	$node->safe_psql('postgres', <<"SQL");
CREATE SERVER $server FOREIGN DATA WRAPPER postgres_fdw
	OPTIONS (host '127.0.0.1,127.0.0.1', port '@{[$silent->sockport]},@{[$other->port]}', dbname 'postgres');
CREATE USER MAPPING FOR admin SERVER $server OPTIONS (user '$user');
ALTER SYSTEM SET trident.exchange_connect_timeout = 1000;
SELECT pg_reload_conf();
SQL
	is($session->query_safe("SELECT coalesce(value, error) FROM probe('{$server}', 'SELECT 7')"), '7', 'the second host answers');
	is($taken->(), 1, 'after the first was tried');
	$other->psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'trident/$server/%'");
	is($session->query_safe("SELECT coalesce(value, error) FROM probe('{$server}', 'SELECT 8')"), '8', 'a new connection');
	is($taken->(), 0, 'begins with the second one');
	is($session->query_safe("SELECT count(*) FROM probe_session('$server', '{SELECT 9}') WHERE value = '9'"), '1', 'so does a session, in the end');
	$session->quit;
	$silent->close;
	$node->safe_psql('postgres', "DROP SERVER $server CASCADE; ALTER SYSTEM RESET trident.exchange_connect_timeout; SELECT pg_reload_conf()");
	return;
}

# Sessions that do nothing keep half of what there may be to a node, no more.
sub check_idle
{
	my @sessions = map { $node->background_psql('postgres', extra_params => [ '-U', 'alice' ]) } 1 .. 6;

	is(join('', map { $_->query_safe("SELECT value FROM probe('{n1}', 'SELECT 7')") } @sessions), '777777', 'six sessions have asked');
	await($node, q{SELECT count(*) = 4 FROM pg_stat_activity WHERE application_name = 'trident/n1/read'}, 'four of eight connections stay');
	$_->quit foreach @sessions;
	await($node, q{SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'trident/n1/read'}, 'none without their sessions');
	return;
}

# Whose rights: those of the role that calls, never another's.
sub check_rights
{
	is(probe($node, 'alice', q{SELECT value FROM probe('{n1}', 'SELECT current_user')}), 'alice', 'the role of the mapping');
	is(probe($node, 'alice', q{SELECT value FROM probe('{n1}', 'SELECT current_user'); SELECT as_bob(); SELECT value FROM probe('{n1}', 'SELECT current_user');}),
		"alice\nbob\nalice", 'SECURITY DEFINER is the definer, and only inside');
	like(probe($node, 'alice', <<'SQL'), qr/^alice\nbob\nERROR:  user mapping not found for (user )?"bob"(, server "n1")?$/, 'mappings that change are noticed');
SELECT value FROM probe('{n1}', 'SELECT current_user');
\c postgres admin
DROP USER MAPPING FOR bob SERVER n1;
SET ROLE bob;
SELECT value FROM probe('{n1}', 'SELECT current_user');
RESET ROLE;
CREATE USER MAPPING FOR bob SERVER n1 OPTIONS (user 'alice', password 'secret-of-alice');
ALTER USER MAPPING FOR bob SERVER n1 OPTIONS (SET user 'bob', SET password 'secret-of-bob');
SET ROLE bob;
SELECT value FROM probe('{n1}', 'SELECT current_user');
SQL
	like(probe($node, 'admin', <<'SQL'), qr/^bob\nTR001 connect: .*password authentication failed[^\n]*\nbob$/, 'a changed password closes connections');
SET ROLE bob;
SELECT value FROM probe('{n2}', 'SELECT current_user');
RESET ROLE;
ALTER USER MAPPING FOR bob SERVER n2 OPTIONS (SET password 'wrong');
SET ROLE bob;
SELECT error FROM probe('{n2}', 'SELECT current_user');
RESET ROLE;
ALTER USER MAPPING FOR bob SERVER n2 OPTIONS (SET password 'secret-of-bob');
SET ROLE bob;
SELECT value FROM probe('{n2}', 'SELECT current_user');
SQL

	# A server without password, a PUBLIC mapping: what the superuser may, he may;
	# nobody may use his connection, nor borrow what the server's own user has.
	$node->safe_psql('postgres', <<"SQL");
DROP USER MAPPING IF EXISTS FOR PUBLIC SERVER open;
CREATE USER MAPPING FOR PUBLIC SERVER open OPTIONS (user '$user');
SQL
	like(probe($node, 'admin', <<'SQL'), qr/^$user\n.*password is required/, 'a PUBLIC mapping without password');
SELECT value FROM probe('{open}', 'SELECT current_user');
SET ROLE alice;
SELECT coalesce(value, error) FROM probe('{open}', 'SELECT current_user');
SQL
	$node->safe_psql('postgres', "ALTER USER MAPPING FOR PUBLIC SERVER open OPTIONS (ADD password 'any')");
	like(probe($node, 'alice', q{SELECT error FROM probe('{open}', 'SELECT current_user')}),
		qr/^2F003 handshake: a role that is not a superuser cannot connect if the node does not request a password/,
		'a password that nobody asked for');

	# .pgpass of the server's user.
	my $home = $ENV{HOME};
	append_to_file("$home/.pgpass", "127.0.0.1:*:*:*:secret-of-admin\n");
	chmod 0600, "$home/.pgpass";
	like(probe($node, 'alice', q{SELECT coalesce(value, error) FROM probe('{passfile}', 'SELECT current_user')}),
		qr/password is required/, 'the password file of the server is not for users');
	like(probe($node, 'admin', q{SELECT error FROM probe('{passfile}', 'SELECT current_user')}),
		qr/no password supplied/, 'nor read at all');
	unlink "$home/.pgpass";
	return;
}

# The certificate of the server's user is for nobody to borrow.
sub check_certificate
{
	plan skip_all => 'there is no openssl to make certificates' unless $has_ssl;
	my $connection = 'host=127.0.0.1 port=' . $node->port . ' user=holder dbname=postgres sslmode=require';

	is($node->safe_psql('postgres', 'SELECT current_user', connstr => $connection), 'holder',
		'the user of the server connects by it');
	foreach my $role ('alice', 'admin')
	{
		like(probe($node, $role, q{SELECT coalesce(value, error) FROM probe('{certified}', 'SELECT current_user')}),
			qr/^TR001 connect: .*certificate/, "$role does not");
	}
	return;
}

# Sessions.
sub check_sessions
{
	is(probe($node, 'alice', <<'SQL'), "0\n4|10", 'transactions, COPY and two-phase commit in a session');
SELECT count(*) FROM probe_session('n1', ARRAY['BEGIN', 'TRUNCATE public.made', 'COPY public.made (a) FROM STDIN',
	'PREPARE TRANSACTION ''exchange test''', 'COMMIT PREPARED ''exchange test'''], E'1\n2\n3\n4\n') WHERE NOT ok;
SELECT count(*), sum(a) FROM made;
SQL
	like(probe($node, 'alice', q{SELECT coalesce(error, 'done') FROM probe_session('n1', '{BEGIN,TRUNCATE public.made,COPY public.made FROM STDIN}', E'x\n')}),
		qr/^done\ndone\n22P02 remote: invalid input syntax for type integer: "x"$/, 'what COPY says');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM made'), '4', 'and a session that ends without commit changes nothing');

	# A host that answers nothing at all, since its queue is full: what wakes the
	# session meanwhile is no sign of it, and the next one has its turn.
	my $full = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or die $!;
	my @queue = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $full->sockport) || die $! } 1 .. 2;
	my $session = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'admin' ]);

	$node->safe_psql('postgres', <<"SQL");
CREATE SERVER full_queue FOREIGN DATA WRAPPER postgres_fdw
	OPTIONS (host '127.0.0.1,127.0.0.1', port '@{[$full->sockport]},@{[$other->port]}', dbname 'postgres');
CREATE USER MAPPING FOR admin SERVER full_queue OPTIONS (user '$user');
SQL
	$session->query_until(qr/^go/, "\\echo go\nSELECT 'answer', coalesce(value, error), clock_timestamp() - statement_timestamp() < '8 s' FROM probe_session('full_queue', '{SELECT 9}');\n");
	my $wake = q{SELECT pg_log_backend_memory_contexts(pid) FROM pg_stat_activity WHERE query LIKE '%full_queue%' AND wait_event_type = 'Extension'};
	await($node, $wake, 'a session connects, and is woken');
	$node->safe_psql('postgres', $wake) foreach 1 .. 3;
	like($session->query_safe('SELECT 1'), qr/answer\|9\|t/, 'the second host answers, in time');
	$session->quit;

	# To be cancelled is nothing that a check finds out about a node.
	my $lock = $node->background_psql('postgres');
	$lock->query_safe('BEGIN; LOCK TABLE trident.node_setting');
	like(probe($node, 'admin', "SET statement_timeout = '500ms'; SELECT detail FROM trident_node_check('n1')"),
		qr/^ERROR:  canceling statement due to statement timeout$/m, 'a check that is cancelled');
	$lock->quit;
	return;
}

# Nothing stays behind, and no password is anywhere.
sub check_rest
{
	await($node, q{SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE 'trident/%/session'},
		'no session is left without its backend');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_prepared_xacts'), '0', 'and no prepared transaction');
	my $log = slurp_file($node->logfile);
	$log =~ s/^.*STATEMENT: .*\n(\t.*\n)*//mg;
	unlike($log, qr/secret-of-/, 'no password in the log');
	unlike($log, qr/PANIC|TRAP|was not ended|was not closed|terminated by signal/, 'nor anything unexpected');
	return;
}
