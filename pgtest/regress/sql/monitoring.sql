-- What monitoring says of instances that completed, failed, were cancelled, loop or wait; and of nobody's.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_mon LOGIN;
CREATE ROLE regress_mon_other LOGIN;
SELECT df.grant_usage('regress_mon');
SELECT df.grant_usage('regress_mon_other');
SET ROLE regress_mon;
SELECT df.start('SELECT 42 AS n' |=> 'x' ~> 'SELECT $x + 1 AS m', 'good') AS good \gset
SELECT df.await_instance(:'good');
SELECT df.start('SELECT 1' ~> 'DO $$BEGIN RAISE ''no way'' USING ERRCODE = ''P0002'', DETAIL = ''a "detail"'', HINT = ''a hint''; END$$' ~> 'SELECT 2', 'bad') AS bad \gset
SELECT df.await_instance(:'bad');
SELECT df.start(df.join('SELECT 1', 'SELECT 1/0'), 'bad arm') AS arm \gset
SELECT df.await_instance(:'arm');
SELECT df.start(df.sleep(3600), 'cancelled') AS gone \gset
SELECT df.cancel(:'gone', 'enough') = format('Instance %s cancelled: enough', :'gone');
SELECT df.await_instance(:'gone');
SELECT df.start(df.sleep(3600), 'asleep') AS asleep \gset
DO $$BEGIN WHILE EXISTS (SELECT FROM df.instances WHERE status = 'pending') LOOP PERFORM pg_sleep(0.01); END LOOP; END$$;
-- The short list
SELECT label, function_name, status, execution_count, output FROM df.list_instances() ORDER BY label;
SELECT label FROM df.list_instances(limit_count => 2);
SELECT label FROM df.list_instances('failed');
SELECT label FROM df.list_instances('Failed');
SELECT label FROM df.list_instances('');
SELECT * FROM df.list_instances(NULL, 0);
SELECT * FROM df.list_instances(NULL, -5);
SELECT * FROM df.list_instances(NULL, NULL);
SELECT * FROM df.list_instances(NULL, 1001);
SELECT * FROM df.list_instances(label_filter => 'x');
-- One instance
SELECT label, function_name, function_version, current_execution_id, status, output FROM df.instance_info(:'good');
SELECT label, function_version, current_execution_id, status, output FROM df.instance_info(:'bad');
SELECT * FROM df.instance_info('ffffffff');
SELECT * FROM df.instance_info(NULL);
SELECT execution_id, status, event_count, duration_ms BETWEEN 0 AND 60000 AS sane, output
  FROM df.instance_executions(:'good');
SELECT execution_id, status, duration_ms BETWEEN 0 AND 60000 AS sane, output FROM df.instance_executions(:'bad');
SELECT execution_id, status, output FROM df.instance_executions(:'gone', 1);
SELECT execution_id, status, duration_ms, output FROM df.instance_executions(:'asleep', 1000000);
SELECT * FROM df.instance_executions(:'good', 0);
SELECT * FROM df.instance_executions('ffffffff', 0);
SELECT * FROM df.instance_executions('ffffffff');
SELECT * FROM df.instance_executions(:'good', NULL);
-- The old form of the node list: the number says nothing, the execution is always 1
SELECT execution_id, node_type, query, result_name, status, result FROM df.instance_nodes(:'good', 7) ORDER BY query;
SELECT count(*) FROM df.instance_nodes(:'good', NULL);
SELECT count(*) FROM df.instance_nodes(:'good', -1);
-- Failures: the report, the node, its error
SELECT jsonb_pretty(df.error(:'bad') - 'context' - 'node_id');
SELECT df.error(:'bad') ->> 'node_id' = (SELECT node_id FROM df.instance_nodes(:'bad') WHERE query LIKE 'DO%') AS its_node;
SELECT df.error(:'arm') ->> 'sqlstate' AS sqlstate, df.error(:'arm') ->> 'message' AS message,
       df.error(:'arm') ->> 'output' AS output, df.error(:'arm') ->> 'query' AS query;
SELECT df.error(:'good'), df.error(:'gone'), df.error(:'asleep'), df.error('ffffffff'), df.error(NULL);
SELECT node_type, status, error FROM df.nodes WHERE instance_id = :'bad' ORDER BY node_type, query;
SELECT node_type, status, error FROM df.nodes WHERE instance_id = :'arm' ORDER BY node_type, query;
SELECT status_details::jsonb -> 'error' AS error, status_details::jsonb ? 'execution_id' AS has_stamp
  FROM df.instance_nodes(:'bad') ORDER BY query NULLS FIRST;
-- Iterations of a root loop: the last is shown, the ones before are known by number
RESET ROLE;
CREATE SCHEMA regress_mon AUTHORIZATION regress_mon;
SET ROLE regress_mon;
CREATE SEQUENCE regress_mon.turns;
SELECT df.start(df.loop('SELECT 1 AS one', 'SELECT nextval(''regress_mon.turns'') < 3'), 'loop') AS loop \gset
SELECT df.await_instance(:'loop');
SELECT execution_id, status, event_count IS NOT NULL AS counted, duration_ms < 60000 AS sane, output
  FROM df.instance_executions(:'loop');
SELECT execution_id FROM df.instance_executions(:'loop', 2);
SELECT execution_count FROM df.list_instances() WHERE label = 'loop';
SELECT current_execution_id FROM df.instance_info(:'loop');
SELECT DISTINCT status_details ->> 'execution_id' = :'loop' || '::3' AS stamp FROM df.nodes
 WHERE instance_id = :'loop' AND node_type = 'SQL';
DROP SEQUENCE regress_mon.turns;
-- A break outside a loop is no node's failure
SELECT df.start('{"node_type": "BREAK", "query": "{}"}') AS astray \gset
SELECT df.await_instance(:'astray');
SELECT df.error(:'astray') - 'context';
-- Others see nothing of it
RESET ROLE;
SET ROLE regress_mon_other;
SELECT count(*) FROM df.list_instances();
SELECT count(*) FROM df.list_instances(NULL, 10, NULL);
SELECT count(*) FROM df.instance_info(:'good');
SELECT count(*) FROM df.instance_executions(:'good');
SELECT count(*) FROM df.instance_nodes(:'good', 1);
SELECT df.error(:'bad');
SELECT * FROM df.metrics();
SELECT * FROM df._worker_epoch;
SELECT sentinel, schema_version >= 1 AS ready, initialized_at <= now() AS since FROM _duroxide._worker_ready;
RESET ROLE;
-- Administrators see all
SELECT label, status FROM df.list_instances() WHERE label IN ('good', 'asleep') ORDER BY label;
-- The maximum
SET pg_durable.list_instances_max_limit = 3;
SELECT count(*) = 3 AS default_works FROM df.list_instances();
SELECT count(*) FROM df.list_instances(NULL, 3);
SELECT count(*) FROM df.list_instances(NULL, 4);
SELECT count(*) FROM df.list_instances(NULL, 100, NULL);
SET pg_durable.list_instances_max_limit = 0;
SET pg_durable.list_instances_max_limit = 1000001;
RESET pg_durable.list_instances_max_limit;
SET pg_durable.retention_days = 1;
SET pg_durable.reconcile_interval = 1;
SET ROLE regress_mon;
SET pg_durable.list_instances_max_limit = 2000;
RESET ROLE;
-- Totals fit together
SELECT total_instances = running_instances + completed_instances + failed_instances AS fits,
       total_executions >= total_instances AS executed, total_events > 0 AS events FROM df.metrics();
SELECT running_instances = (SELECT count(*) FROM df.instances WHERE status IN ('pending', 'running')) AS running,
       completed_instances = (SELECT count(*) FROM df.instances WHERE status = 'completed') AS completed,
       failed_instances = (SELECT count(*) FROM df.instances WHERE status IN ('failed', 'cancelled')) AS failed
  FROM df.metrics();
-- The processes
SELECT count(*), bool_and(started_at <= last_seen_at) AS ordered, max(now() - last_seen_at) < interval '15 s' AS alive
  FROM df._worker_epoch;
SELECT a.epoch_id = b.epoch_id AS stays FROM df._worker_epoch a, df._worker_epoch b;
SELECT df.duroxide_schema(), df.target_database() = current_database() AS here;
-- Names that scripts for the original still call
SELECT df.run(), df.run(NULL), df.run('abc');
SET client_min_messages = notice;
SET ROLE regress_mon;
SELECT df.wait_for_completion(:'good');
SELECT df.wait_for_completion('ffffffff', 1);
SELECT df.wait_for_completion(:'good', 0);
SELECT df.wait_for_completion(NULL);
SELECT length(df.cancel(:'asleep')) > 0 AS cancelled;
RESET ROLE;
SET client_min_messages = warning;
SELECT df.revoke_usage('regress_mon');
SELECT df.revoke_usage('regress_mon_other');
DROP SCHEMA regress_mon;
DROP ROLE regress_mon;
DROP ROLE regress_mon_other;
