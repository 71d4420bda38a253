# What index scans find, against exact SQL: recall by metric, type and number
# of dimensions, filters, key column, rows that are hard to handle, every SIMD
# level, and every way that an index comes into being.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use IndexTest;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

# How far below its target a measured recall may be, in percent.  Recall is a
# mean over the hits of queries: of 50 queries for 10 rows each, its standard
# error is sqrt(.95 * .05 / 500) = 1 % if hits are independent; they are not
# quite, since the rows of a query are found together, and the curve that the
# index goes by has such an error too.  Full tests ask more queries.
my $queries = full() ? 200 : 50;
my $tolerance = full() ? 1.5 : 3;

my %class = ('<->' => 'l2', '<#>' => 'ip', '<=>' => 'cosine');
my $node = index_node('recall', conf => "max_wal_size = 2GB\n");

sub psql
{
	return $node->safe_psql('postgres', $_[0]);
}

# Recall of an index against exact SQL, at the default target and others.
sub check_recall
{
	my ($what, $operator, %o) = @_;
	my $k = $o{k} // 10;
	my $from = $o{condition} ? " where $o{condition}" : '';

	psql(truth($operator, $k, $o{condition}));
	foreach my $target (@{ $o{targets} // [ 95, 99 ] })
	{
		my ($recall, $short, $unordered) = recall($node, $operator, $k,
			condition => $o{condition},
			set => 'SET trident.index_target_recall = ' . $target / 100 . ";\n");

		cmp_ok($recall, '>=', $target - ($target == 100 ? 0 : $tolerance),
			"$what$from: recall\@$k at target $target");
		# When there are fewer rows than asked for, the scan goes on to the last
		# list, and what it finds late comes last.
		$unordered = 0 if $o{exhausts};
		is("$short $unordered", '0 0',
			"$what$from: full answers in order at target $target");
	}
	return;
}

# Metrics and dimensions.  From 33 on there are sign codes, above 1024 only
# finer ones; long vectors are few, since what they cost is exact SQL.
my %rows = (3 => 4000, 16 => 4000, 33 => 4000, 128 => 3000, 768 => 1500,
	1536 => 1000, 4096 => 400);
$rows{16000} = 300 if full();
$rows{$_} *= 5 foreach full() ? grep { $_ < 4000 } keys %rows : ();
foreach my $dim (sort { $a <=> $b } keys %rows)
{
	# halfvec may have 4000 dimensions at most in an index of pgvector; here
	# they are as vectors
	my $type = $dim == 16 || $dim == 768 ? 'halfvec' : 'vector';
	# so many that scans are patient
	my $lists = 40 + (full() ? int(sqrt($rows{$dim}) / 2) : 0);

	psql(cloud(dim => $dim, rows => $rows{$dim}, type => $type,
			queries => $dim > 1000 ? int($queries / 2) : $queries));
	foreach my $operator ('<->', '<#>', '<=>')
	{
		my $what = "$type($dim) $operator";

		psql("CREATE INDEX item_v ON item USING trident (v ${type}_$class{$operator}_ops) WITH (lists = $lists)");
		uses_index($node,
			"SELECT id FROM item ORDER BY v $operator (SELECT v FROM query LIMIT 1) LIMIT 10",
			'item_v')
		  if $operator eq '<->';
		check_recall($what, $operator);
		check_index($node, $what, 'item_v') if $operator eq '<#>';
		psql('DROP INDEX item_v');
	}
}

# Queries that are near to none of the clusters that the rows are in.
psql(cloud(dim => 16, rows => 10000, queries => $queries) . <<'END');
CREATE INDEX item_v ON item USING trident (v) WITH (lists = 64);
SELECT setseed(0.7);
UPDATE query SET v = (SELECT array_agg(4 * random() - 2 + 0 * d * id) FROM generate_series(1, 16) AS d)::vector(16);
END
check_recall('queries beside all clusters', '<->', targets => [95]);

# Filters and other numbers of rows; the index stays for what follows.
psql(cloud(dim => 64, rows => 6000, queries => $queries));
psql('CREATE INDEX item_v ON item USING trident (v, tenant) WITH (lists = 40)');
check_recall('vector(64)', '<->', k => 1, targets => [95]);
check_recall('vector(64)', '<->', k => 100);
check_recall('vector(64)', '<->', targets => [ 50, 80, 90, 100 ]);
check_recall('vector(64)', '<->', condition => "part < $_", exhausts => $_ < 0.002)
  foreach 0.1, 0.01, 0.001;
check_recall('vector(64)', '<->', condition => $_)
  foreach 'tenant = 3', 'tenant IN (3, 5)', "tenant = ANY ('{1,7,9}'::bigint[])",
  'tenant = 2 AND part < 0.1';
check_recall('vector(64)', '<->', k => 10000, exhausts => 1);
check_rows($node, 'vector(64)');

# By inner product with rows of very different norms, and queries shorter than
# all of them: as exact as ever, by codes that tell rows apart.
psql(<<'END');
ALTER TABLE item RENAME TO even;
CREATE TABLE item AS SELECT id, v * array_fill((1000 / sqrt(1 + 6000 * part))::real, ARRAY[64])::vector AS v FROM even;
ALTER TABLE item ALTER v TYPE vector(64);
CREATE INDEX item_uneven ON item USING trident (v vector_ip_ops) WITH (lists = 40);
END
check_recall('norms from 1 to 80', '<#>');
cmp_ok(psql(<<'END'), '<', 150, 'norms from 1 to 80: few codes need a closer look');
SET enable_seqscan = off;
SET enable_sort = off;
CREATE TEMP TABLE refined (n bigint);
DO $$
DECLARE q vector;
BEGIN
	FOR q IN SELECT v FROM query LOOP
		PERFORM id FROM item ORDER BY v <#> q LIMIT 10;
		INSERT INTO refined SELECT codes_refined FROM trident_last_scan();
	END LOOP;
END $$;
SELECT round(avg(n)) FROM refined;
END
psql('DROP TABLE item; ALTER TABLE even RENAME TO item');

# A scan that scores its lists again counts each list once, and its codes.
is(psql(<<'END'), 't|t|t', 'lists scored again are counted once');
SET enable_seqscan = off;
SET enable_sort = off;
DO $$ BEGIN PERFORM id FROM item WHERE part < 0.001 ORDER BY v <-> (SELECT v FROM query LIMIT 1) LIMIT 10; END $$;
SELECT l.rescored > 0, l.lists_probed = l.lists, l.codes_scanned = (SELECT count(*) FROM item)
FROM trident_last_scan() l;
END

# How many lists a search for ten rows scores depends on the query, unless the
# number is set.
is(psql(<<'END'), 't|t', 'easy queries stop before hard ones do');
SET enable_seqscan = off;
SET enable_sort = off;
CREATE TEMP TABLE probed (fixed int, lists int);
DO $$
DECLARE q record; f int;
BEGIN
	FOR q IN SELECT v FROM query LOOP
		FOREACH f IN ARRAY '{0,7}'::int[] LOOP
			PERFORM set_config('trident.index_probes', f::text, false);
			PERFORM id FROM item ORDER BY v <-> q.v LIMIT 10;
			INSERT INTO probed SELECT f, lists_probed FROM trident_last_scan();
		END LOOP;
	END LOOP;
END $$;
SELECT count(DISTINCT lists) FILTER (WHERE fixed = 0) > 1, bool_and(lists = 7) FILTER (WHERE fixed = 7) FROM probed;
END

# Every SIMD level that this processor has gives the same rows.
my %levels = map {
	my $rows = psql(<<"END");
SET trident.simd = $_;
SET enable_seqscan = off;
SET enable_sort = off;
SELECT q.id, r.ids FROM query q, LATERAL (SELECT array_agg(id) AS ids FROM (
	SELECT id FROM item ORDER BY v <-> q.v LIMIT 20) s) r;
END
	($_ => $rows);
} qw(scalar avx2 avx512);
is($levels{avx2}, $levels{scalar}, 'avx2: the rows of scalar');
is($levels{avx512}, $levels{scalar}, 'avx512: the rows of scalar');

# A parallel build gives the index of a serial one, byte for byte but for the
# LSN of each page.
psql('CREATE EXTENSION IF NOT EXISTS pageinspect');
my $pages = "SELECT md5(string_agg(md5(substr(get_raw_page('item_v', n), 9)), '' ORDER BY n)) FROM generate_series(0, pg_relation_size('item_v') / 8192 - 1) n";
psql('REINDEX INDEX item_v');
my $serial = psql($pages);
psql('ALTER TABLE item SET (parallel_workers = 2)');
like(($node->psql('postgres', <<'END'))[2], qr/using [12] parallel workers/, 'parallel build');
SET client_min_messages = debug1;
SET max_parallel_maintenance_workers = 2;
SET maintenance_work_mem = '128MB';
REINDEX INDEX item_v;
END
is(psql($pages), $serial, 'a parallel build gives the pages of a serial one');
my $exact = 'SELECT md5(string_agg(r.ids::text, chr(10) ORDER BY q.id)) FROM query q, LATERAL (SELECT array_agg(id) AS ids FROM (SELECT id FROM item ORDER BY v <-> q.v LIMIT 20) s) r';
is(psql("SET trident.index_target_recall = 1; SET enable_seqscan = off; SET enable_sort = off; $exact"),
	psql("SET enable_indexscan = off; $exact"), 'parallel build: exact rows with target 1');
check_index($node, 'parallel build', 'item_v');

# Ways that an index comes into being again.
foreach my $command ('REINDEX INDEX item_v', 'REINDEX INDEX CONCURRENTLY item_v',
	'VACUUM FULL item', 'CREATE INDEX item_id ON item (id); CLUSTER item USING item_id')
{
	psql($command);
	check_recall($command, '<->', targets => [95]);
	check_rows($node, $command);
	check_index($node, $command, 'item_v');
}
psql('TRUNCATE item');
check_rows($node, 'TRUNCATE', query => '(SELECT v FROM query LIMIT 1)');

# An index made on an empty table: flat until vacuum finds enough rows.
psql(cloud(dim => 48, rows => 0, queries => $queries));
psql('CREATE INDEX item_v ON item USING trident (v)');
check_rows($node, 'empty table', query => '(SELECT v FROM query LIMIT 1)');
psql('INSERT INTO item (v) SELECT v FROM query WHERE id = 1');
check_rows($node, 'one row');
psql("INSERT INTO item (v, part) SELECT v, random() FROM cloud(48, 15000, 20, 0.4)");
check_recall('flat', '<->', targets => [95]);
is(lists($node, 'item_v'), '1', 'flat before vacuum');
psql('VACUUM item');
cmp_ok(lists($node, 'item_v'), '>', 1, 'trained by vacuum');
check_recall('trained by vacuum', '<->');
check_recall('trained by vacuum', '<->', condition => 'part < 0.01', targets => [95]);
check_rows($node, 'trained by vacuum');
check_index($node, 'trained by vacuum', 'item_v');

# Rows that come while an index is built concurrently are in it.
append_to_file($node->basedir . '/insert.sql', <<'END');
\set seed random(1, 1000000000)
INSERT INTO item (v) SELECT v FROM cloud(48, 10, 20, :seed / 1000000000.0);
DELETE FROM item WHERE id IN (SELECT id FROM item ORDER BY random() LIMIT 3 FOR UPDATE SKIP LOCKED);
END
my ($out, $err) = ('', '');
my $last = psql('SELECT max(id) FROM item');
my $load = IPC::Run::start(
	[ 'pgbench', '-n', '-c', '2', '-t', full() ? 2000 : 60, '-f', $node->basedir . '/insert.sql',
		$node->connstr('postgres') ], '<', \undef, '>', \$out, '2>', \$err);
psql('CREATE INDEX CONCURRENTLY item_w ON item USING trident (v vector_cosine_ops)');
psql('REINDEX INDEX CONCURRENTLY item_v');
ok($load->finish, 'load beside a concurrent build');
cmp_ok(psql('SELECT max(id) FROM item'), '>', $last, 'with new rows');
check_rows($node, 'reindexed concurrently');
check_rows($node, 'created concurrently', operator => '<=>');
check_index($node, 'reindexed concurrently', 'item_v');
check_index($node, 'created concurrently', 'item_w');

# Versions from before CREATE INDEX that an old snapshot still sees do not count
# when vacuum trains the index, though its entries lead to them first.
psql(<<'END');
DROP TABLE IF EXISTS item;
CREATE TABLE item (id serial, v vector(8)) WITH (fillfactor = 50);
INSERT INTO item (v) SELECT v FROM cloud(8, 9900, 20, 0.3);
END
my $old = $node->background_psql('postgres');
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM item;');
psql(<<'END');
UPDATE item SET v = v * '[-1,-1,-1,-1,-1,-1,-1,-1]' WHERE id % 10 = 0;
CREATE INDEX item_v ON item USING trident (v);
INSERT INTO item (v) SELECT v FROM cloud(8, 300, 20, 0.4);
VACUUM item;
END
cmp_ok(lists($node, 'item_v'), '>', 1, 'trained beside an old snapshot');
check_index($node, 'trained beside an old snapshot', 'item_v');
$old->quit;

# Equal rows, NULL, vectors of norm 0: all that have a distance are returned.
psql(<<'END');
DROP TABLE item;
CREATE TABLE item (id serial, v vector(40));
INSERT INTO item (v) SELECT v FROM cloud(40, 1000, 20, 0.5);
INSERT INTO item (v) SELECT array_fill(1, ARRAY[40])::vector FROM generate_series(1, 1500);
INSERT INTO item (v) SELECT NULL FROM generate_series(1, 50);
INSERT INTO item (v) SELECT array_fill(0, ARRAY[40])::vector FROM generate_series(1, 60);
CREATE INDEX item_l2 ON item USING trident (v) WITH (lists = 20);
END
my $ones = 'array_fill(1, ARRAY[40])::vector';
my $forced = 'SET enable_seqscan = off; SET enable_sort = off;';
is(psql("$forced SELECT count(*), min(d), max(d) FROM (SELECT v <-> $ones AS d FROM item ORDER BY v <-> $ones LIMIT 1500) s"),
	'1500|0|0', 'LIMIT takes all equal rows');
check_rows($node, 'equal rows, NULL, norm 0');
is(psql("$forced SELECT count(*) FROM (SELECT id FROM item ORDER BY v <-> $ones LIMIT 5000) s"),
	'2560', 'LIMIT beyond the rows that have a distance');
is(psql("$forced SELECT count(*) FROM (SELECT id FROM item ORDER BY v <-> array_fill(0, ARRAY[40])::vector LIMIT 60) s JOIN item USING (id) WHERE vector_norm(v) = 0"),
	'60', 'rows of norm 0 are nearest to one such');
is(psql("$forced SELECT count(*) FROM (SELECT id FROM item ORDER BY v <-> (SELECT NULL::vector) OFFSET 0) s"),
	'2560', 'NULL as query returns all rows');
psql('DROP INDEX item_l2; CREATE INDEX item_cosine ON item USING trident (v vector_cosine_ops) WITH (lists = 20)');
is(psql("$forced SELECT count(*) FROM (SELECT id FROM item ORDER BY v <=> $ones OFFSET 0) s"),
	'2500', 'under cosine rows of norm 0 are not indexed');
check_index($node, 'equal rows under cosine', 'item_cosine');

# Few different rows, and fewer than lists.
foreach my $operator ('<->', '<#>', '<=>')
{
	psql(<<"END");
DROP TABLE item;
CREATE TABLE item (id serial, v vector(40));
INSERT INTO item (v) SELECT array_fill(1 + i % 3, ARRAY[40])::vector FROM generate_series(1, 900) AS i;
CREATE INDEX item_v ON item USING trident (v vector_$class{$operator}_ops) WITH (lists = 30);
INSERT INTO item (v) SELECT array_fill(1 + i % 4, ARRAY[40])::vector FROM generate_series(1, 900) AS i;
END
	check_rows($node, "few different rows $operator", operator => $operator);
	check_index($node, "few different rows $operator", 'item_v');
}

# Values at the end of float4: distances overflow, rows come all the same.
foreach my $dim (8, 40, 1100)
{
	psql(<<"END");
DROP TABLE item;
CREATE TABLE item (id serial, v vector($dim));
INSERT INTO item (v) SELECT v FROM cloud($dim, 300, 20, 0.5);
INSERT INTO item (v) SELECT array_fill(i::real * 1e37, ARRAY[$dim])::vector FROM generate_series(-30, 30) AS i;
INSERT INTO item (v) SELECT array_fill(i::real * 1e18, ARRAY[$dim])::vector FROM generate_series(-30, 30) AS i;
INSERT INTO item (v) SELECT array_fill(i::real * 1e-40, ARRAY[$dim])::vector FROM generate_series(-30, 30) AS i;
CREATE TABLE huge AS TABLE item;
END
	foreach my $operator ('<->', '<#>', '<=>')
	{
		psql("CREATE INDEX item_v ON item USING trident (v vector_$class{$operator}_ops) WITH (lists = 10)");
		psql('INSERT INTO item (v) SELECT v FROM huge WHERE id > 300');
		# queries of each size: 1e37 and 1e18, 1, 1e-40
		foreach my $id (1, 305, 310, 370, 391, 430)
		{
			my $query = "(SELECT v FROM huge WHERE id = $id)";
			my $nearest = "SELECT array_agg(d) FROM (SELECT v $operator $query AS d FROM item ORDER BY v $operator $query LIMIT 10) s";

			check_rows($node, "huge values, dim $dim, $operator, query $id",
				operator => $operator,
				condition => $operator eq '<=>' ? 'vector_norm(v) > 0' : 'true',
				query => $query);
			# By cosine the operator itself overflows, to NaN and worse.
			is(psql("$forced $nearest"), psql("SET enable_indexscan = off; $nearest"),
				"huge values, dim $dim, $operator, query $id: the nearest")
			  if $operator ne '<=>';
		}
		psql('DROP INDEX item_v; DELETE FROM item WHERE id > 483');
	}
	psql('DROP TABLE huge');
}

# Cached models come and go with every catalog access, in a server with
# assertions: values out of line and keys by collation need some.
if (psql("SELECT max_val FROM pg_settings WHERE name = 'debug_discard_caches'") > 0)
{
	psql(<<'END');
DROP TABLE item;
CREATE TABLE item (id serial, v vector(1100), tenant text);
ALTER TABLE item ALTER v SET STORAGE external;
CREATE TABLE source AS SELECT v, i % 3 || 'x' AS tenant
	FROM cloud(1100, 100, 20, 0.5) WITH ORDINALITY AS c (v, i);
CREATE INDEX item_v ON item USING trident (v, tenant) WITH (lists = 4);
SET debug_discard_caches = 1;
INSERT INTO item (v, tenant) SELECT * FROM source;
REINDEX INDEX item_v;
INSERT INTO item (v, tenant) SELECT * FROM source;
END
	is(psql(<<'END'), '10|10', 'with caches discarded all the time');
SET debug_discard_caches = 1;
SET enable_seqscan = off;
SELECT min(n), max(n) FROM (SELECT * FROM source LIMIT 5) s, LATERAL (SELECT count(*) AS n FROM (
	SELECT id FROM item WHERE tenant = s.tenant ORDER BY v <-> s.v LIMIT 10) i) r;
END
	check_index($node, 'with caches discarded all the time', 'item_v');
}

# A partitioned table: one index a partition, merged by distance.
psql(<<'END');
DROP TABLE item, query;
CREATE TABLE item (id serial, v vector(40), tenant int, part float8) PARTITION BY RANGE (part);
CREATE TABLE item_a PARTITION OF item FOR VALUES FROM (0) TO (0.3);
CREATE TABLE item_b PARTITION OF item FOR VALUES FROM (0.3) TO (0.6);
CREATE TABLE item_c PARTITION OF item DEFAULT;
CREATE INDEX item_v ON item USING trident (v) WITH (lists = 10);
INSERT INTO item (v, tenant, part) SELECT v, i % 5, random()
	FROM cloud(40, 4000, 20, 0.5) WITH ORDINALITY AS c (v, i);
CREATE TABLE query AS SELECT i AS id, v FROM cloud(40, 50, 20, 0.6) WITH ORDINALITY AS c (v, i);
REINDEX INDEX item_v;
END
check_recall('partitions', '<->');
check_recall('partitions', '<->', condition => 'part > 0.5 AND tenant = 2', targets => [95]);
check_rows($node, 'partitions');

# After a crash an unlogged index is as empty as its table, and usable.
psql(<<'END');
DROP TABLE item;
CREATE UNLOGGED TABLE item (id serial, v vector(40));
INSERT INTO item (v) SELECT v FROM cloud(40, 2000, 20, 0.5);
CREATE INDEX item_v ON item USING trident (v) WITH (lists = 20);
INSERT INTO item (v) SELECT v FROM cloud(40, 500, 20, 0.6);
END
check_rows($node, 'unlogged');
$node->restart;
check_rows($node, 'unlogged, after a restart');
check_recall('unlogged', '<->', targets => [95]);
$node->stop('immediate');
$node->start;
is(psql('SELECT count(*) FROM item'), '0', 'unlogged, after a crash: no rows');
check_rows($node, 'unlogged, after a crash', query => '(SELECT v FROM query LIMIT 1)');
psql('INSERT INTO item (v) SELECT v FROM cloud(40, 12000, 20, 0.7)');
psql('VACUUM item');
cmp_ok(lists($node, 'item_v'), '>', 1, 'unlogged, after a crash: trains itself');
check_recall('unlogged, after a crash', '<->', targets => [95]);
check_rows($node, 'unlogged, after a crash and new rows');
check_index($node, 'unlogged, after a crash', 'item_v');

$node->stop;
done_testing();
