-- compat.md 1.8, 1.9: what is another role's does not exist; grants, with and without delegation.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir '/include/compat.psql'
\set ECHO none
\i :include
\set ECHO all
SELECT df.start(df.wait_for_signal('s'), 'mine') AS id \gset
SELECT df.setvar('v', 'mine');
-- Another role, even a member of the owning one
RESET ROLE;
GRANT compat_user TO compat_other;
CREATE ROLE compat_reader LOGIN;
GRANT USAGE ON SCHEMA compat TO compat_reader;
SET ROLE compat_other;
SET search_path = compat;
SELECT df.status(:'id'), df.result(:'id');
SELECT replace(compat.try(statement), :'id', 'ID') AS says
  FROM (VALUES (format('SELECT df.cancel(%L)', :'id')), (format('SELECT df.signal(%L, ''s'')', :'id')), (format('SELECT df.await_instance(%L)', :'id'))) v(statement);
SELECT count(*) FROM df.instance_info(:'id');
SELECT count(*) FROM df.instance_nodes(:'id');
SELECT count(*) FROM df.instance_nodes(:'id', 1);
SELECT count(*) FROM df.instance_executions(:'id');
SELECT count(*) FROM df.list_instances();
SELECT count(*) FROM df.list_instances(NULL, 10, NULL);
SELECT replace(df.explain(:'id'), :'id', 'ID');
SELECT count(*) FROM df.instances;
SELECT count(*) FROM df.nodes;
SELECT count(*) FROM df.vars;
SELECT df.getvar('v'), df.unsetvar('v'), df.clearvars();
-- Superusers and BYPASSRLS see all rows, but have variables of their own
RESET ROLE;
SELECT df.status(:'id') IN ('pending', 'running') AS status, (SELECT label FROM df.instances WHERE id = :'id'), (SELECT value FROM df.vars WHERE owner = 'compat_user'::regrole), df.getvar('v');
SELECT status IN ('pending', 'running') AS known FROM df.instance_info(:'id');
ALTER ROLE compat_other BYPASSRLS;
SET ROLE compat_other;
SELECT df.status(:'id') IS NOT NULL AS status, count(*) > 0 AS all_seen FROM df.instances;
RESET ROLE;
ALTER ROLE compat_other NOBYPASSRLS;
-- Nobody writes rows but the functions (here also not what the original's grants allow)
SET ROLE compat_user;
INSERT INTO df.instances (id, label, root_node, submitted_by) VALUES ('aaaaaaaa', 'forged', 'bbbbbbbb', 'compat_user');
UPDATE df.instances SET status = 'completed';
DELETE FROM df.instances;
UPDATE df.nodes SET status = 'completed';
INSERT INTO df.vars (name, value) VALUES ('a', 'b');
INSERT INTO df._worker_epoch DEFAULT VALUES;
DO $$ BEGIN DELETE FROM df.vars; EXCEPTION WHEN insufficient_privilege THEN RAISE WARNING 'as the original, %', SQLSTATE; END $$;
RESET ROLE;
\set VERBOSITY default
INSERT INTO df.instances (id, label) VALUES ('aaaaaaaa', 'forged');
\set VERBOSITY terse
UPDATE df.instances SET status = 'completed' WHERE false;
DELETE FROM df.instances WHERE id = 'aaaaaaaa';
INSERT INTO df.nodes (id) VALUES ('aaaaaaaa');
UPDATE df.nodes SET status = 'completed' WHERE id = 'aaaaaaaa';
DELETE FROM df.nodes;
INSERT INTO df.vars VALUES ('a', 'b', 'compat_user');
UPDATE df.vars SET value = 'c';
DELETE FROM df.vars;
COPY df.vars FROM stdin;
\.
UPDATE df._worker_epoch SET last_seen_at = now();
SET ROLE compat_user;
SELECT df.status(:'id') IN ('pending', 'running') AS untouched;
-- Without a grant nothing works, with it the usual
SET ROLE compat_reader;
SELECT df.status('00000000');
SELECT df.sql('x');
SELECT * FROM df.instances;
SELECT df.explain('SELECT 1');
RESET ROLE;
RESET client_min_messages;
SELECT df.grant_usage('compat_reader');
SELECT df.grant_usage(p_role => 'compat_reader', include_http => false, with_grant => NULL);
SET ROLE compat_reader;
SELECT df.status('00000000') IS NULL AS allowed, (SELECT count(*) FROM df.instances), (SELECT count(*) FROM df.nodes), (SELECT count(*) FROM df.vars);
SELECT df.metrics();
SELECT df.grant_usage('compat_reader');
SELECT df.revoke_usage('compat_reader');
SELECT * FROM df._worker_epoch;
RESET ROLE;
SELECT f, has_function_privilege('compat_reader', f, 'EXECUTE') FROM (VALUES ('df.metrics()'), ('df.grant_usage(text,boolean,boolean)'), ('df.revoke_usage(text)'),
    ('df.start(text,text,text,text)'), ('df.signal(text,text,text)'), ('df.instance_nodes(text,integer)')) v(f);
SELECT has_schema_privilege('compat_reader', 'df', 'USAGE') AS usage, has_schema_privilege('compat_reader', 'df', 'CREATE') AS "create",
       has_schema_privilege('public', 'df', 'USAGE') AS public, has_table_privilege('compat_reader', 'df.instances', 'SELECT') AS "select",
       has_table_privilege('public', 'df.instances', 'SELECT') AS public_select;
-- Delegation: a role with the option grants, and undoes its own grants only
CREATE ROLE compat_admin LOGIN;
CREATE ROLE "Compat Mixed" LOGIN;
SELECT df.grant_usage('compat_admin', with_grant => true);
SET ROLE compat_admin;
SELECT count(*) AS metrics FROM df.metrics();
SELECT df.grant_usage('Compat Mixed');
SET ROLE "Compat Mixed";
SELECT df.start('SELECT 1 AS a') AS mixed \gset
SELECT df.await_instance(:'mixed');
SELECT df.metrics();
SET ROLE compat_admin;
SELECT df.revoke_usage('Compat Mixed');
SET ROLE "Compat Mixed";
SELECT df.status(:'mixed');
SET ROLE compat_admin;
SELECT df.revoke_usage('compat_admin');
SELECT df.status('00000000') IS NULL AS still_granted;
RESET ROLE;
SELECT df.revoke_usage(p_role => 'compat_admin');
SELECT df.revoke_usage('compat_admin');
SET ROLE compat_admin;
SELECT df.status('00000000');
RESET ROLE;
-- A view made before the revoke gives nothing after it
SET ROLE compat_user;
CREATE VIEW compat.mine AS SELECT id FROM df.instances;
RESET ROLE;
SELECT df.revoke_usage('compat_user');
SET ROLE compat_user;
SELECT * FROM compat.mine;
RESET ROLE;
SELECT df.grant_usage('compat_user');
-- Names that are no roles
\set VERBOSITY sqlstate
SELECT df.grant_usage('no such role');
SELECT df.grant_usage(NULL);
SELECT df.grant_usage('');
SELECT df.revoke_usage('no such role');
SELECT df.revoke_usage(NULL);
SELECT df.revoke_usage('compat_reader');
\set VERBOSITY terse
SET client_min_messages = error;
SELECT df.cancel(:'id') IS NOT NULL AS cancelled;
REVOKE USAGE ON SCHEMA compat FROM compat_reader;
DROP ROLE compat_reader;
DROP ROLE compat_admin;
DROP ROLE "Compat Mixed";
SET client_min_messages = warning;
\set include :abs_srcdir '/include/compat_end.psql'
\set ECHO none
\i :include
