-- df.explain evaluates an expression as its caller, and nothing of it stays.
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE regress_expr LOGIN;
CREATE SCHEMA regress_expr AUTHORIZATION regress_expr;
SELECT df.grant_usage('regress_expr');
SET ROLE regress_expr;
SET search_path = regress_expr;
SELECT df.explain('''SELECT 1'' ~> ''SELECT 2''');
SELECT df.explain(' df.seq(''a'', ''b'') |=> ''x'' ');
SELECT df.explain('df.sql(''SELECT '' || n) FROM generate_series(1, 1000) n');
SELECT df.explain('df.sql(''SELECT 1''), pg_typeof(1)');
SELECT df.explain('df.sql(''SELECT 1'')::jsonb');
SELECT df.explain(df.sql('SELECT 1') ~> 'SELECT df.version()');
-- What comes out is no graph
SELECT df.explain('df.sql(NULL)');
SELECT df.explain('df.sql(''a'') WHERE false');
SELECT df.explain('WHERE ''df.'' IS NOT NULL');
SELECT df.explain('df.version() IS NULL');
SELECT df.explain('df.getvar(''x'') IS NULL');
SELECT df.explain('''no ~> graph''');
SELECT df.explain('''{"node_type":"NOPE"}'' || substr(''df.'', 4)');
SELECT df.explain('''{"node_type":"THEN","left_node":5}'' || substr(''df.'', 4)');
SELECT df.explain('''{"node_type":"THEN","left_node":{}}'' || substr(''df.'', 4)');
-- Errors of the expression are the caller's; a statement that names df. is taken for an expression
SELECT df.explain('df.nothing()');
SELECT df.explain('1/0 + length(df.version())');
SELECT df.explain('SELECT df.sql(''x'')');
SELECT df.explain('df.sql(''a''); SELECT 2');
SELECT df.explain('df.sql(''a''); DROP SCHEMA regress_expr');
SELECT df.explain('df.sql(''a'');');
SELECT df.explain('df.sql(''a'') -- and no more');
-- Nothing that writes, and nothing that waits
SELECT df.explain(format('df.%s', call)) FROM (VALUES ('start(''SELECT 1'')')) t (call);
SELECT df.explain('df.start(df.sql(''SELECT 1''), ''label'')');
SELECT df.explain('df.start(''SELECT 1'', transaction_mode => ''new'')');
SELECT df.explain('df.start(''SELECT 1'', NULL, current_database(), ''NEW'') ~> ''SELECT 2''');
SELECT df.explain('df.setvar(''a'', ''1'')');
SELECT df.explain('df.unsetvar(''a'')');
SELECT df.explain('df.clearvars()');
SELECT df.explain('df.cancel(''00000000'')');
SELECT df.explain('df.adopt()');
SELECT df.explain('df.signal(''00000000'', ''s'')');
SELECT df.explain('df.await_instance(''00000000'')');
SELECT df.explain('df.wait_for_completion(''00000000'')');
SELECT df.explain('df.setvar(''a'', ''1'') ~> ''SELECT 1''');
SELECT count(*) FROM df.list_instances();
SELECT count(*) FROM df.vars;
-- Wherever it is called from: a function, a trigger, a handler, the explained in the explained
CREATE TABLE seen (n int);
CREATE SEQUENCE numbers;
CREATE FUNCTION swallow() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM df.start('SELECT 1');
    RETURN 'started';
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RETURN df.sql(SQLERRM);
END $$;
SELECT df.explain('swallow() /* df. */');
CREATE FUNCTION swallow_new() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN df.start('SELECT 1', 'swallowed', transaction_mode => 'new');
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RETURN df.sql(SQLERRM);
END $$;
SELECT df.explain('swallow_new() /* df. */');
SELECT count(*) FROM df.list_instances();
SELECT df.explain('df.explain(''df.setvar(''''a'''', ''''1'''')'')');
SELECT df.explain('df.sql(df.explain(''df.sql(''''SELECT 1'''')''))');
SELECT df.setvar('a', '1') FROM (SELECT df.explain('df.sql(''x'')')) AS t;
CREATE FUNCTION after_inner() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM df.explain('df.sql(''x'')');
    BEGIN
        PERFORM df.explain('df.sql((1/0)::text)');
    EXCEPTION WHEN division_by_zero THEN NULL;
    END;
    RETURN df.setvar('b', '2');
END $$;
SELECT df.explain('after_inner() /* df. */');
SELECT after_inner();
SELECT name, value FROM df.vars ORDER BY name;
-- Whatever else it does is rolled back, but what no transaction undoes
CREATE FUNCTION busy() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO seen VALUES (1);
    CREATE TEMP TABLE passing (n int);
    CREATE TABLE staying (n int);
    SET work_mem = '1234kB';
    PERFORM set_config('regress.custom', 'on', false);
    PERFORM nextval('numbers');
    NOTIFY regress_channel;
    RETURN df.sql('SELECT ' || (SELECT count(*) FROM seen) || ' /* ' || current_user || ' */');
END $$;
SELECT df.explain('busy() /* df. */');
SELECT count(*) FROM seen;
SELECT to_regclass('passing'), to_regclass('staying'), current_setting('work_mem') = '1234kB', current_setting('regress.custom', true), currval('numbers');
SELECT df.explain('''df.'' AS a INTO created');
SELECT to_regclass('created');
-- In a transaction it can go on after an error, and a read-only one can explain
BEGIN READ ONLY;
SELECT df.explain('''SELECT 1'' ~> ''SELECT 2''');
SAVEPOINT a;
SELECT df.explain('busy() /* df. */');
ROLLBACK TO a;
SELECT df.explain('df.sql(''fine'')');
COMMIT;
DECLARE c CURSOR WITH HOLD FOR SELECT df.explain('busy() /* df. */');
FETCH c;
CLOSE c;
CREATE FUNCTION endless() RETURNS text LANGUAGE sql AS 'SELECT df.explain(''endless() /* df. */'')';
DO $$ BEGIN PERFORM df.explain('endless() /* df. */'); EXCEPTION WHEN statement_too_complex THEN RAISE WARNING '%', SQLERRM; END $$;
SELECT df.setvar('c', '3');
-- Inside a workflow
SELECT df.start($$SELECT df.explain('df.sql(''x'') ~> ''SELECT 1''') AS tree$$) AS id \gset
SELECT df.await_instance(:'id');
SELECT df.result(:'id')::jsonb #>> '{rows,0,tree}';
RESET ROLE;
RESET search_path;
-- Nor does a superuser change anything: rules of hosts are refused, grants are rolled back
SELECT df.explain('df.http_allow(''public'', ''explained.example'')');
SELECT df.explain('df.http_deny(''public'', ''explained.example'')');
SELECT df.explain('df.http_forget(''public'', ''explained.example'')');
SELECT df.explain('df.adopt()');
SELECT df.explain('df.grant_usage(''regress_expr'', with_grant => true)');
SELECT df.explain('df.revoke_usage(''regress_expr'')');
SELECT count(*) FROM df.http_rules() WHERE pattern = 'explained.example';
SELECT has_schema_privilege('regress_expr', 'df', 'USAGE') AS granted,
       has_schema_privilege('regress_expr', 'df', 'USAGE WITH GRANT OPTION') AS delegated;
SELECT df.revoke_usage('regress_expr');
DROP OWNED BY regress_expr;
DROP ROLE regress_expr;
