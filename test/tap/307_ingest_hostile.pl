# Ingest from an SFTP server that is not one: names that no file system has,
# folders without end, a part of a photo that cannot be read; and a worker that
# is told to stop while it waits for such a server.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SftpTest;
use Test::More;

plan skip_all => 'no /usr/sbin/sshd here' unless -x '/usr/sbin/sshd';

# The subsystem: answers by what a path ends in.
my $dir = PostgreSQL::Test::Utils::tempdir();
my $program = "$dir/sftp.pl";
write_file($program, <<'END');
use strict;
use warnings;

my ($dir) = @ARGV;
binmode STDIN;
binmode STDOUT;
$| = 1;

sub take { my ($n) = @_; my $b = ''; while (length $b < $n) { sysread(STDIN, $b, $n - length $b, length $b) or exit } return $b }
sub reply { my $p = shift; print pack('N', length $p) . $p; return }
sub status { return reply(pack 'CNNNN', 101, $_[0], $_[1], 0, 0) }
sub string { return pack 'N/a*', $_[0] }
sub names
{
	my ($id, @names) = @_;
	reply(pack('CNN', 104, $id, scalar @names)
		. join '', map { string($_->[0]) . string('') . pack('NQ>NNN', 13, $_->[1], $_->[2], 1e9, 1e9) } @names);
	return;
}

my $photo = do { local $/; open my $f, '<:raw', "$dir/photo.jpg" or die; <$f> };
my (%listed, %path_of);
my $count = 0;

# A handle of a path, which may be longer than a handle.
sub handle
{
	my ($id, $path) = @_;
	my $handle = 'h' . ++$count;

	$path_of{$handle} = $path;
	return reply(pack('CN', 102, $id) . string($handle));
}

while (1)
{
	my ($type, $body) = unpack 'Ca*', take(unpack 'N', take(4));

	if ($type == 1) { reply(pack 'CN', 2, 3); next }
	my ($id, $handle, $rest) = unpack 'N N/a* a*', $body;
	my $path = $path_of{$handle} // $handle;
	if ($type == 3) { handle($id, $path) }
	elsif ($type == 4 && $path =~ /unclosed/) { delete $path_of{$handle} }
	elsif ($type == 4) { delete $path_of{$handle}; status($id, 0) }
	elsif ($type == 11)
	{
		# an answer that comes byte by byte
		if ($path =~ /trickle$/) { print pack 'N', 200_000; while (print 'x') { select undef, undef, undef, 0.05 } }
		if ($path =~ /slow$/) { until (-e "$dir/go") { select undef, undef, undef, 0.02 } }
		handle($id, $path);
	}
	elsif ($type == 12 && $path =~ /endless$/) { names($id, map { [ sprintf('n%09d.jpg', $count++), 1, 0100644 ] } 1 .. 2000) }
	elsif ($type == 12 && $listed{$handle}++) { status($id, 1) }
	elsif ($type == 12 && $path =~ /long$/)
	{
		names($id, [ 'x' x 252 . '.jpg', length $photo, 0100644 ], [ 'x' x 250_000, 0, 040755 ],
			[ 'x' x 251 . '.jpg', length $photo, 0100644 ], [ 'ok.jpg', length $photo, 0100644 ]);
	}
	elsif ($type == 12 && $path =~ /unclosed$/) { names($id, map { [ sprintf('n%05d.jpg', $_), 1, 0100644 ] } 1 .. 5000) }
	elsif ($type == 12 && $path =~ m{/deep(/|$)})
	{
		# a path that no compression makes short, the same each time
		srand length $path;
		names($id, [ join('', map { chr(0x21 + int rand 14) . chr(0x61 + int rand 26) . chr(0x41 + int rand 26) } 1 .. 70) =~ tr{/.}{__}r, 0, 040755 ],
			[ 'ok.jpg', length $photo, 0100644 ]);
	}
	elsif ($type == 12) { names($id, [ 'photo.jpg', length $photo, 0100644 ], map { [ "huge$_", 2**62, 0100644 ] } 1 .. 4) }
	elsif ($type == 5)
	{
		my ($offset, $length) = unpack 'Q>N', $rest;
		# the first part of what the head leads to
		if ($path =~ /torn/ && $offset == 8192) { status($id, 3) }
		elsif ($path =~ /unclosed/) { status($id, 1) }
		elsif ($offset >= length $photo) { status($id, 1) }
		else { reply(pack('CN', 103, $id) . string(substr $photo, $offset, $length)) }
	}
	else { status($id, 8) }
}
END

my $ssh = SftpTest->new(config => [ "Subsystem sftp $^X $program $dir" ]);
my $node = sftp_node('ingest_hostile', "fsync = off\ntrident.ingest_memory = '8MB'\n");

sub value { return $node->safe_psql('postgres', $_[0]) }

# A photo whose position stands far behind its head, in a block of 60,000 bytes.
my $xmp = "http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
  . ' ' x 58_000 . "<rdf:Description xmlns:exif='http://ns.adobe.com/exif/1.0/' exif:GPSLatitude='10,30.0N' exif:GPSLongitude='20,15.0E'/></rdf:RDF></x:xmpmeta>";
write_file("$dir/photo.jpg", "\xff\xd8\xff\xe1" . pack('n', 2 + length $xmp) . "$xmp\xff\xda" . "\x11" x 64);
value(source_sql($ssh, 's'));

# A job on a path: how it ended.
sub ingest
{
	my ($path) = @_;
	my $id = value("SELECT trident_ingest('s', '$path', xmp => 'always')");

	value("SELECT trident_job_wait($id, '100s')");
	return value("SELECT concat_ws('|', state, error_code, error) FROM trident.job WHERE id = $id");
}

# What came of the photos of a path.
sub photos
{
	my ($path) = @_;

	return value(qq{SELECT string_agg(concat_ws('|', length(p.name), p.status, p.reason, latitude, longitude), ', ' ORDER BY p.name)
		FROM trident.photo p JOIN trident.site s ON s.id = p.site LEFT JOIN trident.gps_point g ON g.photo = p.id WHERE s.path = '$path'});
}

is(ingest('/whole') . ' ' . photos('/whole'), 'done 9|found|10.5|20.25', 'a photo that needs a long range');
is(value("SELECT bytes FROM trident.site_folder f JOIN trident.site s ON s.id = f.site WHERE s.path = '/whole'"), '9223372036854775807',
	'impossible sizes add up to the most there is');
is(ingest('/torn') . ' ' . photos('/torn'), 'done 9|error|permission_denied', 'a part that cannot be read, before one that can');
is(ingest('/long') . ' ' . photos('/long'), 'done 6|found|10.5|20.25, 255|found|10.5|20.25', 'names that are too long are left out');
is(value(q{SELECT kind, path, reason, length(detail) < 200 FROM trident.ingest_error WHERE path LIKE '/long%'}), 'folder|/long|name_too_long|t',
	'and that is told once');
is(ingest('/deep'), 'done', 'folders below one another whose paths no index has room for');
is(value(q{SELECT count(*), max(length(f.path)) BETWEEN 2200 AND 2500 FROM trident.site_folder f JOIN trident.site s ON s.id = f.site WHERE s.path = '/deep'}),
	'12|t', 'those that are too deep are left out');
is(value(q{SELECT count(*), count(DISTINCT g.photo) FROM trident.gps_point g JOIN trident.site s ON s.id = g.site WHERE s.path = '/deep'}), '12|12', 'photos of the others are there');
is(value(q{SELECT count(*) FROM trident.ingest_error WHERE path LIKE '/deep%' AND reason = 'name_too_long'}), 1, 'and that is told once');
is(ingest('/deep'), 'done', 'again');
like(error_of($node, q{SELECT trident_ingest('s', repeat('x', 2501))}), qr/22023: .*must not be longer than 2500 bytes/, 'nor may a site have such a path');
like(ingest('/endless'), qr/^failed\|53400\|the site has more names than trident.ingest_memory has room for/, 'a folder without end');
my $worker = value(q{SELECT pid FROM trident.stat_worker WHERE kind = 'ingest' AND state = 'ready'});
my ($peak) = slurp_file("/proc/$worker/status") =~ /VmHWM:\s+(\d+) kB/;
cmp_ok($peak, '<', 150_000, 'has not cost much memory');

# Told to stop, the worker gives the job back: that does not count.
my $slow = value("SELECT trident_ingest('s', '/slow')");
foreach my $i (1 .. 2)
{
	ok($node->poll_query_until('postgres', "SELECT state = 'running' FROM trident.job WHERE id = $slow"), "a job runs ($i)");
	is(value("SELECT trident_worker_stop('postgres', restart => true) > 0"), 't', "its worker is stopped ($i)");
}
ok($node->poll_query_until('postgres', "SELECT state = 'running' FROM trident.job WHERE id = $slow"), 'it runs again');
write_file("$dir/go", '');
is(value("SELECT trident_job_wait($slow, '100s')") . ' ' . value("SELECT attempts FROM trident.job WHERE id = $slow"), 'done 1',
	'it was begun once, as far as anybody cares');

# Its end is asked for, and the worker ends before it sees that.
unlink "$dir/go";
$slow = value("SELECT trident_ingest('s', '/slow')");
ok($node->poll_query_until('postgres', "SELECT state = 'running' FROM trident.job WHERE id = $slow"), 'a job runs');
$worker = value(q{SELECT pid FROM trident.stat_worker WHERE kind = 'ingest' AND state = 'ready'});
kill 'STOP', $worker;
is(value("SELECT trident_job_cancel($slow)"), 't', 'it is to be canceled');
kill 'TERM', $worker;
kill 'CONT', $worker;
is(value("SELECT trident_job_wait($slow, '100s')"), 'canceled', 'it is, by the next worker');

# A server that leaves files open, and one that answers byte by byte; the
# session says how long that may take.
my $patience = q{SET trident.ingest_request_timeout = '1s'; };
my $open = value("${patience}SET trident.ingest_connections = 1; SELECT trident_ingest('s', '/unclosed')");
is(value("SELECT trident_job_wait($open, '100s')") . value(qq{ SELECT progress->>'images', (progress->>'connections_opened')::int + (progress->>'connections_reused')::int FROM trident.job WHERE id = $open}),
	'done5000|2', 'CLOSEs without an answer: another connection');
my $trickle = value("${patience}SELECT trident_ingest('s', '/trickle')");
ok($node->poll_query_until('postgres', "SELECT progress->>'retries' > '1' FROM trident.job WHERE id = $trickle"), 'an answer that comes byte by byte is none');
is(value("SELECT trident_job_cancel($trickle); SELECT trident_job_wait($trickle, '100s')"), "t\ncanceled", 'its job');

# One role's jobs do not keep out those of others.
my ($user, $key) = (user_name(), $ssh->slurp('id'));
value(qq{CREATE ROLE guest LOGIN; GRANT USAGE ON FOREIGN SERVER s TO guest; GRANT EXECUTE ON FUNCTION trident_ingest TO guest;
	CREATE USER MAPPING FOR guest SERVER s OPTIONS (user '$user', private_key '$key')});
value(q{SELECT trident_ingest('s', '/' || i || 'slow') FROM generate_series(1, 12) i});
ok($node->poll_query_until('postgres', q{SELECT count(*) FILTER (WHERE state = 'running') = 8 AND count(*) FILTER (WHERE state = 'waiting') = 4
	FROM trident.job WHERE owner <> 'guest'}), 'eight of a role run');
my $other = $node->safe_psql('postgres', q{SELECT trident_ingest('s', '/whole', xmp => 'always')}, extra_params => [ '-U', 'guest' ]);
is(value("SELECT trident_job_wait($other, '100s')"), 'done', 'a job of another role is done meanwhile');
is(value(q{SELECT count(*) FILTER (WHERE state = 'running'), count(*) FILTER (WHERE state = 'waiting') FROM trident.job WHERE owner <> 'guest'}), '8|4', 'by itself');
write_file("$dir/go", '');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM trident.job WHERE state IN ('waiting', 'running')}), 'then all end');

$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|signal 11/, 'nothing unexpected in the log');
done_testing();
