-- compat.md appendix A: how scripts written for pg_durable use it.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir '/include/compat.psql'
\set ECHO none
\i :include
\set ECHO all
-- the instance id in a psql variable
SELECT df.start('SELECT 42 AS answer') AS instance_id \gset
SELECT df.await_instance(:'instance_id');
SELECT df.result(:'instance_id');
-- INSERT INTO temp_table SELECT df.start(…); one instance per row of a work table
CREATE TEMP TABLE _ids (id text);
INSERT INTO _ids SELECT df.start('SELECT 1');
CREATE TABLE work (tenant int, done bool DEFAULT false);
INSERT INTO work SELECT generate_series(1, 20);
INSERT INTO _ids SELECT df.start(format('UPDATE compat.work SET done = true WHERE tenant = %s', tenant), 'tenant-' || tenant) FROM work;
SELECT count(df.await_instance(id, 60)) FROM _ids;
SELECT count(*) FROM work WHERE done;
-- DO, triggers, SECURITY DEFINER wrappers
DO $$
DECLARE id text; status text;
BEGIN
    id := df.start('SELECT 1');
    INSERT INTO _ids VALUES (id);
END $$;
CREATE TABLE orders (id int PRIMARY KEY, instance text, state text DEFAULT 'new');
CREATE FUNCTION on_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.instance := df.start(format('UPDATE compat.orders SET state = ''shipped'' WHERE id = %s', NEW.id), 'order-' || NEW.id);
    RETURN NEW;
END $$;
CREATE TRIGGER on_order BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION on_order();
INSERT INTO orders SELECT generate_series(1, 5);
SELECT count(df.await_instance(instance)) FROM orders;
SELECT state, count(*) FROM orders GROUP BY 1;
CREATE FUNCTION submit(n int) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = compat, pg_temp AS $$
BEGIN RETURN df.start(format('SELECT %s AS n, current_user::text AS who', n), 'submitted'); END $$;
RESET ROLE;
SET ROLE compat_other;
SELECT compat.submit(3) AS id \gset
SET ROLE compat_user;
SELECT df.await_instance(:'id');
SELECT df.result(:'id');
-- start and inserts in one transaction
BEGIN;
SELECT df.start('SELECT count(*) AS n FROM compat.inbox') AS id \gset
CREATE TABLE inbox (a int);
INSERT INTO inbox VALUES (1), (2);
COMMIT;
SELECT df.await_instance(:'id');
SELECT df.result(:'id');
-- dollar-quoted nodes beside references; captures with and without parentheses
SELECT df.start($$SELECT 10 AS ten$$ |=> 'x' ~> $$SELECT $x * 2 AS twenty$$ |=> 'y' ~> $$SELECT $x + $y AS thirty$$) AS id \gset
SELECT df.await_instance(:'id');
SELECT df.result(:'id');
SELECT df.start(('SELECT ''{"k": "v"}''::jsonb AS doc' |=> 'resp') ~> ('SELECT ($resp.doc)::jsonb->>''k'' AS k, $resp::text AS t')) AS id \gset
SELECT df.await_instance(:'id');
SELECT df.result(:'id');
-- WHERE id = $inv.id; a boolean column as a condition; count(*) FROM $batch.*; COALESCE with ?
CREATE TABLE invoices (id int PRIMARY KEY, amount numeric, state text DEFAULT 'pending');
INSERT INTO invoices VALUES (1, 50), (2, 5000), (3, 70);
SELECT df.start(('SELECT id, amount > 1000 AS big FROM compat.invoices WHERE id = 2' |=> 'inv')
    ~> ('SELECT $inv.big' ?> 'UPDATE compat.invoices SET state = ''review'' WHERE id = $inv.id' !> 'UPDATE compat.invoices SET state = ''approved'' WHERE id = $inv.id')
    ~> ('SELECT id FROM compat.invoices WHERE amount > 1e6' |=> 'none') ~> ('SELECT id FROM compat.invoices ORDER BY id' |=> 'batch')
    ~> 'SELECT count(*) AS n, COALESCE($none.id?, -1) AS none, (SELECT count(*) FROM compat.invoices WHERE id = ANY($batch)) AS found FROM $batch.*') AS id \gset
SELECT df.await_instance(:'id');
SELECT df.result(:'id');
SELECT state FROM invoices WHERE id = 2;
-- a variable read while the graph is built
SELECT df.setvar('model', 'small');
SELECT df.start(format('SELECT %L AS built, ''{model}'' AS ran', df.getvar('model'))) AS id \gset
SELECT df.await_instance(:'id');
SELECT df.result(:'id');
SELECT df.clearvars();
-- the polling root loop: claim, work if there is any, else sleep
CREATE TABLE queue (id int PRIMARY KEY, state text DEFAULT 'new');
INSERT INTO queue VALUES (1), (2);
SELECT df.start(df.loop(
    'UPDATE compat.queue SET state = ''claimed'' WHERE id = (SELECT id FROM compat.queue WHERE state = ''new'' ORDER BY id LIMIT 1) RETURNING id' |=> 'item'
    ~> df.if_rows('item', 'UPDATE compat.queue SET state = ''done'' WHERE id = $item.id', df.sleep(1))), 'poller') AS id \gset
DO $$
BEGIN
    FOR n IN 1..100 LOOP
        EXIT WHEN (SELECT bool_and(state = 'done') FROM queue);
        PERFORM pg_sleep(0.1);
    END LOOP;
END $$;
SELECT state, count(*) FROM queue GROUP BY 1;
INSERT INTO queue VALUES (3);
DO $$
BEGIN
    FOR n IN 1..100 LOOP
        EXIT WHEN (SELECT bool_and(state = 'done') FROM queue);
        PERFORM pg_sleep(0.1);
    END LOOP;
END $$;
SELECT state, count(*) FROM queue GROUP BY 1;
SELECT df.status(:'id');
SELECT df.cancel(:'id', 'enough') IS NOT NULL AS cancelled;
-- prefix loop with a schedule, cancelled while it waits
SELECT df.start(@> (df.wait_for_schedule('0 0 1 1 *') ~> 'SELECT 1'), 'yearly') AS id \gset
SELECT df.cancel(:'id') IS NOT NULL AS cancelled;
-- the timeout idiom, void results
SELECT df.start(df.race('SELECT pg_sleep(30)', df.sleep(1) ~> 'SELECT ''timed out'' AS r')) AS id \gset
SELECT df.await_instance(:'id', 10);
SELECT df.result(:'id');
SELECT df.start('SELECT pg_sleep(0)') AS id \gset
SELECT df.await_instance(:'id');
SELECT df.result(:'id');
-- status by label; newest by created_at; DO-block polling; the list in FROM
SELECT df.start(df.sleep(1), 'by label') AS id \gset
DO $$
DECLARE id text := (SELECT i.id FROM df.instances i WHERE label = 'by label' ORDER BY created_at DESC LIMIT 1);
BEGIN
    FOR n IN 1..100 LOOP
        EXIT WHEN lower(df.status(id)) IN ('completed', 'failed', 'cancelled');
        PERFORM pg_sleep(0.1);
    END LOOP;
END $$;
SELECT status FROM df.instances WHERE label = 'by label';
SELECT i.label, li.status, li.execution_count FROM df.instances i JOIN df.list_instances() li ON li.instance_id = i.id WHERE i.label = 'by label';
-- what waits for which signal; signal until it is consumed
SELECT df.start((df.wait_for_signal('approval', 300) |=> 'sig') ~> 'SELECT $sig::jsonb->''data''->>''by'' AS by', 'approval') AS id \gset
DO $$
BEGIN
    FOR n IN 1..100 LOOP
        EXIT WHEN EXISTS (SELECT FROM df.instances i, df.instance_nodes(i.id) n WHERE i.label = 'approval' AND n.node_type = 'SIGNAL'
                             AND n.inferred_status = 'running' AND n.query::jsonb->>'signal_name' = 'approval');
        PERFORM pg_sleep(0.05);
    END LOOP;
END $$;
SELECT DISTINCT df.signal(i.id, n.query::jsonb->>'signal_name', '{"by": "ann"}') FROM df.instances i, df.instance_nodes(i.id) n
 WHERE i.label = 'approval' AND n.node_type = 'SIGNAL' AND n.inferred_status = 'running';
SELECT df.await_instance(:'id');
SELECT df.result(:'id');
SELECT df.signal(:'id', 'approval'), df.signal(:'id', 'approval');
-- an instance that starts and signals others
SELECT df.start(df.wait_for_signal('ready', 20) |=> 's' ~> 'SELECT $s.data AS d', 'parent') AS parent \gset
SELECT df.start(format('SELECT df.signal(%L, ''ready'', ''"from a step"'') AS s', :'parent')) AS child \gset
SELECT df.await_instance(:'parent');
SELECT df.result(:'parent'), df.result(:'child');
-- liveness is for superusers; privileges can be asked for by signature
SELECT * FROM df._worker_epoch;
RESET ROLE;
SELECT now() - last_seen_at < interval '15 s' AS alive FROM df._worker_epoch;
SELECT has_function_privilege('compat_user', 'df.start(text,text,text,text)', 'EXECUTE') AS start,
       has_function_privilege('compat_user', 'df.metrics()', 'EXECUTE') AS metrics;
-- VACUUM and terminating as steps of a superuser's are refused at start while the setting is off
SELECT df.start('VACUUM (ANALYZE)');
\set include :abs_srcdir '/include/compat_end.psql'
\set ECHO none
\i :include
