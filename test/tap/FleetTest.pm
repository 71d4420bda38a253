# FleetTest.pm
#	  What the tests of a fleet share: clusters on loopback that know one
#	  another as nodes, by password; and what is to be true after every test.
#
# Nodes are called node1, node2 ...; in each the database "app" has the
# extension, the others as nodes for the superuser and for the ordinary role
# "app", and a schema of shards that app may create in.

package FleetTest;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

our @EXPORT = qw(fleet fleet_node introduce app_sql as_app fails_with
  shard_tables no_leftovers await_sql kill_node freeze_node thaw_node
  proxy proxy_port begin_load end_load own_network start_beyond);

# n started nodes that know one another; conf => text for postgresql.conf,
# preload => 0 for servers without the library preloaded, faults => 1 for the
# library with fault points, names => names to use instead of node1 ...
sub fleet
{
	my ($n, %how) = @_;
	my @names = $how{names} ? @{ $how{names} } : map { "node$_" } 1 .. $n;
	my @nodes = map { fleet_node("fleet$_", %how) } 1 .. $n;

	for my $i (0 .. $#nodes)
	{
		for my $j (0 .. $#nodes)
		{
			introduce($nodes[$i], $names[$j], $nodes[$j]) if $i != $j;
		}
	}
	return @nodes;
}

# One such cluster, which knows no other.
sub fleet_node
{
	my ($name, %how) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name,
		$how{faults} ? (install_path => $ENV{TRIDENT_FAULTS}) : ());

	$node->init;
	$node->append_conf('postgresql.conf', <<"END");
listen_addresses = '127.0.0.1'
shared_buffers = 32MB
max_connections = 60
search_path = '"\$user", public, trident'
jit = off
log_statement = none
wal_level = replica
max_wal_senders = 4
END
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'trident'\n")
	  if $how{preload} // 1;
	$node->append_conf('postgresql.conf', $how{conf}) if $how{conf};
	unlink $node->data_dir . '/pg_hba.conf';
	$node->append_conf('pg_hba.conf', <<"END");
local all,replication all trust
host all all 127.0.0.1/32 scram-sha-256
END
	$node->start;
	$node->safe_psql('postgres', <<"END");
SET password_encryption = 'scram-sha-256';
CREATE ROLE admin LOGIN SUPERUSER PASSWORD 'secret-of-admin';
CREATE ROLE app LOGIN PASSWORD 'secret-of-app';
CREATE DATABASE app;
END
	$node->safe_psql('app', <<"END");
CREATE EXTENSION trident;
CREATE EXTENSION postgres_fdw;
GRANT CREATE ON SCHEMA public TO app;
CREATE SCHEMA trident_shard;
GRANT USAGE, CREATE ON SCHEMA trident_shard TO app;
GRANT EXECUTE ON FUNCTION trident_node_check TO app;
DO \$\$
DECLARE f regprocedure;
BEGIN
	FOR f IN SELECT oid FROM pg_proc WHERE proname LIKE 'trident\\_collection\\_%' LOOP
		EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO app', f);
	END LOOP;
END \$\$;
END
	return $node;
}

# Let a node know another under a name.
sub introduce
{
	my ($node, $name, $other) = @_;
	my $port = $other->port;

	$node->safe_psql('app', <<"END");
SET client_min_messages = warning;
SELECT trident_node_add('$name', '127.0.0.1', $port, 'app');
GRANT USAGE ON FOREIGN SERVER "$name" TO app;
CREATE USER MAPPING FOR app SERVER "$name" OPTIONS (user 'app', password 'secret-of-app');
CREATE USER MAPPING FOR CURRENT_USER SERVER "$name" OPTIONS (user 'admin', password 'secret-of-admin');
SELECT count(*) FROM trident_node_check('$name');
END
	return;
}

# What a statement prints in database app, as the superuser; it must succeed.
sub app_sql
{
	my ($node, $sql) = @_;

	return $node->safe_psql('app', $sql);
}

# The same as role app.
sub as_app
{
	my ($node, $sql) = @_;

	return $node->safe_psql('app', $sql, extra_params => [ '-U', 'app' ]);
}

# A test: the statement fails, and what it says matches; as => 'app' for a role.
sub fails_with
{
	my ($node, $sql, $pattern, $what, %how) = @_;
	my ($out, $err);
	my $rc = $node->psql('app', $sql, stdout => \$out, stderr => \$err,
		$how{as} ? (extra_params => [ '-U', $how{as} ]) : ());

	isnt($rc, 0, "$what: it fails");
	like($err, $pattern, $what);
	return;
}

# How many shards stand on the node, committed or not any more.
sub shard_tables
{
	my ($node) = @_;

	return app_sql($node, <<'END');
SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'trident_shard' AND c.relkind = 'r'
END
}

# A test: nothing of shards, prepared transactions or open ones is on the nodes.
sub no_leftovers
{
	my ($what, @nodes) = @_;
	my $found = '';

	for my $node (@nodes)
	{
		$node->poll_query_until('app',
			"SELECT count(*) = 0 FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'");
		$found .= join(' ', $node->name, shard_tables($node), app_sql($node,
				'SELECT count(*) FROM pg_prepared_xacts'), app_sql($node,
				"SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'")) . "\n";
	}
	is($found, join('', map { $_->name . " 0 0 0\n" } @nodes), $what);
	return;
}

# A test: the query gives true on that node, in time, though connecting or the
# query itself may fail until then.
sub await_sql
{
	my ($node, $sql, $what) = @_;
	my $until = time + $PostgreSQL::Test::Utils::timeout_default;
	my ($out, $err);

	do
	{
		# by an argument: a psql that ends before it reads would break a pipe
		IPC::Run::run([ 'psql', '-XAtq', '-d', $node->connstr('app'), '-c', $sql ],
			'<', \undef, '>', \$out, '2>', \$err);
		if ($out eq "t\n")
		{
			pass($what);
			return;
		}
		usleep(50_000);
	} while (time < $until);
	fail($what);
	diag("$sql: $out $err");
	return;
}

# The postmaster of a node and its children.
sub processes_of
{
	my ($node) = @_;
	my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	my @pids = ($postmaster);

	for my $stat (glob '/proc/[0-9]*/stat')
	{
		# a process may end before it is looked at
		open(my $in, '<', $stat) or next;
		my ($pid, $parent) = (<$in> // '') =~ /^(\d+) \(.*\) \S+ (\d+)/ or next;
		push @pids, $pid if $parent == $postmaster;
	}
	return @pids;
}

# A node dies as by a power failure: all its processes, at once.
sub kill_node
{
	my ($node) = @_;
	my @pids = processes_of($node);

	kill 'KILL', @pids;
	# the next server finds no memory of this one in use
	for my $pid (@pids)
	{
		usleep(10_000) while kill 0, $pid;
	}
	$node->{_pid} = undef;
	return;
}

# A node hangs: it answers nothing, and its sockets stay open; and goes on.
sub freeze_node
{
	my ($node) = @_;

	# the postmaster first: then there are no new ones
	kill 'STOP', $_ foreach processes_of($node);
	$node->{_frozen} = 1;
	return;
}

sub thaw_node
{
	my ($node) = @_;

	kill 'CONT', processes_of($node) if $node->{_frozen};
	$node->{_frozen} = 0;
	return;
}

# A TCP proxy before a node, that adds so many ms each way; a handle to
# signal: stopped, it is a network that loses everything.
sub proxy
{
	my ($node, $delay_ms) = @_;
	my $folder = PostgreSQL::Test::Utils::tempdir();
	my ($out, $err) = ('', '');

	system_or_bail('cc', '-O2', '-o', "$folder/delayproxy", 'test/tools/delayproxy.c');
	my $run = IPC::Run::start([ "$folder/delayproxy", '-l', '0', '-t', $node->port,
			'-d', $delay_ms, '-R', "$folder/port" ], '<', \undef, '>', \$out, '2>', \$err);
	my $until = time + $PostgreSQL::Test::Utils::timeout_default;
	usleep(10_000) until -s "$folder/port" or time > $until;
	return { run => $run, port => slurp_file("$folder/port") + 0 };
}

sub proxy_port
{
	my ($proxy) = @_;

	return $proxy->{port};
}

# Run this test again in a network of its own, if the system lets ordinary
# users have one: then links can be cut.  Returns whether it is in one.  Call
# it in a BEGIN block.
sub own_network
{
	my @unshare = ('unshare', '--user', '--map-current-user', '--net', '--keep-caps');

	return 1 if $ENV{TRIDENT_OWN_NETWORK};
	$ENV{PATH} .= ':/usr/sbin:/sbin';
	return 0 if system("@unshare ip link add near type veth peer name far >/dev/null 2>&1") != 0;
	$ENV{TRIDENT_OWN_NETWORK} = 1;
	exec(@unshare, 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', $^X, $0)
	  or die "cannot run unshare: $!";
}

# Start a node that is stopped in a network beyond a link; what holds that
# network, to be killed in the end.  The node's address there is 10.84.0.2, and
# "ip link set near down" cuts it off.
sub start_beyond
{
	my ($node) = @_;
	my ($out, $err) = ('', '');
	my $holder = IPC::Run::start([ 'unshare', '--net', 'sh', '-c', 'echo ready; exec sleep 600' ], '<', \undef, '>', \$out, '2>', \$err);

	$holder->pump until $out =~ /ready/;
	my $pid = $holder->{KIDS}[0]{PID};
	my @beyond = ('nsenter', "--net=/proc/$pid/ns/net", '--');
	system_or_bail('ip', 'link', 'add', 'near', 'type', 'veth', 'peer', 'name', 'far');
	system_or_bail('ip', 'link', 'set', 'far', 'netns', $pid);
	system_or_bail('ip', 'addr', 'add', '10.84.0.1/24', 'dev', 'near');
	system_or_bail('ip', 'link', 'set', 'near', 'up');
	system_or_bail(@beyond, 'ip', 'addr', 'add', '10.84.0.2/24', 'dev', 'far');
	system_or_bail(@beyond, 'ip', 'link', 'set', 'far', 'up');
	system_or_bail(@beyond, 'ip', 'link', 'set', 'lo', 'up');
	$node->append_conf('postgresql.conf', "listen_addresses = '*'\n");
	$node->append_conf('pg_hba.conf', "host all all 10.84.0.0/24 scram-sha-256\n");
	system_or_bail(@beyond, 'pg_ctl', '-w', '-D', $node->data_dir, '-l', $node->logfile, 'start');
	$node->_update_pid(1);
	return $holder;
}

# Sessions of role app that search for so many seconds, each answer compared
# with the one that table "truth" knows.  The function "load" does it: what it
# found are the numbers of right, wrong and failed ones, and SQLSTATEs.
sub begin_load
{
	my ($node, $sessions, $seconds, %how) = @_;
	my $deadline = $how{deadline} // '2 s';

	return map {
		my $session = { out => '', err => '' };
		$session->{run} = IPC::Run::start(
			[ 'psql', '-XAtq', '-d', $node->connstr('app') . ' user=app', '-c',
				"SELECT * FROM load($seconds, '$deadline')" ],
			'<', \undef, '>', \$session->{out}, '2>', \$session->{err});
		$session;
	} 1 .. $sessions;
}

# Wait for them: the sums of right, wrong and failed, and the SQLSTATEs met.
sub end_load
{
	my @sessions = @_;
	my %sum = (right => 0, wrong => 0, failed => 0, lost => '', states => {});

	for my $session (@sessions)
	{
		$session->{run}->finish;
		if ($session->{out} =~ /^(\d+)\|(\d+)\|(\d+)\|\{(.*)\}$/)
		{
			$sum{right} += $1;
			$sum{wrong} += $2;
			$sum{failed} += $3;
			$sum{states}{$_}++ foreach split /,/, $4;
		}
		else
		{
			$sum{lost} .= $session->{out} . $session->{err};
		}
	}
	return \%sum;
}

1;
