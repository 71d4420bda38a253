# What a fleet must stand: queries that say another thing each time, snapshots
# that are old, a node that answers nonsense, a second name of a node, and
# what goes wrong after the decision.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use FleetTest;
use PostgreSQL::Test::Utils;
use Test::More;

my ($home, $second) = fleet(2, faults => 1, preload => 0,
	conf => "restart_after_crash = on\nmax_prepared_transactions = 20\n");

# --- loads: a query is run once ---

app_sql($home, <<'END');
CREATE TABLE seen (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), at serial, title text);
SELECT trident_collection_distribute('seen', '{node2,local}', 16);
END
is(app_sql($home, "SELECT trident_collection_load('seen', \$\$SELECT 'title ' || i FROM generate_series(1, 3000) i\$\$, '{title}')"),
	3000, 'rows whose key is another each time are all loaded');
is(app_sql($home, "SELECT count(*) || ' ' || count(DISTINCT title) || ' ' || max(at) FROM seen"), '3000 3000 3000', 'once each');
is(app_sql($home, "SELECT bool_and(ok) FROM trident_collection_status('seen', true)"), 't', 'where they belong');
is(app_sql($home, "SET work_mem = '64kB'; SELECT trident_collection_upsert('seen', \$\$SELECT id, at, repeat('x', 200) FROM seen UNION ALL SELECT gen_random_uuid(), 0, 'new' FROM generate_series(1, 1000)\$\$)"),
	4000, 'so are those of an upsert, whose rows are kept on disk');
is(app_sql($home, "SELECT count(*) || ' ' || count(*) FILTER (WHERE title = 'new') FROM seen"), '4000 1000', 'replaced and added');
is(app_sql($home, <<'END'), "2\n1\n1|ya", 'two upserts in one transaction');
BEGIN;
SELECT trident_collection_upsert('seen', $$SELECT ('00000000-0000-4000-8000-00000000000' || i)::uuid, i, 'x' FROM generate_series(1, 2) i$$);
SELECT trident_collection_upsert('seen', $$SELECT '00000000-0000-4000-8000-000000000001'::uuid, 1, 'ya'$$);
COMMIT;
SELECT at, title FROM seen WHERE id = '00000000-0000-4000-8000-000000000001';
END

# --- old snapshots ---

app_sql($home, 'CREATE TABLE item (id int PRIMARY KEY, title text); INSERT INTO item SELECT i FROM generate_series(1, 100) i');
foreach my $sql ("trident_collection_distribute('item', '{node2}')", "trident_collection_move_shard('seen', 0, 'local')",
	"trident_collection_undistribute('seen')", "trident_collection_cleanup()",
	"trident_collection_load('seen', 'SELECT 1', '{title}')")
{
	fails_with($home, "SET default_transaction_isolation = 'repeatable read'; SELECT FROM $sql",
		qr/isolation level REPEATABLE READ.*HINT:/s, "an old snapshot does not suit $sql");
}
fails_with($home, "BEGIN ISOLATION LEVEL SERIALIZABLE; ALTER TABLE seen ADD COLUMN more int",
	qr/isolation level SERIALIZABLE/, 'nor DDL on shards');

# --- what LIKE does not take along ---

app_sql($home, 'CREATE TABLE secret (id int PRIMARY KEY); ALTER TABLE secret ENABLE ROW LEVEL SECURITY');
fails_with($home, "SELECT trident_collection_distribute('secret', '{node2}')", qr/It has row security/, 'row security without a policy is not lost');


# --- who has the schema of shards ---

app_sql($second, 'CREATE ROLE squatter; ALTER SCHEMA trident_shard OWNER TO squatter');
fails_with($home, "SELECT trident_collection_distribute('item', '{node2}')",
	qr/schema "trident_shard" of node "node2" belongs to role "squatter".*HINT:  Give the schema/s, 'no shards where somebody could drop them');
app_sql($second, 'ALTER SCHEMA trident_shard OWNER TO admin');

# --- a command that commits in between ---

app_sql($home, 'CREATE TABLE plain (a int); CREATE INDEX plain_a ON plain (a); CREATE INDEX seen_title ON seen (title)');
is(app_sql($home, "SELECT min(indexes) FROM trident_collection_status('seen')"), 1, 'an index on all shards');
app_sql($home, 'DROP INDEX CONCURRENTLY plain_a');
app_sql($home, 'DROP INDEX seen_title');
is(app_sql($home, "SELECT max(indexes) FROM trident_collection_status('seen')"), 0, 'after DROP INDEX CONCURRENTLY others are dropped as before');

my ($out, $err);

# --- a check does not wait for a distribution, nor the other way round ---

my $session = $home->background_psql('app', on_error_die => 1);
$session->query_safe("BEGIN; SELECT trident_collection_distribute('plain', '{node2,local}', 4, key => '{a}')");
is(app_sql($home, "SET lock_timeout = '5 s'; SELECT bool_and(ok) FROM trident_node_check('node2')"), 't', 'a node can be checked while shards are made there');
$session->query_safe('COMMIT');
$session->quit;

# --- after the decision ---

# A node objects to the comment that follows the commit, in words that the
# client's encoding lacks.
app_sql($second, <<'END');
CREATE FUNCTION object() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE obj_description(objid, 'pg_class') NOT LIKE '%, pending') THEN
		RAISE EXCEPTION E'\u30a2';
	END IF;
END $$;
CREATE EVENT TRIGGER object ON ddl_command_end WHEN TAG IN ('COMMENT') EXECUTE FUNCTION object();
END
$home->psql('app', "SET client_encoding = 'LATIN1'; SELECT trident_collection_distribute('item', '{node2,local}', 6)", stdout => \$out, stderr => \$err);
is($out, 100, 'a warning that the client cannot read does no harm after the commit');
like($err, qr/WARNING:  a node could not finish/, 'it gets one that it can');
app_sql($second, 'DROP EVENT TRIGGER object');
is(app_sql($second, "SELECT count(*) FROM pg_class WHERE relnamespace = 'trident_shard'::regnamespace AND obj_description(oid, 'pg_class') LIKE '%, pending'"),
	3, 'shards that live are said to be pending');

# Under a second name of its database, a shard that lives is no leftover.
app_sql($home, "SET client_min_messages = error; SELECT trident_node_add('alias', '127.0.0.1', " . $second->port . ", 'app')");
app_sql($home, "CREATE USER MAPPING FOR CURRENT_USER SERVER alias OPTIONS (user 'admin', password 'secret-of-admin')");
is(app_sql($home, "SELECT node, action, count(*) FROM trident_collection_cleanup() GROUP BY 1, 2"),
	'node2|its comment said pending|3', 'the cleanup goes to nodes that are registered');
is(app_sql($home, "SELECT bool_and(ok) FROM trident_collection_status('item')"), 't', 'and all shards are there');

# A table that somebody has locked keeps the cleanup for a while, not for ever.
my $shard = app_sql($home, "SELECT shard_table FROM trident_collection_status('item') WHERE node = 'node2' LIMIT 1");
my $locker = $second->background_psql('app', on_error_die => 1);
app_sql($second, "COMMENT ON TABLE $shard IS " . app_sql($second, "SELECT quote_literal(obj_description('$shard'::regclass) || ', pending')"));
$locker->query_safe("BEGIN; LOCK TABLE $shard");
like(app_sql($home, "SET lock_timeout = '200ms'; SELECT done, action FROM trident_collection_cleanup()"), qr/^f\|.*lock timeout/, 'the cleanup does not wait for ever');
$locker->query_safe('COMMIT');

# A writer of another home waits for a shard that moves away.
my $lock = $home->background_psql('app', on_error_die => 1);
my $mover = $home->background_psql('app', on_error_die => 1);
my $number = $shard =~ /_(\d+)$/ ? $1 : die;
my $row = app_sql($home, "SELECT min(i) FROM generate_series(1000, 2000) i WHERE trident.shard_number(6, i) = $number");
$lock->query_safe('SELECT pg_advisory_lock(8400)');
$mover->query_until(qr/begun/, "\\echo begun\nSET trident.fault = 'collection-shard-copied:wait';\nSELECT trident_collection_move_shard('item', $number, 'local');\n");
ok($home->poll_query_until('app', "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"), 'the move waits, with its rows copied');
my ($wout, $werr) = ('', '');
my $writer = IPC::Run::start([ 'psql', '-XAtq', '-d', $second->connstr('app'), '-c', "INSERT INTO $shard VALUES ($row)" ],
	'<', \undef, '>', \$wout, '2>', \$werr);
ok($second->poll_query_until('app', "SELECT count(*) = 1 FROM pg_locks WHERE NOT granted"), 'the writer waits for the move');
$lock->query_safe('SELECT pg_advisory_unlock(8400)');
$writer->finish;
like($werr, qr/does not exist|could not open relation/, 'a row for a shard that has moved is an error, and not lost');
$mover->query_safe('SELECT 1');
$_->quit foreach $lock, $mover, $locker;
is(app_sql($home, "SELECT count(*) FROM item"), 100, 'the shard is home');
is(app_sql($home, 'SELECT count(*) FROM trident_collection_cleanup()'), 0, 'and there is nothing to clean up');

# --- a move that cannot take the old shard away does not happen ---

app_sql($home, 'CREATE TABLE parcel (id int PRIMARY KEY, title text); INSERT INTO parcel SELECT i FROM generate_series(1, 100) i');
app_sql($home, "SELECT trident_collection_distribute('parcel', '{node2}')");
my $parcel = app_sql($home, "SELECT shard_table FROM trident_collection_status('parcel')");
my $reader = $second->background_psql('app', on_error_die => 1);
$reader->query_safe("BEGIN; SELECT count(*) FROM $parcel");
fails_with($home, "SET lock_timeout = '200ms'; SELECT trident_collection_move_shard('parcel', 0, 'local')",
	qr/lock timeout/, 'a shard that somebody reads on its node stays there');
$reader->query_safe('COMMIT');
$reader->quit;
is(app_sql($home, "SELECT node, ok FROM trident_collection_status('parcel')"), 'node2|t', 'as it was');
is(app_sql($second, "INSERT INTO $parcel VALUES (1000) RETURNING id"), 1000, 'and takes rows');

# Nor one that was left alone meanwhile, however short the patience there is.
app_sql($second, "ALTER ROLE admin SET idle_in_transaction_session_timeout = '500ms'");
$reader = $home->background_psql('app', on_error_die => 1);
foreach my $dies (0, 1)
{
	$reader->query_safe('BEGIN; LOCK TABLE parcel IN ACCESS SHARE MODE');
	my ($mout, $merr) = ('', '');
	my $move = IPC::Run::start([ 'psql', '-XAtq', '-d', $home->connstr('app'), '-c', "SELECT trident_collection_move_shard('parcel', 0, 'local')" ],
		'<', \undef, '>', \$mout, '2>', \$merr);
	ok($home->poll_query_until('app', "SELECT count(*) = 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted"), 'a move has copied its rows and waits for readers');
	my $holder = "FROM pg_stat_activity WHERE state = 'idle in transaction' AND pid IN (SELECT pid FROM pg_locks WHERE relation = '$parcel'::regclass AND mode = 'ShareLock')";
	ok($second->poll_query_until('app', "SELECT count(*) = 1 $holder AND now() - state_change > '1 s'"), 'its session on the node waits longer than others may');
	app_sql($second, "SELECT pg_terminate_backend(pid, 10000) $holder") if $dies;
	$reader->query_safe('COMMIT');
	$move->finish;
	is($mout, $dies ? '' : "101\n", $dies ? 'a move whose lock is gone fails' : 'it is done');
	like($merr, $dies ? qr/ERROR/ : qr/^$/, 'and says so') or diag $merr;
	is(app_sql($home, "SELECT node, ok FROM trident_collection_status('parcel')"), ($dies ? 'node2' : 'local') . '|t', 'the shard is where it was said to be');
	app_sql($home, "SELECT trident_collection_move_shard('parcel', 0, 'node2')") unless $dies;
}
$reader->quit;
app_sql($second, 'ALTER ROLE admin RESET idle_in_transaction_session_timeout');
is(app_sql($home, "SELECT count(*) FROM parcel"), 101, 'no row is lost');

# --- a node that answers nonsense ---

# Let a function of the node's catalog return that value while something is done.
sub compromised
{
	my ($node, $function, $returns, $value, $something) = @_;
	my ($name, $arguments) = $function =~ /^(\w+)(.*)$/;

	app_sql($node, "ALTER FUNCTION pg_catalog.$function RENAME TO honest;
		CREATE FUNCTION pg_catalog.$function RETURNS $returns LANGUAGE sql STABLE AS \$f\$ SELECT $value \$f\$");
	$something->();
	app_sql($node, "DROP FUNCTION pg_catalog.$function; ALTER FUNCTION pg_catalog.honest$arguments RENAME TO $name");
	return;
}

app_sql($home, "ALTER TABLE item ADD CHECK (id > 0); CREATE INDEX ON item (title)");
my $attach = "SELECT trident_collection_attach('public.item', 'node1')";
foreach my $case (
	[ "format_type(oid, integer)", "'int); CREATE TABLE public.evil (); --'", qr/more in it than a table/, 'statements in a type' ],
	[ "format_type(oid, integer)", "'int) PARTITION BY HASH (id); CREATE TABLE public.item (id int'", qr/more in it than a table/, 'or two tables' ],
	[ "format_type(oid, integer)", "'int DEFAULT 1'", qr/default in a column/, 'a default' ],
	[ "format_type(oid, integer)", "'int, LIKE pg_catalog.pg_authid, x int'", qr/more in it than columns/, 'other tables' ],
	[ "pg_get_constraintdef(oid)", "'CHECK (pg_catalog.set_config(''a.b'', title, false) IS NULL)'", qr/volatile function/, 'a check that does something' ],
	[ "pg_get_indexdef(oid)", "repeat(' ', 100) || ' USING btree (id); CREATE TABLE public.evil ()'", qr/more in it than a table/, 'statements in an index' ],
	[ "pg_get_indexdef(oid)", "NULL", qr/returned no text in row 0, column 1/, 'an index that is none' ])
{
	my ($function, $value, $error, $what) = @$case;

	compromised($home, $function, 'text', $value, sub { fails_with($second, $attach, $error, "a definition with $what is refused") });
}
is(app_sql($second, "SELECT count(*) FROM pg_class WHERE relname IN ('evil', 'item')"), 0, 'nothing of it is there');
is(app_sql($second, "$attach; SELECT count(*) FROM item"), "item\n100", 'an honest one is attached');
foreach my $case (
	[ "'CHECK (id > 0), DROP COLUMN title'", qr/more in it than columns/, 'more than a check' ],
	[ "'CHECK (id > 0); CREATE TABLE public.evil ()'", qr/more in it than a table/, 'another statement' ],
	[ "'CHECK (pg_catalog.set_config(''a.b'', title, false) IS NULL)'", qr/volatile function/, 'a check that does something' ])
{
	my ($value, $error, $what) = @$case;

	compromised($home, 'pg_get_constraintdef(oid)', 'text', $value,
		sub { fails_with($second, "SELECT FROM trident_collection_sync('item')", $error, "$what is not followed either") });
}
is(app_sql($second, "SELECT count(*) FROM trident_collection_sync('item'); SELECT count(title), count(id) FROM item"), "0\n0|100", 'an honest home is followed');
fails_with($second, <<'END', qr/only attached here/, 'a detach that failed and was caught leaves DDL watched');
CREATE VIEW needs_item AS SELECT title FROM item;
BEGIN;
DO $$ BEGIN PERFORM trident_collection_detach('item'); EXCEPTION WHEN dependent_objects_still_exist THEN NULL; END $$;
ALTER TABLE item ADD COLUMN more int;
END
app_sql($second, "DROP VIEW needs_item; SELECT trident_collection_detach('item')");
compromised($second, 'has_schema_privilege(oid, text)', 'boolean', 'NULL::boolean', sub {
	fails_with($home, "SELECT FROM trident_node_check('node2')", qr/returned no text in row 0, column 1/, 'a node that leaves out an answer');
});
compromised($second, 'pg_get_constraintdef(oid)', 'text', 'NULL', sub {
	fails_with($home, "SELECT FROM trident_collection_status('item')", qr/returned no text/, 'or a part of a shard');
});

app_sql($home, "SELECT trident_collection_undistribute('$_')") foreach qw(seen item plain parcel);
app_sql($home, "SELECT FROM trident_collection_cleanup()");
no_leftovers('nothing is left on the node', $second);
done_testing();
