--
-- trident_search against plain SQL, on random tables: every metric, both
-- types, dimensions that end in every part of a kernel, many ties, NULLs,
-- zero vectors, partitions, filters, and both ways of running a search.
--
CREATE SCHEMA search_oracle;
SET search_path = search_oracle, public, trident;
SELECT setseed(0.25);

-- Few different elements, so that distances tie; some vectors are all zero.
CREATE FUNCTION random_vector(dim integer, spread integer) RETURNS vector LANGUAGE sql VOLATILE AS
	$$ SELECT array_agg(floor(random() * spread)::real)::vector FROM generate_series(1, dim) $$;

CREATE FUNCTION make_table(name text, type text, dim integer, n integer, is_parted boolean)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE %I (a text, dropped integer, id integer PRIMARY KEY, v %s(%s), n integer) %s',
		name, type, dim, CASE WHEN is_parted THEN 'PARTITION BY HASH (id)' END);
	IF is_parted THEN
		EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS 2, REMAINDER 0)', name || '_0', name);
		EXECUTE format('ALTER TABLE %I DROP dropped', name);
		EXECUTE format('CREATE TABLE %I (v %s(%s), id integer NOT NULL, n integer, a text)', name || '_1', type, dim);
		EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES WITH (MODULUS 2, REMAINDER 1)', name, name || '_1');
	ELSE
		EXECUTE format('ALTER TABLE %I DROP dropped', name);
	END IF;
	EXECUTE format('INSERT INTO %I (a, id, v, n)
		SELECT repeat(''x'', i %% 7), i, CASE WHEN i %% 11 <> 0 THEN random_vector(%s, CASE WHEN i %% 13 = 0 THEN 0 ELSE 3 END) END, i %% 10
		FROM generate_series(1, %s) i ORDER BY random()', name, dim, n);
END $$;

-- The differences between a search and plain SQL, in rows and their order; of
-- rows at the last distance only the number counts unless ties are settled.
CREATE FUNCTION differ(name text, type text, operator text, metric text, query vector, k integer,
	filter text, settles_ties boolean) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
	EXECUTE format($q$
		WITH plain AS (
			SELECT id::text, v %2$s $1::%3$s AS distance, tableoid::regclass AS shard,
				row_number() OVER (ORDER BY v %2$s $1::%3$s, id) AS place
			FROM %1$I WHERE v IS NOT NULL AND (%4$s) ORDER BY 2, %1$I.id LIMIT %5$s),
		found AS (
			SELECT id, distance, shard, row_number() OVER () AS place
			FROM trident_search(%1$L, $1, %5$s, metric => %6$L, filter => %4$L))
		SELECT count(*) FROM plain FULL JOIN found USING (place)
		WHERE plain.distance IS DISTINCT FROM found.distance
			OR (plain.id IS DISTINCT FROM found.id OR plain.shard IS DISTINCT FROM found.shard)
			AND (%7$L OR plain.distance < (SELECT max(distance) FROM plain))
		$q$, name, operator, type, filter, k, metric, settles_ties) INTO n USING query;
	RETURN n;
END $$;

CREATE TABLE dims AS SELECT unnest('{1,2,3,4,7,8,9,15,16,17,31,33,64,100,130}'::integer[]) AS dim;
SELECT count(make_table(format('t_%s_%s_%s', type, dim, is_parted), type, dim, 200, is_parted))
	FROM dims, unnest('{vector,halfvec}'::text[]) type, unnest('{true,false}'::boolean[]) is_parted;

CREATE FUNCTION compare_all(settles_ties boolean, OUT searches bigint, OUT differences numeric) LANGUAGE sql AS $$
	SELECT count(*), sum(differ(format('t_%s_%s_%s', type, dim, is_parted), type, operator, metric,
		random_vector(dim, 4), k, filter, settles_ties))
	FROM dims, unnest('{vector,halfvec}'::text[]) type, unnest('{true,false}'::boolean[]) is_parted,
		(VALUES ('<->', 'l2'), ('<#>', 'ip'), ('<=>', 'cosine'), ('<+>', 'l1')) m (operator, metric),
		(VALUES (1, 'true'), (10, 'true'), (10, 'n = 3 or a = ''x'''), (500, 'n < 8')) q (k, filter) $$;

-- In one pass, where ties are settled by the key.
SELECT * FROM compare_all(true);
-- By the executor.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM compare_all(false);
COMMIT;
-- With other kernels: one and the same serves both.
SET trident.simd = scalar;
SELECT * FROM compare_all(true);
RESET trident.simd;

-- The comparison can fail: against another metric it does.
SELECT differ('t_vector_8_f', 'vector', '<->', 'l1', random_vector(8, 4), 10, 'true', true) > 0 AS fails;

SET client_min_messages = warning;
DROP SCHEMA search_oracle CASCADE;
