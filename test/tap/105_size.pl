# The size of an index is stable: deleting all rows, vacuum and the same rows
# again need not a page more, and neither do parts of them, nor training.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use IndexTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $cycles = full() ? 20 : 3;
my $node = index_node('size');

sub size
{
	return $node->safe_psql('postgres', "SELECT pg_relation_size('item_v') / 8192");
}

# Bits of every format: exact values, sign codes, finer codes alone.
foreach my $dim (8, 40, 300, 1100)
{
	my $rows = $dim > 1000 ? 600 : $dim == 300 ? 1500 : 3000;
	my $lists = $dim > 1000 ? 6 : 20;

	$node->safe_psql('postgres', cloud(dim => $dim, rows => $rows) . <<"END");
CREATE INDEX item_v ON item USING trident (v) WITH (lists = $lists);
CREATE TABLE keep AS SELECT * FROM item;
END
	my $built = size();

	# The room is found again by the rows of the same lists.
	foreach my $cycle (1 .. $cycles)
	{
		$node->safe_psql('postgres', <<'END');
DELETE FROM item;
VACUUM item;
INSERT INTO item SELECT * FROM keep;
END
		is(size(), $built, "dim $dim, all rows, cycle $cycle: size");
	}
	check_rows($node, "dim $dim, all rows");

	foreach my $cycle (1 .. $cycles)
	{
		$node->safe_psql('postgres', <<"END");
DELETE FROM item WHERE id % 3 = $cycle % 3;
VACUUM item;
INSERT INTO item SELECT * FROM keep WHERE id % 3 = $cycle % 3;
END
		is(size(), $built, "dim $dim, a third, cycle $cycle: size");
	}
	check_rows($node, "dim $dim, a third");
	check_index($node, "dim $dim, a third", 'item_v');

	# Emptied for good: vacuum finds nothing more to do and adds nothing.
	$node->safe_psql('postgres', 'DELETE FROM item; VACUUM item; VACUUM item;');
	is(size(), $built, "dim $dim: an emptied index does not grow");
	$node->safe_psql('postgres', 'DROP TABLE keep');
}

# Training writes a second set of pages beside the first.  Those of the first
# are used from then on: the index does not grow before they are full.
$node->safe_psql('postgres', cloud(dim => 40, rows => 0) . <<'END');
CREATE INDEX item_v ON item USING trident (v);
INSERT INTO item (v) SELECT v FROM cloud(40, 11000, 20, 0.3);
END
my $flat = size();
$node->safe_psql('postgres', 'VACUUM item');
cmp_ok(lists($node, 'item_v'), '>', 1, 'trained');
my $trained = size();
$node->safe_psql('postgres',
	'INSERT INTO item (v) SELECT v FROM cloud(40, 3000, 20, 0.4)');
is(size(), $trained, 'rows after training go where the old lists were');
cmp_ok($trained, '<', 4 * $flat, 'training does not bloat');
check_index($node, 'after training', 'item_v');

$node->stop;
done_testing();
