-- df.explain of graphs, statements and expressions.
\pset format unaligned
\pset tuples_only on
SELECT df.explain('SELECT 1' ~> 'SELECT 2');
SELECT df.explain('SELECT 0' |=> 'z' ~> ('SELECT 1' & ('SELECT 2' ~> 'SELECT 3' |=> 'three')) ~> df.sleep(5));
SELECT df.explain(df.join3('a', 'b' ~> 'c', df.join('d', 'e')));
SELECT df.explain('SELECT 1');
SELECT df.explain('select' || repeat(' x', 50));
SELECT df.explain(df.sql('SELECT ''' || repeat('é', 40) || ''''));
SELECT df.explain('''SELECT 1'' ~> ''SELECT 2''');
SELECT df.explain('TABLE t');
SELECT df.explain('');
SELECT df.explain('ffffffff');
SELECT df.explain('{"node_type":"NOPE"}');
SELECT df.explain('{"node_type":"THEN","left_node":{},"right_node":{}}');
-- All node types, also those that no constructor of this version makes
SELECT df.explain('{"node_type":"IF","condition_node":{"node_type":"SQL","query":"SELECT true"},"left_node":{"node_type":"BREAK","query":"{\"break_value\":\"done\"}"},"right_node":{"node_type":"LOOP","left_node":{"node_type":"SLEEP","query":"1"},"condition_node":{"node_type":"SQL","query":"SELECT false"},"result_name":"l"}}');
SELECT df.explain('{"node_type":"RACE","left_node":{"node_type":"SIGNAL","query":"{\"signal_name\":\"go\",\"timeout_seconds\":5}"},"right_node":{"node_type":"WAIT_SCHEDULE","query":"{\"cron_expr\":\"0 9 * * 1\"}"}}');
SELECT df.explain(NULL) IS NULL;
