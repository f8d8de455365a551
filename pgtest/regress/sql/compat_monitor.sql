-- compat.md 5: explain, lists with pages, info, executions, metrics, inferred states.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir '/include/compat.psql'
\set ECHO none
\i :include
\set ECHO all
\pset format unaligned
-- 5.2 The tree: the specification's example, exactly, but for the padding
SELECT string_agg(rtrim(line), E'\n' ORDER BY n) FROM regexp_split_to_table(df.explain(
    ('SELECT 0' |=> 'z') ~> (('SELECT true' ?> ('SELECT 1' ~> 'SELECT 11') !> df.break('done')) & (df.loop('SELECT 3', 'SELECT false') |=> 'l')) ~> 'SELECT 5'),
    E'\n') WITH ORDINALITY t(line, n);
-- every line is as wide as the longest and four blanks; characters count, not bytes
SELECT DISTINCT char_length(line) - max(char_length(rtrim(line))) OVER () AS padding
  FROM regexp_split_to_table(df.explain('SELECT ''é🙂''' ~> df.sleep(1)), E'\n') t(line);
SELECT replace(df.explain('SELECT 1' ~> 'SELECT 2'), ' ', '.');
-- node texts
INSERT INTO answers (statement, expected)
SELECT format('SELECT rtrim(df.explain(%L))', graph), expected FROM (VALUES
(df.sql('SELECT 1'), 'SQL: SELECT 1'), (df.sql('SELECT 1') |=> 'x', 'SQL: SELECT 1 |=> ''x'''),
(df.sql(repeat('x', 50)), 'SQL: ' || repeat('x', 50)), (df.sql(repeat('x', 51)), 'SQL: ' || repeat('x', 47) || '...'),
(df.sleep(5), 'SLEEP 5s'), (df.sleep(5) |=> 's', 'SLEEP 5s |=> ''s'''),
(df.wait_for_signal('go'), 'SIGNAL ''go'''), (df.wait_for_signal('go', 7), 'SIGNAL ''go'' (7s)'),
(df.break(), 'BREAK'), (df.break('v'), 'BREAK ''v'''), (df.break(repeat('v', 20)), 'BREAK ''' || repeat('v', 20) || ''''),
(df.break(repeat('v', 21)), 'BREAK ''' || repeat('v', 17) || '...'''),
(df.loop('a'), 'LOOP (infinite)%'), (df.loop('a', 'c'), 'LOOP (while)%'), (df.loop('a', 'c'), '%↻ body:%? while:%'),
(df.if('c', 'a', 'b'), 'IF%? condition:%✓ then:%✗ else:%'), (df.if_rows('r', 'a', 'b'), 'IF%✓ then:%✗ else:%'),
('a' & 'b', 'JOIN (2)%║ branch 1:%║ branch 2:%'), (df.join3('a', 'b', 'c'), 'JOIN (3)%║ branch 3:%'),
('a' | 'b', 'RACE%║ branch 1:%║ branch 2:%'), ('a' | 'b' |=> 'x', 'RACE %'), ('a' ~> 'b' |=> 'x', 'SQL: a%→ SQL: b'),
('{"node_type":"SQL"}', 'SQL: ?'), ('{"node_type":"SLEEP"}', 'SLEEP ?s'), ('{"node_type":"SIGNAL"}', 'SIGNAL ''?'''),
('{"node_type":"WAIT_SCHEDULE"}', 'WAIT ''?'''), ('{"node_type":"SIGNAL","query":"nope"}', 'SIGNAL ''?''')) v(graph, expected);
-- 5.1 What may be explained
INSERT INTO answers (statement, expected) VALUES
($$SELECT rtrim(df.explain('SELECT 1'))$$, 'SQL: SELECT 1'), ($$SELECT rtrim(df.explain('  select 1  '))$$, 'SQL: select 1'),
($$SELECT rtrim(df.explain('WITH a AS (SELECT 1) SELECT * FROM a'))$$, 'SQL: WITH a%'), ($$SELECT rtrim(df.explain('truncate t'))$$, 'SQL: truncate t'),
($$SELECT rtrim(df.explain('EXPLAIN SELECT 1'))$$, 'SQL: EXPLAIN SELECT 1'), ($$SELECT rtrim(df.explain('DO $a$ BEGIN END $a$'))$$, 'SQL: DO%'),
($$SELECT df.explain('')$$, E'Cannot explain input: not a valid Durofut JSON, instance ID, SQL statement, or DSL expression.\nHint: DSL expressions use df.*() functions and operators like ~>, |=>, &, |.'),
($$SELECT df.explain('hello')$$, 'Cannot explain input: not a valid Durofut JSON, instance ID, SQL statement, or DSL expression.%'),
($$SELECT df.explain('SELECT')$$, 'Cannot explain input%'), ($$SELECT df.explain('TABLE t')$$, 'Cannot explain input%'),
($$SELECT df.explain('[1]')$$, 'Cannot explain input%'), ($$SELECT df.explain('{"a":1}')$$, 'Cannot explain input%'),
($$SELECT df.explain('{"node_type":"SQL","query":1}')$$, 'Cannot explain input%'), ($$SELECT df.explain('a' ?> 'b')$$, 'Cannot explain input%'),
($$SELECT df.explain('00000000')$$, 'Instance ''00000000'' not found'), ($$SELECT df.explain(' 0000000A ')$$, 'Instance ''0000000A'' not found'),
($$SELECT df.explain('0000000')$$, 'Cannot explain input%'), ($$SELECT df.explain(NULL)$$, NULL),
($$SELECT rtrim(df.explain('''SELECT 1'' ~> ''SELECT 2'''))$$, E'SQL: SELECT 1%\n→ SQL: SELECT 2'),
($$SELECT rtrim(df.explain(' df.sleep(5) '))$$, 'SLEEP 5s'), ($$SELECT rtrim(df.explain('df.wait_for_schedule(''*/5 * * * *'')'))$$, 'WAIT ''*/5 * * * *'''),
($$SELECT df.explain('NULL::text ~> ''x''')$$, 'Expression returned NULL'),
($$SELECT df.explain('''a'' || ''~>''')$$, 'Failed to parse Durofut JSON: failed to deserialize Durofut: expected value at line 1 column 1'),
($$SELECT df.explain('df.nope()')$$, '42883 function df.nope() does not exist'),
($$SELECT df.explain('SELECT 1 ~> 2')$$, '42601 %'),
-- here: with no effect
($$SELECT df.explain('df.start(''SELECT 1'', ''explained'')')$$, '_____ %'), ($$SELECT df.explain('df.setvar(''explained'', ''1'')')$$, '_____ %'),
($$SELECT (SELECT count(*) FROM df.instances WHERE label = 'explained') + (SELECT count(*) FROM df.vars)$$, '0'),
($$SELECT df.explain('{"node_type":"NOPE"}')$$, 'Invalid durable function graph: root: Unknown node_type ''NOPE''. Valid types: %');
SELECT ask() > 0 AS asked;
SELECT * FROM surprises;
-- Instances: header, glyphs of the inferred states
SELECT df.start('SELECT true' ?> ('SELECT 1' |=> 'a') !> 'SELECT 2', 'labelled') AS id \gset
SELECT df.await_instance(:'id');
SELECT string_agg(rtrim(replace(line, :'id', 'ID')), E'\n' ORDER BY n) FROM regexp_split_to_table(df.explain(:'id'), E'\n') WITH ORDINALITY t(line, n);
SELECT df.start('SELECT 1/0' ~> df.sleep(7) ~> 'SELECT 2') AS id \gset
SELECT df.await_instance(:'id');
SELECT string_agg(rtrim(replace(line, :'id', 'ID')), E'\n' ORDER BY n) FROM regexp_split_to_table(df.explain(:'id'), E'\n') WITH ORDINALITY t(line, n);
SELECT df.start(df.wait_for_signal('go') |=> 's' ~> 'SELECT 2', 'waiting') AS id \gset
DO $$ BEGIN FOR n IN 1..200 LOOP EXIT WHEN EXISTS (SELECT FROM df.instances i WHERE label = 'waiting' AND status = 'running'); PERFORM pg_sleep(0.05); END LOOP; END $$;
SELECT string_agg(rtrim(replace(line, :'id', 'ID')), E'\n' ORDER BY n) FROM regexp_split_to_table(df.explain(:'id'), E'\n') WITH ORDINALITY t(line, n);
-- What an instance waits for, as the guide finds it
SELECT n.node_type, n.query::jsonb ->> 'signal_name' AS signal, n.inferred_status FROM df.instance_nodes(:'id') n
 WHERE n.node_type IN ('SIGNAL', 'SLEEP', 'WAIT_SCHEDULE') AND n.inferred_status = 'running';
SELECT df.signal(:'id', 'go', '7');
SELECT df.await_instance(:'id');
-- 5.4 inferred states: untaken arm, after a failure, race loser, live rows
SELECT n.node_type, left(n.query, 9) AS query, n.status, n.inferred_status, n.inferred_status_from_ancestor_id IS NULL AS own
  FROM df.instances i, df.instance_nodes(i.id) n WHERE i.label = 'labelled' AND n.node_type = 'SQL' ORDER BY 2;
-- a loser that is a loop says so, in its second iteration, too
CREATE TABLE lost (n int);
SELECT df.start(df.race(df.sleep(3), df.loop('INSERT INTO compat.lost VALUES (1)' ~> df.if('SELECT count(*) > 1 FROM compat.lost', df.sleep(100), 'SELECT ''first'''))), 'loser') AS id \gset
SELECT df.await_instance(:'id');
SELECT node_type, status, inferred_status, left(result, 42) AS result FROM df.instance_nodes(:'id') WHERE node_type IN ('LOOP', 'RACE', 'SLEEP') ORDER BY 1, 2;
-- what the iteration before left is pending again
CREATE TABLE rounds (n int);
SELECT df.start(df.loop('INSERT INTO compat.rounds VALUES (1)' ~> df.if('SELECT count(*) > 1 FROM compat.rounds', df.sleep(100), 'SELECT ''first''') , 'SELECT true'), 'second') AS id \gset
DO $$ BEGIN FOR n IN 1..200 LOOP EXIT WHEN EXISTS (SELECT FROM df.instances i, df.instance_nodes(i.id) x
    WHERE i.label = 'second' AND x.node_type = 'SLEEP' AND x.status = 'running' AND x.query = '100' AND i.status = 'running'); PERFORM pg_sleep(0.05); END LOOP; END $$;
SELECT node_type, CASE node_type WHEN 'SQL' THEN left(query, 15) END AS query, status, inferred_status, inferred_status_from_ancestor_id IS NOT NULL AS other FROM df.instance_nodes(:'id') ORDER BY 1, 2;
SELECT df.cancel(:'id') IS NOT NULL AS cancelled;
SELECT count(*) FROM df.instance_nodes('00000000');
SELECT count(*) FROM df.instance_nodes(NULL);
-- the older overload: the same rows, execution_id 1; NULL gives none
SELECT execution_id, node_type, status, result FROM df.instance_nodes(:'id', 5) ORDER BY node_type, result COLLATE "C";
SELECT count(*) FROM df.instance_nodes(:'id', NULL);
-- 5.3 Lists: order, filters, limits
CREATE TABLE many AS SELECT n, df.start('SELECT ' || n, 'page') AS id FROM generate_series(1, 7) n;
SELECT count(df.await_instance(id)) FROM many;
SELECT count(*) FROM df.list_instances('completed', 1000, 'page');
SELECT count(*) FROM df.list_instances('COMPLETED', 1000, 'page');
SELECT count(*) FROM df.list_instances('', 1000, 'page');
SELECT count(*) FROM df.list_instances('failed', 1000, 'page');
SELECT count(*) FROM df.list_instances(NULL, 1000, 'Page');
SELECT count(*) FROM df.list_instances(NULL, 1000, NULL) a, df.list_instances(NULL, 1000) b WHERE a.instance_id = b.instance_id;
SELECT count(*), count(DISTINCT function_name), min(function_name) AS name, min(execution_count) AS executions FROM df.list_instances();
SELECT l.output FROM many m JOIN df.list_instances() l ON l.instance_id = m.id WHERE m.n = 7;
SELECT function_name, function_version, current_execution_id, status, output FROM df.instance_info((SELECT id FROM many WHERE n = 3));
SELECT bool_and(created_at <= lag) AS newest_first FROM (SELECT i.created_at, lag(i.created_at) OVER (ORDER BY l.n) AS lag
  FROM df.list_instances() WITH ORDINALITY l(instance_id, label, f, status, e, o, n) JOIN df.instances i ON i.id = l.instance_id) x;
-- pages: newest first, ties by id; one cursor for the page; none on the last
CREATE FUNCTION pages(size int, status text DEFAULT NULL) RETURNS TABLE (page int, ids text[], cursors bigint, is_last bool) LANGUAGE plpgsql AS $$
DECLARE next text; at int := 0;
BEGIN
    LOOP
        at := at + 1;
        SELECT array_agg(l.instance_id), count(DISTINCT l.next_cursor), bool_and(l.next_cursor IS NULL), min(l.next_cursor)
          INTO ids, cursors, is_last, next FROM df.list_instances(pages.status, size, 'page', next) l;
        page := at;
        RETURN NEXT;
        EXIT WHEN next IS NULL OR at > 20;
    END LOOP;
END $$;
SELECT page, cardinality(ids) AS rows, cursors, is_last FROM pages(3);
SELECT page, cardinality(ids) AS rows, is_last FROM pages(7);
SELECT page, cardinality(ids) AS rows, is_last FROM pages(1) WHERE page IN (1, 7);
SELECT array_agg(id) = (SELECT array_agg(i.id::text ORDER BY i.created_at DESC, i.id) FROM df.instances i WHERE label = 'page') AS ordered
  FROM pages(2) p, unnest(p.ids) WITH ORDINALITY u(id, n);
SELECT created_at IS NOT NULL AS created, completed_at IS NOT NULL AS completed, next_cursor ~ '^[0-9a-f]+$' AS hex, length(next_cursor) <= 512 AS short
  FROM df.list_instances(NULL, 1, 'page');
INSERT INTO answers (statement, expected) VALUES
($$SELECT count(*) FROM df.list_instances(NULL, 0)$$, '_____ limit_count must be at least 1'),
($$SELECT count(*) FROM df.list_instances(NULL, -1)$$, '_____ limit_count must be at least 1'),
($$SELECT count(*) FROM df.list_instances(NULL, 1001)$$, '_____ df.list_instances: limit_count (1001) exceeds pg_durable.list_instances_max_limit (1000); request fewer rows, or use the paginated df.list_instances overload (after_cursor/next_cursor) for large result sets'),
($$SELECT count(*) FROM df.list_instances(NULL, NULL)$$, '_____ argument 1 must not be null'),
($$SELECT count(*) FROM df.list_instances(NULL, 0, NULL)$$, '_____ limit_count must be at least 1'),
($$SELECT count(*) FROM df.list_instances(NULL, 2000, NULL)$$, '_____ df.list_instances: limit_count (2000) exceeds pg_durable.list_instances_max_limit (1000);%'),
($$SELECT count(*) FROM df.list_instances(NULL, NULL, NULL)$$, '_____ argument 1 must not be null'),
($$SELECT count(*) FROM df.list_instances(NULL, 1, NULL, 'zz')$$, '_____ df.list_instances: invalid after_cursor'),
($$SELECT count(*) FROM df.list_instances(NULL, 1, NULL, '')$$, '_____ df.list_instances: invalid after_cursor'),
($$SELECT count(*) FROM df.list_instances(NULL, 1, NULL, 'abc')$$, '_____ df.list_instances: invalid after_cursor'),
($$SELECT count(*) FROM df.list_instances(NULL, 1, NULL, encode('v2|2026-01-01T00:00:00.000000+00|aaaaaaaa', 'hex'))$$, '_____ df.list_instances: invalid after_cursor'),
($$SELECT count(*) FROM df.list_instances(NULL, 1, NULL, encode('v1|yesterday-ish|aaaaaaaa', 'hex'))$$, '_____ df.list_instances: invalid after_cursor'),
($$SELECT count(*) FROM df.list_instances(NULL, 1, NULL, encode('v1|2026-01-01T00:00:00.000000+00', 'hex'))$$, '_____ df.list_instances: invalid after_cursor'),
($$SELECT count(*) FROM df.list_instances(NULL, 1, NULL, repeat('ab', 300))$$, '_____ df.list_instances: invalid after_cursor'),
($$SELECT count(*) FROM df.instance_executions('00000000')$$, '0'), ($$SELECT count(*) FROM df.instance_executions(NULL)$$, '0'),
($$SELECT count(*) FROM df.instance_executions('00000000', 0)$$, '_____ limit_count must be at least 1'),
($$SELECT count(*) FROM df.instance_info('00000000')$$, '0'), ($$SELECT count(*) FROM df.instance_info(NULL)$$, '0');
SELECT ask() > 0 AS asked;
SELECT * FROM surprises;
-- a page's order does not depend on the session's time zone
SET timezone = 'Asia/Kolkata';
SELECT count(*) FROM pages(3) p, unnest(p.ids);
RESET timezone;
-- executions
SELECT execution_id, status, event_count > 0 AS events, duration_ms >= 0 AS took, output FROM df.instance_executions((SELECT id FROM many WHERE n = 3));
SELECT e.status, e.output FROM df.instances i, df.instance_executions(i.id, 1000000) e WHERE i.status = 'failed';
-- metrics: for those who may
SELECT count(*) FROM df.metrics();
RESET ROLE;
SELECT total_instances >= 10 AS total, running_instances >= 0 AS running, completed_instances >= 9 AS completed, failed_instances >= 1 AS failed,
       total_executions >= total_instances AS executions, total_events > 0 AS events FROM df.metrics();
-- the setting is a cap for all but superusers may change it; the default works whatever it is, up to it
SET pg_durable.list_instances_max_limit = 3;
SELECT count(*) AS by_default FROM df.list_instances();
SELECT * FROM df.list_instances(NULL, 4);
RESET pg_durable.list_instances_max_limit;
\pset format aligned
\set include :abs_srcdir '/include/compat_end.psql'
\set ECHO none
\i :include
