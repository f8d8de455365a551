-- Variables: a role's own, transactional, and refused inside steps and beside composers.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_ann LOGIN;
CREATE ROLE regress_ben LOGIN;
SELECT df.grant_usage('regress_ann'), df.grant_usage('regress_ben');
SET ROLE regress_ann;
SELECT df.setvar('b', '2'), df.setvar('a', '1'), df.setvar('no identifier', 'x'), df.setvar('', 'empty');
SELECT name, value, owner FROM df.vars ORDER BY name;
SELECT df.setvar('a', 'changed');
SELECT df.getvar('a'), df.getvar('b'), df.getvar('c'), df.getvar('no identifier');
SELECT df.setvar('a', NULL), df.setvar(NULL, 'x'), df.getvar(NULL), df.unsetvar(NULL);
SELECT df.getvar('a');
SELECT df.unsetvar('a'), df.unsetvar('never set');
SELECT df.getvar('a');
BEGIN;
SELECT df.setvar('b', 'in transaction'), df.clearvars();
SELECT count(*) FROM df.vars;
ROLLBACK;
SELECT df.getvar('b');
BEGIN;
SAVEPOINT s;
SELECT df.setvar('b', 'in savepoint');
ROLLBACK TO s;
COMMIT;
SELECT df.getvar('b');
-- Another role's variables are its own
SET ROLE regress_ben;
SELECT count(*) FROM df.vars;
SELECT df.getvar('b'), df.setvar('b', 'of ben'), df.clearvars();
SET ROLE regress_ann;
SELECT df.getvar('b');
-- Written by the functions only
INSERT INTO df.vars (name, value) VALUES ('a', 'b');
UPDATE df.vars SET value = 'x';
DELETE FROM df.vars;
-- Composing in the statement that sets a variable is a mistake
SELECT df.setvar('a', '1') ~> 'SELECT 1';
-- A conditional's parts become steps when !> completes it; each is looked at then, whatever stands beside it
SELECT df.setvar('a', '1') ?> 'x' !> 'y';
SELECT 'x' ?> df.setvar('a', '1') !> 'y';
SELECT 'x' ?> 'y' !> df.setvar('a', '1');
SELECT df.unsetvar('a') ?> 'x' !> 'y';
SELECT df.clearvars() ?> 'x' !> 'y';
SELECT df.setvar('a', '1') || '' IS NOT NULL, 'OK' ?> 'x' !> 'y' IS NOT NULL AS folded_before;
SELECT df.setvar('a', '1'), ('x' ?> 'y' !> 'z') IS NOT NULL AS other_texts;
-- A session that says it is a step is taken at its word, if it says just that
SET df.in_workflow = 'true';
SELECT df.setvar('a', '1');
SELECT df.unsetvar('a');
SELECT df.clearvars();
SELECT df.await_instance('00000000');
SELECT df.wait_for_completion('00000000');
CALL df.wait('00000000');
SELECT df.start('SELECT 1', transaction_mode => 'new');
SELECT df.getvar('a');
BEGIN;
SELECT length(df.start('SELECT 1')) = 8 AS started;
ROLLBACK;
SET df.in_workflow = 'TRUE';
SELECT df.setvar('a', '1');
SET df.in_workflow = 'on';
SELECT df.unsetvar('a');
RESET df.in_workflow;
SELECT df.clearvars();
-- Read-only transactions
BEGIN READ ONLY;
SELECT df.setvar('a', '1');
ROLLBACK;
BEGIN READ ONLY;
SELECT df.getvar('b');
COMMIT;
SELECT df.clearvars();
SELECT count(*) FROM df.vars;
RESET ROLE;
SELECT df.revoke_usage('regress_ann'), df.revoke_usage('regress_ben');
DROP ROLE regress_ann;
DROP ROLE regress_ben;
