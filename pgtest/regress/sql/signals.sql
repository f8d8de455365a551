-- df.signal and df.signals: kept until consumed, oldest first, part of the caller's transaction.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_ann LOGIN;
CREATE ROLE regress_ben LOGIN;
SELECT df.grant_usage('regress_ann'), df.grant_usage('regress_ben');
SET SESSION AUTHORIZATION regress_ann;
SELECT df.start(df.wait_for_signal('go') |=> 'a' ~> (df.wait_for_signal('go') |=> 'b')
    ~> 'SELECT $a::jsonb->''data''->>''n'' AS a, $b::jsonb->''data''->>''n'' AS b') AS id \gset
-- strict: nothing is sent
SELECT df.signal(NULL, 'go'), df.signal(:'id', NULL), df.signal(:'id', 'go', NULL);
SELECT count(*) FROM df.signals(:'id');
SELECT df.signal('', 'go');
SELECT df.signal(:'id', '');
SELECT df.signal('00000000', 'go');
SELECT df.signal(:'id', 'go', '"\u0000"');
-- names are compared as they are; payloads are JSON or become a JSON string
SELECT df.signal(:'id', 'GO'), df.signal(:'id', ' go ', ''), df.signal(:'id', 'other', '{"b": 1.50, "a": [1,2]}'),
       df.signal(:'id', 'text', 'no json'), df.signal(:'id', 'number', '012');
SELECT signal_name, data FROM df.signals(:'id');
-- rolled back: never sent
BEGIN;
SELECT df.signal(:'id', 'go', '{"n": 0}');
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT df.signal(:'id', 'go', '{"n": 0}');
ROLLBACK TO s;
SELECT df.signal(:'id', 'go', '{"n": 1}'), df.signal(:'id', 'go', '{"n": 2}'), df.signal(:'id', 'go', '{"n": 3}');
COMMIT;
SELECT df.await_instance(:'id', 10);
SELECT df.result(:'id');
-- an ended instance takes none, and that is no error
SELECT df.signal(:'id', 'go');
SELECT count(*) FROM df.signals(:'id');
-- before the wait is reached, even in the transaction that starts it
BEGIN;
SELECT df.start('SELECT pg_sleep(0.2)' ~> df.wait_for_signal('early', 30)) AS id \gset
SELECT df.signal(:'id', 'early', '7');
COMMIT;
SELECT df.await_instance(:'id', 10);
SELECT df.result(:'id');
-- a timeout
SELECT df.start(df.wait_for_signal('late', 1)) AS id \gset
SELECT df.await_instance(:'id', 10);
SELECT df.result(:'id');
-- waiting for a signal is running, even when it is the first thing to do
SELECT df.start(df.wait_for_signal('mine')) AS id \gset
DO $$ BEGIN
    FOR i IN 1..100 LOOP
        EXIT WHEN EXISTS (SELECT FROM df.instances WHERE status = 'running');
        PERFORM pg_sleep(0.1);
    END LOOP;
END $$;
SELECT i.status, n.node_type, n.inferred_status FROM df.instances i, df.instance_nodes(i.id) n WHERE i.id = :'id';
-- another role's instance is unknown
SET SESSION AUTHORIZATION regress_ben;
SELECT set_config('regress.id', :'id', false) IS NOT NULL;
DO $$ BEGIN
    PERFORM df.signal(current_setting('regress.id'), 'mine');
EXCEPTION WHEN undefined_object THEN
    RAISE WARNING '%', replace(sqlerrm, current_setting('regress.id'), '<id>');
END $$;
SELECT count(*) FROM df.signals(:'id');
SET SESSION AUTHORIZATION regress_ann;
BEGIN READ ONLY;
SELECT df.signal(:'id', 'mine');
ROLLBACK;
SELECT count(*) FROM df.signals(:'id');
SELECT df.cancel(:'id') LIKE 'Instance % cancelled: Cancelled by user';
RESET SESSION AUTHORIZATION;
SELECT df.revoke_usage('regress_ann'), df.revoke_usage('regress_ben');
DROP ROLE regress_ann, regress_ben;
