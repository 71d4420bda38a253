# A folder of real photos (TRIDENT_PHOTOS, with truth.json as for test/photos),
# read by SFTP: every position that there is to 1e-6 degrees, no other one, and
# a row with a reason for every other file.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SftpTest;
use Test::More;

my $photos = $ENV{TRIDENT_PHOTOS};

plan skip_all => 'no /usr/sbin/sshd here' unless -x '/usr/sbin/sshd';
plan skip_all => 'TRIDENT_PHOTOS is not set' unless $photos;

my $truth = decode_json(slurp_file("$photos/truth.json"));
my $ssh = SftpTest->new;
my $node = sftp_node('ingest_photos', "fsync = off\n");
my %row;
my (@missed, @false, @silent);

sub value { return $node->safe_psql('postgres', $_[0]) }

value(source_sql($ssh, 'photos'));
my $id = value("SELECT trident_ingest('photos', '$photos', include => '{*}')");
is(value("SELECT trident_job_wait($id, '100s')"), 'done', 'all photos are read');
foreach my $line (split /\n/, value(q{SELECT p.name, p.status, p.reason, latitude, longitude FROM trident.photo p LEFT JOIN trident.gps_point g ON g.photo = p.id}))
{
	my ($name, @field) = split /\|/, $line, -1;
	$row{$name} = \@field;
}
foreach my $name (sort grep { -f "$photos/$_" } keys %$truth)
{
	my $want = $truth->{$name};
	my ($status, $reason, $lat, $lon) = @{ $row{$name} // [ 'no row', '', '', '' ] };

	if ($want->{gps} eq 'ok')
	{
		push @missed, "$name: $status $reason $lat $lon, not $want->{lat} $want->{lon}"
		  if $status ne 'found' || abs($lat - $want->{lat}) > 1e-6 || abs($lon - $want->{lon}) > 1e-6;
	}
	elsif ($status eq 'found')
	{
		push @false, "$name: $lat $lon" if $want->{gps} ne 'any';
	}
	elsif ($reason eq '')
	{
		push @silent, "$name: $status";
	}
}
is(join("\n", @missed), '', 'every position, to 1e-6 degrees');
is(join("\n", @false), '', 'no other one');
is(join("\n", @silent), '', 'a reason for every other file');
note(scalar(keys %row), ' files');
$node->stop;
done_testing();
