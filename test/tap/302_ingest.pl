# Ingest jobs on a real OpenSSH server: positions, unchanged and changed photos,
# what cannot be read, names of any bytes, links that loop, patterns; jobs at
# commit, rollback, cancel; servers that die, stall, refuse and come back, a
# worker that is killed, sources and the extension dropped meanwhile; rights.

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
my $node = sftp_node('ingest', "trident.worker_probe_interval = '1s'\nrestart_after_crash = on\n");
my $dir = "$ssh->{path}/files";

sub value { return $node->safe_psql('postgres', $_[0]) }

sub error { return error_of($node, @_) }

# Submit a job; its id.
sub submit { return value("SELECT trident_ingest($_[0])") }

# Submit one and wait; its state, and counters by name.
sub ingest
{
	my $id = submit($_[0]);
	my $state = value("SELECT trident_job_wait($id, '100s')");
	my %p = map { split /=/ } split /\n/,
	  value("SELECT key || '=' || value FROM trident.job, jsonb_each_text(progress) WHERE id = $id");

	return ($state, \%p, $id);
}

# A tree of JPEGs: folders x images, positions by their numbers.
sub make_site
{
	my ($name, $folders, $images, %o) = @_;

	mkdir "$dir/$name";
	for my $f (1 .. $folders)
	{
		mkdir "$dir/$name/f$f";
		write_file("$dir/$name/f$f/i$_.jpg", jpeg($f, -$_ / 10, size => 9000, %o)) foreach 1 .. $images;
	}
	return "$dir/$name";
}

value(source_sql($ssh, 'photos'));

# Positions, as they are in the files.
my $site = make_site('site', 3, 20);
write_file("$site/f1/none.jpg", jpeg());
write_file("$site/f1/far.jpg", jpeg(45.5, 7.25, pad => 100_000));
write_file("$site/f1/empty.jpg", '');
write_file("$site/f1/cut.jpg", substr(jpeg(1, 1), 0, 40));
write_file("$site/f1/notes.txt", 'no image');
write_file("$site/f1/.hidden.jpg", jpeg(1, 1));
write_file("$site/top.JPG", jpeg(-33.9, 151.2));
my ($state, $p, $id) = ingest("'photos', '$site'");
is($state, 'done', 'a site');
is("$p->{folders} $p->{images} $p->{points} $p->{connections_opened}", '4 65 62 1', 'folders, images, points, connections');
is(value(q{SELECT count(*) FROM trident.gps_point g JOIN trident.photo p ON p.id = g.photo JOIN trident.site_folder f ON f.id = p.folder
	WHERE f.name ~ '^f\d$' AND p.name ~ '^i\d+.jpg$'
	AND abs(latitude - substr(f.name, 2)::float8) < 1e-6 AND abs(longitude + substring(p.name, '\d+')::float8 / 10) < 1e-6}),
	60, 'positions are right');
is(value(q{SELECT round(latitude::numeric, 4), round(longitude::numeric, 4), reads > 1 FROM trident.gps_point JOIN trident.photo p ON p.id = photo WHERE name = 'far.jpg'}),
	'45.5000|7.2500|t', 'one that stands far behind');
is(value(q{SELECT name, status FROM trident.photo WHERE status <> 'found' ORDER BY name}),
	"cut.jpg|invalid\nempty.jpg|absent\nnone.jpg|absent", 'images without a position');
is(value(q{SELECT kind, reason FROM trident.ingest_error}), 'image|truncated', 'a damaged one is an error with a reason');
is(value(q{SELECT path, files, images, points, class FROM trident.site_folder ORDER BY path}),
	"|1|1|1|other\nf1|26|24|21|other\nf2|20|20|20|other\nf3|20|20|20|other", 'folders and their counts');

# Again: nothing is opened.  Changed: that one is.
($state, $p) = ingest("'photos', '$site/'");
is("$state $p->{unchanged} $p->{connections_opened} $p->{connections_reused}", 'done 65 0 1', 'again, by the connection that is there');
ok($p->{bytes} < 20_000, 'no image is read');
write_file("$site/f2/i1.jpg", jpeg(60, 60, size => 9100));
write_file("$site/f2/i2.jpg", jpeg());
($state, $p) = ingest("'photos', '$site'");
is("$state $p->{unchanged} $p->{points}", 'done 63 1', 'two changed ones are read');
is(value(q{SELECT p.name, latitude FROM trident.photo p JOIN trident.site_folder f ON f.id = p.folder LEFT JOIN trident.gps_point ON photo = p.id
	WHERE f.path = 'f2' AND p.name IN ('i1.jpg', 'i2.jpg') ORDER BY name}), "i1.jpg|60\ni2.jpg|", 'one has moved, one lost its position');
is(value('SELECT count(*) FROM trident.site'), 1, 'it is one site');
my $one_old = $id;

# What cannot be read; names; links.
my $odd = make_site('odd', 2, 3);
chmod 0, "$odd/f1";
chmod 0, "$odd/f2/i1.jpg";
write_file("$odd/f2/line\nfeed.jpg", jpeg(2, 2));
write_file("$odd/f2/latin\xe9.jpg", jpeg(3, 3));
write_file("$odd/f2/back\\slash.jpg", jpeg(4, 4));
symlink '..', "$odd/f2/loop";
symlink 'i2.jpg', "$odd/f2/link.jpg";
($state, $p) = ingest("'photos', '$odd'");
is("$state $p->{images} $p->{points} $p->{errors}", 'done 6 5 2', 'an unreadable folder and image stop nothing');
is(value(qq{SELECT e.kind, e.reason, replace(e.path, '$odd', '') FROM trident.ingest_error e WHERE e.path LIKE '%/odd/%' ORDER BY 1}),
	"folder|permission_denied|/f1\nimage|permission_denied|/f2/i1.jpg", 'they are recorded');
is(value(q{SELECT name, encode(name_bytes, 'hex') FROM trident.photo WHERE name LIKE '%\\\\x%' ORDER BY 1}),
	"back\\x5cslash.jpg|6261636b5c736c6173682e6a7067\nlatin\\xe9.jpg|6c6174696ee92e6a7067\nline\\x0afeed.jpg|6c696e650a666565642e6a7067",
	'names of any bytes');
chmod 0755, "$odd/f1";
chmod 0644, "$odd/f2/i1.jpg";
($state, $p) = ingest("'photos', '$odd'");
is("$state $p->{unchanged} $p->{points}", 'done 5 4', 'readable now: they are read, the others not again');
is(value(q{SELECT count(*) FROM trident.ingest_error WHERE path LIKE '%/odd/%/%'}), 0, 'and their errors are gone');

# What is taken.
($state, $p) = ingest("'photos', '$site', dry_run => true, recursive => false");
is("$state $p->{folders} $p->{images} $p->{bytes}" =~ s/ \d+$//r, 'done 1 1', 'the folder alone');
($state, $p) = ingest("'photos', '$site', dry_run => true, include => '{i1.*,f3/*9.jpg}', exclude => '{F2}'");
is("$state $p->{folders} $p->{images}", 'done 3 4', 'patterns of names and paths');
($state, $p) = ingest("'photos', '$dir', dry_run => true, max_depth => 1");
is("$state $p->{folders} $p->{images}", 'done 3 1', 'depth');
is(value('SELECT count(*) FROM trident.site'), 2, 'a dry run writes nothing');

# Jobs and transactions.
like(error("BEGIN; SELECT trident_job_wait(trident_ingest('photos', '$site')); COMMIT"), qr/55000: .*commits.*HINT/s,
	'waiting for a job of the same transaction');
like(error("SELECT trident_job_wait(trident_ingest('photos', '$site'))"), qr/55000/, 'or of the same statement');
my $count = value('SELECT count(*) FROM trident.job');
value("BEGIN; SELECT trident_ingest('photos', '$site'); ROLLBACK");
is(value('SELECT count(*) FROM trident.job'), $count, 'a rollback takes the job back');
like(error('SELECT trident_job_wait(123456)'), qr/42704/, 'no such job');
like(error("SELECT trident_ingest('nowhere', '/')"), qr/42704/, 'no such source');
like(error("SELECT trident_ingest('photos', '')"), qr/22023/, 'no path');
my $rr = value(qq{CREATE TABLE note (id bigint);
	INSERT INTO note SELECT trident_ingest('photos', '$site');
	BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) > 0 FROM note;
	SELECT trident_job_wait(id, '60s') FROM note; COMMIT});
is($rr, "t\ndone", 'a waiter of REPEATABLE READ sees the end');

# Failures of the whole.
($state, $p, $id) = ingest("'photos', '$dir/none'");
is("$state " . value("SELECT error_code FROM trident.job WHERE id = $id"), 'failed 58P01', 'no such folder');
$ssh->make_key('other', 'ed25519', '');
value(source_sql($ssh, 'stranger', private_key => $ssh->slurp('other')));
value(source_sql($ssh, 'changed', host_key => 'SHA256:' . 'A' x 43));
foreach (['stranger', '28000'], ['changed', 'TR402'])
{
	($state, $p, $id) = ingest("'$_->[0]', '$site'");
	is("$state " . value("SELECT error_code FROM trident.job WHERE id = $id"), "failed $_->[1]", "source $_->[0]");
}

# A slow source, so that jobs can be caught in the middle.
my $big = make_site('big', 4, 40);
sub slow
{
	my ($name) = @_;

	value(source_sql($ssh, $name, options => q{bandwidth '400'}));
	my $job = submit("'$name', '$big'");
	wait_until("job $job is under way", sub { value("SELECT done > 0 FROM trident.job WHERE id = $job") eq 't' });
	return $job;
}
sub left { return value("SELECT total - done > 0 FROM trident.job WHERE id = $_[0]") }

$id = slow('slow1');
is(value("SELECT trident_job_cancel($id)"), 't', 'cancel');
is(value("SELECT trident_job_wait($id, '20s')"), 'canceled', 'a job that runs is canceled');
is(value("SELECT trident_job_cancel($id)"), 'f', 'once');
my $kept = value('SELECT count(*) FROM trident.gps_point g JOIN trident.site s ON s.id = g.site WHERE s.source = $$slow1$$');
ok($kept > 0 && $kept < 160, "what it had found is kept: $kept");
($state, $p) = ingest("'slow1', '$big'");
is("$state $p->{unchanged}", "done $kept", 'and not read again');

# The server of the files goes down and comes back.
$id = slow('slow2');
$ssh->stop;
$ssh->start;
is(value("SELECT trident_job_wait($id, '60s')"), 'done', 'the SSH server was restarted');
is(value("SELECT progress->>'points', (progress->>'connections_opened')::int > 1 FROM trident.job WHERE id = $id"), '160|t', 'nothing is lost, by another connection');

# The database server goes down by a killed worker, and the job goes on.
value(qq{UPDATE trident.job_record SET ended_at = now() - interval '31 days' WHERE id = $one_old});
$id = slow('slow3');
my $pid = value(q{SELECT pid FROM trident.stat_worker WHERE kind = 'ingest' AND state = 'ready'});
kill 'KILL', $pid;
wait_until('the server recovers', sub {
	!-e "/proc/$pid" && system("psql -XAtqc 'SELECT 1' -h " . $node->host . ' -p ' . $node->port . ' postgres >/dev/null 2>&1') == 0 });
wait_until('the job ends', sub { value("SELECT state IN ('done', 'failed') FROM trident.job WHERE id = $id") eq 't' });
is(value("SELECT state, attempts, progress->>'points' FROM trident.job WHERE id = $id"), 'done|2|160', 'a worker killed by -9: the next one resumes, and goes on counting');
is(value(q{SELECT count(*) FROM trident.gps_point g JOIN trident.site s ON s.id = g.site WHERE s.source = 'slow3'}), 160, 'all positions are there');
is(value("SELECT count(*) FROM trident.job WHERE id = $one_old"), 0, 'the record of a job that ended long ago is gone');

# The source is dropped; a server stalls.
$id = slow('slow4');
value('DROP SERVER slow4 CASCADE');
is(value("SELECT trident_job_wait($id, '20s')"), 'failed', 'a dropped source ends its job');
is(value("SELECT error_code FROM trident.job WHERE id = $id"), '42704', 'with the reason');
$id = slow('slow5');
my @stopped = SftpTest::children($ssh->{pid});
kill 'STOP', @stopped;
is(value("SELECT trident_job_cancel($id); SELECT trident_job_wait($id, '20s')"), "t\ncanceled", 'a stalled server holds up no cancel');
kill 'CONT', @stopped;

# A folder's row is deleted meanwhile: photos are not lost in silence.
value(source_sql($ssh, 'slow7', options => q{bandwidth '100'}));
$id = submit("'slow7', '$big'");
wait_until('its folders and some photos are written', sub { value(q{SELECT count(*) = 5 AND bool_or(EXISTS (SELECT FROM trident.photo p WHERE p.folder = f.id))
	FROM trident.site_folder f JOIN trident.site s ON s.id = f.site WHERE s.source = 'slow7' AND f.listed_at IS NOT NULL}) eq 't' });
value(q{DELETE FROM trident.site_folder f USING trident.site s WHERE s.id = f.site AND s.source = 'slow7'});
is(value("SELECT trident_job_wait($id, '20s')"), 'failed', 'a folder that is deleted while the job runs');
like(value("SELECT error_code, error FROM trident.job WHERE id = $id"), qr/^55000\|the row of folder "\w+" was deleted/, 'with the reason');
value(q{ALTER SERVER slow7 OPTIONS (DROP bandwidth)});
($state, $p) = ingest("'slow7', '$big'");
is($state . value(q{ SELECT count(*) FROM trident.gps_point g JOIN trident.site s ON s.id = g.site WHERE s.source = 'slow7'}), 'done160',
	'the next job finds all');

# Two jobs on one source.
my $one = submit("'photos', '$big'");
my $two = submit("'photos', '$odd'");
my $three = submit("'photos', '$big'");
is(value("SELECT trident_job_wait($one, '60s'), trident_job_wait($two, '60s'), trident_job_wait($three, '60s')"), 'done|done|done',
	'three jobs on one source, two of them on one site');
is(value("SELECT count(*), count(DISTINCT g.photo) FROM trident.gps_point g JOIN trident.site s ON s.id = g.site WHERE s.source = 'photos' AND s.path = '$big'"),
	'160|160', 'each photo once');

# NOTIFY: ids and counters.
my $notes = value(qq{LISTEN trident_job; SELECT trident_ingest('photos', '$site') AS id \\gset
	SELECT trident_job_wait(:id, '60s'); SELECT 'end'});
like($notes, qr/Asynchronous notification "trident_job" with payload "\{"job": \d+, "state": "done", "progress": \{"folders": 4/, 'NOTIFY tells of the end');
unlike($notes, qr/site|photos|jpg/, 'and names nothing');

# Rights.
my ($user, $key) = (user_name(), $ssh->slurp('id'));
value(qq{CREATE ROLE guest LOGIN; CREATE ROLE other LOGIN; CREATE ROLE watcher LOGIN IN ROLE pg_monitor;
	GRANT USAGE ON FOREIGN SERVER photos TO guest;
	CREATE USER MAPPING FOR guest SERVER photos OPTIONS (user '$user', private_key '$key')});
my $call = "SELECT trident_ingest('photos', '$site')";
like(error($call, user => 'guest'), qr/42501/, 'EXECUTE must be granted');
value('GRANT EXECUTE ON FUNCTION trident_ingest TO guest, other');
like(error($call, user => 'other'), qr/42501: .*source/, 'and USAGE of the source');
my ($out, $err) = ('', '');
$node->psql('postgres', "$call AS id \\gset\nSELECT trident_job_wait(:id, '60s'), :id", stdout => \$out, stderr => \$err, extra_params => [ '-U', 'guest' ]);
like($out, qr/^done\|(\d+)$/, 'a job of an ordinary role') or diag $err;
($id) = $out =~ /(\d+)$/;
is(value("SELECT count(*), count(*) FILTER (WHERE s.owner = 'guest') FROM trident.gps_point g JOIN trident.site s ON s.id = g.site WHERE s.source = 'photos' AND s.path = '$site' GROUP BY s.owner ORDER BY 2"),
	"61|0\n61|61", 'rows are its own');
is(value('SET ROLE other; SELECT count(*) FROM trident.gps_point; SELECT count(*) FROM trident.job'), "0\n0", 'others see neither rows nor jobs');
is(value("SET ROLE watcher; SELECT count(*), count(arguments) FROM trident.job WHERE id = $id"), '1|0', 'pg_monitor sees jobs without arguments');
like(error("SELECT trident_job_cancel($id)", user => 'other'), qr/42501/, 'nor cancel them');
like(error("SELECT trident_job_wait($id)", user => 'other'), qr/42501/, 'nor wait for them');

# Nobody takes the ids that the jobs of others come to.
my %row = (site => q{source, path) SELECT 's', 'p' || i}, site_folder => q{site, path) SELECT (SELECT min(id) FROM trident.site), 'p' || i},
	photo => q{site, folder, name, size, status) SELECT min(f.site), min(f.id), 'n' || i, 0, 'found'},
	ingest_error => q{path, kind, reason) SELECT 'p' || i, 'site', 'r'});
foreach my $table (sort keys %row)
{
	my $rest = $row{$table};
	my $from = 'FROM generate_series(1000, 1001) i' . ($table eq 'photo' ? ', trident.site_folder f GROUP BY i' : '');

	like(error('INSERT INTO trident.' . $table . ' (id, ' . $rest =~ s/SELECT/SELECT i,/r . " $from", user => 'guest'), qr/42501/, "no id of trident.$table is written");
	like(error("UPDATE trident.$table SET id = id + 1000", user => 'guest'), qr/42501/, "nor changed in trident.$table");
	is(error("INSERT INTO trident.$table ($rest $from", user => 'guest'), '', "rows of trident.$table are");
}
is(value("SET ROLE guest; UPDATE trident.photo SET size = -1 WHERE name = 'i1.jpg' AND site IN (SELECT id FROM trident.site WHERE path = '$site') RETURNING size"), "-1\n-1\n-1",
	'and their columns are its own');

# DROP EXTENSION while a job runs.
$id = slow('slow6');
value('DROP EXTENSION trident CASCADE');
is(value('SELECT count(*) FROM pg_extension WHERE extname = $$trident$$'), 0, 'DROP EXTENSION while a job runs');
value('CREATE EXTENSION trident');
is(value('SELECT count(*) FROM trident.job'), 0, 'no job is inherited');
value(source_sql($ssh, 'photos'));
($state, $p) = ingest("'photos', '$site'");
is("$state $p->{points}", 'done 61', 'and all works again');

my ($secret) = $ssh->slurp('id') =~ /\n(\S{40})/;
$node->stop;
ok(index(slurp_file($node->logfile), $secret) < 0, 'no private key in the log');
done_testing();
