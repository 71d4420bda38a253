#!/usr/bin/perl
#
# pages.pl
#	  Proves what the pages say: runs their SQL, and follows their links.
#
# usage: test/docs/pages.pl [page.md...]
#
# Without arguments it takes all pages.  Each page gets a database of its own,
# called mydb, and one psql session, with the extension there unless the page
# creates it.  In a page,
#
#	```sql         is run, and stops the page when a statement fails
#	```sql error   is run, and must fail
#	```text        straight after one of these is what psql -q prints for it
#	```sh and others are not run; ```sql pgvector is run by
#	               test/tap/001_beside_pgvector.pl
#
# and /path/to/trident stands for this tree.
#
# One test a block, one a link that stays in this tree.  Connects as libpq
# does, as a superuser.

use strict;
use warnings;

use Cwd qw(getcwd);
use File::Basename qw(dirname);
use File::Temp qw(tempfile);
use Test::More;

my @pages = @ARGV ? @ARGV : grep { -f $_ } ('README.md', 'CHANGELOG.md', glob('docs/*.md docs/*/*.md'));

for my $page (@pages)
{
	my @lines = read_lines($page);
	my @blocks = blocks(@lines);
	run_blocks($page, @blocks) if @blocks;
	check_links($page, @lines);
}
done_testing();

sub read_lines
{
	my ($file) = @_;
	open(my $in, '<', $file) or die "could not open $file: $!\n";
	my @lines = <$in>;
	chomp(@lines);
	return @lines;
}

# The SQL blocks, each with its first line's number, whether it must fail,
# its text, and what the page says that it prints (undef: nothing said).
sub blocks
{
	my @lines = @_;
	my (@blocks, $open, $follows);
	for my $n (0 .. $#lines)
	{
		my $line = $lines[$n];
		if (!$open && $line =~ /^```(.*)/)
		{
			my $kind = $1;
			$open = { line => $n + 1, kind => $kind, text => '' };
			$open->{shown_of} = $blocks[-1] if $kind eq 'text' && $follows;
		}
		elsif ($open && $line eq '```')
		{
			if ($open->{shown_of})
			{
				$open->{shown_of}{shown} = $open->{text};
			}
			elsif ($open->{kind} =~ /^sql\b/ && $open->{kind} ne 'sql pgvector')
			{
				die "line $open->{line}: unknown kind $open->{kind}\n"
				  unless $open->{kind} =~ /^sql( error)?$/;
				push(@blocks, { %$open, error => $1 ? 1 : 0 });
			}
			$follows = $open->{kind} =~ /^sql\b/;
			$open = undef;
		}
		elsif ($open)
		{
			$open->{text} .= "$line\n";
		}
		elsif ($line =~ /\S/)
		{
			$follows = 0;
		}
	}
	die "line $open->{line}: this block has no end\n" if $open;
	return @blocks;
}

# Run the blocks of a page in one session, and judge what each printed.
sub run_blocks
{
	my ($page, @blocks) = @_;
	admin('DROP DATABASE IF EXISTS mydb');
	admin('CREATE DATABASE mydb TEMPLATE template0');
	my $script = "SET client_min_messages = notice;\n";
	$script .= "CREATE EXTENSION trident;\n"
	  unless grep { $_->{text} =~ /\bCREATE EXTENSION trident\b/ } @blocks;
	for my $n (0 .. $#blocks)
	{
		# After a statement that must fail, psql goes on to the next block.
		$script .= "\\set ON_ERROR_STOP " . ($blocks[$n]{error} ? 0 : 1) . "\n"
		  . "\\echo \x01$n\n" . "\\warn \x01$n\n" . $blocks[$n]{text};
	}
	$script .= "\\echo \x01end\n\\warn \x01end\n";
	my $tree = getcwd();
	$script =~ s{/path/to/trident\b}{$tree}g;
	my %printed = session($script);
	for my $n (0 .. $#blocks)
	{
		judge("$page:$blocks[$n]{line}", $blocks[$n], \%printed, $n, $n < $#blocks ? $n + 1 : 'end');
	}
	admin('DROP DATABASE mydb');
	return;
}

sub judge
{
	my ($name, $block, $printed, $this, $next) = @_;
	my $out = $printed->{out}{$this};
	my $err = $printed->{err}{$this};
	if (!defined($out))
	{
		fail("$name (not reached)");
		return;
	}
	my $failed = $err =~ /^ERROR:/m || !defined($printed->{out}{$next});
	if ($failed != $block->{error})
	{
		fail($name);
		diag($block->{text}, $out, $block->{error} ? 'must fail, and did not' : $err);
		return;
	}
	# Results come on one stream and messages on the other: errors alone are
	# compared where an error is what the page shows.
	my $got = trim($block->{error} ? $err : $out . $err);
	if (defined($block->{shown}))
	{
		is($got, trim($block->{shown}), "$name prints what the page shows");
		return;
	}
	pass($name);
	return;
}

sub trim
{
	my ($text) = @_;
	$text =~ s/[ \t]+$//mg;
	$text =~ s/^LINE \d+:.*\n\s*\^\n?//mg;
	$text =~ s/\n+\z//;
	return $text;
}

# Feed a script to psql; what it printed on each stream, by block.
sub session
{
	my ($script) = @_;
	my %printed;
	my (undef, $in) = tempfile(UNLINK => 1);
	my (undef, $out) = tempfile(UNLINK => 1);
	my (undef, $err) = tempfile(UNLINK => 1);
	open(my $to, '>', $in) or die "could not open $in: $!\n";
	print $to $script;
	close($to) or die "could not write $in: $!\n";
	local $ENV{PGDATABASE} = 'mydb';
	system("psql -Xq <$in >$out 2>$err");
	$printed{out} = by_block(join("\n", read_lines($out)));
	$printed{err} = by_block(join("\n", read_lines($err)));
	return %printed;
}

sub by_block
{
	my ($text) = @_;
	my %block;
	while ($text =~ /\x01(\w+)\n?((?:[^\x01])*)/g)
	{
		$block{$1} = $2;
	}
	return \%block;
}

sub admin
{
	my ($sql) = @_;
	local $ENV{PGOPTIONS} = "-c client_min_messages=warning";
	system('psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-c', $sql) == 0
	  or die "could not run: $sql\n";
	return;
}

# A link to a file of this tree must find it, and its heading where one is
# named.
sub check_links
{
	my ($page, @lines) = @_;
	my $in_block = 0;
	for my $n (0 .. $#lines)
	{
		$in_block = !$in_block if $lines[$n] =~ /^```/;
		next if $in_block;
		(my $line = $lines[$n]) =~ s/`[^`]*`//g;
		while ($line =~ /\]\(([^)\s]+)\)/g)
		{
			my $link = $1;
			next if $link =~ /^[a-z]+:/;
			ok(link_exists($page, $link), "$page:" . ($n + 1) . " links to $link");
		}
	}
	return;
}

sub link_exists
{
	my ($page, $link) = @_;
	my ($file, $anchor) = $link =~ /^([^#]*)(?:#(.*))?$/;
	my $target = $file eq '' ? $page : dirname($page) . "/$file";
	return 0 unless -e $target;
	return 1 unless defined($anchor);
	return scalar(grep { /^#+\s+(.*)/ && anchor_of($1) eq $anchor } read_lines($target));
}

# The anchor that a forge makes of a heading.
sub anchor_of
{
	my ($title) = @_;
	$title = lc($title);
	$title =~ s/[^\w\s-]//g;
	$title =~ s/\s/-/g;
	return $title;
}
