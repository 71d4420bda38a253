# SftpTest.pm
#	  What the tests of ingest share: an OpenSSH server on loopback, and a
#	  proxy before it that delays, cuts and stalls.
#
# The server runs as the user of the test, with keys only: OpenSSH checks
# passwords of others as root only.  Everything lives in a temporary folder
# and is stopped by its pid when the object goes.

package SftpTest;

use strict;
use warnings;
use feature 'state';

use Cwd qw(abs_path);
use Exporter 'import';
use IO::Socket::INET;
use File::Temp;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();

our @EXPORT = qw(sftp_node error_of source_sql wait_until jpeg write_file user_name start_proxy);

sub user_name
{
	return scalar getpwuid $>;
}

# A server: new(config => [lines of sshd_config], host_key => type, before =>
# what a shell does before it becomes the server).
sub new
{
	my ($class, %o) = @_;
	my $dir = File::Temp->newdir(DIR => PostgreSQL::Test::Utils::tempdir_short());
	my $self = bless {
		dir => $dir, path => abs_path("$dir"),
		config => $o{config} // [], host_key => $o{host_key} // 'ed25519',
		before => $o{before} // 'true'
	}, $class;

	mkdir "$self->{path}/files";
	$self->make_key('id', $o{key_type} // 'ed25519', '');
	$self->make_key('host', $self->{host_key}, '');
	PostgreSQL::Test::Utils::system_or_bail('cp', "$self->{path}/id.pub",
		"$self->{path}/authorized_keys");
	chmod 0600, "$self->{path}/authorized_keys";
	$self->{port} = PostgreSQL::Test::Cluster::get_free_port();
	$self->start;
	return $self;
}

sub make_key
{
	my ($self, $name, $type, $passphrase) = @_;

	unlink "$self->{path}/$name", "$self->{path}/$name.pub";
	PostgreSQL::Test::Utils::system_or_bail('ssh-keygen', '-q', '-t', $type,
		'-N', $passphrase, '-C', 'test', '-f', "$self->{path}/$name");
	return;
}

# Start with the configuration as it is now; its lines come before ours.
sub start
{
	my ($self) = @_;
	my $path = $self->{path};
	my %theirs = map { (split)[0] => 1 } @{ $self->{config} };
	my $ours = <<"END";
ListenAddress 127.0.0.1
Port $self->{port}
HostKey $path/host
PidFile none
AuthorizedKeysFile $path/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
UseDNS no
PrintMotd no
Compression yes
LogLevel VERBOSE
Subsystem sftp internal-sftp
END

	write_file("$path/sshd_config", join '', map { "$_\n" } @{ $self->{config} },
		grep { !$theirs{ (split)[0] } } split /\n/, $ours);
	my $pid = fork // die;
	if ($pid == 0)
	{
		open STDIN, '<', '/dev/null';
		open STDOUT, '>>', "$path/sshd.log";
		open STDERR, '>&', \*STDOUT;
		POSIX::setpgid(0, 0);
		# it goes with the test, also when that is killed
		exec 'setpriv', '--pdeathsig', 'TERM', 'sh', '-c', "$self->{before} && exec /usr/sbin/sshd -D -e -f $path/sshd_config"
		  or POSIX::_exit(127);
	}
	$self->{pid} = $pid;
	wait_until('sshd listens', sub {
		IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port})
	});
	return;
}

# Stop the server and, as they are its group, every connection of it.
sub stop
{
	my ($self) = @_;
	my $pid = delete $self->{pid} // return;

	kill 'KILL', children($pid), $pid;
	waitpid $pid, 0;
	return;
}

# The processes below one.
sub children
{
	my ($of) = @_;
	my %parent;

	foreach my $file (glob '/proc/[0-9]*/stat')
	{
		open my $f, '<', $file or next;
		my ($pid, $parent) = (<$f> // next) =~ /^(\d+) .*\) \S (\d+)/;
		$parent{$pid} = $parent;
	}
	my @found = grep { $parent{$_} == $of } keys %parent;
	return map { (children($_), $_) } @found;
}

sub log
{
	my ($self) = @_;
	return PostgreSQL::Test::Utils::slurp_file("$self->{path}/sshd.log");
}

# How many logins there were.
sub logins
{
	my ($self) = @_;
	my @found = $self->log =~ /^Accepted publickey/mg;
	return scalar @found;
}

sub slurp
{
	my ($self, $name) = @_;
	return PostgreSQL::Test::Utils::slurp_file("$self->{path}/$name");
}

sub fingerprint
{
	my ($self) = @_;
	my ($found) = `ssh-keygen -l -f $self->{path}/host.pub` =~ /(SHA256:\S+)/;
	return $found;
}

# A proxy before a port, with arguments of test/tools/delayproxy.c; port => N
# for one that listens there.  An object that ends it by its pid.
sub start_proxy
{
	my ($to, $arguments, %o) = @_;
	state $program;
	my $port_file = PostgreSQL::Test::Utils::tempdir() . '/port';

	if (!defined $program)
	{
		$program = PostgreSQL::Test::Utils::tempdir() . '/delayproxy';
		PostgreSQL::Test::Utils::system_or_bail('cc', '-O1', '-o', $program, 'test/tools/delayproxy.c');
	}
	my $pid = fork // die;
	if ($pid == 0)
	{
		exec $program, '-l', $o{port} // 0, '-t', $to, '-R', $port_file, @$arguments
		  or POSIX::_exit(127);
	}
	wait_until('the proxy listens', sub { -s $port_file });
	return bless { pid => $pid, port => PostgreSQL::Test::Utils::slurp_file($port_file) + 0 }, 'SftpTest::Proxy';
}

sub SftpTest::Proxy::stop
{
	my ($self) = @_;
	my $pid = delete $self->{pid} // return;

	kill 'KILL', $pid;
	waitpid $pid, 0;
	return;
}

sub SftpTest::Proxy::DESTROY
{
	my ($self) = @_;
	local $?;
	$self->stop;
	return;
}

sub DESTROY
{
	my ($self) = @_;
	local $?;
	$self->stop;
	return;
}

# SQL that creates a source and the current user's mapping.
sub source_sql
{
	my ($ssh, $name, %o) = @_;
	my $key = $o{private_key} // $ssh->slurp('id');
	my $port = $o{port} // $ssh->{port};
	my $options = $o{options} ? ", $o{options}" : '';
	my $host_key = exists $o{host_key} ? $o{host_key} : $ssh->fingerprint;
	my $pin = defined $host_key ? ", host_key '$host_key'" : '';
	my $user = user_name();
	my $more = $o{mapping} ? ", $o{mapping}" : '';
	my $login = $o{login} // "user '$user', private_key '$key'$more";

	return <<"END";
CREATE SERVER $name FOREIGN DATA WRAPPER trident_sftp
	OPTIONS (host '127.0.0.1', port '$port'$pin$options);
CREATE USER MAPPING FOR CURRENT_USER SERVER $name
	OPTIONS ($login);
END
}

# A started PostgreSQL server with the extension.
sub sftp_node
{
	my ($name, $conf) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	# names of files are text where the encoding says what text is
	$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
	$node->append_conf('postgresql.conf',
		"shared_preload_libraries = 'trident'\nlog_statement = none\nlog_min_error_statement = panic\n" . ($conf // ''));
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION trident');
	return $node;
}

# The error of a statement: SQLSTATE, message, detail, hint; user => as that role.
sub error_of
{
	my ($node, $sql, %o) = @_;
	my ($out, $err) = ('', '');

	$node->psql('postgres', "\\set VERBOSITY verbose\n$sql", stdout => \$out, stderr => \$err,
		extra_params => $o{user} ? [ '-U', $o{user} ] : []);
	return $err;
}

# Wait until a claim holds; dies when it does not in time.
sub wait_until
{
	my ($what, $claim) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	until ($claim->())
	{
		die "waited in vain: $what" if time > $deadline;
		Time::HiRes::usleep(10_000);
	}
	return;
}

# A JPEG with a position in its EXIF block (degrees, north and east positive),
# or without one; padding in front of the block, then bytes up to a size.
sub jpeg
{
	my ($lat, $lon, %o) = @_;
	my $exif = '';

	if (defined $lat)
	{
		my $dms = sub {
			my $u = POSIX::floor(abs($_[0]) * 3600 * 10000 + 0.5);
			return pack 'V6', POSIX::floor($u / 36000000), 1,
			  POSIX::floor($u / 600000) % 60, 1, $u % 600000, 10000;
		};
		my $gps = 8 + 2 + 12 + 4;
		my $values = $gps + 2 + 4 * 12 + 4;
		my $tiff = "II*\0" . pack('V', 8) . pack('v', 1)
		  . pack('vvVV', 0x8825, 4, 1, $gps) . pack('V', 0)
		  . pack('v', 4)
		  . pack('vvVa4', 1, 2, 2, $lat < 0 ? 'S' : 'N')
		  . pack('vvVV', 2, 5, 3, $values)
		  . pack('vvVa4', 3, 2, 2, $lon < 0 ? 'W' : 'E')
		  . pack('vvVV', 4, 5, 3, $values + 24)
		  . pack('V', 0) . $dms->($lat) . $dms->($lon);
		my $body = "Exif\0\0$tiff";
		$exif = "\xff\xe1" . pack('n', 2 + length $body) . $body;
	}
	my $pad = '';
	for (my $left = $o{pad} // 0; $left > 0; $left -= 60000)
	{
		my $n = $left > 60000 ? 60000 : $left;
		$pad .= "\xff\xe2" . pack('n', 2 + $n) . ('p' x $n);
	}
	my $bytes = "\xff\xd8$pad$exif\xff\xda" . ("\x11" x 64);
	my $size = $o{size} // 0;
	$bytes .= "\x11" x ($size - length $bytes) if $size > length $bytes;
	return $bytes;
}

sub write_file
{
	my ($path, $bytes) = @_;

	open my $f, '>:raw', $path or die "$path: $!";
	print $f $bytes;
	close $f or die "$path: $!";
	return;
}

1;
