# ingest.pl
#	  The rows of test/bench/ingest, inside a server of test/server.
#
# usage: ingest.pl folder "rows" runs

use strict;
use warnings;

# PostgreSQL's test modules point these, and standard output, elsewhere.
my %server;
BEGIN { %server = map { $_ => $ENV{$_} } qw(PGHOST PGPORT PGUSER PGDATABASE) }

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SftpTest;
use Time::HiRes qw(time);

my ($work, $rows, $runs) = @ARGV;
my $site = "$work/site";
my $truth;
my %row = (
	cold50 => { delay => 50 }, warm50 => { delay => 50, warm => 1 },
	cold0 => { delay => 0 }, warm0 => { delay => 0, warm => 1 },
	sessions1 => { delay => 50, config => ['MaxSessions 1'] },
	handles64 => { delay => 50, before => 'ulimit -n 64' },
	rekey => { delay => 50, config => ['RekeyLimit 1M'] },
	reset => { delay => 50, proxy => [ '-r', 5_000_000 ] },
	zlib => { delay => 50, options => q{compression 'on'} },
	xmp => { delay => 50, xmp => 'always' },
	paramiko50 => { delay => 50, paramiko => 50 }, paramiko0 => { delay => 0, paramiko => 50 });
my $sources = 0;
my %formats;
$SIG{$_} = sub { exit 1 } foreach qw(INT TERM HUP);

@ENV{ keys %server } = values %server;
open my $out, '>', "$ENV{TRIDENT_OUT}/ingest.result" or die;
$out->autoflush;

psql("CREATE EXTENSION trident");
make_site() unless -d $site;
$truth = decode_json(slurp_file("$site.truth.json"))->{files} if -f "$site.truth.json";
printf $out "%-10s %7s %7s %7s %7s %9s %7s %9s %6s %8s\n", qw(row seconds first min max MB/down sshd_s positions false connects);
foreach my $name (split ' ', $rows)
{
	measure($name, %{ $row{$name} // die "no row $name\n" });
}
print $out "\n$_\n" foreach values %formats;

# Without real photos: JPEGs with a position and nothing else, two sizes.
sub make_site
{
	my %file;
	my $n = 0;

	$site = "/tmp/trident-ingest-$$";
	mkdir $site or die;
	foreach my $folder (1 .. 19)
	{
		mkdir "$site/f$folder";
		foreach my $i (1 .. $folder == 1 ? 296 : $folder <= 3 ? 67 : 66)
		{
			my @at = $n % 1486 < 1343 ? ($folder + $i / 1000, -$i / 10) : ();
			my $path = "f$folder/i$i.jpg";

			write_file("$site/$path", jpeg(@at, pad => $i % 6 == 0 ? 12_000 : 0, size => 100_000));
			$file{$path} = { lat => $at[0], lon => $at[1] };
			$n++;
		}
	}
	write_file("$site.truth.json", encode_json({ files => \%file }));
	return;
}

END { system 'rm', '-rf', $site, "$site.truth.json" if defined $site && $site =~ m{^/tmp/trident-ingest-\d+$} }

sub psql
{
	my ($sql) = @_;
	my ($answer, $err) = ('', '');

	IPC::Run::run([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1' ], '<', \$sql, '>', \$answer, '2>', \$err)
	  or die "$err\n$sql";
	chomp $answer;
	return $answer;
}

# Seconds of processor time of a process, its children, and those that ended.
sub cpu
{
	my ($pid) = @_;
	my $ticks = 0;

	foreach my $p ($pid, SftpTest::children($pid))
	{
		open my $f, '<', "/proc/$p/stat" or next;
		my @field = split ' ', (<$f> // '') =~ s/^.*\) //r;
		$ticks += $_ foreach @field[ 11 .. 14 ];
	}
	return $ticks / 100;
}

# One run: seconds, bytes, connections.
sub run_ingest
{
	my ($source, $xmp) = @_;
	my ($seconds, $id, $state) = split /\|/, psql(<<"END");
SELECT clock_timestamp() AS t0 \\gset
SELECT trident_ingest('$source', '$site', xmp => '$xmp') AS id \\gset
SELECT trident_job_wait(:id, '100s') AS state \\gset
SELECT round(extract(epoch FROM clock_timestamp() - :'t0'), 3), :id, :'state';
END
	die "job $id: $state: " . psql("SELECT error, detail FROM trident.job WHERE id = $id") if $state ne 'done';
	my ($bytes, $opened) = split /\|/, psql(
		"SELECT progress->>'bytes', progress->>'connections_opened' FROM trident.job WHERE id = $id");
	return ($seconds, $bytes, $opened);
}

# Positions of a source: how many, and how many are not those of the truth.
sub positions
{
	my ($source) = @_;
	my ($found, $false) = (0, 0);

	foreach my $line (split /\n/, psql(qq{SELECT concat_ws('|', f.path || '/' || p.name, latitude, longitude)
		FROM trident.gps_point g JOIN trident.photo p ON p.id = g.photo JOIN trident.site_folder f ON f.id = p.folder
		JOIN trident.site s ON s.id = p.site WHERE s.source = '$source'}))
	{
		my ($path, $lat, $lon) = split /\|/, $line;
		my $true = $truth->{ JSON::PP->new->utf8->decode(qq{["$path"]})->[0] };

		$found++;
		$false++ unless $true && defined $true->{lat} && abs($true->{lat} - $lat) < 1e-6 && abs($true->{lon} - $lon) < 1e-6;
	}
	return ($found, $false);
}

# What was read of photos of each kind, by the last letters of their names.
sub formats
{
	my ($source, $xmp) = @_;

	return psql(<<"END");
SELECT format('%-8s %7s %10s %12s %7s', 'xmp $xmp', 'photos', 'positions', 'bytes/photo', 'reads')
UNION ALL
SELECT format('%-8s %7s %10s %12s %7s', lower(substring(p.name, '[^.]*\$')), count(*), count(g.photo), round(avg(bytes_read)), round(avg(reads), 2))
FROM trident.photo p JOIN trident.site s ON s.id = p.site LEFT JOIN trident.gps_point g ON g.photo = p.id
WHERE s.source = '$source' GROUP BY lower(substring(p.name, '[^.]*\$'))
END
}

sub measure
{
	my ($name, %o) = @_;
	my $ssh = SftpTest->new(config => [ 'MaxStartups 200:30:400', @{ $o{config} // [] } ], before => $o{before});
	my @seconds;
	my ($bytes, $found, $false, $opened, $cpu) = (0, '-', '-', $o{paramiko} // 0, 0);

	foreach my $run (1 .. ($o{paramiko} ? 1 : $runs))
	{
		my $proxy = start_proxy($ssh->{port}, [ '-d', $o{delay} / 2, @{ $o{proxy} // [] } ]);
		my $port = $proxy->{port};
		if ($o{paramiko})
		{
			push @seconds, paramiko($ssh, $port, $o{paramiko}, \$bytes, \$cpu);
		}
		else
		{
			my $source = 's' . ++$sources;

			psql(source_sql($ssh, $source, port => $port, options => $o{options}));
			my $xmp = $o{xmp} // 'auto';
			run_ingest($source, $xmp) if $o{warm};
			my $before = cpu($ssh->{pid});
			my ($s, $b, $c) = run_ingest($source, $xmp);
			$cpu = cpu($ssh->{pid}) - $before;
			push @seconds, $s;
			($bytes, $opened) = ($b, $c);
			($found, $false) = positions($source);
			$formats{$xmp} = formats($source, $xmp);
			psql("DROP SERVER $source CASCADE; DELETE FROM trident.site WHERE source = '$source'");
		}
	}
	my $first = $seconds[0];
	@seconds = sort { $a <=> $b } @seconds;
	printf $out "%-10s %7.3f %7.3f %7.3f %7.3f %9.2f %7.2f %9s %6s %8d\n", $name, $seconds[ @seconds / 2 ], $first,
	  $seconds[0], $seconds[-1], $bytes / 1e6, $cpu, $found, $false, $opened;
	return;
}

# Open, read 32 kB, close, for each image, over so many connections.
sub paramiko
{
	my ($ssh, $port, $pool, $bytes, $cpu) = @_;
	my $before = cpu($ssh->{pid});

	# As bytes: the names in the truth are text.
	my $paths = join "\n", map { "$site/$_" } sort keys %$truth;
	utf8::encode($paths);
	write_file("$ssh->{path}/paths", $paths);
	my $json = `/usr/bin/python3 $work/paramiko_bench.py --port $port --user ${\ user_name()} --key $ssh->{path}/id --pool $pool --paths $ssh->{path}/paths`;
	my $result = decode_json($json || die "paramiko did not run\n");
	die "paramiko could not read $result->{failed} files\n" if $result->{failed};
	$$bytes = $result->{bytes};
	$$cpu = cpu($ssh->{pid}) - $before;
	return $result->{total_s};
}
