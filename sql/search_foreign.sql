--
-- trident_search: partitions that are foreign tables, of this server itself.
--
CREATE EXTENSION postgres_fdw;
SET trident.exchange_mode = direct;
CREATE SCHEMA search_foreign;
SET search_path = search_foreign, public, trident;
DO $$
BEGIN
	EXECUTE format('CREATE SERVER search_loop FOREIGN DATA WRAPPER postgres_fdw
		OPTIONS (host %L, port %L, dbname %L, extensions ''trident'')',
		split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), current_database());
END $$;
CREATE USER MAPPING FOR CURRENT_USER SERVER search_loop OPTIONS (user :'USER');
CREATE TABLE there (id integer PRIMARY KEY, embedding vector(2), title text);
INSERT INTO there SELECT i, ARRAY[i, 0]::vector, 'there' || i FROM generate_series(11, 20) i;
CREATE TABLE item (id integer, embedding vector(2), title text) PARTITION BY RANGE (id);
CREATE TABLE here PARTITION OF item FOR VALUES FROM (1) TO (11);
CREATE FOREIGN TABLE over_there PARTITION OF item FOR VALUES FROM (11) TO (21)
	SERVER search_loop OPTIONS (table_name 'there');
INSERT INTO here SELECT i, ARRAY[i, 0]::vector, 'here' || i FROM generate_series(1, 10) i;

-- The executor reads them, and the node is their server.
SELECT * FROM trident_search('item', '[10.25,0]', 4, key => '{id}', columns => '{title}');
SELECT * FROM trident_search('item', '[10.25,0]', 2, key => '{id}', filter => 'title like $1', filter_args => '["there%"]');
SELECT * FROM trident_search('item', '[10.25,0]', 2, key => '{id}', filter => 'id < 9');

SET client_min_messages = warning;
DROP SCHEMA search_foreign CASCADE;
DROP EXTENSION postgres_fdw CASCADE;
