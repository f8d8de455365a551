-- The texts that compat.md quotes as matchable, each from the place that says it. Shown is only what cannot be matched.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir '/include/compat.psql'
\set ECHO none
\i :include
\set ECHO all
CREATE TABLE texts (n serial, statement text, sqlstate text DEFAULT '_____', fragment text);
INSERT INTO texts (statement, sqlstate, fragment) VALUES
($$SELECT df.as('a', '')$$, '22023', 'df.as: result name cannot be empty'),
($$SELECT df.as('a', '9')$$, '22023', 'is not a valid identifier — must match [a-zA-Z_][a-zA-Z0-9_]*'),
($$SELECT df.sleep(-1)$$, '22023', 'Sleep duration must be non-negative'),
($$SELECT df.wait_for_schedule('x')$$, '22023', 'Invalid cron expression ''x'': '),
($$SELECT df.wait_for_signal('')$$, '22023', 'Signal name cannot be empty'),
($$SELECT df.wait_for_signal('s', 0)$$, '22023', 'Timeout must be positive'),
($$SELECT '{}' !> 'x'$$, 'P0001', 'Invalid if-then-else: left side of !> must be a ?> expression'),
($$SELECT 'x' !> 'x'$$, '22P02', 'invalid input syntax for type json'),
($$SELECT df.seq('{"node_type":"SQL","query":1}', 'x')$$, '22023', 'Invalid Durofut JSON: failed to deserialize workflow step: '),
($$SELECT df.seq('{"node_type":"THEN","left_node":1}', 'x')$$, '22023', 'Durofut children must be JSON objects'),
($$SELECT df.seq('{"node_type":"IF","condition_node":1}', 'x')$$, '22023', 'condition_node must be a Durofut JSON object'),
($$SELECT df.seq('{"node_type":"JOIN","extra_nodes":[1]}', 'x')$$, '22023', 'extra_nodes entries must be Durofut JSON objects'),
($$SELECT df.start('{"node_type":"SQL","query":1}')$$, '22023', 'Invalid durable function: Malformed Durofut JSON with node_type ''SQL'': '),
($$SELECT df.start('{"node_type":"X"}')$$, '22023', 'Unknown node_type ''X''. Valid types: SQL, THEN, IF, JOIN, LOOP, BREAK, RACE, SLEEP, WAIT_SCHEDULE, HTTP, HTTP_MULTIPART, SIGNAL'),
($$SELECT df.start('{"node_type":"SQL"}')$$, '23514', 'new row for relation "nodes" violates check constraint "nodes_structure_chk"'),
($$SELECT df.start('{"node_type":"SQL","query":"x","result_name":"a b"}')$$, '23514', 'nodes_result_name_chk'),
($$SELECT df.start(NULL)$$, '22004', 'argument 0 must not be null'),
($$SELECT df.start('x', transaction_mode => NULL)$$, '22004', 'argument 3 must not be null'),
($$SELECT df.start('x', transaction_mode => 'y')$$, '22023', 'invalid transaction_mode "y" for df.start(): expected ''caller'' or ''new'''),
($$SELECT df.start('x', database => 'no such')$$, '_____', 'database "no such" does not exist'),
($$SELECT df.cancel('00000000')$$, '42704', 'Instance not found or access denied: 00000000'),
($$SELECT df.signal('', 's')$$, '22023', 'Instance ID cannot be empty'),
($$SELECT df.signal('00000000', '')$$, '22023', 'Signal name cannot be empty'),
($$SELECT df.signal('00000000', 's')$$, '42704', 'Instance not found or access denied: 00000000'),
($$SELECT df.await_instance('00000000')$$, '_____', 'Instance not found: 00000000'),
($$SELECT df.await_instance('00000000', 0)$$, '22023', 'Timeout must be positive'),
($$SELECT df.await_instance(df.start('x'))$$, '_____', 'which this transaction has started'),
($$SELECT df.setvar('a', 'b') ~> 'c'$$, '22023', 'df.setvar cannot be used as a workflow step. Call df.setvar before df.start().'),
($$SELECT df.start(df.clearvars())$$, '22023', 'Invalid durable function: df.clearvars cannot be used as a workflow step. Call df.clearvars before df.start().'),
($$SELECT count(*) FROM df.list_instances(NULL, 0)$$, '22023', 'limit_count must be at least 1'),
($$SELECT count(*) FROM df.list_instances(NULL, 1001)$$, '22023', 'df.list_instances: limit_count (1001) exceeds pg_durable.list_instances_max_limit (1000)'),
($$SELECT count(*) FROM df.list_instances(NULL, NULL)$$, '22004', 'argument 1 must not be null'),
($$SELECT count(*) FROM df.list_instances(NULL, 1, NULL, 'x')$$, '22023', 'df.list_instances: invalid after_cursor'),
($$SELECT count(*) FROM df.instance_executions('00000000', 0)$$, '22023', 'limit_count must be at least 1'),
($$SELECT df.explain('{"node_type":"THEN","left_node":{},"right_node":{}}')$$, NULL, 'failed to deserialize Durofut child: missing field `node_type` at line 1 column 2'),
($$SELECT df.explain('00000000')$$, NULL, 'Instance ''00000000'' not found'),
($$SELECT df.explain('huh')$$, NULL, 'Cannot explain input: not a valid Durofut JSON, instance ID, SQL statement, or DSL expression.'),
($$SELECT df.grant_usage('compat_other')$$, '42501', 'permission denied for function grant_usage'),
($$SELECT df.metrics()$$, '42501', 'permission denied for function metrics'),
($$SELECT df.run()$$, NULL, 'Triggered run for all pending instances'),
($$SELECT df.run('x')$$, NULL, 'Triggered run for instance: x');
SELECT t.n, t.statement, t.sqlstate, t.fragment, try(t.statement) AS said FROM texts t
 WHERE position(t.fragment IN coalesce(try(t.statement), '')) = 0
    OR t.sqlstate IS NOT NULL AND try(t.statement) NOT LIKE t.sqlstate || ' %' ORDER BY n;
-- The same of failing steps: the text in the output, and in the row of the node as a JSON string
CREATE FUNCTION pair(first text, first_name text, second text) RETURNS text LANGUAGE sql AS $$ SELECT df.seq(df.as(first, first_name), second) $$;
INSERT INTO runs (what, graph, status, output) VALUES
('a', 'SELECT 1/0', 'failed', 'SQL execution failed: error returned from database: division by zero'),
('b', df.if_rows('x', 'a', 'b'), 'failed', '%df.if_rows: result ''x'' not found%'),
('c', pair('a' & 'b', 'x', df.if_rows('x', 'a', 'b')), 'failed', 'JOIN branch 1 failed: SQL execution failed: %'),
('d', pair('SELECT 1' & 'SELECT 1', 'x', df.if_rows('x', 'a', 'b')), 'failed', '%is not a SQL result (missing row_count)%'),
('e', 'a' | df.sleep(60), 'failed', 'RACE left branch failed: %'),
('f', df.sleep(60) | 'a', 'failed', 'RACE right branch failed: %'),
('g', df.break(), 'failed', '%df.break() was called outside of a loop. df.break() may only be used inside df.loop().%'),
('h', 'SELECT 1' ~> df.loop('a'), 'failed', 'Loop sub-orchestration failed: %'),
('i', pair('SELECT 1 WHERE false', 'x', 'SELECT $x'), 'failed', '%$x has no rows — query returned zero results%'),
('j', pair('SELECT NULL', 'x', 'SELECT $x'), 'failed', '%$x is NULL — first column of first row is NULL%'),
('k', pair('SELECT NULL AS c', 'x', 'SELECT $x.c'), 'failed', '%$x.c is NULL%'),
('l', pair('SELECT', 'x', 'SELECT $x'), 'failed', '%$x: first row has no columns%'),
('m', pair('SELECT 1' & 'SELECT 1', 'x', 'SELECT $x.a'), 'failed', '%$x.a: result is neither a row set nor a JSON object%'),
('n', pair('SELECT 1' & 'SELECT 1', 'x', 'SELECT * FROM $x.*'), 'failed', '%$x.* — invalid result format%'),
('o', pair('SELECT generate_series(1, 10001)', 'x', 'SELECT count(*) FROM $x.*'), 'failed', '%exceeding the maximum of 10000 for row-set expansion%'),
('p', '{"node_type":"SLEEP","query":"x"}', 'failed', '%Invalid sleep duration: x%'),
('q', 'SELECT df.setvar(''a'', ''b'')', 'failed', '%df.setvar() cannot be called inside a workflow - set variables before starting the workflow%'),
('r', 'SELECT df.clearvars()', 'failed', '%cannot be called inside a workflow - manage variables before starting the workflow%'),
('s', 'SELECT df.await_instance(''00000000'')', 'failed', '%df.await_instance() cannot be called inside a workflow - %'),
('t', 'SELECT df.start(''a'', transaction_mode => ''new'')', 'failed', '%cannot be called inside a workflow%'),
('u', '{"node_type":"IF","query":"x","left_node":{"node_type":"SQL","query":"x"},"right_node":{"node_type":"SQL","query":"x"}}', 'failed', '%Invalid IF config%'),
('v', '{"node_type":"IF","query":"{}","left_node":{"node_type":"SQL","query":"x"},"right_node":{"node_type":"SQL","query":"x"}}', 'failed', '%IF node missing condition_node%');
SELECT start_runs();
SELECT count(df.await_instance(id)) FROM runs;
SELECT * FROM differences;
SELECT what FROM runs r WHERE NOT EXISTS (SELECT FROM df.instance_nodes(r.id) n WHERE n.result LIKE '"%') AND what <> 'g';
-- Cancelled, timed out, already there
SELECT df.start(df.sleep(600)) AS id \gset
SELECT try(format('SELECT df.await_instance(%L, 1)', :'id')) LIKE '_____ Timeout after 1s waiting for instance ' || :'id' || ' (status: running). Check if background worker is running.%' AS timeout;
SELECT df.cancel(:'id', 'why') = 'Instance ' || :'id' || ' cancelled: why' AS cancel;
SELECT output FROM df.instance_info(:'id');
SELECT df.wait_for_completion(:'id');
\set include :abs_srcdir '/include/compat_end.psql'
\set ECHO none
\i :include
