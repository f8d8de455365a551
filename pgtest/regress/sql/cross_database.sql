-- df.start(…, database => …): what is refused at once, and what is stored (compat 1.4, 4.10).
CREATE ROLE regress_cross LOGIN;
SELECT df.grant_usage('regress_cross') IS NOT NULL AS granted;
SET ROLE regress_cross;
\set VERBOSITY terse
SELECT df.start('SELECT 1', database => 'no_such_database');
\echo :LAST_ERROR_SQLSTATE
SELECT df.start('SELECT 1', database => '');
\echo :LAST_ERROR_SQLSTATE
SELECT df.start('SELECT 1', database => 'Postgres');
\echo :LAST_ERROR_SQLSTATE
-- The own database by name, another one, and none.
SELECT df.start('SELECT current_database() = ' || quote_literal(current_database()) || ' AS here',
    database => current_database()) AS own \gset
SELECT df.start('SELECT current_database() AS here, current_user AS who', database => 'postgres') AS other \gset
SELECT df.start('SELECT 1/0', database => 'postgres') AS bad \gset
CALL df.wait(:'own');
CALL df.wait(:'other');
CALL df.wait(:'bad');
SELECT df.result(:'own');
SELECT df.result(:'other');
SELECT df.status(:'bad');
SELECT database = current_database() AS own FROM df.instances WHERE id = :'own';
SELECT database FROM df.nodes WHERE instance_id = :'other';
SHOW pg_durable.cross_database;
SET pg_durable.cross_database = exactly_once;
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
DROP OWNED BY regress_cross;
DROP ROLE regress_cross;
