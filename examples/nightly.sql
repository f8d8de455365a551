-- Side by side: refresh two summaries, then clean up; each step is retried by nobody and done exactly once.
-- Run it as a superuser on a database with the extension: psql -f examples/nightly.sql
\set ON_ERROR_STOP on

CREATE ROLE nightly LOGIN;
SELECT df.grant_usage('nightly');
CREATE SCHEMA nightly AUTHORIZATION nightly;

SET ROLE nightly;
CREATE TABLE nightly.orders AS SELECT n AS id, n % 10 AS shop, n * 1.5 AS total FROM generate_series(1, 10000) n;
CREATE TABLE nightly.by_shop (shop int, total numeric);
CREATE TABLE nightly.log (at timestamptz, what text);

SELECT df.setvar('keep', '5000');
SELECT df.start(
    ('INSERT INTO nightly.by_shop SELECT shop, sum(total) FROM nightly.orders GROUP BY shop'
     & 'CREATE INDEX CONCURRENTLY orders_shop ON nightly.orders (shop)')
    ~> ('SELECT count(*) AS n FROM nightly.orders WHERE id > {keep}' |=> 'old')
    ~> 'DELETE FROM nightly.orders WHERE id > {keep}'
    ~> 'VACUUM nightly.orders'
    ~> 'INSERT INTO nightly.log VALUES (now(), ''removed '' || $old)',
    'nightly run') AS id \gset
CALL df.wait(:'id', 60);
SELECT df.status(:'id');
SELECT what FROM nightly.log;
