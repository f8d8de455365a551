-- compat.md 3.1, 3.3-3.9, 3.13: sequences, names, conditions, truth, joins, races, loops and breaks.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir '/include/compat.psql'
\set ECHO none
\i :include
\set ECHO all
-- 3.6 Truth of a condition: the first column of the first row of a statement, in each row of the table
CREATE TABLE truths (n serial, expression text, truth bool);
INSERT INTO truths (expression, truth) VALUES
('true', true), ('false', false), ('NULL::bool', false), ('1', true), ('0', false), ('-1', true), ('0.0::float8', false),
('-0.0::float8', false), ('0.1::float8', true), ('''NaN''::float8', false), ('''Infinity''::float8', false), ('''NaN''::float4', false),
('1.5::numeric', true), ('0.00::numeric', false), ('0::numeric', false), ('-0.001::numeric', true), ('9223372036854775807', true),
('''''', false), ('''   ''', false), ('''true''', true), ('''T''', true), ('''yes''', true), ('''YES''', true), (''' yes ''', true),
('''false''', false), ('''F''', false), ('''no''', false), ('''No''', false), (''' false ''', false), ('''0''', false),
('''0.00''', false), ('''-0''', false), ('''0e5''', false), ('''1''', true), ('''nan''', true), ('''inf''', true), ('''off''', true),
('''n''', true), ('''y''', true), ('''disabled''', true), ('''null''', true), ('''{}''', true), ('''0x0''', true),
('''{}''::jsonb', false), ('''[]''::jsonb', false), ('''{"a":0}''::jsonb', true), ('''[0]''::jsonb', true), ('''null''::jsonb', false),
('''false''::jsonb', false), ('''0''::jsonb', false), ('''"no"''::jsonb', false), ('''{"rows":[]}''::jsonb', true),
('now()', true), ('current_date', true), ('gen_random_uuid()', true), ('pg_sleep(0)', false), ('NULL::text', false);
INSERT INTO runs (what, graph, status, result)
SELECT expression, 'SELECT ' || expression || ' AS c, NULL AS d' ?> 'SELECT true AS t' !> 'SELECT false AS t', 'completed',
       format('{"rows": [{"t": %s}], "row_count": 1}', truth::text) FROM truths;
INSERT INTO runs (what, graph, status, result) VALUES
('no rows', df.if('SELECT 1 WHERE false', 'SELECT true AS t', 'SELECT false AS t'), 'completed', '{"rows": [{"t": false}], "row_count": 1}'),
('no columns', df.if('SELECT', 'SELECT true AS t', 'SELECT false AS t'), 'completed', '{"rows": [{"t": true}], "row_count": 1}'),
('no statement', df.if('', 'SELECT true AS t', 'SELECT false AS t'), 'completed', '{"rows": [{"t": false}], "row_count": 1}'),
('first row only', df.if('SELECT false UNION ALL SELECT true', 'SELECT true AS t', 'SELECT false AS t'), 'completed', '{"rows": [{"t": false}], "row_count": 1}'),
('a join', df.if('SELECT false' & 'SELECT false', 'SELECT true AS t', 'SELECT false AS t'), 'completed', '{"rows": [{"t": true}], "row_count": 1}'),
('a sleep', df.if(df.sleep(0), 'SELECT true AS t', 'SELECT false AS t'), 'completed', '{"rows": [{"t": true}], "row_count": 1}'),
('a signal', df.if(df.wait_for_signal('s', 1), 'SELECT true AS t', 'SELECT false AS t'), 'completed', '{"rows": [{"t": true}], "row_count": 1}'),
('a sequence', df.if('SELECT true' ~> 'SELECT false', 'SELECT true AS t', 'SELECT false AS t'), 'completed', '{"rows": [{"t": false}], "row_count": 1}'),
('an update of nothing', df.if('DELETE FROM compat.truths WHERE false', 'SELECT true AS t', 'SELECT false AS t'), 'completed', '{"rows": [{"t": false}], "row_count": 1}');
-- break values are tested after their JSON parse
INSERT INTO runs (what, graph, status, result)
SELECT 'break ' || value, df.if(df.loop(df.break(value)), 'SELECT true AS t', 'SELECT false AS t'), 'completed',
       format('{"rows": [{"t": %s}], "row_count": 1}', truth)
  FROM (VALUES ('0', 'false'), ('false', 'false'), ('null', 'false'), ('[]', 'false'), ('{}', 'false'), ('FALSE', 'false'), ('1', 'true'),
        ('', 'false'), ('x', 'true'), ('{"a":1}', 'true'), ('"no"', 'false'), ('0.0', 'false')) v(value, truth);
SELECT start_runs() > 0 AS started;
SELECT count(DISTINCT df.await_instance(id)) AS outcomes FROM runs;
SELECT * FROM differences;
-- 3.3-3.5, 3.7-3.9, 3.13
CREATE TABLE effects (who text);
CREATE TABLE counters (who text PRIMARY KEY, n int NOT NULL DEFAULT 0);
CREATE FUNCTION compat.tick(name text) RETURNS int LANGUAGE sql AS $$
    INSERT INTO compat.counters VALUES (name, 1) ON CONFLICT (who) DO UPDATE SET n = counters.n + 1 RETURNING n
$$;
INSERT INTO runs (what, graph, status, result, output) VALUES
-- sequences and names
('then', 'SELECT 1 AS a' ~> 'SELECT 2 AS b', 'completed', '{"rows": [{"b": 2}], "row_count": 1}', '{"rows":[{"b":2}],"row_count":1}'),
('named then', 'SELECT 1 AS a' ~> 'SELECT 2 AS b' |=> 'x' ~> 'SELECT $x AS v, $x.b AS w', 'completed', '{"rows": [{"v": 2, "w": 2}], "row_count": 1}', NULL),
('overwritten', 'SELECT 1' |=> 'x' ~> ('SELECT 2' |=> 'x') ~> 'SELECT $x AS v', 'completed', '{"rows": [{"v": 2}], "row_count": 1}', NULL),
('failed left', 'SELECT 1/0' ~> 'INSERT INTO compat.effects VALUES (''failed left'')', 'failed', NULL, 'SQL execution failed: error returned from database: division by zero'),
('named sleep', df.sleep(0) |=> 'x' ~> 'SELECT $x::jsonb ->> ''slept'' AS v', 'completed', '{"rows": [{"v": "true"}], "row_count": 1}', NULL),
-- conditions
('if value', 'SELECT 1' ?> 'SELECT ''yes'' AS a' !> 'SELECT ''no'' AS a' |=> 'r' ~> 'SELECT $r AS r', 'completed', '{"rows": [{"r": "yes"}], "row_count": 1}', NULL),
('names of condition and branch', df.if('SELECT 7' |=> 'c', 'SELECT $c + 1' |=> 'b', 'SELECT 0') ~> 'SELECT $c AS c, $b AS b', 'completed', '{"rows": [{"b": 8, "c": 7}], "row_count": 1}', NULL),
('failing condition', 'SELECT 1/0' ?> 'SELECT 1' !> 'SELECT 2', 'failed', NULL, 'SQL execution failed: error returned from database: division by zero'),
('nested if', 'SELECT true' ?> ('SELECT false' ?> 'SELECT 1 AS a' !> 'SELECT 2 AS a') !> 'SELECT 3 AS a', 'completed', '{"rows": [{"a": 2}], "row_count": 1}', NULL),
('if_rows', 'SELECT 1' |=> 'r' ~> df.if_rows('r', 'SELECT ''some'' AS a', 'SELECT ''none'' AS a'), 'completed', '{"rows": [{"a": "some"}], "row_count": 1}', NULL),
('if_rows false', 'SELECT 1 WHERE false' |=> 'r' ~> df.if_rows('r', 'SELECT ''some'' AS a', 'SELECT ''none'' AS a'), 'completed', '{"rows": [{"a": "none"}], "row_count": 1}', NULL),
('if_rows of a null', 'SELECT NULL::int' |=> 'r' ~> df.if_rows('r', 'SELECT ''some'' AS a', 'SELECT ''none'' AS a'), 'completed', '{"rows": [{"a": "some"}], "row_count": 1}', NULL),
('if_rows of DML', 'INSERT INTO compat.effects VALUES (''dml'')' |=> 'r' ~> df.if_rows('r', 'SELECT ''some'' AS a', 'SELECT ''none'' AS a'), 'completed', '{"rows": [{"a": "some"}], "row_count": 1}', NULL),
('if_rows unknown', df.if_rows('nix', 'SELECT 1', 'SELECT 2'), 'failed', NULL, '%df.if_rows: result ''nix'' not found%'),
('if_rows of a join', ('SELECT 1' & 'SELECT 2' |=> 'r') ~> df.if_rows('r', 'SELECT 1', 'SELECT 2'), 'failed', NULL, '%is not a SQL result (missing row_count)%'),
('if_rows of a signal', (df.wait_for_signal('x', 1) |=> 'r') ~> df.if_rows('r', 'SELECT 1', 'SELECT 2'), 'failed', NULL, '%is not a SQL result (missing row_count)%'),
('if_rows of a break value', df.loop(df.break('{"row_count": 3}')) |=> 'r' ~> df.if_rows('r', 'SELECT 1 AS a', 'SELECT 2 AS a'), 'completed', '{"rows": [{"a": 1}], "row_count": 1}', NULL),
('if_rows of a plain break value', df.loop(df.break('x')) |=> 'r' ~> df.if_rows('r', 'SELECT 1 AS a', 'SELECT 2 AS a'), 'failed', NULL, '%is not a SQL result (missing row_count)%'),
('untaken branch', 'SELECT true' ?> 'SELECT 1 AS a' !> 'SELECT 1/0', 'completed', '{"rows": [{"a": 1}], "row_count": 1}', NULL),
('if without condition', '{"node_type":"IF","query":"{}","left_node":{"node_type":"SQL","query":"SELECT 1"},"right_node":{"node_type":"SQL","query":"SELECT 1"}}', 'failed', NULL, '%IF node missing condition_node%'),
('if of unknown kind', '{"node_type":"IF","query":"{\"condition_type\":\"x\"}","left_node":{"node_type":"SQL","query":"SELECT 1"},"right_node":{"node_type":"SQL","query":"SELECT 1"}}', 'failed', NULL, '%IF node missing condition_node%'),
('if with bad config', '{"node_type":"IF","query":"nope","left_node":{"node_type":"SQL","query":"SELECT 1"},"right_node":{"node_type":"SQL","query":"SELECT 1"}}', 'failed', NULL, '%Invalid IF config%'),
('if_rows without name', '{"node_type":"IF","query":"{\"condition_type\":\"result_has_rows\"}","left_node":{"node_type":"SQL","query":"SELECT 1"},"right_node":{"node_type":"SQL","query":"SELECT 1"}}', 'failed', NULL, '%missing result_name%'),
-- joins
('join', 'SELECT 1 AS a' & 'SELECT 2 AS b', 'completed', '[{"rows": [{"a": 1}], "row_count": 1}, {"rows": [{"b": 2}], "row_count": 1}]', '[{"rows":[{"a":1}],"row_count":1},{"rows":[{"b":2}],"row_count":1}]'),
('nested join', 'SELECT 1 AS a' & 'SELECT 2 AS b' & 'SELECT 3 AS c', 'completed', '[[{"rows": [{"a": 1}], "row_count": 1}, {"rows": [{"b": 2}], "row_count": 1}], {"rows": [{"c": 3}], "row_count": 1}]', NULL),
('join3', df.join3('SELECT 1 AS a', df.sleep(0), 'SELECT 3 AS c'), 'completed', '[{"rows": [{"a": 1}], "row_count": 1}, {"slept": true, "seconds": 0}, {"rows": [{"c": 3}], "row_count": 1}]', NULL),
('raw join of five', format('{"node_type":"JOIN","left_node":%1$s,"right_node":%1$s,"extra_nodes":[%1$s,%1$s,%1$s]}', df.sleep(0)), 'completed', '[{"slept": true, "seconds": 0}, {"slept": true, "seconds": 0}, {"slept": true, "seconds": 0}, {"slept": true, "seconds": 0}, {"slept": true, "seconds": 0}]', NULL),
('later branch wins', 'SELECT 0' |=> 'x' ~> df.join('SELECT 1' |=> 'x', 'SELECT 2' |=> 'x') ~> 'SELECT $x AS x', 'completed', '{"rows": [{"x": 2}], "row_count": 1}', NULL),
('later branch wins though first to end', df.join('SELECT pg_sleep(0.3), 1 AS n' |=> 'x', 'SELECT NULL, 2 AS n' |=> 'x') ~> 'SELECT $x.n AS x', 'completed', '{"rows": [{"x": 2}], "row_count": 1}', NULL),
('copies at the fork', 'SELECT 5' |=> 'x' ~> df.join('SELECT $x AS a' ~> ('SELECT 6' |=> 'y'), df.sleep(1) ~> 'SELECT $x AS b, ''$y'' AS y'), 'completed', '[{"rows": [{"?column?": 6}], "row_count": 1}, {"rows": [{"b": 5, "y": "$y"}], "row_count": 1}]', NULL),
('second branch fails', 'SELECT 1' & 'SELECT 1/0', 'failed', NULL, 'JOIN branch 2 failed: SQL execution failed: error returned from database: division by zero'),
('first of two failing', df.join('SELECT pg_sleep(0.3), 1/0', 'SELECT 1::text::json -> ''a'' -> ''b'', cast(''x'' || random() AS int)'), 'failed', NULL, 'JOIN branch 1 failed: SQL execution failed: error returned from database: division by zero'),
('waits for the others', df.join('SELECT 1/0', df.sleep(1) ~> 'INSERT INTO compat.effects VALUES (''waits'')'), 'failed', NULL, 'JOIN branch 1 failed: %'),
('nested branches failing', ('SELECT 1' & ('SELECT 2' & 'SELECT 1/0')) , 'failed', NULL, 'JOIN branch 2 failed: JOIN branch 2 failed: SQL execution failed: error returned from database: division by zero'),
('break in a join', df.loop(df.join(df.break('out'), 'INSERT INTO compat.effects VALUES (''join break'')')), 'completed', '"out"', '"out"'),
('lowest break', df.loop(df.join3('SELECT 1', df.sleep(0) ~> df.break('two'), df.break('three'))), 'completed', '"two"', NULL),
('lower failure beats break', df.loop(df.join('SELECT 1/0', df.break('x'))), 'failed', NULL, '%JOIN branch 1 failed: SQL execution failed: error returned from database: division by zero'),
('lower break beats failure', df.loop(df.join(df.break('x'), 'SELECT 1/0')), 'completed', '"x"', NULL),
-- races
('race', df.sleep(0) | df.sleep(600), 'completed', '{"slept": true, "seconds": 0}', '{"slept": true, "seconds": 0}'),
('race right', df.sleep(600) | 'SELECT 1 AS a', 'completed', '{"rows": [{"a": 1}], "row_count": 1}', NULL),
('race names', df.race('SELECT 1' |=> 'l', df.sleep(600) ~> 'SELECT 1' |=> 'r') ~> 'SELECT $l AS l, ''$r'' AS r', 'completed', '{"rows": [{"l": 1, "r": "$r"}], "row_count": 1}', NULL),
('race named', df.race('SELECT 4 AS n', df.sleep(600)) |=> 'x' ~> 'SELECT $x.n AS n', 'completed', '{"rows": [{"n": 4}], "row_count": 1}', NULL),
('race fails left', 'SELECT 1/0' | df.sleep(600), 'failed', NULL, 'RACE left branch failed: SQL execution failed: error returned from database: division by zero'),
('race fails right', df.sleep(600) | 'SELECT 1/0', 'failed', NULL, 'RACE right branch failed: SQL execution failed: error returned from database: division by zero'),
('race of races', df.sleep(600) | df.sleep(600) | 'SELECT 1 AS a', 'completed', '{"rows": [{"a": 1}], "row_count": 1}', NULL),
('race in join', df.join(df.race(df.sleep(0), df.sleep(600)), df.race(df.sleep(600), 'SELECT 1/0')), 'failed', NULL, 'JOIN branch 2 failed: RACE right branch failed: SQL execution failed: %'),
('break in a race', df.loop(df.race(df.break('won'), df.sleep(600))), 'completed', '"won"', NULL),
('losing sequence stops', df.race('SELECT 1 AS a', df.sleep(1) ~> 'INSERT INTO compat.effects VALUES (''lost'')'), 'completed', '{"rows": [{"a": 1}], "row_count": 1}', NULL),
('losing statement undone', df.race(df.sleep(1), 'INSERT INTO compat.effects SELECT ''undone'' FROM pg_sleep(8)') ~> 'SELECT 1 AS a', 'completed', '{"rows": [{"a": 1}], "row_count": 1}', NULL),
-- loops
('once', df.loop('SELECT 1 AS a', 'SELECT false'), 'completed', '{"rows": [{"a": 1}], "row_count": 1}', NULL),
('three times', df.loop('SELECT compat.tick(''three'') AS n', 'SELECT n < 3 FROM compat.counters WHERE who = ''three'''), 'completed', '{"rows": [{"n": 3}], "row_count": 1}', NULL),
('prefix operator', @> ('SELECT compat.tick(''prefix'') AS n' |=> 'n' ~> ('SELECT $n >= 2' ?> df.break('two') !> 'SELECT 1')), 'completed', '"two"', NULL),
('loop named', df.loop('SELECT 9 AS n', 'SELECT false') |=> 'l' ~> 'SELECT $l.n AS n', 'completed', '{"rows": [{"n": 9}], "row_count": 1}', NULL),
('condition sees the body', df.loop('SELECT compat.tick(''sees'') AS n' |=> 'x', 'SELECT $x < 2'), 'completed', '{"rows": [{"n": 2}], "row_count": 1}', NULL),
('failing condition of a loop', df.loop('SELECT 1', 'SELECT 1/0'), 'failed', NULL, 'SQL execution failed: error returned from database: division by zero'),
('failing body', df.loop('SELECT 1/0'), 'failed', NULL, 'SQL execution failed: error returned from database: division by zero'),
('failing inner loop', 'SELECT 1' ~> df.loop('SELECT 1/0'), 'failed', NULL, 'Loop sub-orchestration failed: SQL execution failed: error returned from database: division by zero'),
('failing nested loops', 'SELECT 1' ~> df.loop('SELECT 2' ~> df.loop('SELECT 1/0')), 'failed', NULL, 'Loop sub-orchestration failed: Loop sub-orchestration failed: SQL execution failed: error returned from database: division by zero'),
('failing loop as branch', df.join(df.loop('SELECT 1/0'), 'SELECT 1'), 'failed', NULL, 'JOIN branch 1 failed: SQL execution failed: error returned from database: division by zero'),
('root loop forgets names', df.loop('SELECT compat.tick(''forgets'') AS n, ''$seen'' AS seen' ~> ('SELECT 1' |=> 'seen') ~> ('SELECT n < 2 AS again, ''$old'' AS old FROM compat.counters WHERE who = ''forgets''' |=> 'old'), 'SELECT $old.again'), 'completed', '{"rows": [{"old": "$old", "again": false}], "row_count": 1}', NULL),
('inner loop keeps names', 'SELECT 0' |=> 'sum' ~> df.loop('SELECT $sum + 1' |=> 'sum', 'SELECT $sum < 3') ~> 'SELECT $sum AS sum', 'completed', '{"rows": [{"sum": 3}], "row_count": 1}', NULL),
('loop in a loop starts anew', 'SELECT 0' |=> 'k' ~> df.loop(df.loop(df.break('x')) ~> 'SELECT $k + 1' |=> 'k', 'SELECT $k < 2') ~> 'SELECT $k AS k', 'completed', '{"rows": [{"k": 2}], "row_count": 1}', NULL),
-- breaks
('break null', df.loop(df.break()), 'completed', 'null', 'null'),
('break text', df.loop(df.break('done')), 'completed', '"done"', '"done"'),
('break empty', df.loop(df.break('')), 'completed', '""', NULL),
('break number', df.loop(df.break('1.50')), 'completed', '1.50', NULL),
('break object', df.loop(df.break('{"k":1}')), 'completed', '{"k": 1}', '{"k":1}'),
('break in the condition', df.loop('SELECT 1', df.break('c')), 'completed', '"c"', NULL),
('break unwinds', df.loop('SELECT 1' ~> ('SELECT true' ?> ('SELECT 2' ~> df.break('deep') ~> 'SELECT 1/0') !> 'SELECT 3') ~> 'SELECT 1/0'), 'completed', '"deep"', NULL),
('break the nearest', df.loop(df.loop(df.break('inner')) ~> df.break('outer')), 'completed', '"outer"', NULL),
('break replaces', df.loop(('SELECT 5 AS n' |=> 'x') ~> df.break('$x')), 'completed', '5', NULL),
('break outside', df.break('v') ~> 'SELECT 1', 'failed', NULL, 'df.break() was called outside of a loop%'),
('raw break without value', '{"node_type":"LOOP","left_node":{"node_type":"BREAK","query":"nope"}}', 'completed', 'null', NULL),
('raw break of a number', '{"node_type":"LOOP","left_node":{"node_type":"BREAK","query":"{\"break_value\":5}"}}', 'completed', 'null', NULL);
SELECT start_runs() > 0 AS started;
SELECT count(DISTINCT df.await_instance(id)) AS outcomes FROM runs;
SELECT * FROM differences;
-- What ran, and what did not
SELECT who, count(*) FROM effects GROUP BY 1 ORDER BY 1;
-- 3.8 the idiom for a timeout of a step
SELECT df.start(df.race('SELECT pg_sleep(20)', df.sleep(1) ~> 'SELECT ''timeout'' AS t'), 'timeout') AS id \gset
SELECT df.await_instance(:'id', 6);
SELECT df.result(:'id');
-- 2.2, 3.7 a join of 1,001 arms, as raw JSON may have it, runs to its end
SELECT df.start('{"node_type":"JOIN","left_node":' || df.sql('SELECT 0 AS n') || ',"right_node":' || df.sql('SELECT 1 AS n')
       || ',"extra_nodes":[' || string_agg(df.sql('SELECT ' || n || ' AS n'), ',' ORDER BY n) || ']}', 'wide') AS id
  FROM generate_series(2, 1000) n \gset
SELECT df.await_instance(:'id', 300);
SELECT jsonb_array_length(df.result(:'id')::jsonb) AS arms,
       (SELECT bool_and((arm -> 'rows' -> 0 ->> 'n')::int = place - 1)
          FROM jsonb_array_elements(df.result(:'id')::jsonb) WITH ORDINALITY a (arm, place)) AS in_order;
SELECT node_type, status, count(*) FROM df.instance_nodes(:'id') GROUP BY 1, 2 ORDER BY 1;
-- 3.9 a second between iterations that go on, none before the end
SELECT clock_timestamp() AS t0 \gset
SELECT df.start(df.loop('SELECT compat.tick(''pace'') AS n', 'SELECT n < 3 FROM compat.counters WHERE who = ''pace''')) AS id \gset
SELECT df.await_instance(:'id');
SELECT clock_timestamp() - :'t0' BETWEEN '1.9 s' AND '4 s' AS paced;
SELECT execution_count FROM df.list_instances() WHERE instance_id = :'id';
\set include :abs_srcdir '/include/compat_end.psql'
\set ECHO none
\i :include
