-- The first example: mark a hundred documents as processed, durably.
-- Run it as a superuser on a database with the extension: psql -f examples/documents.sql
\set ON_ERROR_STOP on

CREATE TABLE documents (id int PRIMARY KEY, processed bool NOT NULL DEFAULT false);
INSERT INTO documents SELECT n FROM generate_series(1, 1000) n;

CREATE ROLE app LOGIN;
GRANT SELECT, UPDATE ON documents TO app;
SELECT df.grant_usage('app');

SET ROLE app;
SELECT df.start(
    'SELECT id FROM documents WHERE processed = false LIMIT 100' |=> 'batch'
    ~> 'UPDATE documents SET processed = true WHERE id = ANY($batch)') AS id \gset
CALL df.wait(:'id');
SELECT df.explain(:'id');
SELECT count(*) FROM documents WHERE processed;
