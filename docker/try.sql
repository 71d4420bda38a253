-- a filter with parameters, and columns of the rows as jsonb
SELECT * FROM trident_search('descriptor', (SELECT embedding FROM query WHERE id = 1),
    k => 3, filter => 'id % 2 = $1', filter_args => '[0]', columns => '{id}');
-- DDL on the collection is done on all its shards
ALTER TABLE descriptor ADD COLUMN seen boolean DEFAULT false;
-- a shard moves to another node, and all of them come home
SELECT trident_collection_move_shard('descriptor', 0, 'node3');
SELECT trident_collection_undistribute('descriptor');
-- its functions, and its settings
\df trident_*
SELECT name, setting, short_desc FROM pg_settings WHERE name LIKE 'trident.%';
