-- Constructors and operators of conditions, races, loops and waits: envelopes, nulls and refusals.
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
SELECT df.if('SELECT true', 'SELECT 1', 'SELECT 2');
SELECT 'SELECT true' ?> 'SELECT 1' !> 'SELECT 2';
SELECT 'a' ?> 'b';
SELECT 'a' ?> NULL::text;
-- a null part makes the whole null, a null left side is no conditional
SELECT (('a' ?> NULL::text) !> 'b') IS NULL, (('a' ?> 'b') !> NULL::text) IS NULL;
SELECT NULL::text !> 'b';
SELECT 'not json' !> 'b';
SELECT 'SELECT 1' ~> 'SELECT 2' !> 'b';
SELECT '{"a":1}' !> 'b';
-- the form of earlier versions, with objects as parts
SELECT '{"_partial_if":0,"condition":{"node_type":"SQL","query":"c"},"then_branch":{"node_type":"SLEEP","query":"1"}}' !> 'b';
SELECT df.if_rows('x', 'SELECT 1', df.sleep(1));
SELECT df.if_rows('not checked here', 'a', 'b');
SELECT df.if('a', 'b', NULL) IS NULL, df.if_rows(NULL, 'a', 'b') IS NULL, df.race('a', NULL) IS NULL;
SELECT df.race('SELECT 1', df.sleep(5)) = ('SELECT 1' | df.sleep(5));
SELECT 'a' | 'b' | 'c';
SELECT df.loop('SELECT 1');
SELECT df.loop('SELECT 1', 'SELECT false');
SELECT df.loop('SELECT 1', NULL) = (@> 'SELECT 1');
SELECT df.loop(NULL);
SELECT @> NULL;
SELECT @> 'a' ~> 'b';
SELECT 'a' ~> @> 'b';
SELECT 'a' ~>@> 'b';
SELECT df.break(), df.break(NULL), df.break(''), df.break('{"k": "$x"}');
SELECT df.wait_for_signal('go'), df.wait_for_signal(' Go ', 5);
SELECT df.wait_for_signal('');
SELECT df.wait_for_signal('go', 0);
SELECT df.wait_for_signal('go', -1);
SELECT df.wait_for_signal(NULL);
-- precedence: one level, to the left
SELECT ('c' ?> 'x' !> 'y' ~> 'z') = (('c' ?> 'x' !> 'y') ~> 'z');
SELECT 'c' ?> 'x' ~> 'y' !> 'z';
SELECT 'c' ?> 'd' ?> 'x' !> 'y' !> 'z';
-- constant operands are folded at planning, so they serve in a generated column
CREATE TEMP TABLE folded (n int, g text GENERATED ALWAYS AS (@> 'SELECT 1') STORED);
-- a helper's answer is no step
SELECT df.loop(df.setvar('regress_a', '1'));
SELECT df.if('SELECT true', df.setvar('regress_a', '1'), 'SELECT 2');
SELECT df.clearvars();
