-- df.explain of instances: status, output, and a glyph per node.
SET client_min_messages = warning;
CREATE ROLE regress_exp LOGIN;
SELECT df.grant_usage('regress_exp');
SET ROLE regress_exp;
SELECT df.start('SELECT 1 AS a' |=> 'x' ~> 'SELECT $x + 1 AS b', 'my label') AS id \gset
SELECT df.await_instance(:'id');
SELECT regexp_replace(df.explain(:'id'), :'id', 'ID') AS explained;
SELECT df.start('SELECT 1' ~> 'SELECT 1/0' ~> 'SELECT 2') AS id \gset
SELECT df.await_instance(:'id');
SELECT regexp_replace(df.explain(:'id'), :'id', 'ID') AS explained;
SELECT node_type, query, status, inferred_status, result FROM df.instance_nodes(:'id') ORDER BY node_type, query;
RESET ROLE;
SELECT df.revoke_usage('regress_exp');
DROP ROLE regress_exp;
