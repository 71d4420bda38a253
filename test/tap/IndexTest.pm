# IndexTest.pm
#	  What the tests of the access method share: servers, data, exact answers
#	  to compare with, and ways for a server to die.
#
# Data are clouds around centers, made of pieces of one vector of noise, since
# a piece is taken by one function call and so 4096 dimensions cost little.
# Everything is seeded: two runs see the same rows.

package IndexTest;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(full index_node fill_noise cloud rows_query check_rows
  check_index lists recall_query recall truth uses_index kill_server await_death);

# The longer loops of make test-full?
sub full
{
	return $ENV{TRIDENT_TEST_FULL} ? 1 : 0;
}

# A started server with the extension; from => NODE for a copy of NODE made by
# backup, conf => text, faults => 1 for the library with fault points.
sub index_node
{
	my ($name, %how) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name,
		$how{faults} ? (install_path => $ENV{TRIDENT_FAULTS}) : ());

	$node->init(%{ $how{init} // {} });
	$node->append_conf('postgresql.conf', <<"END");
shared_buffers = 64MB
autovacuum = off
jit = off
search_path = '"\$user", public, trident'
max_parallel_maintenance_workers = 0
maintenance_work_mem = 64MB
END
	$node->append_conf('postgresql.conf', $how{conf}) if $how{conf};
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION trident');
	fill_noise($node);
	return $node;
}

# The noise that cloud() takes pieces of: 16000 draws of a normal distribution,
# and a function for one row near one of so many centers.
sub fill_noise
{
	my ($node) = @_;

	$node->safe_psql('postgres', <<'SQL');
SELECT setseed(0.5);
CREATE TABLE noise AS
	SELECT array_agg(sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()))::vector(16000) AS v
	FROM generate_series(1, 16000);
CREATE FUNCTION piece(v vector, dim int, place float8) RETURNS vector
	LANGUAGE sql IMMUTABLE
	RETURN subvector(v, 1 + floor(place * (16001 - dim))::int, dim);
CREATE FUNCTION cloud(dim int, n int, centers int, seed float8, OUT v vector)
	RETURNS SETOF vector LANGUAGE plpgsql AS $$
DECLARE
	-- a value of the operator, since each use of a stored one would detoast it
	all_noise vector := (SELECT noise.v + noise.v - noise.v FROM noise);
	center vector;
BEGIN
	PERFORM setseed(seed);
	FOR i IN 1 .. n LOOP
		center := piece(all_noise, dim, floor(random() * centers) / centers);
		v := center + center + center + piece(all_noise, dim, random()) + piece(all_noise, dim, random());
		RETURN NEXT;
	END LOOP;
END
$$;
SQL
	return;
}

# SQL for a table of rows and one of queries that are not among them.
sub cloud
{
	my (%o) = @_;
	my $type = $o{type} // 'vector';
	my $centers = $o{centers} // 20;
	my $queries = $o{queries} // 50;

	return <<"END";
DROP TABLE IF EXISTS item, query, truth;
CREATE TABLE item (id serial, v $type($o{dim}), tenant int, part float8);
INSERT INTO item (v, tenant, part)
	SELECT v, i % 10, (i * 0.618034)::numeric % 1
	FROM cloud($o{dim}, $o{rows}, $centers, 0.1) WITH ORDINALITY AS c (v, i);
CREATE TABLE query AS SELECT i AS id, v::$type($o{dim}) AS v
	FROM cloud($o{dim}, $queries, $centers, 0.2) WITH ORDINALITY AS c (v, i);
ANALYZE item, query;
END
}

# SQL that keeps the exact answers of the queries; the condition is SQL.
sub truth
{
	my ($operator, $k, $condition) = @_;

	$condition //= 'true';
	return <<"END";
DROP TABLE IF EXISTS truth;
SET enable_indexscan = off;
CREATE TABLE truth AS
	SELECT q.id, max(t.d) AS d, count(*) AS n
	FROM query q, LATERAL (SELECT v $operator q.v AS d FROM item
		WHERE v IS NOT NULL AND $condition ORDER BY 1 LIMIT $k) t
	GROUP BY q.id;
RESET enable_indexscan;
END
}

# SQL that gives recall of index scans against truth(), in percent; how many
# queries got fewer rows than there are; and how many got rows out of order.
sub recall_query
{
	my ($operator, $k, %o) = @_;
	my $condition = $o{condition} // 'true';
	my $set = $o{set} // '';

	return <<"END";
SET enable_seqscan = off;
SET enable_sort = off;
$set
SELECT round(100 * avg(r.hits::numeric / t.n), 2),
	count(*) FILTER (WHERE r.n <> t.n), count(*) FILTER (WHERE NOT r.ordered)
FROM query q JOIN truth t USING (id), LATERAL (
	SELECT count(*) AS n, count(*) FILTER (WHERE d <= t.d) AS hits,
		coalesce(bool_and(d >= before), true) AS ordered
	FROM (SELECT d, lag(d) OVER () AS before FROM (
		SELECT v $operator q.v AS d FROM item
		WHERE $condition ORDER BY v $operator q.v LIMIT $k) a) b) r;
END
}

# What recall_query() gives, as a list.
sub recall
{
	my ($node, @query) = @_;

	return split /\|/, $node->safe_psql('postgres', recall_query(@query));
}

# Does a query's plan read the index?
sub uses_index
{
	my ($node, $query, $index) = @_;

	like($node->safe_psql('postgres',
			"SET enable_seqscan = off; SET enable_sort = off; EXPLAIN (COSTS off) $query"),
		qr/Index Scan using $index/, "plan reads $index");
	return;
}

# SQL for two lines that are equal if an index scan without LIMIT gives the rows
# of the table.
sub rows_query
{
	my (%o) = @_;
	my $table = $o{table} // 'item';
	my $operator = $o{operator} // '<->';
	my $query = $o{query} // "(SELECT v FROM $table WHERE v IS NOT NULL LIMIT 1)";
	my $condition = $o{condition} // 'v IS NOT NULL';
	my $ids = q{SELECT count(*), md5(string_agg(id::text, ',' ORDER BY id))};

	return <<"END";
SET enable_indexscan = off;
$ids FROM $table WHERE $condition;
RESET enable_indexscan;
SET enable_seqscan = off;
SET enable_sort = off;
$ids FROM (SELECT id FROM $table ORDER BY v $operator $query OFFSET 0) s;
RESET enable_seqscan;
RESET enable_sort;
END
}

# The rows of an index scan without LIMIT are those of the table.
sub check_rows
{
	my ($node, $what, %o) = @_;
	my ($exact, $scanned) = split /\n/,
	  $node->safe_psql('postgres', rows_query(%o));

	is($scanned, $exact, "$what: index scan returns the rows of the table");
	return;
}

# trident_index_check() finds nothing wrong in the index, nor with the table.
sub check_index
{
	my ($node, $what, $index) = @_;

	is($node->safe_psql('postgres', "SELECT * FROM trident_index_check('$index', true)"),
		'', "$what: trident_index_check");
	return;
}

# Lists of an index; 1 when it has not been trained.
sub lists
{
	my ($node, $index) = @_;

	return $node->safe_psql('postgres',
		"SELECT lists FROM trident_index_stats('$index')");
}

# State of a process as the kernel tells it; nothing when it is gone.
sub process
{
	my ($pid) = @_;

	open my $stat, '<', "/proc/$pid/stat" or return;
	my $line = <$stat> // return;
	close $stat;
	my ($state, $parent) = $line =~ /\) (\S) (\d+)/;
	return $state eq 'Z' ? () : ($state, $parent);
}

# kill -9 to every process of the server at once, as a power cut would.
sub kill_server
{
	my ($node) = @_;
	my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	my @children;

	# Stopped, it cannot react to the death of one child by ending others.
	kill 'STOP', $postmaster;
	foreach my $path (glob '/proc/[0-9]*')
	{
		my ($pid) = $path =~ /(\d+)$/;
		my (undef, $parent) = process($pid);
		push @children, $pid if defined $parent && $parent == $postmaster;
	}
	kill 'KILL', @children;
	$node->kill9;
	foreach my $pid ($postmaster, @children)
	{
		while (process($pid))
		{
			select undef, undef, undef, 0.01;
		}
	}
	# To whom init has not waited for it, a dead postmaster looks alive.
	unlink $node->data_dir . '/postmaster.pid',
	  $node->host . '/.s.PGSQL.' . $node->port . '.lock';
	return;
}

# Wait for the end of a server that a process of its own takes down, and forget
# that it ran.
sub await_death
{
	my ($node) = @_;
	my $file = $node->data_dir . '/postmaster.pid';
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	while (-e $file)
	{
		die 'the server did not go down' if time > $deadline;
		select undef, undef, undef, 0.01;
	}
	$node->_update_pid(0);
	return;
}

1;
