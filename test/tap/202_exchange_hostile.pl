# Nodes that speak the protocol and answer what no server would: each call ends
# with an error, and who asked lives on.  And connections that are given up
# before they are established, or made anew after settings changed.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use ExchangeTest;
use IO::Socket::INET;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'needs a library with fault points (TRIDENT_FAULTS)'
  unless $ENV{TRIDENT_FAULTS};

my $node = exchange_node('hostile', conf => "shared_preload_libraries = trident\ntrident.exchange_timeout = '20s'\n");
my @children;

END
{
	local $?;
	kill 'TERM', @children;
	waitpid $_, 0 foreach @children;
}

sub message { my ($type, $body) = @_; return $type . pack('N', 4 + length $body) . $body }

# A row of text: its description, itself, and its end.
sub row
{
	my (@values) = @_;

	return message('1', '') . message('2', '')
	  . message('T', pack('n', scalar @values) . join '', map { "c\0" . pack 'NnNnNn', 0, 0, 25, 65535, 4294967295, 0 } @values)
	  . message('D', pack('n', scalar @values) . join '', map { pack 'N/a*', $_ } @values)
	  . message('C', "SELECT 1\0") . message('Z', 'I');
}

# One client of a node: welcomed, then each sync gets the next of the answers.
sub serve
{
	my ($client, %o) = @_;
	my $buffer = '';
	my $take = sub { my ($n) = @_; while (length $buffer < $n) { sysread $client, $buffer, 65536, length $buffer or POSIX::_exit(0) } return substr $buffer, 0, $n, '' };
	my @answers = @{ $o{answers} };

	while (1)
	{
		my $start = $take->(unpack('N', $take->(4)) - 4);

		last unless unpack('N', $start) == 80877103;
		syswrite $client, 'N';
	}
	syswrite $client, $o{welcome} // message('R', pack 'N', 0) . message('S', "server_version\00015.0\0") . message('K', pack 'NN', 1, 1) . message('Z', 'I');
	while (1)
	{
		my ($type, $length) = unpack 'aN', $take->(5);

		$take->($length - 4);
		next unless $type eq 'S';
		syswrite $client, @answers ? shift @answers : row('1');
		next if @answers || !$o{then};
		1 while syswrite $client, $o{then};
	}
}

# A node of that name; its port is listened to here, by a process of its own.
sub fake
{
	my ($name, %o) = @_;
	my $socket = IO::Socket::INET->new(Listen => 10, LocalAddr => '127.0.0.1', Proto => 'tcp') or die;

	add_node($node, $name, $socket->sockport);
	my $pid = fork // die;
	if ($pid == 0)
	{
		open STDOUT, '>', '/dev/null';
		open STDERR, '>&', \*STDOUT;
		$SIG{PIPE} = 'IGNORE';
		$SIG{CHLD} = 'IGNORE';
		while (my $client = $socket->accept)
		{
			serve($client, %o) if fork == 0;
			close $client;
		}
		POSIX::_exit(0);
	}
	push @children, $pid;
	return $socket;
}

# What a call says, run by the superuser; the mode is auto unless said.
sub call
{
	my ($name, $mode) = @_;
	my ($out, $err, $late) = ('', '');

	$node->psql('postgres', "SET trident.exchange_mode = $mode; SELECT coalesce(value, error) FROM probe('{$name}', 'SELECT 1')",
		stdout => \$out, stderr => \$err, timeout => 60, timed_out => \$late, on_error_stop => 0, extra_params => [ '-U', 'admin' ]);
	return $late ? 'it does not end' : "$out$err";
}

my $greeting = row('150000', 'f', 'UTF8', '7', '5', '', '');
my $none = message('E', "SERROR\0C42P01\0Mno such table\0\0") . message('Z', 'I');
my %copies = (
	out => message('H', pack 'Cn', 0, 0),
	in => message('G', pack 'Cn', 0, 0),
	both => message('W', pack 'Cn', 0, 0));

fake('honest', answers => [ $greeting, $none ]);
foreach my $kind (sort keys %copies)
{
	fake("greets_$kind", answers => [ $copies{$kind} ]);
	fake("answers_$kind", answers => [ $greeting, $none, message('1', '') . message('2', '') . $copies{$kind} ]);
}
fake('no_text', welcome => message('E', "SFATAL\0C28000\0Mnot \xff\xfe text\0\0"), answers => []);
my $flood = fake('flood', answers => [ $greeting, $none, row('1') ],
	then => message('A', pack('N', 1) . "channel\0" . 'x' x 900 . "\0") x 100);

foreach my $mode ('worker', 'direct')
{
	is(call('honest', $mode), '1', "a node that behaves, $mode");
	foreach my $kind (sort keys %copies)
	{
		like(call("greets_$kind", $mode), qr/^08P01 \w+: the node's answer is not one to what was sent/, "COPY $kind for a greeting, $mode");
		like(call("answers_$kind", $mode), qr/^08P01 \w+: the node's answer is not one to what was sent/, "COPY $kind for an answer, $mode");
	}
	like(call('no_text', $mode), qr/^TR001 connect: .*not \?\? text/, "an error that is no text, $mode");
	is(call('flood', $mode), '1', "a node that then sends without end, $mode");
	await($node, q{SELECT coalesce(sum(connections), 0) = 0 FROM trident.stat_pool WHERE node = 'flood'}, "it is disconnected, $mode");
}

# What it tells of itself is text, or nothing.
fake('no_name', answers => [ row('150000', 'f', "UTF8\xff", '7', '5', "\xff\xfe", '') , $none ]);
my (undef, $shown, $complaint) = $node->psql('postgres', q{SET ROLE admin; SELECT count(*) > 0 FROM trident_node_check('no_name');
	SET client_encoding = LATIN1; SELECT server_version, trident_version = '' FROM trident.node WHERE node = 'no_name'});
is("$shown$complaint", "t\n15.0|t", 'names that are no text');
is(call('honest', 'worker'), '1', 'the worker lives on');
my $worker = $node->safe_psql('postgres', q{SELECT pid FROM trident.stat_worker WHERE kind = 'exchange' AND state = 'ready'});
my ($peak) = slurp_file("/proc/$worker/status") =~ /VmHWM:\s+(\d+) kB/;
cmp_ok($peak, '<', 100_000, 'and has not grown');

# Given up while it connects, a connection of a backend is gone; one whose
# session is idle after that would count against the bound of all.
my $deaf = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', Proto => 'tcp') or die;
add_node($node, 'deaf', $deaf->sockport);
is(probe($node, 'admin', <<'SQL'), "0\nERROR:  canceling statement due to statement timeout", 'given up while it connects');
SET trident.exchange_mode = direct;
SET statement_timeout = '500ms';
SELECT error FROM probe('{deaf}', 'SELECT 1');
RESET statement_timeout;
\o /dev/null
SELECT 1;
\o
SELECT coalesce(sum(connections), 0) FROM trident.stat_pool WHERE node = 'deaf';
SQL

# A connection that is made anew knows what its statement_timeout is: what is
# left of the call's time, rounded up.
like(probe($node, 'admin', <<'SQL'), qr/^[12]s\n2min$/, 'a setting that changed since the route was found');
SET trident.exchange_mode = direct;
SET trident.exchange_timeout = '1s';
SELECT value FROM probe('{n1}', $$SELECT current_setting('statement_timeout')$$);
SET trident.exchange_timeout = '100s';
\o /dev/null
SELECT pg_terminate_backend(pid, 5000) FROM probe('{n1}', 'SELECT 1');
\o
SELECT value FROM probe('{n1}', $$SELECT current_setting('statement_timeout')$$);
SQL

$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|signal 11/, 'nothing unexpected in the log');
done_testing();
