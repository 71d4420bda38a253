# Whose rights a search over nodes has, and that no secret shows: SELECT, row
# security, SECURITY DEFINER, a PUBLIC mapping beside one of a role's own, a
# role that is dropped; passwords in no view, no log, and nothing of what
# trident keeps in shared memory.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use FleetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($home, $far) = fleet(2, conf => <<'END');
fsync = off
trident.exchange_mode = worker
END

app_sql($home, <<'END');
CREATE TABLE note (id int PRIMARY KEY, owner name, body text, embedding vector(2));
INSERT INTO note SELECT i, CASE i % 2 WHEN 0 THEN 'app' ELSE 'eve' END, 'body ' || i, ARRAY[i, 1]::vector FROM generate_series(1, 40) i;
ALTER TABLE note OWNER TO app;
CREATE ROLE eve LOGIN PASSWORD 'secret-of-eve';
END
as_app($home, "SELECT trident_collection_distribute('note', '{local,node2}', 4)");

my $search = "SELECT id FROM trident_search('note', '[10,1]', 3, key => '{id}') ORDER BY id::int";

sub as_role
{
	my ($role, $sql) = @_;
	my ($out, $err);

	$home->psql('app', $sql, stdout => \$out, stderr => \$err, extra_params => [ '-U', $role ]);
	return "$out$err";
}

is(as_role('app', $search), "9\n10\n11", 'the owner finds all');
is(app_sql($home, "SELECT count(*) FROM trident.stat_worker WHERE kind = 'exchange' AND state = 'ready'"), '1', 'by the worker');

# --- SELECT, and a mapping of one's own ---

like(as_role('eve', $search), qr/permission denied for table note/, 'not without SELECT');
app_sql($home, 'GRANT SELECT (id) ON note TO eve');
like(as_role('eve', $search), qr/permission denied/, 'nor without SELECT on the vectors');
app_sql($home, 'GRANT SELECT ON note TO eve');
like(as_role('eve', $search), qr/user mapping not found/, 'nor without a mapping');
app_sql($home, "CREATE USER MAPPING FOR PUBLIC SERVER node2 OPTIONS (user 'app')");
like(as_role('eve', $search), qr/password is required/, 'a PUBLIC mapping without password lends nobody a connection');
is(as_role('app', $search), "9\n10\n11", 'who has one of his own goes on');
like(as_role('eve', $search), qr/password is required/, 'and his connections are not lent');
app_sql($home, "DROP USER MAPPING FOR PUBLIC SERVER node2");

app_sql($far, "CREATE ROLE eve LOGIN PASSWORD 'secret-of-eve'");
app_sql($home, "CREATE USER MAPPING FOR eve SERVER node2 OPTIONS (user 'eve', password 'secret-of-eve')");
like(as_role('eve', $search), qr/node "node2".*permission denied/s, 'what the role there may not read, he does not');
app_sql($far, "GRANT USAGE ON SCHEMA trident_shard TO eve; GRANT SELECT ON ALL TABLES IN SCHEMA trident_shard TO eve");
is(as_role('eve', $search), "9\n10\n11", 'with rights on both sides he does');
is(app_sql($far, "SELECT string_agg(DISTINCT usename, ',' ORDER BY usename) FROM pg_stat_activity WHERE application_name LIKE 'trident%' AND usename IN ('app', 'eve')"),
	'app,eve', 'each by a connection of his own');

# --- SECURITY DEFINER ---

as_app($home, <<"END");
CREATE FUNCTION app_search() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER SET search_path = public, trident AS
	\$\$ SELECT id FROM trident_search('note', '[10,1]', 3, key => '{id}') \$\$;
REVOKE SELECT ON note FROM eve;
REVOKE SELECT (id) ON note FROM eve;
END
is(as_role('eve', 'SELECT id FROM app_search() AS id ORDER BY id::int'), "9\n10\n11", "a function of the owner's searches with his rights");
like(as_role('eve', "SELECT app_search(); $search"), qr/permission denied for table note/, 'and only inside');
app_sql($home, 'GRANT SELECT ON note TO eve');

# --- row security ---

as_app($home, 'ALTER TABLE note ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON note TO eve USING (owner = current_user)');
is(as_role('eve', "SELECT count(*), count(*) FILTER (WHERE id::int % 2 = 1) FROM trident_search('note', '[10,1]', 40, key => '{id}')"),
	'20|20', 'row security shows what plain SQL shows');
is(as_role('eve', "SELECT count(*) FROM note"), '20', 'which is this');
as_app($home, 'ALTER TABLE note DISABLE ROW LEVEL SECURITY');

# --- a role is dropped ---

app_sql($home, 'DROP USER MAPPING FOR eve SERVER node2');
like(as_role('eve', $search), qr/user mapping not found/, 'a dropped mapping ends it at once');
app_sql($home, 'DROP OWNED BY eve; DROP ROLE eve');
is(as_role('app', $search), "9\n10\n11", 'the others go on');
await_sql($far, "SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'eve'", 'his connections are closed');

# --- secrets ---

app_sql($home, 'CREATE ROLE watcher LOGIN; GRANT pg_monitor TO watcher');
my $views = app_sql($home, "SELECT string_agg(format('SELECT to_jsonb(x) FROM trident.%I x', viewname), ';') FROM pg_views WHERE schemaname = 'trident'");
my ($seen, $err) = ('', '');
my $superuser = (getpwuid($>))[0];
foreach my $role ('watcher', 'app', $superuser)
{
	$home->psql('app', $views, stdout => \$seen, stderr => \$err, on_error_stop => 0, extra_params => [ '-U', $role ]);
	like($seen, qr/node2/, "$role: views show something") if $role eq $superuser;
	unlike($seen . $err, qr/secret-of-/, "$role: but no password");
}

# The bytes of trident's areas of the main segment, out of the postmaster.
sub shared_memory
{
	my ($pid) = slurp_file($home->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	my @areas = map { [ split /\|/ ] } split /\n/, app_sql($home,
		"SELECT name, off, size FROM pg_shmem_allocations WHERE name LIKE 'trident%'");
	my ($largest) = sort { $b->[1] - $b->[0] <=> $a->[1] - $a->[0] }
	  map { /^([0-9a-f]+)-([0-9a-f]+) rw-s/ ? [ hex $1, hex $2 ] : () } split /\n/, slurp_file("/proc/$pid/maps");
	my $bytes = '';

	open(my $memory, '<:raw', "/proc/$pid/mem") or return;
	foreach my $area (@areas)
	{
		sysseek($memory, $largest->[0] + $area->[1], 0);
		my $got = sysread($memory, $bytes, $area->[2], length $bytes);
		return unless $got && $got == $area->[2];
	}
	return $bytes;
}

SKIP:
{
	my $bytes = shared_memory();
	skip 'the memory of another process cannot be read here', 2 unless defined $bytes;
	ok($bytes =~ /calls running, /, 'what is read is what trident keeps in shared memory');
	ok($bytes !~ /secret-of-/, 'there is no password in it');
}

foreach my $node ($home, $far)
{
	$node->stop;
	my $log = join('', grep { !/STATEMENT/ } map { "$_\n" } split /\n/, slurp_file($node->logfile));
	unlike($log, qr/secret-of-/, $node->name . ': no password in the log');
	unlike($log, qr/PANIC|TRAP|terminated by signal/, $node->name . ': nothing unexpected in it');
}
done_testing();
