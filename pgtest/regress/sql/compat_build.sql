-- compat.md 1.2, 1.3, 2.1-2.4: building graphs. Cases carry what the specification says; only differences show.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir '/include/compat.psql'
\set ECHO none
\i :include
\set ECHO all
-- 1.2, 2.2: what each constructor returns
INSERT INTO answers (statement, expected) VALUES
($$SELECT df.sql('SELECT 1')$$, '{"node_type":"SQL","query":"SELECT 1"}'),
($$SELECT df.sql(query => '')$$, '{"node_type":"SQL","query":""}'),
($$SELECT df.sql(df.sql('x'))$$, '{"node_type":"SQL","query":"{\\"node_type\\":\\"SQL\\",\\"query\\":\\"x\\"}"}'),
($$SELECT df.seq(a => 'a', b => 'b')$$, '{"node_type":"THEN","left_node":{"node_type":"SQL","query":"a"},"right_node":{"node_type":"SQL","query":"b"}}'),
($$SELECT df.as(fut => 'a', name => 'x')$$, '{"node_type":"SQL","query":"a","result_name":"x"}'),
($$SELECT df.as(df.as('a', 'x'), 'y')$$, '{"node_type":"SQL","query":"a","result_name":"y"}'),
($$SELECT df.as('a', '_A9')$$, '%"result_name":"_A9"}'),
($$SELECT length(df.as('a', repeat('x', 1000)))$$, '1048'),
-- here: names have at most 1024 bytes
($$SELECT df.as('a', repeat('x', 1025))$$, '54000 %'),
($$SELECT df.sleep(seconds => 5)$$, '{"node_type":"SLEEP","query":"5"}'),
($$SELECT df.sleep(0)$$, '{"node_type":"SLEEP","query":"0"}'),
($$SELECT df.wait_for_schedule(cron_expr => '*/5 * * * *')$$, '{"node_type":"WAIT_SCHEDULE","query":"{\\"cron_expr\\":\\"*/5 * * * *\\"%}"}'),
($$SELECT df.wait_for_schedule(' 0  9 * JAN-mar  Tues ')$$, '%\\" 0  9 * JAN-mar  Tues \\"%'),
($$SELECT df.loop(body => 'a')$$, '{"node_type":"LOOP","left_node":{"node_type":"SQL","query":"a"}}'),
($$SELECT df.loop('a', NULL)$$, '{"node_type":"LOOP","left_node":{"node_type":"SQL","query":"a"}}'),
($$SELECT df.loop('a', condition => 'c')$$, '{"node_type":"LOOP","left_node":{"node_type":"SQL","query":"a"},"condition_node":{"node_type":"SQL","query":"c"}}'),
($$SELECT df.break()$$, '{"node_type":"BREAK","query":"{\\"break_value\\":null}"}'),
($$SELECT df.break(NULL)$$, '{"node_type":"BREAK","query":"{\\"break_value\\":null}"}'),
($$SELECT df.break(value => 'v')$$, '{"node_type":"BREAK","query":"{\\"break_value\\":\\"v\\"}"}'),
($$SELECT df.break(df.sql('x'))::json ->> 'query'$$, '{"break_value":"{\\"node_type\\":\\"SQL\\",\\"query\\":\\"x\\"}"}'),
($$SELECT df.if(condition => 'c', then_branch => 'a', else_branch => 'b')$$, '{"node_type":"IF","left_node":{"node_type":"SQL","query":"a"},"right_node":{"node_type":"SQL","query":"b"},"condition_node":{"node_type":"SQL","query":"c"}}'),
($$SELECT df.if_rows(result_name => 'r', then_branch => 'a', else_branch => 'b')$$, '{"node_type":"IF","left_node":{"node_type":"SQL","query":"a"},"right_node":{"node_type":"SQL","query":"b"},"query":"{\\"condition_type\\":\\"result_has_rows\\",\\"result_name\\":\\"r\\"}"}'),
($$SELECT df.if_rows('not a name', 'a', 'b')::json ->> 'query'$$, '{"condition_type":"result_has_rows","result_name":"not a name"}'),
($$SELECT df.join(a => 'a', b => 'b')$$, '{"node_type":"JOIN","left_node":{"node_type":"SQL","query":"a"},"right_node":{"node_type":"SQL","query":"b"}}'),
($$SELECT df.join3(a => 'a', b => 'b', c => 'c')$$, '{"node_type":"JOIN","left_node":{"node_type":"SQL","query":"a"},"right_node":{"node_type":"SQL","query":"b"},"extra_nodes":[{"node_type":"SQL","query":"c"}]}'),
($$SELECT df.race(a => 'a', b => 'b')$$, '{"node_type":"RACE","left_node":{"node_type":"SQL","query":"a"},"right_node":{"node_type":"SQL","query":"b"}}'),
($$SELECT df.wait_for_signal(name => 's')$$, '{"node_type":"SIGNAL","query":"{\\"signal_name\\":\\"s\\",\\"timeout_seconds\\":null}"}'),
($$SELECT df.wait_for_signal('s', timeout_seconds => 5)$$, '{"node_type":"SIGNAL","query":"{\\"signal_name\\":\\"s\\",\\"timeout_seconds\\":5}"}'),
-- Strict ones make a graph of NULL from an operand of NULL, the others do not
($$SELECT df.sql(NULL)$$, NULL), ($$SELECT df.seq('a', NULL)$$, NULL), ($$SELECT df.as(NULL, 'x')$$, NULL),
($$SELECT df.as('a', NULL)$$, NULL), ($$SELECT df.sleep(NULL)$$, NULL), ($$SELECT df.if(NULL, 'a', 'b')$$, NULL),
($$SELECT df.if('a', NULL, 'b')$$, NULL), ($$SELECT df.if_rows(NULL, 'a', 'b')$$, NULL),
($$SELECT df.join('a', NULL)$$, NULL), ($$SELECT df.join3('a', 'b', NULL)$$, NULL), ($$SELECT df.race(NULL, 'b')$$, NULL),
($$SELECT df.seq('a', df.race('b', NULL))$$, NULL),
($$SELECT df.start(NULL)$$, '_____ %must not be null%'),
($$SELECT df.start(df.seq('a', NULL))$$, '_____ %must not be null%'),
($$SELECT df.loop(NULL)$$, '_____ %must not be null%'),
($$SELECT df.wait_for_signal(NULL)$$, '_____ %must not be null%'),
-- Their errors
($$SELECT df.as('a', '')$$, '_____ df.as: result name cannot be empty'),
($$SELECT df.as('a', 'a b')$$, '_____ df.as: result name ''a b'' is not a valid identifier — must match [a-zA-Z_][a-zA-Z0-9_]*'),
($$SELECT df.as('a', '1a')$$, '_____ df.as: result name ''1a'' is not a valid identifier%'),
($$SELECT df.as('a', 'é')$$, '_____ df.as: result name ''é'' is not a valid identifier%'),
($$SELECT df.sleep(-1)$$, '_____ Sleep duration must be non-negative'),
($$SELECT df.wait_for_schedule('x')$$, '_____ Invalid cron expression ''x'': %'),
($$SELECT df.wait_for_schedule('')$$, '_____ Invalid cron expression '''': %'),
($$SELECT df.wait_for_schedule('60 * * * *')$$, '_____ Invalid cron expression ''60 * * * *'': %'),
($$SELECT df.wait_for_signal('')$$, '_____ Signal name cannot be empty'),
($$SELECT df.wait_for_signal('s', 0)$$, '_____ Timeout must be positive'),
($$SELECT df.wait_for_signal('s', -1)$$, '_____ Timeout must be positive'),
-- 2.3: node or SQL, in a composer
($$SELECT df.loop('{"node_type":"SQL","query":"x"}')$$, '%"left_node":{"node_type":"SQL","query":"x"}}'),
($$SELECT df.loop(' {"query":"x", "node_type": "SQL"}  ')::json #>> '{left_node,query}'$$, 'x'),
($$SELECT df.loop(df.seq('a', 'b')::jsonb::text)::json #>> '{left_node,right_node,query}'$$, 'b'),
($$SELECT df.loop('{"node_type":"SQL","query":"x","result_name":null,"left_node":null}')::json #>> '{left_node,query}'$$, 'x'),
($$SELECT df.loop('{"node_type":"SQL","query":"x","more":[1]}')::json #>> '{left_node,query}'$$, 'x'),
($$SELECT df.loop('{"node_type":"SQL","query":1}')$$, '_____ Invalid Durofut JSON: failed to deserialize workflow step: % at line 1 column %'),
($$SELECT df.loop('{"node_type":"SQL","query":"a","query":"b"}')$$, '_____ Invalid Durofut JSON: failed to deserialize workflow step: duplicate field `query`%'),
($$SELECT df.loop('{"node_type":"THEN","left_node":"x"}')$$, '_____ Invalid Durofut JSON: %Durofut children must be JSON objects%'),
($$SELECT df.loop('{"node_type":"IF","condition_node":"x"}')$$, '_____ Invalid Durofut JSON: %condition_node must be a Durofut JSON object%'),
($$SELECT df.loop('{"node_type":"JOIN","extra_nodes":[1]}')$$, '_____ Invalid Durofut JSON: %extra_nodes entries must be Durofut JSON objects%'),
($$SELECT df.loop('{"node_type":"JOIN","extra_nodes":null}')$$, '_____ Invalid Durofut JSON: %'),
($$SELECT df.loop('{"a":1}')::json #>> '{left_node,query}'$$, '{"a":1}'),
($$SELECT df.loop('{"node_type":1}')::json #>> '{left_node,query}'$$, '{"node_type":1}'),
($$SELECT df.loop('[1]')::json #>> '{left_node,query}'$$, '[1]'),
($$SELECT df.loop('5')::json #>> '{left_node,query}'$$, '5'),
($$SELECT df.loop('"x"')::json #>> '{left_node,query}'$$, '"x"'),
($$SELECT df.loop('')::json #>> '{left_node,query}'$$, ''),
($$SELECT df.loop('{"node_type":"SQL","query":"x"} y')::json #>> '{left_node,query}'$$, '{"node_type":"SQL","query":"x"} y'),
($$SELECT df.loop(E'\u00a0{"node_type":"SQL","query":"x"}')::json #>> '{left_node,query}'$$, E'\u00a0{%'),
($$SELECT df.loop('{"node_type":"THEN","left_node":{},"right_node":{"node_type":"NOPE"}}')::json #>> '{left_node,left_node}'$$, '{}'),
-- here: an unknown node_type is an error at once, and so is its lower-case spelling
($$SELECT df.loop('{"node_type":"NOPE"}')$$, '_____ %Unknown node_type ''NOPE''. Valid types: SQL, THEN, IF, JOIN, LOOP, BREAK, RACE, SLEEP, WAIT_SCHEDULE, HTTP, HTTP_MULTIPART, SIGNAL%'),
($$SELECT df.loop('{"node_type":"sql","query":"x"}')$$, '_____ %Unknown node_type ''sql''%'),
-- and in df.start
($$SELECT df.start('{"node_type":"SQL","query":1}')$$, '_____ Invalid durable function: Malformed Durofut JSON with node_type ''SQL'': % at line 1 column %'),
($$SELECT df.start('{"node_type":"JOIN","extra_nodes":null}')$$, '_____ Invalid durable function: Malformed Durofut JSON with node_type ''JOIN'': %'),
($$SELECT df.start('{"node_type":"NOPE"}')$$, '_____ Invalid durable function: Unknown node_type ''NOPE''. Valid types: SQL, THEN, IF, JOIN, LOOP, BREAK, RACE, SLEEP, WAIT_SCHEDULE, HTTP, HTTP_MULTIPART, SIGNAL%'),
($$SELECT df.start('{"node_type":"NOPE","query":1}')$$, '_____ %Unknown node_type ''NOPE''%');
SELECT ask() > 0 AS asked;
SELECT * FROM surprises;
-- Identical expressions are identical bytes
SELECT ('a' ~> 'b' & 'c') = ('a' ~> 'b' & 'c') AS same, df.loop('a') = df.loop('b') AS different;
-- Blanks, key order and unknown fields inside children survive
SELECT df.seq('{"node_type":"THEN","left_node":{ "query" : "x", "node_type":"SQL", "more":1 },"right_node":{"node_type":"SQL","query":"y"}}', 'z')
       LIKE '%{ "query" : "x", "node_type":"SQL", "more":1 }%' AS kept;

-- 1.3: one level of precedence, from the left. Each row of the table: as written, as parsed
CREATE TABLE precedence (n serial, written text, parsed text);
INSERT INTO precedence (written, parsed) VALUES
($$ 'a' ~> 'b' |=> 'x' ~> 'c' $$, $$ df.seq(df.as(df.seq('a', 'b'), 'x'), 'c') $$),
($$ 'a' |=> 'x' ~> 'b' |=> 'y' $$, $$ df.as(df.seq(df.as('a', 'x'), 'b'), 'y') $$),
($$ 'a' |=> 'x' & 'b' |=> 'y' $$, $$ df.as(df.join(df.as('a', 'x'), 'b'), 'y') $$),
($$ 'a' ~> 'b' & 'c' $$, $$ df.join(df.seq('a', 'b'), 'c') $$),
($$ 'a' & 'b' ~> 'c' $$, $$ df.seq(df.join('a', 'b'), 'c') $$),
($$ 'a' & 'b' & 'c' $$, $$ df.join(df.join('a', 'b'), 'c') $$),
($$ 'a' | 'b' | 'c' $$, $$ df.race(df.race('a', 'b'), 'c') $$),
($$ 'a' & 'b' | 'c' $$, $$ df.race(df.join('a', 'b'), 'c') $$),
($$ 'c' ?> 'x' !> 'y' $$, $$ df.if('c', 'x', 'y') $$),
($$ 'c' ?> 'x' !> 'y' ~> 'z' $$, $$ df.seq(df.if('c', 'x', 'y'), 'z') $$),
($$ 'a' ~> 'c' ?> 'x' !> 'y' $$, $$ df.if(df.seq('a', 'c'), 'x', 'y') $$),
($$ 'c' ?> 'x' !> 'd' ?> 'y' !> 'z' $$, $$ df.if(df.if('c', 'x', 'd'), 'y', 'z') $$),
($$ 'c' ?> 'x' !> 'y' |=> 'r' $$, $$ df.as(df.if('c', 'x', 'y'), 'r') $$),
($$ @> 'a' ~> 'b' $$, $$ df.seq(df.loop('a'), 'b') $$),
($$ 'a' ~> @> 'b' $$, $$ df.seq('a', df.loop('b')) $$),
($$ @> ('a' ~> 'b') $$, $$ df.loop(df.seq('a', 'b')) $$),
($$ df.wait_for_signal('s') |=> 'g' ~> 'x' $$, $$ df.seq(df.as(df.wait_for_signal('s'), 'g'), 'x') $$),
($$ 'a' ~> df.wait_for_signal('s') |=> 'g' ~> 'x' $$, $$ df.seq(df.as(df.seq('a', df.wait_for_signal('s')), 'g'), 'x') $$),
($$ 'x' ~> 'a' || 'b' $$, $$ df.seq('x', 'a') || 'b' $$),
($$ 'x' ~> ('a' || 'b') $$, $$ df.seq('x', 'ab') $$),
($$ ('a' ~> 'b' || 'c') ~> 'd' $$, $$ df.seq(df.sql(df.seq('a', 'b') || 'c'), 'd') $$),
($$ 'a' ~> 'b' = 'c' $$, $$ (df.seq('a', 'b') = 'c')::text $$),
-- operands: varchar, name and char(n) are text, the last without its padding
($$ 'a'::varchar ~> 'b'::name $$, $$ df.seq('a', 'b') $$),
($$ 'a'::char(5) & 'b' $$, $$ df.join('a', 'b') $$),
($$ '5' & '3' $$, $$ df.join('5', '3') $$),
($$ '5' | '3' $$, $$ df.race('5', '3') $$),
-- the older form of a partial conditional, with objects
($$ '{"_partial_if": 1, "condition": {"node_type":"SQL","query":"c"}, "then_branch": {"node_type":"SQL","query":"x"}}' !> 'y' $$, $$ df.if('c', 'x', 'y') $$);
UPDATE precedence SET written = format('SELECT (%s)::text', written), parsed = format('SELECT (%s)::text', parsed);
SELECT n, written, try(written) AS is, try(parsed) AS wanted FROM precedence
 WHERE try(written) IS DISTINCT FROM try(parsed) OR try(parsed) ~ '^[0-9A-Z]{5} ' ORDER BY n;
INSERT INTO answers (statement, expected) VALUES
($$SELECT 'c' ?> 'x' ~> 'y' !> 'z'$$, '%left side of !> must be a ?> expression%'),
($$SELECT 'c' ?> 'x' & 'y' !> 'z'$$, '%left side of !> must be a ?> expression%'),
($$SELECT 'c' ?> 'x' |=> 'q' !> 'z'$$, '%left side of !> must be a ?> expression%'),
($$SELECT 'c' ?> 'd' ?> 'x' !> 'y' !> 'z'$$, '%Invalid if-then-else: left side of !> must be a ?> expression%'),
($$SELECT '{"a":1}' !> 'z'$$, '%Invalid if-then-else: left side of !> must be a ?> expression%'),
($$SELECT '[1]' !> 'z'$$, '%left side of !> must be a ?> expression%'),
($$SELECT 'SELECT 1' !> 'z'$$, '22P02 %'),
($$SELECT 'a' ~>@> 'b'$$, '42883 %'), ($$SELECT '{}'::jsonb ~> 'a'$$, '42883 %'), ($$SELECT 1 ~> 'a'$$, '42883 %'),
($$SELECT 1.5 |=> 'a'$$, '42883 %'),
($$SELECT ('a' ?> 'b')::jsonb$$, '{"condition": "a", "_partial_if": true, "then_branch": "b"}'),
($$SELECT '{"_partial_if": false}' !> 'y'$$, NULL),
($$SELECT 'a' ~> NULL::text$$, NULL), ($$SELECT NULL::text & 'b'$$, NULL), ($$SELECT 'a' | NULL::text$$, NULL),
($$SELECT 'a' |=> NULL::text$$, NULL), ($$SELECT NULL::text |=> 'a'$$, NULL),
($$SELECT ('a' ?> NULL::text)::jsonb -> 'then_branch'$$, 'null'),
($$SELECT 'a' ?> NULL::text !> 'c'$$, NULL), ($$SELECT 'a' ?> 'b' !> NULL::text$$, NULL),
($$SELECT NULL::text !> 'b'$$, '_____ %left side of !> must be a ?> expression%'),
($$SELECT @> NULL::text$$, '_____ %must not be null%'),
($$SELECT 1 & 3$$, '1'), ($$SELECT 1 | 2$$, '3'), ($$SELECT '{"a":1}'::jsonb @> '{}'::jsonb$$, 'true'),
($$EXPLAIN SELECT 'a' |=> ''$$, '_____ df.as: result name cannot be empty');
SELECT ask() > 0 AS asked;
SELECT * FROM surprises;
-- Operators with constant operands stand in generated columns
CREATE TABLE generated (a text GENERATED ALWAYS AS ('x' |=> 'n') STORED, b text GENERATED ALWAYS AS ('c' ?> 'a' !> 'b') STORED,
                        c text GENERATED ALWAYS AS (@> 'x') STORED);
INSERT INTO generated DEFAULT VALUES;
SELECT a = df.as('x', 'n') AS a, b = df.if('c', 'a', 'b') AS b, c = df.loop('x') AS c FROM generated;
-- They need no search_path. ~> & | ?> need no grant either
SET search_path = '';
SELECT 'a' ~> 'b' & 'c' | 'd' = df.race(df.join(df.seq('a', 'b'), 'c'), 'd') AS found;
RESET ROLE;
CREATE ROLE compat_nobody;
SET ROLE compat_nobody;
SELECT ('a' ~> 'b' & 'c' | 'd') IS NOT NULL AS allowed, ('a' ?> 'b') IS NOT NULL AS partial;
SELECT 'a' |=> 'b';
SELECT @> pg_catalog.lower('a');
SELECT pg_catalog.lower('a') ?> 'b' !> 'c';
SELECT df.sql('x');
RESET ROLE;
DROP ROLE compat_nobody;
SET ROLE compat_user;
SET search_path = compat, public;

-- 2.4: validation of the whole tree, by df.start (raised) and df.explain (returned)
CREATE FUNCTION chain(levels int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE g text := 'SELECT 1';
BEGIN FOR n IN 1..levels LOOP g := g ~> 'SELECT 1'; END LOOP; RETURN g; END $$;
CREATE FUNCTION wide(branches int) RETURNS text LANGUAGE sql AS $$
    SELECT format('{"node_type":"JOIN","left_node":%1$s,"right_node":%1$s,"extra_nodes":[%2$s]}', df.sql('SELECT 1'),
                  string_agg(df.sql('SELECT 1'), ',')) FROM generate_series(3, branches)
$$;
CREATE TABLE graphs (n serial, graph text, expected text);
INSERT INTO graphs (graph, expected) VALUES
(chain(257), '%Graph exceeds maximum nesting depth of 256. Simplify the workflow or break it into multiple instances.'),
(wide(10000), 'Invalid durable function graph: root.extra_nodes[9997]: Workflow exceeds maximum node count of 10000. Simplify %'),
('{"node_type":"THEN","left_node":{"node_type":"NOPE"},"right_node":{"node_type":"SQL","query":"x"}}', 'Invalid durable function graph: root.left: Unknown node_type ''NOPE''%'),
('{"node_type":"THEN","left_node":{},"right_node":{"node_type":"SQL","query":"x"}}', 'Invalid durable function graph: root.left: failed to deserialize Durofut child: missing field `node_type` at line 1 column 2'),
('{"node_type":"THEN","left_node":{"node_type":"SQL","query":"x"},"right_node":{"node_type":"IF","left_node":{"node_type":"SQL","query":"x"},"right_node":{"node_type":"SQL","query":"x"},"condition_node":{"node_type":"SQL","query":1}}}', 'Invalid durable function graph: root.right.condition_node: failed to deserialize Durofut child: %'),
('{"node_type":"JOIN","left_node":{"node_type":"SQL","query":"x"},"right_node":{"node_type":"SQL","query":"x"},"extra_nodes":[{"node_type":"SQL","query":"x"},{"node_type":"X"}]}', 'Invalid durable function graph: root.extra_nodes[1]: Unknown node_type ''X''%'),
('{"node_type":"SQL","query":"x","condition_node":{"node_type":"SQL","query":"x"}}', 'Invalid durable function graph: root: condition_node is not valid for SQL nodes'),
('{"node_type":"RACE","left_node":{"node_type":"SQL","query":"x"},"right_node":{"node_type":"SQL","query":"x"},"extra_nodes":[{"node_type":"SQL","query":"x"}]}', 'Invalid durable function graph: root: extra_nodes is not valid for RACE nodes'),
('{"node_type":"IF","left_node":{"node_type":"SQL","query":"x"},"right_node":{"node_type":"SQL","query":"x"},"query":"{\"condition_node\":\"x\"}"}', 'Invalid durable function graph: root: %must be a first-class Durofut field, not embedded in query%'),
('{"node_type":"LOOP","left_node":{"node_type":"SQL","query":"x"},"query":"{\"condition_node\":\"x\"}"}', 'Invalid durable function graph: root: %must be a first-class Durofut field, not embedded in query%'),
('{"node_type":"JOIN","left_node":{"node_type":"SQL","query":"x"},"right_node":{"node_type":"SQL","query":"x"},"query":"{\"extra_nodes\":[]}"}', 'Invalid durable function graph: root: %must be a first-class Durofut field, not embedded in query%'),
('{"node_type":"LOOP","left_node":{"node_type":"SQL","query":"x"},"condition_node":{"node_type":"SQL","query":"x"},"query":"nope"}', 'Invalid durable function graph: root: %must be valid JSON config%'),
('{"node_type":"IF","left_node":{"node_type":"SQL","query":"x"},"right_node":{"node_type":"SQL","query":"x"},"condition_node":{"node_type":"SQL","query":"x"},"query":"[1]"}', 'Invalid durable function graph: root: %must be a JSON config object%'),
('{"node_type":"JOIN","left_node":{"node_type":"SQL","query":"x"},"right_node":{"node_type":"SQL","query":"x"},"extra_nodes":[{"node_type":"SQL","query":"x"}],"query":"1"}', 'Invalid durable function graph: root: %must be a JSON config object%');
SELECT n, expected, try(format('SELECT df.start(%L)', graph)) AS raised FROM graphs
 WHERE try(format('SELECT df.start(%L)', graph)) NOT LIKE '_____ ' || expected ORDER BY n;
SELECT n, expected, df.explain(graph) FROM graphs WHERE df.explain(graph) NOT LIKE expected ORDER BY n;
SELECT df.explain('{"node_type":"NOPE"}') LIKE 'Invalid durable function graph: root: Unknown node_type ''NOPE''. Valid types: %' AS unknown_root;
-- The last accepted sizes, and composers without limits
SELECT try(format('SELECT df.start(%L)', chain(256))) ~ '^[0-9a-f]{8}$' AS depth_256,
       try(format('SELECT df.start(%L)', wide(9999))) ~ '^[0-9a-f]{8}$' AS nodes_10000,
       length(chain(300)) > 10000 AS composed;
-- What the structure of nodes forbids: the text names the rule
CREATE TABLE structures (n serial, graph text);
INSERT INTO structures (graph) VALUES
('{"node_type":"THEN","left_node":{"node_type":"SQL","query":"x"}}'), ('{"node_type":"SQL"}'),
('{"node_type":"SQL","query":"x","left_node":{"node_type":"SQL","query":"x"}}'),
('{"node_type":"IF","left_node":{"node_type":"SQL","query":"x"},"right_node":{"node_type":"SQL","query":"x"}}'),
('{"node_type":"RACE","left_node":{"node_type":"SQL","query":"x"},"right_node":{"node_type":"SQL","query":"x"},"query":"x"}'),
('{"node_type":"THEN","left_node":{"node_type":"SQL","query":"x"},"right_node":{"node_type":"SQL","query":"x"},"query":"x"}'),
('{"node_type":"JOIN","left_node":{"node_type":"SQL","query":"x"}}'), ('{"node_type":"LOOP"}'), ('{"node_type":"BREAK"}'),
('{"node_type":"SLEEP"}'), ('{"node_type":"SIGNAL"}'), ('{"node_type":"WAIT_SCHEDULE"}');
SELECT n, graph, try(format('SELECT df.start(%L)', graph)) AS raised FROM structures
 WHERE try(format('SELECT df.start(%L)', graph)) NOT LIKE '23514 new row for relation "nodes" violates check constraint "nodes_structure_chk"%' ORDER BY n;
SELECT name, try(format('SELECT df.start(%L)', format('{"node_type":"SQL","query":"x","result_name":"%s"}', name)))
  FROM (VALUES ('a b'), (''), ('1')) v(name);
-- Every one of them can be explained
SELECT count(*) FROM structures WHERE df.explain(graph) LIKE 'Invalid%' OR df.explain(graph) LIKE 'Cannot%';
-- Arrays, NUL and depth past what a JSON reader takes: a clear error here
SELECT try($$SELECT df.start('["SQL",null,null,null,[],"SELECT 1",null]')$$) ~ '^[0-9A-Z]{5} ' AS "array";
SELECT try($$SELECT df.start('{"node_type":"SQL","query":"a\u0000b"}')$$) ~ '^[0-9A-Z]{5} ' AS nul;
SELECT count(*) FROM (SELECT df.cancel(id) FROM df.instances) c;
\set include :abs_srcdir '/include/compat_end.psql'
\set ECHO none
\i :include
