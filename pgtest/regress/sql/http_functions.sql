-- The two forms of df.http and df.http_multipart: which one a call finds, that both build the same where they can, and
-- that EXECUTE on the functions with five arguments decides about both.
\set VERBOSITY terse
\pset tuples_only on
CREATE TABLE regress_calls (call text);
INSERT INTO regress_calls VALUES
    ($$'http://x'$$), ($$'http://x'::text$$), ($$'http://x'::varchar$$), ($$'http://x'::varchar(20)$$),
    ($$'http://x'::name$$), ($$'http://x'::char(8)$$), ($$E'http://x'$$), ($$'http:' || '//x'$$),
    ($$format('http://%s', 'x')$$), ($$(SELECT 'http://x')$$), ($$url => 'http://x'$$),
    ($$'http://x', headers => NULL$$), ($$'http://x'::text, headers => NULL$$), ($$'http://x', 'POST'$$),
    ($$'http://x', 'post', NULL$$), ($$'http://x'::varchar, 'POST', NULL, NULL, '30'$$),
    ($$'http://x', 'POST', NULL, NULL, '30'$$), ($$'http://x', 'POST', NULL, NULL, 30$$),
    ($$'http://x', timeout_seconds => 30, method => 'POST'$$),
    ($$'http://x', 'POST', NULL, NULL, 30, false, 0, '1 second', 'retry'$$),
    ($$'http://x', 'POST', NULL, NULL, '30', 'f', '0', '1 second', 'retry'$$),
    ($$'http://x', retries => 0$$), ($$'http://x'::text, backoff => '1 second'$$),
    ($$'http://x', on_unknown => 'retry', follow_redirects => false$$);
CREATE FUNCTION regress_built(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    envelope text;
BEGIN
    EXECUTE format('SELECT %s', call) INTO envelope;
    RETURN envelope;
EXCEPTION WHEN OTHERS THEN
    RETURN sqlstate || ' ' || sqlerrm;
END $$;
SELECT regress_built(format('df.http(%s)', call)), count(*) FROM regress_calls GROUP BY 1;
SELECT regress_built(format('df.http_multipart(%s)', replace(call, '''POST'', NULL', '''POST'', ''[{}]'''))), count(*)
FROM regress_calls WHERE call LIKE '%POST'', NULL%' GROUP BY 1;
-- Each of the four alone, by name.
SELECT df.http('http://x', follow_redirects => true);
SELECT df.http('http://x'::text, retries => 3);
SELECT df.http(format('http://x'), backoff => '1 min');
SELECT df.http('http://x'::char(8), on_unknown => 'fail');
SELECT df.http_multipart('http://x', parts => '[{}]', retries => 1);
SELECT df.http_multipart('http://x'::text, 'PUT', '[{}]', NULL, 5, true, 2, '00:00:00.5', 'fail');
-- Parameters of a prepared statement are those of the function with five arguments.
PREPARE regress_one AS SELECT df.http($1);
PREPARE regress_five AS SELECT df.http($1, $2, $3, $4, $5);
PREPARE regress_parts AS SELECT df.http_multipart($1, $2, $3, $4, $5);
SELECT name, parameter_types FROM pg_prepared_statements ORDER BY name;
DEALLOCATE ALL;
-- What the four refuse.
SELECT regress_built(format('df.http(''http://x'', %s)', wrong)) FROM (VALUES
    ('retries => -1'), ('retries => 101'), ('retries => NULL'), ('backoff => ''-1 s'''), ('backoff => NULL'),
    ('on_unknown => ''maybe'''), ('on_unknown => NULL'), ('follow_redirects => NULL'),
    ('method => NULL, retries => 1'), ('timeout_seconds => NULL')) AS w(wrong);
SELECT df.http('http://x', follow => true);
-- Rights: those of the functions with five arguments.
CREATE ROLE regress_http;
SELECT has_function_privilege('regress_http', 'df.http(text,text,text,jsonb,integer)', 'EXECUTE'),
       has_function_privilege('regress_http', 'df.http_multipart(text,text,jsonb,jsonb,integer)', 'EXECUTE');
SELECT df.grant_usage('regress_http');
SET ROLE regress_http;
SELECT df.http('http://x');
SELECT df.http('http://x', retries => 1);
SELECT df.http('http://x'::varchar);
SELECT df.http_multipart('http://x', 'POST', '[{}]');
SELECT df.http_multipart('http://x', 'POST', '[{}]', retries => 1);
RESET ROLE;
GRANT EXECUTE ON FUNCTION df.http(text,text,text,jsonb,integer) TO regress_http;
SET ROLE regress_http;
SELECT df.http('http://x', retries => 1);
SELECT df.http_multipart('http://x', 'POST', '[{}]', retries => 1);
RESET ROLE;
SELECT df.grant_usage('regress_http', include_http => true);
SET ROLE regress_http;
SELECT df.http_multipart('http://x', 'POST', '[{}]', retries => 1);
RESET ROLE;
SELECT df.revoke_usage('regress_http');
SET ROLE regress_http;
SELECT df.http('http://x', retries => 1);
RESET ROLE;
GRANT USAGE ON SCHEMA df TO regress_http;
SET ROLE regress_http;
SELECT df.http('http://x', retries => 1);
RESET ROLE;
DROP OWNED BY regress_http;
DROP ROLE regress_http;
DROP FUNCTION regress_built(text);
DROP TABLE regress_calls;
