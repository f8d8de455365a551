-- compat.md 4.8, 4.11: what is kept and what is limited, as far as SQL shows it; the suites retention and slots show it at work.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir '/include/compat.psql'
\set ECHO none
\i :include
\set ECHO all
-- 4.8 The defaults keep 30 days; what has not ended is kept for ever. The newest 10,000 are a setting here
SELECT name, boot_val, unit, context FROM pg_settings WHERE name IN ('pg_durable.retention_days', 'pg_durable.retention_count',
    'pg_durable.reconcile_interval') ORDER BY 1;
-- Variables are never removed by anybody but their owner
SELECT df.setvar('kept', '1');
SELECT df.start('SELECT {kept} AS v') AS id \gset
SELECT df.await_instance(:'id'), df.unsetvar('kept');
SELECT df.result(:'id');
-- 4.11 More steps than there is room for wait, and complete; nobody is refused a start
SELECT name, boot_val, unit, context FROM pg_settings WHERE name IN ('pg_durable.max_user_connections',
    'pg_durable.execution_acquire_timeout', 'pg_durable.max_new_transaction_starts', 'pg_durable.new_transaction_start_timeout') ORDER BY 1;
CREATE TEMP TABLE many AS SELECT df.start('SELECT pg_sleep(0.05)') AS id FROM generate_series(1, 60);
SELECT count(*) AS n, bool_and(df.await_instance(id, 120) = 'completed') AS completed FROM many;
-- A connection limit of the role holds for its clients; its steps wait for room instead of failing
RESET ROLE;
ALTER ROLE compat_user CONNECTION LIMIT 1;
SET ROLE compat_user;
CREATE TEMP TABLE limited AS SELECT df.start('SELECT pg_sleep(0.05)') AS id FROM generate_series(1, 5);
SELECT count(*) AS n, bool_and(df.await_instance(id, 120) = 'completed') AS completed FROM limited;
RESET ROLE;
ALTER ROLE compat_user CONNECTION LIMIT -1;
SET ROLE compat_user;
-- A start in a new transaction leaves nothing behind when it fails, and gives its place back each time
SELECT count(*) AS refused FROM generate_series(1, 5) n, LATERAL (SELECT try('SELECT df.start(''SELECT 1'', ''behind'', ''no such database'', ''new'')')) t (text)
 WHERE text LIKE '_____ df.start() on new transaction failed: error returned from database: database "no such database" does not exist';
SELECT count(*) FROM df.list_instances() WHERE label = 'behind';
SELECT df.start('SELECT 1', 'after', transaction_mode => 'new') AS id \gset
SELECT df.await_instance(:'id');
-- A session that started, signalled and listed keeps no other session open
SELECT count(*) FROM pg_stat_activity WHERE application_name IN ('pg_durable:backend:duroxide', 'pg_durable:backend:monitoring');
\set include :abs_srcdir '/include/compat_end.psql'
\set ECHO none
\i :include
