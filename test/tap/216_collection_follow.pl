# Proves that shards follow their table when what is dropped comes back, in
# one command, in one transaction, and after a node that did not follow; and
# that whoever may read a collection may see how its shards are.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use FleetTest;
use PostgreSQL::Test::Utils;
use Test::More;

my ($home, $second) = fleet(2, preload => 0);
my $ok = "SELECT bool_and(ok) || ' ' || min(indexes) || ' ' || max(indexes) FROM trident_collection_status('item')";

app_sql($home, <<'END');
CREATE TABLE item (id int PRIMARY KEY, title text, x int);
INSERT INTO item SELECT i, 'title ' || i, i FROM generate_series(1, 100) i;
CREATE INDEX item_title ON item (title);
SELECT trident_collection_distribute('item', '{local,node2}', 4);
END

# --- a column that comes back is another one ---

my $old = qr/cannot add column "x" to the shards of public\.item, which still have one of that name/;
fails_with($home, 'ALTER TABLE item DROP COLUMN x, ADD COLUMN x int DEFAULT 5', $old, 'dropped and added in one command');
fails_with($home, 'ALTER TABLE item DROP COLUMN x, ADD COLUMN IF NOT EXISTS x int', $old, 'or if it does not exist');
fails_with($home, 'ALTER TABLE item DROP COLUMN x, ADD COLUMN x text', $old, 'or of another type');
fails_with($home, 'BEGIN; ALTER TABLE item DROP COLUMN x; ALTER TABLE item ADD COLUMN x int DEFAULT 5; COMMIT', $old, 'or in one transaction');
is(app_sql($home, "SELECT sum(x) FROM item; $ok"), "5050\ntrue 1 1", 'all is as it was');
app_sql($home, 'ALTER TABLE item ADD COLUMN IF NOT EXISTS x int DEFAULT 5');
is(app_sql($home, 'SELECT sum(x) FROM item'), 5050, 'one that is there is no other one');
app_sql($home, 'ALTER TABLE item DROP COLUMN x');
app_sql($home, 'ALTER TABLE item ADD COLUMN x int DEFAULT 5');
is(app_sql($home, "SELECT sum(x), count(DISTINCT x) FROM item; $ok"), "500|1\ntrue 1 1", 'in two transactions it comes back with its default');
is(app_sql($home, "BEGIN; ALTER TABLE item DROP COLUMN x; ALTER TABLE item ADD COLUMN y int DEFAULT 6; ALTER TABLE item ADD COLUMN z int; COMMIT; SELECT sum(y) FROM item; $ok"),
	"600\ntrue 1 1", 'while one is dropped, others are added');
fails_with($home, 'ALTER TABLE item ADD COLUMN w int DEFAULT 1, ALTER COLUMN w SET DEFAULT 2', qr/change its default in one command/, 'a default that the rows did not get');
app_sql($home, 'ALTER TABLE item ADD COLUMN w int DEFAULT 1; ALTER TABLE item ALTER COLUMN w SET DEFAULT 2; INSERT INTO item (id) VALUES (101)');
is(app_sql($home, 'SELECT string_agg(DISTINCT w::text, \',\') FROM item'), '1,2', 'is set in a second one');
app_sql($home, 'DELETE FROM item WHERE id = 101');

# A node does not let a column go.
app_sql($second, <<'END');
CREATE FUNCTION keep() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'kept'; END $$;
CREATE EVENT TRIGGER keep ON sql_drop WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION keep();
END
my ($out, $err);
$home->psql('app', 'ALTER TABLE item DROP COLUMN w', stderr => \$err);
like($err, qr/WARNING:.*node2.*could not finish/, 'a node that does not follow is told of');
app_sql($second, 'DROP EVENT TRIGGER keep');
fails_with($home, 'ALTER TABLE item ADD COLUMN w int DEFAULT 7', qr/column "w".*HINT:.*trident_collection_sync/s, 'what it kept does not come back');
app_sql($home, "SELECT FROM trident_collection_sync('item')");
app_sql($home, 'ALTER TABLE item ADD COLUMN w int DEFAULT 7');
is(app_sql($home, "SELECT sum(w) FROM item; $ok"), "700\ntrue 1 1", 'once it has followed, it does');

# --- an index that comes back is there ---

app_sql($home, 'BEGIN; DROP INDEX item_title; CREATE INDEX item_title ON item (title); COMMIT');
is(app_sql($home, $ok), 'true 1 1', 'an index made anew is on all shards');
app_sql($home, 'BEGIN; DROP INDEX item_title; CREATE INDEX item_title ON item (title); DROP INDEX item_title; COMMIT');
is(app_sql($home, $ok), 'true 0 0', 'and gone where it was dropped last');
app_sql($home, 'BEGIN; CREATE INDEX item_title ON item (title); SAVEPOINT s; ROLLBACK TO s; RELEASE s; ALTER TABLE item ADD CHECK (id > 0); COMMIT');
is(app_sql($home, $ok), 'true 1 1', 'one that stays does so');
fails_with($home, 'BEGIN; SAVEPOINT s; DROP INDEX item_title', qr/inside a subtransaction/, 'a savepoint has none of it');
is(app_sql($home, 'BEGIN; ALTER TABLE item DROP CONSTRAINT item_id_check; ALTER TABLE item ADD CONSTRAINT item_id_check CHECK (id > -1); COMMIT; ' . $ok), 'true 1 1', 'nor is a check lost');

# --- other names, and what goes with something else ---

app_sql($home, 'ALTER TABLE item RENAME CONSTRAINT item_id_check TO positive');
is(app_sql($home, $ok), 'true 1 1', 'a constraint gets another name on all shards');
app_sql($_, "CREATE TYPE mood AS ENUM ('good'); CREATE FUNCTION fine(int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true'") foreach $home, $second;
app_sql($home, 'ALTER TABLE item ADD COLUMN feels mood; ALTER TABLE item ADD CONSTRAINT fine CHECK (fine(id))');
is(app_sql($home, $ok), 'true 1 1', 'columns and checks of what users have made');
app_sql($home, 'SET client_min_messages = error; DROP TYPE mood CASCADE; DROP FUNCTION fine CASCADE');
is(app_sql($home, $ok), 'true 1 1', 'go with that from all shards');
is(app_sql($second, "SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace = 'trident_shard'::regnamespace AND attname = 'feels'"), 0, 'those of the node too');

# --- who may read may look ---

app_sql($home, <<'END');
CREATE ROLE reader LOGIN;
GRANT SELECT ON item TO reader;
GRANT EXECUTE ON FUNCTION trident_collection_status TO reader;
CREATE USER MAPPING FOR reader SERVER node2 OPTIONS (user 'app', password 'secret-of-app');
END
app_sql($second, 'GRANT SELECT ON ALL TABLES IN SCHEMA trident_shard TO app');
my $look = sub { $home->safe_psql('app', "SELECT bool_and(ok), sum(rows), sum(misplaced), count(DISTINCT node) FROM trident_collection_status('item', $_[0])", extra_params => [ '-U', 'reader' ]) };
app_sql($home, 'ANALYZE item');
is($home->safe_psql('app', 'SELECT has_schema_privilege(current_user, \'trident_shard\', \'USAGE\')', extra_params => [ '-U', 'reader' ]), 'f', 'a role that may only read the collection');
like($look->('false'), qr/^t\|\d+\|\|2$/, 'sees how its shards are');
is($look->('true'), 't|100|0|2', 'and verifies them');
app_sql($home, "SET session_replication_role = replica; DELETE FROM item");
my $leaf = app_sql($home, "SELECT shard_table FROM trident_collection_status('item') WHERE node = 'local' LIMIT 1");
app_sql($home, "ALTER TABLE $leaf DROP CONSTRAINT trident_shard_number");
my ($number) = $leaf =~ /_(\d+)$/;
app_sql($home, "CREATE TABLE stray (LIKE $leaf); INSERT INTO stray (id) SELECT i FROM generate_series(1, 40) i");
app_sql($home, "SET allow_system_table_mods = on; UPDATE pg_class SET relispartition = false WHERE oid = '$leaf'::regclass; INSERT INTO $leaf SELECT * FROM stray; UPDATE pg_class SET relispartition = true WHERE oid = '$leaf'::regclass");
my $belong = app_sql($home, "SELECT count(*) FROM stray WHERE trident.shard_number(4, id) = $number");
is($home->safe_psql('app', "SELECT rows, misplaced, ok FROM trident_collection_status('item', true) WHERE shard = $number", extra_params => [ '-U', 'reader' ]),
	'40|' . (40 - $belong) . '|f', 'rows of other shards are counted');
app_sql($home, 'TRUNCATE item');

app_sql($home, "SELECT trident_collection_undistribute('item')");
no_leftovers('nothing is left on the node', $second);
done_testing();
