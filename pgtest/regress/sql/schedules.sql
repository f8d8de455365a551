-- df.wait_for_schedule: what it stores, and what it refuses when the graph is built.
\pset format unaligned
\pset tuples_only on
SELECT df.wait_for_schedule('0 9 * * 1');
SELECT df.wait_for_schedule(' */5  *  *  * * ');
SELECT df.wait_for_schedule('30 2 * * *', 'Europe/Berlin');
SELECT df.wait_for_schedule(cron_expr => '@daily', timezone => 'america/new_york');
SELECT df.wait_for_schedule('0 0 29 2 *', NULL);
SELECT df.wait_for_schedule(NULL) IS NULL, df.wait_for_schedule(NULL, 'UTC') IS NULL, df.wait_for_schedule(NULL, 'Mars') IS NULL;
-- Two functions, one with the original's signature
SELECT 'df.wait_for_schedule(text)'::regprocedure, has_function_privilege('df.wait_for_schedule(text)', 'EXECUTE');
SELECT proargnames, pronargdefaults, proisstrict FROM pg_proc WHERE oid IN ('df.wait_for_schedule(text)'::regprocedure,
    'df.wait_for_schedule(text, text)'::regprocedure) ORDER BY pronargs;
SELECT df.wait_for_schedule(cron_expr => '@hourly');
SELECT df.explain('SELECT 1' ~> df.wait_for_schedule('*/5 * * * *', 'Asia/Kolkata') ~> 'SELECT 2');
SELECT df.explain(df.wait_for_schedule('0 0 * * *') |=> 'tick');
\set VERBOSITY terse
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
CREATE FUNCTION pg_temp.refusal(expr text, zone text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE why text;
BEGIN
    RETURN df.wait_for_schedule(expr, zone);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS why = PG_EXCEPTION_DETAIL;
    RETURN SQLSTATE || ' ' || SQLERRM || coalesce(' / ' || nullif(why, ''), '');
END $$;
SELECT pg_temp.refusal(e) FROM unnest(ARRAY['', 'not cron', '* * * *', '60 * * * *', '* 24 * * *', '* * 0 * *',
    '* * * 13 *', '* * * * 8', '*/0 * * * *', '5-1 * * * *', '* * * * L', '* * * * 5#2', '@reboot', '@daily *',
    '* * * * * 1969', '0 0 30 2 *', '0 0 31 4,6,9,11 *', '0 0 29 2 * 2027,2029', '0 0 1 1 * 1999', repeat('1,', 150) || '99 * * * *']) e;
SELECT length(pg_temp.refusal(repeat('1,', 4000) || '2 * * * *'));
SELECT pg_temp.refusal('@daily', z) FROM unnest(ARRAY['', 'Mars/Olympus', 'UTC+3', 'Nowhere5', '<+03>-3', 'CEST', '../UTC',
    repeat('x', 300), 'Europe/Berlin ', 'Zürich']) z;
SELECT pg_temp.refusal('@daily', z) FROM unnest(ARRAY['UTC', 'utc', 'EST5EDT', 'Etc/GMT+5', 'GMT0']) z;
-- The engine's own answer: standard weekdays, names, either of both day fields, years.
SELECT e, z, df_internal.next_tick(e, z, '2026-03-28 12:00+00') AT TIME ZONE coalesce(z, 'UTC')
  FROM (VALUES ('0 9 * * 1', NULL), ('0 9 * * 0', NULL), ('0 9 * * 7', NULL), ('0 9 * * SUN', NULL), ('0 9 * * 1-5', NULL),
               ('0 0 13 * 5', NULL), ('0 0 13 * *', NULL), ('0 0 ? * fri', NULL), ('0 0 1 JAN *', NULL),
               ('0 0 1 1 * 2030', NULL), ('@hourly', NULL), ('@daily', NULL), ('@midnight', NULL), ('@weekly', NULL),
               ('@monthly', NULL), ('@yearly', NULL), ('@annually', NULL), ('0 0 29 2 *', NULL),
               ('0 9 * * *', 'Asia/Kolkata'), ('30 2 * * *', 'Europe/Berlin'), ('30 2 29 3 *', 'Europe/Berlin')) AS t (e, z);
-- Clocks that jump: Berlin has no 02:30 on 2026-03-29 and two on 2026-10-25.
SELECT t, df_internal.next_tick('30 2 * * *', 'Europe/Berlin', t) FROM unnest(ARRAY['2026-03-28 12:00+00', '2026-03-29 00:59:59.999999+00',
    '2026-03-29 01:00+00', '2026-10-24 12:00+00', '2026-10-25 00:30+00', '2026-10-25 01:29+00']::timestamptz[]) t;
SELECT t, df_internal.next_tick('*/30 * * * *', 'Europe/Berlin', t) FROM unnest(ARRAY['2026-03-29 00:29+00', '2026-03-29 00:30+00',
    '2026-03-29 01:00+00', '2026-10-25 00:29+00', '2026-10-25 00:30+00', '2026-10-25 01:45+00', '2026-10-25 02:00+00']::timestamptz[]) t;
SELECT df_internal.next_tick('0 0 1 1 * 2020', NULL, now()) IS NULL, df_internal.next_tick('* * * * *', 'UTC', 'infinity') IS NULL;
SELECT df_internal.next_tick('* * * * *', 'Europe/Berlin', '-infinity') IS NULL, df_internal.next_tick('@yearly', 'Europe/Berlin', '0100-01-01 BC');
SELECT df_internal.next_tick('@yearly', 'America/New_York', '90000-01-01 00:00+00'), df_internal.next_tick('@yearly', 'America/New_York', '294276-06-01 00:00+00');
-- Nobody without rights on df_internal can name it.
SET client_min_messages = warning;
CREATE ROLE regress_sched LOGIN;
SELECT df.grant_usage('regress_sched');
SET ROLE regress_sched;
SELECT df_internal.next_tick('@daily', NULL, now());
-- Raw envelopes fail when they run.
SELECT count(df.start('{"node_type":"WAIT_SCHEDULE","query":' || to_json(q) || '}', q)) FROM unnest(ARRAY['', '{}', '{"cron_expr":5}',
    '{"cron_expr":"x"}', '{"cron_expr":"0 0 1 1 * 1999"}', '{"cron_expr":"@daily","timezone":"Mars"}',
    '{"cron_expr":"@daily","timezone":5}']) q;
SELECT df.await_instance(instance_id) FROM df.list_instances();
SELECT label, output, df.error(instance_id) ->> 'detail' FROM df.list_instances() ORDER BY label COLLATE "C";
RESET ROLE;
SELECT df.revoke_usage('regress_sched');
DROP ROLE regress_sched;
