-- Pages of df.list_instances: created_at DESC, id ASC, each instance once, the same cursor on every row of a page.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_page LOGIN;
CREATE ROLE regress_page_b LOGIN;
SELECT df.grant_usage('regress_page');
SELECT df.grant_usage('regress_page_b');
SET ROLE regress_page;
-- Seven of one instant, then three of their own.
SELECT count(df.start(df.sleep(3600), CASE WHEN n % 2 = 0 THEN 'even' ELSE 'odd' END)) FROM generate_series(1, 7) n;
SELECT df.start(df.sleep(3600), 'a b') AS one \gset
SELECT df.start(df.sleep(3600)) AS two \gset
SELECT df.start('SELECT 1', 'done') AS done \gset
SELECT df.await_instance(:'done');
CREATE TEMP TABLE walked (step int, instance_id text, created_at timestamptz, next_cursor text);
CREATE FUNCTION pg_temp.walk(size int, status text, label text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    token text;
    n int := 0;
    cursors int;
BEGIN
    DELETE FROM walked;
    LOOP
        n := n + 1;
        INSERT INTO walked SELECT n, l.instance_id, l.created_at, l.next_cursor
          FROM df.list_instances(status, size, label, token) l;
        EXIT WHEN NOT FOUND;
        SELECT count(DISTINCT coalesce(w.next_cursor, '')), max(w.next_cursor) INTO cursors, token
          FROM walked w WHERE w.step = n;
        IF cursors <> 1 THEN RAISE 'page % has % cursors', n, cursors; END IF;
        EXIT WHEN token IS NULL;
    END LOOP;
    RETURN (SELECT format('%s pages, %s rows, %s ids', max(w.step), count(*), count(DISTINCT w.instance_id)) FROM walked w);
END $$;
SELECT pg_temp.walk(1000, NULL, NULL) AS all_at_once;
SELECT array_agg(instance_id) = (SELECT array_agg(id::text ORDER BY created_at DESC, id COLLATE "C") FROM df.instances)
       AS ordered FROM walked;
CREATE TEMP TABLE whole AS SELECT array_agg(instance_id) AS ids FROM walked;
SELECT size, pg_temp.walk(size, NULL, NULL), (SELECT array_agg(w.instance_id) FROM walked w) = ids AS same
  FROM generate_series(1, 12) size, whole;
-- A page that is exactly full and the last has no cursor
SELECT count(*), count(next_cursor) FROM df.list_instances(NULL, 11, NULL);
SELECT count(*), count(next_cursor) FROM df.list_instances(NULL, 10, NULL);
-- Filters
SELECT pg_temp.walk(2, NULL, 'even'), pg_temp.walk(2, 'completed', NULL), pg_temp.walk(2, NULL, 'a b');
SELECT count(*) FROM df.list_instances(NULL, 10, '');
SELECT count(*) FROM df.list_instances(NULL, 10, 'EVEN');
SELECT count(*) FROM df.list_instances('Running', 10, NULL);
SELECT label, status, output, completed_at >= created_at AS ordered, next_cursor FROM df.list_instances('completed', 10, NULL);
SELECT label, completed_at FROM df.list_instances(NULL, 10, 'a b');
-- The token: the place, in UTC whatever the session thinks; other offsets mean the same
SET DateStyle = ISO;
SET TimeZone = 'Asia/Kolkata';
SELECT next_cursor AS token, created_at AS at, instance_id AS id FROM df.list_instances(NULL, 1, NULL) \gset
SELECT convert_from(decode(:'token', 'hex'), 'UTF8') =
       'v1|' || to_char(:'at'::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') || '+00|' || :'id' AS token;
SELECT array_agg(instance_id) = (SELECT array_agg(l.instance_id) FROM df.list_instances(NULL, 5, NULL, :'token') l)
  FROM df.list_instances(NULL, 5, NULL, encode(convert_to(
       'v1|' || to_char(:'at'::timestamptz, 'YYYY-MM-DD"T"HH24:MI:SS.USOF') || '|' || :'id', 'UTF8'), 'hex'));
RESET TimeZone;
-- A cursor goes on where it stood when its instance is another's or unknown: the id is not checked
SELECT count(*) FROM df.list_instances(NULL, 100, NULL, encode('v1|2999-01-01T00:00:00+00|nobody', 'hex'));
SELECT count(*) FROM df.list_instances(NULL, 100, NULL, encode('v1|1999-01-01T00:00:00+00|nobody', 'hex'));
SELECT count(*) FROM df.list_instances(NULL, 1, NULL, '');
SELECT count(*) FROM df.list_instances(NULL, 1, NULL, 'abc');
SELECT count(*) FROM df.list_instances(NULL, 1, NULL, 'zz');
SELECT count(*) FROM df.list_instances(NULL, 1, NULL, repeat('ab', 257));
SELECT count(*) FROM df.list_instances(NULL, 1, NULL, encode('v2|2026-01-01T00:00:00+00|x', 'hex'));
SELECT count(*) FROM df.list_instances(NULL, 1, NULL, encode('v1|2026-02-30T00:00:00+00|x', 'hex'));
SELECT count(*) FROM df.list_instances(NULL, 1, NULL, encode('v1|2026-01-01T00:00:00+00', 'hex'));
-- Limits, as for the short list, but without its exception
SELECT count(*) FROM df.list_instances(NULL, 0, NULL);
SELECT count(*) FROM df.list_instances(NULL, NULL, NULL);
SELECT count(*) FROM df.list_instances(NULL, 1001, NULL);
-- Several roles at once, for those who see all
RESET ROLE;
SET ROLE regress_page_b;
SELECT count(df.start(df.sleep(3600), 'of b')) FROM generate_series(1, 5);
RESET ROLE;
SELECT array_agg(instance_id) = (SELECT array_agg(id::text ORDER BY created_at DESC, id COLLATE "C") FROM df.instances)
       AS ordered FROM df.list_instances(NULL, 1000, NULL);
DROP TABLE walked, whole;
CREATE TEMP TABLE walked (step int, instance_id text, created_at timestamptz, next_cursor text);
SELECT array_agg(a.instance_id || b.instance_id) IS NOT NULL AS pages_join
  FROM df.list_instances(NULL, 3, NULL) a
 CROSS JOIN LATERAL df.list_instances(NULL, 3, NULL, a.next_cursor) b;
SELECT count(length(df.cancel(id))) FROM df.instances WHERE submitted_by::text LIKE 'regress_page%';
SELECT df.revoke_usage('regress_page');
SELECT df.revoke_usage('regress_page_b');
DROP FUNCTION pg_temp.walk;
DROP TABLE walked;
DROP ROLE regress_page;
DROP ROLE regress_page_b;
