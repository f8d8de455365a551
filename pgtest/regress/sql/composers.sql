-- Graph constructors and operators: the envelopes they return, and their errors.
\set VERBOSITY terse
SELECT df.sql('SELECT 1');
SELECT df.sql('');
SELECT df.seq('SELECT 1', 'SELECT 2');
SELECT 'SELECT 1' ~> 'SELECT 2';
SELECT 'SELECT 1' ~> 'SELECT 2' ~> 'SELECT 3';
SELECT df.as('SELECT 1', 'one');
SELECT 'SELECT 1' |=> 'one' |=> 'two';
SELECT 'a' & 'b' & 'c';
SELECT df.join('a', 'b');
SELECT df.join3('a', 'b', 'c');
SELECT df.sleep(5), df.sleep(0);
-- All operators have one precedence and bind to the left.
SELECT 'a' ~> 'b' |=> 'x' ~> 'c';
SELECT 'a' |=> 'x' & 'b' |=> 'y';
SELECT 'a' & 'b' ~> 'c';
SELECT 'a' ~> 'b' & 'c';
-- df.sql never looks into its text; composers do.
SELECT df.sql(df.sql('x'));
SELECT df.seq(df.sql('x'), '{"a": 1}');
SELECT df.seq(' {"node_type": "SQL", "query": "x", "more": 1} ', '[1]');
-- Equal expressions are equal bytes.
SELECT ('a' ~> 'b') = ('a' ~> 'b') AS same, ('a' ~> 'b') = ('a' ~> 'c') AS different;
-- NULL
SELECT df.seq('a', NULL) IS NULL, df.as(NULL, 'x') IS NULL, df.join3('a', NULL, 'c') IS NULL, df.sleep(NULL) IS NULL,
       ('a' ~> NULL::text) IS NULL, ('a' |=> NULL::text) IS NULL, (NULL::text & 'b') IS NULL;
-- Errors
SELECT df.as('a', '');
SELECT df.as('a', 'a b');
SELECT df.as('a', '1a');
SELECT 'a' |=> 'é';
SELECT df.sleep(-1);
SELECT df.seq('{"node_type":"SQL","query":1}', 'x');
SELECT df.seq('{"node_type":"THEN","left_node":"x","right_node":{}}', 'x');
SELECT df.seq('{"node_type":"JOIN","extra_nodes":null}', 'x');
SELECT 'a' ~>& 'b';
-- Characters that JSON must escape
SELECT df.sql(E'a"b\\c\n\t\u0001é🙂');
