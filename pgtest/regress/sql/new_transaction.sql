-- df.start with transaction_mode (compat 1.4): a start in a transaction of its own, and what it refuses.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_nia LOGIN;
CREATE ROLE regress_nob NOLOGIN;
SELECT df.grant_usage('regress_nia'), df.grant_usage('regress_nob');
GRANT regress_nob TO regress_nia;
SET ROLE regress_nia;
-- The mode's name in any case; nothing but these two
SELECT df.start('SELECT 1', transaction_mode => 'NeW') ~ '^[0-9a-f]{8}$' AS new,
       df.start('SELECT 1', transaction_mode => 'CALLER') ~ '^[0-9a-f]{8}$' AS caller;
SELECT df.start('SELECT 1', transaction_mode => 'other');
SELECT df.start('SELECT 1', transaction_mode => '');
SELECT df.start('SELECT 1', transaction_mode => NULL);
SELECT df.start(NULL, transaction_mode => 'new');
-- It stays when the caller rolls back, and is seen by the next statement
BEGIN;
SELECT df.start('SELECT 42 AS n' |=> 'answer', 'stays', NULL, 'new') AS kept \gset
SELECT df.start('SELECT 43', 'goes') AS lost \gset
SELECT label FROM df.instances WHERE id IN (:'kept', :'lost') ORDER BY label;
ROLLBACK;
SELECT label FROM df.instances WHERE id IN (:'kept', :'lost');
SELECT df.await_instance(:'kept');
SELECT df.result(:'kept');
-- Not by a snapshot that is older
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) >= 0 AS snapshot FROM df.instances;
SELECT df.start('SELECT 1', 'later', transaction_mode => 'new') AS later \gset
SELECT count(*) FROM df.instances WHERE id = :'later';
COMMIT;
SELECT count(*) FROM df.instances WHERE id = :'later';
-- In a read-only transaction
BEGIN READ ONLY;
SELECT df.start('SELECT 1', transaction_mode => 'new') ~ '^[0-9a-f]{8}$' AS started;
SELECT df.start('SELECT 1');
ROLLBACK;
-- It can be awaited in the same transaction, since it runs
BEGIN;
SELECT df.await_instance(df.start('SELECT 1', transaction_mode => 'new'));
ROLLBACK;
-- Variables that are not committed are not there
SELECT df.setvar('v', 'committed');
BEGIN;
SELECT df.setvar('v', 'open');
SELECT df.start($$SELECT '{v}' AS v$$, transaction_mode => 'new') AS id \gset
COMMIT;
SELECT df.await_instance(:'id');
SELECT df.result(:'id');
-- Errors come wrapped
SELECT df.start('{"node_type": "NOPE"}', transaction_mode => 'new');
SELECT df.start(df.seq('SELECT 1', '{"node_type": "SLEEP"}'), transaction_mode => 'new');
SELECT df.start('SELECT 1', NULL, 'no_such_database', 'new');
SELECT df.start('SELECT 1', NULL, '', 'new');
RESET ROLE;
\set VERBOSITY sqlstate
SELECT df.start('SELECT 1', transaction_mode => 'new');
\set VERBOSITY terse
SELECT df.start('SELECT 1', transaction_mode => 'new');
SET ROLE regress_nob;
SELECT df.start('SELECT 1', transaction_mode => 'new');
-- Not inside a step
SET ROLE regress_nia;
SELECT df.start($$SELECT df.start('SELECT 1', transaction_mode => 'new')$$) AS id \gset
SELECT df.await_instance(:'id');
SELECT output FROM df.instance_info(:'id');
RESET ROLE;
DROP OWNED BY regress_nia, regress_nob;
DROP ROLE regress_nia, regress_nob;
