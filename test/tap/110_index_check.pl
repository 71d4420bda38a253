# trident_index_check finds what is damaged in an index: many kinds of damage
# are planted in the files of a stopped server, each is named, and neither the
# check nor searches, inserts and vacuum on what is damaged crash the server.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# The page format, as in src/index/page.h.
use constant {
	PAGE => 8192,
	HEAD => 24,					# next, list, generation, kind, mark
	CONTENTS => 40,
	META => 1, MODEL => 2, DIRECTORY => 3, LIST => 4, FREE => 5, ROWS => 6,
	FIRST => 40 + 24,			# behind the header of a list page
	ROW_PAGES => 40 + 8			# in that header
};

my $node = PostgreSQL::Test::Cluster->new('index_check');

# Planted damage must get past checksums, which later majors have by default.
$node->init(extra => $node->pg_version->major >= 18 ? ['--no-data-checksums'] : []);
$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off\nstatement_timeout = 60s\n");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION trident;
SET search_path = public, trident;
CREATE TABLE low (id int, v vector(8));
INSERT INTO low SELECT i, ARRAY(SELECT 100 * sin(i % 10 * 10 + d) + sin(i * 7919.0 + d * i % 13)
	FROM generate_series(1, 8) d)::vector FROM generate_series(1, 3000) i;
CREATE TABLE high (id int, tenant int, v vector(64));
INSERT INTO high SELECT i, i % 5, ARRAY(SELECT 100 * sin(i % 10 * 10 + d) + sin(i * 7919.0 + d * i % 13)
	FROM generate_series(1, 64) d)::vector FROM generate_series(1, 3000) i;
CREATE TABLE apart (id int, v vector(300));
INSERT INTO apart SELECT i, ARRAY(SELECT 100 * sin(i % 10 * 10 + d) + sin(i * 7919.0 + d * i % 13)
	FROM generate_series(1, 300) d)::vector FROM generate_series(1, 1000) i;
SQL

my $lists = 10;
my %definition = (
	low => "low USING trident (v vector_l2_ops) WITH (lists = $lists)",
	high => "high USING trident (v vector_l2_ops, tenant) WITH (lists = $lists)",
	apart => "apart USING trident (v vector_l2_ops) WITH (lists = $lists)",
	flat => 'low USING trident (v vector_cosine_ops)');

# A page: its bytes from an offset, read or, with a value, overwritten.
sub bytes
{
	my ($file, $block, $offset, $value) = @_;
	return substr($$file, $block * PAGE + $offset, 16) unless defined $value;
	substr($$file, $block * PAGE + $offset, length($value)) = $value;
	return;
}

sub u16 { return pack('S', shift) }
sub u32 { return pack('L', shift) }

# The blocks of a kind, of those of a list if one is named.
sub blocks
{
	my ($file, $kind, $list) = @_;
	return grep {
		my (undef, $l, undef, $k) = unpack('LLLS', bytes($file, $_, HEAD));
		$k == $kind && (!defined $list || $l == $list)
	} 0 .. length($$file) / PAGE - 1;
}

# The first page of a list, and the last.
sub head { return (blocks($_[0], LIST, $_[1]))[0] }
sub tail { return (blocks($_[0], LIST, $_[1]))[-1] }
sub rows { return (blocks($_[0], ROWS, $_[1]))[0] }
sub directory { return (blocks($_[0], DIRECTORY))[0] }
sub model { return (blocks($_[0], MODEL))[0] }

# Of an index: a name, its definition, the damage, what must be found.  Where
# the name begins with "rows", heap_all_indexed must find it, and only that.
my @damages = (
	[ 'meta magic', 'low', sub { bytes($_[0], 0, CONTENTS, u32(7)) },
		qr/^0\|has mark 00000007 and version/ ],
	[ 'meta version', 'low', sub { bytes($_[0], 0, CONTENTS + 4, u32(999)) },
		qr/^0\|has mark 54524944 and version 999/ ],
	[ 'meta dimensions', 'low', sub { bytes($_[0], 0, CONTENTS + 8, u16(9)) },
		qr/^0\|says that vectors have 9 dimensions/ ],
	[ 'meta format', 'low', sub { bytes($_[0], 0, CONTENTS + 12, "\3") },
		qr/^0\|has format 3/ ],
	[ 'meta bits', 'high', sub { bytes($_[0], 0, CONTENTS + 13, "\5") },
		qr/^0\|says that codes have 5 bits/ ],
	[ 'meta metric', 'low', sub { bytes($_[0], 0, CONTENTS + 14, "\2") },
		qr/^0\|has metric 2; the operator class has 1/ ],
	[ 'meta key', 'high', sub { bytes($_[0], 0, CONTENTS + 15, "\0") },
		qr/^0\|says that there is no key column/ ],
	[ 'meta generation', 'low', sub { bytes($_[0], 0, CONTENTS + 24, u32(5)) },
		qr/^0\|is of generation 1 and names generation 5/ ],
	[ 'meta lists', 'low', sub { bytes($_[0], 0, CONTENTS + 28, u32(2000000000)) },
		qr/^0\|says that there are 2000000000 lists/ ],
	[ 'meta model', 'low', sub { bytes($_[0], 0, CONTENTS + 36, u32(12345)) },
		qr/^0\|says that the model begins at block 12345/ ],
	[ 'meta directory', 'low', sub { bytes($_[0], 0, CONTENTS + 40, u32(0)) },
		qr/^0\|says that the directory begins at block 0/ ],
	[ 'meta padding', 'high', sub { bytes($_[0], 0, CONTENTS + 10, u16(32)) },
		qr/^0\|says that vectors have 64 dimensions, padded to 32/ ],
	[ 'meta without directory', 'low', sub { bytes($_[0], 0, CONTENTS + 40, u32(0xFFFFFFFF)) },
		qr/^0\|says that the directory begins at block 4294967295/ ],
	[ 'meta without model', 'low', sub { bytes($_[0], 0, CONTENTS + 36, u32(0xFFFFFFFF)) },
		qr/^0\|has a model without cells, or cells without a model/ ],
	[ 'meta patience', 'low', sub { bytes($_[0], 0, CONTENTS + 296, pack('f', 'nan')) },
		qr/^0\|has a patience that is none/ ],
	[ 'meta patient lists', 'low', sub { bytes($_[0], 0, CONTENTS + 344, pack('f', -1)) },
		qr/^0\|has a patience that is none/ ],
	[ 'meta curve', 'low', sub { bytes($_[0], 0, CONTENTS + 56, pack('f', 'nan')) },
		qr/^0\|has a recall curve that is none/ ],
	[ 'meta lost', 'low', sub { bytes($_[0], 0, 0, "\0" x PAGE) },
		qr/^0\|the meta page is empty/ ],
	[ 'file lost', 'low', sub { ${ $_[0] } = '' },
		qr/^\|the file is empty/ ],
	[ 'file cut', 'low', sub { ${ $_[0] } = substr(${ $_[0] }, 0, 6 * PAGE) },
		qr/chain leads to block|begins at block/ ],
	[ 'header', 'low', sub { bytes($_[0], head($_[0], 3), 12, "\xff" x 8) },
		qr/cannot be read: invalid page in block/ ],
	[ 'page mark', 'low', sub { bytes($_[0], head($_[0], 3), HEAD + 14, "\0\0") },
		qr/is no page of a trident index: its mark is 0000/ ],
	[ 'page kind', 'low', sub { bytes($_[0], head($_[0], 3), HEAD + 12, u16(77)) },
		qr/is of unknown kind 77/ ],
	[ 'page freed', 'low', sub { bytes($_[0], head($_[0], 3), HEAD + 12, u16(FREE)) },
		qr/is in the chain of list 3, but is no page of it/ ],
	[ 'page zeroed', 'low', sub { bytes($_[0], head($_[0], 3), 0, "\0" x PAGE) },
		qr/is in the chain of list 3, but is no page of it/ ],
	[ 'page of list', 'low', sub { bytes($_[0], head($_[0], 3), HEAD + 4, u32(4)) },
		qr/is in the chain of list 3, but is no page of it/ ],
	[ 'page of no list', 'low', sub { bytes($_[0], head($_[0], 3), HEAD + 4, u32(-1)) },
		qr/belongs to list -1, of \d+ lists/ ],
	[ 'page generation', 'low', sub { bytes($_[0], head($_[0], 3), HEAD + 8, u32(9)) },
		qr/is in the chain of list 3, but is no page of it/ ],
	[ 'page hole', 'low', sub { bytes($_[0], head($_[0], 3), 12, u16(100)) },
		qr/has a hole, from 100 to/ ],
	[ 'chain loop', 'low', sub { bytes($_[0], tail($_[0], 3), HEAD, u32(head($_[0], 3))) },
		qr/is reached a second time, by list 3/ ],
	[ 'chain into another', 'low', sub { bytes($_[0], tail($_[0], 3), HEAD, u32(head($_[0], 4))) },
		qr/is in the chain of list 3, but is no page of it/ ],
	[ 'chain beyond', 'low', sub { bytes($_[0], tail($_[0], 3), HEAD, u32(99999)) },
		qr/leads list 3 to block 99999, beyond the end/ ],
	[ 'chain cut', 'low', sub { bytes($_[0], head($_[0], 3), HEAD, u32(0xFFFFFFFF)) },
		qr/says that list 3 has \d+ pages; its chain has 1/ ],
	[ 'too many rows', 'low', sub { bytes($_[0], head($_[0], 3), CONTENTS, u16(60000)) },
		qr/says that it has 60000 rows/ ],
	[ 'too many codes', 'high', sub { bytes($_[0], head($_[0], 3), CONTENTS, u16(60000)) },
		qr/says that it has 60000 rows/ ],
	[ 'value', 'low', sub { bytes($_[0], head($_[0], 3), FIRST, pack('f', 'inf')) },
		qr/has a value that is no number in slot 0/ ],
	[ 'address', 'low', sub { bytes($_[0], head($_[0], 3), FIRST + 32, "\0" x 6) },
		qr/has no address of a row of the table in slot 0/ ],
	[ 'address of no page', 'low', sub { bytes($_[0], head($_[0], 3), FIRST + 32, "\xff" x 4 . "\1\0") },
		qr/has no address of a row of the table in slot 0/ ],
	[ 'row page freed', 'apart', sub { bytes($_[0], rows($_[0], 3), HEAD + 12, u16(FREE)) },
		qr/should have rows of the page at block \d+, but is no page of it/ ],
	[ 'row page of list', 'apart', sub { bytes($_[0], rows($_[0], 3), HEAD + 4, u32(4)) },
		qr/should have rows of the page at block \d+, but is no page of it/ ],
	[ 'row page of two', 'apart', sub { bytes($_[0], head($_[0], 3), ROW_PAGES, u32(rows($_[0], 4))) },
		qr/has rows of the pages at blocks \d+ and \d+/ ],
	[ 'row page that is the list page', 'apart', sub { bytes($_[0], head($_[0], 3), ROW_PAGES, u32(head($_[0], 3))) },
		qr/should have rows of the page at block \d+, but is no page of it|has rows of the pages at blocks/ ],
	[ 'row page twice', 'apart', sub {
			bytes($_[0], head($_[0], 3), ROW_PAGES + 4, substr(bytes($_[0], head($_[0], 3), ROW_PAGES), 0, 4));
		},
		qr/has rows of the pages at blocks \d+ and \d+/ ],
	[ 'row page that is the directory', 'apart', sub { bytes($_[0], tail($_[0], 3), ROW_PAGES, u32(directory($_[0]))) },
		qr/should have rows of the page at block \d+, but is no page of it/ ],
	[ 'row page beyond', 'apart', sub { bytes($_[0], head($_[0], 3), ROW_PAGES, u32(99999)) },
		qr/has its rows at block 99999, where they cannot be/ ],
	[ 'row page unknown', 'apart', sub { bytes($_[0], head($_[0], 3), ROW_PAGES, u32(0xFFFFFFFF)) },
		qr/has its rows at block 4294967295, where they cannot be/ ],
	[ 'row page of no row', 'apart', sub { bytes($_[0], head($_[0], 3), CONTENTS, u16(0)) },
		qr/has a page for rows at block \d+ that none of its 0 rows is on/ ],
	[ 'row page lost', 'apart', sub {
			bytes($_[0], head($_[0], 3), CONTENTS, u16(0));
			bytes($_[0], head($_[0], 3), ROW_PAGES, u32(0xFFFFFFFF) x 3);
		},
		qr/is in use for generation 1, but nothing leads to it/ ],
	[ 'row page not a number', 'apart', sub { bytes($_[0], rows($_[0], 3), CONTENTS + 160, pack('f', 'nan')) },
		qr/has a value that is no number in slot 0/ ],
	[ 'entry pages', 'low', sub { bytes($_[0], directory($_[0]), CONTENTS + 3 * 16 + 8, u32(50)) },
		qr/says that list 3 has 50 pages/ ],
	[ 'entry fill', 'low', sub { bytes($_[0], directory($_[0]), CONTENTS + 3 * 16 + 4, u32(head($_[0], 4))) },
		qr/says that list 3 is filled at block \d+, which is not in its chain/ ],
	[ 'entry fill of the directory', 'low', sub { bytes($_[0], directory($_[0]), CONTENTS + 3 * 16 + 4, u32(directory($_[0]))) },
		qr/says that list 3 is filled at block \d+, which is not in its chain/ ],
	[ 'entry head of the directory', 'low', sub { bytes($_[0], directory($_[0]), CONTENTS + 3 * 16, u32(directory($_[0])) x 2 . u32(1) . u32(1)) },
		qr/is reached a second time, by list 3/ ],
	[ 'entry head', 'low', sub { bytes($_[0], directory($_[0]), CONTENTS + 3 * 16, u32(head($_[0], 4))) },
		qr/is in the chain of list 3, but is no page of it/ ],
	[ 'entry lost', 'low', sub { bytes($_[0], directory($_[0]), CONTENTS + 3 * 16, u32(0xFFFFFFFF) x 2 . u32(0)) },
		qr/is in use for generation 1, but nothing leads to it/ ],
	[ 'entry holes', 'low', sub { bytes($_[0], directory($_[0]), CONTENTS + 3 * 16 + 12, u32(88)) },
		qr/has an entry for list 3 that says 88 of its holes/ ],
	[ 'directory lost', 'low', sub { bytes($_[0], directory($_[0]), 0, "\0" x PAGE) },
		qr/is page 0 of the directory by its chain, but is of kind 0/ ],
	[ 'directory chain', 'low', sub { bytes($_[0], directory($_[0]), HEAD, u32(1)) },
		qr/the directory has more than its 1 pages/ ],
	[ 'directory of flat', 'flat', sub { bytes($_[0], directory($_[0]), CONTENTS, u32(77777)) },
		qr/leads list 0 to block 77777, beyond the end/ ],
	[ 'centroid', 'low', sub { bytes($_[0], model($_[0]), CONTENTS + 100, pack('f', 'nan')) },
		qr/has a centroid with a value that is no number/ ],
	[ 'cells', 'low', sub {
			my ($coarse) = unpack('L', bytes($_[0], 0, CONTENTS + 32));
			my ($n) = unpack('L', bytes($_[0], 0, CONTENTS + 28));
			bytes($_[0], model($_[0]), CONTENTS + ($coarse + $n) * 32 * 4 + 4, u32(5000));
		},
		qr/says that the lists of cell 1 begin at 5000/ ],
	[ 'model lost', 'low', sub { bytes($_[0], model($_[0]), 0, "\0" x PAGE) },
		qr/is page 0 of the model by its chain, but is of kind 0/ ],
	[ 'model not a number', 'high', sub { bytes($_[0], model($_[0]), CONTENTS, pack('f', 'inf')) },
		qr/has a centroid with a value that is no number/ ],
	[ 'model chain', 'low', sub { bytes($_[0], model($_[0]), HEAD, u32(model($_[0]))) },
		qr/the model has more than its 1 pages/ ],
	[ 'rows of another vector', 'low', sub { bytes($_[0], head($_[0], 3), FIRST + 5, "\x55") },
		qr/^\d+\|entry for row \(\d+,\d+\) of the table: it has another vector$/ ],
	[ 'rows of another code', 'high', sub {
			my $old = bytes($_[0], head($_[0], 3), FIRST);
			bytes($_[0], head($_[0], 3), FIRST, ~substr($old, 0, 1));
		},
		qr/^\d+\|entry for row \(\d+,\d+\) of the table: it has another vector$/ ],
	[ 'rows of another code apart', 'apart', sub {
			my $old = bytes($_[0], rows($_[0], 3), CONTENTS);
			bytes($_[0], rows($_[0], 3), CONTENTS, ~substr($old, 0, 16));
		},
		qr/^\d+\|entry for row \(\d+,\d+\) of the table: it has another vector$/ ],
	[ 'rows in a torn page', 'high', sub { bytes($_[0], head($_[0], 3), 512, "\0" x 512) },
		qr/^(\d+\|entry for row \(\d+,\d+\) of the table: it has another vector\n?)+$/ ],
	[ 'rows twice', 'low', sub {
			my $row = FIRST;
			bytes($_[0], head($_[0], 3), $row + 40, substr(${ $_[0] }, head($_[0], 3) * PAGE + $row, 40));
		},
		qr/: it has another entry$/m, qr/no entry for row \(\d+,\d+\) of the table: searches do not find it/ ],
	[ 'rows lost', 'low', sub {
			my ($n) = unpack('S', bytes($_[0], head($_[0], 3), CONTENTS));
			bytes($_[0], head($_[0], 3), CONTENTS, u16($n - 2));
		},
		qr/^(\|no entry for row \(\d+,\d+\) of the table: searches do not find it\n?){2}$/ ],
	[ 'rows beyond the table', 'low', sub { bytes($_[0], head($_[0], 3), FIRST + 32, "\1\0\1\0\1\0") },
		qr/entry for row \(65537,1\) of the table: the table ends before that page/ ],
	[ 'rows beyond a page', 'low', sub { bytes($_[0], head($_[0], 3), FIRST + 36, u16(2000)) },
		qr/entry for row \(\d+,2000\) of the table: the table has no such row/ ],
	[ 'rows of lists exchanged', 'low', sub {
			my ($file) = @_;
			my @heads = map { substr($$file, directory($file) * PAGE + CONTENTS + $_ * 16, 16) } 3, 4;
			my @pages = map { [ blocks($file, LIST, $_) ] } 3, 4;
			bytes($file, directory($file), CONTENTS + 3 * 16, $heads[1] . $heads[0]);
			bytes($file, $_, HEAD + 4, u32(4)) for @{ $pages[0] };
			bytes($file, $_, HEAD + 4, u32(3)) for @{ $pages[1] };
		},
		qr/entry for row \(\d+,\d+\) of the table: another list is much nearer to it/ ]);

my $n = 0;
foreach my $damage (@damages)
{
	$node->safe_psql('postgres', "SET search_path = public, trident;
		CREATE INDEX damage_$n ON $definition{$damage->[1]}");
	$n++;
}

# An index whose file is older than the last vacuum of its table, as a disk
# that lost writes would have it.
$node->safe_psql('postgres', <<'SQL');
SET search_path = public, trident;
CREATE TABLE gone AS SELECT * FROM low WHERE id <= 50;
CREATE INDEX gone_l2 ON gone USING trident ((v::vector(8)) vector_l2_ops);
CHECKPOINT;
SQL
my $gone = $node->data_dir . '/' . $node->safe_psql('postgres', "SELECT pg_relation_filepath('gone_l2')");
my $stale = slurp($gone);
$node->safe_psql('postgres', 'DELETE FROM gone WHERE id BETWEEN 11 AND 15');
$node->safe_psql('postgres', 'VACUUM gone');

my %path;
$path{$_} = $node->data_dir . '/' . $node->safe_psql('postgres', "SELECT pg_relation_filepath('damage_$_')")
  for 0 .. $#damages;
is($node->safe_psql('postgres', "SELECT relname, c.* FROM pg_class,
	trident_index_check(oid, true) c WHERE relname ~ '^damage_'"), '', 'all indexes are sound before');
$node->stop;

sub slurp
{
	my ($path) = @_;
	open(my $in, '<:raw', $path) or die "could not open $path: $!\n";
	local $/ = undef;
	return scalar <$in> // '';
}

sub spew
{
	my ($path, $content) = @_;
	open(my $out, '>:raw', $path) or die "could not write $path: $!\n";
	print $out $content;
	close($out) or die "could not write $path: $!\n";
	return;
}

foreach my $i (0 .. $#damages)
{
	my $file = slurp($path{$i});
	my $before = $file;
	$damages[$i]->[2]->(\$file);
	die "$damages[$i]->[0]: nothing was changed\n" if $file eq $before;
	spew($path{$i}, $file);
}
spew($gone, $stale);
my $log_at = -s $node->logfile;
$node->start;

foreach my $i (0 .. $#damages)
{
	my ($name, undef, undef, @found) = @{ $damages[$i] };
	my $all = $name =~ /^rows/ ? 'true' : 'false';
	my ($rc, $out, $err) = $node->psql('postgres', "SELECT * FROM trident_index_check('damage_$i', $all)");
	is($err, '', "$name: no error");
	like($out, $_, "$name: found") for @found;
	is($node->safe_psql('postgres', "SELECT count(*) FROM trident_index_check('damage_$i')"), '0',
		"$name: the structure is sound") if $all eq 'true';
	like($node->safe_psql('postgres', "SELECT * FROM trident_index_check('damage_$i', true)"),
		qr/rows were not compared with the table/, "$name: rows are not compared") if $all eq 'false';
}

is($node->safe_psql('postgres', "SELECT count(*) FROM trident_index_check('gone_l2')"), '0',
	'an old file is sound in itself');
like($node->safe_psql('postgres', "SELECT problem FROM trident_index_check('gone_l2', true)"),
	qr/^(entry for row \(0,1[1-5]\) of the table: the table has no such row\n?){5}$/,
	'rows that vacuum has removed are found in it');

# Whatever else reads a damaged index may fail, as an error.  One at a time,
# the others being out of use.
my $use = <<'SQL';
SET search_path = public, trident;
SET enable_seqscan = off;
SELECT count(*) FROM (SELECT FROM %1$s ORDER BY v %2$s (SELECT v FROM %1$s WHERE id = 3) LIMIT 2000) s;
SET trident.index_target_recall = 1;
SELECT count(*) FROM (SELECT FROM %1$s ORDER BY v %2$s (SELECT v FROM %1$s WHERE id = 3) LIMIT 2000) s;
INSERT INTO %1$s (id, v) SELECT -id, v FROM %1$s WHERE id BETWEEN 1 AND 300;
DELETE FROM %1$s WHERE id < 0 OR id %% 10 = 5;
VACUUM %1$s;
SELECT trident_index_prewarm('%3$s');
SELECT lists FROM trident_index_stats('%3$s', true);
SELECT count(*) FROM trident_index_check('%3$s', true);
SQL
foreach my $i (0 .. $#damages)
{
	my ($name, $definition) = @{ $damages[$i] };
	my $table = $definition eq 'flat' ? 'low' : $definition;

	$node->safe_psql('postgres', "UPDATE pg_index SET indisvalid = indexrelid = 'damage_$i'::regclass,
		indisready = indexrelid = 'damage_$i'::regclass, indislive = indexrelid = 'damage_$i'::regclass
		WHERE indexrelid::regclass::text ~ '^damage_'");
	# without ON_ERROR_STOP: every statement is tried
	my ($rc, undef, $err) = $node->psql('postgres', sprintf($use, $table, $definition eq 'flat' ? '<=>' : '<->', "damage_$i"),
		on_error_stop => 0, on_error_die => 0);
	is($rc, 0, "$name: the session lives on");
	like($err, qr/WARNING:  index "damage_$i" has a damaged page at block/, "$name: vacuum reports it")
	  if $name eq 'page generation';
	like($err, qr/ERROR:  index "damage_$i" is damaged\nDETAIL:  It has a meta page that says that vectors/, "$name: an error, not vectors of that length")
	  if $name =~ /^meta (dimensions|padding)/;
	like($err, qr/ERROR:  index "damage_$i" is damaged\nDETAIL:  It has no directory/, "$name: an error, not what happens to be in memory")
	  if $name eq 'meta without directory';
	like($err, qr/ERROR:  index "damage_$i" is damaged\nDETAIL:  It has a damaged model/, "$name: an error, not a read beyond the lists")
	  if $name eq 'cells';
	like($err, qr/ERROR:  index "damage_$i" is damaged\nDETAIL:  It has a damaged address of a row/, "$name: an error, not a row of that address")
	  if $name =~ /^address|^rows beyond the table/;
}
unlike(substr(slurp($node->logfile), $log_at), qr/was terminated by signal|PANIC|TRAP|statement timeout/,
	'no process has crashed, and none has looped');
$node->stop;
done_testing();
