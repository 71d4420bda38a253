# A build goes on without what it would like to have: workers, the shared memory
# that they need, memory for its sample.  Without the first two the index has the
# same pages.  And what pg_stat_progress_create_index tells of a build.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use IndexTest;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'needs a library with fault points (TRIDENT_FAULTS)'
  unless $ENV{TRIDENT_FAULTS};

# As many workers as one likes, and a sample of some MB.
my $node = index_node('build', faults => 1, conf => <<'END');
dynamic_shared_memory_type = mmap
max_worker_processes = 8
max_parallel_workers = 8
END
$node->safe_psql('postgres', cloud(dim => 128, rows => 8000) . <<'END');
CREATE EXTENSION pageinspect;
ALTER TABLE item SET (parallel_workers = 2);
CREATE INDEX item_v ON item USING trident (v) WITH (lists = 40);
END
my $pages = q{SELECT md5(string_agg(md5(substr(get_raw_page('item_v', n), 9)), '' ORDER BY n)) FROM generate_series(0, pg_relation_size('item_v') / 8192 - 1) n};
my $serial = $node->safe_psql('postgres', $pages);

# Build the index again; what the build says must be like $says, and be all.
sub check_build
{
	my ($what, $setting, $says) = @_;
	my ($rc, undef, $err) = $node->psql('postgres', <<"END");
SET max_parallel_maintenance_workers = 2;
SET maintenance_work_mem = '128MB';
$setting;
SET client_min_messages = debug1;
REINDEX INDEX item_v;
END

	is($rc, 0, "$what: built") or diag $err;
	like($err, $says, "$what: workers");
	is($node->safe_psql('postgres', $pages), $serial, "$what: the same pages");
	check_index($node, $what, 'item_v');
	return;
}

my $without = qr/\A(?!.*using [12] parallel workers)/s;

check_build('mmap', '', qr/using 2 parallel workers/);
check_build('one of two workers', 'SET max_parallel_workers = 1', qr/using 1 parallel workers/);
check_build('no worker to be had', 'SET max_parallel_workers = 0', $without);

# Memory for a part of the sample that so many lists ask for: it is told once,
# and what it is told to do helps.
sub notices
{
	my ($memory) = @_;
	my (undef, undef, $err) = $node->psql('postgres', "SET maintenance_work_mem = '$memory'; CREATE INDEX item_many ON item USING trident (v) WITH (lists = 100)");

	check_index($node, "maintenance_work_mem = $memory", 'item_many');
	$node->safe_psql('postgres', 'DROP INDEX item_many');
	return $err;
}
my $notice = notices('1MB');
like($notice, qr/NOTICE:  index "item_many" is trained with 1012 rows for 100 lists, because maintenance_work_mem is 1024 kB\n/, 'too little memory: the fact');
my ($remedy) = $notice =~ /HINT:  Increase maintenance_work_mem to (\d+ MB) for this build\./;
is(notices($remedy =~ s/ //r), '', "with $remedy there is enough");

# Where the build is, as others see it.
my $lock = $node->background_psql('postgres', on_error_stop => 1);
my $builder = $node->background_psql('postgres', on_error_stop => 1);
my %phase = (
	'index-build-encoded' => 'building index: sorting codes',
	'index-build-written' => 'building index: logging pages|8000');
foreach my $fault (sort keys %phase)
{
	my ($phase, $rows) = split /\|/, $phase{$fault};

	$lock->query_safe('SELECT pg_advisory_lock(8400)');
	$builder->query_safe("SET trident.fault = '$fault:wait';");
	$builder->query_until(qr/begun/, "\\echo begun\nREINDEX INDEX item_v;\n");
	ok($node->poll_query_until('postgres', "SELECT phase FROM pg_stat_progress_create_index WHERE index_relid = 'item_v'::regclass", $phase),
		"progress: $phase");
	is($node->safe_psql('postgres', 'SELECT tuples_done FROM pg_stat_progress_create_index'),
		$rows, "progress: rows while $phase")
	  if $rows;
	$lock->query_safe('SELECT pg_advisory_unlock(8400)');
	$builder->query_safe('SELECT 1');
	is($node->safe_psql('postgres', $pages), $serial, "$fault: the same pages");
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_stat_progress_create_index'),
	'0', 'progress: no build');
$builder->quit;
$lock->quit;
$node->stop;

# The server where /dev/shm has 3 MB, of which it takes more than one itself: in
# namespaces of its own, as the user that it has here, for it refuses to be root.
my @small = ('unshare', '-Urm', 'sh', '-c',
	'mount -t tmpfs -o size=3M tmpfs /dev/shm && exec unshare -U --map-user=1000 --map-group=1000 "$@"',
	'sh');

SKIP:
{
	skip 'no namespaces for a small /dev/shm here', 4
	  if system("@{[map { qq('$_') } @small]} true >/dev/null 2>&1") != 0;
	$node->append_conf('postgresql.conf', 'dynamic_shared_memory_type = posix');
	system_or_bail(@small, "$ENV{TRIDENT_FAULTS}/bin/pg_ctl", '-w',
		'-D', $node->data_dir, '-l', $node->logfile, 'start');
	$node->_update_pid(1);
	check_build('little shared memory', '',
		qr/NOTICE:  index "item_v" is built without parallel workers, because they would need \d+ MB of shared memory and \/dev\/shm has room for \d MB/);
	$node->stop;
}
done_testing();
