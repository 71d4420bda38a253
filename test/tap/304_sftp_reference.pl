# Our own SFTP client beside the one of libssh2: names, kinds, sizes, times, modes
# and contents of a tree are the same by both, whatever the names and lengths;
# and the positions that ingest finds are those of the contents as libssh2
# reads them.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SftpTest;
use Test::More;

plan skip_all => 'no /usr/sbin/sshd here' unless -x '/usr/sbin/sshd';

my $program = PostgreSQL::Test::Utils::tempdir() . '/sftp-reference';
system_or_bail('cc', '-O1', '-o', $program, 'test/tools/sftp-reference.c', '-lssh2');

my $node = sftp_node('sftp_reference', "fsync = off\n");

sub value { return $node->safe_psql('postgres', $_[0]) }

# Paths as trident shows them are text; these are the bytes.
value(q{CREATE FUNCTION unnamed(shown text) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
	SELECT string_agg(CASE WHEN length(m[1]) = 4 THEN decode(substr(m[1], 3), 'hex') ELSE convert_to(m[1], 'UTF8') END, '' ORDER BY n)
	FROM regexp_matches(shown, '(\\\\x[0-9a-f]{2}|.)', 'g') WITH ORDINALITY x (m, n) $$});

# A tree: lengths around those of packets, names of any bytes, several READDIRs.
sub fill
{
	my ($tree) = @_;

	mkdir "$tree$_" foreach '', '/many', '/empty', '/photos', "/deep", "/deep/er", "/deep/er/est";
	my $bytes = join '', map { pack 'N', $_ * 2654435761 % 4294967296 } 1 .. 150_000;
	write_file("$tree/l$_", substr $bytes, 0, $_) foreach 0, 1, 255, 8191, 8192, 8193, 29_999, 30_000, 32_767, 32_768, 32_769, 261_120, 261_121, 600_000;
	write_file("$tree/many/" . ('n' x ($_ % 100)) . $_, $_) foreach 1 .. 450;
	write_file("$tree/deep/er/est/$_", $_) foreach "line\nfeed", "latin\xe9", "back\\slash", "gr\xc3\xbcn", ' space ', "quote'\"", '%41', '-rf';
	symlink 'l1', "$tree/link";
	symlink '..', "$tree/deep/loop";
	chmod 0604, "$tree/l1";
	chmod 02750, "$tree/empty";
	utime 1, 1, "$tree/l1";
	utime 2_000_000_000, 2_000_000_000, "$tree/l255";
	foreach my $i (1 .. 40)
	{
		my @at = $i % 5 ? ($i, -$i * 2.5) : (undef, undef);
		write_file("$tree/photos/i$i.jpg", jpeg(@at, pad => $i % 4 ? 0 : 5_000 * $i, size => 5000 * ($i % 3)));
	}
	return;
}

# With limits that the server tells (READs of 255 kB), and without (32 kB).
foreach my $what ('limits told', 'limits not told')
{
	my $ssh = SftpTest->new(config => $what eq 'limits told' ? [] : ['Subsystem sftp internal-sftp -P limits']);
	my $tree = "$ssh->{path}/files/tree";
	my $source = $what eq 'limits told' ? 'told' : 'untold';
	my $lines = '';

	fill($tree);
	value(source_sql($ssh, $source));
	IPC::Run::run([ $program, '127.0.0.1', $ssh->{port}, user_name(), "$ssh->{path}/id.pub", "$ssh->{path}/id", $tree ], '>', \$lines)
	  or die 'the reference failed';
	write_file("$ssh->{path}/lines", $lines);
	is(scalar(() = $lines =~ /\n/g), 520, "$what: libssh2 sees the tree");

	value(qq{CREATE TABLE $source AS SELECT decode(l[1], 'hex') AS path, l[2] AS kind, l[3]::bigint AS size, to_timestamp(l[4]::bigint) AS modified, l[5] AS mode, decode(l[6], 'hex') AS content
		FROM (SELECT string_to_array(x, ' ') AS l FROM string_to_table(trim(E'\\n' FROM pg_read_file('$ssh->{path}/lines')), E'\\n') x) s});
	my $ours = qq{WITH RECURSIVE t AS (
		SELECT '$tree/' || name AS path, kind, size, modified, mode FROM trident_sftp_list('$source', '$tree')
		UNION ALL
		SELECT t.path || '/' || l.name, l.kind, l.size, l.modified, l.mode FROM t, trident_sftp_list('$source', t.path) l WHERE t.kind = 'folder')
		SELECT path, kind, size, modified, mode, CASE WHEN kind = 'file' THEN trident_sftp_read('$source', path) ELSE '' END AS content FROM t};
	value(qq{CREATE TABLE ${source}_ours AS SELECT unnamed(path) AS path, kind, size, modified, mode, content FROM ($ours) t});
	is(value("SELECT count(*) FROM ${source}_ours"), 520, "$what: so do we");
	is(value("SELECT count(*) FROM (TABLE $source EXCEPT TABLE ${source}_ours) d") . value("SELECT count(*) FROM (TABLE ${source}_ours EXCEPT TABLE $source) d"),
		'00', "$what: names, kinds, sizes, times, modes and contents are the same")
	  or diag value("SELECT 'libssh2', encode(path, 'escape'), kind, size, modified, mode, left(content::text, 40) FROM (TABLE $source EXCEPT TABLE ${source}_ours LIMIT 5) d
		UNION ALL SELECT 'ours', encode(path, 'escape'), kind, size, modified, mode, left(content::text, 40) FROM (TABLE ${source}_ours EXCEPT TABLE $source LIMIT 5) d");

	my $id = value("SELECT trident_ingest('$source', '$tree')");
	is(value("SELECT trident_job_wait($id, '60s')"), 'done', "$what: ingest");
	is(value(qq{SELECT count(*), count(e.latitude), bool_and((e.latitude, e.longitude) IS NOT DISTINCT FROM (g.latitude, g.longitude) AND e.status = p.status)
		FROM trident.photo p JOIN trident.site s ON s.id = p.site AND s.source = '$source' LEFT JOIN trident.gps_point g ON g.photo = p.id
		JOIN $source r ON r.path = convert_to('$tree/photos/' || p.name, 'UTF8'), trident_exif_gps(r.content) e}),
		'40|32|t', "$what: positions are those of what libssh2 reads");
}

$node->stop;
done_testing();
