# Replay of what an index logs: standbys are equal to the primary after builds,
# inserts, deletes, vacuum and training, with scans running on them, every page
# image agrees (wal_consistency_checking = all), a server without the library
# replays all of it, a standby goes on after promotion, and a backup is restored
# to a point in time.

use strict;
use warnings;

use File::Path qw(make_path);
use FindBin;
use lib $FindBin::RealBin;

use IndexTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# A copy of the server that runs here, without this extension's library: links
# to all files but the programs, since a server looks for the others from where
# its program really is.
sub server_without_library
{
	my ($root) = @_;
	my ($bin, $lib, $share) = map { my $dir = `pg_config --$_`; chomp $dir; $dir }
	  qw(bindir pkglibdir sharedir);

	make_path("$root$bin", "$root$lib", "$root$share");
	system_or_bail('cp', '-a', "$bin/.", "$root$bin");
	system_or_bail('cp', '-as', "$lib/.", "$root$lib");
	system_or_bail('cp', '-as', "$share/.", "$root$share");
	unlink "$root$lib/trident.so" or die "no library in $lib";
	return "$root$bin" =~ s{/bin$}{}r;
}

# What makes two servers equal: the rows by each of the indexes, and the first
# of them for each query with their distances.
my %index = (
	item_l2 => '<->',
	item_ip => '<#>',
	item_cosine => '<=>',
	item_low => '<->',
	item_apart => '<->',
	item_wide => '<->');

sub answers
{
	my ($node) = @_;
	my $sql = <<'END';
SET enable_seqscan = off;
SET enable_sort = off;
END

	foreach my $name (sort keys %index)
	{
		my $table = $name =~ /low|apart|wide/ ? $name =~ s/item_//r : 'item';

		$sql .= rows_query(table => $table, operator => $index{$name});
		$sql .= <<"END";
SET enable_seqscan = off;
SET enable_sort = off;
SELECT '$name', q.id, r.* FROM (SELECT * FROM $table ORDER BY id LIMIT 5) q, LATERAL (
	SELECT array_agg(id), array_agg(d) FROM (
		SELECT id, v $index{$name} q.v AS d FROM $table
		ORDER BY v $index{$name} q.v LIMIT 10) s) r;
END
	}
	return $node->safe_psql('postgres', $sql);
}

my $primary = index_node('primary',
	init => { allows_streaming => 1, has_archiving => 1 },
	conf => <<'END');
wal_consistency_checking = 'all'
max_wal_size = 4GB
END
my $home = $primary->basedir;

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "max_standby_streaming_delay = -1\n");
$standby->start;

# This one can replay, and do nothing else with vectors.
my $bare = PostgreSQL::Test::Cluster->new('bare',
	install_path => server_without_library("$home/bare"));
$bare->init_from_backup($primary, 'base', has_streaming => 1);
$bare->start;

# Both standbys replay what was done, and answer as the primary does.
sub check_equal
{
	my ($what) = @_;

	$primary->wait_for_catchup($standby);
	$primary->wait_for_catchup($bare);
	is(answers($standby), answers($primary), "$what: the standby is equal");
	is($standby->safe_psql('postgres', <<'END'), '', "$what: trident_index_check there");
SELECT relname, c.* FROM pg_class, trident_index_check(oid, true) AS c
WHERE relname IN ('item_l2', 'item_ip', 'item_cosine', 'item_low', 'item_apart', 'item_wide');
END
	return;
}

$primary->safe_psql('postgres', cloud(dim => 40, rows => 2000) . <<'END');
CREATE INDEX item_l2 ON item USING trident (v, tenant) WITH (lists = 20);
CREATE INDEX item_ip ON item USING trident (v vector_ip_ops) WITH (lists = 20, bits = 8);
CREATE INDEX item_cosine ON item USING trident (v vector_cosine_ops);
CREATE TABLE low (id serial, v halfvec(8));
CREATE INDEX item_low ON low USING trident (v halfvec_l2_ops);
INSERT INTO low (v) SELECT v FROM cloud(8, 2000, 20, 0.3);
CREATE TABLE apart (id serial, v vector(300));
INSERT INTO apart (v) SELECT v FROM cloud(300, 600, 20, 0.3);
CREATE INDEX item_apart ON apart USING trident (v) WITH (lists = 4);
CREATE TABLE wide (id serial, v vector(1100));
INSERT INTO wide (v) SELECT v FROM cloud(1100, 300, 20, 0.3);
CREATE INDEX item_wide ON wide USING trident (v) WITH (lists = 4);
END
check_equal('build');

$primary->safe_psql('postgres', <<'END');
INSERT INTO item (v, tenant) SELECT v, 3 FROM cloud(40, 1500, 20, 0.4);
INSERT INTO apart (v) SELECT v FROM cloud(300, 400, 20, 0.4);
INSERT INTO wide (v) SELECT v FROM cloud(1100, 200, 20, 0.4);
BEGIN;
INSERT INTO item (v, tenant) SELECT v, 3 FROM cloud(40, 500, 20, 0.5);
ROLLBACK;
END
check_equal('insert');

# A scan on the standby that began before rows were deleted and vacuumed away
# goes on with what its snapshot sees; replay waits for it.
my $cursor = $standby->background_psql('postgres', on_error_stop => 1);
$cursor->query_safe('SET enable_seqscan = off; SET enable_sort = off;');
$cursor->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ;');
$cursor->query_safe(
	'DECLARE c CURSOR FOR SELECT id FROM low ORDER BY v <-> (SELECT v FROM low WHERE id = 1);');
my @seen = split /\n/, $cursor->query_safe('FETCH 20 FROM c;');
$primary->safe_psql('postgres', <<'END');
DELETE FROM item WHERE id % 3 = 0;
DELETE FROM low WHERE id % 3 = 0;
DELETE FROM apart WHERE id % 3 = 0;
DELETE FROM wide WHERE id % 3 = 0;
VACUUM item, low, apart, wide;
END
push @seen, split /\n/, $cursor->query_safe('FETCH ALL FROM c;');
is(join(',', sort { $a <=> $b } @seen), join(',', 1 .. 2000),
	'a scan that vacuum overtakes sees all rows');
$cursor->query_safe('COMMIT;');
check_equal('delete and vacuum');

$primary->safe_psql('postgres', <<'END');
INSERT INTO item (v, tenant) SELECT v, 3 FROM cloud(40, 1000, 20, 0.6);
INSERT INTO apart (v) SELECT v FROM cloud(300, 400, 20, 0.6);
INSERT INTO wide (v) SELECT v FROM cloud(1100, 200, 20, 0.6);
UPDATE low SET v = v + v WHERE id % 5 = 0;
VACUUM item, low, apart, wide;
END
check_equal('reuse');

# Training, under a scan that has begun with the old model.  Nothing of the
# table is vacuumed away, so replay need not wait for the scan.
$primary->safe_psql('postgres',
	'INSERT INTO low (v) SELECT v FROM cloud(8, 12000, 20, 0.7)');
$primary->wait_for_catchup($standby);
my $rows = $standby->safe_psql('postgres', 'SELECT count(*) FROM low');
is(lists($standby, 'item_low'), '1', 'not trained yet');
$cursor->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ;');
$cursor->query_safe(
	'DECLARE c CURSOR FOR SELECT id FROM low ORDER BY v <-> (SELECT v FROM low WHERE id = 1);');
@seen = split /\n/, $cursor->query_safe('FETCH 20 FROM c;');
$primary->safe_psql('postgres', 'VACUUM low');
cmp_ok(lists($primary, 'item_low'), '>', 1, 'trained');
$primary->wait_for_catchup($standby);
cmp_ok(lists($standby, 'item_low'), '>', 1, 'trained on the standby');
push @seen, split /\n/, $cursor->query_safe('FETCH ALL FROM c;');
my %once = map { $_ => 1 } @seen;
is(scalar(@seen) . ' ' . scalar(keys %once), "$rows $rows",
	'a scan that training overtakes returns every row once');
$cursor->query_safe('COMMIT;');
$cursor->quit;
check_equal('training');

$primary->safe_psql('postgres', <<'END');
REINDEX INDEX item_l2;
REINDEX INDEX CONCURRENTLY item_ip;
TRUNCATE wide;
INSERT INTO wide (v) SELECT v FROM cloud(1100, 100, 20, 0.8);
END
check_equal('reindex and truncate');

# Back to a point in time, from a backup taken in the middle.
$primary->backup('later');
$primary->safe_psql('postgres', <<'END');
INSERT INTO item (v, tenant) SELECT v, 3 FROM cloud(40, 700, 20, 0.9);
DELETE FROM item WHERE id % 7 = 0;
VACUUM item;
END
my $answers = answers($primary);
$primary->safe_psql('postgres', <<'END');
SELECT pg_create_restore_point('here');
DELETE FROM item WHERE id % 2 = 0;
VACUUM item;
INSERT INTO item (v, tenant) SELECT v, 3 FROM cloud(40, 700, 20, 0.95);
SELECT pg_switch_wal();
END
my $restored = PostgreSQL::Test::Cluster->new('restored');
$restored->init_from_backup($primary, 'later', has_restoring => 1);
$restored->append_conf('postgresql.conf', <<'END');
recovery_target_name = 'here'
recovery_target_action = 'promote'
END
$restored->start;
ok($restored->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()'), 'the restored server is promoted');
is(answers($restored), $answers, 'restored to a point in time');
check_index($restored, 'restored', 'item_l2');

# The standby goes on by itself.
$primary->safe_psql('postgres', 'CREATE TABLE finis AS SELECT 8400 AS n');
$primary->wait_for_catchup($standby);
$primary->wait_for_catchup($bare);
$primary->stop;
$standby->promote;
$standby->safe_psql('postgres', <<'END');
INSERT INTO item (v, tenant) SELECT v, 3 FROM cloud(40, 1000, 20, 0.97);
DELETE FROM item WHERE id % 5 = 0;
VACUUM item;
INSERT INTO item (v, tenant) SELECT v, 3 FROM cloud(40, 1000, 20, 0.98);
END
check_rows($standby, 'promoted');
check_index($standby, 'promoted', 'item_l2');
$standby->safe_psql('postgres', truth('<->', 10));
my ($recall, $short, $unordered) = recall($standby, '<->', 10);
cmp_ok($recall, '>=', 93, 'promoted: recall');
is("$short $unordered", '0 0', 'promoted: no query is short or out of order');

# The one without library has replayed everything, and has none.
my ($rc, undef, $error) = $bare->psql('postgres', 'SELECT v FROM item LIMIT 1');
isnt($rc, 0, 'the other standby has no library');
like($error, qr/could not access file/, 'and says so');
is($bare->safe_psql('postgres', 'SELECT n FROM finis'), '8400',
	'and has replayed all there was');
foreach my $node ($standby, $bare, $restored)
{
	unlike(slurp_file($node->logfile), qr/(PANIC|WARNING): |inconsistent page/,
		'replay is consistent on ' . $node->name);
	$node->stop;
}
done_testing();
