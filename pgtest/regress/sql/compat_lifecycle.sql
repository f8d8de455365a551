-- compat.md 4.1, 4.2, 4.4, 4.7, 4.9: what a client sees of failures, cancels and stamps, and who runs the steps.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir '/include/compat.psql'
\set ECHO none
\i :include
\set ECHO all
-- 4.2 The failing row holds the bare text, what is around it the prefixed one; what did not run is skipped
CREATE VIEW shown AS SELECT i.label, n.node_type AS type, regexp_replace(left(n.query, 30), '"[0-9a-f]{8}"', 'ID') AS query, n.status, n.inferred_status AS inferred,
       n.inferred_status_from_ancestor_id IS NOT NULL AS "from", left(n.result, 90) AS result
  FROM df.instances i, df.instance_nodes(i.id) n;
CREATE TABLE started AS SELECT label, df.start(graph, label) AS id FROM (VALUES
('join', 'SELECT 1 AS a' & 'SELECT 1/0'), ('race', 'SELECT 1/0' | df.sleep(60)), ('then', 'SELECT 1/0' ~> 'SELECT 2 AS never'),
('loop', 'SELECT 3 AS p' ~> df.loop('SELECT 1/0')), ('branch', df.join('SELECT 4 AS b', df.loop('SELECT 1/0'))),
('root', df.loop('SELECT 1/0')), ('outside', df.break('v') ~> 'SELECT 5 AS never'), ('if', 'SELECT true' ?> 'SELECT 6 AS t' !> 'SELECT 7 AS f')) v(label, graph);
SELECT count(df.await_instance(id)) FROM started;
SELECT * FROM shown ORDER BY label, type, query;
SELECT label, df.status(id), df.result(id), (SELECT output FROM df.list_instances() l WHERE l.instance_id = s.id) AS output FROM started s ORDER BY 1;
SELECT label, (SELECT output FROM df.instance_info(s.id)) = (SELECT output FROM df.list_instances() l WHERE l.instance_id = s.id) AS same FROM started s WHERE label = 'join';
SELECT label, completed_at IS NULL AS not_completed, updated_at >= created_at AS updated FROM df.instances WHERE status = 'failed' ORDER BY 1;
-- 4.4 Cancel: the rows stay as they were, with nothing stamped; later answers are the same text
CREATE TABLE effects (who text);
SELECT df.start('SELECT 1 AS a' ~> ('INSERT INTO compat.effects SELECT ''cancelled'' FROM pg_sleep(60)' & df.sleep(600)) ~> 'SELECT 2 AS never', 'cancelled') AS id \gset
DO $$ BEGIN FOR n IN 1..200 LOOP
    EXIT WHEN (SELECT count(*) FROM shown WHERE label = 'cancelled' AND status = 'running' AND query ~ 'INSERT|600') = 2; PERFORM pg_sleep(0.05); END LOOP; END $$;
SELECT df.cancel(:'id', 'not needed') = 'Instance ' || :'id' || ' cancelled: not needed' AS text;
SELECT df.status(:'id'), df.result(:'id'), df.await_instance(:'id');
SELECT status, output FROM df.list_instances('cancelled');
SELECT status, output FROM df.instance_info(:'id');
SELECT type, query, status, inferred, result FROM shown WHERE label = 'cancelled' ORDER BY type, query;
SELECT split_part(df.explain(:'id'), E'\n', 2);
SELECT status, output FROM df.instance_executions(:'id');
SELECT pg_sleep(0.5);
SELECT count(*) AS undone FROM effects;
SELECT df.cancel(:'id', 'again') = 'Instance ' || :'id' || ' cancelled: again' AS text, df.status(:'id');
SELECT output FROM df.instance_info(:'id');
-- cancelling what has branches and inner loops ends them all
SELECT df.start('SELECT 1' ~> df.join(df.loop(df.sleep(1)), df.race(df.sleep(60), df.loop(df.sleep(1)))), 'many') AS id \gset
SELECT df.cancel(:'id', '') = 'Instance ' || :'id' || ' cancelled: ' AS empty_reason;
SELECT df.await_instance(:'id');
SELECT '[' || output || ']' AS output FROM df.instance_info(:'id');
-- a cancelled root loop keeps its rows running
SELECT df.start(df.loop('SELECT 1' ~> df.sleep(600)), 'root loop') AS id \gset
DO $$ BEGIN FOR n IN 1..200 LOOP
    EXIT WHEN EXISTS (SELECT FROM df.instances i JOIN df.nodes n ON n.instance_id = i.id WHERE i.label = 'root loop' AND n.node_type = 'SLEEP' AND n.status = 'running');
    PERFORM pg_sleep(0.05); END LOOP; END $$;
SELECT df.cancel(:'id') IS NOT NULL AS cancelled;
SELECT df.status(:'id'), (SELECT status FROM df.list_instances() WHERE instance_id = :'id');
SELECT type, status, inferred FROM shown WHERE label = 'root loop' ORDER BY type;
SELECT execution_id, status, output FROM df.instance_executions(:'id');
-- a rolled back cancel changes nothing here
SELECT df.start(df.sleep(1), 'goes on') AS id \gset
BEGIN;
SELECT df.cancel(:'id') IS NOT NULL AS cancelled;
ROLLBACK;
SELECT df.await_instance(:'id');
-- 4.7 Stamps: instance::generation for the root, ::parent generation::child::generation below
CREATE TABLE stamped (a int);
CREATE FUNCTION count_up() RETURNS int LANGUAGE sql AS $$ INSERT INTO compat.stamped VALUES (1) RETURNING (SELECT count(*)::int + 1 FROM compat.stamped) $$;
SELECT df.start('SELECT 1' ~> df.loop('SELECT compat.count_up()', 'SELECT count(*) < 3 FROM compat.stamped') ~> ('SELECT 3' & 'SELECT 4'), 'stamps') AS id \gset
SELECT df.await_instance(:'id');
SELECT n.node_type, left(n.query, 12) AS query, regexp_replace(replace((n.status_details::jsonb ->> 'execution_id'), :'id', 'ID'), '[0-9a-f]{8}', 'NODE') AS stamp,
       (SELECT c.node_type || coalesce(' ' || left(c.query, 12), '') FROM df.instance_nodes(:'id') c WHERE c.node_id = split_part(n.status_details::jsonb ->> 'execution_id', '::', 3)) AS child
  FROM df.instance_nodes(:'id') n ORDER BY 1, 2, 3;
TRUNCATE stamped;
SELECT df.start(df.loop('SELECT compat.count_up()', 'SELECT count(*) < 3 FROM compat.stamped'), 'root stamps') AS id \gset
SELECT df.await_instance(:'id');
SELECT node_type, replace(status_details::jsonb ->> 'execution_id', :'id', 'ID') AS stamp FROM df.instance_nodes(:'id') ORDER BY 1, 2;
SELECT execution_count FROM df.list_instances() WHERE instance_id = :'id';
SELECT current_execution_id FROM df.instance_info(:'id');
SELECT execution_id, status FROM df.instance_executions(:'id');
SELECT execution_id, status, output FROM df.instance_executions(:'id', 1);
-- 4.9 The submitter: the effective user; the owner inside SECURITY DEFINER; renames follow
RESET ROLE;
GRANT CREATE, USAGE ON SCHEMA compat TO compat_other;
SET ROLE compat_other;
CREATE FUNCTION compat.start_as_owner() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ SELECT df.start('SELECT current_user::text AS c, session_user::text AS s', 'definer') $$;
SET ROLE compat_user;
SELECT compat.start_as_owner() AS id \gset
SELECT df.status(:'id') IS NULL AS not_mine;
SET ROLE compat_other;
SELECT df.await_instance(:'id');
SELECT df.result(:'id'), (SELECT submitted_by FROM df.instances);
RESET ROLE;
-- a role without a grant; a step of a role that may not read
CREATE ROLE compat_late LOGIN;
SET ROLE compat_late;
SELECT df.start('SELECT 1');
RESET ROLE;
SELECT df.grant_usage('compat_late');
SET ROLE compat_late;
SELECT df.start('SELECT * FROM compat.effects') AS id \gset
SELECT df.await_instance(:'id');
SELECT output FROM df.instance_info(:'id');
SELECT df.start('SET ROLE compat_user') AS id \gset
SELECT df.await_instance(:'id');
SELECT output FROM df.instance_info(:'id');
SELECT df.start(df.sleep(1) ~> 'SELECT current_user::text AS c', 'renamed') AS id \gset
RESET ROLE;
ALTER ROLE compat_late RENAME TO compat_later;
SET ROLE compat_later;
SELECT df.await_instance(:'id');
SELECT submitted_by FROM df.instances WHERE id = :'id';
SELECT df.start(df.sleep(1) ~> 'SELECT 1', 'no login') AS id \gset
RESET ROLE;
ALTER ROLE compat_later NOLOGIN;
-- here: work of a role that may not log in waits until it may again
SELECT pg_sleep(1.5);
SELECT df.status(:'id');
ALTER ROLE compat_later LOGIN;
SELECT df.await_instance(:'id');
-- dropping a role waits for its grants to go; what it started fails or ends
DROP ROLE compat_later;
SET ROLE compat_later;
SELECT df.start(df.sleep(1) ~> 'SELECT 1', 'dropped') AS id \gset
RESET ROLE;
SELECT df.revoke_usage('compat_later');
DROP ROLE compat_later;
CALL df.wait(:'id');
SELECT df.status(:'id'), (SELECT replace(output, :'id', 'ID') FROM df.instance_info(:'id')) AS says_why;
\set include :abs_srcdir '/include/compat_end.psql'
\set ECHO none
\i :include
