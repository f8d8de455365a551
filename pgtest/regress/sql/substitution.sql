-- {variables} and $results in the text of steps, row by row; where we differ from the original on purpose it says so.
\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_sub LOGIN;
CREATE SCHEMA regress_sub AUTHORIZATION regress_sub;
SELECT df.grant_usage('regress_sub');
SET ROLE regress_sub;
SET search_path = regress_sub;
-- Runs `graph` and shows what each step with a reference really ran (without those that make the results), then the
-- value or the failure.
CREATE PROCEDURE shows(graph text, INOUT shown text DEFAULT NULL, name text DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
    id text := df.start(graph, name);
BEGIN
    COMMIT;
    CALL df.wait(id);
    SELECT string_agg(e.sql, ' ; ' ORDER BY n.query) INTO shown
      FROM df.executed_sql(id) e JOIN df.instance_nodes(id) n USING (node_id) WHERE n.result_name IS NULL;
    shown := coalesce(shown || E'\n', '') || '    ' || (SELECT status || ' ' || output FROM df.instance_info(id));
END $$;
CREATE FUNCTION given(step text) RETURNS text LANGUAGE sql AS $$
SELECT 'SELECT 7 AS n, ''it''''s'' AS t, true AS b, NULL AS z, 1.50 AS d, ''{"a":[1,2]}''::jsonb AS j
        UNION ALL SELECT 8, E''b\\c'', false, NULL, 2, NULL' |=> 'x'
    ~> ('SELECT 1 AS id WHERE false' |=> 'none') ~> step
$$;

-- Step 1: {name}. Anything that is no known name stays; what is inserted is not looked through for {…} again.
SELECT df.setvar('m', '5'), df.setvar('sql', 'SELECT {m} AS raw, ''$x'' AS ref'), df.setvar('has space', 'no'), df.setvar('sys_label', 'mine');
CALL shows('SELECT {m} + {m} AS n, ''{unknown} {M} { m } {has space} {} {1a} {m'' AS t', name => 'lab''el');
CALL shows('SELECT ''{sys_label}'' = ''regress'' AS label, length(''{sys_instance_id}'') > 7 AS id, ''{SYS_LABEL}'' AS other', name => 'regress') \gset s_
SELECT regexp_replace(:'s_shown', '''[0-9a-f]{8,}''', '''ID''');
CALL shows('{sql}');
-- Differs: each {name} token is replaced on its own, also inside JSON braces
CALL shows('SELECT ''{"model": "{m}", "k": {m}, "deep": {"a": {m}}}''::jsonb AS j, ''{{m}} {x{m}y}'' AS t');

-- Step 2: the forms of a reference
CALL shows(given('SELECT $x AS a, $x.t AS t, $x.b AS b, $x.d::numeric AS d, ($x.j)::jsonb #>> ''{a,1}'' AS j'));
CALL shows(given('SELECT $x? AS a, $x.z? AS z, $none? AS e, $none.id? AS f'));
CALL shows(given('SELECT count(*) AS c, sum(n) AS s, max(t) AS t FROM $x.*'));
CALL shows(given('SELECT * FROM $none.*'));
CALL shows(given('SELECT n FROM $x.* WHERE n IN (SELECT n FROM $x.*) ORDER BY 1 DESC'));
CALL shows(given('SELECT 1 AS a WHERE $x.n = 7 AND ''end of sentence: $x.'' <> '''''));
-- Rows and values that are not there
CALL shows(given('SELECT $none AS a'));
CALL shows(given('SELECT $none.whatever AS a'));
CALL shows(given('SELECT $x.z AS a'));
CALL shows('SELECT NULL AS a' |=> 'nothing' ~> 'SELECT $nothing AS a');
CALL shows('SELECT FROM pg_am LIMIT 1' |=> 'empty' ~> 'SELECT $empty AS a');
CALL shows(given('SELECT $x.missing AS a'));
CALL shows(given('SELECT $x.missing? AS a'));
CALL shows(given('SELECT $x.n.more AS a'));
-- Values that are no row sets: the whole JSON, or a top-level field
CALL shows(('SELECT 1 AS a' & 'SELECT 2 AS b') |=> 'pair' ~> 'SELECT jsonb_array_length($pair::jsonb) AS n');
CALL shows(('SELECT 1 AS a' & 'SELECT 2 AS b') |=> 'pair' ~> 'SELECT $pair? IS NOT NULL AS n');
CALL shows(('SELECT 1 AS a' & 'SELECT 2 AS b') |=> 'pair' ~> 'SELECT $pair.a AS n');
CALL shows(('SELECT 1 AS a' & 'SELECT 2 AS b') |=> 'pair' ~> 'SELECT * FROM $pair.*');
CALL shows((df.sleep(0) |=> 'slept') ~> 'SELECT $slept.seconds + 1 AS n, $slept.slept AS b');
CALL shows((df.sleep(0) |=> 'slept') ~> 'SELECT $slept.nothing AS n');
CALL shows(df.wait_for_signal('nobody', 1) |=> 'sig' ~> 'SELECT $sig.timed_out AS n, $sig.data? AS d');
CALL shows((df.loop(df.break('{"total": 3, "of": null}')) |=> 'l') ~> 'SELECT $l.total AS n, $l.of? AS o');
CALL shows((df.loop(df.break('{"total": 3, "of": null}')) |=> 'l') ~> 'SELECT $l.of AS n');
-- The longest name counts, letter case too
CALL shows('SELECT 1 AS a' |=> 'x' ~> ('SELECT 2 AS a' |=> 'xy') ~> 'SELECT $x AS one, $xy AS two, ''$xyz $X'' AS stays');
-- Values are values
CALL shows('SELECT ''x'''', (SELECT 1)); --'' AS v' |=> 'evil' ~> 'SELECT $evil AS v, length($evil.v) AS n');
CALL shows('SELECT ''a\''''; DROP TABLE t'' AS v' |=> 'evil' ~> 'SELECT $evil AS v');
CALL shows('SELECT -5 AS v' |=> 'neg' ~> 'SELECT 3-$neg AS a, $neg::int AS b, @$neg AS c');

-- Differs: ANY, ALL, SOME take the first column of all rows as an array
CALL shows(given('SELECT array_agg(v) AS v FROM generate_series(1, 10) v WHERE v = ANY($x)'));
CALL shows(given('SELECT bool_and(v > ALL($none)) AS v, count(*) FILTER (WHERE v = SOME($x)) AS n FROM generate_series(1, 10) v'));
CALL shows('SELECT t FROM (VALUES (''a,b''), (''c"d''), (''e\f''), (NULL)) v (t)' |=> 'texts' ~> 'SELECT ''e\f'' = ANY($texts) AS a, ''c"d'' = ANY($texts) AS b');
CALL shows(given('SELECT v FROM generate_series(1, 10) v WHERE v = ANY(SELECT n FROM $x.*)'));
-- Differs: references in comments stay, so that one to an empty result fails nothing
CALL shows(given('SELECT 1 AS a -- $none'));
CALL shows(given('SELECT /* $none and $x /* $none */ */ 1 AS a'));
-- Differs: in a literal a value is written for that literal, in a dollar quote it must not end it
CALL shows(given('SELECT ''n=$x.n t=$x.t'' AS a, E''$x.t'' AS b, $q$$x.t$q$ AS c, 7 AS "$x.t"'));
CALL shows('SELECT ''$q$'' || '' DROP'' AS v' |=> 'evil' ~> 'SELECT $q$ $evil $q$ AS v');
CALL shows(given('DO $do$ BEGIN PERFORM 1 WHERE $x.t = ''it''''s''; IF NOT FOUND THEN RAISE EXCEPTION ''lost''; END IF; END $do$'));
CALL shows('SELECT ''a'' AS v' |=> 'a' ~> E'SELECT $a\n''b'' AS v');
CALL shows('SELECT ''a'' AS v' |=> 'a' ~> 'SELECT 1 AS col_$a');
-- {var} stays raw, as documented: it is the submitter's own text
SELECT df.setvar('list', '1, 2');
CALL shows('SELECT count(*) AS n FROM generate_series(1, 5) v WHERE v IN ({list})');

-- Differs: an unknown name is the server's own error, with a hint that lists the names known at that point
CALL shows(given('SELECT $y AS a'));
SELECT regexp_replace(line, '^ +', '') FROM df.list_instances(limit_count => 1) i, unnest(string_to_array(df.explain(i.instance_id), E'\n')) line WHERE line ~ 'ERROR|HINT';
CALL shows('SELECT $y AS a');
SELECT regexp_replace(line, '^ +', '') FROM df.list_instances(limit_count => 1) i, unnest(string_to_array(df.explain(i.instance_id), E'\n')) line WHERE line ~ 'ERROR|HINT';
CALL shows(given('SELECT ''$y'' AS stays'));
CALL shows(given('SELECT $1 AS a'));
-- Differs: a break's value gets $results and {variables} (raw)
CALL shows(df.loop(('SELECT 7 AS n, ''it''''s'' AS t' |=> 'x') ~> df.break('{"n": $x.n, "t": "$x.t", "m": {m}}')));
CALL shows(df.loop(('SELECT 7 AS n' |=> 'x') ~> df.break('$x')));
CALL shows(df.loop(('SELECT 7 AS n' |=> 'x') ~> df.break('$x.missing')));
-- More than 10,000 rows cannot be expanded
CALL shows('SELECT n FROM generate_series(1, 10001) n' |=> 'many' ~> 'SELECT count(*) AS n FROM $many.*') \gset s_
SELECT right(:'s_shown', 90);

-- df.executed_sql: what ran last, and nothing for what never ran
SELECT df.start('SELECT {m} AS a' |=> 'x' ~> 'SELECT $x / 0' ~> 'SELECT $x + 2') AS id \gset
CALL df.wait(:'id');
SELECT n.query, e.sql, e.size FROM df.instance_nodes(:'id') n LEFT JOIN df.executed_sql(:'id') e USING (node_id) WHERE n.node_type = 'SQL' ORDER BY n.query;
SELECT count(*) FROM df.executed_sql('no such');
SELECT df.executed_sql(NULL) IS NULL;
CREATE SEQUENCE ticks;
SELECT df.start(df.loop('SELECT nextval(''regress_sub.ticks'') AS n' |=> 'n' ~> 'SELECT $n AS turn', 'SELECT $n < 3')) AS id \gset
CALL df.wait(:'id');
SELECT e.sql FROM df.executed_sql(:'id') e ORDER BY e.sql COLLATE "C";
-- What the one who asks has set does not matter: a backslash ends nothing where it ended nothing for the step
SELECT df.start('SELECT ''it''''s'' AS t' |=> 'x' ~> 'SELECT ''\'' || $x AS t') AS id \gset
CALL df.wait(:'id');
SET standard_conforming_strings = off;
SELECT e.sql FROM df.executed_sql(:'id') e ORDER BY e.sql COLLATE "C";
RESET standard_conforming_strings;
SELECT df.result(:'id');
-- A long text is cut, by characters
SELECT df.start('SELECT repeat(''é'', 200000) AS t' |=> 'long' ~> 'SELECT length($long) AS n') AS id \gset
CALL df.wait(:'id');
SELECT length(sql), right(sql, 5), size FROM df.executed_sql(:'id') ORDER BY size DESC;
-- Only its owner sees it
RESET ROLE;
CREATE ROLE regress_other LOGIN;
SELECT df.grant_usage('regress_other');
SET ROLE regress_other;
SELECT count(*) FROM df.executed_sql(:'id');
RESET ROLE;
SELECT count(*) FROM df.executed_sql(:'id');
SELECT df.revoke_usage('regress_sub'), df.revoke_usage('regress_other');
DROP OWNED BY regress_sub;
DROP ROLE regress_sub, regress_other;
