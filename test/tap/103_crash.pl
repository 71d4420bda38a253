# An index survives the death of the server at every point of build, insert,
# vacuum and training, and kill -9 at any moment of a mixed load: after the
# restart the rows of an index scan are those of the table, recall is as
# before, and the index goes on working.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use IndexTest;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'needs a library with fault points (TRIDENT_FAULTS)'
  unless $ENV{TRIDENT_FAULTS};

my $kills = full() ? 60 : 3;

# Seeds for rows of their own, within what setseed() takes.
my $seed = 0.3;

sub next_seed
{
	$seed += 0.001;
	$seed = -1 if $seed > 1;
	return $seed;
}

# A server that dies stays down until the test starts it.
my $node = index_node('crash', faults => 1, conf => <<'END');
restart_after_crash = off
checkpoint_timeout = 1h
max_wal_size = 4GB
END

# Run SQL in which the fault point is reached, and start the server again.
sub crash_at
{
	my ($fault, $sql) = @_;
	my ($rc, undef, $err) =
	  $node->psql('postgres', "SET trident.fault = '$fault'; $sql");

	# What psql says of a lost connection, and of nothing else.
	is($rc, 2, "$fault: the server died") or die "it did not: $rc $err";
	await_death($node);
	$node->start;
	return;
}

# All is well with the index: rows, recall, structure, and it takes new rows.
# One session asks for all of it, since there are many calls.
sub healthy
{
	my ($what) = @_;
	my $truth = truth('<->', 10);
	my $recall = recall_query('<->', 10);
	my $rows = rows_query();
	my $new_seed = next_seed();
	my ($exact, $scanned, $found, $new, @damage) = split /\n/,
	  $node->safe_psql('postgres', <<"END");
SET client_min_messages = warning;
$rows
$truth
$recall
INSERT INTO item (v) SELECT v FROM cloud((SELECT vector_dims(v) FROM query LIMIT 1), 1, 20, $new_seed);
SELECT id = (SELECT max(id) FROM item) FROM item
ORDER BY v <-> (SELECT v FROM item ORDER BY id DESC LIMIT 1) LIMIT 1;
SELECT * FROM trident_index_check('item_v', true);
END
	my ($share, $short, $unordered) = split /\|/, $found;

	is($scanned, $exact, "$what: index scan returns the rows of the table");
	cmp_ok($share, '>=', 93, "$what: recall");
	is("$short $unordered", '0 0', "$what: no query is short or out of order");
	is($new, 't', "$what: a new row is found");
	is("@damage", '', "$what: trident_index_check");
	return;
}

# Rows by the hundred in transactions of their own, so that some are committed
# before the fault.
sub inserts
{
	my ($dim) = @_;

	return join '', map {
		"INSERT INTO item (v, tenant) SELECT v, 1 FROM cloud($dim, 100, 20, @{[next_seed()]});"
	} 1 .. 16;
}

# Sign codes with their rows apart, or on one page; exact values of few
# dimensions; and no sign codes.
foreach my $dim (full() ? (300, 40, 8, 1100) : (300))
{
	# so few that a list has several pages
	my $lists = $dim == 8 ? 8 : 20;
	my @row_page = $dim == 300 ? ('index-insert-row-page:exit:1') : ();
	my $create = "CREATE INDEX item_v ON item USING trident (v) WITH (lists = $lists)";

	$node->safe_psql('postgres', cloud(dim => $dim, rows => 3000));

	# A build that does not end leaves no index, and the next one works.
	foreach my $fault ('index-build-encoded:exit', 'index-write-page:exit:20',
		'index-build-written:exit', 'index-build-logged:exit')
	{
		crash_at($fault, $create);
		is($node->safe_psql('postgres',
				"SELECT count(*) FROM pg_class WHERE relname = 'item_v'"),
			'0', "$fault: no index");
	}
	$node->safe_psql('postgres', $create);
	healthy("dim $dim after building");

	# Inserts: skip some passes, so that rows before the fault are committed.
	foreach my $fault ('index-insert-row:exit:150', 'index-insert-row-logged:exit:150',
		'index-insert-page:exit:1', 'index-insert-page-logged:exit:1', @row_page)
	{
		crash_at($fault, inserts($dim));
		healthy("dim $dim, $fault");
	}

	# Vacuum, of every third row.
	foreach my $fault ('index-vacuum-page:exit:5', 'index-vacuum-page-logged:exit:5',
		'index-vacuum-holes:exit', 'index-vacuum-end:exit')
	{
		$node->safe_psql('postgres', 'DELETE FROM item WHERE id % 3 = 0');
		crash_at($fault, 'VACUUM item');
		healthy("dim $dim, $fault");
		$node->safe_psql('postgres', 'VACUUM item');
		healthy("dim $dim, $fault and vacuum");
		$node->safe_psql('postgres', inserts($dim));
	}

	# Rows into room that vacuum left.
	$node->safe_psql('postgres', 'DELETE FROM item WHERE id % 2 = 0; VACUUM item');
	crash_at('index-insert-hole:exit:1', inserts($dim));
	healthy("dim $dim, index-insert-hole");
}

# An index made on an empty table trains itself; the fault comes before the
# switch to the new model, at it, or after it.
sub untrained
{
	my ($dim, $rows) = @_;

	$node->safe_psql('postgres', <<"END");
TRUNCATE item;
INSERT INTO item (v, tenant) SELECT v, 1 FROM cloud($dim, $rows, 20, 0.6);
END
	return;
}

foreach my $dim (full() ? (40, 8) : (8))
{
	$node->safe_psql('postgres', cloud(dim => $dim, rows => 0));
	$node->safe_psql('postgres', 'CREATE INDEX item_v ON item USING trident (v)');
	untrained($dim, 11000);
	foreach my $fault ('index-retrain-trained', 'index-write-claimed:exit:3',
		'index-write-page:exit:30', 'index-retrain-sorted', 'index-retrain-written',
		'index-retrain-frozen',
		'index-retrain-switch', 'index-retrain-locked')
	{
		crash_at($fault =~ /:/ ? $fault : "$fault:exit", 'VACUUM item');
		is(lists($node, 'item_v'), '1', "dim $dim, $fault: the old model is in use");
		healthy("dim $dim, $fault");
	}
	foreach my $fault ('index-retrain-switched:exit', 'index-vacuum-free:exit:10')
	{
		untrained($dim, 11000);
		crash_at($fault, 'VACUUM item');
		cmp_ok(lists($node, 'item_v'), '>', 1, "dim $dim, $fault: the new model is in use");
		healthy("dim $dim, $fault");
		$node->safe_psql('postgres', 'DELETE FROM item WHERE id % 5 = 0; VACUUM item');
		healthy("dim $dim, $fault and vacuum");
	}

	# A training that fails by an error leaves the index as it was.
	untrained($dim, 11000);
	foreach my $fault ('index-retrain-sorted', 'index-retrain-locked', 'index-write-page:error:7')
	{
		my ($rc) = $node->psql('postgres',
			"SET trident.fault = '$fault" . ($fault =~ /:/ ? '' : ':error') . "'; VACUUM item");
		isnt($rc, 0, "dim $dim, $fault: error");
		is(lists($node, 'item_v'), '1', "dim $dim, $fault: the old model is in use");
		healthy("dim $dim, $fault by error");
	}
	$node->safe_psql('postgres', 'VACUUM item');
	cmp_ok(lists($node, 'item_v'), '>', 1, "dim $dim: the next vacuum trains");
	healthy("dim $dim, trained at last");
}

# kill -9 of all processes at a random moment of inserts, updates, deletes,
# vacuums, builds and training.
my $dir = $node->basedir;
my %script = (
	insert => 'INSERT INTO item (v, tenant) SELECT v, 2 FROM cloud(40, 20, 20, random());',
	update => 'UPDATE item SET v = v + v WHERE id IN (SELECT id FROM item ORDER BY random() LIMIT 5 FOR UPDATE SKIP LOCKED);',
	delete => 'DELETE FROM item WHERE id IN (SELECT id FROM item ORDER BY random() LIMIT 15 FOR UPDATE SKIP LOCKED);',
	vacuum => 'VACUUM item;',
	build => 'REINDEX INDEX CONCURRENTLY item_v;',
	train => "TRUNCATE small;\nINSERT INTO small SELECT i, v FROM cloud(8, 10500, 20, 0.7) WITH ORDINALITY AS c (v, i);\nVACUUM small;");
foreach my $name (keys %script)
{
	append_to_file("$dir/$name.sql", "$script{$name}\n");
}
my %weight = (insert => 20, update => 8, delete => 10, vacuum => 2, build => 1, train => 2);
my @files = map { ('-f', "$dir/$_.sql\@$weight{$_}") } sort keys %weight;

$node->safe_psql('postgres', cloud(dim => 40, rows => 3000) . <<'END');
CREATE INDEX item_v ON item USING trident (v) WITH (lists = 30);
CREATE TABLE small (id int, v vector(8));
CREATE INDEX small_v ON small USING trident (v);
END
srand(1);
foreach my $round (1 .. $kills)
{
	my ($out, $err) = ('', '');
	my $last = $node->safe_psql('postgres', 'SELECT max(id) FROM item');
	my $load = IPC::Run::start(
		[ 'pgbench', '-n', '-c', '4', '-T', '600', '--max-tries', '100', @files, $node->connstr('postgres') ],
		'<', \undef, '>', \$out, '2>', \$err);

	# The moment is random, not a wait for something.
	select undef, undef, undef, 0.3 + rand(full() ? 3 : 1);
	kill_server($node);
	$load->finish;
	$node->start;
	# An interrupted REINDEX CONCURRENTLY leaves an invalid index, as any does.
	$node->safe_psql('postgres', <<'END');
SELECT format('DROP INDEX %s', indexrelid::regclass) FROM pg_index
WHERE NOT indisvalid AND indrelid = 'item'::regclass \gexec
END
	cmp_ok($node->safe_psql('postgres', 'SELECT max(id) FROM item'), '>',
		$last, "kill -9 number $round: in the middle of work");
	healthy("kill -9 number $round");
	check_rows($node, "kill -9 number $round, other table", table => 'small')
	  if $node->safe_psql('postgres', 'SELECT count(*) FROM small') > 0;
	check_index($node, "kill -9 number $round, other table", 'small_v');
	if ($round % 2 == 0)
	{
		$node->safe_psql('postgres', 'VACUUM item; VACUUM small');
		healthy("kill -9 number $round and vacuum");
	}
}

unlike(slurp_file($node->logfile), qr/PANIC:|TRAP:|index "[^"]*" is damaged/,
	'no damage in the log');
$node->stop;
done_testing();
