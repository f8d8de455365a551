-- USAGE on schema df is the gate; composers need none through operators.
\set VERBOSITY terse
CREATE ROLE regress_in LOGIN;
CREATE ROLE regress_out LOGIN;
CREATE ROLE regress_boss LOGIN;
CREATE ROLE "Regress Mixed" LOGIN;
SELECT df.grant_usage('regress_in');
SELECT df.grant_usage('regress_in');
SELECT df.grant_usage('Regress Mixed');
SELECT df.grant_usage('regress_boss', with_grant => true);
SELECT df.grant_usage('nobody_at_all');
SELECT df.grant_usage(NULL);
SELECT df.grant_usage('');
SELECT df.revoke_usage('nobody_at_all');
SET ROLE regress_out;
SELECT 'a' ~> 'b' & 'c';
SELECT df.start('SELECT 1');
SELECT * FROM df.instances;
SELECT * FROM df_internal.journal;
RESET ROLE;
SET ROLE regress_in;
SELECT df.status('00000000'), df.result('00000000');
SELECT count(*) FROM df.instances;
SELECT * FROM df_internal.journal;
SELECT df.grant_usage('regress_out');
SELECT df.adopt();
RESET ROLE;
SET ROLE regress_boss;
SELECT df.grant_usage('regress_out');
RESET ROLE;
SET ROLE regress_out;
SELECT count(*) FROM df.instances;
RESET ROLE;
SET ROLE regress_boss;
SELECT df.revoke_usage('regress_out');
RESET ROLE;
SET ROLE regress_out;
SELECT df.status('00000000');
RESET ROLE;
-- Flags that are NULL count as false; HTTP is granted with its own flag
SELECT df.grant_usage('regress_out', NULL, NULL);
SELECT df.grant_usage('regress_out', include_http => true);
SELECT has_schema_privilege('regress_out', 'df', 'usage with grant option') AS may_grant,
       has_function_privilege('regress_out', 'df.metrics()', 'execute') AS metrics,
       has_function_privilege('regress_out', 'df.grant_usage(text, boolean, boolean)', 'execute') AS grants;
SELECT df.revoke_usage('regress_out');
-- A delegated administrator: totals, grants of his own, and no way to undo others'
SET ROLE regress_boss;
SELECT count(*) FROM df.metrics();
SELECT df.grant_usage('regress_out', with_grant => true);
SELECT df.revoke_usage('regress_in');
SELECT df.revoke_usage('regress_boss');
SELECT df.grant_usage('public');
RESET ROLE;
SELECT has_schema_privilege('regress_in', 'df', 'usage') AS in_stays, has_schema_privilege('regress_boss', 'df', 'usage') AS boss_stays,
       has_function_privilege('regress_out', 'df.revoke_usage(text)', 'execute') AS out_may_revoke,
       has_table_privilege('regress_out', 'df.nodes', 'select with grant option') AS out_may_grant;
-- What a delegated administrator has granted goes with his own rights
SELECT df.revoke_usage('regress_boss');
SELECT has_schema_privilege('regress_boss', 'df', 'usage') AS boss, has_schema_privilege('regress_out', 'df', 'usage') AS out,
       has_function_privilege('regress_out', 'df.metrics()', 'execute') AS metrics;
SELECT count(*) FROM pg_proc p, aclexplode(p.proacl) a WHERE p.pronamespace = 'df'::regnamespace
   AND a.grantee IN ('regress_boss'::regrole, 'regress_out'::regrole);
-- PUBLIC, for superusers only
SELECT df.grant_usage('public');
SELECT has_schema_privilege('regress_out', 'df', 'usage') AS everybody;
SELECT df.revoke_usage('public');
SELECT has_schema_privilege('regress_out', 'df', 'usage') AS everybody;
SELECT df.revoke_usage(NULL);
SELECT df.revoke_usage('');
-- Superusers do not submit
SELECT df.start('SELECT 1');
SELECT df.revoke_usage('regress_in');
SELECT df.revoke_usage('regress_in');
SET client_min_messages = warning;
SELECT df.revoke_usage('regress_boss');
SELECT df.revoke_usage('Regress Mixed');
DROP ROLE regress_in;
DROP ROLE regress_out;
DROP ROLE regress_boss;
DROP ROLE "Regress Mixed";
