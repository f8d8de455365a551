-- Names, argument names, defaults, results and properties of everything users call.
SELECT p.oid::regprocedure AS function, pg_get_function_arguments(p.oid) AS arguments,
       pg_get_function_result(p.oid) AS result
  FROM pg_proc p WHERE p.pronamespace = 'df'::regnamespace ORDER BY p.proname COLLATE "C", p.pronargs;
SELECT p.oid::regprocedure AS function, p.prokind, p.provolatile, p.proisstrict, p.proparallel, p.prosecdef
  FROM pg_proc p WHERE p.pronamespace = 'df'::regnamespace ORDER BY p.proname COLLATE "C", p.pronargs;
SELECT o.oprname, o.oprleft::regtype, o.oprright::regtype, o.oprcode, o.oprnamespace::regnamespace
  FROM pg_operator o JOIN pg_proc p ON p.oid = o.oprcode WHERE p.pronamespace = 'df'::regnamespace
 ORDER BY o.oprname COLLATE "C";
SELECT c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod) AS type
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
 WHERE c.relnamespace = 'df'::regnamespace AND c.relkind IN ('r', 'v') AND a.attnum > 0
 ORDER BY c.relname COLLATE "C", a.attnum;
-- Who may execute what is not for everybody
SELECT p.oid::regprocedure AS function FROM pg_proc p
 WHERE p.pronamespace = 'df'::regnamespace AND NOT has_function_privilege('public', p.oid, 'execute')
 ORDER BY p.proname COLLATE "C";
-- No security definer functions, and nothing but the extension's own in its schemas
SELECT count(*) FROM pg_proc WHERE pronamespace IN ('df'::regnamespace, 'df_internal'::regnamespace) AND prosecdef;
SELECT c.oid::regclass AS not_a_member FROM pg_class c
 WHERE c.relnamespace IN ('df'::regnamespace, 'df_internal'::regnamespace) AND c.relkind IN ('r', 'v', 'S')
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e');
-- Engine tables: row security without policies, a primary key, plain indexes
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'df_internal'::regnamespace AND c.relkind = 'r'
   AND (NOT c.relrowsecurity OR c.relforcerowsecurity
        OR NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
        OR EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid)
        OR EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid
                    AND (i.indpred IS NOT NULL OR i.indexprs IS NOT NULL OR NOT i.indimmediate)));
