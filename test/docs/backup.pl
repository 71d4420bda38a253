#!/usr/bin/perl
#
# backup.pl
#	  Proves what docs/operate/backup.md says of dumps: a database that uses
#	  trident everywhere in its schema is dumped and restored, and the dump of
#	  the copy is equal to that of the original.

use strict;
use warnings;

use Test::More;

my ($original, $copy) = ('backup_original', 'backup_copy');
my $schema = <<'END';
CREATE SCHEMA ext;
CREATE EXTENSION trident SCHEMA ext;
SET search_path = public, ext, trident;
CREATE DOMAIN unit AS vector CHECK (vector_norm(VALUE) = 1);
CREATE TABLE item (id bigint PRIMARY KEY, v vector(3) DEFAULT '[0,0,0]', h halfvec,
    parts vector[], CHECK (vector_dims(v) = 3)) PARTITION BY RANGE (id);
CREATE TABLE item1 PARTITION OF item FOR VALUES FROM (0) TO (10);
CREATE INDEX ON item (v);
CREATE INDEX ON item ((v <=> '[1,0,0]'));
INSERT INTO item VALUES
    (1, '[1,2,3]', '[0.1,65504]', ARRAY['[1]', NULL]::vector[]),
    (2, '[-1.5e-7,1.1754944e-38,-0]', NULL, NULL);
CREATE VIEW near AS SELECT id FROM item ORDER BY v <-> '[1,0,0]';
CREATE MATERIALIZED VIEW middle AS SELECT avg(v) FROM item;
CREATE FUNCTION nearest(query vector) RETURNS bigint LANGUAGE sql STABLE
    BEGIN ATOMIC SELECT id FROM item ORDER BY v <#> query LIMIT 1; END;
CREATE AGGREGATE total(halfvec) (sfunc = halfvec_add, stype = halfvec);
END

$ENV{PGOPTIONS} = '-c client_min_messages=warning';
for my $database ($original, $copy)
{
	is(system("dropdb --if-exists $database && createdb -T template0 $database"), 0, "database $database");
}
is(run($original, $schema), 0, 'a schema that uses the types everywhere');
is(system("pg_dump $original | psql -Xq -v ON_ERROR_STOP=1 -o /dev/null -d $copy"), 0, 'restored');
my $dump = dump_of($original);
like($dump, qr/trident\.vector\(3\)/, 'the dump has the table');
is(dump_of($copy), $dump, 'the dump of the copy is that of the original');
system("dropdb $_") for $original, $copy;
done_testing();

sub run
{
	my ($database, $sql) = @_;
	open(my $psql, '|-', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $database)
	  or die "could not run psql: $!\n";
	print $psql $sql;
	close($psql);
	return $?;
}

# A dump without the random key that newer minor releases put around it.
sub dump_of
{
	my ($database) = @_;
	my $text = `pg_dump $database`;
	$text =~ s/^\\(?:un)?restrict .*\n//mg;
	return $text;
}
