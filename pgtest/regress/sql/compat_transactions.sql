-- compat.md 4.3, 4.12: what a transaction starts, and what holds between instances.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir '/include/compat.psql'
\set ECHO none
\i :include
\set ECHO all
CREATE TABLE effects (who text, at timestamptz DEFAULT clock_timestamp());
-- In the transaction that starts it an instance is there, pending, without a result
BEGIN;
SELECT df.start('INSERT INTO compat.effects VALUES (''committed'')', 'committed') AS id \gset
SELECT df.status(:'id'), df.result(:'id'), created_at = updated_at AS fresh, created_at = now() AS of_now, completed_at FROM df.instances WHERE id = :'id';
SELECT instance_id = :'id' AS listed, status, output FROM df.list_instances();
SELECT node_type, status, inferred_status, result FROM df.instance_nodes(:'id');
SELECT split_part(df.explain(:'id'), E'\n', 2);
-- Nothing of it runs before the commit, however long that takes (there it is lost after five seconds)
SELECT pg_sleep(6);
SELECT count(*) FROM effects;
SELECT df.status(:'id');
COMMIT;
SELECT df.await_instance(:'id');
SELECT who FROM effects;
-- A rolled-back start, wherever it is rolled back to, never runs, and its id is nobody's
BEGIN;
SELECT df.start('INSERT INTO compat.effects VALUES (''rolled back'')', 'rolled back') AS gone \gset
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT df.start('INSERT INTO compat.effects VALUES (''savepoint'')', 'rolled back') AS gone2 \gset
ROLLBACK TO s;
COMMIT;
DO $$ BEGIN
    PERFORM df.start('INSERT INTO compat.effects VALUES (''swallowed'')', 'rolled back');
    RAISE EXCEPTION 'undone';
EXCEPTION WHEN OTHERS THEN NULL; END $$;
SELECT df.status(id) IS NULL AS status, df.result(id) IS NULL AS result, (SELECT count(*) FROM df.instance_info(id)) AS info,
       (SELECT count(*) FROM df.instance_executions(id)) AS executions, (SELECT count(*) FROM df.instance_nodes(id)) AS nodes
  FROM (VALUES (:'gone'), (:'gone2')) v (id);
SELECT try(format('SELECT df.cancel(%L)', :'gone')) LIKE '_____ Instance not found or access denied: %' AS cancel,
       try(format('SELECT df.signal(%L, ''s'')', :'gone2')) LIKE '_____ Instance not found or access denied: %' AS signal;
SELECT count(*) FROM df.list_instances() WHERE label = 'rolled back';
-- Any number of starts in one transaction, each an instance of its own; labels need not be unique
BEGIN;
CREATE TEMP TABLE many AS SELECT df.start('INSERT INTO compat.effects VALUES (''many'')', 'many') AS id FROM generate_series(1, 50);
COMMIT;
SELECT count(DISTINCT id) AS ids, bool_and(df.await_instance(id) = 'completed') AS all_completed FROM many;
SELECT who, count(*) FROM effects GROUP BY 1 ORDER BY 1;
SELECT label, count(*) FROM df.instances WHERE label = 'many' GROUP BY 1;
-- Started and cancelled in one transaction: cancelled, and nothing ran
BEGIN;
SELECT df.start('INSERT INTO compat.effects VALUES (''cancelled at once'')', 'at once') AS id \gset
SELECT df.cancel(:'id') = 'Instance ' || :'id' || ' cancelled: Cancelled by user' AS text;
COMMIT;
SELECT df.await_instance(:'id');
SELECT df.status(:'id'), count(*) FROM effects WHERE who = 'cancelled at once';
-- A delayed start is a sleep in front
SELECT now() AS before \gset
SELECT df.start(df.sleep(1) ~> 'INSERT INTO compat.effects VALUES (''later'')') AS id \gset
SELECT df.await_instance(:'id');
SELECT at - :'before' >= '1 s' AS delayed FROM effects WHERE who = 'later';
\set include :abs_srcdir '/include/compat_end.psql'
\set ECHO none
\i :include
