# Proves that a collection over three nodes is what the table was: for an
# ordinary role, under hostile names, by plain SQL, load and upsert, while its
# definition changes, its shards move, another node is asked, and after all
# has come home.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use FleetTest;
use PostgreSQL::Test::Utils;
use Test::More;

my @nodes = fleet(3);
my ($home, $second, $third) = @nodes;

# What is in a table, in any order, in few bytes.
sub content
{
	my ($node, $table) = @_;

	return as_app($node, qq{SELECT count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)), 0) FROM $table t});
}

# Nodes
is(as_app($home, "SELECT string_agg(DISTINCT node, ',') FROM trident_node_check() WHERE NOT ok"),
	'', 'an ordinary role finds both nodes as they must be');
is(app_sql($home, "SELECT string_agg(node || ' ' || status, ', ' ORDER BY node) FROM trident.node"),
	'local ok, node2 ok, node3 ok', 'the view shows them');
is(app_sql($home, "SELECT count(DISTINCT uuid) FROM trident.node"), 3, 'each with a uuid of its own');
fails_with($home, q{SELECT trident_node_add('x', '127.0.0.1', options => '{"password": "geheim"}')},
	qr/^(?!.*CONTEXT.*geheim).*option "password" does not belong to a node/s, 'no password in a node');
fails_with($home, q{SELECT trident_node_add('x', '127.0.0.1', options => '{"pasword": "geheim"}')},
	qr/^(?!.*CONTEXT).*invalid option "pasword"/s, 'nor in the error of a wrong option');
app_sql($home, "SET client_min_messages = warning; SELECT trident_node_add('twin', '127.0.0.1', " . $second->port . ", 'app')");
app_sql($home, q{CREATE USER MAPPING FOR CURRENT_USER SERVER twin OPTIONS (user 'admin', password 'secret-of-admin')});
like(app_sql($home, "SELECT detail FROM trident_node_check('twin') WHERE checked = 'identity' AND NOT ok"),
	qr/as is node "node2".*trident_node_new_identity\(\)/, 'a second node with the same uuid is found out');
fails_with($home, "CREATE TABLE t (id int PRIMARY KEY); SELECT trident_collection_distribute('t', '{twin}')",
	qr/node "twin" cannot be used: identity/, 'and not used');
app_sql($home, "SELECT trident_node_remove('twin')");
is(app_sql($home, "SELECT count(*) FROM pg_foreign_server WHERE srvname = 'twin'"), 0, 'it is removed, with its mapping');

# A node gets another name, and keeps what is set for it.
my $set = "SELECT uuid, pool_size FROM trident.node_setting WHERE node";
app_sql($home, "UPDATE trident.node_setting SET pool_size = 7 WHERE node = 'node2'");
my $of_node2 = app_sql($home, "$set = 'node2'");
app_sql($home, "INSERT INTO trident.node_setting (node, uuid) VALUES ('renamed', gen_random_uuid()); ALTER SERVER node2 RENAME TO renamed");
is(app_sql($home, "$set = 'renamed'; $set = 'node2'"), $of_node2, 'a renamed node keeps its settings, whatever was left under its new name');
is(app_sql($home, "SELECT bool_and(ok) FROM trident_node_check('renamed')"), 't', 'and is what it was');
app_sql($home, "BEGIN; ALTER SERVER renamed RENAME TO other; ROLLBACK; ALTER SERVER renamed RENAME TO node2; ALTER SERVER node2 OPTIONS (SET fetch_size '1000')");
is(app_sql($home, "$set = 'node2'"), $of_node2, 'there and back');
app_sql($home, "UPDATE trident.node_setting SET pool_size = NULL WHERE node = 'node2'");

# A table with everything, under names that are not nice
my $table = q{"My ""Schema"."It's USING (x)"};
app_sql($home, q{CREATE SCHEMA "My ""Schema" AUTHORIZATION app});
app_sql($_, q{CREATE SCHEMA "My ""Schema" AUTHORIZATION app}) foreach $second, $third;
as_app($home, <<"END");
CREATE TABLE $table (
	"select" serial,
	"Tenant Id" text NOT NULL,
	embedding vector(8),
	half halfvec(4),
	tags text[],
	price numeric(10,2) CHECK (price >= 0),
	twice numeric GENERATED ALWAYS AS (price * 2) STORED,
	note varchar(10) COLLATE "C" DEFAULT E'it''s \\\\',
	at timestamptz DEFAULT '2026-01-01 00:00:00+00',
	PRIMARY KEY ("select", "Tenant Id"));
ALTER TABLE $table DROP COLUMN at;
INSERT INTO $table ("Tenant Id", embedding, half, tags, price, note)
SELECT E't\\t\\\\' || i % 10, array_agg(hashint4(i * 8 + d) / 2147483648.0)::vector, '[1,2,3,4]',
	CASE i % 3 WHEN 0 THEN NULL ELSE ARRAY['a"', E'\\n' || i] END, i / 3.0, CASE i % 2 WHEN 0 THEN 'ä' END
FROM generate_series(1, 2000) i, generate_series(1, 8) d GROUP BY i;
CREATE INDEX "Vec ON x" ON $table USING trident (embedding vector_l2_ops);
CREATE INDEX ON $table (lower(note)) WHERE price > 5;
COMMENT ON TABLE $table IS 'the comment';
GRANT SELECT, INSERT ON $table TO PUBLIC;
END
my $before = content($home, $table);
my $oracle = qq{SELECT "select", round((embedding <-> '[0,0,0,0,0,0,0,0]')::numeric, 4) AS d FROM $table ORDER BY embedding <-> '[0,0,0,0,0,0,0,0]', "select" LIMIT 20};
my $nearest = as_app($home, "SET enable_indexscan = off; $oracle");

is(as_app($home, "SELECT trident_collection_distribute(\$t\$$table\$t\$, '{local,node2,node3}', 7)"),
	2000, 'all rows move');
is(content($home, $table), $before, 'the collection has the rows of the table');
is(as_app($home, "SET trident.index_target_recall = 1; $oracle"), $nearest, 'nearest neighbors by plain SQL are the same');
is(as_app($home, "SELECT count(*) || ' ' || sum(rows) || ' ' || sum(misplaced) || ' ' || bool_and(ok) || ' ' || sum(indexes)
	FROM trident_collection_status(\$t\$$table\$t\$, true)"),
	'7 2000 0 true 14', 'every shard is as it should be');
is(as_app($second, q{SELECT count(*) FROM pg_class c WHERE relnamespace = 'trident_shard'::regnamespace
	AND relkind = 'r' AND pg_get_userbyid(relowner) = 'app'}), 2, 'shards belong to the mapped role');
is(as_app($home, "SELECT obj_description(\$t\$$table\$t\$::regclass) || ' ' || has_table_privilege('public', \$t\$$table\$t\$, 'INSERT')"),
	'the comment true', 'the comment and the rights are those of the table');
my $shard = as_app($second, q{SELECT oid::regclass FROM pg_class WHERE relnamespace = 'trident_shard'::regnamespace AND relkind = 'r' LIMIT 1});
fails_with($second, qq{INSERT INTO $shard ("select", "Tenant Id") SELECT i, 'x' FROM generate_series(1, 50) i},
	qr/trident_shard_number/, 'a shard refuses rows of others', as => 'app');

# Plain SQL
as_app($home, qq{INSERT INTO $table ("Tenant Id", price) SELECT 'new', i FROM generate_series(1, 20) i});
is(as_app($home, qq{SELECT count(*) || ' ' || min("select") || ' ' || sum(twice) FROM $table WHERE "Tenant Id" = 'new'}),
	'20 2001 420.00', 'INSERT with the defaults of the home');
as_app($home, qq{UPDATE $table SET price = 1 WHERE "Tenant Id" = 'new'; DELETE FROM $table WHERE "select" > 2010});
is(as_app($home, qq{SELECT count(*) || ' ' || sum(price) FROM $table WHERE "Tenant Id" = 'new'}),
	'10 10.00', 'UPDATE and DELETE');
fails_with($home, qq{UPDATE $table SET "select" = "select" + 100000 WHERE "Tenant Id" = 'new'},
	qr/ERROR/, 'but no row changes its shard', as => 'app');
as_app($home, qq{COPY $table ("select", "Tenant Id", price) FROM STDIN;\n9001\tcopied\t7\n9002\tcopied\t8\n\\.\n});
is(as_app($home, qq{SELECT sum(price) FROM $table WHERE "Tenant Id" = 'copied'}), '15.00', 'COPY');

# Load and upsert
is(as_app($home, "SELECT trident_collection_load(\$t\$$table\$t\$, \$q\$SELECT i, 'loaded', i FROM generate_series(10001, 11000) i -- all\$q\$, '{select,Tenant Id,price}')"),
	1000, 'a query is loaded');
is(as_app($home, qq{SELECT count(*) || ' ' || sum(twice) || ' ' || min(note) FROM $table WHERE "Tenant Id" = 'loaded'}),
	q{1000 21001000.00 it's \\}, 'with defaults and generated columns');
fails_with($home, "SELECT trident_collection_load(\$t\$$table\$t\$, \$q\$SELECT i, 'loaded', i FROM generate_series(11000, 12000) i\$q\$, '{select,Tenant Id,price}')",
	qr/duplicate key value/, 'a key that is there already is an error', as => 'app');
fails_with($home, "SELECT trident_collection_load(\$t\$$table\$t\$, \$q\$SELECT 20001, 'a', 1, 'much too long a note'\$q\$, '{select,Tenant Id,price,note}')",
	qr/value too long/, 'and nothing is cut', as => 'app');
is(as_app($home, qq{SELECT count(*) FROM $table WHERE "select" > 11000}), 0, 'and then nothing is loaded, on no node');
is(as_app($home, "SELECT trident_collection_upsert(\$t\$$table\$t\$, \$q\$SELECT i, 'loaded', 1 FROM generate_series(10901, 11100) i\$q\$, '{select,Tenant Id,price}')"),
	200, 'upsert inserts and replaces');
is(as_app($home, qq{SELECT count(*) || ' ' || count(*) FILTER (WHERE price = 1) FROM $table WHERE "Tenant Id" = 'loaded'}),
	'1100 200', 'where the keys say so');
is(as_app($home, "SELECT trident_collection_upsert(\$t\$$table\$t\$, \$q\$SELECT i, 'loaded', 5 FROM generate_series(11001, 11200) i\$q\$, '{select,Tenant Id,price}', false)"),
	100, 'or leaves out what is there');
fails_with($home, "BEGIN; SAVEPOINT s; SELECT trident_collection_load(\$t\$$table\$t\$, \$q\$SELECT 1, 'a'\$q\$, '{select,Tenant Id}')",
	qr/inside a subtransaction/, 'not where a rollback would not reach the nodes', as => 'app');

fails_with($home, "BEGIN; SELECT trident_collection_load(\$t\$$table\$t\$, \$q\$SELECT 40001, 'a'\$q\$, '{select,Tenant Id}');
	SAVEPOINT s; SELECT trident_collection_load(\$t\$$table\$t\$, \$q\$SELECT 40002, 'a'\$q\$, '{select,Tenant Id}')",
	qr/inside a subtransaction/, 'nor after a first time outside of it', as => 'app');

# The definition
as_app($home, "ALTER TABLE $table ADD COLUMN extra int NOT NULL DEFAULT 3 CHECK (extra > 0); CREATE INDEX extra_index ON $table (extra)");
is(as_app($home, "SELECT count(*) FROM $table WHERE extra = 3"),
	as_app($home, "SELECT count(*) FROM $table"), 'a column is added on all shards');
is(as_app($home, "SELECT bool_and(ok) || ' ' || min(indexes) FROM trident_collection_status(\$t\$$table\$t\$)"),
	'true 3', 'and an index');
as_app($home, qq{DROP INDEX "My ""Schema".extra_index; ALTER TABLE $table DROP COLUMN extra});
is(as_app($home, "SELECT bool_and(ok) || ' ' || max(indexes) FROM trident_collection_status(\$t\$$table\$t\$)"),
	'true 2', 'both are dropped everywhere');
fails_with($home, "ALTER TABLE $table RENAME COLUMN note TO remark", qr/cannot rename a column/, 'no column gets another name', as => 'app');
fails_with($home, "ALTER TABLE $table ALTER note TYPE text", qr/cannot change the type/, 'nor another type', as => 'app');
fails_with($home, "ALTER TABLE $table ADD COLUMN r float8 DEFAULT random()", qr/volatile default/, 'nor a default of each node its own', as => 'app');
as_app($second, "DROP INDEX " . as_app($second, "SELECT indexrelid::regclass FROM pg_index WHERE indrelid = '$shard'::regclass AND NOT indisprimary LIMIT 1"));
like(as_app($home, "SELECT string_agg(detail, '') FROM trident_collection_status(\$t\$$table\$t\$)"),
	qr/no index USING/, 'status tells what a shard lacks');
like(as_app($home, "SELECT action FROM trident_collection_sync(\$t\$$table\$t\$)"),
	qr/^CREATE INDEX ON trident_shard/, 'sync makes it');
is(as_app($home, "SELECT bool_and(ok) FROM trident_collection_status(\$t\$$table\$t\$)"), 't', 'and all is well');

# Shards move
$before = content($home, $table);
my $node_of_0 = sub { as_app($home, "SELECT node FROM trident_collection_status(\$t\$$table\$t\$) WHERE shard = 0") };
as_app($home, "SELECT trident_collection_move_shard(\$t\$$table\$t\$, 0, 'node2')");
is($node_of_0->(), 'node2', 'a local shard moves to a node');
as_app($home, "SELECT trident_collection_move_shard(\$t\$$table\$t\$, 0, 'node3')");
is($node_of_0->(), 'node3', 'from node to node');
as_app($home, "SELECT trident_collection_move_shard(\$t\$$table\$t\$, 0, 'local')");
is($node_of_0->(), 'local', 'and home');
is(content($home, $table), $before, 'with all its rows');
is(as_app($home, "SELECT bool_and(ok) || ' ' || sum(misplaced) FROM trident_collection_status(\$t\$$table\$t\$, true)"),
	'true 0', 'and as it should be');
is(join(' ', map { shard_tables($_) } @nodes), '3 2 2', 'and leaves no table behind');

# Another node is asked
as_app($second, "SELECT trident_collection_attach(\$t\$$table\$t\$, 'node1')");
is(content($second, $table), $before, 'a node that attached the collection has the same rows');
as_app($second, qq{INSERT INTO $table ("select", "Tenant Id", price) SELECT i, 'second', 1 FROM generate_series(30001, 30100) i});
is(as_app($home, qq{SELECT count(*) FROM $table WHERE "Tenant Id" = 'second'}), 100, 'writes there are read at home');
fails_with($second, "ALTER TABLE $table ADD COLUMN x int", qr/only attached here/, 'but the home keeps the definition', as => 'app');
fails_with($second, "DROP TABLE $table", qr/trident_collection_detach/, 'and the shards', as => 'app');
fails_with($home, "SELECT trident_collection_move_shard(\$t\$$table\$t\$, 1, 'local')",
	qr/attached on node "node2"/, 'no shard leaves a node that would go on reading it', as => 'app');
as_app($second, "SELECT FROM trident_collection_sync(\$t\$$table\$t\$); SELECT trident_collection_detach(\$t\$$table\$t\$)");
is(join(' ', map { shard_tables($_) } @nodes), '3 2 2', 'detached, the shards are where they were');

# What is refused
as_app($home, 'CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE r (id int REFERENCES p)');
fails_with($home, "SELECT trident_collection_distribute('p', '{node2}')", qr/foreign keys reference it.*r \(r_id_fkey\)/s, 'a table that foreign keys reference', as => 'app');
as_app($home, 'CREATE TABLE q (id int PRIMARY KEY, u int UNIQUE); CREATE VIEW w AS SELECT id FROM q');
fails_with($home, "SELECT trident_collection_distribute('q', '{node2}')", qr/constraint q_u_key; view public.w/, 'a table with another key, or a view', as => 'app');
as_app($home, 'CREATE TABLE h (a int, b int, PRIMARY KEY (a, b)) PARTITION BY HASH (b)');
fails_with($home, "SELECT trident_collection_distribute('h', '{node2}', key => '{a}')", qr/lacks column "b"/, 'a key without the partition key', as => 'app');
fails_with($home, "SELECT trident_node_remove('node2')", qr/because tables have parts there/, 'removing a node that is needed');
fails_with($home, "SELECT trident_collection_distribute('r', '{node2}')", qr/permission denied|must be owner/, 'what belongs to another', as => 'app')
  if app_sql($home, 'ALTER TABLE r OWNER TO CURRENT_USER') eq '';

# A partitioned table keeps what it is; empty and filled
as_app($home, 'CREATE TABLE h0 PARTITION OF h FOR VALUES WITH (MODULUS 2, REMAINDER 0);
	CREATE TABLE h1 PARTITION OF h FOR VALUES WITH (MODULUS 2, REMAINDER 1);
	INSERT INTO h SELECT i, i FROM generate_series(1, 100) i; CREATE VIEW hv AS SELECT sum(a) FROM h');
is(as_app($home, "SELECT trident_collection_distribute('h', '{node2,node3}', 3); SELECT * FROM hv"), "100\n5050", 'a partitioned table becomes one');
as_app($home, 'TRUNCATE h');
is(as_app($home, 'SELECT count(*) FROM h'), 0, 'TRUNCATE empties its shards');
as_app($home, 'CREATE TABLE e (id int PRIMARY KEY) PARTITION BY HASH (id)');
is(as_app($home, "SELECT trident_collection_distribute('e', '{node2,local}')"), 0, 'an empty one too');

# Dropped
my ($out, $err);
$home->psql('app', 'DROP TABLE h CASCADE', stderr => \$err, extra_params => [ '-U', 'app' ]);
like($err, qr/trident_collection_cleanup/, 'DROP tells that the shards are still there');
is(as_app($home, "SELECT count(*) FROM trident_collection_cleanup() WHERE done"), 3, 'and cleanup drops them');

# All comes home
$before = content($home, $table);
as_app($home, "SELECT trident_collection_undistribute('e'); SELECT trident_collection_undistribute(\$t\$$table\$t\$)");
is(content($home, $table), $before, 'an undistributed collection has all rows');
fails_with($home, "INSERT INTO $table SELECT * FROM (SELECT \"select\", \"Tenant Id\" FROM $table LIMIT 1) x", qr/duplicate key/, 'and its key', as => 'app');
no_leftovers('nothing is left on the nodes', $second, $third);

# No password where it does not belong
for my $node (@nodes)
{
	unlike(slurp_file($node->logfile), qr/^(?!.*STATEMENT).*secret-of/m, 'no password in the log of ' . $node->name);
}

done_testing();
