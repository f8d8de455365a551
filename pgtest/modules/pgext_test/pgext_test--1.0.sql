-- What the tests of the framework call; one function in the library may stand behind several in SQL.

\echo Use "CREATE EXTENSION pgext_test" to load this file. \quit

CREATE TABLE pgext_items (id bigint GENERATED ALWAYS AS IDENTITY, number int, label text NOT NULL);

CREATE DOMAIN pgext_short AS text CHECK (length(VALUE) < 10);

CREATE FUNCTION pgext_echo(bool) RETURNS bool LANGUAGE C AS 'MODULE_PATHNAME', 'pgext_echo';
CREATE FUNCTION pgext_echo(smallint) RETURNS smallint LANGUAGE C AS 'MODULE_PATHNAME', 'pgext_echo';
CREATE FUNCTION pgext_echo(int) RETURNS int LANGUAGE C AS 'MODULE_PATHNAME', 'pgext_echo';
CREATE FUNCTION pgext_echo(bigint) RETURNS bigint LANGUAGE C AS 'MODULE_PATHNAME', 'pgext_echo';
CREATE FUNCTION pgext_echo(float8) RETURNS float8 LANGUAGE C AS 'MODULE_PATHNAME', 'pgext_echo';
CREATE FUNCTION pgext_echo(text) RETURNS text LANGUAGE C AS 'MODULE_PATHNAME', 'pgext_echo';
CREATE FUNCTION pgext_echo(varchar) RETURNS varchar LANGUAGE C AS 'MODULE_PATHNAME', 'pgext_echo';
CREATE FUNCTION pgext_echo(jsonb) RETURNS jsonb LANGUAGE C AS 'MODULE_PATHNAME', 'pgext_echo';
CREATE FUNCTION pgext_echo(json) RETURNS json LANGUAGE C AS 'MODULE_PATHNAME', 'pgext_echo';
CREATE FUNCTION pgext_echo(timestamptz) RETURNS timestamptz LANGUAGE C AS 'MODULE_PATHNAME', 'pgext_echo';
CREATE FUNCTION pgext_echo(oid) RETURNS oid LANGUAGE C AS 'MODULE_PATHNAME', 'pgext_echo';
CREATE FUNCTION pgext_echo(regrole) RETURNS regrole LANGUAGE C AS 'MODULE_PATHNAME', 'pgext_echo';
CREATE FUNCTION pgext_echo(uuid) RETURNS uuid LANGUAGE C AS 'MODULE_PATHNAME', 'pgext_echo';
CREATE FUNCTION pgext_echo(bytea) RETURNS bytea LANGUAGE C AS 'MODULE_PATHNAME', 'pgext_echo';
CREATE FUNCTION pgext_echo(pgext_short) RETURNS pgext_short LANGUAGE C AS 'MODULE_PATHNAME', 'pgext_echo';
CREATE FUNCTION pgext_echo(point) RETURNS point LANGUAGE C AS 'MODULE_PATHNAME', 'pgext_echo';
CREATE FUNCTION pgext_echo_any(anyelement) RETURNS anyelement LANGUAGE C AS 'MODULE_PATHNAME', 'pgext_echo';

CREATE FUNCTION pgext_wrong_result() RETURNS text LANGUAGE C AS 'MODULE_PATHNAME';
CREATE FUNCTION pgext_wrong_argument(int) RETURNS text LANGUAGE C AS 'MODULE_PATHNAME';
CREATE FUNCTION pgext_missing_argument() RETURNS text LANGUAGE C AS 'MODULE_PATHNAME', 'pgext_wrong_argument';
CREATE FUNCTION pgext_bytes(bytea) RETURNS text LANGUAGE C STRICT AS 'MODULE_PATHNAME';

CREATE FUNCTION pgext_series(count int) RETURNS TABLE (number int, square bigint, label text)
LANGUAGE C STRICT AS 'MODULE_PATHNAME';
CREATE FUNCTION pgext_names() RETURNS SETOF text LANGUAGE C AS 'MODULE_PATHNAME';
CREATE FUNCTION pgext_ragged(short bool) RETURNS TABLE (number int, label text)
LANGUAGE C STRICT AS 'MODULE_PATHNAME';

CREATE FUNCTION pgext_fail(state text, message text, detail text, hint text) RETURNS void
LANGUAGE C AS 'MODULE_PATHNAME';
CREATE FUNCTION pgext_pass(sql text) RETURNS void LANGUAGE C STRICT AS 'MODULE_PATHNAME';
CREATE FUNCTION pgext_catch(sql text) RETURNS TABLE (field text, value text)
LANGUAGE C STRICT AS 'MODULE_PATHNAME';
CREATE FUNCTION pgext_swallow(sql text) RETURNS void LANGUAGE C STRICT AS 'MODULE_PATHNAME';
CREATE FUNCTION pgext_trap(kind text) RETURNS bigint LANGUAGE C STRICT AS 'MODULE_PATHNAME';
CREATE FUNCTION pgext_recurse(levels bigint) RETURNS bigint LANGUAGE C STRICT AS 'MODULE_PATHNAME';

CREATE FUNCTION pgext_plan(number int, label text) RETURNS bigint LANGUAGE C AS 'MODULE_PATHNAME';
CREATE FUNCTION pgext_query(sql text, parameter text) RETURNS TABLE (name text, value text)
LANGUAGE C AS 'MODULE_PATHNAME';
CREATE PROCEDURE pgext_commits(number int) LANGUAGE C AS 'MODULE_PATHNAME';
CREATE FUNCTION pgext_memory(rounds int) RETURNS bigint LANGUAGE C STRICT AS 'MODULE_PATHNAME';
CREATE FUNCTION pgext_settings() RETURNS TABLE (name text, value text) LANGUAGE C AS 'MODULE_PATHNAME';

CREATE FUNCTION pgext_count(rounds int) RETURNS bigint LANGUAGE C STRICT AS 'MODULE_PATHNAME';
CREATE FUNCTION pgext_call_under_lock() RETURNS void LANGUAGE C AS 'MODULE_PATHNAME';
CREATE FUNCTION pgext_start_worker(rows int) RETURNS bigint LANGUAGE C STRICT AS 'MODULE_PATHNAME';
CREATE FUNCTION pgext_workers() RETURNS TABLE (pid int, starts int, wakes bigint)
LANGUAGE C AS 'MODULE_PATHNAME';
CREATE FUNCTION pgext_wake() RETURNS bool LANGUAGE C AS 'MODULE_PATHNAME';

CREATE FUNCTION pgext_transactions()
RETURNS TABLE (pre_commits bigint, commits bigint, aborts bigint, rollbacks bigint, released bigint)
LANGUAGE C AS 'MODULE_PATHNAME';
CREATE FUNCTION pgext_log(message text) RETURNS void LANGUAGE C STRICT AS 'MODULE_PATHNAME';
CREATE FUNCTION pgext_loop() RETURNS void LANGUAGE C AS 'MODULE_PATHNAME';
CREATE FUNCTION pgext_wait(milliseconds bigint) RETURNS void LANGUAGE C STRICT AS 'MODULE_PATHNAME';
CREATE FUNCTION pgext_session()
RETURNS TABLE (
    "user" regrole, session regrole, name text, superuser bool, started timestamptz, clock bool, standby bool
) LANGUAGE C AS 'MODULE_PATHNAME';
