# ExchangeTest.pm
#	  What the tests of the exchange share: a server that is its own node, under
#	  several names, by password; and the functions that run any statement on a
#	  node, which only a library with fault points has.

package ExchangeTest;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(exchange_node add_node probe remote_count await);

# A started server with the extension, roles alice and bob with passwords, and
# itself as nodes n1 and n2 for alice, bob and the superuser.
sub exchange_node
{
	my ($name, %how) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name,
		install_path => $ENV{TRIDENT_FAULTS});

	$node->init;
	$node->append_conf('postgresql.conf', <<"END");
listen_addresses = '127.0.0.1'
shared_buffers = 32MB
max_prepared_transactions = 5
log_connections = on
log_statement = none
log_min_messages = info
END
	$node->append_conf('postgresql.conf', $how{conf}) if $how{conf};
	unlink $node->data_dir . '/pg_hba.conf';
	$node->append_conf('pg_hba.conf', $how{hba} // '');
	$node->append_conf('pg_hba.conf', <<"END");
local all all trust
host all all 127.0.0.1/32 scram-sha-256
END
	$node->start;
	$node->safe_psql('postgres', <<"END");
CREATE EXTENSION trident;
CREATE EXTENSION postgres_fdw;
SET password_encryption = 'scram-sha-256';
CREATE ROLE alice LOGIN PASSWORD 'secret-of-alice';
CREATE ROLE bob LOGIN PASSWORD 'secret-of-bob';
CREATE ROLE admin LOGIN SUPERUSER PASSWORD 'secret-of-admin';
GRANT CREATE ON SCHEMA public TO alice;
CREATE FUNCTION probe(nodes text[], sql text, args text[] DEFAULT '{}', class int DEFAULT 0,
		deadline_ms int DEFAULT 0, prepare bool DEFAULT false, raise bool DEFAULT false)
	RETURNS TABLE (call int, ok bool, value text, nrows int, error text, attempts int,
		path text, reused bool, ms float8, pid int)
	AS '\$libdir/trident', 'trident_exchange_probe' LANGUAGE C;
CREATE FUNCTION probe_session(node text, sql text[], data text DEFAULT '')
	RETURNS TABLE (call int, ok bool, value text, nrows int, error text, attempts int,
		path text, reused bool, ms float8, pid int)
	AS '\$libdir/trident', 'trident_exchange_probe_session' LANGUAGE C;
END
	add_node($node, $_, $node->port) foreach 'n1', 'n2';
	return $node;
}

# A node of that name, with mappings for alice, bob and admin.
sub add_node
{
	my ($node, $name, $port) = @_;

	$node->safe_psql('postgres', <<"END");
CREATE SERVER $name FOREIGN DATA WRAPPER postgres_fdw
	OPTIONS (host '127.0.0.1', port '$port', dbname 'postgres');
GRANT USAGE ON FOREIGN SERVER $name TO alice, bob;
CREATE USER MAPPING FOR alice SERVER $name OPTIONS (user 'alice', password 'secret-of-alice');
CREATE USER MAPPING FOR bob SERVER $name OPTIONS (user 'bob', password 'secret-of-bob');
CREATE USER MAPPING FOR admin SERVER $name OPTIONS (user 'admin', password 'secret-of-admin');
END
	return;
}

# What the statements print, run by that role in one session, errors included.
sub probe
{
	my ($node, $role, $sql) = @_;
	my ($out, $err);

	$node->psql('postgres', $sql, stdout => \$out, stderr => \$err,
		on_error_stop => 0, extra_params => [ '-U', $role ]);
	$err =~ s/^psql:<stdin>:\d+: //mg;
	return $err ne '' && $out ne '' ? "$out\n$err" : $out . $err;
}

# Connections that this server has as a node, by a pattern of their name.
sub remote_count
{
	my ($node, $pattern) = @_;

	return $node->safe_psql('postgres',
		"SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '$pattern'");
}

# Wait until the query says true.
sub await
{
	my ($node, $query, $what) = @_;

	ok($node->poll_query_until('postgres', $query), $what);
	return;
}

1;
