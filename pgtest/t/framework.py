# SPDX-License-Identifier: PostgreSQL
"""The framework for extensions in Swift, seen from SQL: values, rows, errors, SPI, settings, messages, memory."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "modules", "pgext_test"))
from bed import Bed  # noqa: E402
from suite import has, same, wait_until  # noqa: E402

suite = Bed()
FIELDS = {"detail": "A detail.", "hint": "A hint.", "schema": "a schema", "table": "a table", "column": "a column",
          "datatype": "a type", "constraint": "a constraint"}


def rss(pid):
    """Private memory of a process in kB."""
    with open("/proc/%d/status" % pid) as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon"))


@suite.test
def values_go_in_and_out(cluster):
    """Every type of the framework survives a round trip, at its limits too, and NULL does."""
    table = {
        "bool": ["true", "false"], "int2": ["-32768", "32767"], "int4": ["-2147483648", "2147483647"],
        "int8": ["-9223372036854775808", "9223372036854775807", "0"],
        "float8": ["0", "-0", "1e308", "1e-320", "NaN", "-Infinity"],
        "text": ["", "x", "äöü€😀", "a" * 100000], "varchar": ["", "é"],
        "jsonb": ['{"a": [1, "ü", null, 1.50]}', '"x"', "1e-10"], "json": ['{ "a":1 , "a":2}'],
        "timestamptz": ["2000-01-01 00:00:00+00", "infinity", "-infinity", "4713-01-01 00:00:00+00 BC",
                        "2024-02-29 23:59:59.999999+00"],
        "oid": ["0", "4294967295"], "regrole": ["postgres", "pg_monitor"],
        "uuid": ["00000000-0000-0000-0000-000000000000", "6f1c0f4e-9d4b-4a2e-8f67-8e3c5b1d2a90"],
        "bytea": ["\\x", "\\x00ff00"], "pgext_short": ["domain"],
    }
    with cluster.connect() as session:
        for kind, texts in table.items():
            for text in texts:
                same(session.value("SELECT pgext_echo($1::%s)::text" % kind, text),
                     session.value("SELECT $1::%s::text" % kind, text), kind)
            same(session.value("SELECT pgext_echo(NULL::%s)" % kind), None, kind)
        same(session.value("SELECT pgext_echo_any(7::int8)"), 7)
        same(session.value("SELECT length(pgext_echo(repeat('toasted', 1000000)))"), 7000000)


@suite.test
def types_are_checked(cluster):
    """A library and a script of different versions give an error, never a wild pointer."""
    with cluster.connect() as session:
        for sql, state, text in [
            ("SELECT pgext_wrong_result()", "42804", "value of type integer was given where text is declared"),
            ("SELECT pgext_wrong_argument(1)", "42804", "argument 1 is of type integer, not text"),
            ("SELECT pgext_missing_argument()", "XX000", "argument 1 was asked for"),
            ("SELECT pgext_echo('(1,2)'::point)", "0A000", "cannot echo type"),
            ("SELECT * FROM pgext_ragged(true)", "42804", "a row of 1 columns was returned where 2 are declared"),
            ("SELECT * FROM pgext_ragged(false)", "42804", "value of type bigint was given where integer"),
            ("SELECT pgext_bytes('\\xff')", "22021", "invalid byte sequence"),
            ("SELECT pgext_bytes('\\x610062')", "22021", "0x00"),
            ("SELECT pgext_fail(NULL, 'x', NULL, NULL)", "22004", "argument 1 must not be null"),
        ]:
            error = session.error(sql)
            same(error.sqlstate, state, sql)
            has(error.message, text)
        same(session.value("SELECT pgext_bytes('\\x61c3a4')"), "aä")


@suite.test
def many_rows(cluster):
    """Sets with named columns and of single values, in FROM and in the target list, past work_mem, with LIMIT."""
    with cluster.connect() as session:
        same(session.query("SELECT * FROM pgext_series(4) s WHERE label IS NOT NULL"),
             [(1, 1, "row 1"), (2, 4, "row 2")])
        same(session.execute("SELECT * FROM pgext_series(1)").columns, ["number", "square", "label"])
        same(session.query("SELECT pgext_names()"), [("one",), ("two",), ("three",)])
        same(session.query("SELECT * FROM pgext_names() WITH ORDINALITY LIMIT 2"), [("one", 1), ("two", 2)])
        session.execute("SET work_mem = '64kB'")
        same(session.query("SELECT count(*), sum(square)::text FROM pgext_series(100000)"),
             [(100000, "333328333350000")])
        same(session.value("SELECT count(*) FROM pgext_series(0)"), 0)


@suite.test
def errors_keep_every_field(cluster):
    """An error made in Swift, and one of the server's that passed through Swift, arrive whole at the client."""
    with cluster.connect() as session:
        fail = "SELECT pgext_fail('AB123', 'it broke: %s äöü', 'A detail.', 'A hint.')"
        for sql in [fail, "SELECT pgext_pass($q$%s$q$)" % fail]:
            error = session.error(sql)
            same((error.severity, error.sqlstate, error.message), ("ERROR", "AB123", "it broke: %s äöü"))
            for field, value in FIELDS.items():
                same(getattr(error, field), value, field)
        has(error.context, 'SQL statement "SELECT pgext_fail')
        session.execute("CREATE TEMP TABLE t (n int CONSTRAINT positive CHECK (n > 0))")
        direct = session.error("INSERT INTO t VALUES (-1)")
        through = session.error("SELECT pgext_pass('INSERT INTO t VALUES (-1)')")
        for field in ["sqlstate", "message", "detail", "hint", "schema", "table", "constraint"]:
            same(getattr(through, field), getattr(direct, field), field)
        same(through.context, 'SQL statement "INSERT INTO t VALUES (-1)"')
        error = session.error("SELECT pgext_pass('SELECT 1 FRM x')")
        same(error.sqlstate, "42601")
        # Through PL/pgSQL, twice nested, caught by condition name.
        session.execute("""DO $$ BEGIN
            PERFORM pgext_pass('SELECT pgext_pass($q$SELECT pgext_fail(''40001'', ''again'', NULL, NULL)$q$)');
            RAISE 'not reached';
            EXCEPTION WHEN serialization_failure THEN NULL; END $$""")
        same(session.value("SELECT 1"), 1)


@suite.test
def subtransactions_absorb(cluster):
    """A caught error is rolled back with what it did; cancel is never absorbed."""
    with cluster.connect() as session:
        fields = dict(session.query("SELECT * FROM pgext_catch('SELECT 1/0')"))
        same((fields["state"], fields["message"], fields["message_id"]),
             ("22012", "division by zero", "division by zero"))
        fields = dict(session.query("SELECT * FROM pgext_catch('INSERT INTO pgext_items VALUES (DEFAULT, 1, NULL)')"))
        same((fields["state"], fields["table"], fields["column"]), ("23502", "pgext_items", "label"))
        has(fields["message_id"], "null value in column \"%s\"")
        session.execute("BEGIN; INSERT INTO pgext_items (number, label) VALUES (77, 'outside')")
        session.query("SELECT * FROM pgext_catch($$DO 'BEGIN INSERT INTO pgext_items (number, label) "
                      "VALUES (77, ''inside''); RAISE ''no''; END'$$)")
        session.query("SELECT * FROM pgext_catch($$INSERT INTO pgext_items (number, label) VALUES (77, 'kept')$$)")
        same(session.query("SELECT label FROM pgext_items WHERE number = 77 ORDER BY id"), [("outside",), ("kept",)])
        session.execute("ROLLBACK")
        same(session.query("SELECT count(*) FROM generate_series(1, 200) i, pgext_catch('SELECT 1/0')"), [(1000,)])
        nested = "SELECT value FROM pgext_catch($q$SELECT * FROM pgext_catch('SELECT 1/0') WHERE 1/0 = 1$q$)"
        has(str(session.query(nested)), "22012")
        session.execute("SET statement_timeout = 200")
        same(session.error("SELECT pgext_catch('SELECT pg_sleep(5)')").sqlstate, "57014")


@suite.test
def swallowed_errors_are_noticed(cluster):
    """A server error that Swift code drops without rolling back stops the next call into the server."""
    with cluster.connect() as session:
        error = session.error("SELECT pgext_swallow('SELECT 1/0')")
        has(error.message, "neither passed on nor rolled back")
        session.query("SELECT pgext_swallow('SELECT 1')")
        session.execute("DO $$ BEGIN PERFORM pgext_swallow('SELECT 1/0'); EXCEPTION WHEN OTHERS THEN "
                        "PERFORM pgext_plan(1, 'after'); END $$")
        session.execute("BEGIN")
        session.error("SELECT pgext_swallow('SELECT 1/0')")
        session.execute("ROLLBACK")
        same(session.value("SELECT count(*) FROM pgext_items WHERE label = 'after'"), 1)


@suite.test
def statements(cluster):
    """SPI: kept plans with typed parameters, rows of any type, the read-only flag, commits in a procedure."""
    with cluster.connect() as session:
        session.execute("TRUNCATE pgext_items RESTART IDENTITY")
        same([session.value("SELECT pgext_plan($1::int, $2)", n, "label") for n in range(1, 4)], [11, 21, 31])
        session.execute("ALTER TABLE pgext_items ADD COLUMN more int")  # the kept plan must be made again
        same(session.value("SELECT pgext_plan(4, 'ä')"), 41)
        session.execute("ALTER TABLE pgext_items DROP COLUMN more")
        same(session.error("SELECT pgext_plan(4, NULL)").sqlstate, "23502")
        same(session.query("SELECT * FROM pgext_query('SELECT 1 AS one, $1 || ''x'' AS two, NULL AS three, "
                           "ARRAY[1,2] AS four', 'p')"),
             [("one", "1"), ("two", "px"), ("three", None), ("four", "{1,2}")])
        same(session.error("SELECT pgext_query('DELETE FROM pgext_items WHERE $1 IS NULL', 'p')").sqlstate, "0A000")
        same(session.error("SELECT pgext_query('COMMIT', NULL)").sqlstate, "0A000")
        session.execute("CALL pgext_commits(500)")
        same(session.query("SELECT label FROM pgext_items WHERE number = 500"), [("before",)])
        session.execute("BEGIN")
        same(session.error("CALL pgext_commits(501)").sqlstate, "2D000")
        session.execute("ROLLBACK")
        same(session.value("SELECT pgext_memory(300) < 100000"), True)


@suite.test
def settings(cluster):
    """Settings of every kind: initial values, units, ranges, contexts, reload, a reserved prefix."""
    with cluster.connect() as session:
        same(dict(session.query("SELECT * FROM pgext_settings()")),
             {"flag": "true", "delay": "1500", "ratio": "0.5", "label": "plain", "mode": "slow"})
        session.execute("SET pgext_test.flag = off; SET pgext_test.ratio = 0.25; SET pgext_test.label = 'ü';"
                        "SET pgext_test.mode = fast")
        same(dict(session.query("SELECT * FROM pgext_settings()")),
             {"flag": "false", "delay": "1500", "ratio": "0.25", "label": "ü", "mode": "fast"})
        same(session.value("SHOW pgext_test.delay"), "1500ms")
        same(session.query("SELECT unit, context, min_val, max_val, short_desc FROM pg_settings "
                           "WHERE name = 'pgext_test.delay'"), [("ms", "sighup", "0", "100000", "A delay.")])
        for sql, state in [("SET pgext_test.mode = sideways", "22023"), ("SET pgext_test.ratio = 2", "22023"),
                           ("SET pgext_test.delay = 1", "55P02"), ("SET pgext_test.nonsense = 1", "42602")]:
            same(session.error(sql).sqlstate, state, sql)
        cluster.reload(**{"pgext_test.delay": "'3s'"})
        wait_until(lambda: session.value("SELECT value FROM pgext_settings() WHERE name = 'delay'") == "3000", 10)


@suite.test
def messages(cluster):
    """Log, notice and warning, with detail and hint, in UTF-8, to whom each belongs."""
    with cluster.connect() as session:
        session.execute("SELECT pgext_log('müsli %d')")
        same([(n.severity, n.sqlstate, n.message, n.detail, n.hint) for n in session.notices],
             [("NOTICE", "00000", "müsli %d", None, "To the client."),
              ("WARNING", "55006", "müsli %d", "To both.", "Look there.")])
        has(cluster.text(), "LOG:  müsli %d")
        has(cluster.text(), "DETAIL:  To the log.")
        user, login, name, superuser, _, clock, standby = session.query("SELECT * FROM pgext_session()")[0]
        same((user, login, name, superuser, clock, standby), ("postgres", "postgres", "postgres", True, True, False))
        session.execute("SET ROLE alice")
        same(session.query('SELECT "user", session, name, superuser FROM pgext_session()'),
             [("alice", "postgres", "alice", False)])
        same(session.value("SELECT started = now() FROM pgext_session()"), True)


@suite.test
def deep_recursion(cluster):
    """Recursion is stopped by the server's limit with an error, in Swift and through SQL functions of Swift."""
    with cluster.connect() as session:
        same(session.value("SELECT pgext_recurse(100)"), 5050)
        same(session.error("SELECT pgext_recurse(100000000)").sqlstate, "54001")
        session.execute("CREATE FUNCTION pg_temp.again(n int) RETURNS void LANGUAGE plpgsql AS "
                        "$$ BEGIN PERFORM pgext_pass(format('SELECT pg_temp.again(%s)', n + 1)); END $$")
        same(session.error("SELECT pg_temp.again(1)").sqlstate, "54001")
        same(session.value("SELECT pgext_recurse(10)"), 55)


@suite.test
def other_encodings(cluster):
    """Swift sees UTF-8 whatever the database's encoding is; what does not fit is refused, in a message becomes '?'."""
    for encoding in ["LATIN1", "SQL_ASCII", "EUC_JP"]:
        db = "in_" + encoding.lower()
        cluster.psql("CREATE DATABASE %s TEMPLATE template0 ENCODING '%s'" % (db, encoding))
        cluster.psql("CREATE EXTENSION pgext_test", db=db)
        with cluster.connect(db=db) as session:
            session.execute("SET client_encoding = 'UTF8'")
            fits, alien = {"LATIN1": ("äöü", "日本"), "SQL_ASCII": ("äö日", None), "EUC_JP": ("日本", "ä€")}[encoding]
            for kind in ["text", "varchar", "jsonb"]:
                value = '"%s"' % fits if kind == "jsonb" else fits
                same(session.value("SELECT pgext_echo($1::%s)" % kind, value), value, encoding)
            # pgext_bytes hands its bytes to the framework as UTF-8, past the client's conversion.
            same(session.value("SELECT pgext_bytes(decode($1, 'hex'))", fits.encode().hex()), fits, encoding)
            same(session.error("SELECT pgext_fail('AB123', $1, NULL, NULL)", fits).message, fits, encoding)
            same(dict(session.query("SELECT * FROM pgext_catch('SELECT ' || quote_literal($1) || '::int')", fits))
                 ["message"], 'invalid input syntax for type integer: "%s"' % fits, encoding)
            if alien:
                same(session.error("SELECT pgext_bytes(decode($1, 'hex'))", alien.encode().hex()).sqlstate, "22P05")
            else:
                same(session.error("SELECT pgext_bytes('\\xff')").sqlstate, "22021")


@suite.test
def no_leak(cluster):
    """200,000 errors and a million calls leave a session's memory where it was."""
    with cluster.connect() as session:
        errors = """DO $$ BEGIN FOR i IN 1..%d LOOP
            BEGIN PERFORM pgext_fail('AB123', 'a message', 'A detail.', 'A hint.');
            EXCEPTION WHEN SQLSTATE 'AB123' THEN NULL; END; END LOOP; END $$"""
        through = """DO $$ BEGIN FOR i IN 1..%d LOOP
            BEGIN PERFORM pgext_pass('SELECT 1/0'); EXCEPTION WHEN division_by_zero THEN NULL; END;
            PERFORM pgext_catch('SELECT 1/0'); END LOOP; END $$"""
        calls = "SELECT count(pgext_echo(i)), count(pgext_echo(i::text)) FROM generate_series(1, %d) i"
        for sql, rounds in [(errors, 200000), (through, 20000), (calls, 1000000)]:
            session.execute(sql % 2000)
            begin, time_begin = rss(session.pid), time.monotonic()
            session.execute(sql % rounds)
            grown = rss(session.pid) - begin
            print("    %d rounds: %+d kB, %.1f s" % (rounds, grown, time.monotonic() - time_begin))
            assert grown < 4096, "%d kB more after %s" % (grown, sql)
        assert session.value("SELECT sum(total_bytes)::bigint FROM pg_backend_memory_contexts") < 16 << 20


if __name__ == "__main__":
    suite.main()
