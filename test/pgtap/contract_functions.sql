-- Contract: the functions that users call have these signatures and properties.
BEGIN;
CREATE EXTENSION trident;
SELECT plan(5);

/* Volatility i, s, v; parallel s, r, u. */
CREATE TEMP TABLE wanted (signature text, result text, volatility text, parallel text, strict boolean);
INSERT INTO wanted VALUES
	('avg(trident.halfvec)', 'trident.halfvec', 'i', 's', false),
	('avg(trident.vector)', 'trident.vector', 'i', 's', false),
	('binary_quantize(trident.halfvec)', 'bit', 'i', 's', true),
	('binary_quantize(trident.vector)', 'bit', 'i', 's', true),
	('cosine_distance(trident.halfvec, trident.halfvec)', 'double precision', 'i', 's', true),
	('cosine_distance(trident.vector, trident.vector)', 'double precision', 'i', 's', true),
	('inner_product(trident.halfvec, trident.halfvec)', 'double precision', 'i', 's', true),
	('inner_product(trident.vector, trident.vector)', 'double precision', 'i', 's', true),
	('l1_distance(trident.halfvec, trident.halfvec)', 'double precision', 'i', 's', true),
	('l1_distance(trident.vector, trident.vector)', 'double precision', 'i', 's', true),
	('l2_distance(trident.halfvec, trident.halfvec)', 'double precision', 'i', 's', true),
	('l2_distance(trident.vector, trident.vector)', 'double precision', 'i', 's', true),
	('l2_norm(trident.halfvec)', 'double precision', 'i', 's', true),
	('l2_norm(trident.vector)', 'double precision', 'i', 's', true),
	('l2_normalize(trident.halfvec)', 'trident.halfvec', 'i', 's', true),
	('l2_normalize(trident.vector)', 'trident.vector', 'i', 's', true),
	('subvector(trident.halfvec, integer, integer)', 'trident.halfvec', 'i', 's', true),
	('subvector(trident.vector, integer, integer)', 'trident.vector', 'i', 's', true),
	('sum(trident.halfvec)', 'trident.halfvec', 'i', 's', false),
	('sum(trident.vector)', 'trident.vector', 'i', 's', false),
	('trident_collection_attach(collection text, from_node name)', 'regclass', 'v', 'u', true),
	('trident_collection_cleanup(OUT node name, OUT shard_table text, OUT done boolean, OUT action text)', 'SETOF record', 'v', 'u', true),
	('trident_collection_detach(collection regclass)', 'void', 'v', 'u', true),
	('trident_collection_distribute(collection regclass, nodes name[], shards integer DEFAULT NULL::integer, key name[] DEFAULT NULL::name[])', 'bigint', 'v', 'u', false),
	('trident_collection_load(collection regclass, query text, columns name[] DEFAULT NULL::name[])', 'bigint', 'v', 'u', false),
	('trident_collection_move_shard(collection regclass, shard integer, node name)', 'bigint', 'v', 'u', true),
	('trident_collection_status(collection regclass, verify boolean DEFAULT false, OUT shard integer, OUT node name, OUT shard_table text, OUT rows bigint, OUT size_bytes bigint, OUT indexes integer, OUT misplaced bigint, OUT ok boolean, OUT detail text)', 'SETOF record', 'v', 'u', true),
	('trident_collection_sync(collection regclass, OUT shard integer, OUT node name, OUT action text)', 'SETOF record', 'v', 'u', true),
	('trident_collection_undistribute(collection regclass)', 'bigint', 'v', 'u', true),
	('trident_collection_upsert(collection regclass, query text, columns name[] DEFAULT NULL::name[], update boolean DEFAULT true)', 'bigint', 'v', 'u', false),
	('trident_exif(head bytea, file_size bigint DEFAULT NULL::bigint)', 'jsonb', 'i', 's', false),
	('trident_exif_gps(head bytea, file_size bigint DEFAULT NULL::bigint, xmp text DEFAULT ''auto''::text, OUT latitude double precision, OUT longitude double precision, OUT altitude_m double precision, OUT altitude_source text, OUT relative_altitude_m double precision, OUT direction double precision, OUT captured_at timestamp with time zone, OUT make text, OUT model text, OUT status text, OUT reason text, OUT need_from bigint, OUT need_to bigint, OUT position_source text, OUT direction_ref "char", OUT captured_local timestamp without time zone, OUT captured_zone text)', 'record', 'i', 's', false),
	('trident_flight_path(site bigint, format text DEFAULT ''geojson''::text)', 'text', 's', 's', false),
	('trident_gps_outliers(site bigint, multiplier double precision DEFAULT 4.0)', 'TABLE(photo bigint, folder text, name text, latitude double precision, longitude double precision, axis text)', 's', 's', false),
	('trident_index_check(index regclass, heap_all_indexed boolean DEFAULT false)', 'TABLE(block bigint, problem text)', 'v', 'u', true),
	('trident_index_prewarm(index regclass)', 'bigint', 'v', 'r', true),
	('trident_index_stats(index regclass, scan_table boolean DEFAULT false, OUT metric text, OUT dimensions integer, OUT format text, OUT bits integer, OUT has_key boolean, OUT generation bigint, OUT trained_rows bigint, OUT lists integer, OUT coarse_lists integer, OUT rows bigint, OUT rows_dead bigint, OUT rows_outside bigint, OUT list_rows_mean double precision, OUT list_rows_p50 bigint, OUT list_rows_p99 bigint, OUT list_rows_max bigint, OUT imbalance double precision, OUT lists_empty integer, OUT lists_with_holes integer, OUT fill double precision, OUT size_bytes bigint, OUT model_bytes bigint, OUT directory_bytes bigint, OUT list_bytes bigint, OUT free_bytes bigint, OUT probes integer, OUT curve_queries integer, OUT recall_curve jsonb)', 'record', 'v', 'r', true),
	('trident_ingest(source text, path text, recursive boolean DEFAULT true, max_depth integer DEFAULT 32, include text[] DEFAULT NULL::text[], exclude text[] DEFAULT ''{}''::text[], dry_run boolean DEFAULT false, xmp text DEFAULT ''auto''::text)', 'bigint', 'v', 'u', false),
	('trident_ivecs_read(path text)', 'TABLE(id bigint, ids integer[])', 's', 's', false),
	('trident_job_cancel(id bigint)', 'boolean', 'v', 'u', true),
	('trident_job_wait(id bigint, timeout interval DEFAULT NULL::interval)', 'text', 'v', 'u', false),
	('trident_last_scan(OUT index regclass, OUT lists integer, OUT lists_probed integer, OUT codes_scanned bigint, OUT codes_refined bigint, OUT rows_reranked bigint, OUT rows_returned bigint, OUT rescored integer, OUT target_recall double precision)', 'SETOF record', 'v', 'r', true),
	('trident_nearest_photos(site bigint, latitude double precision, longitude double precision, k integer DEFAULT 10)', 'TABLE(photo bigint, folder text, name text, photo_latitude double precision, photo_longitude double precision, altitude_m double precision, captured_at timestamp with time zone, distance_m double precision)', 's', 's', false),
	('trident_last_search(OUT node name, OUT shard regclass, OUT path text, OUT rows bigint, OUT ms double precision, OUT search_ms double precision, OUT attempts integer, OUT error text, OUT coverage double precision, OUT reason text, OUT merge_ms double precision, OUT total_ms double precision)', 'SETOF record', 'v', 'r', true),
	('trident_node_add(name name, host text, port integer DEFAULT 5432, dbname name DEFAULT current_database(), fetch_size integer DEFAULT 1000, batch_size integer DEFAULT 1000, pool_size integer DEFAULT NULL::integer, options jsonb DEFAULT NULL::jsonb)', 'text', 'v', 'u', false),
	('trident_node_check(name name DEFAULT NULL::name, OUT node name, OUT checked text, OUT ok boolean, OUT detail text)', 'SETOF record', 'v', 'u', false),
	('trident_node_identity()', 'uuid', 's', 's', false),
	('trident_node_new_identity()', 'uuid', 'v', 'u', false),
	('trident_node_remove(name name)', 'void', 'v', 'u', true),
	('trident_postgis_enable()', 'text', 'v', 'u', false),
	('trident_recall(index regclass, sample integer DEFAULT 100, k integer DEFAULT 10, OUT queries integer, OUT recall double precision, OUT recall_min double precision, OUT target_recall double precision, OUT lists_probed double precision, OUT codes_scanned double precision, OUT rows_reranked double precision, OUT index_ms double precision, OUT exact_ms double precision)', 'record', 'v', 'r', true),
	('trident_search(collection regclass, query trident.vector, k integer DEFAULT 10, vector_column name DEFAULT NULL::name, metric text DEFAULT NULL::text, filter text DEFAULT NULL::text, filter_args jsonb DEFAULT NULL::jsonb, columns name[] DEFAULT ''{}''::name[], key name[] DEFAULT NULL::name[], partial text DEFAULT ''error''::text, deadline interval DEFAULT NULL::interval)', 'TABLE(id text, distance double precision, node name, shard regclass, payload jsonb)', 's', 'r', false),
	('trident_sftp_confirm(source text)', 'text', 'v', 'u', true),
	('trident_sftp_host_key(host text, port integer DEFAULT 22, OUT type text, OUT fingerprint text)', 'SETOF record', 'v', 'r', true),
	('trident_sftp_list(source text, path text DEFAULT ''.''::text, OUT name text, OUT kind text, OUT size bigint, OUT modified timestamp with time zone, OUT mode text)', 'SETOF record', 'v', 'r', true),
	('trident_sftp_read(source text, path text, "offset" bigint DEFAULT 0, length bigint DEFAULT NULL::bigint)', 'bytea', 'v', 'r', false),
	('trident_sftp_stat(source text, path text, OUT name text, OUT kind text, OUT size bigint, OUT modified timestamp with time zone, OUT mode text)', 'record', 'v', 'r', true),
	('trident_simd_level()', 'text', 's', 's', false),
	('trident_vecs_read(path text, format text DEFAULT NULL::text)', 'TABLE(id bigint, embedding trident.vector)', 's', 's', false),
	('trident_exchange_reset()', 'void', 'v', 'r', true),
	('trident_worker_stop(database name DEFAULT NULL::name, kind text DEFAULT NULL::text, restart boolean DEFAULT false)', 'integer', 'v', 'r', false),
	('vector_dims(trident.halfvec)', 'integer', 'i', 's', true),
	('vector_dims(trident.vector)', 'integer', 'i', 's', true),
	('vector_norm(trident.vector)', 'double precision', 'i', 's', true)
;

CREATE TEMP VIEW member AS
SELECT p.*
FROM pg_proc p
	JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
		AND d.deptype = 'e'
	JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass
		AND d.refobjid = e.oid
WHERE e.extname = 'trident';

SELECT set_eq(
	$$SELECT proname || '(' || pg_get_function_arguments(oid) || ')',
		pg_get_function_result(oid), provolatile::text, proparallel::text,
		proisstrict
	FROM member WHERE pronamespace = 'public'::regnamespace$$,
	$$SELECT * FROM wanted$$,
	'functions and aggregates of the install schema');

SELECT is_empty(
	$$SELECT oid::regprocedure FROM member
	WHERE pronamespace NOT IN ('public'::regnamespace, 'trident'::regnamespace)$$,
	'no function is anywhere else');

SELECT is_empty(
	$$SELECT oid::regprocedure FROM member WHERE prosecdef$$,
	'no function runs with the rights of its owner');

SELECT is_empty(
	$$SELECT oid::regprocedure FROM member
	WHERE pronamespace = 'trident'::regnamespace
		AND NOT (proisstrict AND provolatile = 'i' AND proparallel = 's')
		AND proname NOT IN ('vecs_rows', 'ivecs_rows', 'index_handler', 'shard_number', 'next_identity', 'worker_rows',
			'search_shards', 'search_shards_many', 'processors', 'job_live_rows', 'exchange_rows', 'exchange_memory')
		AND prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
		AND proname <> 'ingest_validator' AND proname !~ '^(folder_class|site|flight|xml|csv|decimal)_'$$,
	'support functions are immutable, strict and parallel safe');

SELECT is_empty(
	$$SELECT p.oid::regprocedure
	FROM pg_aggregate a JOIN member p ON a.aggfnoid = p.oid
	WHERE a.aggcombinefn = 0$$,
	'every aggregate can be computed in parallel');

SELECT * FROM finish();
ROLLBACK;
