#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Whatever a user sends ends in a clear error with a SQLSTATE, or in a failed step; the server keeps running.

Every df function is called with NULL, empty, overlong, oddly encoded, 10 MB, deeply nested and malformed arguments. At
the end the postmaster's start time is what it was.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from suite import PgError, Suite, has, literal, output, run, same, settle, start, wait_until  # noqa: E402

suite = Suite()
BEGAN = {}


def nest(levels, word="left_node"):
    text = '{"node_type":"SQL","query":"SELECT 1"}'
    for _ in range(levels):
        text = '{"node_type":"THEN","left_node":%s,"right_node":{"node_type":"SQL","query":"SELECT 1"}}' % text \
            if word == "left_node" else '{"node_type":"LOOP","left_node":%s}' % text
    return text


NASTY = {
    "empty": "", "blank": " ", "newlines": "\n\r\n\t", "brace": "{", "braces": "{}", "array": "[]", "number": "42",
    "json null": "null", "quote": "'", "backslash": "\\", "dollar": "$", "dollar name": "$x", "brace name": "{x}",
    "comment": "/*", "dash": "--", "semicolons": ";;;", "emoji": "🙂" * 300, "combining": "'\u0301", "crlf": "a\r\nb",
    "nel": "\u0085\u00a0\u2028", "rtl": "\u202eabc", "max code point": "\U0010ffff", "nul escape":
    '{"node_type":"SQL","query":"SELECT \\u0000"}', "lone surrogate": '{"node_type":"SQL","query":"\\ud800"}',
    "10 MB": "x" * 10_000_000, "10 MB of braces": "{" * 10_000_000, "10 MB of brackets": "[" * 10_000_000,
    "10 MB envelope": '{"node_type":"SQL","query":"%s"}' % ("y" * 10_000_000), "10 MB of dollars": "$a" * 5_000_000,
    "unknown type": '{"node_type":"NOPE"}', "no type": '{"query":"SELECT 1"}', "type number": '{"node_type":1}',
    "child string": '{"node_type":"THEN","left_node":"x","right_node":"y"}',
    "child empty": '{"node_type":"THEN","left_node":{},"right_node":{}}',
    "no children": '{"node_type":"THEN"}', "one child": '{"node_type":"JOIN","left_node":%s}' % nest(0),
    "extras null": '{"node_type":"JOIN","extra_nodes":null}', "twice": '{"node_type":"SQL","query":"a","query":"b"}',
    "leaf with child": '{"node_type":"SQL","query":"a","left_node":%s}' % nest(0), "sleep text":
    '{"node_type":"SLEEP","query":"abc"}', "sleep negative": '{"node_type":"SLEEP","query":"-1"}',
    "sleep huge": '{"node_type":"SLEEP","query":"99999999999999999999999"}', "sleep none": '{"node_type":"SLEEP"}',
    "bad name": '{"node_type":"SQL","query":"SELECT 1","result_name":"a b"}', "empty name":
    '{"node_type":"SQL","query":"SELECT 1","result_name":""}', "256 levels": nest(256), "257 levels": nest(257),
    "deep": nest(3000), "deep loops": nest(500, "loop"), "trailing": nest(0) + " x", "seven":
    '["SQL",null,null,null,[],"SELECT 1",null]', "big number": '{"node_type":"SQL","query":1e400}',
    "if without condition": '{"node_type":"IF","left_node":%s,"right_node":%s}' % (nest(0), nest(0)),
    "if rows of nothing": '{"node_type":"IF","left_node":%s,"right_node":%s,"query":"{\\"condition_type\\":'
    '\\"result_has_rows\\",\\"result_name\\":\\"nobody\\"}"}' % (nest(0), nest(0)),
    "break outside": '{"node_type":"BREAK","query":"{}"}', "signal config": '{"node_type":"SIGNAL","query":"no json"}',
    "cron": '{"node_type":"WAIT_SCHEDULE","query":"{\\"cron_expr\\":\\"99 99 * * *\\"}"}',
    "race of one": '{"node_type":"RACE","left_node":%s}' % nest(0),
    "http": '{"node_type":"HTTP","query":"{\\"url\\":\\"http://localhost\\"}"}',
}


# A NULL argument means something to these, as in the original.
NOT_STRICT = ("break", "loop", "loop_prefix_op", "if_then_op", "if_else_op", "wait_for_schedule", "run")


def text_functions(session):
    """(name, argument count) of every df function whose arguments are all text."""
    return session.query("""
        SELECT p.proname::text, p.pronargs::int FROM pg_proc p
         WHERE p.pronamespace = 'df'::regnamespace AND p.prokind = 'f' AND p.pronargs > 0
           AND NOT EXISTS (SELECT FROM unnest(p.proargtypes) t WHERE t <> 'text'::regtype)
         ORDER BY 1, 2""")


@suite.test
def before(cluster):
    """Note when the server started, and get an executor going."""
    BEGAN["at"] = cluster.started()
    with cluster.connect(user="mallory") as session:
        run(session, "'SELECT 1'")


@suite.test
def every_function_every_text(cluster):
    """Each all-text function with each nasty text in each place: a value, or an error with a fitting SQLSTATE."""
    with cluster.connect(user="mallory") as session:
        problems = []
        for name, count in text_functions(session):
            for what, text in NASTY.items():
                for place in range(count):
                    arguments = ["SELECT 1"] * count
                    arguments[place] = text
                    call = "SELECT df.%s(%s)" % (name, ", ".join("$%d::text" % (n + 1) for n in range(count)))
                    try:
                        session.query(call, *arguments)
                    except PgError as error:
                        if error.lost:
                            raise AssertionError("df.%s, %s in place %d: session lost" % (name, what, place))
                        if error.sqlstate == "XX000":
                            problems.append("df.%s, %s: XX000 %.100s" % (name, what, error.message))
        same(problems, [])
        session.execute("SELECT df.cancel(id) FROM df.instances WHERE status IN ('pending', 'running')")


@suite.test
def nulls(cluster):
    """NULL in any argument: NULL from strict functions, a clear error from df.start."""
    with cluster.connect(user="mallory") as session:
        for name, count in text_functions(session):
            for place in range(count):
                arguments = ["NULL" if n == place else "'SELECT 1'" for n in range(count)]
                if name in ("start", "grant_usage", "revoke_usage", *NOT_STRICT):
                    continue
                same(session.value("SELECT df.%s(%s)" % (name, ", ".join(arguments))), None, name)
        has(session.error("SELECT df.start(NULL)").message, "must not be null")
        has(session.error("SELECT df.start('SELECT 1', NULL, NULL, NULL)").message, "must not be null")
        same(session.value("SELECT df.sleep(NULL)"), None)
        same(session.value("SELECT df.wait_for_schedule(NULL, 'UTC')"), None)
        same(session.value("SELECT df.wait_for_schedule('@daily', NULL) = df.wait_for_schedule('@daily')"), True)
        same(session.value("SELECT df.break(NULL) = df.break()"), True)
        same(session.value("SELECT df.loop('SELECT 1', NULL) = df.loop('SELECT 1')"), True)
        has(session.error("SELECT df.loop(NULL)").message, "must not be null")
        same(session.query("SELECT * FROM df.instance_nodes(NULL)"), [])
        same(session.query("SELECT * FROM df.instance_info(NULL)"), [])
        error = session.error("SELECT * FROM df.list_instances(NULL, NULL)")
        has(error.message, "must not be null")


@suite.test
def every_graph_runs_or_fails(cluster):
    """Each nasty envelope that df.start accepts ends by itself or can be cancelled; executors survive all of them."""
    with cluster.connect(user="mallory") as session:
        started = []
        for what, text in NASTY.items():
            try:
                started.append((what, session.value("SELECT df.start($1::text, $2::text)", text, what)))
            except PgError as error:
                assert not error.lost and error.sqlstate != "XX000", (what, error.fields)

        def live():
            return session.query("SELECT label FROM df.instances WHERE status IN ('pending', 'running')")
        try:
            wait_until(lambda: len(live()) <= 3, 60, "nearly all have ended")
        except AssertionError:
            raise AssertionError("still there: %s" % live())
        session.execute("SELECT df.cancel(id) FROM df.instances WHERE status IN ('pending', 'running')")
        for what, instance in started:
            settle(session, instance)
            session.query("SELECT * FROM df.instance_nodes($1)", instance)
            session.query("SELECT df.explain($1), df.result($1)", instance)
        run(session, "'SELECT 1'")


@suite.test
def limits(cluster):
    """Depth, nodes, labels, ids, counts: each limit gives a clear error that names it."""
    with cluster.connect(user="mallory") as session:
        run(session, literal(nest(256)), 60)
        has(session.error("SELECT df.start($1::text)", nest(257)).message, "maximum nesting depth of 256")
        many = '{"node_type":"JOIN","left_node":%s,"right_node":%s,"extra_nodes":[%s]}'
        leaf = '{"node_type":"SQL","query":"SELECT 1"}'
        has(session.error("SELECT df.start($1::text)", many % (leaf, leaf, ",".join([leaf] * 9998))).message,
            "maximum node count of 10000")
        has(session.error("SELECT df.start('SELECT 1', repeat('x', 2000000))").message, "label")
        has(session.error("SELECT df.start(repeat('x', 6000000))").message, "graph")
        has(session.error("SELECT df.list_instances(NULL, 0)").message, "limit_count must be at least 1")
        has(session.error("SELECT df.list_instances(NULL, 2000)").message, "list_instances_max_limit")
        has(session.error("SELECT df.sleep(-1)").message, "Sleep duration must be non-negative")
        has(session.error("SELECT df.as('SELECT 1', 'a b')").message, "is not a valid identifier")
        has(session.error("SELECT df.as('SELECT 1', '')").message, "result name cannot be empty")
        has(session.error("SELECT df.start('SELECT 1', NULL, 'nowhere')").message, 'database "nowhere" does not exist')
        has(session.error("SELECT df.start('SELECT 1', NULL, NULL, 'odd')").message, "invalid transaction_mode")
        has(session.error("SELECT df.await_instance('00000000', 0)").message, "Timeout must be positive")


@suite.test
def result_size(cluster):
    """A result larger than pg_durable.max_result_size fails its step with 54000 and the setting's name."""
    with cluster.connect(user="mallory") as session:
        for sql in ("SELECT repeat('x', 40000000)", "SELECT repeat('x', 100) FROM generate_series(1, 1000000)",
                    "SELECT array_agg(n) FROM generate_series(1, 10000000) n"):
            instance = run(session, literal(sql), 60, "failed")
            has(output(session, instance), "max_result_size")
        run(session, "'SELECT repeat(''x'', 1000000)' |=> 'x' ~> 'SELECT length($x)'")


@suite.test
def odd_steps(cluster):
    """Statements that a step cannot be: transaction control and COPY from or to the client fail with a clear error."""
    with cluster.connect(user="mallory") as session:
        session.execute("CREATE TABLE mallory.t (n int)")
        for sql in ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT a", "PREPARE TRANSACTION 'x'", "ROLLBACK PREPARED 'x'",
                    "SELECT 1; COMMIT; SELECT 2", "START TRANSACTION", "COPY mallory.t FROM STDIN",
                    "COPY mallory.t TO STDOUT", "COPY (SELECT 1) TO STDOUT", "not sql", "SELECT $1", "SELECT 1/0",
                    "SELECT '", "SELECT /*", "SELECT (" + "(" * 5000, "SELECT " + "-" * 0 + "1" + "+1" * 20000 + "+'x'",
                    "DO $$ BEGIN RAISE EXCEPTION 'a' USING ERRCODE = '57P01'; END $$",
                    "DO $$ BEGIN RAISE EXCEPTION 'a' USING ERRCODE = '40001'; END $$",
                    "DO $$ BEGIN RAISE EXCEPTION 'a' USING ERRCODE = 'XX000'; END $$"):
            instance = run(session, literal(sql), 30, "failed")
            same(session.value("SELECT df.result($1)", instance), None, sql)
        for sql in ("", ";", "-- nothing", "SELECT", "SELECT 1;;", "SET x.y = 1", "LISTEN a", "NOTIFY a",
                    "VALUES (1), (2)", "TABLE mallory.t", "EXPLAIN SELECT 1", "SHOW ALL", "DISCARD ALL", "RESET ALL"):
            settle(session, start(session, literal(sql)))
        run(session, "'SELECT 1'")


@suite.test
def encodings(cluster):
    """Steps in databases of other encodings, with characters that these cannot hold."""
    for encoding in ("LATIN1", "SQL_ASCII", "EUC_JP"):
        name = "db_" + encoding.lower()
        cluster.psql("CREATE DATABASE %s ENCODING '%s' TEMPLATE template0 LOCALE 'C'" % (name, encoding))
        cluster.psql("CREATE EXTENSION pg_durable; SELECT df.grant_usage('mallory')", db=name)
        client = None if encoding == "SQL_ASCII" else "UTF8"
        with cluster.connect(user="mallory", db=name, client_encoding=client) as session:
            run(session, "'SELECT 1' |=> 'x' ~> 'SELECT $x'")
            for text in ("é", "日本", "🙂", "\x7f", "a" * 100):
                try:
                    instance = session.value("SELECT df.start(df.sql($1::text), $2::text)", "SELECT '%s'" % text, text)
                    settle(session, instance)
                    session.query("SELECT * FROM df.instance_nodes($1)", instance)
                except PgError as error:
                    assert not error.lost and error.sqlstate != "XX000", error.fields
            if encoding == "SQL_ASCII":
                for raw in (b"\xff", b"\xc3", b"\xe2\x80"):
                    try:
                        session.query("SELECT df.start($1::text)", b"SELECT '" + raw + b"'")
                    except PgError as error:
                        assert not error.lost and error.sqlstate != "XX000", error.fields
            run(session, "'SELECT 2'")


@suite.test
def substituted_values(cluster):
    """Values that look like SQL stay values, in every place, with standard_conforming_strings on and off."""
    values = ["'", "\\'", "\\", "$$", "*/", "--", "{}", '",NULL,"', "\\' || current_user -- ", "'; DROP TABLE t; --",
              "{x}", "$x", "%s", "\u2019", "'\u0301", "a\nb", "x" * 100000]
    for conforming in ("on", "off"):
        cluster.psql("ALTER ROLE mallory SET standard_conforming_strings = %s" % conforming)
        with cluster.connect(user="mallory") as fresh:
            fresh.execute("SET standard_conforming_strings = on;"
                          "CREATE TABLE IF NOT EXISTS mallory.v (k int, v text); TRUNCATE mallory.v")
            for key, value in enumerate(values):
                fresh.execute("INSERT INTO mallory.v VALUES ($1::int, $2::text)", key, value)
            # New processes have the role's new setting.
            for pid in cluster.processes("durable executor"):
                cluster.query("SELECT pg_terminate_backend(%d)" % pid)
            for key, value in enumerate(values):
                instance = run(fresh, "'SELECT v FROM mallory.v WHERE k = %d' |=> 'x' ~> "
                               "'SELECT count(*) AS n FROM mallory.v WHERE k = %d AND v = $x'" % (key, key))
                same(output(fresh, instance), '{"rows":[{"n":1}],"row_count":1}', repr(value[:50]))
            instance = run(fresh, "'SELECT v FROM mallory.v' |=> 'x' ~> "
                           "'SELECT count(*) AS n FROM mallory.v WHERE v = ANY($x)'")
            same(output(fresh, instance), '{"rows":[{"n":%d}],"row_count":1}' % len(values), "ANY")
    cluster.psql("ALTER ROLE mallory RESET standard_conforming_strings")


@suite.test
def after(cluster):
    """The server was never restarted."""
    same(cluster.started(), BEGAN["at"], "postmaster start time")
    same(cluster.crashes(), 0)


suite.main()
