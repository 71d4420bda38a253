# Ingest beside searches of a fleet: while SSH servers say nothing, in the middle
# of jobs and before their first word, and while a job works as fast as it can,
# every search over nodes by the exchange worker is answered, and right.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use FleetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SftpTest;
use Test::More;
use Time::HiRes qw(time);

plan skip_all => 'no /usr/sbin/sshd here' unless -x '/usr/sbin/sshd';

my ($home, $other) = fleet(2, conf => <<'END');
fsync = off
trident.exchange_mode = worker
trident.exchange_timeout = '5s'
trident.ingest_request_timeout = '60s'
trident.ingest_connect_timeout = '60s'
END
my $ssh = SftpTest->new;
my $mute = SftpTest->new;
my $site = "$ssh->{path}/files/site";

mkdir $site;
write_file("$site/i$_.jpg", jpeg($_ / 10, -$_ / 10, size => 9000)) foreach 1 .. 400;
app_sql($home, <<'END');
CREATE TABLE item (id int PRIMARY KEY, embedding vector(3));
INSERT INTO item SELECT i, ARRAY[i, i % 7, 1]::vector FROM generate_series(1, 600) i;
ALTER TABLE item OWNER TO app;
END
as_app($home, "SELECT trident_collection_distribute('item', '{node2}', 2)");

# So many searches of role app: how many were right, and the slowest one (ms).
sub searches
{
	my ($what) = @_;
	my ($right, $slowest) = split /\|/, as_app($home, <<'END');
CREATE FUNCTION pg_temp.run(OUT good int, OUT slowest float8) LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz;
	got int[];
BEGIN
	good := 0; slowest := 0;
	FOR i IN 1 .. 100 LOOP
		began := clock_timestamp();
		SELECT array_agg(r.id::int) INTO got FROM trident_search('item', ARRAY[i * 5, i * 5 % 7, 1]::vector, 1) r;
		good := good + (got = ARRAY[i * 5])::int;
		slowest := greatest(slowest, 1000 * extract(epoch FROM clock_timestamp() - began));
	END LOOP;
END $$;
SELECT good, round(slowest) FROM pg_temp.run();
END
	is($right, 100, "$what: a hundred searches are right");
	cmp_ok($slowest, '<', 5000, "$what: and answered ($slowest ms the slowest)");
	return;
}

sub progress
{
	my ($job, $name) = @_;
	return app_sql($home, "SELECT progress->>'$name' FROM trident.job WHERE id = $job");
}

searches('before');
app_sql($home, source_sql($ssh, 'slow', options => q{bandwidth '200'}));
app_sql($home, source_sql($ssh, 'fast'));
app_sql($home, source_sql($mute, 'mute'));

# One stalls in the middle, one never says a word.
my $stalled = app_sql($home, "SELECT trident_ingest('slow', '$site')");
wait_until('the job works', sub { (progress($stalled, 'images') // 0) > 0 });
my @stopped = SftpTest::children($ssh->{pid});
kill 'STOP', @stopped, $mute->{pid};
my $silent = app_sql($home, "SELECT trident_ingest('mute', '$site')");
wait_until('the other begins', sub { app_sql($home, "SELECT state FROM trident.job WHERE id = $silent") eq 'running' });
searches('two servers say nothing');
is(app_sql($home, "SELECT string_agg(state, ',') FROM trident.job"), 'running,running', 'the jobs wait meanwhile');

# And one works at the same time.
my $working = app_sql($home, "SELECT trident_ingest('fast', '$site')");
searches('a job works');
is(app_sql($home, "SELECT trident_job_wait($working, '60s')"), 'done', 'it is done, whoever else hangs');
is(app_sql($home, "SELECT count(*) FROM trident.gps_point g JOIN trident.site s ON s.id = g.site WHERE s.source = 'fast'"), 400, 'with all positions');
my ($calls, $direct) = split /\|/, app_sql($home, "SELECT sum(calls), sum(direct_calls) FROM trident.stat_exchange");
cmp_ok($calls, '>=', 300, 'the searches went to the other node');
is($direct, 0, 'and by the exchange worker');

my $began = time;
is(app_sql($home, "SELECT trident_job_cancel($_); SELECT trident_job_wait($_, '30s')"), "t\ncanceled", 'a job that hangs is canceled')
  foreach $stalled, $silent;
cmp_ok(time - $began, '<', 20, 'at once');
kill 'CONT', @stopped, $mute->{pid};

$home->stop;
$other->stop;
done_testing();
