# What make demo-ingest shows works: photos that it makes, on an SSH server that
# it starts, all end as rows and on the page.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('demo_ingest');
my $out = $node->basedir . '/out';

$node->init;
$node->append_conf('postgresql.conf', "fsync = off\nshared_preload_libraries = 'trident'\n");
$node->start;
mkdir $out;
{
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	local $ENV{TRIDENT_OUT} = $out;
	local $ENV{PATH} = "$ENV{PATH}:/usr/sbin";

	$node->command_like([ 'docker/demo-ingest.run' ],
		qr/595 of 595.*Scan +\| scan +\| +85 \| +79.*invalid \| zero +\| +1.*latitude\n.*"unchanged": 595/s,
		'photos are ingested, and not read again');
}
like(slurp_file("$out/flight.html"), qr/^<!DOCTYPE html>.*"Center_Line".*<\/html>\s*$/s, 'the page is there');
is($node->safe_psql('demo', 'SELECT count(*), count(g.photo) FROM trident.photo p LEFT JOIN trident.gps_point g ON g.photo = p.id'),
	'595|559', 'so are the rows');
unlike(slurp_file($node->logfile), qr/PRIVATE KEY/, 'no key is in the log');

$node->stop;
done_testing();
