# trident and pgvector live in one database: created in either order in schema
# public, both types in one table, binary data and dumps between them, casts
# by the bridge, and each survives the other's DROP EXTENSION.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('beside_pgvector');
$node->init;
$node->start;

plan skip_all => 'pgvector is not installed on this server'
  if $node->safe_psql('postgres',
	"SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'") eq '0';

# What holds for the columns of either type; %s is its schema.
my $use = <<'SQL';
SELECT id FROM item ORDER BY %1$s_v <-> '[1,2,4]' LIMIT 1;
SELECT id FROM item ORDER BY %1$s_v <#> '[9,0,0]' LIMIT 1;
SELECT id FROM item ORDER BY %1$s_v <=> '[0,0,1]' LIMIT 1;
SELECT id FROM item ORDER BY %1$s_h <+> '[1,2,4]' LIMIT 1;
SELECT avg(%1$s_v), sum(%1$s_v), avg(%1$s_h), sum(%1$s_h) FROM item;
SELECT l2_distance(%1$s_v, %1$s_v), inner_product(%1$s_h, %1$s_h), vector_dims(%1$s_v) FROM item WHERE id = 1;
SELECT cosine_distance(%1$s_v, '[1,2,3]'), l1_distance(%1$s_v, '[1,2,3]'), vector_norm(%1$s_v) FROM item WHERE id = 2;
SELECT l2_normalize(%1$s_v), l2_norm(%1$s_h), subvector(%1$s_v, 2, 1), binary_quantize(%1$s_h) FROM item WHERE id = 2;
SELECT %1$s_v + %1$s_v, %1$s_v - '[1,1,1]', %1$s_h * %1$s_h, %1$s_v || %1$s_v FROM item WHERE id = 1;
SELECT count(*) FROM item WHERE %1$s_v = '[1,2,3]' OR %1$s_v > '[5]';
SELECT %1$s_v::real[], ARRAY[1,2]::%1$s.vector, %1$s_v::%1$s.halfvec FROM item WHERE id = 1;
SET enable_seqscan = off; SET enable_sort = off;
SELECT id, %1$s_v FROM item ORDER BY %1$s_v;
SELECT id FROM item ORDER BY %1$s_h DESC;
SQL

my $table = <<'SQL';
CREATE TABLE item (id int PRIMARY KEY,
	public_v public.vector(3), public_h public.halfvec(3),
	trident_v trident.vector(3), trident_h trident.halfvec(3));
INSERT INTO item VALUES
	(1, '[1,2,3]', '[1,2,3]', '[1,2,3]', '[1,2,3]'),
	(2, '[0,3,4]', '[0,3,4]', '[0,3,4]', '[0,3,4]'),
	(3, '[9,0,-1]', '[9,0,-1]', '[9,0,-1]', '[9,0,-1]');
CREATE INDEX ON item (public_v);
CREATE INDEX ON item (trident_v);
CREATE INDEX ON item (public_h);
CREATE INDEX ON item (trident_h);
CREATE INDEX ON item USING hnsw (public_v public.vector_l2_ops);
SQL

# The query for the columns of one extension, and its answer.
sub answer
{
	my ($database, $schema) = @_;
	return $node->safe_psql($database, sprintf($use, $schema));
}

foreach my $order ([ 'vector', 'trident' ], [ 'trident', 'vector' ])
{
	my ($first, $second) = @$order;
	my $database = "${first}_first";
	my $restored = "${first}_restored";

	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, "CREATE EXTENSION $_") for @$order;
	is($node->safe_psql($database,
			"SELECT string_agg(extname, ',' ORDER BY extname) FROM pg_extension WHERE extname IN ('trident', 'vector')"),
		'trident,vector', "$second after $first");
	$node->safe_psql($database, $table);
	my $public = answer($database, 'public');
	like($public, qr/^1\n3\n1\n1\n/, 'the answers are there');
	is(answer($database, 'trident'), $public, 'both give the same answers');

	# With the recommended path, a client's unqualified names are pgvector's
	# here, and trident's without pgvector.
	is($node->safe_psql($database,
			q{SET search_path = "$user", public, trident; SELECT 'vector'::regtype::oid = 'public.vector'::regtype}),
		't', 'an unqualified vector is the one in public');

	# Binary data goes from the one to the other.
	my $file = $node->basedir . "/$database.copy";
	$node->safe_psql($database, <<"SQL");
COPY (SELECT id, public_v, public_h FROM item) TO '$file' (FORMAT binary);
CREATE TABLE moved (id int, v trident.vector(3), h trident.halfvec(3));
COPY moved FROM '$file' (FORMAT binary);
SQL
	is($node->safe_psql($database,
			'SELECT count(*) FROM item JOIN moved USING (id) WHERE v = trident_v AND h = trident_h'),
		'3', 'COPY in binary from pgvector');

	# The bridge: on assignment one type is taken as the other, the bytes as
	# they are; without it there is no way, and no operator takes both.
	my $bridged = 'INSERT INTO bridged SELECT id + 3, public_v, public_h FROM item';
	$node->safe_psql($database, 'CREATE TABLE bridged AS TABLE moved');
	isnt($node->psql($database, $bridged), 0, 'no cast without the bridge');
	# What somebody else has in schema public does not run as the superuser.
	$node->safe_psql($database, <<'SQL');
CREATE FUNCTION public.quote_ident(name) RETURNS text LANGUAGE plpgsql AS
	$$BEGIN RAISE EXCEPTION 'a planted quote_ident ran'; END$$;
CREATE EXTENSION trident_pgvector;
DROP FUNCTION public.quote_ident(name);
SQL
	$node->safe_psql($database, $bridged);
	$node->safe_psql($database, <<'SQL');
CREATE TABLE back (id int, v public.vector(3), h public.halfvec(3));
INSERT INTO back SELECT id, v, h FROM bridged;
CREATE VIEW seen AS SELECT id, public_v::trident.vector AS v, trident_h::public.halfvec AS h FROM item;
CREATE TABLE old (v public.vector);
INSERT INTO old SELECT public_v FROM item;
SQL
	is($node->safe_psql($database,
			'SELECT count(*) FROM back JOIN item ON back.id % 3 = item.id % 3 WHERE v = public_v AND h = public_h'),
		'6', 'there and back');
	my $before = $node->safe_psql($database, "SELECT pg_relation_filenode('old')");
	$node->safe_psql($database, 'ALTER TABLE old ALTER v TYPE trident.vector');
	is($node->safe_psql($database, "SELECT pg_relation_filenode('old')"),
		$before, 'a column changes its type without a rewrite');
	isnt($node->psql($database, 'SELECT public_v <-> trident_v FROM item'),
		0, 'no operator takes one of each');
	is(answer($database, 'public'), $public, 'pgvector beside the bridge');
	is(answer($database, 'trident'), $public, 'trident beside the bridge');
	is($node->safe_psql($database, <<'SQL'), '4|4', 'casts are commented and on assignment');
SELECT count(*) FILTER (WHERE obj_description(c.oid, 'pg_cast') IS NOT NULL), count(*) FILTER (WHERE castcontext = 'a')
FROM pg_cast AS c JOIN pg_depend AS d ON d.classid = 'pg_cast'::regclass AND d.objid = c.oid AND d.deptype = 'e'
JOIN pg_extension AS e ON e.oid = d.refobjid WHERE extname = 'trident_pgvector'
SQL

	# A dump with all three comes back.
	$node->safe_psql('postgres', "CREATE DATABASE $restored");
	$node->command_ok(
		[ 'pg_dump', '-d', $node->connstr($database), '-f', "$file.sql" ],
		'dump');
	$node->command_ok(
		[ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d',
			$node->connstr($restored), '-f', "$file.sql" ],
		'restore');
	is(answer($restored, 'trident'), $public, 'the same after restore');
	my $seen = 'SELECT count(*) FROM seen JOIN item USING (id) WHERE v = trident_v AND h = public_h';
	is($node->safe_psql($restored, $seen), '3', 'casts after restore');

	# Neither needs the other, nor the bridge, which goes with either.
	my $bridges = "SELECT count(*) FROM pg_extension WHERE extname = 'trident_pgvector'";
	foreach my $side ([ $database, 'vector' ], [ $restored, 'trident' ])
	{
		my ($where, $name) = @$side;
		$node->safe_psql($where, 'DROP EXTENSION trident_pgvector CASCADE');
		is(answer($where, $_), $public, "$_ after the bridge is dropped")
		  foreach 'public', 'trident';
		$node->safe_psql($where, 'CREATE EXTENSION trident_pgvector');
		isnt($node->psql($where, "DROP EXTENSION $name"), 0,
			"$name is not dropped from under the bridge");
	}
	$node->safe_psql($database, 'DROP EXTENSION vector CASCADE');
	is($node->safe_psql($database, $bridges), '0', 'the bridge went with pgvector');
	is(answer($database, 'trident'), $public, 'trident without pgvector');
	is($node->safe_psql($database,
			q{SET search_path = "$user", public, trident; SELECT 'vector'::regtype::oid = 'trident.vector'::regtype}),
		't', 'an unqualified vector is now the one in trident');
	$node->safe_psql($restored, 'DROP EXTENSION trident CASCADE');
	is(answer($restored, 'public'), $public, 'pgvector without trident');
	is($node->safe_psql($restored, $bridges), '0', 'the bridge went with trident');
}

# A table in use moves as docs/install.md says.
{
	my ($steps) = slurp_file('docs/install.md') =~ /^```sql pgvector\n(.*?)^```$/ms;

	$node->safe_psql('postgres', 'CREATE DATABASE in_use');
	$node->safe_psql('in_use', <<'SQL');
CREATE EXTENSION vector;
CREATE TABLE item (id int PRIMARY KEY, embedding public.vector(3));
CREATE INDEX ON item USING hnsw (embedding public.vector_l2_ops);
INSERT INTO item SELECT i, CASE WHEN i % 10 > 0 THEN format('[%s,%s,0]', i, i % 7)::public.vector END FROM generate_series(1, 1000) i;
SQL
	my @step = split /^(?=-- \d\.)/m, $steps;
	is(scalar @step, 6, 'the page has five steps');
	$node->safe_psql('in_use', join '', @step[ 0, 1 ]);
	$node->safe_psql('in_use', "INSERT INTO item VALUES (1001, '[1,2,3]'); UPDATE item SET embedding = '[9,9,9]' WHERE id = 5");
	$node->safe_psql('in_use', $_) foreach @step[ 2, 2, 3 ];
	my $differ = "SELECT count(*) FROM item WHERE embedding_new IS DISTINCT FROM embedding::trident.vector";
	is($node->safe_psql('in_use', $differ), '0', 'the new column has what the old one has');
	$node->safe_psql('in_use', $_) foreach @step[ 4, 5 ];
	is($node->safe_psql('in_use', <<'SQL'), "trident.vector(3)\n901\n1001", 'the table is one of trident');
SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'item'::regclass AND attname = 'embedding';
SELECT count(embedding) FROM item;
SET enable_seqscan = off;
SELECT id FROM item ORDER BY embedding <-> '[1,2,3]' LIMIT 1;
SQL
}

$node->stop;
done_testing();
