-- compat.md 3.10, 3.11: sleeps, schedules, signals.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir '/include/compat.psql'
\set ECHO none
\i :include
\set ECHO all
INSERT INTO runs (what, graph, status, result, output) VALUES
('sleep', df.sleep(1), 'completed', '{"slept": true, "seconds": 1}', '{"slept": true, "seconds": 1}'),
('no sleep', df.sleep(0), 'completed', '{"slept": true, "seconds": 0}', NULL),
('raw word', '{"node_type":"SLEEP","query":"abc"}', 'failed', NULL, 'Invalid sleep duration: abc'),
('raw negative', '{"node_type":"SLEEP","query":"-1"}', 'failed', NULL, 'Invalid sleep duration: -1'),
('raw fraction', '{"node_type":"SLEEP","query":"0.5"}', 'failed', NULL, 'Invalid sleep duration: 0.5'),
('raw blanks', '{"node_type":"SLEEP","query":" 1 "}', 'failed', NULL, 'Invalid sleep duration:  1 '),
('not replaced', 'SELECT 1' |=> 'x' ~> '{"node_type":"SLEEP","query":"$x"}', 'failed', NULL, 'Invalid sleep duration: $x'),
('signal times out', df.wait_for_signal('go', 1), 'completed', '{"data": null, "timed_out": true, "signal_name": "go"}', '{"signal_name":"go","timed_out":true,"data":null}');
SELECT start_runs();
SELECT count(df.await_instance(id)) FROM runs;
SELECT * FROM differences;
-- Signals: one graph waits, one payload each
CREATE TABLE payloads (n serial, payload text, data text, id text);
INSERT INTO payloads (payload, data) VALUES ('{}', '{}'), ('{"b": 1, "a": [1.50, "x"]}', '{"b":1,"a":[1.50,"x"]}'), ('5', '5'), ('true', 'true'), ('null', 'null'),
    ('"text"', '"text"'), ('plain text', '"plain text"'), ('', '""'), ('1e400', '%1e400%'), ('NaN', '"NaN"'), ('012', '"012"'), ('[1', '"[1"');
UPDATE payloads SET id = df.start(df.wait_for_signal('go'), 'payload');
SELECT DISTINCT df.signal(id, 'go', payload) FROM payloads;
SELECT count(df.await_instance(id)) FROM payloads;
SELECT payload, output FROM payloads p, df.instance_info(p.id)
 WHERE output NOT LIKE format('{"signal_name":"go","timed_out":false,"data":%s}', data) ORDER BY p.n;
-- The default payload; names are exact; other names do not wake
SELECT df.start(df.wait_for_signal('Go ') |=> 's' ~> 'SELECT $s::jsonb -> ''data'' AS d, $s.timed_out AS t, $s.signal_name AS n') AS id \gset
SELECT df.signal(:'id', 'go'), df.signal(:'id', 'Go'), df.signal(:'id', ' Go ');
SELECT try(format('SELECT df.await_instance(%L, 1)', :'id')) LIKE '%Timeout after 1s%' AS waiting;
SELECT df.signal(:'id', 'Go ');
SELECT df.await_instance(:'id');
SELECT df.result(:'id');
-- The usual use
SELECT df.start((df.wait_for_signal('approval', 300) |=> 'sig') ~> ('SELECT ($sig::jsonb->''data''->>''approved'')::bool' ?> 'SELECT ''approved'' AS r' !> 'SELECT ''rejected'' AS r')) AS id \gset
SELECT df.signal(:'id', 'approval', '{"approved": true}');
SELECT df.await_instance(:'id');
SELECT df.result(:'id');
-- Here: a signal sent before the wait is kept; each satisfies one wait, oldest first
SELECT df.start(df.sleep(1) ~> df.wait_for_signal('n') |=> 'a' ~> (df.wait_for_signal('n') |=> 'b') ~> 'SELECT $a.data AS a, $b.data AS b') AS id \gset
SELECT df.signal(:'id', 'n', '1'), df.signal(:'id', 'n', '2'), df.signal(:'id', 'n', '3');
SELECT df.await_instance(:'id');
SELECT df.result(:'id');
-- and with the start in one transaction; a rolled back signal never was
BEGIN;
SELECT df.start(df.wait_for_signal('n') |=> 'a' ~> 'SELECT $a.data AS a') AS id \gset
SELECT df.signal(:'id', 'n', '"early"');
COMMIT;
SELECT df.await_instance(:'id');
SELECT df.result(:'id');
SELECT df.start(df.wait_for_signal('n', 2) |=> 'a' ~> 'SELECT $a.timed_out AS t') AS id \gset
BEGIN;
SELECT df.signal(:'id', 'n');
ROLLBACK;
SELECT df.await_instance(:'id');
SELECT df.result(:'id');
-- Waits in branches: each consumes a signal of its own
SELECT df.start(df.join(df.wait_for_signal('b'), df.wait_for_signal('b')), 'branches') AS id \gset
SELECT df.signal(:'id', 'b', '1'), df.signal(:'id', 'b', '2');
SELECT df.await_instance(:'id');
SELECT output ~ '"data":1.*"data":2|"data":2.*"data":1' AS both FROM df.instance_info(:'id');
-- A resend loop, as the original's tests do it, does no harm
SELECT df.start(df.wait_for_signal('again') ~> 'SELECT 1 AS a') AS id \gset
DO $$ BEGIN
    FOR n IN 1..5 LOOP
        PERFORM df.signal(id, 'again') FROM df.instances WHERE status IN ('pending', 'running');
    END LOOP;
END $$;
SELECT df.await_instance(:'id');
SELECT df.signal(:'id', 'again');
-- Schedules: the names and numbers of cron. The next minute is at most a minute away, the value says so little
INSERT INTO answers (statement, expected)
SELECT format('SELECT df.wait_for_schedule(%L) IS NOT NULL', e), 'true' FROM unnest(ARRAY[
    '* * * * *', '0 9 * * 1', '*/5 * * * *', '5/10 * * * *', '0-30/10 * * * *', '0,15,30,45 * * * *', '0 0 1 JAN *', '0 0 1 january *',
    '0 0 ? * MON', '0 0 * * Tues', '0 0 * * thurs', '0 0 * * MON-FRI', '0 0 * * mon,wed', '0 0 L * *', '0 0 29 2 *', '00 09 * * *',
    '  0   9 * *   * ', E'0\t9 * * *', '0 0 * * 7', '0 0 * * 1-5', '0 0 1 1 * 2090'
    ]) e WHERE e NOT LIKE '%L%';
INSERT INTO answers (statement, expected)
SELECT format('SELECT df.wait_for_schedule(%L)', e), '_____ Invalid cron expression ''' || e || ''':%' FROM unnest(ARRAY[
    '', 'x', '* * * *', '60 * * * *', '* 24 * * *', '* * 0 * *', '* * 32 * *', '* * * 13 *', '*/0 * * * *', '*/60 * * * *', '* */24 * * *',
    '5-1 * * * *', '0 0 * sept *', '0 0 * * weds', '0 0 * JAN-3 *', '0 0 L * *', '0 0 * * 1#2', '0 0 15W * *', '? * * * *', '-1 * * * *',
    '0 0 * * FRI/2'
    ]) e;
SELECT ask() > 0 AS asked;
SELECT * FROM surprises;
SELECT df.start(df.wait_for_schedule('* * * * *') | df.sleep(1), 'schedule') AS id \gset
SELECT df.await_instance(:'id');
SELECT df.result(:'id') IN ('{"scheduled": true}', '{"slept": true, "seconds": 1}') AS known;
\set include :abs_srcdir '/include/compat_end.psql'
\set ECHO none
\i :include
