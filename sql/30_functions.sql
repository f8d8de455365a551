-- The functions users call. Each that reads or writes state checks USAGE on schema df itself.

-- Graph constructors
CREATE FUNCTION df.sql(query text) RETURNS text LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_sql';
CREATE FUNCTION df.seq(a text, b text) RETURNS text LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_seq';
CREATE FUNCTION df.as(fut text, name text) RETURNS text LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_as';
CREATE FUNCTION df.join(a text, b text) RETURNS text LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_join';
CREATE FUNCTION df.join3(a text, b text, c text) RETURNS text LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_join3';
CREATE FUNCTION df.race(a text, b text) RETURNS text LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_race';
CREATE FUNCTION df.if(condition text, then_branch text, else_branch text) RETURNS text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_if';
CREATE FUNCTION df.if_rows(result_name text, then_branch text, else_branch text) RETURNS text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_if_rows';
CREATE FUNCTION df.loop(body text, condition text DEFAULT NULL) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'df_loop';
CREATE FUNCTION df.break(value text DEFAULT NULL) RETURNS text LANGUAGE c AS 'MODULE_PATHNAME', 'df_break';
CREATE FUNCTION df.sleep(seconds int8) RETURNS text LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_sleep';
CREATE FUNCTION df.wait_for_signal(name text, timeout_seconds int4 DEFAULT NULL) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'df_wait_for_signal';

-- Behind the operators |=>, @>, ?> and !>: constant operands are folded at planning.
CREATE FUNCTION df.as_op(fut text, name text) RETURNS text
    LANGUAGE c IMMUTABLE AS 'MODULE_PATHNAME', 'df_as_op';
CREATE FUNCTION df.loop_prefix_op(body text) RETURNS text
    LANGUAGE c IMMUTABLE AS 'MODULE_PATHNAME', 'df_loop_prefix_op';
CREATE FUNCTION df.if_then_op(condition text, then_branch text) RETURNS text
    LANGUAGE c IMMUTABLE AS 'MODULE_PATHNAME', 'df_if_then_op';
CREATE FUNCTION df.if_else_op(partial_if text, else_branch text) RETURNS text
    LANGUAGE c IMMUTABLE AS 'MODULE_PATHNAME', 'df_if_else_op';

-- Start and control
CREATE FUNCTION df.start(
    fut text, label text DEFAULT NULL, database text DEFAULT NULL, transaction_mode text DEFAULT 'caller')
    RETURNS text LANGUAGE c AS 'MODULE_PATHNAME', 'df_start';
CREATE FUNCTION df.cancel(instance_id text, reason text DEFAULT 'Cancelled by user') RETURNS text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_cancel';
CREATE FUNCTION df.signal(instance_id text, signal_name text, signal_data text DEFAULT '{}') RETURNS text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_signal';
CREATE FUNCTION df.signals(instance_id text)
    RETURNS TABLE (signal_name text, data jsonb, sent_at timestamptz)
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_signals';
CREATE FUNCTION df.status(instance_id text) RETURNS text LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_status';
CREATE FUNCTION df.result(instance_id text) RETURNS text LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_result';
CREATE FUNCTION df.await_instance(instance_id text, timeout_seconds int4 DEFAULT 30) RETURNS text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_await_instance';
CREATE PROCEDURE df.wait(instance_id text, timeout_seconds int4 DEFAULT 30)
    LANGUAGE c AS 'MODULE_PATHNAME', 'df_wait';
CREATE FUNCTION df.version() RETURNS text LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_version';
CREATE FUNCTION df.adopt() RETURNS int8 LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_adopt';

-- Variables
CREATE FUNCTION df.setvar(name text, value text) RETURNS text LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_setvar';
CREATE FUNCTION df.getvar(name text) RETURNS text LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_getvar';
CREATE FUNCTION df.unsetvar(name text) RETURNS text LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_unsetvar';
CREATE FUNCTION df.clearvars() RETURNS text LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_clearvars';

-- Monitoring
CREATE FUNCTION df.list_instances(status_filter text DEFAULT NULL, limit_count int4 DEFAULT 100)
    RETURNS TABLE (
        instance_id text, label text, function_name text, status text, execution_count int8, output text)
    LANGUAGE c AS 'MODULE_PATHNAME', 'df_list_instances';
CREATE FUNCTION df.instance_info(instance_id text)
    RETURNS TABLE (
        instance_id text, label text, function_name text, function_version text, current_execution_id int8,
        status text, output text)
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_instance_info';
CREATE FUNCTION df.instance_nodes(instance_id_param text)
    RETURNS TABLE (
        node_id text, node_type text, query text, result_name text, left_node text, right_node text, status text,
        result text, status_details text, inferred_status text, inferred_status_from_ancestor_id text,
        updated_at timestamptz)
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_instance_nodes';

-- What the views call: nobody can name them (no USAGE on df_internal), and they check for themselves.
CREATE FUNCTION df_internal.me() RETURNS oid
    LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'df_me';
CREATE FUNCTION df_internal.sees_all() RETURNS bool
    LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'df_sees_all';
-- In a copy that nobody adopted, an oid may be another role's: rows are the role's only if its name fits, too.
CREATE FUNCTION df_internal.at_home(stamp int8, role_name text) RETURNS bool
    LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'df_at_home';
CREATE FUNCTION df_internal.instance_state(instance int8)
    RETURNS TABLE (status text, updated_at timestamptz, completed_at timestamptz, root_node text)
    LANGUAGE c STRICT ROWS 1 AS 'MODULE_PATHNAME', 'df_instance_state';
CREATE FUNCTION df_internal.stored_nodes(instance int8)
    RETURNS TABLE (
        id text, node_type text, query text, result_name text, left_node text, right_node text, status text,
        result text, error text, updated_at timestamptz, status_details text)
    LANGUAGE c STRICT ROWS 10 AS 'MODULE_PATHNAME', 'df_stored_nodes';
