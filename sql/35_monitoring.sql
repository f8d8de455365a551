-- More of what users ask: pages, executions, failures, totals; and what only scripts for the original call.

-- Three arguments without default keep this apart from the short list.
CREATE FUNCTION df.list_instances(
    status_filter text, limit_count int4, label_filter text, after_cursor text DEFAULT NULL)
    RETURNS TABLE (
        instance_id text, label text, function_name text, status text, execution_count int8, output text,
        created_at timestamptz, completed_at timestamptz, next_cursor text)
    LANGUAGE c AS 'MODULE_PATHNAME', 'df_list_instances_page';
CREATE FUNCTION df.instance_executions(instance_id text, limit_count int4 DEFAULT 5)
    RETURNS TABLE (execution_id int8, status text, event_count int8, duration_ms int8, output text)
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_instance_executions';
CREATE FUNCTION df.instance_nodes(instance_id_param text, _last_n_executions int4)
    RETURNS TABLE (
        execution_id int8, node_id text, node_type text, query text, result_name text, left_node text,
        right_node text, status text, result text, updated_at timestamptz)
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_instance_nodes_legacy';
CREATE FUNCTION df.metrics()
    RETURNS TABLE (
        total_instances int8, running_instances int8, completed_instances int8, failed_instances int8,
        total_executions int8, total_events int8)
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_metrics';
CREATE FUNCTION df.error(instance_id text) RETURNS jsonb LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_error';

CREATE FUNCTION df.wait_for_completion(instance_id text, timeout_seconds int4 DEFAULT 30) RETURNS text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_wait_for_completion';
CREATE FUNCTION df.run(instance_id text DEFAULT NULL) RETURNS text LANGUAGE c AS 'MODULE_PATHNAME', 'df_run';
CREATE FUNCTION df.target_database() RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'df_target_database';
CREATE FUNCTION df.duroxide_schema() RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp AS $$ SELECT '_duroxide' $$;

CREATE FUNCTION df_internal.worker_ready() RETURNS TABLE (initialized_at timestamptz)
    LANGUAGE c STRICT ROWS 1 AS 'MODULE_PATHNAME', 'df_worker_ready';
CREATE FUNCTION df_internal.worker_epoch()
    RETURNS TABLE (epoch_id uuid, started_at timestamptz, last_seen_at timestamptz)
    LANGUAGE c STRICT ROWS 1 AS 'MODULE_PATHNAME', 'df_worker_epoch';
