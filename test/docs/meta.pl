#!/usr/bin/perl
#
# meta.pl
#	  Proves that META.json has what PGXN Meta Spec 1.0.0 demands, and that it,
#	  the control file and the changelog agree on the version.

use strict;
use warnings;

use JSON::PP;
use Test::More;

my $semver = qr/^(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-[0-9A-Za-z-]+)?$/;

my ($version) = slurp('trident.control') =~ /^default_version\s*=\s*'(.*)'/m;
my $meta = decode_json(slurp('META.json'));

like($meta->{version}, $semver, 'version is a semantic version');
is($meta->{version}, $version, 'version is that of the control file');
for my $key (qw(name abstract maintainer license))
{
	ok(defined($meta->{$key}) && !ref($meta->{$key}) && $meta->{$key} ne '', "$key is a text");
}
is($meta->{license}, 'postgresql', 'the license is one that PGXN knows');
is($meta->{'meta-spec'}{version}, '1.0.0', 'meta-spec has its version');
is_deeply([ sort keys(%{ $meta->{provides} }) ], [ 'trident', 'trident_pgvector' ],
	'two extensions are provided');
my ($bridge) = slurp('sql/bridge/trident_pgvector.control') =~ /^default_version\s*=\s*'(.*)'/m;
is($meta->{provides}{trident_pgvector}{version}, $bridge, 'the bridge has its version');
ok(-f $meta->{provides}{trident_pgvector}{file}, 'and its control file is there');
ok(-f "sql/bridge/trident_pgvector--$bridge.sql", 'and its script');
my $provided = $meta->{provides}{trident};
is($provided->{version}, $version, 'the extension has the same version');
ok(-f $provided->{file}, 'its file is there');
ok(-f $provided->{docfile}, 'its page is there');
like($meta->{release_status}, qr/^(?:stable|testing|unstable)$/, 'release_status is known');
like($_, qr{^[^/\\[:cntrl:]]{1,255}$}, "tag $_ may be one") for @{ $meta->{tags} };
like($meta->{prereqs}{runtime}{requires}{PostgreSQL}, $semver, 'PostgreSQL has a lowest version');
like(slurp('CHANGELOG.md'), qr/^## \[\Q$version\E\] - (?:Unreleased|\d{4}-\d\d-\d\d)$/m, 'the changelog has the version');
done_testing();

sub slurp
{
	my ($file) = @_;
	open(my $in, '<', $file) or die "could not open $file: $!\n";
	local $/ = undef;
	return scalar(<$in>);
}
