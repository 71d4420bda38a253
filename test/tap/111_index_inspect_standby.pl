# Functions that look into an index work on a standby, also while it replays
# inserts, vacuum and training; what a standby cannot read is refused.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', "autovacuum = off\nfsync = off\n");
$primary->start;
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
# Replay must not wait for the queries here, nor cancel them.
$standby->append_conf('postgresql.conf', "max_standby_streaming_delay = -1\nhot_standby_feedback = on\n");
$standby->start;

sub replay
{
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('flush'));
	return;
}

sub vectors
{
	my ($from, $to) = @_;
	return "INSERT INTO public.item SELECT i, i % 5, ARRAY(SELECT 100 * sin(i % 10 * 10 + d) + sin(i * 7919.0 + d * i % 13)
		FROM generate_series(1, 40) d)::trident.vector FROM generate_series($from, $to) i";
}

$primary->safe_psql('postgres', 'CREATE EXTENSION trident');
$primary->safe_psql('postgres', 'CREATE TABLE item (id int, tenant int, v trident.vector(40))');
$primary->safe_psql('postgres', 'CREATE INDEX item_l2 ON item USING trident (v, tenant)');
$primary->safe_psql('postgres', 'CREATE UNLOGGED TABLE passing (v trident.vector(3))');
$primary->safe_psql('postgres', 'CREATE INDEX passing_l2 ON passing USING trident (v)');
$primary->safe_psql('postgres', vectors(1, 2000));
replay();

my $check = "SELECT * FROM trident_index_check('item_l2', true)";
is($standby->safe_psql('postgres', $check), '', 'the index of a standby is sound');
is($standby->safe_psql('postgres', "SELECT rows, rows_dead FROM trident_index_stats('item_l2', true)"),
	'2000|0', 'its statistics');
is($standby->safe_psql('postgres', "SET trident.index_target_recall = 1; SELECT queries, recall FROM trident_recall('item_l2', 20)"),
	'20|1', 'recall is measured');
cmp_ok($standby->safe_psql('postgres', "SELECT trident_index_prewarm('item_l2')"), '>', 2, 'it is prewarmed');
foreach my $call ("trident_index_check('passing_l2')", "trident_index_stats('passing_l2')",
	"trident_index_prewarm('passing_l2')", "trident_recall('passing_l2')")
{
	my ($rc, $out, $err) = $standby->psql('postgres', "SELECT $call");
	like($err, qr/cannot read unlogged index "passing_l2" during recovery/, "refused: $call");
}

# Beside replay of all that changes an index.
for my $round (1 .. 8)
{
	my $from = 2000 * $round + 1;
	my $to = $from + 1999;

	$primary->safe_psql('postgres', vectors($from, $to));
	$primary->safe_psql('postgres', "DELETE FROM item WHERE id % 7 = $round % 7");
	# no wait: replay goes on beside the check
	$primary->safe_psql('postgres', 'VACUUM item');
	is($standby->safe_psql('postgres', $check), '', "sound beside replay, round $round");
}
replay();
is($standby->safe_psql('postgres', $check), '', 'sound after all');
cmp_ok($standby->safe_psql('postgres', "SELECT generation FROM trident_index_stats('item_l2')"), '>', 1,
	'training was replayed');
is($standby->safe_psql('postgres', "SELECT rows, lists, generation FROM trident_index_stats('item_l2')"),
	$primary->safe_psql('postgres', "SELECT rows, lists, generation FROM trident_index_stats('item_l2')"),
	'as many rows and lists as on the primary');
$standby->promote;
is($standby->safe_psql('postgres', $check), '', 'sound after promotion');

$standby->stop;
$primary->stop;
done_testing();
