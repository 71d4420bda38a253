# Ingest against servers that allow little and lines that are bad: the same
# positions as from a server that allows all, with one session, one login at a
# time, 64 file handles (told and not told), keys changed after each megabyte, a
# reset after each megabyte, a slow line, one that is cut and comes back, one
# that is cut for good; a folder of 100,000 entries; photos that are replaced
# while they are read.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SftpTest;
use Test::More;

plan skip_all => 'no /usr/sbin/sshd here' unless -x '/usr/sbin/sshd';

my $full = $ENV{TRIDENT_TEST_FULL};
my $ssh = SftpTest->new;
my $node = sftp_node('ingest_limits', "fsync = off\ntrident.ingest_request_timeout = '2s'\n");
my $dir = "$ssh->{path}/files";
my $sources = 0;

sub value { return $node->safe_psql('postgres', $_[0]) }

# Submit a job on a new source; the job's id and the source's name.
sub submit
{
	my ($server, $path, %o) = @_;
	my $source = 's' . ++$sources;

	value(source_sql($server, $source, %o));
	return (value("SELECT trident_ingest('$source', '$path')"), $source);
}

# Its end, and its counters by name.
sub finish
{
	my ($id) = @_;
	my $state = value("SELECT trident_job_wait($id, '100s')");
	my %p = map { split /=/ } split /\n/,
	  value("SELECT key || '=' || value FROM trident.job, jsonb_each_text(progress) WHERE id = $id");

	return ($state, \%p);
}

# Everything that a source's photos came to, as one digest.
sub digest
{
	my ($source) = @_;

	return value(qq{SELECT count(*), count(latitude), md5(string_agg(concat_ws('|', f.path, p.name, p.size, p.status, p.reason, latitude, longitude), ',' ORDER BY f.path, p.name))
		FROM trident.photo p JOIN trident.site s ON s.id = p.site JOIN trident.site_folder f ON f.id = p.folder
		LEFT JOIN trident.gps_point g ON g.photo = p.id WHERE s.source = '$source'});
}

# 8 folders of 50, of which some have no position and some have it far behind.
my $site = "$dir/site";
mkdir $site;
foreach my $f (1 .. 8)
{
	mkdir "$site/f$f";
	foreach my $i (1 .. 50)
	{
		my @at = $i % 10 == 0 ? (undef, undef) : ($f + $i / 100, -$i / 10);
		write_file("$site/f$f/i$i.jpg", jpeg(@at, size => 20_000, pad => $i % 7 == 0 ? 70_000 : 0));
	}
}
my ($id, $source) = submit($ssh, $site);
is((finish($id))[0], 'done', 'a server that allows all');
my $right = digest($source);
like($right, qr/^400\|360\|/, 'all positions');

# Cut for good: it tries again, ever later; looked at again at the end.
my $dead = start_proxy($ssh->{port}, [ '-b', 4000 ]);
my ($lost, $lost_source) = submit($ssh, $site, port => $dead->{port});
wait_until('some of it is there', sub { value("SELECT progress->>'points' <> '0' FROM trident.job WHERE id = $lost") eq 't' });
$dead->stop;

# What an OpenSSH server can be told to allow.
my %limited = (
	'one session a connection' => { config => ['MaxSessions 1'] },
	'64 file handles' => { before => 'ulimit -n 64', config => ['LogLevel DEBUG1'] },
	'64 file handles, which it does not tell' => { before => 'ulimit -n 64', config => ['Subsystem sftp internal-sftp -P limits'], retries => 1 },
	'new keys after each megabyte' => { config => [ 'RekeyLimit 1M', 'LogLevel DEBUG1' ], log => qr/rekeying/ },
	'several connections of 20 files' => { options => q{connections '3', files '20'}, delay => 30, opened => 2 },
	'compression' => { options => q{compression 'on'} });
foreach my $what (sort keys %limited)
{
	my %o = %{ $limited{$what} };
	my $server = SftpTest->new(config => $o{config}, before => $o{before});
	my $proxy = $o{delay} ? start_proxy($server->{port}, [ '-d', $o{delay} ]) : undef;
	my ($job, $name) = submit($server, $site, options => $o{options}, port => $proxy ? $proxy->{port} : undef);
	my ($state, $p) = finish($job);

	is("$state " . digest($name), "done $right", "$what: the same");
	cmp_ok($p->{retries}, '>', 0, "$what: it was refused, and asked for less") if $o{retries};
	like($server->log, $o{log}, "$what: it did so") if $o{log};
	cmp_ok($p->{connections_opened}, '>=', $o{opened}, "$what: there are several") if $o{opened};
}

# One login at a time: a stranger who does not log in takes the place.
{
	my $server = SftpTest->new(config => [ 'MaxStartups 1', 'LoginGraceTime 60' ]);
	my $stranger = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $server->{port}) or die;

	sysread $stranger, my $banner, 100;
	my ($job, $name) = submit($server, $site, options => q{connections '4', files '8'});
	wait_until('a login is refused', sub { $server->log =~ /MaxStartups/i });
	close $stranger;
	my ($state, $p) = finish($job);
	is("$state " . digest($name), "done $right", 'MaxStartups: refused at first, then the same');

	# Later ones are refused: what is there goes on.
	my $refused = () = $server->log =~ /MaxStartups/gi;
	$stranger = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $server->{port}) or die;
	sysread $stranger, $banner, 100;
	value("UPDATE trident.photo SET size = -1 WHERE site = (SELECT id FROM trident.site WHERE source = '$name')");
	($state, $p) = finish(value("SELECT trident_ingest('$name', '$site')"));
	is("$state $p->{unchanged} " . digest($name), "done 0 $right", 'MaxStartups: no more logins, the same');
	cmp_ok($p->{connections_reused}, '>', 0, 'by those that are there');
	cmp_ok(scalar(() = $server->log =~ /MaxStartups/gi), '>', $refused, 'another was refused');
}

# Lines.
my $proxy = start_proxy($ssh->{port}, [ '-r', 1_000_000 ]);
($id, $source) = submit($ssh, $site, port => $proxy->{port});
my ($state, $p) = finish($id);
is("$state " . digest($source), "done $right", 'a reset after each megabyte: the same');
cmp_ok($p->{connections_opened}, '>=', 4, 'by several connections');

$proxy = start_proxy($ssh->{port}, [ '-d', 60, '-b', 20_000 ]);
($id, $source) = submit($ssh, $site, port => $proxy->{port});
($state, $p) = finish($id);
is("$state " . digest($source), "done $right", 'a slow line: the same');

$proxy = start_proxy($ssh->{port}, [ '-b', 8000 ]);
($id, $source) = submit($ssh, $site, port => $proxy->{port});
wait_until('half of it is there', sub { value("SELECT (progress->>'images')::int > 100 FROM trident.job WHERE id = $id") eq 't' });
kill 'STOP', $proxy->{pid};
wait_until('the silence is noticed', sub { value("SELECT progress->>'retries' <> '0' FROM trident.job WHERE id = $id") eq 't' });
my $port = $proxy->{port};
$proxy->stop;
$proxy = start_proxy($ssh->{port}, [], port => $port);
($state, $p) = finish($id);
is("$state " . digest($source), "done $right", 'a line that is dead for a while: the same');

# Many entries: names of all are seen, photos among them are read.
{
	my $many = "$dir/many";
	my $photos = $full ? 100_000 : 300;

	mkdir $many;
	write_file("$dir/one.jpg", jpeg(12.5, 100.25));
	foreach my $i (1 .. 100_000)
	{
		my $name = $i <= $photos ? "p$i.jpg" : "n$i.txt";

		# A file has so many links at most.
		if ($i % 30_000 == 0)
		{
			rename "$dir/one.jpg", "$dir/old$i.jpg";
			write_file("$dir/one.jpg", jpeg(12.5, 100.25));
		}
		link "$dir/one.jpg", "$many/$name" or die "$name: $!";
	}
	($id, $source) = submit($ssh, $many);
	($state, $p) = finish($id);
	is("$state " . value("SELECT f.files, f.images, f.points FROM trident.site_folder f JOIN trident.site s ON s.id = f.site WHERE s.source = '$source'"),
		"done 100000|$photos|$photos", 'a folder of 100,000 entries');
	is(value("SELECT count(DISTINCT (latitude, longitude)) FROM trident.gps_point g JOIN trident.site s ON s.id = g.site WHERE s.source = '$source'"),
		1, 'each has the position of its file');
	($state, $p) = finish(value("SELECT trident_ingest('$source', '$many')"));
	is("$state $p->{unchanged}", "done $photos", 'again: none is read');
}

# Photos that are replaced, overwritten, cut off and removed while they are read.
{
	my $moving = "$dir/moving";
	my @here = (jpeg(10, 20, pad => 70_000, size => 80_000), jpeg(50, 60, pad => 70_000, size => 90_000));
	my $writer;

	mkdir $moving;
	write_file("$moving/i$_.jpg", $here[0]) foreach 1 .. 40;
	$writer = fork // die;
	if ($writer == 0)
	{
		for (my $n = 0;; $n++)
		{
			my $file = "$moving/i" . (1 + $n % 40) . '.jpg';

			if ($n % 3 == 0) { write_file("$dir/next", $here[ $n % 2 ]); rename "$dir/next", $file; }
			elsif ($n % 3 == 1) { write_file($file, $here[ $n % 2 ]); }
			else { truncate $file, 10_000; unlink $file if $n % 5 == 0; }
		}
	}
	value(source_sql($ssh, 'moving'));
	my @states = map { (finish(value("SELECT trident_ingest('moving', '$moving')")))[0] } 1 .. ($full ? 50 : 8);
	kill 'KILL', $writer;
	waitpid $writer, 0;
	is(join(' ', grep { $_ ne 'done' } @states), '', 'photos change while they are read: jobs end');
	is(value(q{SELECT count(*) FROM trident.gps_point g JOIN trident.site s ON s.id = g.site WHERE s.source = 'moving'
		AND (latitude, longitude) NOT IN ((10, 20), (50, 60))}), 0, 'no position that no file ever had');

	# At rest: what is there counts.
	foreach my $i (1 .. 40)
	{
		write_file("$moving/i$i.jpg", $here[ $i % 2 ]);
		utime 1700000000 + $i, 1700000000 + $i, "$moving/i$i.jpg";
	}
	($state) = finish(value("SELECT trident_ingest('moving', '$moving')"));
	is("$state " . value(q{SELECT count(*) FROM trident.photo p JOIN trident.site s ON s.id = p.site JOIN trident.gps_point g ON g.photo = p.id
		WHERE s.source = 'moving' AND latitude = CASE WHEN substring(p.name, '\d+')::int % 2 = 0 THEN 10 ELSE 50 END}), 'done 40',
		'then: the position of each file as it is');
	is(value(q{SELECT count(*) FROM trident.ingest_error e JOIN trident.site s ON s.id = e.site WHERE s.source = 'moving'}), 0, 'and no error is left');
}

# Connections are kept, looked at before they are used again, and closed.
($id) = submit($ssh, $site);
finish($id);
my $name = "s$sources";
($state, $p) = finish(value("SELECT trident_ingest('$name', '$site')"));
is("$state $p->{unchanged} $p->{connections_opened} $p->{connections_reused}", 'done 400 0 1', 'a connection is kept for the next job');
cmp_ok($p->{saved_ms}, '>', 0, 'which saves time');
$ssh->stop;
$ssh->start;
($state, $p) = finish(value("SELECT trident_ingest('$name', '$site')"));
is("$state $p->{unchanged} $p->{connections_opened} $p->{connections_reused} $p->{retries}", 'done 400 1 0 0', 'a dead one is found out, and replaced');
value(q{ALTER SYSTEM SET trident.ingest_idle_timeout = '200ms'; SELECT pg_reload_conf()});
wait_until('idle connections are closed', sub { SftpTest::children($ssh->{pid}) == 0 });
pass('idle connections are closed');

# The line that was cut for good.
($state, $p) = finish($lost);
is($state, 'failed', 'a line that is cut for good: the job fails');
like(value("SELECT error_code, error, hint FROM trident.job WHERE id = $lost"), qr/^(08\d{3})\|.*127\.0\.0\.1.*\|\S/, 'and says why, and what to do');
is(value("SELECT count(*) = $p->{points}, count(*) BETWEEN 1 AND 359 FROM trident.gps_point g JOIN trident.site s ON s.id = g.site WHERE s.source = '$lost_source'"),
	't|t', 'what it had found is there');

$node->stop;
done_testing();
