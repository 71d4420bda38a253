# Sources and looking around on a real OpenSSH server: host keys that are
# pinned, unknown or changed; keys and passphrases that fit or not; limits of
# the library told; listings, reads and names of any bytes; consent to a source
# that leads elsewhere; and no secret in any log or view.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SftpTest;
use Test::More;

plan skip_all => 'no /usr/sbin/sshd here' unless -x '/usr/sbin/sshd';

my $ssh = SftpTest->new;
my $node = sftp_node('sftp');
my $dir = "$ssh->{path}/files";

sub error { return error_of($node, @_) }

sub value { return $node->safe_psql('postgres', $_[0]) }

# Host keys.
is(value("SELECT type, fingerprint FROM trident_sftp_host_key('127.0.0.1', $ssh->{port})"),
	'ssh-ed25519|' . $ssh->fingerprint, 'trident_sftp_host_key shows the key');
value(source_sql($ssh, 'photos'));
value(source_sql($ssh, 'unpinned', host_key => undef));
value(source_sql($ssh, 'public_key', host_key => join ' ', (split ' ', $ssh->slurp('host.pub'))[0, 1]));
value(source_sql($ssh, 'wrong', host_key => 'SHA256:' . 'A' x 43));

my $fingerprint = quotemeta $ssh->fingerprint;
like(error(q{SELECT trident_sftp_stat('unpinned', '.')}),
	qr/TR401: .*not known.*$fingerprint.*ALTER SERVER unpinned OPTIONS \(ADD host_key '$fingerprint'\)/s,
	'an unknown host key is refused, with its fingerprint and the command that pins it');
my $logins = $ssh->logins;
like(error(q{SELECT trident_sftp_stat('wrong', '.')}),
	qr/TR402: .*not the pinned one.*$fingerprint.*ALTER SERVER wrong OPTIONS \(SET host_key '$fingerprint'\)/s,
	'another host key than the pinned one is refused');
is($ssh->logins, $logins, 'no login where the host key did not fit');
is(value(qq{SELECT kind FROM trident_sftp_stat('public_key', '$dir')}), 'folder',
	'a public key pins as its fingerprint does');
value("ALTER SERVER unpinned OPTIONS (ADD host_key '" . $ssh->fingerprint . "')");
is(value(qq{SELECT kind FROM trident_sftp_stat('unpinned', '$dir')}), 'folder', 'pinned by that command');
is($ssh->logins, $logins + 2, 'these two were logins');

# A server with several keys: a fingerprint says nothing of its type.
{
	my $path = $ssh->{path};

	$ssh->stop;
	$ssh->make_key('host_ecdsa', 'ecdsa', '');
	push @{ $ssh->{config} }, "HostKey $path/host", "HostKey $path/host_ecdsa";
	$ssh->start;
	my ($ecdsa) = `ssh-keygen -l -f $path/host_ecdsa.pub` =~ /(SHA256:\S+)/;
	is(value("SELECT type, fingerprint FROM trident_sftp_host_key('127.0.0.1', $ssh->{port})"),
		'ssh-ed25519|' . $ssh->fingerprint . "\necdsa-sha2-nistp256|$ecdsa", 'trident_sftp_host_key shows all keys');
	value(source_sql($ssh, 'second', host_key => $ecdsa));
	is(value(q{SELECT kind FROM trident_sftp_stat('second', '.')}), 'folder', 'the second key is pinned by its fingerprint');
	value(source_sql($ssh, 'several', host_key => 'nas,127.0.0.1 ' . join ' ', (split ' ', $ssh->slurp('host_ecdsa.pub'))[0, 1]));
	is(value(q{SELECT kind FROM trident_sftp_stat('several', '.')}), 'folder', 'and by a line of known_hosts with several hosts');
	like(error(q{SELECT trident_sftp_stat('wrong', '.')}), qr/TR402: .*not the pinned one.*$fingerprint/s, 'none of them is pinned');
	splice @{ $ssh->{config} }, -2;
	$ssh->stop;
	$ssh->start;
}

# Listings and reads.
write_file("$dir/small.txt", "0123456789");
write_file("$dir/empty", '');
write_file("$dir/line\nfeed", 'a');
write_file("$dir/latin\xe9", 'b');
write_file("$dir/back\\slash", 'c');
write_file("$dir/gr\xc3\xbcn", 'd');
write_file("$dir/bidi\xe2\x80\xae", 'e');
mkdir "$dir/folder";
symlink 'folder', "$dir/link";
utime 1700000000, 1700000000, "$dir/small.txt";
chmod 0640, "$dir/small.txt";
is(value(qq{SELECT name, kind, size, mode FROM trident_sftp_list('photos', '$dir') WHERE kind <> 'folder' ORDER BY name COLLATE "C"}),
	join("\n", 'back\x5cslash|file|1|0644', 'bidi\xe2\x80\xae|file|1|0644', 'empty|file|0|0644', "gr\xc3\xbcn|file|1|0644", 'latin\xe9|file|1|0644',
		'line\x0afeed|file|1|0644', 'link|link|6|0777', 'small.txt|file|10|0640'),
	'a listing, with names of any bytes');
is(value(qq{SELECT extract(epoch FROM modified) FROM trident_sftp_stat('photos', '$dir/small.txt')}),
	'1700000000.000000', 'time of last change');
is(value(qq{SELECT string_agg(convert_from(trident_sftp_read('photos', '$dir/' || name), 'UTF8'), '' ORDER BY name COLLATE "C")
	FROM trident_sftp_list('photos', '$dir') WHERE kind = 'file'}), 'cedba0123456789',
	'names as shown are paths');
is(value(qq{SELECT trident_sftp_read('photos', '$dir/small.txt', 3, 4), trident_sftp_read('photos', '$dir/small.txt', 8, 99),
	trident_sftp_read('photos', '$dir/small.txt', 10), trident_sftp_read('photos', '$dir/empty')}),
	'\x33343536|\x3839|\x|\x', 'parts of a file');
is(value(qq{SELECT trident_sftp_stat('photos', '$dir/none') IS NULL}), 't', 'nothing there');
like(error(qq{SELECT trident_sftp_read('photos', '$dir/none')}), qr/58P01: .*no such file/, 'no such file');
like(error(qq{SELECT * FROM trident_sftp_list('photos', '$dir/none')}), qr/58P01: .*no such file/, 'no such folder');
like(error(q{SELECT trident_sftp_stat('photos', 'a\b')}), qr/22P02: .*x5c/s, 'a backslash that escapes nothing');

my $big = join '', map { pack 'N', $_ } 1 .. 3_000_000;
write_file("$dir/big", $big);
is(value(qq{SELECT md5(trident_sftp_read('photos', '$dir/big'))}),
	do { require Digest::MD5; Digest::MD5::md5_hex($big) }, '12 MB arrive as they are');

# One connection serves a transaction.
my $before = $ssh->logins;
is(value(qq{SELECT count(trident_sftp_read('photos', '$dir/small.txt', i, 1)) FROM generate_series(1, 100) i}), 100,
	'a hundred reads');
is($ssh->logins - $before, 1, 'over one login');
like(error(qq{DO \$\$ BEGIN
	BEGIN PERFORM trident_sftp_read('photos', '$dir/none'); EXCEPTION WHEN undefined_file THEN NULL; END;
	RAISE NOTICE 'still %', trident_sftp_read('photos', '$dir/small.txt', 0, 1);
	END \$\$}), qr/still \\x30/, 'a caught error leaves the source usable');
like(error(qq{SET statement_timeout = '50ms'; SELECT count(trident_sftp_read('photos', '$dir/big')) FROM generate_series(1, 1000)}),
	qr/57014/, 'a read is interrupted');

# Credentials.
$ssh->make_key('other', 'ed25519', '');
$ssh->make_key('locked', 'ed25519', 'open sesame');
$ssh->make_key('rsa', 'rsa', '');
write_file("$ssh->{path}/authorized_keys", join '', map { $ssh->slurp("$_.pub") } qw(id locked rsa));
value(source_sql($ssh, 'other', private_key => $ssh->slurp('other')));
value(source_sql($ssh, 'locked', private_key => $ssh->slurp('locked'), mapping => "passphrase 'open sesame'"));
value(source_sql($ssh, 'shut', private_key => $ssh->slurp('locked'), mapping => "passphrase 'wrong phrase'"));
value(source_sql($ssh, 'rsa', private_key => $ssh->slurp('rsa')));
value(source_sql($ssh, 'nonsense', private_key => 'hocus-pocus-secret'));
is(value(q{SELECT kind FROM trident_sftp_stat('locked', '.')}), 'folder', 'an encrypted key with its passphrase');
like(error(q{SELECT trident_sftp_stat('other', '.')}), qr/28000: .*refused user.*by private key.*HINT/s, 'a key that the server does not know');
like(error(q{SELECT trident_sftp_stat('shut', '.')}), qr/28000: .*could not be read.*passphrase/s, 'a wrong passphrase');
like(error(q{SELECT trident_sftp_stat('nonsense', '.')}), qr/28000: .*could not be read/s, 'what is no key');
my $rsa = error(q{SELECT trident_sftp_stat('rsa', '.')});
ok($rsa eq '' || $rsa =~ /28000: .*RSA.*SHA-1.*ed25519.*1\.11/s, 'RSA works, or the error says what to do') or diag $rsa;
value("ALTER USER MAPPING FOR CURRENT_USER SERVER other OPTIONS (DROP private_key, ADD private_key_file '$ssh->{path}/id')");
is(value(q{SELECT kind FROM trident_sftp_stat('other', '.')}), 'folder', 'a key in a file');

# A hardened server.
$ssh->stop;
push @{ $ssh->{config} }, 'Ciphers chacha20-poly1305@openssh.com';
$ssh->start;
like(error(q{SELECT trident_sftp_stat('photos', '.')}), qr/08001: could not agree on encryption.*libssh2.*HINT.*1\.11/s,
	'no algorithm in common');
pop @{ $ssh->{config} };
$ssh->stop;
like(error(q{SELECT trident_sftp_stat('photos', '.')}), qr/08001: could not connect.*refused.*HINT/s, 'no server');
$ssh->start;

# Rights: to the wrapper, the server, the file of a key; and consent.
value(q{CREATE ROLE owner LOGIN; CREATE ROLE guest LOGIN; CREATE ROLE nobody_else LOGIN;
	GRANT USAGE ON FOREIGN DATA WRAPPER trident_sftp TO owner});
like(error(q{CREATE SERVER mine FOREIGN DATA WRAPPER trident_sftp OPTIONS (host 'h')}, user => 'guest'), qr/42501/,
	'USAGE on the wrapper is not PUBLIC');
like(error(q{SELECT * FROM trident_sftp_host_key('127.0.0.1', 22)}, user => 'guest'), qr/42501/,
	'nor is trident_sftp_host_key');
my $pin = $ssh->fingerprint;
is(error(qq{CREATE SERVER theirs FOREIGN DATA WRAPPER trident_sftp OPTIONS (host '127.0.0.1', port '$ssh->{port}', host_key '$pin');
	GRANT USAGE ON FOREIGN SERVER theirs TO guest}, user => 'owner'), '', 'a source of an ordinary role');
like(error(q{SELECT trident_sftp_stat('theirs', '.')}, user => 'nobody_else'), qr/42501: .*GRANT USAGE/s, 'USAGE on the source is needed');
like(error(q{SELECT trident_sftp_stat('theirs', '.')}, user => 'guest'), qr/42704: .*no user mapping.*CREATE USER MAPPING/s, 'and a mapping');
like(error(q{CREATE USER MAPPING FOR guest SERVER theirs OPTIONS (user 'x', private_key_file '/etc/passwd')}, user => 'guest'),
	qr/42501: .*private_key/s, 'files are for superusers');
my ($user, $key) = (user_name(), $ssh->slurp('id'));
is(error(qq{CREATE USER MAPPING FOR guest SERVER theirs OPTIONS (user '$user', private_key '$key')}, user => 'guest'), '', 'a mapping');
my $stat = q{SELECT kind FROM trident_sftp_stat('theirs', '.')};
is(error($stat, user => 'guest'), '', 'needs no further consent at first');
is(error(q{ALTER SERVER theirs OPTIONS (SET host 'localhost')}, user => 'owner'), '', 'the owner changes the host');
like(error($stat, user => 'guest'), qr/TR403: .*leads to localhost.*confirmed is 127\.0\.0\.1.*trident_sftp_confirm\('theirs'\)/s,
	'others'. q{' mappings are not used for it});
like(error(q{ALTER USER MAPPING FOR guest SERVER theirs OPTIONS (SET confirmed 'x')}, user => 'owner'), qr/42501/,
	'the owner cannot consent for them');
like(error(q{SELECT trident_sftp_confirm('theirs')}, user => 'owner'), qr/42704/, 'nor by the function');
is(error(q{SELECT trident_sftp_confirm('theirs')}, user => 'guest'), '', 'the role itself can');
is(error($stat, user => 'guest'), '', 'then they are used again');
is(error(qq{ALTER SERVER theirs OPTIONS (DROP host_key)}, user => 'owner'), '', 'the owner changes the pin');
like(error($stat, user => 'guest'), qr/TR403/, 'which needs consent too');

# A file of the server: a superuser names it for a role, and the mapping is the
# role's otherwise.
value(qq{CREATE ROLE filed LOGIN; GRANT USAGE ON FOREIGN SERVER theirs TO filed;
	CREATE USER MAPPING FOR filed SERVER theirs OPTIONS (user 'somebody', private_key_file '$ssh->{path}/id')});
is(error(qq{ALTER SERVER theirs OPTIONS (ADD host_key '$pin')}, user => 'owner'), '', 'the owner pins again');
is(error(q{SELECT trident_sftp_confirm('theirs')}, user => 'filed'), '', 'the role of a mapping with a file can confirm');
is(error(qq{ALTER USER MAPPING FOR filed SERVER theirs OPTIONS (SET user '$user')}, user => 'filed'), '', 'and change its login');
is(error($stat, user => 'filed'), '', 'the key in the file is used');
foreach my $role ('filed', 'owner')
{
	like(error(qq{ALTER USER MAPPING FOR filed SERVER theirs OPTIONS (SET private_key_file '/etc/passwd')}, user => $role),
		qr/42501: .*private_key_file/, "$role names no other file");
}
like(error(qq{ALTER USER MAPPING FOR guest SERVER theirs OPTIONS (DROP private_key, ADD private_key_file '$ssh->{path}/id')}, user => 'guest'),
	qr/42501: .*private_key_file/, 'nor does a role that has none name one');
like(error(qq{DROP USER MAPPING FOR guest SERVER theirs;
	CREATE USER MAPPING FOR guest SERVER theirs OPTIONS (user 'x', private_key_file '/etc/passwd')}, user => 'guest'),
	qr/42501: .*private_key_file/, 'in a new mapping neither');
is(error(q{ALTER USER MAPPING FOR filed SERVER theirs OPTIONS (DROP private_key_file, ADD private_key 'x')}, user => 'filed'), '',
	'it may give the file up');
like(error(qq{ALTER USER MAPPING FOR filed SERVER theirs OPTIONS (DROP private_key, ADD private_key_file '$ssh->{path}/id')}, user => 'filed'),
	qr/42501: .*private_key_file/, 'and does not get it back');

# Secrets: the key's first line of base64, the passphrases.
my ($secret) = $ssh->slurp('id') =~ /\n(\S{40})/;
$node->stop;
my $log = slurp_file($node->logfile);
ok(index($log, $secret) < 0, 'no private key in the log');
ok(index($log, $_) < 0, "no \"$_\" in the log") foreach 'open sesame', 'wrong phrase', 'hocus-pocus-secret';
$node->start;
unlike(value(q{SELECT string_agg(s::text, ' ') FROM pg_foreign_server s}), qr/sesame|PRIVATE KEY/, 'nor in the catalog of servers');
is(value(q{SET ROLE nobody_else; SELECT count(*) FROM pg_user_mappings WHERE umoptions IS NOT NULL}), 0,
	'others see no options of mappings');

done_testing();
