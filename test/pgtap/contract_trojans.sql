-- Contract: who may create objects in the schema that trident installs into cannot slip them into the extension.
BEGIN;
SET LOCAL client_min_messages = warning;
-- pgTAP itself would run what is planted.
SET LOCAL search_path = pg_catalog, tap;
SELECT plan(3);

-- Operators for all pairs of these types that pg_catalog has none for, and functions of one of them, by names that the script uses.
CREATE FUNCTION tap.plant_all(types text[], operators text[], functions text[], OUT planted integer) LANGUAGE plpgsql AS $$
DECLARE
	o text;
	f text;
	l text;
	r text;
	result text;
BEGIN
	planted = 0;
	FOREACH l IN ARRAY types LOOP
		FOREACH f IN ARRAY functions LOOP
			CONTINUE WHEN to_regprocedure(format('pg_catalog.%I(%s)', f, l)) IS NOT NULL;
			EXECUTE format('CREATE FUNCTION public.%I(%s) RETURNS text LANGUAGE plpgsql AS %L',
				f, l, format('BEGIN RAISE EXCEPTION %L; END', 'a planted ' || f || ' ran'));
			planted = planted + 1;
		END LOOP;
		FOREACH r IN ARRAY types LOOP
			FOREACH o IN ARRAY operators LOOP
				CONTINUE WHEN to_regoperator(format('pg_catalog.%s(%s,%s)', o, l, r)) IS NOT NULL;
				result = CASE WHEN o IN ('<', '>', '<=', '>=', '=', '<>', '~') THEN 'boolean' WHEN o IN ('||', '->>') THEN 'text' ELSE l END;
				EXECUTE format('CREATE FUNCTION public.plant_%s(%s, %s) RETURNS %s LANGUAGE plpgsql AS %L',
					planted, l, r, result, format('BEGIN RAISE EXCEPTION %L; END', 'a planted operator ran'));
				EXECUTE format('CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = public.plant_%s)',
					o, l, r, planted);
				planted = planted + 1;
			END LOOP;
		END LOOP;
	END LOOP;
END $$;
SELECT cmp_ok(planted, '>', 1500, 'objects are planted') FROM tap.plant_all(
	'{int4,int8,numeric,float8,text,name,jsonb,json,timestamptz,interval,oid}',
	'{/,=,->>,>=,>,<,<>,*,-,+,||,~}',
	'{quote_ident,replace,round,regexp_replace,trim_scale,json_build_object,json_build_array,json_agg,jsonb_object_agg,string_agg,concat_ws,to_char,substr,pg_has_role,pg_get_userbyid,current_setting,clock_timestamp,now,gen_random_uuid,min,max,sum,count,pg_extension_config_dump,pg_options_to_table,sqrt}');

SELECT lives_ok('CREATE EXTENSION trident SCHEMA public', 'none of them runs at CREATE EXTENSION');
SELECT is_empty($$
	SELECT pg_describe_object(d.classid, d.objid, d.objsubid), pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid)
	FROM pg_depend d
	WHERE d.deptype = 'n' AND NOT EXISTS (SELECT FROM pg_depend e
			WHERE (e.classid, e.objid) = (d.refclassid, d.refobjid) AND e.deptype = 'e')
		AND (d.refclassid = 'pg_proc'::regclass AND d.refobjid IN (SELECT oid FROM pg_proc WHERE pronamespace = 'public'::regnamespace)
			OR d.refclassid = 'pg_operator'::regclass AND d.refobjid IN (SELECT oid FROM pg_operator WHERE oprnamespace = 'public'::regnamespace))
		AND d.classid <> 'pg_operator'::regclass$$,
	'nothing of the extension depends on one of them');
SELECT * FROM finish();
ROLLBACK;
