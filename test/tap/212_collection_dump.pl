# Proves what becomes of nodes and collections in a dump and in a physical
# copy: no identity is cloned, the shards are read, and nothing is done to
# them until the collection is taken over.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use FleetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($home, $second) = fleet(2, preload => 0);
my $dump = "$PostgreSQL::Test::Utils::tmp_check/home.sql";
my $content = 'SELECT count(*) || \' \' || sum(id) FROM item';

app_sql($home, <<'END');
CREATE TABLE item (id int PRIMARY KEY, embedding vector(3), title text DEFAULT 'none');
INSERT INTO item SELECT i, ARRAY[i, i % 7, 1]::vector FROM generate_series(1, 500) i;
CREATE INDEX item_embedding ON item USING trident (embedding vector_l2_ops);
SELECT trident_collection_distribute('item', '{local,node2}', 4);
UPDATE trident.node_setting SET pool_size = 3;
END
my $before = app_sql($home, $content);

# A dump of the home, restored beside it
$home->run_log([ 'pg_dump', '-d', $home->connstr('app'), '-f', $dump ]);
$home->safe_psql('postgres', 'CREATE DATABASE restored');
my ($out, $err);
is($home->psql('restored', slurp_file($dump), stderr => \$err), 0, 'the dump is restored without an error')
  or diag($err);
is($home->safe_psql('restored', $content), $before, 'it has the rows, those of the node too');
is($home->safe_psql('restored', 'SELECT pool_size FROM trident.node_setting'), 3, 'and the settings of nodes');
isnt($home->safe_psql('restored', 'SELECT trident_node_identity()'), app_sql($home, 'SELECT trident_node_identity()'),
	'but an identity of its own');
like($home->safe_psql('restored', 'SELECT indexdef FROM pg_indexes WHERE indexname = \'item_embedding\''),
	qr/USING trident/, 'the index is restored');
is(app_sql($home, "SELECT bool_and(ok) FROM trident_collection_status('item')"), 't', 'and made no second time on the node');
$home->psql('restored', 'ALTER TABLE item ADD COLUMN extra int', stderr => \$err);
like($err, qr/WARNING:  shards of collection public.item do not follow/, 'DDL in the copy does not reach the shards, and says so');
$home->safe_psql('restored', 'ALTER TABLE item DROP COLUMN extra');
$home->psql('restored', "SELECT trident_collection_move_shard('item', 1, 'local')", stderr => \$err);
like($err, qr/belongs to another node.*trident_collection_sync/s, 'nor do its shards move');
is($home->safe_psql('restored', 'SELECT count(*) FROM trident_collection_cleanup()'), 0, 'nor does its cleanup see any');

# It replaces the home
$home->safe_psql('postgres', 'DROP DATABASE app WITH (FORCE)');
$home->safe_psql('restored', "SET client_min_messages = warning; SELECT FROM trident_collection_sync('item')");
$home->safe_psql('restored', 'ALTER TABLE item ADD COLUMN extra int DEFAULT 7');
is($home->safe_psql('restored', 'SELECT count(*) FROM item WHERE extra = 7'), 500, 'taken over, the shards follow');
is($home->safe_psql('restored', "SELECT trident_collection_undistribute('item') > 0; $content"), "t\n$before", 'and come home');
no_leftovers('nothing is left on the node', $second);

# A physical copy of a node is the same node, until it is told otherwise
$second->backup('copy');
my $copy = PostgreSQL::Test::Cluster->new('copy');
$copy->init_from_backup($second, 'copy');
$copy->append_conf('postgresql.conf', 'port = ' . $copy->port);
$copy->start;
introduce_to($home, 'copy', $copy);
like($home->safe_psql('restored', "SELECT detail FROM trident_node_check('copy') WHERE NOT ok"),
	qr/as is node "node2".*trident_node_new_identity/, 'a copy of a node is found out');
app_sql($copy, 'SELECT trident_node_new_identity()');
is($home->safe_psql('restored', "SELECT count(*) FROM trident_node_check('copy') WHERE NOT ok"), 0, 'and is a node of its own with a new identity');
is($home->safe_psql('restored', "SELECT count(DISTINCT uuid) FROM trident.node"), 3, 'three nodes then');

# So is a copy of this one
my $twin = PostgreSQL::Test::Cluster->new('twin');
$home->backup('twin');
$twin->init_from_backup($home, 'twin');
$twin->append_conf('postgresql.conf', 'port = ' . $twin->port);
$twin->start;
$home->safe_psql('restored', "SET client_min_messages = warning; SELECT trident_node_add('twin', '127.0.0.1', " . $twin->port . ", 'restored')");
$home->safe_psql('restored', "CREATE USER MAPPING FOR CURRENT_USER SERVER twin OPTIONS (user 'admin', password 'secret-of-admin')");
like($home->safe_psql('restored', "SELECT detail FROM trident_node_check('twin') WHERE NOT ok"),
	qr/as is this database/, 'a copy of this database is found out');
$twin->safe_psql('restored', 'SELECT trident_node_new_identity()');
is($home->safe_psql('restored', "SELECT count(*) FROM trident_node_check('twin') WHERE NOT ok"), 0, 'and is a node with a new identity');

# Another database under a name that is registered
app_sql($second, 'SELECT trident_node_new_identity()');
like($home->safe_psql('restored', "SELECT detail FROM trident_node_check('node2') WHERE NOT ok"),
	qr/is registered/, 'a node that has become another is not taken for it');
$home->psql('restored', "CREATE TABLE t (id int PRIMARY KEY); SELECT trident_collection_distribute('t', '{node2}')", stderr => \$err);
like($err, qr/ERROR/, 'nor used');

# As introduce() of FleetTest, for the database that was restored.
sub introduce_to
{
	my ($node, $name, $other) = @_;
	my $port = $other->port;

	$node->safe_psql('restored', <<"END");
SET client_min_messages = warning;
SELECT trident_node_add('$name', '127.0.0.1', $port, 'app');
CREATE USER MAPPING FOR CURRENT_USER SERVER "$name" OPTIONS (user 'admin', password 'secret-of-admin');
END
	return;
}

done_testing();
