-- compat.md 0, 1.1-1.7, 1.10: what pg_durable's clients find in the catalogs. Every query shows what differs.
\set VERBOSITY terse
SELECT extname, extrelocatable, extnamespace::regnamespace FROM pg_extension WHERE extname = 'pg_durable';
SELECT n.nspname, e.extname FROM pg_namespace n
  JOIN pg_depend d ON d.classid = 'pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e'
  JOIN pg_extension e ON e.oid = d.refobjid WHERE n.nspname IN ('df', df.duroxide_schema()) ORDER BY 1;
SELECT superuser, trusted, relocatable, schema, requires FROM pg_available_extension_versions
 WHERE name = 'pg_durable' AND version = (SELECT extversion FROM pg_extension WHERE extname = 'pg_durable');
ALTER EXTENSION pg_durable SET SCHEMA public;
-- Functions: arguments with names and defaults, result, strictness, volatility
CREATE TEMP TABLE wanted (name text, arguments text, result text, strict bool, volatility "char", parallel "char" DEFAULT 'u');
INSERT INTO wanted (name, arguments, result, strict, volatility) VALUES
('as_op', 'fut text, name text', 'text', false, 'i'),
('loop_prefix_op', 'body text', 'text', false, 'i'),
('if_then_op', 'condition text, then_branch text', 'text', false, 'i'),
('if_else_op', 'partial_if text, else_branch text', 'text', false, 'i'),
('wait_for_schedule', 'cron_expr text', 'text', true, 'v'),
('http', 'url text, method text DEFAULT ''POST''::text, body text DEFAULT NULL::text, headers jsonb DEFAULT NULL::jsonb, timeout_seconds integer DEFAULT 30', 'text', false, 'v'),
('http_multipart', 'url text, method text DEFAULT ''POST''::text, parts jsonb DEFAULT NULL::jsonb, headers jsonb DEFAULT NULL::jsonb, timeout_seconds integer DEFAULT 30', 'text', false, 'v'),
('sql', 'query text', 'text', true, 'v'),
('seq', 'a text, b text', 'text', true, 'v'),
('as', 'fut text, name text', 'text', true, 'v'),
('sleep', 'seconds bigint', 'text', true, 'v'),
('loop', 'body text, condition text DEFAULT NULL::text', 'text', false, 'v'),
('break', 'value text DEFAULT NULL::text', 'text', false, 'v'),
('if', 'condition text, then_branch text, else_branch text', 'text', true, 'v'),
('if_rows', 'result_name text, then_branch text, else_branch text', 'text', true, 'v'),
('join', 'a text, b text', 'text', true, 'v'),
('join3', 'a text, b text, c text', 'text', true, 'v'),
('race', 'a text, b text', 'text', true, 'v'),
('wait_for_signal', 'name text, timeout_seconds integer DEFAULT NULL::integer', 'text', false, 'v'),
('start', 'fut text, label text DEFAULT NULL::text, database text DEFAULT NULL::text, transaction_mode text DEFAULT ''caller''::text', 'text', false, 'v'),
('cancel', 'instance_id text, reason text DEFAULT ''Cancelled by user''::text', 'text', true, 'v'),
('signal', 'instance_id text, signal_name text, signal_data text DEFAULT ''{}''::text', 'text', true, 'v'),
('status', 'instance_id text', 'text', true, 'v'),
('result', 'instance_id text', 'text', true, 'v'),
('await_instance', 'instance_id text, timeout_seconds integer DEFAULT 30', 'text', true, 'v'),
('wait_for_completion', 'instance_id text, timeout_seconds integer DEFAULT 30', 'text', true, 'v'),
('run', 'instance_id text DEFAULT NULL::text', 'text', false, 'v'),
('version', '', 'text', true, 'v'),
('target_database', '', 'text', true, 'i'),
('duroxide_schema', '', 'text', false, 'i'),
('setvar', 'name text, value text', 'text', true, 'v'),
('getvar', 'name text', 'text', true, 'v'),
('unsetvar', 'name text', 'text', true, 'v'),
('clearvars', '', 'text', true, 'v'),
('list_instances', 'status_filter text DEFAULT NULL::text, limit_count integer DEFAULT 100',
 'TABLE(instance_id text, label text, function_name text, status text, execution_count bigint, output text)', false, 'v'),
('list_instances', 'status_filter text, limit_count integer, label_filter text, after_cursor text DEFAULT NULL::text',
 'TABLE(instance_id text, label text, function_name text, status text, execution_count bigint, output text, created_at timestamp with time zone, completed_at timestamp with time zone, next_cursor text)', false, 'v'),
('instance_info', 'instance_id text',
 'TABLE(instance_id text, label text, function_name text, function_version text, current_execution_id bigint, status text, output text)', true, 'v'),
('instance_executions', 'instance_id text, limit_count integer DEFAULT 5',
 'TABLE(execution_id bigint, status text, event_count bigint, duration_ms bigint, output text)', true, 'v'),
('instance_nodes', 'instance_id_param text',
 'TABLE(node_id text, node_type text, query text, result_name text, left_node text, right_node text, status text, result text, status_details text, inferred_status text, inferred_status_from_ancestor_id text, updated_at timestamp with time zone)', true, 'v'),
('instance_nodes', 'instance_id_param text, _last_n_executions integer',
 'TABLE(execution_id bigint, node_id text, node_type text, query text, result_name text, left_node text, right_node text, status text, result text, updated_at timestamp with time zone)', true, 'v'),
('metrics', '',
 'TABLE(total_instances bigint, running_instances bigint, completed_instances bigint, failed_instances bigint, total_executions bigint, total_events bigint)', true, 'v'),
('explain', 'input text', 'text', true, 'v'),
('grant_usage', 'p_role text, include_http boolean DEFAULT false, with_grant boolean DEFAULT false', 'void', false, 'v'),
('revoke_usage', 'p_role text', 'void', false, 'v');
UPDATE wanted SET parallel = 's' WHERE name IN ('target_database', 'duroxide_schema');
SELECT w.* FROM wanted w WHERE NOT EXISTS (
    SELECT FROM pg_proc p WHERE p.pronamespace = 'df'::regnamespace AND p.proname = w.name
       AND pg_get_function_arguments(p.oid) = w.arguments AND pg_get_function_result(p.oid) = w.result
       AND p.proisstrict = w.strict AND p.provolatile = w.volatility AND NOT p.prosecdef
       AND p.proparallel = w.parallel AND NOT p.proleakproof AND p.prokind = 'f');
-- What the specification does not have
SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'df'::regnamespace AND NOT EXISTS (
    SELECT FROM wanted w WHERE w.name = p.proname AND w.arguments = pg_get_function_arguments(p.oid)) ORDER BY 1;
-- Set-returning ones are functions over many rows
SELECT p.oid::regprocedure, p.prorows FROM pg_proc p JOIN wanted w ON w.name = p.proname AND w.arguments = pg_get_function_arguments(p.oid)
 WHERE p.pronamespace = 'df'::regnamespace AND p.prorows <> CASE WHEN p.proretset THEN 1000 ELSE 0 END;
SELECT proname, proconfig FROM pg_proc WHERE pronamespace = 'df'::regnamespace AND proconfig IS NOT NULL ORDER BY 1;
SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'df'::regnamespace
   AND (pg_get_function_result(p.oid) LIKE 'TABLE(%') <> p.proretset;
-- Overloads: there is exactly one df.start, two lists and two instance_nodes, nothing else twice
SELECT proname, count(*) FROM pg_proc WHERE pronamespace = 'df'::regnamespace GROUP BY 1 HAVING count(*) > 1 ORDER BY 1;
SELECT * FROM df.list_instances(label_filter => 'x');
SELECT count(*) FROM df.list_instances() a, df.list_instances('x') b, df.list_instances('x', 1) c,
                     df.list_instances('x', 1, NULL) d, df.list_instances('x', 1, NULL, NULL) e;
-- Gone since long
SELECT to_regprocedure('df.debug_connection()') IS NULL AS debug_connection,
       to_regprocedure('df.ensure_durofut(text)') IS NULL AS ensure_durofut;
SELECT count(*) AS security_definer FROM pg_proc WHERE pronamespace = 'df'::regnamespace AND prosecdef;
-- Operators
CREATE TEMP TABLE wanted_operators (name text, l regtype, r regtype, function text);
INSERT INTO wanted_operators VALUES ('~>', 'text', 'text', 'df.seq'), ('|=>', 'text', 'text', 'df.as_op'),
    ('&', 'text', 'text', 'df."join"'), ('|', 'text', 'text', 'df.race'), ('?>', 'text', 'text', 'df.if_then_op'),
    ('!>', 'text', 'text', 'df.if_else_op'), ('@>', NULL, 'text', 'df.loop_prefix_op');
SELECT w.* FROM wanted_operators w WHERE NOT EXISTS (
    SELECT FROM pg_operator o WHERE o.oprname = w.name AND o.oprleft = coalesce(w.l, 0::regtype) AND o.oprright = w.r
       AND o.oprresult = 'text'::regtype AND o.oprcode::text = w.function AND o.oprnamespace = 'pg_catalog'::regnamespace
       AND o.oprcom = 0 AND o.oprnegate = 0 AND o.oprrest = 0 AND o.oprjoin = 0);
SELECT count(*) FROM pg_operator o JOIN pg_proc p ON p.oid = o.oprcode WHERE p.pronamespace = 'df'::regnamespace;
-- The functions behind operators are immutable, so that generated columns and EXPLAIN see constants
SELECT proname, provolatile, pg_get_function_arguments(oid) FROM pg_proc
 WHERE pronamespace = 'df'::regnamespace AND proname IN ('as_op', 'loop_prefix_op', 'if_then_op', 'if_else_op') ORDER BY 1;
-- What users read: names, order and types of columns; ids are varchar without a length here
CREATE TEMP TABLE wanted_columns (relation text, columns text);
INSERT INTO wanted_columns VALUES
('df.instances', 'id character varying, label text, root_node character varying, status text, submitted_by regrole, database text, created_at timestamp with time zone, updated_at timestamp with time zone, completed_at timestamp with time zone'),
('df.nodes', 'id character varying, instance_id character varying, node_type text, query text, result_name text, left_node character varying, right_node character varying, status text, result jsonb, error text, submitted_by regrole, database text, created_at timestamp with time zone, updated_at timestamp with time zone, status_details jsonb'),
('df.vars', 'name text, value text, owner regrole'),
('df._worker_epoch', 'epoch_id uuid, started_at timestamp with time zone, last_seen_at timestamp with time zone'),
(df.duroxide_schema() || '._worker_ready', 'sentinel boolean, schema_version integer, initialized_at timestamp with time zone');
SELECT w.relation, w.columns AS wanted, f.columns AS found FROM wanted_columns w LEFT JOIN LATERAL (
    SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum) AS columns
      FROM pg_attribute a WHERE a.attrelid = to_regclass(w.relation) AND a.attnum > 0 AND NOT a.attisdropped) f ON true
 WHERE w.columns IS DISTINCT FROM f.columns;
SELECT attrelid::regclass AS relation, attname, col_description(attrelid, attnum) IS NOT NULL AS has_comment FROM pg_attribute
 WHERE attrelid IN ('df.instances'::regclass, 'df.nodes'::regclass) AND attname IN ('submitted_by', 'status_details') ORDER BY 1, 2;
-- Nothing else in df that users could trip over
SELECT relkind, count(*) > 0 AS some FROM pg_class WHERE relnamespace = 'df'::regnamespace AND relkind NOT IN ('v', 'r', 'i')
 GROUP BY 1;
SELECT count(*) FROM pg_type WHERE typnamespace = 'df'::regnamespace AND typtype IN ('e', 'd');
-- The stock initialiser's question: anybody may read the answer, df.duroxide_schema() wants USAGE on df
CREATE ROLE compat_user LOGIN;
SELECT format('%I._worker_ready', df.duroxide_schema()) AS ready \gset
SET ROLE compat_user;
SELECT schema_version >= 1 AS ready, sentinel, initialized_at <= now() AS initialized FROM :ready;
SELECT format('SELECT schema_version >= 1 AS ready, sentinel, initialized_at <= now() AS initialized FROM %I._worker_ready', df.duroxide_schema()) \gexec
RESET ROLE;
SELECT df.grant_usage('compat_user');
SET ROLE compat_user;
SELECT df.duroxide_schema(), df.target_database() = current_database() AS here;
SELECT * FROM df._worker_epoch;
RESET ROLE;
SELECT count(*), bool_and(now() - last_seen_at < interval '15 s') AS alive FROM df._worker_epoch;
-- Settings. Here: any database by default; steps wait for an executor as long as it takes
SELECT name, vartype, boot_val, min_val, max_val, context FROM pg_settings
 WHERE name IN ('pg_durable.worker_role', 'pg_durable.database', 'pg_durable.max_management_connections',
    'pg_durable.max_duroxide_connections', 'pg_durable.max_user_connections', 'pg_durable.max_new_transaction_starts',
    'pg_durable.execution_acquire_timeout', 'pg_durable.new_transaction_start_timeout',
    'pg_durable.enable_superuser_instances', 'pg_durable.list_instances_max_limit', 'pg_durable.retention_days',
    'pg_durable.reconcile_interval') ORDER BY name COLLATE "C";
SET pg_durable.worker_role = 'x';
SET pg_durable.retention_days = 1;
SET pg_durable.list_instances_max_limit = 0;
SET pg_durable.list_instances_max_limit = 1000001;
SET pg_durable.list_instances_max_limit = '30s';
SET pg_durable.list_instances_max_limit = 5;
RESET pg_durable.list_instances_max_limit;
SET pg_durable.anything = 1;
SET ROLE compat_user;
SHOW pg_durable.enable_superuser_instances;
SELECT current_setting('pg_durable.enable_superuser_instances');
SELECT count(*) FROM pg_settings WHERE name = 'pg_durable.enable_superuser_instances';
SHOW pg_durable.retention_days;
SET pg_durable.list_instances_max_limit = 5;
RESET ROLE;
-- Only a superuser installs; the schema is fixed
\set home :DBNAME
CREATE DATABASE compat_surface;
\c compat_surface
SET client_min_messages = warning;
\set VERBOSITY verbose
\set SHOW_CONTEXT never
SET ROLE compat_user;
CREATE EXTENSION pg_durable;
RESET ROLE;
\set VERBOSITY terse
CREATE EXTENSION pg_durable SCHEMA public;
CREATE EXTENSION pg_durable VERSION '0.2.2';
CREATE SCHEMA df;
CREATE EXTENSION pg_durable;
DROP SCHEMA df;
CREATE EXTENSION pg_durable;
SELECT df.target_database();
DROP EXTENSION pg_durable;
CREATE EXTENSION pg_durable;
\c :home
SET client_min_messages = warning;
\set VERBOSITY terse
DROP DATABASE compat_surface WITH (FORCE);
SELECT df.revoke_usage('compat_user');
DROP ROLE compat_user;
