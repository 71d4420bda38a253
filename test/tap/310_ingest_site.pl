# Sites of photos outlive a dump: rows, numbers, rules of classes, owners that
# are not there; and PostGIS sees their positions, where it is installed.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('ingest_site');
my $folder = $node->basedir . '/photos';

$node->init;
$node->append_conf('postgresql.conf', "fsync = off\n");
$node->start;
system_or_bail('test/tools/photo', 'site', $folder, 70);

$node->safe_psql('postgres', 'CREATE EXTENSION trident; CREATE ROLE site_owner; CREATE ROLE gone;');
$node->safe_psql('postgres', <<"END");
INSERT INTO trident.folder_class VALUES ('orbit', 'circle', '#010203', true), ('scan', 'field', '#040506', false);
\\set folder '$folder'
\\i test/tools/load-site.sql
UPDATE trident.site SET owner = 'site_owner';
INSERT INTO trident.site (owner, source, path) VALUES ('gone', 'files', '/gone');
INSERT INTO trident.ingest_error (site, path, kind, reason) VALUES (1, 'x', 'image', 'zero');
END

my $sites = q{SELECT (SELECT count(*) FROM trident.photo), (SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM trident.site t),
	(SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM trident.site_folder t), (SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM trident.photo t),
	(SELECT md5(string_agg(t::text, ',' ORDER BY photo)) FROM trident.gps_point t), (SELECT count(*) FROM trident.ingest_error),
	(SELECT string_agg(DISTINCT class || color || is_path, ',' ORDER BY class || color || is_path) FROM trident.site_folder)};
my $before = $node->safe_psql('postgres', $sites);

like($before, qr/^70\|.*\|1\|.*circle#010203true.*field#040506false/, 'photos, with classes by rules of their own');

my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'the database is dumped');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->safe_psql('restored', "\\i $dump", on_error_stop => 1);
is($node->safe_psql('restored', $sites), $before, 'restored, every row is as it was');
is($node->safe_psql('restored', q{INSERT INTO trident.site (source, path) VALUES ('files', '/new') RETURNING id}), 3, 'and numbers go on');
is($node->safe_psql('restored', "SELECT md5(trident_flight_path(1, f)) FROM unnest(ARRAY['geojson', 'kml', 'gpx', 'csv', 'html']) f ORDER BY f"),
	$node->safe_psql('postgres', "SELECT md5(trident_flight_path(1, f)) FROM unnest(ARRAY['geojson', 'kml', 'gpx', 'csv', 'html']) f ORDER BY f"),
	'flight paths are the same');

# Where an owner does not exist, nobody but a superuser sees its rows.
$node->safe_psql('postgres', 'DROP ROLE gone');
is($node->safe_psql('restored', 'SET ROLE site_owner; SELECT count(*) FROM trident.site; SELECT count(*) FROM trident.photo'), "1\n70", 'an owner sees its own');
is($node->safe_psql('restored', 'SELECT count(*) FROM trident.site'), 3, 'a superuser sees all');

SKIP:
{
	skip 'PostGIS is not installed here', 6
	  unless $node->safe_psql('postgres', "SELECT count(*) FROM pg_available_extensions WHERE name = 'postgis'");
	$node->safe_psql('postgres', 'CREATE SCHEMA "Geo"; CREATE EXTENSION postgis SCHEMA "Geo"');
	is($node->safe_psql('postgres', 'SELECT trident_postgis_enable()'), 'view trident.gps_geometry created', 'the view is created');
	is($node->safe_psql('postgres', 'SELECT trident_postgis_enable()'), 'view trident.gps_geometry created', 'or created anew');
	is($node->safe_psql('postgres', q{SELECT count(*), bool_and("Geo".st_x(geom) = longitude AND "Geo".st_y(geom) = latitude AND "Geo".st_z(geom) = g.altitude_m), min("Geo".st_srid(geom))
		FROM trident.gps_geometry v JOIN trident.gps_point g USING (photo)}), '69|t|4326', 'points are where they were taken');
	is($node->safe_psql('postgres', q{SELECT bool_and(abs(n.distance_m - "Geo".st_distance(v.geog, 'POINT Z(-122.3493 47.6205 0)'::"Geo".geography, false)) < n.distance_m * 1e-4 + 1e-3)
		FROM trident_nearest_photos(1, 47.6205, -122.3493, 20) n JOIN trident.gps_geometry v USING (photo)}), 't', 'distances are those of PostGIS on a sphere');
	is($node->safe_psql('postgres', 'CREATE ROLE bob; SET ROLE bob; SET search_path = public, "Geo"; SELECT count(*) FROM trident.gps_geometry'), 0, 'row security holds');
	is($node->safe_psql('postgres', 'DROP VIEW trident.gps_geometry; DROP EXTENSION trident; SELECT count(*) FROM pg_class WHERE relname = $$photo$$'), 0, 'dropped before the extension');
}

$node->stop;
done_testing();
