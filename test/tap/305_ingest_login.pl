# Logins by password and by keyboard-interactive, right and wrong, on an OpenSSH
# server that root runs; and where passwords, keys and passphrases are afterwards:
# in the user mapping, and nowhere else that anybody can look.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SftpTest;
use Test::More;

plan skip_all => 'no /usr/sbin/sshd here' unless -x '/usr/sbin/sshd';

my $password = "the password $$";
my $wrong = "wrong password $$";
my $node = sftp_node('ingest_login', "fsync = off\nlog_min_messages = debug1\nlog_connections = on\n");
my $ssh = SftpTest->new;
my $site = "$ssh->{path}/files/site";

sub value { return $node->safe_psql('postgres', $_[0]) }

sub error { return error_of($node, @_) }

sub quoted { return $_[0] =~ s/'/''/gr }

# How many attempts to log in the server has seen.
sub attempts
{
	my ($folder) = @_;
	my @found = slurp_file("$folder/sshd.log") =~ /^Failed (?:password|keyboard-interactive)/mg;

	return scalar @found;
}

# How many more it sees: those that are expected are awaited, since the server
# writes its log after its answer.
sub further_attempts
{
	my ($folder, $before, $expected) = @_;

	wait_until("$expected attempts in the server's log", sub { attempts($folder) >= $before + $expected });
	return attempts($folder) - $before;
}

mkdir $site;
write_file("$site/i$_.jpg", jpeg($_, -$_)) foreach 1 .. 30;
# The user who logs in is another than the one who runs this.
chmod 0755, "$ssh->{path}/..", $ssh->{path}, "$ssh->{path}/files", $site, glob "$site/*";
SKIP:
{
	skip 'an SSH server that checks passwords has to be run by root: test/run as root starts one (test/tools/root-sshd)', 15
	  unless $ENV{TRIDENT_ROOT_SSHD};

	my ($folder, $password_port, $keyboard_port, $user) = split ' ', $ENV{TRIDENT_ROOT_SSHD};
	my ($pin) = `ssh-keygen -l -f $folder/host.pub` =~ /(SHA256:\S+)/;

	$password = slurp_file("$folder/password");
	foreach ([ 'by_password', $password_port, $password ], [ 'by_keyboard', $keyboard_port, $password ],
		[ 'wrong_password', $password_port, $wrong ], [ 'wrong_keyboard', $keyboard_port, $wrong ])
	{
		my ($source, $port, $word) = @$_;

		value(source_sql($ssh, $source, port => $port, host_key => $pin, login => "user '$user', password '" . quoted($word) . "'"));
	}

	foreach my $source ('by_password', 'by_keyboard')
	{
		is(value("SELECT count(*) FROM trident_sftp_list('$source', '$site')"), 30, "$source: a listing");
		my $id = value("SELECT trident_ingest('$source', '$site')");
		is(value("SELECT trident_job_wait($id, '60s')") . value("SELECT progress->>'points' FROM trident.job WHERE id = $id"), 'done30', "$source: a job");
	}
	like(slurp_file("$folder/sshd.log"), qr/^Accepted $_ for/m, "the server accepted it by $_") foreach 'password', 'keyboard-interactive/pam';

	foreach my $source ('wrong_password', 'wrong_keyboard')
	{
		my $before = attempts($folder);

		like(error("SELECT * FROM trident_sftp_list('$source', '$site')"), qr/28P01: .*refused user "$user" by password.*HINT: .*password of the user mapping/s, "$source is refused");
		is(further_attempts($folder, $before, 1), 1, "$source: it was tried once");
		my $id = value("SELECT trident_ingest('$source', '$site')");
		is(value("SELECT trident_job_wait($id, '60s')") . value("SELECT error_code FROM trident.job WHERE id = $id"), 'failed28P01', "$source: a job fails");
		is(further_attempts($folder, $before, 2), 2, "$source: and does not try again");
	}
	value("ALTER USER MAPPING FOR CURRENT_USER SERVER wrong_password OPTIONS (SET password '" . quoted($password) . "')");
	is(value("SELECT count(*) FROM trident_sftp_list('wrong_password', '$site')"), 30, 'the right one helps');
}

# A server that takes no password: what it was told is not shown either.
value(source_sql($ssh, 'keys_only', login => "user '" . user_name() . "', password '" . quoted($password) . "'"));
my $seen = error("SELECT * FROM trident_sftp_list('keys_only', '$site')");
like($seen, qr/28P01: .*by password/, 'a server that takes no password');

# More secrets, used well and badly, while somebody watches.
$ssh->make_key('locked', 'ed25519', 'open sesame');
append_to_file("$ssh->{path}/authorized_keys", $ssh->slurp('locked.pub'));
value(source_sql($ssh, 'locked', private_key => $ssh->slurp('locked'), mapping => "passphrase 'open sesame'"));
value(source_sql($ssh, 'shut', private_key => $ssh->slurp('locked'), mapping => "passphrase 'not this one'"));
foreach my $source ('locked', 'shut')
{
	my $id = value("SELECT trident_ingest('$source', '$site')");
	value("SELECT trident_job_wait($id, '60s')");
	$seen .= error("SELECT * FROM trident_sftp_list('$source', '$site')");
	$seen .= value('SELECT string_agg(a::text, E\'\n\') FROM pg_stat_activity a');
}
like($seen, qr/28000/, 'a wrong passphrase is an error');
is(value(q{SELECT string_agg(state, ',' ORDER BY id) FROM (TABLE trident.job ORDER BY id DESC LIMIT 2) j}), 'done,failed', 'jobs ended as they should');

# Every view and table that is not the catalog of mappings, and all statistics.
my $relations = value(q{SELECT string_agg(format('SELECT %L, (SELECT string_agg(x::text, E''\n'') FROM %s x)', c.oid::regclass, c.oid::regclass), ' UNION ALL ')
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'v', 'm') AND (n.nspname = 'trident' OR (n.nspname = 'pg_catalog' AND c.relname ~ '^pg_stat|^pg_settings$|^pg_foreign|^pg_prepared|^pg_shmem|^pg_backend'))
	AND has_table_privilege(c.oid, 'SELECT')});
$seen .= value($relations);
like($seen, qr/trident\.job/, 'views are looked at');
$seen .= value("SELECT string_agg(pg_get_functiondef(oid), '') FROM pg_proc WHERE pronamespace = 'trident'::regnamespace AND prokind = 'f'");
$node->stop;
my $log = slurp_file($node->logfile);
my @secrets = ($password, $wrong, 'open sesame', 'not this one', map { $ssh->slurp($_) =~ /\n(\S{40})/ } 'id', 'locked');
is(scalar @secrets, 6, 'six secrets');
foreach my $i (0 .. $#secrets)
{
	ok(index($log, $secrets[$i]) < 0, "secret $i is not in the log") or diag(grep { index($_, $secrets[$i]) >= 0 } split /^/, $log);
	ok(index($seen, $secrets[$i]) < 0, "secret $i is in no view and no error");
}

# A stranger sees none of the mappings; what is shown of it is PostgreSQL's.
$node->start;
is(value(q{CREATE ROLE stranger; SET ROLE stranger; SELECT count(*) > 2, count(umoptions) FROM pg_user_mappings}), 't|0', 'a stranger sees no options of mappings');
is(value(q{SET ROLE stranger; SELECT count(*) FROM trident.job}), 0, 'nor jobs');
$node->stop;
done_testing();
