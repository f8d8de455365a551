-- The parameters of the original (compat 1.10) with their defaults, ranges and contexts, and the limits on starts.
\set VERBOSITY terse
SET client_min_messages = warning;
SELECT name, vartype AS type, boot_val AS "default", min_val AS min, max_val AS max, context
FROM pg_catalog.pg_settings WHERE name IN ('pg_durable.worker_role', 'pg_durable.database',
    'pg_durable.max_management_connections', 'pg_durable.max_duroxide_connections', 'pg_durable.max_user_connections',
    'pg_durable.max_new_transaction_starts', 'pg_durable.execution_acquire_timeout',
    'pg_durable.new_transaction_start_timeout', 'pg_durable.enable_superuser_instances',
    'pg_durable.list_instances_max_limit', 'pg_durable.retention_days', 'pg_durable.reconcile_interval',
    'pg_durable.max_live_instances_per_role', 'pg_durable.max_starts_per_second_per_role') AND unit IS NULL
ORDER BY name COLLATE "C";
-- Who may change what
CREATE ROLE regress_sam LOGIN;
SET ROLE regress_sam;
SET pg_durable.max_new_transaction_starts = 3;
SET pg_durable.execution_acquire_timeout = 3;
SET pg_durable.max_user_connections = 3;
SET pg_durable.max_live_instances_per_role = 0;
SET pg_durable.max_starts_per_second_per_role = 0;
SET pg_durable.list_instances_max_limit = 3;
SHOW pg_durable.enable_superuser_instances;
RESET ROLE;
SET pg_durable.list_instances_max_limit = 0;
DROP ROLE regress_sam;
