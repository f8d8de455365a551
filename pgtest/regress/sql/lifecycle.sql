-- Start, status, result, nodes, list and cancel of ordinary instances, as an unprivileged role.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_user LOGIN;
CREATE SCHEMA regress_user AUTHORIZATION regress_user;
SELECT df.grant_usage('regress_user');
SET ROLE regress_user;
CREATE TABLE regress_user.documents (id int PRIMARY KEY, processed bool NOT NULL DEFAULT false);
INSERT INTO regress_user.documents SELECT n FROM generate_series(1, 250) n;
-- The example of the README, word for word but for the schema
SELECT df.start('SELECT id FROM regress_user.documents WHERE processed = false LIMIT 100' |=> 'batch' ~> 'UPDATE regress_user.documents SET processed = true WHERE id = ANY($batch)') AS id \gset
SELECT :'id' ~ '^[0-9a-f]{8}$' AS id_is_eight_hex_digits;
SELECT df.await_instance(:'id');
SELECT df.status(:'id'), df.result(:'id') IS NOT NULL AS has_result;
SELECT count(*) FILTER (WHERE processed) AS processed, count(*) FROM regress_user.documents;
SELECT node_type, query, result_name, status, inferred_status FROM df.instance_nodes(:'id') ORDER BY node_type, query;
SELECT label, function_name, status, execution_count, output IS NOT NULL AS has_output FROM df.list_instances();
SELECT label, function_version, current_execution_id, status FROM df.instance_info(:'id');
SELECT label, status, submitted_by, database, completed_at IS NOT NULL AS has_completed_at FROM df.instances;
SELECT node_type, status, error, submitted_by FROM df.nodes ORDER BY node_type, query;
-- Joins
SELECT df.start(df.join3('SELECT 1 AS a', df.sleep(0), 'SELECT 2 AS b' |=> 'two'), 'join') AS id \gset
SELECT df.await_instance(:'id');
SELECT df.result(:'id');
SELECT output FROM df.instance_info(:'id');
-- A failure is told by its text, everywhere with its prefix
SELECT df.start('SELECT 1' & 'SELECT 1/0', 'fails') AS id \gset
SELECT df.await_instance(:'id');
SELECT df.status(:'id'), df.result(:'id');
SELECT output FROM df.instance_info(:'id');
SELECT node_type, query, status, result FROM df.instance_nodes(:'id') ORDER BY node_type, query;
-- Substitution
SELECT df.start('SELECT ''O''''Brien'' AS n, 2 AS k, NULL AS z' |=> 'p' ~> 'SELECT $p AS a, $p.k AS b, $p.z? AS c, $q AS d') AS id \gset
SELECT df.await_instance(:'id');
SELECT output FROM df.instance_info(:'id');
SELECT df.start('SELECT ''O''''Brien'' AS n, 2 AS k, NULL AS z' |=> 'p' ~> 'SELECT $p AS a, $p.k AS b, $p.z? AS c') AS id \gset
SELECT df.await_instance(:'id');
SELECT df.result(:'id');
SELECT df.start('SELECT n, ''t'' || n AS t FROM generate_series(1, 3) n' |=> 'r' ~> 'SELECT count(*), sum(n) FROM $r.*') AS id \gset
SELECT df.await_instance(:'id');
SELECT df.result(:'id');
SELECT df.start('SELECT 1 WHERE false' |=> 'e' ~> 'SELECT $e') AS id \gset
SELECT df.await_instance(:'id');
SELECT output FROM df.instance_info(:'id');
-- Cancel
SELECT df.start(df.sleep(1000), 'sleeper') AS id \gset
SELECT replace(df.cancel(:'id', 'not needed'), :'id', 'ID');
SELECT df.await_instance(:'id');
SELECT df.status(:'id'), df.result(:'id');
SELECT status, output FROM df.list_instances(NULL, 1);
SELECT replace(df.cancel(:'id'), :'id', 'ID');
SELECT df.cancel('00000000');
SELECT df.cancel(:'id', NULL) IS NULL;
-- Waiting
SELECT df.await_instance('00000000');
SELECT df.await_instance(:'id', 0);
SELECT df.start('SELECT pg_sleep(0.2)') AS id \gset
CALL df.wait(:'id');
SELECT df.start(df.sleep(1000)) AS id \gset
DO $$ BEGIN PERFORM df.await_instance((SELECT id FROM df.instances WHERE status IN ('pending', 'running')), 1);
EXCEPTION WHEN OTHERS THEN RAISE WARNING '%', regexp_replace(SQLERRM, '[0-9a-f]{8}', 'ID'); END $$;
SELECT df.status(:'id');
-- A cancel is a change of the instance from the moment it is asked for
BEGIN;
SELECT updated_at AS before FROM df.instances WHERE id = :'id' \gset
SELECT df.cancel(:'id') IS NOT NULL AS asked;
SELECT status, updated_at > :'before' AS changed, updated_at <= clock_timestamp() AS known, completed_at FROM df.instances WHERE id = :'id';
ROLLBACK;
SELECT status, updated_at = :'before' AS as_before FROM df.instances WHERE id = :'id';
SELECT count(*) FROM (SELECT df.cancel(id) FROM df.instances WHERE status IN ('pending', 'running')) c;
-- Lists
SELECT label, status FROM df.list_instances('failed') ORDER BY label;
SELECT count(*) FROM df.list_instances('nothing');
SELECT * FROM df.list_instances(NULL, 0);
SELECT * FROM df.list_instances(NULL, 100000);
SELECT df.version() ~ '^[0-9]+\.[0-9]+\.[0-9]+ \(built \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\)$' AS version;
SELECT split_part(df.version(), ' ', 1) = extversion AS same FROM pg_extension WHERE extname = 'pg_durable';
RESET ROLE;
SELECT df.revoke_usage('regress_user');
SET client_min_messages = error;
DROP SCHEMA regress_user CASCADE;
DROP ROLE regress_user;
