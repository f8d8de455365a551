-- Variables in steps: as they were at the start; the functions that change them are refused there.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_ann LOGIN;
SELECT df.grant_usage('regress_ann');
SET ROLE regress_ann;
SELECT df.setvar('x', '41');
SELECT df.start('SELECT {x} + 1 AS n, ''{sys_label}'' AS l, ''{unknown}'' AS u', 'a label') AS id \gset
SELECT df.setvar('x', '0');
SELECT df.await_instance(:'id');
SELECT df.result(:'id');
SELECT df.start('SELECT df.setvar(''y'', ''1'')') AS id \gset
SELECT df.await_instance(:'id');
SELECT output FROM df.instance_info(:'id');
SELECT df.clearvars();
RESET ROLE;
SELECT df.revoke_usage('regress_ann');
DROP ROLE regress_ann;
