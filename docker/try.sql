-- a filter with parameters, and columns of the rows as jsonb
SELECT * FROM trident_search('descriptor', (SELECT embedding FROM query WHERE id = 1),
    k => 3, filter => 'id % 2 = $1', filter_args => '[0]', columns => '{id}');
-- half the memory for each vector
ALTER TABLE descriptor ALTER embedding TYPE trident.halfvec(128);
-- its functions, and its settings
\df trident_*
SELECT name, setting, short_desc FROM pg_settings WHERE name LIKE 'trident.%';
