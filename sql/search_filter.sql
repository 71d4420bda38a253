--
-- trident_search: filters, good and evil.
--
CREATE SCHEMA search_filter;
SET search_path = search_filter, public, trident;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';

CREATE TYPE color AS ENUM ('red', 'green', 'blue');
CREATE DOMAIN small AS integer CHECK (VALUE < 100);
CREATE TABLE item (
	id integer PRIMARY KEY,
	embedding vector(1),
	n bigint,
	half smallint,
	price numeric,
	ok boolean,
	name text,
	code char(4),
	tags text[],
	doc jsonb,
	color color,
	made timestamptz,
	due date,
	span int4range,
	little small,
	uid uuid);
INSERT INTO item SELECT i, ARRAY[i]::vector, i * 10, i % 3, i + 0.5, i % 2 = 0,
	'name' || i, 'c' || i, ARRAY['t' || i % 2, 't' || i], jsonb_build_object('a', i, 'b', jsonb_build_array('x' || i % 2)),
	(enum_range(NULL::color))[1 + i % 3], '2024-01-01 12:00+00'::timestamptz + i * interval '1 day',
	'2024-01-01'::date + i, int4range(i, i + 3), i, ('00000000-0000-0000-0000-00000000000' || i)::uuid
	FROM generate_series(1, 9) i;
INSERT INTO item (id, embedding) VALUES (10, '[10]');

-- The ids found; without parameters, plain SQL must find the same.
CREATE FUNCTION found(filter text, args jsonb DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE found text; plain text;
BEGIN
	SELECT string_agg(id, ' ' ORDER BY distance) INTO found
		FROM trident_search('item', '[0]', 20, filter => filter, filter_args => args);
	IF args IS NULL THEN
		EXECUTE 'SELECT string_agg(id::text, '' '' ORDER BY id) FROM item WHERE ' || filter INTO plain;
		IF plain IS DISTINCT FROM found THEN
			RAISE EXCEPTION 'plain SQL finds %', plain;
		END IF;
	END IF;
	RETURN found;
END $$;

-- Columns, constants, operators, functions.
SELECT found('n > 50');
SELECT found('item.n > 50 and search_filter.item.id < 8');
SELECT found('ok');
SELECT found('not ok or ok is null');
SELECT found('name like ''name_'' and lower(name) = ''name3''');
SELECT found('id in (1, 2, 3) and n between 20 and 100');
SELECT found('(id, half) = (4, 1) or (id, n) < (2, 0)');
SELECT found('case when id > 5 then ok else name = ''name1'' end');
SELECT found('case half when 1 then true when 2 then id > 5 end');
SELECT found('coalesce(half, 7) = 7 or nullif(id, 3) is null');
SELECT found('greatest(id, half) = 2 and least(id, 5) < 5');
SELECT found('name is distinct from ''name1'' and id < 4');
SELECT found('tags @> array[''t1''] and tags[2] = ''t3''');
SELECT found('''t5'' = any(tags) or id = all(array[9])');
SELECT found('doc @> ''{"a": 4}'' or doc->>''a'' = ''5'' or (doc->''b''->>0) = ''x1'' and doc[''a'']::int > 6');
SELECT found('doc @? ''$.b[*] ? (@ == "x0")''');
SELECT found('color = ''red'' or color::text = ''blue''');
SELECT found('color > ''red''');
SELECT found('span @> 4');
SELECT found('uid = ''00000000-0000-0000-0000-000000000007''');
SELECT found('little < 3 and n::int4 + half::bigint > 10');
SELECT found('name collate "C" < ''name4''');
SELECT found('code = ''c3'' or code in (''c4'', ''c5'')');
SELECT found('embedding <-> ''[5]'' < 2');
SELECT found('make_interval(days => id) > interval ''8 days'' and id % 2 = 1');
SELECT found('price::numeric(4,0) = 4 or sqrt(price) > 3');
SELECT found('name || id || ''x'' = ''name77x'' or ''x'' || little = ''x8''');
SELECT found('''5'' between id and n or ''2'' in (half, n) and numeric(9,1) ''1.25'' = price - 0.2');
SELECT found('nullif(''x'', name) is null or ''a'' is null or null is not null or concat(''n'', id) = ''n4''');
SELECT found('''{t1,t3}'' = tags or tags[1] in (''t0'', ''y'') and color in (''red'', ''green'') and ''[2,4)''::int4range @> id');
SELECT found('case color when ''red'' then true when ''green'' then name = ''name1'' else id = int4(''5'') end');
SELECT found('due = date(''2024-01-05'') or text(''name6'') = name or name = lower(''NAME7'')');
SELECT found('made at time zone ''+05'' > ''2024-01-09 17:00'' or interval(0) ''1.4 s'' > ''1 s'' and id = 2');
SELECT found('true');
SELECT found('null');
SELECT found('id /* comment */ = -- and another
	3');

-- Parameters: types are inferred, values converted by their input functions.
SELECT found('id = $1', '[3]');
SELECT found('id = $1', '["3"]');
SELECT found('id = $1', '[null]');
SELECT found('ok = $1 and price > $2 and name <> $3', '[true, 3.25, "name6"]');
SELECT found('id = any($1)', '[[1, 2, "3", null]]');
SELECT found('name = any($1)', '[["name1", "a\"b\\c{}", "name2"]]');
SELECT found('name = any($1)', '[["name1", null, "NULL", "", "null"]]');
SELECT found('id = any($1)', '[[]]');
SELECT found('array[[id, 2], [3, 4]] = $1', '[[[1, 2], [3, 4]]]');
SELECT found('doc @> $1', '[{"a": 4}]');
SELECT found('doc->''b'' = $1', '[["x1"]]');
SELECT found('doc = any($1::jsonb[])', '[[{"a": 2, "b": ["x0"]}, 3, "s", [1]]]');
SELECT found('doc->''b''->0 = $1', '["x1"]');
SELECT found('color = $1 or color = any($2)', '["red", ["blue"]]');
SELECT found('made > $1 and due <= $2', '["2024-01-05", "2024-01-08"]');
SELECT found('made > now() - $1::interval', '["1 day"]') IS NULL AS none;
SELECT found('$1 is null or id = $1', '[4]');
SELECT found('$1 is null or id = $1', '[null]');
SELECT found('$2::text is not null and id = $1', '[5, "x"]');
SELECT found('$1', '[true]');
SELECT found('uid = $1 and span @> $2::int and embedding <-> $3 < $4', '["00000000-0000-0000-0000-000000000007", 8, [7], 0.5]');
SELECT found('span && $1', '["[8,20)"]');
SELECT found('id = $1 + $2', '[1, 2]');
-- $1 alone tells no type, so it is text; and so is one that is not used.
SELECT found('concat($1, $2) = name', '["name", 3]');
SELECT found('id = $2', '["unused", 2]');
-- A value is never SQL.
SELECT found('name = $1', '["x'' or true --"]');
SELECT found('name = $1 or name = ''it''''s''', '["name1"]');

-- Values of the session are taken once; settings of the session apply.
SELECT found('made < now() and current_date > due and id < 3');
SELECT found('made < current_timestamp and localtimestamp > made and transaction_timestamp() = statement_timestamp() and id = 1')
	IS NOT NULL AS known;
SET search.tenant = '4';
SELECT found('id = current_setting(''search.tenant'')::int');
SELECT found('id = 1 and current_user = session_user and current_database() is not null');
SELECT found('made::date = ''2024-01-05'' or made > ''2024-01-09 11:00''::timestamp and made + interval ''1 hour'' < date ''2024-01-10''');
SELECT found('made + interval ''12 hours'' >= ''2024-01-08'' and to_char(made, ''DD'') <> ''09''');
SELECT found('extract(day from made) = 3 or date_trunc(''day'', made) = ''2024-01-04''');
SET timezone = 'Pacific/Kiritimati';	-- 14 hours ahead
SELECT found('made::date = ''2024-01-05'' and extract(hour from made) = 2');
SET timezone = 'UTC';
SELECT found('to_tsvector(name) @@ to_tsquery(''name3'') or id || ''x'' = ''4x''');
SELECT found('case made::date when ''2024-01-05'' then true end');
SELECT found('(array[made, now()])[1] = ''2024-01-05 12:00Z''');
SELECT found('array[made]::date[] = array[''2024-01-05''::date]');

-- Refused: SQLSTATE, message and hint.
CREATE FUNCTION refused(filter text, args jsonb DEFAULT NULL, OUT state text, OUT message text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
	message = found(filter, args);
	state = 'none';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
		hint = PG_EXCEPTION_HINT;
END $$;
CREATE TABLE secret (word text);
INSERT INTO secret VALUES ('xyzzy');
CREATE SEQUENCE counter;
CREATE FUNCTION mine(integer) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
CREATE FUNCTION lower(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS
	$$ BEGIN RAISE EXCEPTION 'the trojan ran'; END $$;
CREATE FUNCTION trojan(integer, integer) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS
	$$ BEGIN RAISE EXCEPTION 'the trojan ran'; END $$;
CREATE OPERATOR = (FUNCTION = trojan, LEFTARG = integer, RIGHTARG = integer);
CREATE FUNCTION definer(integer) RETURNS boolean IMMUTABLE SECURITY DEFINER LANGUAGE sql AS 'SELECT true';
CREATE FUNCTION trojan_check(integer) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS
	$$ BEGIN RAISE EXCEPTION 'the trojan ran'; END $$;
CREATE DOMAIN evil AS integer CHECK (trojan_check(VALUE));
CREATE TYPE pair AS (a integer, b integer);
CREATE TYPE evil_pair AS (a evil, b integer);
CREATE FUNCTION takes_evil(evil[]) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR ~~~ (FUNCTION = takes_evil, RIGHTARG = evil[]);
CREATE FUNCTION trojan_text(color) RETURNS text LANGUAGE plpgsql AS
	$$ BEGIN RAISE EXCEPTION 'the trojan ran'; END $$;
CREATE CAST (color AS text) WITH FUNCTION trojan_text(color);
CREATE CAST (pair AS text) WITH INOUT;
\x on
\pset format unaligned

-- what runs SQL, reads tables or files, writes, waits
SELECT * FROM refused($$ table_to_xml('secret', true, true, '')::text like '%x%' $$);
SELECT * FROM refused($$ query_to_xml('select word from secret', true, true, '')::text <> '' $$);
SELECT * FROM refused($$ schema_to_xml('search_filter', true, true, '')::text <> '' $$);
SELECT * FROM refused($$ cursor_to_xml('c', 1, true, true, '') is not null $$);
SELECT * FROM refused($$ pg_read_file('PG_VERSION') <> '' $$);
SELECT * FROM refused($$ pg_ls_dir('.') <> '' $$);
SELECT * FROM refused($$ lo_import('/etc/passwd') > 0 $$);
SELECT * FROM refused($$ lo_get(1) is null $$);
SELECT * FROM refused($$ nextval('counter') > 0 $$);
SELECT * FROM refused($$ currval('counter') > 0 $$);
SELECT * FROM refused($$ set_config('work_mem', '64kB', false) <> '' $$);
SELECT * FROM refused($$ pg_sleep(1) is null $$);
SELECT * FROM refused($$ pg_terminate_backend(id) $$);
SELECT * FROM refused($$ pg_advisory_lock(1) is null $$);
SELECT * FROM refused($$ random() < 0.5 $$);
SELECT * FROM refused($$ clock_timestamp() > made $$);
SELECT * FROM refused($$ has_table_privilege('secret', 'select') $$);
SELECT * FROM refused($$ pg_get_viewdef('secret'::regclass) is null $$);
SELECT * FROM refused($$ ts_rewrite('a'::tsquery, 'select 1') is null $$);
SELECT * FROM refused($$ current_setting(name) <> '' $$);
SELECT * FROM refused($$ to_jsonb(name) is null $$);
SELECT id FROM trident_search('item', '[0]', 1, filter => 'exists (select trident_search(''item'', ''[0]''))');
SELECT * FROM refused($$ (trident_search('item', '[0]')).id = '1' $$);

-- functions of users, also where they hide built-in ones
SELECT * FROM refused('mine(id)');
SELECT * FROM refused('definer(id)');
SET search_path = search_filter, pg_catalog, public, trident;
SELECT * FROM refused($$ lower(name) = 'name1' $$);
SELECT * FROM refused('id = 1');
SELECT * FROM refused('id in (1, 2)');
SELECT * FROM refused('(id, n) = (1, 2)');
SELECT * FROM refused('id operator(pg_catalog.=) 1');
SET search_path = search_filter, public, trident;
SELECT * FROM refused('id operator(search_filter.=) 1');
SELECT * FROM refused('id operator(search_filter.=) any(array[1])');
SELECT * FROM refused('search_filter.lower(name) is null');
SELECT * FROM refused('lower(name) = ''name1''');

-- types that bring code with them
SELECT * FROM refused('id::evil > 0');
SELECT * FROM refused('id > $1::evil', '[1]');
SELECT * FROM refused('id::text::evil > 0');
SELECT * FROM refused('($1::pair).a = 1', '["(1,2)"]');
SELECT * FROM refused('row(id, n)::pair::text = ''x''');
SELECT * FROM refused('id = any($1::evil[])', '[[1]]');
-- whose input functions run the code as soon as they are given a literal
SELECT * FROM refused($$ '1'::evil > 0 $$);
SELECT * FROM refused($$ '{1}'::evil[] IS NOT NULL $$);
SELECT * FROM refused($$ cast('{1}' collate "C" as evil[]) IS NOT NULL $$);
SELECT * FROM refused($$ _evil('{1}') IS NOT NULL $$);
SELECT * FROM refused($$ _evil '{1}' IS NOT NULL $$);
SELECT * FROM refused($$ '(1,1)'::evil_pair IS NULL $$);
SELECT * FROM refused($$ evil_pair('(1,1)') IS NULL $$);
SELECT * FROM refused($$ row('1', 2)::evil_pair IS NULL $$);
SELECT * FROM refused($$ array['1']::evil[] IS NULL $$);
SELECT * FROM refused($$ takes_evil('{1}') $$);
SELECT * FROM refused($$ ~~~ '{1}' $$);
SELECT * FROM refused($$ case when ok then '{1}' else null::evil[] end IS NULL $$);
SELECT * FROM refused($$ id = any(array(select unnest('{1}'::evil[])::integer)) $$);
-- casts of the type's owner
SELECT * FROM refused($$ color || name <> '' $$);
SELECT * FROM refused($$ 'x' || 'red'::color <> '' $$);
SELECT * FROM refused($$ color::text <> '' $$);
SELECT * FROM refused($$ concat(color, name) = 'trojan' $$);

-- what is more than an expression, or less
SELECT * FROM refused('id > (select 1)');
SELECT * FROM refused('exists (select from secret)');
SELECT * FROM refused('id = any(select 1)');
SELECT * FROM refused('array(select word from secret) is not null');
SELECT * FROM refused('true from secret');
SELECT * FROM refused('true where true');
SELECT * FROM refused('true group by id');
SELECT * FROM refused('true order by id');
SELECT * FROM refused('true limit 1');
SELECT * FROM refused('true for update');
SELECT * FROM refused('distinct true');
SELECT * FROM refused('true union select true');
SELECT * FROM refused('true, true');
SELECT * FROM refused('true as x');
SELECT * FROM refused('true x');
SELECT * FROM refused('true; drop table secret');
SELECT * FROM refused('true) or (true');
SELECT * FROM refused('true window w as (order by id)');
SELECT * FROM refused('true into secret');
SELECT * FROM refused('*');
SELECT * FROM refused('item.*');
SELECT * FROM refused('item is not null');
SELECT * FROM refused('item = item');
SELECT * FROM refused('row_to_json(item) is null');
SELECT * FROM refused('(item).id = 1');
SELECT * FROM refused('row(id, n) is null');
SELECT * FROM refused('ctid = ''(0,1)''');
SELECT * FROM refused('tableoid = 1');
SELECT * FROM refused('count(*) > 0');
SELECT * FROM refused('row_number() over () = 1');
SELECT * FROM refused('generate_series(1, 2) = 1');
SELECT * FROM refused('unnest(tags) = ''t1''');
SELECT * FROM refused('default');
SELECT * FROM refused('x := 1');
SELECT * FROM refused('xmlelement(name a) is null');
SELECT * FROM refused('secret.word = ''x''');
SELECT * FROM refused('no_such_function(id)');
SELECT * FROM refused('id = ''x''');
SELECT * FROM refused('id');
SELECT * FROM refused('  ');
SELECT * FROM refused('$1 = $2', '[1]');
SELECT * FROM refused('id = $0', '[1]');
SELECT * FROM refused('id = $1 or name = $1', '[1]');
SELECT * FROM refused('id = $100000000', '[1]');
SELECT * FROM refused('id = $1', '[[1, 2]]');
SELECT * FROM refused('id = $1', '[{"a": 1}]');
SELECT * FROM refused('id = any($1)', '[5]');
SELECT * FROM refused('id = any($1)', '["{1,5}"]');
SELECT * FROM refused('id = any($1)', '[[1, [2]]]');
\x off
\pset format aligned

-- Where an error is, in the filter.
SELECT * FROM trident_search('item', '[0]', filter => 'id > 1 and nothing > 2');
SELECT * FROM trident_search('item', '[0]', filter => 'id > 1 and pg_sleep(id) is null');
SELECT * FROM trident_search('item', '[0]', filter => 'id > $1', filter_args => '["x"]');
-- Errors of values are those of SQL.
SELECT * FROM trident_search('item', '[0]', filter => 'id / (id - 3) > 0');

-- Immutable functions of an extension may be listed: here one that is made a
-- member of an extension that is always there.
CREATE FUNCTION plpgsql_fn(integer) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1 < 3; END';
ALTER EXTENSION plpgsql ADD FUNCTION plpgsql_fn(integer);
SELECT state, message FROM refused('plpgsql_fn(id)');
SET trident.search_filter_extensions = 'postgis, "plpgsql"';
SELECT found('plpgsql_fn(id)');
ALTER FUNCTION plpgsql_fn(integer) STABLE;
SELECT state, message FROM refused('plpgsql_fn(id)');
SET trident.search_filter_extensions = 'a b';
RESET trident.search_filter_extensions;
ALTER EXTENSION plpgsql DROP FUNCTION plpgsql_fn(integer);

SET client_min_messages = warning;
DROP SCHEMA search_filter CASCADE;
