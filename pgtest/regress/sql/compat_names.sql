-- compat.md 3.12: what replaces {name} and $name, in every form, row by row of the specification's tables.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir '/include/compat.psql'
\set ECHO none
\i :include
\set ECHO all
SELECT df.setvar('m', 'val'), df.setvar('n', '42'), df.setvar('sql', 'SELECT 5 AS five'), df.setvar('tab', 'compat.items'),
       df.setvar('has space', 'x'), df.setvar('sys_label', 'mine'), df.setvar('dollar', '$x'), df.setvar('brace', '{m}');
CREATE TABLE items (id int, name text);
INSERT INTO items VALUES (1, 'one'), (2, 'two'), (3, NULL);
-- Step 1: variables
INSERT INTO runs (what, graph, status, result, output) VALUES
('verbatim', 'SELECT ''{m}'' AS m, {n} AS n', 'completed', '{"rows": [{"m": "val", "n": 42}], "row_count": 1}', NULL),
('a whole step', '{sql}', 'completed', '{"rows": [{"five": 5}], "row_count": 1}', NULL),
('a relation', 'SELECT count(*) AS c FROM {tab}', 'completed', '{"rows": [{"c": 3}], "row_count": 1}', NULL),
('not rescanned', 'SELECT ''{brace}'' AS b', 'completed', '{"rows": [{"b": "{m}"}], "row_count": 1}', NULL),
('system: label', 'SELECT ''{sys_label}'' AS l', 'completed', '{"rows": [{"l": "system: label"}], "row_count": 1}', NULL),
('system id', 'SELECT ''{sys_instance_id}'' ~ ''^[0-9a-f]{8}$'' AS i', 'completed', '{"rows": [{"i": true}], "row_count": 1}', NULL),
('left alone', 'SELECT ''{has space} { m } {M} {SYS_LABEL} {sys_label } {sys_other} {1a} {a-b} {unknown} {é} {} {'' AS s', 'completed', '{"rows": [{"s": "{has space} { m } {M} {SYS_LABEL} {sys_label } {sys_other} {1a} {a-b} {unknown} {é} {} {"}], "row_count": 1}', NULL),
('inside braces', 'SELECT ''{"model": "{m}", "k": {n}}'' AS s, ''{{m}}'' AS t, ''{x{m}y}'' AS u', 'completed', '{"rows": [{"s": "{\"model\": \"val\", \"k\": 42}", "t": "{val}", "u": "{xvaly}"}], "row_count": 1}', NULL),
('identifiers', 'SELECT 1 AS "{m}"', 'completed', '{"rows": [{"val": 1}], "row_count": 1}', NULL);
SELECT start_runs();
SELECT count(df.await_instance(id)) FROM runs;
SELECT * FROM differences;
SELECT df.start('SELECT ''['' || ''{sys_label}'' || '']'' AS l') AS id \gset
SELECT df.await_instance(:'id');
SELECT df.result(:'id');
-- Step 2: results. Each case runs after the same sources
CREATE TABLE cases (what text, query text, value text, error text);
INSERT INTO cases (what, query, value, error) VALUES
('string', 'SELECT $s AS v', '"O''Brien"', NULL), ('number', 'SELECT $i + 1 AS v', '8', NULL), ('boolean', 'SELECT NOT $b AS v', 'false', NULL),
('numeric is text', 'SELECT pg_typeof($d::numeric)::text || $d AS v', '"numeric1.50"', NULL),
('cast', 'SELECT $s::text || ''x'' AS v', '"O''Brienx"', NULL),
('jsonb column', 'SELECT $j::jsonb -> ''a'' AS v', '[1, "x"]', NULL),
('backslash', 'SELECT length($back) AS v', '3', NULL),
('column', 'SELECT $multi.name AS v', '"one"', NULL), ('column of the first row', 'SELECT $multi.id AS v', '1', NULL),
('bare is the first column', 'SELECT $multi AS v', '1', NULL),
('longest name first', 'SELECT $ii AS v', '70', NULL), ('boundary', 'SELECT ''$iii'' AS v', '"$iii"', NULL),
('shorter names are tried', 'SELECT $i.missing_column_falls_through IS NULL AS v', NULL, '%: syntax error at or near%'),
('dot without identifier', 'SELECT 1 + $i. AS v', NULL, '%'),
('no nested paths', 'SELECT $obj.k.x AS v', NULL, '%'),
('case matters', 'SELECT ''$S'' AS v', '"$S"', NULL),
('in a list', 'SELECT count(*) AS v FROM compat.items WHERE id = $i - 6', '1', NULL),
('row set', 'SELECT count(*) AS v FROM $multi.*', '3', NULL),
('row set alias', 'SELECT multi.name AS v FROM $multi.* WHERE multi.id = 2', '"two"', NULL),
('row set types', 'SELECT pg_typeof(id)::text || pg_typeof(name)::text AS v FROM $multi.* LIMIT 1', '"integertext"', NULL),
('row set in a subquery', 'SELECT count(*) AS v FROM compat.items WHERE id IN (SELECT id FROM $multi.*)', '3', NULL),
('row set any', 'SELECT count(*) AS v FROM compat.items WHERE id = ANY(SELECT id FROM $multi.*)', '3', NULL),
('any', 'SELECT count(*) AS v FROM compat.items WHERE id = ANY($multi)', '3', NULL),
('any of text', 'SELECT count(*) AS v FROM compat.items WHERE name = ANY($names)', '2', NULL),
('all', 'SELECT 9 > ALL($multi) AS v', 'true', NULL),
('any of nothing', 'SELECT count(*) AS v FROM compat.items WHERE id = ANY($none)', '0', NULL),
('row set of nothing', 'SELECT count(*) AS v FROM $none.*', '0', NULL),
('row set of nulls', 'SELECT count(*) FILTER (WHERE x IS NULL) AS v FROM $nulls.*', '2', NULL),
('row set json', 'SELECT (j::jsonb -> ''a'' ->> 1) AS v FROM $j.*', '"x"', NULL),
('row set alias twice', 'SELECT count(*) AS v FROM $multi.* AS m', NULL, '%: syntax error at or near%'),
('optional', 'SELECT $i? AS v', '7', NULL), ('optional null', 'SELECT COALESCE($null?, ''fallback'') AS v', '"fallback"', NULL),
('optional column', 'SELECT COALESCE($nothing.val?, ''fallback'') AS v', '"fallback"', NULL),
('optional of none', 'SELECT $none? AS v', 'null', NULL), ('optional column of none', 'SELECT $none.whatever? AS v', 'null', NULL),
('strict of none', 'SELECT $none AS v', NULL, '$none has no rows — query returned zero results%'),
('strict column of none', 'SELECT $none.whatever AS v', NULL, '$none has no rows — query returned zero results%'),
('strict null', 'SELECT $null AS v', NULL, '$null is NULL — first column of first row is NULL%'),
('strict null column', 'SELECT $nothing.val AS v', NULL, '$nothing.val is NULL%'),
('no columns', 'SELECT $empty AS v', NULL, '$empty: first row has no columns%'),
('no columns optional', 'SELECT $empty? AS v', NULL, '$empty: first row has no columns%'),
('missing column', 'SELECT $multi.nope AS v', NULL, 'SQL execution failed: error returned from database: syntax error at or near "$"%'),
('no row_count', 'SELECT $multi.row_count AS v', NULL, 'SQL execution failed: error returned from database: syntax error at or near "$"%'),
('update', 'SELECT $dml AS v', NULL, '$dml has no rows — query returned zero results%'), ('update optional', 'SELECT $dml? AS v', 'null', NULL),
('whole object', 'SELECT $obj::jsonb ->> ''k'' AS v', '"val"', NULL), ('field', 'SELECT $obj.k AS v', '"val"', NULL),
('field number', 'SELECT $obj.n + 1 AS v', '6', NULL), ('field object', 'SELECT $obj.o::jsonb -> ''p'' AS v', 'true', NULL),
('null field', 'SELECT $obj.z AS v', NULL, '$obj.z is NULL%'), ('null field optional', 'SELECT $obj.z? AS v', 'null', NULL),
('missing field', 'SELECT $obj.nope AS v', NULL, 'SQL execution failed: error returned from database: syntax error at or near "$"%'),
('join', 'SELECT jsonb_array_length($join::jsonb) AS v', '2', NULL),
('field of a join', 'SELECT $join.a AS v', NULL, '$join.a: result is neither a row set nor a JSON object%'),
('rows of a join', 'SELECT * FROM $join.*', NULL, '$join.* — invalid result format%'),
('optional whole', 'SELECT $obj?::jsonb ->> ''k'' AS v', '"val"', NULL),
('unknown', 'SELECT $foo AS v', NULL, 'SQL execution failed: error returned from database: syntax error at or near "$"%'),
('unknown in a literal', 'SELECT ''$foo costs $5'' AS v', '"$foo costs $5"', NULL),
('dollar quotes', 'SELECT $$a$$ || $q$b$q$ AS v', '"ab"', NULL),
('comment', 'SELECT 1 AS v -- $none and $null
', '1', NULL),
('after a variable', 'SELECT ''{m}'' || $s AS v', '"valO''Brien"', NULL),
('a variable may hold a reference', 'SELECT {dollar2} AS v', '7', NULL),
('too many rows', 'SELECT count(*) AS v FROM $big.*', NULL, '%exceeding the maximum of 10000 for row-set expansion%'),
('largest row set', 'SELECT count(*) AS v FROM $large.*', '10000', NULL),
('jsonb_build_object', 'SELECT jsonb_build_object(''a'', $multi.id, ''b'', $multi.name) AS v', '{"a": 1, "b": "one"}', NULL);
SELECT df.setvar('dollar2', '$i');
INSERT INTO runs (what, graph, status, result, output)
SELECT what, 'SELECT ''O''''Brien''::text AS n' |=> 's' ~> ('SELECT 7 AS i' |=> 'i') ~> ('SELECT 70' |=> 'ii') ~> ('SELECT true' |=> 'b')
       ~> ('SELECT 1.50' |=> 'd') ~> ('SELECT ''{"a":[1,"x"]}''::json AS j' |=> 'j') ~> ('SELECT ''a\b''' |=> 'back')
       ~> ('SELECT id, name FROM compat.items ORDER BY id' |=> 'multi') ~> ('SELECT name FROM compat.items WHERE name IS NOT NULL' |=> 'names')
       ~> ('SELECT 1 AS id WHERE false' |=> 'none') ~> ('SELECT NULL::text AS x FROM generate_series(1, 2)' |=> 'nulls')
       ~> ('SELECT NULL::int' |=> 'null') ~> ('SELECT 1 AS id, NULL::text AS val' |=> 'nothing') ~> ('SELECT' |=> 'empty')
       ~> ('UPDATE compat.items SET id = id' |=> 'dml') ~> (df.loop(df.break('{"k":"val","n":5,"o":{"p":true},"z":null}')) |=> 'obj')
       ~> ('SELECT 1' & 'SELECT 2' |=> 'join')
       ~> CASE WHEN what LIKE '%arge%' OR what LIKE '%many%' THEN ('SELECT n FROM generate_series(1, 10000) n' |=> 'large')
              ~> ('SELECT n FROM generate_series(1, 10001) n' |=> 'big') ELSE 'SELECT 1' END
       ~> query, CASE WHEN error IS NULL THEN 'completed' ELSE 'failed' END,
       CASE WHEN error IS NULL THEN format('{"rows": [{"v": %s}], "row_count": 1}', value) END, error
  FROM cases;
SELECT start_runs() > 0 AS started;
SELECT count(DISTINCT df.await_instance(id)) AS outcomes FROM runs;
SELECT * FROM differences;
-- The stored query shows the reference, the executed one had the value; references of no result are not looked for
SELECT query FROM df.instance_nodes((SELECT id FROM runs WHERE what = 'string')) WHERE query LIKE '%AS v';
INSERT INTO runs (what, graph, status, result, output) VALUES
('no names yet', 'SELECT ''$x.y $x?'' AS v', 'completed', '{"rows": [{"v": "$x.y $x?"}], "row_count": 1}', NULL),
('in a literal', 'SELECT ''it''''s'' AS n' |=> 'x' ~> 'SELECT ''<$x>'' AS v', 'completed', '{"rows": [{"v": "<it''s>"}], "row_count": 1}', NULL);
SELECT start_runs();
SELECT count(df.await_instance(id)) FROM runs;
SELECT * FROM differences;
-- Raw mode: here a break's value is the place for it (the original replaces nothing there)
CREATE TABLE raws (n serial, value text, result text, error text);
INSERT INTO raws (value, result, error) VALUES
('$s', '"O''Brien"', NULL), ('is $s', '"is O''Brien"', NULL), ('$i', '7', NULL), ('{"a":$i,"b":"$s","m":"{m}"}', '{"a": 7, "b": "O''Brien", "m": "val"}', NULL),
('$j', '{"a": 1}', NULL), ('$null?', '"NULL"', NULL), ('$null', NULL, '$null is NULL — first column of first row is NULL%'),
('$multi.*', '[{"id": 1, "name": "one"}, {"id": 2, "name": null}]', NULL), ('$none.*', '[]', NULL), ('$multi.name', '"one"', NULL),
('$multi.nope', NULL, '$multi.nope: result has no field ''nope'' (available: id, name)%'), ('$multi.nope?', '"$multi.nope?"', NULL),
('$obj', '{"k": "val"}', NULL), ('$obj.k', '"val"', NULL), ('$obj.nope', NULL, '$obj.nope: result has no field ''nope'' (available: k)%'),
('$none', NULL, '$none has no rows%'), ('$unknown', '"$unknown"', NULL);
INSERT INTO runs (what, graph, status, result, output)
SELECT value, df.loop('SELECT ''O''''Brien''::text AS n' |=> 's' ~> ('SELECT 7 AS i' |=> 'i') ~> ('SELECT ''{"a":1}''::json AS j' |=> 'j')
       ~> ('SELECT NULL::int AS n' |=> 'null') ~> ('SELECT 1 AS id WHERE false' |=> 'none')
       ~> ('SELECT * FROM (VALUES (1, ''one''), (2, NULL)) v(id, name)' |=> 'multi') ~> (df.loop(df.break('{"k":"val"}')) |=> 'obj')
       ~> df.break(value)), CASE WHEN error IS NULL THEN 'completed' ELSE 'failed' END, result, error FROM raws;
SELECT start_runs();
SELECT count(df.await_instance(id)) FROM runs;
SELECT * FROM differences;
\set include :abs_srcdir '/include/compat_end.psql'
\set ECHO none
\i :include
