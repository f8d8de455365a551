-- df.explain of graphs, statements and expressions.
\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse
SELECT df.explain('SELECT 1' ~> 'SELECT 2');
SELECT df.explain('SELECT 0' |=> 'z' ~> ('SELECT 1' & ('SELECT 2' ~> 'SELECT 3' |=> 'three')) ~> df.sleep(5));
SELECT df.explain(df.join3('a', 'b' ~> 'c', df.join('d', 'e')));
SELECT df.explain(NULL) IS NULL;
-- Padding: every line, the last too, to the longest and four more; characters count, not bytes
SELECT DISTINCT char_length(line) FROM unnest(string_to_array(df.explain('SELECT ''é''' ~> 'SELECT 12345'), E'\n')) line;
SELECT quote_literal(line) FROM unnest(string_to_array(df.explain(df.sql(E'SELECT 1,\n  2') ~> 'SELECT 3'), E'\n')) line;
-- Long texts are cut by characters: 50, 40, 20
SELECT df.explain(df.sql('SELECT ''' || repeat('é', n - 9) || '''')) FROM unnest(ARRAY[49, 50, 51]) n;
SELECT df.explain(format('{"node_type":"HTTP","query":%s}', to_json(format('{"method":"GET","url":"%s"}', repeat('ü', n))))) FROM unnest(ARRAY[40, 41]) n;
SELECT df.explain(format('{"node_type":"BREAK","query":%s}', to_json(format('{"break_value":"%s"}', repeat('→', n))))) FROM unnest(ARRAY[20, 21]) n;
-- All node types, with and without what they want to know
SELECT df.explain(format('{"node_type":"%s","result_name":"n"}', t)) FROM unnest(ARRAY['SQL', 'THEN', 'IF', 'JOIN', 'LOOP', 'BREAK', 'RACE', 'SLEEP',
    'WAIT_SCHEDULE', 'HTTP', 'HTTP_MULTIPART', 'SIGNAL']) t;
SELECT df.explain('{"node_type":"RACE","left_node":{"node_type":"SIGNAL","query":"{\"signal_name\":\"go\",\"timeout_seconds\":5}"},"right_node":{"node_type":"WAIT_SCHEDULE","query":"{\"cron_expr\":\"0 9 * * 1\"}"}}');
SELECT df.explain('{"node_type":"HTTP_MULTIPART","query":"{\"method\":\"PUT\",\"url\":\"http://x\"}"}');
-- The specification's nested example
SELECT rtrim(line) FROM unnest(string_to_array(df.explain(
 '{"node_type":"THEN","left_node":{"node_type":"THEN",
   "left_node":{"node_type":"SQL","query":"SELECT 0","result_name":"z"},
   "right_node":{"node_type":"JOIN",
     "left_node":{"node_type":"IF","condition_node":{"node_type":"SQL","query":"SELECT true"},
       "left_node":{"node_type":"THEN","left_node":{"node_type":"SQL","query":"SELECT 1"},"right_node":{"node_type":"SQL","query":"SELECT 11"}},
       "right_node":{"node_type":"BREAK","query":"{\"break_value\":\"done\"}"}},
     "right_node":{"node_type":"LOOP","left_node":{"node_type":"SQL","query":"SELECT 3"},"condition_node":{"node_type":"SQL","query":"SELECT false"},"result_name":"l"}}},
   "right_node":{"node_type":"SQL","query":"SELECT 5"}}'), E'\n')) WITH ORDINALITY AS t (line, n) ORDER BY n;
-- Envelopes that are refused, and what is none
SELECT df.explain('{"node_type":"NOPE"}');
SELECT df.explain('  {"node_type":"SQL","query":"SELECT 1"}  ');
SELECT df.explain('{"node_type":"THEN","left_node":{},"right_node":{}}');
SELECT df.explain('{"node_type":"SQL","condition_node":{"node_type":"SQL","query":"x"}}');
SELECT df.explain(t) FROM unnest(ARRAY['{"node_type":"THEN","left_node":5}', '{"node_type":5}', '{"query":"SELECT 1"}', '[1]', '5', '"SELECT 1"',
    '{"_partial_if": true, "condition": "SELECT 1", "then_branch": "SELECT 2"}']) t;
-- Statements: a keyword and a blank, a newline after those that query
SELECT t, df.explain(t) LIKE 'SQL: %' FROM unnest(ARRAY['SELECT 1', E'  select\n1', E'SELECT\t1', 'SELECT', 'SELECT(1)', 'selects 1', 'INSERT INTO t VALUES (1)',
    'UPDATE t SET a = 1', 'DELETE FROM t', 'WITH a AS (SELECT 1) SELECT 2', E'with\na AS (SELECT 1) SELECT 2', 'CREATE TABLE t ()', E'CREATE\nTABLE t ()',
    'alter table t add a int', 'DROP TABLE t', 'CALL p()', 'DO $$ $$', 'TRUNCATE t', 'GRANT a TO b', 'REVOKE a FROM b', 'EXPLAIN SELECT 1', 'TABLE t',
    'VALUES (1)', 'MERGE INTO t', 'VACUUM t', 'BEGIN', '', '   ', 'hello']) t;
SELECT df.explain('TABLE t');
-- Ids: eight hexadecimal digits; letter case counts
SELECT df.explain(t) FROM unnest(ARRAY['ffffffff', ' 0000000a ', 'FFFFFFFF', '0123456', '0123456789', 'ffffffff0000', 'gfffffff']) t;
