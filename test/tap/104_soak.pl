# Inserts, updates, deletes, selects and vacuums at the same time: no error, and
# afterwards the rows of an index scan are those of the table, for an index
# with a key column and one that trains itself in the middle of it.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use IndexTest;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = full() ? 300 : 12;
my $node = index_node('soak', conf => "deadlock_timeout = 5s\n");

# Rows are chosen by a random id, and rows that are locked are left alone: so
# there is nothing that may deadlock.
my %script = (
	insert => <<'END',
\set seed random(1, 1000000000)
INSERT INTO item (v, tenant)
	SELECT v, :seed % 10 FROM cloud(40, 50, 20, :seed / 1000000000.0);
END
	update => <<'END',
\set n random(1, 1000)
UPDATE item SET v = v + v, tenant = (tenant + 1) % 10 WHERE id IN (
	SELECT id FROM item WHERE id % 1000 = :n LIMIT 10 FOR UPDATE SKIP LOCKED);
END
	# of the other columns only, so that chains are made in the heap
	hot => <<'END',
\set n random(1, 1000)
UPDATE item SET part = random() WHERE id IN (
	SELECT id FROM item WHERE id % 1000 = :n LIMIT 10 FOR UPDATE SKIP LOCKED);
END
	delete => <<'END',
\set n random(1, 200)
DELETE FROM item WHERE id IN (
	SELECT id FROM item WHERE id % 200 = :n LIMIT 40 FOR UPDATE SKIP LOCKED);
END
	abort => <<'END',
\set seed random(1, 1000000000)
BEGIN;
INSERT INTO item (v, tenant)
	SELECT v, 3 FROM cloud(40, 20, 20, :seed / 1000000000.0);
ROLLBACK;
END
	# division by zero unless the answer is full, in order and of the tenant
	select => <<'END',
\set q random(1, 50)
SELECT 1 / (count(*) = 10 AND bool_and(d >= before IS NOT FALSE))::int FROM (
	SELECT d, lag(d) OVER () AS before FROM (
		SELECT item.v <-> (SELECT v FROM query WHERE id = :q) AS d FROM item
		ORDER BY item.v <-> (SELECT v FROM query WHERE id = :q) LIMIT 10) a) b;
END
	tenant => <<'END',
\set q random(1, 50)
\set t random(0, 9)
SELECT 1 / (count(*) = 10 AND bool_and(tenant = :t))::int FROM (
	SELECT tenant FROM item WHERE tenant = :t
	ORDER BY v <-> (SELECT v FROM query WHERE id = :q) LIMIT 10) a;
END
	vacuum => "VACUUM item;\n");
my %weight = (insert => 6, update => 3, hot => 3, delete => 4, abort => 1,
	select => 12, tenant => 4, vacuum => 1);
my $dir = $node->basedir;

foreach my $name (keys %script)
{
	append_to_file("$dir/$name.sql", $script{$name});
}
# The second index is flat at first, and passes the number of rows at which
# vacuum trains it.
$node->safe_psql('postgres', cloud(dim => 40, rows => 9900));
$node->safe_psql('postgres', <<'END');
ALTER TABLE item ADD PRIMARY KEY (id);
CREATE INDEX item_v ON item USING trident (v, tenant) WITH (lists = 30);
CREATE TABLE keep AS SELECT * FROM item;
TRUNCATE item;
CREATE INDEX item_late ON item USING trident (v vector_cosine_ops);
INSERT INTO item SELECT * FROM keep;
END
is(lists($node, 'item_late'), '1', 'not trained yet');

$node->command_ok(
	[ 'pgbench', '-n', '-c', '6', '-j', '2', '-T', $seconds,
		(map { ('-f', "$dir/$_.sql\@$weight{$_}") } sort keys %weight),
		$node->connstr('postgres') . " options='-c enable_seqscan=off'" ],
	'mixed load');
unlike(slurp_file($node->logfile), qr/(ERROR|FATAL|PANIC|WARNING): /,
	'no error in the log');

foreach my $what ('after the load', 'after vacuum')
{
	check_rows($node, "$what, key column");
	check_rows($node, "$what, trained", operator => '<=>');
	check_index($node, "$what, key column", 'item_v');
	check_index($node, "$what, trained", 'item_late');
	$node->safe_psql('postgres', truth('<->', 10));
	my ($recall, $short, $unordered) = recall($node, '<->', 10);
	cmp_ok($recall, '>=', 93, "$what: recall");
	is("$short $unordered", '0 0', "$what: no query is short or out of order");
	$node->safe_psql('postgres', 'VACUUM item');
}
cmp_ok(lists($node, 'item_late'), '>', 1, 'trained');

$node->stop;
done_testing();
