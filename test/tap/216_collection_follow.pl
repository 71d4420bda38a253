# Proves that shards follow their table when what is dropped comes back, in
# one command, in one transaction, and after a node that did not follow; that
# an attached collection follows its home and keeps what was made of it here;
# and that whoever may read a collection may see how its shards are.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use FleetTest;
use PostgreSQL::Test::Utils;
use Test::More;

my ($home, $second, $third) = fleet(3, preload => 0);
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

# --- an attached collection keeps what was made of it ---

app_sql($third, <<'END');
SELECT trident_collection_attach('public.item', 'node1');
CREATE ROLE reader LOGIN;
GRANT SELECT (id, title) ON item TO reader;
GRANT INSERT ON item TO reader;
COMMENT ON TABLE item IS 'attached';
COMMENT ON COLUMN item.title IS 'a title';
CREATE POLICY all_rows ON item USING (true);
CREATE VIEW titles AS SELECT id, title FROM item;
END
my $made = "SELECT c.relacl, (SELECT attacl FROM pg_attribute WHERE attrelid = c.oid AND attname = 'title'),
	obj_description(c.oid), col_description(c.oid, 2), (SELECT polname FROM pg_policy WHERE polrelid = c.oid), c.oid FROM pg_class c WHERE c.oid = 'item'::regclass";
my $parts = "SELECT string_agg(x, ',' ORDER BY x COLLATE \"C\") FROM (SELECT concat(attname, ' ', atttypid::regtype, attnotnull) FROM pg_attribute WHERE attrelid = 'item'::regclass AND attnum > 0 AND NOT attisdropped
	UNION ALL SELECT concat(conname, ' ', pg_get_constraintdef(oid)) FROM pg_constraint WHERE conrelid = 'item'::regclass
	UNION ALL SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'item'::regclass) AS x (x)";
my $sync = "SELECT count(*) FROM trident_collection_sync('item')";
my $was = app_sql($third, $made);
my $leaves = "SELECT string_agg(i.inhrelid || ' ' || coalesce(s.srvname, 'local'), ',' ORDER BY c.relname)
	FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid LEFT JOIN pg_foreign_table f ON f.ftrelid = c.oid LEFT JOIN pg_foreign_server s ON s.oid = f.ftserver WHERE i.inhparent = 'item'::regclass";
my @before = split /,/, app_sql($third, $leaves);

app_sql($home, "SELECT trident_collection_move_shard('item', 1, 'local')");
fails_with($third, 'SELECT count(*) FROM item', qr/does not exist/, 'a shard that has moved is missed');
app_sql($third, $sync);
my @after = split /,/, app_sql($third, $leaves);
is(app_sql($third, 'SELECT count(*) FROM titles'), 100, 'and found again by sync, with a view on it');
is(app_sql($third, $made), $was, 'rights, comments, policies and the table are what they were');
like($after[1], qr/ node1$/, 'the leaf is that of the other node');
is(join(',', @after[0, 2, 3]), join(',', @before[0, 2, 3]), 'the others are as they were');
app_sql($third, $sync);
is(app_sql($third, $leaves), join(',', @after), 'where nothing has changed, nothing does');

app_sql($home, <<'END');
ALTER TABLE item DROP COLUMN z, ADD COLUMN new text COLLATE "C", ADD CONSTRAINT later CHECK (new <> 'x');
ALTER TABLE item DROP CONSTRAINT positive;
ALTER TABLE item ADD CONSTRAINT positive CHECK (id > -2);
ALTER TABLE item ADD COLUMN twice int GENERATED ALWAYS AS (id * 2) STORED;
ALTER TABLE item ALTER COLUMN y SET NOT NULL;
DROP INDEX item_title;
CREATE INDEX item_title ON item (title, y);
END
app_sql($third, $sync);
is(app_sql($third, $parts), app_sql($home, $parts), 'columns, checks and indexes are those of the home');
is(app_sql($third, 'SELECT count(*), sum(twice) FROM item'), '100|10100', 'and are read');
is(app_sql($third, $made), $was, 'and again rights, comments, policies and the table are what they were');
app_sql($home, 'ALTER TABLE item DROP COLUMN title');
fails_with($third, $sync, qr/cannot drop column title.*view \S*titles depends/s, 'what a view needs is not dropped without a word');
is(app_sql($third, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'item'::regclass; DROP VIEW titles; $sync; $parts"),
	"4\n0\n" . app_sql($home, $parts), 'once it is gone, it is');
app_sql($second, "SELECT trident_collection_attach('public.item', 'node1'); GRANT SELECT ON item TO PUBLIC");
app_sql($home, 'ALTER TABLE item ADD CHECK (id > -3); CREATE INDEX ON item (y)');
is(app_sql($second, "$sync; SELECT count(*), has_table_privilege('public', 'item', 'SELECT') FROM item; $parts"),
	"0\n100|t\n" . app_sql($home, $parts), 'so does one with shards of its own');
app_sql($second, "SELECT trident_collection_detach('item')");
app_sql($home, 'ALTER TABLE item ADD COLUMN title text');
app_sql($home, "SELECT trident_collection_undistribute('item'); SELECT trident_collection_distribute('item', '{local,node2}', 4)");
fails_with($third, $sync, qr/is another one.*trident_collection_detach/s, 'a collection that was made anew at home is another one');
app_sql($third, "SELECT trident_collection_detach('item')");

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
app_sql($home, "CREATE TABLE stray (LIKE $leaf); INSERT INTO stray (id, y) SELECT i, i FROM generate_series(1, 40) i");
app_sql($home, "SET allow_system_table_mods = on; UPDATE pg_class SET relispartition = false WHERE oid = '$leaf'::regclass; INSERT INTO $leaf (id, y) SELECT id, y FROM stray; UPDATE pg_class SET relispartition = true WHERE oid = '$leaf'::regclass");
my $belong = app_sql($home, "SELECT count(*) FROM stray WHERE trident.shard_number(4, id) = $number");
is($home->safe_psql('app', "SELECT rows, misplaced, ok FROM trident_collection_status('item', true) WHERE shard = $number", extra_params => [ '-U', 'reader' ]),
	'40|' . (40 - $belong) . '|f', 'rows of other shards are counted');
app_sql($home, 'TRUNCATE item');

app_sql($home, "SELECT trident_collection_undistribute('item')");
no_leftovers('nothing is left on the node', $second);
done_testing();
