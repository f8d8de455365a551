-- compat.md 1.4, 1.5, 4.1, 4.3: start, status, result, waiting, cancel, signal from the caller's side, and variables.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir '/include/compat.psql'
\set ECHO none
\i :include
\set ECHO all
INSERT INTO answers (statement, expected) VALUES
-- df.start: order of the checks
($$SELECT df.start('SELECT 1', transaction_mode => 'x')$$, '_____ invalid transaction_mode "x" for df.start(): expected ''caller'' or ''new''%'),
($$SELECT df.start('SELECT 1', transaction_mode => '')$$, '_____ invalid transaction_mode "" for df.start(): expected ''caller'' or ''new''%'),
($$SELECT df.start('SELECT 1', transaction_mode => NULL)$$, '_____ %must not be null%'),
($$SELECT df.start(NULL, 'label')$$, '_____ %must not be null%'),
($$SELECT df.start('SELECT 1', NULL, 'no such database')$$, '_____ %database "no such database" does not exist%'),
($$SELECT df.start('SELECT 1', database => '')$$, '_____ %database "" does not exist%'),
($$SELECT df.start('{"node_type":"SQL","query":1}', database => 'no')$$, '_____ Invalid durable function: %'),
($$SELECT df.start('SELECT 1') ~ '^[0-9a-f]{8}$'$$, 'true'),
($$SELECT df.start(fut => 'SELECT 1', label => '', transaction_mode => 'CALLER') ~ '^[0-9a-f]{8}$'$$, 'true'),
($$SELECT df.start('SELECT 1', 'label', NULL) ~ '^[0-9a-f]{8}$'$$, 'true'),
($$SELECT df.start('SELECT 1', repeat('long', 100)) ~ '^[0-9a-f]{8}$'$$, 'true'),
-- unknown and NULL ids
($$SELECT df.status('00000000')$$, NULL), ($$SELECT df.status('')$$, NULL), ($$SELECT df.status('nonsense, longer than an id')$$, NULL),
($$SELECT df.status(NULL)$$, NULL), ($$SELECT df.result('00000000')$$, NULL), ($$SELECT df.result(NULL)$$, NULL),
($$SELECT df.cancel('00000000')$$, '_____ Instance not found or access denied: 00000000'),
($$SELECT df.cancel('')$$, '_____ Instance not found or access denied: '),
($$SELECT df.cancel(NULL)$$, NULL), ($$SELECT df.cancel('00000000', NULL)$$, NULL),
($$SELECT df.signal('', 's')$$, '_____ Instance ID cannot be empty'),
($$SELECT df.signal('', '')$$, '_____ Instance ID cannot be empty'),
($$SELECT df.signal('00000000', '')$$, '_____ Signal name cannot be empty'),
($$SELECT df.signal('00000000', 's')$$, '_____ Instance not found or access denied: 00000000'),
($$SELECT df.signal('00000000', 's', NULL)$$, NULL),
($$SELECT df.signal(NULL, 's')$$, NULL), ($$SELECT df.signal('00000000', NULL)$$, NULL),
($$SELECT df.await_instance('00000000')$$, '_____ Instance not found: 00000000%'),
($$SELECT df.await_instance(NULL)$$, NULL), ($$SELECT df.await_instance('00000000', NULL)$$, NULL),
($$SELECT df.await_instance('00000000', 0)$$, '_____ Timeout must be positive'),
($$SELECT df.await_instance('00000000', -1)$$, '_____ Timeout must be positive'),
($$SELECT df.wait_for_completion('00000000')$$, '_____ Instance not found: 00000000%'),
($$SELECT df.wait_for_completion('00000000', 0)$$, '_____ Timeout must be positive'),
($$SELECT df.wait_for_completion(NULL)$$, NULL),
($$SELECT df.run()$$, 'Triggered run for all pending instances'),
($$SELECT df.run(NULL)$$, 'Triggered run for all pending instances'),
($$SELECT df.run('abcd')$$, 'Triggered run for instance: abcd'),
($$SELECT df.version() ~ '^[0-9]+\.[0-9]+\.[0-9]+ \(built \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\)$'$$, 'true'),
($$SELECT df.explain(NULL)$$, NULL);
SELECT ask() > 0 AS asked;
SELECT * FROM surprises;
-- The instance that its own open transaction started
BEGIN;
SELECT df.start('SELECT 42 AS answer', 'mine') AS id \gset
SELECT df.status(:'id'), df.result(:'id') IS NULL AS no_result;
SELECT created_at = updated_at AS untouched, completed_at IS NULL AS open, submitted_by, database IS NULL AS here FROM df.instances WHERE id = :'id';
SELECT count(*) FROM df.list_instances(NULL, 100, 'mine') WHERE instance_id = :'id';
COMMIT;
SELECT df.await_instance(:'id');
SELECT df.status(:'id'), df.result(:'id');
SELECT status, output FROM df.list_instances() WHERE instance_id = :'id';
SELECT completed_at >= created_at AS completed, updated_at >= created_at AS updated FROM df.instances WHERE id = :'id';
-- Cancel and signal of a finished one answer as always and change nothing
SELECT updated_at AS before FROM df.instances WHERE id = :'id' \gset
SELECT df.cancel(:'id') = 'Instance ' || :'id' || ' cancelled: Cancelled by user' AS same_text,
       df.cancel(instance_id => :'id', reason => '') = 'Instance ' || :'id' || ' cancelled: ' AS empty_reason;
SELECT df.signal(:'id', 'go'), df.signal(instance_id => :'id', signal_name => 'go', signal_data => 'x');
SELECT df.status(:'id'), updated_at = :'before' AS untouched FROM df.instances WHERE id = :'id';
-- A wait that takes too long; the deprecated name warns
SELECT df.start(df.sleep(600), 'sleeper') AS id \gset
SELECT replace(try(format('SELECT df.await_instance(%L, 1)', :'id')), :'id', 'ID') LIKE '_____ Timeout after 1s waiting for instance ID (status: running)%' AS timeout;
SELECT df.cancel(:'id', 'enough') = 'Instance ' || :'id' || ' cancelled: enough' AS cancelled;
SELECT df.wait_for_completion(:'id');
SELECT df.status(:'id'), df.result(:'id') IS NULL AS no_result, completed_at IS NULL AS not_completed FROM df.instances WHERE id = :'id';
-- Each call sees what is committed by now and what its transaction did, also within one statement
SELECT df.status(df.start('SELECT 1'));
SELECT regexp_replace(df.cancel(df.start('SELECT 1')), '[0-9a-f]{8}', 'ID'), df.setvar('now', 'set'), df.getvar('now'), df.clearvars();
SELECT count(*) FROM df.instance_nodes(df.start('SELECT 1'));
SELECT df.start(df.sleep(1)) AS id \gset
SELECT df.await_instance(:'id'), df.status(:'id'), df.result(:'id'), (SELECT output FROM df.instance_info(:'id')),
       (SELECT status FROM df.instance_nodes(:'id')), df.explain(:'id') LIKE '%Completed%' AS explained;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT df.status(:'id'), df.status(df.start('SELECT 1'));
ROLLBACK;
-- Rolled back: nothing is left, nothing ran. In a savepoint, in a block with a handler
BEGIN;
SELECT df.start('SELECT 1') AS id \gset
ROLLBACK;
SELECT df.status(:'id') IS NULL AS unknown, df.result(:'id') IS NULL AS no_result;
SELECT replace(try(format('SELECT df.cancel(%L)', :'id')), :'id', 'ID'), replace(try(format('SELECT df.signal(%L, ''s'')', :'id')), :'id', 'ID');
SELECT count(*) FROM df.instance_info(:'id'), df.instance_executions(:'id');
CREATE TABLE ids (what text, id text);
BEGIN;
SAVEPOINT s;
SELECT df.start('CREATE TABLE compat.must_not_exist (a int)') AS gone \gset
ROLLBACK TO s;
INSERT INTO ids SELECT 'kept', df.start('SELECT 1');
COMMIT;
DO $$
BEGIN
    BEGIN
        PERFORM df.start('CREATE TABLE compat.must_not_exist (a int)');
        PERFORM 1/0;
    EXCEPTION WHEN division_by_zero THEN NULL;
    END;
    INSERT INTO compat.ids VALUES ('after handler', df.start('SELECT 1'));
END $$;
SELECT what, df.await_instance(id) FROM ids;
SELECT df.status(:'gone') IS NULL AS gone, to_regclass('compat.must_not_exist') IS NULL AS never_ran;
-- Start and cancel in one transaction: cancelled, and no node runs
BEGIN;
SELECT df.start('CREATE TABLE compat.must_not_exist (a int)') AS id \gset
SELECT df.cancel(:'id') IS NOT NULL AS cancelled;
COMMIT;
SELECT df.await_instance(:'id');
SELECT status FROM df.instance_nodes(:'id');
SELECT to_regclass('compat.must_not_exist') IS NULL AS never_ran;
-- A read-only transaction
BEGIN READ ONLY;
SELECT df.start('SELECT 1');
ROLLBACK;
-- 1.5 Variables: upsert, own, strict, transactional
INSERT INTO answers (statement, expected) VALUES
($$SELECT df.setvar('a', '1')$$, 'OK'), ($$SELECT df.setvar(name => 'a', value => '2')$$, 'OK'),
($$SELECT df.getvar('a')$$, '2'), ($$SELECT df.getvar('none')$$, NULL), ($$SELECT df.setvar('a', NULL)$$, NULL),
($$SELECT df.getvar(name => 'a')$$, '2'), ($$SELECT df.setvar('has space, é', 'v')$$, 'OK'),
($$SELECT df.getvar('has space, é')$$, 'v'), ($$SELECT df.unsetvar(name => 'none')$$, 'OK'), ($$SELECT df.unsetvar('a')$$, 'OK'),
($$SELECT df.getvar('a')$$, NULL), ($$SELECT df.unsetvar(NULL)$$, NULL), ($$SELECT df.getvar(NULL)$$, NULL),
($$SELECT count(*) FROM df.vars$$, '1'), ($$SELECT df.clearvars()$$, 'OK'), ($$SELECT count(*) FROM df.vars$$, '0'),
($$SELECT df.clearvars()$$, 'OK');
SELECT ask() > 0 AS asked;
SELECT * FROM surprises;
-- The snapshot includes what the same transaction set before the start, nothing later; NULL never counts
SELECT df.setvar('x', '1'), df.setvar('y', '1');
BEGIN;
SELECT df.setvar('x', '2'), df.unsetvar('y');
SELECT df.start('SELECT {x} AS x, ''{y}'' AS y') AS id \gset
SELECT df.setvar('x', '3'), df.setvar('y', '3');
COMMIT;
SELECT df.await_instance(:'id');
SELECT df.result(:'id');
SELECT df.clearvars();
-- Guard: a setter is no step. Side by side, in one DO block or function, is fine here
INSERT INTO answers (statement, expected) VALUES
($$SELECT df.setvar('a', '1') ~> 'SELECT 1'$$, '_____ df.setvar cannot be used as a workflow step. Call df.setvar before df.start().%'),
($$SELECT 'SELECT 1' ~> df.setvar('a', '1')$$, '_____ df.setvar cannot be used as a workflow step.%'),
($$SELECT df.join('SELECT 1', df.unsetvar('a'))$$, '_____ df.unsetvar cannot be used as a workflow step. Call df.unsetvar before df.start().%'),
($$SELECT df.loop(df.clearvars())$$, '_____ df.clearvars cannot be used as a workflow step.%'),
($$SELECT df.if('SELECT true', df.setvar('a', '1'), 'SELECT 1')$$, '_____ df.setvar cannot be used as a workflow step.%'),
($$SELECT df.start(df.setvar('a', '1'))$$, '_____ Invalid durable function: df.setvar cannot be used as a workflow step.%'),
($$SELECT df.setvar('a', '1'), df.start(df.sql('SELECT 1')) IS NOT NULL$$, 'OK'),
($$SELECT df.setvar('a', '1'), df.start('SELECT 1') IS NOT NULL$$, 'OK'),
($$SELECT df.seq('x', 'y') IS NOT NULL, df.setvar('a', '1')$$, 'true'),
($$SELECT df.setvar('a', NULL) ~> 'SELECT 1'$$, NULL),
($$SELECT df.clearvars()$$, 'OK');
DO $$ BEGIN PERFORM df.setvar('a', '1'); PERFORM df.start('SELECT 1'); END $$;
SELECT df.start('SELECT 1') AS id \gset
SELECT df.await_instance(:'id');
SELECT try(format('SELECT df.await_instance(%L) ~> ''SELECT 1''', :'id')), try(format('SELECT df.start(df.await_instance(%L))', :'id'));
SELECT ask() > 0 AS asked;
SELECT * FROM surprises;
-- Inside workflows: reading variables, starting, asking and signalling are fine, the rest is refused
SELECT df.setvar('v', 'of the caller');
INSERT INTO runs (what, graph, status, result, output) VALUES
('getvar', 'SELECT df.getvar(''v'') AS v', 'completed', '{"rows": [{"v": "of the caller"}], "row_count": 1}', NULL),
('start', 'SELECT df.start(''SELECT 1'', ''inner'') ~ ''^[0-9a-f]{8}$'' AS started', 'completed', '{"rows": [{"started": true}], "row_count": 1}', NULL),
('status', 'SELECT df.status(''00000000'') AS s', 'completed', '{"rows": [{"s": null}], "row_count": 1}', NULL),
('own status', 'SELECT df.status(''{sys_instance_id}'') AS s', 'completed', '{"rows": [{"s": "running"}], "row_count": 1}', NULL),
('signal', 'SELECT df.signal(''{sys_instance_id}'', ''go'') AS s', 'completed', '{"rows": [{"s": "OK"}], "row_count": 1}', NULL),
('compose', 'SELECT length(''a'' ~> ''b'') > 0 AS b', 'completed', '{"rows": [{"b": true}], "row_count": 1}', NULL),
('setvar', 'SELECT df.setvar(''v'', ''x'')', 'failed', NULL, 'SQL execution failed: error returned from database: df.setvar() cannot be called inside a workflow - set variables before starting the workflow%'),
('unsetvar', 'SELECT df.unsetvar(''v'')', 'failed', NULL, 'SQL execution failed: error returned from database: df.unsetvar() cannot be called inside a workflow - manage variables before starting the workflow%'),
('clearvars', 'SELECT df.clearvars()', 'failed', NULL, 'SQL execution failed: error returned from database: df.clearvars() cannot be called inside a workflow - manage variables before starting the workflow%'),
('await', 'SELECT df.await_instance(''{sys_instance_id}'', 5)', 'failed', NULL, 'SQL execution failed: error returned from database: df.await_instance() cannot be called inside a workflow - %'),
('wait', 'SELECT df.wait_for_completion(''{sys_instance_id}'', 5)', 'failed', NULL, 'SQL execution failed: error returned from database: df.await_instance() cannot be called inside a workflow - %'),
('new', 'SELECT df.start(''SELECT 1'', transaction_mode => ''new'')', 'failed', NULL, 'SQL execution failed: error returned from database: %cannot be called inside a workflow%');
SELECT start_runs();
SELECT count(df.await_instance(id)) FROM runs;
SELECT * FROM differences;
SELECT df.getvar('v'), df.clearvars();
-- Roles: superusers and roles without LOGIN may not start
RESET ROLE;
SELECT df.start('SELECT 1');
CREATE ROLE compat_nologin;
SELECT df.grant_usage('compat_nologin');
SET ROLE compat_nologin;
SELECT df.start('SELECT 1');
SELECT df.start('SELECT 1', transaction_mode => 'new');
SELECT df.start('{"node_type":"THEN","left_node":{},"right_node":{}}');
RESET ROLE;
SELECT df.start('{"node_type":"THEN","left_node":{},"right_node":{}}');
SELECT df.revoke_usage('compat_nologin');
DROP ROLE compat_nologin;
\set include :abs_srcdir '/include/compat_end.psql'
\set ECHO none
\i :include
