-- compat.md appendix B: the worked traces, by number. 11 is about HTTP.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir '/include/compat.psql'
\set ECHO none
\i :include
\set ECHO all
CREATE TABLE traces (n int, id text);
CREATE TABLE rounds (what text);
INSERT INTO traces SELECT n, df.start(graph, 'trace ' || n) FROM (VALUES
(1, 'SELECT 42 AS answer'),
(2, 'SELECT ''O''''Brien'' AS n' |=> 'p' ~> 'SELECT $p AS who'),
(3, 'SELECT 1 AS a' & df.sleep(1)),
(4, df.sleep(1) | df.sleep(60)),
(51, df.loop('SELECT 1', 'SELECT false')), (52, df.loop(df.break('{"k":1}'))), (53, df.loop(df.break('done'))),
(54, df.loop(df.break())), (55, df.loop('SELECT 1', df.break('of the condition'))),
(6, 'SELECT 1 WHERE false' ?> 'SELECT ''then'' AS b' !> 'SELECT ''else'' AS b'),
(7, df.wait_for_signal('go', 2)),
(8, 'SELECT 1/0' ~> 'SELECT 2'),
(9, df.sleep(1) & 'SELECT 1/0'),
(10, 'UPDATE compat.rounds SET what = what' |=> 'u' ~> 'SELECT $u'),
(101, 'UPDATE compat.rounds SET what = what' |=> 'u' ~> 'SELECT $u? AS u'),
(12, 'SELECT 1' ~> df.loop('INSERT INTO compat.rounds VALUES (''r'')', 'SELECT count(*) < 3 FROM compat.rounds')),
(13, df.loop('SELECT 1' ~> df.sleep(100)))) v(n, graph);
DO $$ BEGIN FOR n IN 1..200 LOOP
    EXIT WHEN EXISTS (SELECT FROM compat.traces t, df.instance_nodes(t.id) x WHERE t.n = 13 AND x.node_type = 'SLEEP' AND x.status = 'running');
    PERFORM pg_sleep(0.05); END LOOP; END $$;
SELECT df.cancel(id, 'no longer') = 'Instance ' || id || ' cancelled: no longer' AS cancelled FROM traces WHERE n = 13;
SELECT n, df.await_instance(id), df.result(id) FROM traces ORDER BY n;
SELECT n, output, execution_count FROM traces t JOIN df.list_instances() l ON l.instance_id = t.id ORDER BY n;
CREATE VIEW rows AS SELECT t.n, x.node_type AS type, left(x.query, 25) AS query, x.result_name AS name, x.status, x.inferred_status AS inferred, x.result,
       regexp_replace(replace(x.status_details::jsonb ->> 'execution_id', t.id, 'X'), '[0-9a-f]{8}', 'L') AS stamp
  FROM traces t, df.instance_nodes(t.id) x;
SELECT n, type, query, name, status, inferred, result FROM rows WHERE n IN (1, 2, 4, 8, 13) ORDER BY n, type, query;
SELECT n, type, stamp FROM rows WHERE n = 12 ORDER BY type, query, stamp;
SELECT n, completed_at IS NULL AS not_completed FROM traces t JOIN df.instances i USING (id) WHERE n IN (8, 13) ORDER BY n;
SELECT n, e.execution_id, e.status, e.output FROM traces t, df.instance_executions(t.id) e WHERE n = 13;
-- 14: all lines of one width; first the statement, then the IF with its groups
SELECT rtrim(line) AS line FROM regexp_split_to_table(df.explain('SELECT 1' |=> 'a' ~> ('SELECT $a > 0' ?> 'SELECT ''yes''' !> 'SELECT ''no''')), E'\n') WITH ORDINALITY t(line, n) ORDER BY n;
SELECT count(DISTINCT char_length(line)) AS widths FROM regexp_split_to_table(df.explain('SELECT 1' |=> 'a' ~> ('SELECT $a > 0' ?> 'SELECT ''yes''' !> 'SELECT ''no''')), E'\n') t(line);
\set include :abs_srcdir '/include/compat_end.psql'
\set ECHO none
\i :include
