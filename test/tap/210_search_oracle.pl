# trident_search over three nodes against plain SQL over the same collection:
# random layouts, keys, types, filters, k, ties, NULLs, empty and missing
# shards; exact and by the index; each way that nodes are asked.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $full = $ENV{TRIDENT_TEST_FULL};
my $collections = $full ? 200 : 8;
my $searches = $full ? 40 : 15;
my $seed = $ENV{TRIDENT_TEST_SEED} // ($full ? time : 84);

srand($seed);
diag("TRIDENT_TEST_SEED=$seed") if $full;

my @nodes = map { PostgreSQL::Test::Cluster->new("oracle_$_") } 0 .. 2;

for my $node (@nodes)
{
	$node->init;
	$node->append_conf('postgresql.conf', <<'END');
shared_buffers = 32MB
autovacuum = off
jit = off
shared_preload_libraries = trident
search_path = '"$user", public, trident'
END
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION trident');
}

my $home = $nodes[0];

$home->safe_psql('postgres', 'CREATE EXTENSION postgres_fdw');
for my $i (1, 2)
{
	$home->safe_psql('postgres', sprintf(
			q{CREATE SERVER node_%d FOREIGN DATA WRAPPER postgres_fdw
				OPTIONS (host '%s', port '%d', dbname 'postgres', extensions 'trident');
			CREATE USER MAPPING FOR CURRENT_USER SERVER node_%d},
			$i, $nodes[$i]->host, $nodes[$i]->port, $i));
}

# Rows and order of a search that differ from plain SQL; ties at the last
# distance count where the search settles them by key.
$home->safe_psql('postgres', <<'SQL');
CREATE FUNCTION differ(type text, operator text, metric text, query vector, k integer, keys text[],
	filter text, settles_ties boolean) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint;
	id text := CASE cardinality(keys) WHEN 1 THEN format('%I::text', keys[1])
		ELSE (SELECT format('ROW(%s)::text', string_agg(quote_ident(key), ',')) FROM unnest(keys) key) END;
	columns text := (SELECT string_agg(quote_ident(key), ',') FROM unnest(keys) key);
BEGIN
	EXECUTE format($q$
		WITH plain AS MATERIALIZED (
			SELECT %8$s AS key_text, v %1$s $1::%2$s AS distance, tableoid::regclass AS shard, jsonb_build_object('note', note) AS payload,
				row_number() OVER (ORDER BY v %1$s $1::%2$s, %9$s) AS place
			FROM thing WHERE v IS NOT NULL AND (%3$s) ORDER BY v %1$s $1::%2$s, %9$s LIMIT %4$s),
		found AS MATERIALIZED (
			SELECT id, distance, shard, payload, row_number() OVER () AS place
			FROM trident_search('thing', $1, %4$s, metric => %5$L, filter => nullif(%3$L, 'true'), columns => '{note}', key => $2::name[]))
		SELECT count(*) FROM plain FULL JOIN found USING (place)
		WHERE plain.distance IS DISTINCT FROM found.distance
			OR (plain.key_text, plain.shard, plain.payload) IS DISTINCT FROM (found.id, found.shard, found.payload)
			AND (%6$L OR plain.distance < (SELECT max(distance) FROM plain))
		$q$, operator, type, filter, k, metric, settles_ties, NULL, id, columns) INTO n USING query, keys;
	RETURN n;
END $$;
CREATE FUNCTION random_vector(dim integer, spread integer) RETURNS vector LANGUAGE sql VOLATILE AS
	$$ SELECT array_agg(floor(random() * spread)::real)::vector FROM generate_series(1, dim) $$;
SQL

sub pick
{
	return $_[ int(rand(@_)) ];
}

# A collection "thing" of random layout: what is needed to search it.
sub make_collection
{
	my $type = pick(qw(vector vector halfvec));
	my $dim = 1 + int(rand(20));
	my $rows = pick(0, 1, 30, 400);
	my $shards = 1 + int(rand(6));
	my @keys = @{ pick([ 'id' ], [ 'name' ], [ 'id', 'name' ], [ 'name', 'id' ], [ 'code', 'id' ]) };
	my $hashed = pick(0, 1, 1);
	my $columns = "id integer NOT NULL, name text COLLATE \"C\" NOT NULL, v $type($dim), n integer, note text, code numeric";
	my $by = $hashed ? 'HASH (' . pick(qw(id name)) . ')' : 'LIST (n)';
	my $sql = "DROP TABLE IF EXISTS thing; CREATE TABLE thing ($columns) PARTITION BY $by;\n";
	my $clear = 'DROP TABLE IF EXISTS ' . join(', ', map { "thing_$_" } 0 .. 5) . ";\n";
	my @far = ('', $clear, $clear);

	for my $i (0 .. $shards - 1)
	{
		my $place = int(rand(3));
		my $values = $hashed ? "WITH (MODULUS $shards, REMAINDER $i)"
		  : $i == 0 ? 'DEFAULT' : "IN (" . ($i - 1) . ")";
		$values = "FOR VALUES $values" unless $values eq 'DEFAULT';
		$sql .= $place == 0
		  ? "CREATE TABLE thing_$i PARTITION OF thing $values;\n"
		  : "CREATE FOREIGN TABLE thing_$i PARTITION OF thing $values SERVER node_$place OPTIONS (schema_name 'public');\n";
		$far[$place] .= "CREATE TABLE thing_$i ($columns);\n";
	}
	$nodes[$_]->safe_psql('postgres', $far[$_]) for (1, 2);
	$home->safe_psql('postgres', $sql . sprintf(
			'SELECT setseed(%.3f); INSERT INTO thing SELECT i, chr(97 + i %% 7) || i %% 50,
				CASE WHEN i %% 11 <> 0 THEN random_vector(%d, CASE WHEN i %% 13 = 0 THEN 0 ELSE %d END) END,
				i %% 7, repeat(\'x\', i %% 90), i / 4.0 FROM generate_series(1, %d) i',
			rand(), $dim, pick(2, 3, 100), $rows));
	return { type => $type, dim => $dim, rows => $rows, shards => $shards, keys => \@keys,
		layout => "$type($dim), $rows rows, $shards shards by $by, key @keys" };
}

# Statements that compare so many random searches of it.
sub random_searches
{
	my ($it, $n, $settles) = @_;
	my @operators = ([ '<->', 'l2' ], [ '<#>', 'ip' ], [ '<=>', 'cosine' ], [ '<+>', 'l1' ]);
	my @filters = ('true', 'true', 'n = 3', 'n in (1, 2) or note is null', 'id between 10 and 60',
		"name >= 'd' and length(note) < 40", 'id = 7', "name = 'c9'", 'false', 'code > 20.5');
	# Of a key that is not unique the rows of equal key have no order.
	my @keys = $it->{keys}[0] eq 'name' && @{ $it->{keys} } == 1 ? ('name', 'id') : @{ $it->{keys} };
	my $sql = '';

	for (1 .. $n)
	{
		my ($operator, $metric) = @{ pick(@operators) };
		my $filter = $n == 1 ? 'true' : pick(@filters);

		$filter =~ s/'/''/g;
		$sql .= sprintf(
			"SELECT coalesce(nullif(differ('%s', '%s', '%s', random_vector(%d, %d), %d, '{%s}', '%s', %s), 0)::text || ' differ: %s %s k', 'same');\n",
			$it->{type}, $operator, $metric, $it->{dim}, pick(2, 4, 100),
			pick(1, 2, 10, $it->{rows} / 2 + 1, $it->{rows} + 5), join(',', @keys), $filter,
			$settles ? 'true' : 'false', $operator, $filter);
	}
	return $sql;
}

sub compare
{
	my ($it, $what, $set, $settles, $n) = @_;
	my @differ = grep { $_ ne 'same' } split /\n/, $home->safe_psql('postgres', $set .
		sprintf("SELECT setseed(%.3f) \\g /dev/null\n", rand()) . random_searches($it, $n // $searches, $settles));

	is("@differ", '', "$what: $it->{layout}");
	return;
}

for my $number (1 .. $collections)
{
	my $it = make_collection();

	compare($it, 'direct', "SET trident.exchange_mode = direct;\n", 1);
	compare($it, 'worker', "SET trident.exchange_mode = worker;\n", 1);
	compare($it, 'first of a session', "SET trident.exchange_mode = worker;\n", 1, 1) for 1 .. 3;
	compare($it, 'plain', "SET trident.search_scatter = off;\n", 0) if $number % 4 == 0;
	next if $number % 3 != 0 || $it->{rows} == 0;

	# By the index, told to be exact.
	for my $node (@nodes)
	{
		$node->safe_psql('postgres', sprintf(q{DO $$ DECLARE t regclass; BEGIN
			FOR t IN SELECT oid::regclass FROM pg_class WHERE relname LIKE 'thing%%' AND relkind = 'r' LOOP
				EXECUTE format('CREATE INDEX ON %%s USING trident (v %s_l2_ops)', t);
			END LOOP; END $$; ALTER SYSTEM SET enable_seqscan = off; SELECT pg_reload_conf()}, $it->{type}));
	}
	compare($it, 'index', "SET trident.index_target_recall = 1;\n", 0);
	for my $node (@nodes)
	{
		$node->safe_psql('postgres', 'ALTER SYSTEM RESET enable_seqscan; SELECT pg_reload_conf()');
	}
}

is($home->safe_psql('postgres', 'SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type LIKE \'trident exchange%\''),
	't', 'an exchange worker asked for some of it');

# A node that is gone: an error that names it; what is left where that is asked
# for, with a warning; and all again when it is back.
$nodes[$_]->safe_psql('postgres',
	"DROP TABLE IF EXISTS part_$_; CREATE TABLE part_$_ (id integer PRIMARY KEY, v vector(2))") for (1, 2);
$home->safe_psql('postgres', <<'SQL');
CREATE TABLE part (id integer NOT NULL, v vector(2)) PARTITION BY HASH (id);
CREATE TABLE part_0 PARTITION OF part FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE FOREIGN TABLE part_1 PARTITION OF part FOR VALUES WITH (MODULUS 3, REMAINDER 1) SERVER node_1;
CREATE FOREIGN TABLE part_2 PARTITION OF part FOR VALUES WITH (MODULUS 3, REMAINDER 2) SERVER node_2;
INSERT INTO part SELECT i, ARRAY[i, 0]::vector FROM generate_series(1, 100) i;
SQL
my $search = q{SELECT string_agg(id, ',') FROM trident_search('part', '[0,0]', 12, key => '{id}'%s)};
my $plain = q{SELECT string_agg(id::text, ',') FROM (SELECT id FROM part%s ORDER BY v <-> '[0,0]' LIMIT 12) s};
my $all = $home->safe_psql('postgres', sprintf($plain, ''));
my $some = $home->safe_psql('postgres', sprintf($plain, " WHERE tableoid <> 'part_2'::regclass"));

is($home->safe_psql('postgres', sprintf($search, '')), $all, 'all nodes answer');
for my $how (qw(immediate fast))
{
	$nodes[2]->stop($how);
	my ($rc, $out, $err) = $home->psql('postgres', sprintf($search, ''));
	isnt($rc, 0, "a node stopped ($how): no answer");
	like($err, qr/could not search shard "part_2" on node "node_2"/, 'the error names shard and node');
	like($err, qr/SQLSTATE \w{5} after \d+ ms/, 'and SQLSTATE and time');

	($rc, $out, $err) = $home->psql('postgres', sprintf($search, ", partial => 'allow'") .
		q{; SELECT round(sum(coverage)::numeric, 2) FROM trident_last_search()});
	is($rc, 0, 'a partial answer where it is allowed');
	is($out, "$some\n0.67", 'it is that of the other nodes, and tells its coverage');
	like($err, qr/WARNING:  answer of trident_search is partial: 1 of 3 shards of "part" are missing/,
		'and a warning');
	$nodes[2]->start;
	$home->poll_query_until('postgres',
		"SELECT count(*) = 12 FROM trident_search('part', '[0,0]', 12, key => '{id}')")
	  or die 'the node does not come back';
	is($home->safe_psql('postgres', sprintf($search, '')), $all, 'all answer again');
}

$_->stop for @nodes;
done_testing();
