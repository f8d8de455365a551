-- compat.md 3.1, 3.2: what a statement may be, and what its result is. Types print as the issue's differences say:
-- numeric as the server prints it, what the original refuses as to_json does, json numbers with every digit.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir '/include/compat.psql'
\set ECHO none
\i :include
\set ECHO all
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE t (id int PRIMARY KEY, v text);
CREATE TABLE checked (id int REFERENCES t DEFERRABLE INITIALLY DEFERRED);
INSERT INTO t VALUES (1, 'a'), (2, 'b');
CREATE PROCEDURE proc(INOUT n int) LANGUAGE plpgsql AS $$ BEGIN n := n + 1; END $$;
-- Each row: the expression and its JSON in the raw output
CREATE TABLE types (n serial, expression text, json text);
INSERT INTO types (expression, json) VALUES
('true', 'true'), ('1::smallint', '1'), ('-2147483648', '-2147483648'), ('9223372036854775807', '9223372036854775807'),
('3.14::real', '3.140000104904175'), ('1::real', '1.0'), ('100::float8', '100.0'), ('''-0''::float8', '-0.0'),
('1e15::float8', '1000000000000000.0'), ('1e16::float8', '1e+16'), ('1e-5::float8', '0.00001'), ('1e-6::float8', '1e-6'),
('0.1::float8 + 0.2', '0.30000000000000004'), ('''NaN''::float8', 'null'), ('''-Infinity''::float8', 'null'), ('''Infinity''::real', 'null'),
('1.50::numeric', '"1.50"'), ('0.00::numeric', '"0.00"'), ('1000.00::numeric', '"1000.00"'), ('avg(x)', '"1.6500000000000000"'),
('1e20::numeric', '"100000000000000000000"'), ('''NaN''::numeric', '"NaN"'), ('''Infinity''::numeric', '"Infinity"'),
('''text''', '"text"'), ('''v''::varchar(5)', '"v"'), ('''n''::name', '"n"'), ('NULL', 'null'), ('''quote " back \ ''', '"quote \" back \\ "'),
('E''\t\n''', '"\t\n"'), ('''é🙂''', '"é🙂"'),
('''A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11''::uuid', '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"'),
('''2026-01-02 03:04:05+02''::timestamptz', '"2026-01-02T01:04:05+00:00"'),
('''2026-01-02 03:04:05.5+00''::timestamptz', '"2026-01-02T03:04:05.500+00:00"'),
('''2026-01-02 03:04:05.123456+00''::timestamptz', '"2026-01-02T03:04:05.123456+00:00"'),
('''0044-03-15 00:00:00+00 BC''::timestamptz', '"-0043-03-15T00:00:00+00:00"'),
('''12345-01-01 00:00:00+00''::timestamptz', '"+12345-01-01T00:00:00+00:00"'),
('''2026-01-02 03:04:05''::timestamp', '"2026-01-02T03:04:05"'), ('''2026-01-02 03:04:05.000001''::timestamp', '"2026-01-02T03:04:05.000001"'),
('''2026-01-02''::date', '"2026-01-02"'), ('''0044-03-15 BC''::date', '"-0043-03-15"'), ('''12345-01-01''::date', '"+12345-01-01"'),
('''infinity''::timestamptz', '"infinity"'), ('''-infinity''::date', '"-infinity"'),
('''{"b": 1, "a": [1, null]}''::json', '{"b":1,"a":[1,null]}'), ('''{"b": 1, "a": {}}''::jsonb', '{"a":{},"b":1}'),
('''{"a": 3.10}''::json', '{"a":3.10}'), ('''12345678901234567890123''::jsonb', '12345678901234567890123'), ('''"s"''::jsonb', '"s"'),
('''null''::jsonb', 'null'), ('pg_sleep(0)', 'null'), ('5::compat.positive', '5'), ('NULL::int', 'null'), ('NULL::interval', 'null'),
-- refused there
('ARRAY[1,2]', '[1,2]'), ('ARRAY[''a'',NULL]', '["a",null]'), ('ARRAY[[1],[2]]', '[[1],[2]]'), ('''ab''::char(4)', '"ab  "'), ('''\x01ff''::bytea', '"\\x01ff"'),
('''1 day''::interval', '"1 day"'), ('''10:20''::time', '"10:20:00"'), ('''ok''::compat.mood', '"ok"'), ('ROW(1, ''x'')::compat.pair', '{"a":1,"b":"x"}'),
('''[1,3)''::int4range', '"[1,3)"'), ('''10.0.0.1''::inet', '"10.0.0.1"'), ('''<a/>''::xml', '"<a/>"'), ('B''101''::bit(3)', '"101"'),
('''t''::regclass', '"t"'), ('26::oid', '"26"');
INSERT INTO runs (what, graph, status, output)
SELECT expression, 'SET search_path = compat; SELECT ' || expression || ' AS c' || CASE WHEN expression = 'avg(x)' THEN ' FROM (VALUES (1.10), (2.20)) v(x)' ELSE '' END,
       'completed', replace(format('{"rows":[{"c":%s}],"row_count":1}', json), '\', '\\') FROM types;
SELECT start_runs() > 0 AS started;
SELECT count(DISTINCT df.await_instance(id)) AS outcomes FROM runs;
SELECT n, what, expected, got FROM differences WHERE of <> 'result';
-- Statements and shapes
INSERT INTO runs (what, graph, status, result, output) VALUES
('columns in order', 'SELECT 1 AS z, 2 AS a', 'completed', '{"rows": [{"a": 2, "z": 1}], "row_count": 1}', '{"rows":[{"z":1,"a":2}],"row_count":1}'),
('several rows', 'SELECT id, v FROM compat.t ORDER BY id', 'completed', '{"rows": [{"v": "a", "id": 1}, {"v": "b", "id": 2}], "row_count": 2}', '{"rows":[{"id":1,"v":"a"},{"id":2,"v":"b"}],"row_count":2}'),
('unnamed', 'SELECT 1 + 1', 'completed', '{"rows": [{"?column?": 2}], "row_count": 1}', NULL),
('duplicates', 'SELECT 1 AS a, 2 AS b, 3 AS a', 'completed', '{"rows": [{"a": 3, "b": 2}], "row_count": 1}', '{"rows":[{"a":3,"b":2}],"row_count":1}'),
('duplicates of two types', 'SELECT 1, ''x''', 'completed', '{"rows": [{"?column?": "x"}], "row_count": 1}', NULL),
('no columns', 'SELECT FROM compat.t', 'completed', '{"rows": [{}, {}], "row_count": 2}', '{"rows":[{},{}],"row_count":2}'),
('no rows', 'SELECT 1 WHERE false', 'completed', '{"rows": [], "row_count": 0}', '{"rows":[],"row_count":0}'),
('empty', '', 'completed', '{"rows": [], "row_count": 0}', NULL),
('semicolon', ' ; ', 'completed', '{"rows": [], "row_count": 0}', NULL),
('comment', '-- nothing', 'completed', '{"rows": [], "row_count": 0}', NULL),
('trailing semicolon', 'SELECT 1 AS a;', 'completed', '{"rows": [{"a": 1}], "row_count": 1}', NULL),
('insert', 'INSERT INTO compat.t VALUES (10, ''x''), (11, ''y'')', 'completed', '{"rows": [], "row_count": 2}', '{"rows":[],"row_count":2}'),
('returning', 'INSERT INTO compat.t VALUES (12, ''z'') RETURNING id', 'completed', '{"rows": [{"id": 12}], "row_count": 1}', NULL),
('update none', 'UPDATE compat.t SET v = v WHERE id < 0', 'completed', '{"rows": [], "row_count": 0}', NULL),
('ddl', 'CREATE TABLE compat.made AS SELECT 1 AS a', 'completed', '{"rows": [], "row_count": 0}', '{"rows":[],"row_count":0}'),
('select into', 'SELECT id INTO compat.chosen FROM compat.t', 'completed', '{"rows": [], "row_count": 0}', NULL),
('materialized view', 'CREATE MATERIALIZED VIEW compat.seen AS SELECT id FROM compat.t', 'completed', '{"rows": [], "row_count": 0}', NULL),
('refresh', 'CREATE MATERIALIZED VIEW compat.seen2 AS TABLE compat.t; REFRESH MATERIALIZED VIEW compat.seen2', 'completed', '{"rows": [], "row_count": 0}', NULL),
('merge', 'CREATE TEMP TABLE m (id int); MERGE INTO m USING (VALUES (1), (2)) s (id) ON m.id = s.id WHEN NOT MATCHED THEN INSERT VALUES (s.id)', 'completed', '{"rows": [], "row_count": 2}', NULL),
('delete', 'CREATE TEMP TABLE m AS SELECT 1 AS id; DELETE FROM m', 'completed', '{"rows": [], "row_count": 1}', NULL),
('application name', 'SELECT current_setting(''application_name'') AS a', 'completed', '{"rows": [{"a": "pg_durable:worker:workflow-sql"}], "row_count": 1}', NULL),
('do', 'DO $$ BEGIN PERFORM 1; END $$', 'completed', '{"rows": [], "row_count": 0}', NULL),
('call', 'CALL compat.proc(1)', 'completed', '{"rows": [{"n": 2}], "row_count": 1}', NULL),
('show', 'SHOW search_path', 'completed', '{"rows": [{"search_path": "\"$user\", public"}], "row_count": 1}', NULL),
('explain', 'EXPLAIN (COSTS OFF) SELECT 1', 'completed', '{"rows": [{"QUERY PLAN": "Result"}], "row_count": 1}', NULL),
('vacuum', 'VACUUM (ANALYZE) compat.t', 'completed', '{"rows": [], "row_count": 0}', NULL),
('vacuum freeze', 'VACUUM (FREEZE, ANALYZE) compat.t', 'completed', '{"rows": [], "row_count": 0}', NULL),
('set', 'SET work_mem = ''1MB''', 'completed', '{"rows": [], "row_count": 0}', NULL),
('prepare', 'PREPARE p AS SELECT 1', 'completed', '{"rows": [], "row_count": 0}', NULL),
('listen', 'LISTEN c', 'completed', '{"rows": [], "row_count": 0}', NULL),
('nothing stays', 'SET work_mem = ''1MB''' ~> 'CREATE TEMP TABLE gone (a int)' ~> 'SELECT current_setting(''work_mem'') <> ''1MB'' AND to_regclass(''gone'') IS NULL AND NOT EXISTS (SELECT FROM pg_prepared_statements) AS clean', 'completed', '{"rows": [{"clean": true}], "row_count": 1}', NULL),
('own session', 'SELECT current_user::text AS c, session_user::text AS s, current_setting(''transaction_isolation'') AS i', 'completed', '{"rows": [{"c": "compat_user", "i": "read committed", "s": "compat_user"}], "row_count": 1}', NULL),
('in workflow', 'SELECT current_setting(''df.in_workflow'', true) AS w', 'completed', '{"rows": [{"w": "true"}], "row_count": 1}', NULL),
('reset role', 'RESET ROLE', 'completed', '{"rows": [], "row_count": 0}', NULL),
('several statements', 'INSERT INTO compat.t VALUES (20, ''one''); SELECT v FROM compat.t WHERE id = 20', 'completed', '{"rows": [{"v": "one"}], "row_count": 1}', NULL),
('several statements, one transaction', 'INSERT INTO compat.t VALUES (21, ''undone''); SELECT 1/0', 'failed', NULL, 'SQL execution failed: error returned from database: division by zero'),
('error', 'SELECT * FROM compat.nowhere', 'failed', NULL, 'SQL execution failed: error returned from database: relation "compat.nowhere" does not exist'),
('not sql', 'not sql', 'failed', NULL, 'SQL execution failed: error returned from database: syntax error at or near "not"'),
('parameter', 'SELECT $1', 'failed', NULL, 'SQL execution failed: error returned from database: %'),
('partial conditional', df.sql('a' ?> 'b'), 'failed', NULL, 'SQL execution failed: error returned from database: syntax error at or near "{"'),
('deferred constraint', 'INSERT INTO compat.checked VALUES (99) RETURNING id', 'failed', NULL, 'SQL execution failed: error returned from database: insert or update on table "checked" violates foreign key constraint "checked_id_fkey"'),
('begin', 'BEGIN', 'failed', NULL, 'SQL execution failed: %'), ('commit', 'COMMIT', 'failed', NULL, 'SQL execution failed: %'),
('savepoint', 'SAVEPOINT s', 'failed', NULL, 'SQL execution failed: %'),
('copy out', 'COPY compat.t TO STDOUT', 'failed', NULL, 'SQL execution failed: %'),
('copy in', 'COPY compat.t FROM STDIN', 'failed', NULL, 'SQL execution failed: %'),
('cursor', 'DECLARE c CURSOR FOR SELECT 1', 'failed', NULL, 'SQL execution failed: %DECLARE CURSOR can only be used in transaction blocks%'),
('terminated', 'SELECT pg_cancel_backend(pg_backend_pid())', 'failed', NULL, 'SQL execution failed: error returned from database: canceling statement due to user request'),
('many rows', 'SELECT n, repeat(''x'', 20) AS v FROM generate_series(1, 2000) n' |=> 'r' ~> 'SELECT count(*) AS c, sum(n) AS s FROM $r.*', 'completed', '{"rows": [{"c": 2000, "s": 2001000}], "row_count": 1}', NULL),
('a NUL escape', 'SELECT ''{"a":"\u0000"}''::json AS j', 'failed', NULL, '%');
SELECT start_runs() > 0 AS started;
SELECT count(DISTINCT df.await_instance(id)) AS outcomes FROM runs;
SELECT * FROM differences WHERE what <> 'ddl' OR of <> 'result';
SELECT id, v FROM t WHERE id > 2 ORDER BY id;
-- It waits for every open statement, so this one is waited for without one
SELECT df.start('CREATE INDEX CONCURRENTLY t_v ON compat.t (v)') AS id \gset
CALL df.wait(:'id');
SELECT df.result(:'id'), indisvalid FROM pg_index WHERE indexrelid = 't_v'::regclass;
SELECT count(*) FROM checked;
-- Settings of the role apply, those of the caller's session do not
RESET ROLE;
ALTER ROLE compat_user SET work_mem = '7MB';
ALTER ROLE compat_user SET search_path = compat;
ALTER ROLE compat_user SET statement_timeout = '500ms';
ALTER ROLE compat_user SET timezone = 'Asia/Tokyo';
ALTER ROLE compat_user SET datestyle = 'German, DMY';
SET ROLE compat_user;
SET maintenance_work_mem = '9MB';
INSERT INTO runs (what, graph, status, result, output) VALUES
('settings', 'SELECT current_setting(''work_mem'') AS w, current_setting(''maintenance_work_mem'') <> ''9MB'' AS m, count(*) > 0 AS p FROM t', 'completed', '{"rows": [{"m": true, "p": true, "w": "7MB"}], "row_count": 1}', NULL),
('timeout', 'SELECT pg_sleep(5)', 'failed', NULL, 'SQL execution failed: error returned from database: canceling statement due to statement timeout'),
('zones', 'SELECT ''2026-01-02 03:04:05+00''::timestamptz AS z, ''2026-01-02''::date AS d, ''2026-01-02 00:00''::timestamptz AS local', 'completed', '{"rows": [{"d": "2026-01-02", "z": "2026-01-02T03:04:05+00:00", "local": "2026-01-01T15:00:00+00:00"}], "row_count": 1}', NULL);
SELECT start_runs();
SELECT count(df.await_instance(id)) FROM runs;
SELECT * FROM differences;
\set include :abs_srcdir '/include/compat_end.psql'
\set ECHO none
\i :include
