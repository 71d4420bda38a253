#
# Lint.pm
#	  What the lint scripts share: the files of the tree, their text with
#	  comments or strings blanked out, and the tally of rules.
#
package Lint;

use strict;
use warnings;

use Exporter 'import';
use File::Basename;
use File::Find;

# Wherever they are started, the scripts look at the tree that they are in.
chdir(dirname(__FILE__) . '/../..') or die "could not change to the tree: $!\n";

our @EXPORT = qw(files slurp code_only without_strings line_of
  rules broken note finish);

my %broken;		# rule => number of faults
my @rules;

# Paths of the tree that match, in order; never build or test products.
sub files
{
	my ($pattern) = @_;
	my @found;

	find(
		{
			no_chdir => 1,
			wanted => sub {
				my $path = $File::Find::name =~ s,^\./,,r;
				if ($path =~ m{^(\.git|build|test/out|test/data|results|tmp_check)$})
				{
					$File::Find::prune = 1;
					return;
				}
				push @found, $path
				  if -f $path
				  && $path =~ $pattern
				  && $path !~ m{^sql/trident--[^/]*$|\.(o|bc|so|a|tmp)$};
			}
		},
		'.');
	return sort @found;
}

sub slurp
{
	my ($path) = @_;

	open(my $in, '<', $path) or die "could not read $path: $!\n";
	local $/;
	my $text = <$in>;
	return $text // '';
}

# Blank out a piece of text, keeping its lines and columns.
sub blank
{
	my ($text) = @_;

	$text =~ s/[^\n\t]/ /g;
	return $text;
}

# C or SQL text with comments blanked out, and what is in quotes if asked for.
sub strip
{
	my ($text, $strings) = @_;

	$text =~ s{(/\*.*?\*/)|("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')}
	  {defined $1 ? blank($1) : $strings ? blank($2) : $2}gse;
	return $text;
}

sub code_only { return strip($_[0], 0); }
sub without_strings { return strip($_[0], 1); }

# The number of the line that the offset is on.
sub line_of
{
	my ($text, $offset) = @_;

	return 1 + (substr($text, 0, $offset) =~ tr/\n//);
}

# The rules that the calling script checks.
sub rules { @rules = @_; return; }

# A rule does not hold at a place.
sub broken
{
	my ($rule, $place, $message) = @_;

	die "no such rule: $rule\n" unless grep { $_ eq $rule } @rules;
	$broken{$rule}++;
	print "$place: $rule: $message\n";
	return;
}

# Worth knowing, no fault.
sub note
{
	my ($place, $message) = @_;

	print "note: $place: $message\n";
	return;
}

# The tally as every kind of test prints it, and the exit code.
sub finish
{
	my $failed = keys %broken;

	printf "%d passed, %d failed\n", @rules - $failed, $failed;
	exit($failed ? 1 : 0);
}

1;
