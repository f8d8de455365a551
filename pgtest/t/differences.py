#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""What docs/differences.md says and no other suite shows: where we are better than the original on purpose."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from suite import PgError, Suite, has, output, run, same, settle, start, wait_until  # noqa: E402

suite = Suite()


def value(session, graph):
    """The value of the graph, run to its end."""
    return json.loads(session.value("SELECT df.result($1)", run(session, graph)))


def first(session, graph):
    """The first row of the graph's value."""
    return value(session, graph)["rows"][0]


def report(cluster, instance):
    """The stored report of a failed instance."""
    return json.loads(cluster.value("SELECT failure FROM df_internal.ended e JOIN df_internal.instances i"
                                    " ON i.id = e.instance WHERE i.public_id = $1", instance))


@suite.test
def variables_in_braces(cluster):
    """Each {name} is replaced on its own, inside JSON braces too; what is no variable stays."""
    with cluster.connect(user="alice") as session:
        session.value("SELECT df.setvar('m', 'gpt'), df.setvar('n', '1')")
        text = '{"model": "{m}", "n": {n}, "o": {"m": "{m}"}, "x": "{no}", "y": "{ m }"}'
        same(first(session, "$q$ SELECT $j$%s$j$ AS t $q$" % text)["t"],
             '{"model": "gpt", "n": 1, "o": {"m": "gpt"}, "x": "{no}", "y": "{ m }"}')
        same(first(session, "$q$ SELECT '{{m}}' AS t $q$")["t"], "{gpt}")
        session.value("SELECT df.clearvars()")


@suite.test
def break_values(cluster):
    """`$x` and `{name}` in a break's value are replaced, bare."""
    with cluster.connect(user="alice") as session:
        session.value("SELECT df.setvar('v', '7')")
        same(value(session, "df.loop(('SELECT 5 AS a, ''x y'' AS b' |=> 'r') ~>"
                            " df.break('{\"a\": $r.a, \"b\": \"$r.b\", \"v\": {v}}'))"), {"a": 5, "b": "x y", "v": 7})
        session.value("SELECT df.clearvars()")


@suite.test
def references_in_comments(cluster):
    """A reference in a comment is left alone, even one that could not be replaced."""
    with cluster.connect(user="alice") as session:
        same(first(session, "('SELECT 1 WHERE false' |=> 'x') ~> E'SELECT 1 AS a -- $x\\n /* $x.y $x.* */'"), {"a": 1})


@suite.test
def unknown_names(cluster):
    """An unknown `$name` is the server's own error, with a hint that lists the names known at that point."""
    with cluster.connect(user="alice") as session:
        failed = report(cluster, run(session, "('SELECT 1 AS a' |=> 'x') ~> ('SELECT 2' |=> 'y') ~> 'SELECT $z'",
                                     status="failed"))
        same(failed["sqlstate"], "42601")
        has(failed["message"], "syntax error at or near")
        has(failed["hint"], "names known are: x, y")


@suite.test
def names_on_waits(cluster):
    """Sleeps and breaks have values that later steps can use under their names; so has a loop that one left."""
    with cluster.connect(user="alice") as session:
        same(first(session, "(df.sleep(0) |=> 's') ~> 'SELECT $s.seconds AS n, ($s::jsonb->>''slept'')::bool AS b'"),
             {"n": 0, "b": True})
        same(first(session, "(df.loop(df.break('3')) |=> 'l') ~> 'SELECT $l::int + 1 AS n'"), {"n": 4})
        named = "df.loop('SELECT 5 AS a' |=> 'r' ~> (df.break('{\"k\": $r}') |=> 'b'))"
        same(first(session, "(%s |=> 'l') ~> 'SELECT $b.k AS k, $r AS r, $l.k AS l'" % named), {"k": 5, "r": 5, "l": 5})
        # In a loop that is entered again the name has the last value.
        counted = ("df.loop('SELECT nextval(''alice.turns'') AS n' |=> 'n' ~> df.loop(df.break('$n') |=> 'b') "
                   "~> 'SELECT $b::int AS b' |=> 'seen', 'SELECT $b < 3')")
        session.execute("CREATE SEQUENCE alice.turns")
        same(first(session, counted + " ~> 'SELECT $b AS b, $seen AS seen'"), {"b": "3", "seen": 3})


@suite.test
def affected_rows(cluster):
    """DML without RETURNING reports how many rows it affected; df.if_rows goes by that."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.rows (n int)")
        same(value(session, "'INSERT INTO alice.rows SELECT generate_series(1, 3)'"), {"rows": [], "row_count": 3})
        branch = "df.if_rows('d', 'SELECT ''some'' AS a', 'SELECT ''none'' AS a')"
        for n, expected in ((2, "some"), (9, "none")):
            same(first(session, "('DELETE FROM alice.rows WHERE n = %d' |=> 'd') ~> %s" % (n, branch))["a"], expected)


@suite.test
def unknown_ids(cluster):
    """An unknown id is said to be unknown, at once."""
    with cluster.connect(user="alice") as session:
        error = session.error("SELECT df.await_instance('00000000', 60)")
        same((error.sqlstate, "Instance not found: 00000000" in str(error)), ("42704", True))


@suite.test
def failed_has_no_result(cluster):
    """df.result of a failed instance is NULL, also after a break outside of a loop."""
    with cluster.connect(user="alice") as session:
        for graph in ("'SELECT 1' ~> 'SELECT 1/0'", "df.break('1')", "'SELECT 1' & df.break('2')"):
            instance = run(session, graph, status="failed")
            same(session.value("SELECT df.result($1)", instance), None, graph)
        has(output(session, instance), "df.break() was called outside of a loop")


@suite.test
def race_losers(cluster):
    """The loser's running statement is cancelled and undone, and its loop's row says so at any iteration."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.lost (n int)")
        instance = run(session, "df.sleep(1) | 'INSERT INTO alice.lost SELECT 1 FROM pg_sleep(600)'", seconds=10)
        same(json.loads(session.value("SELECT df.result($1)", instance)), {"slept": True, "seconds": 1})
        wait_until(lambda: not session.value(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO alice.lost%' AND state = 'active'"),
            5, "the loser is gone")
        same(session.value("SELECT count(*) FROM alice.lost"), 0)
        instance = run(session, "df.race(df.sleep(3), df.loop('SELECT 1'))")
        rows = session.query("SELECT status, result, status_details::jsonb->>'execution_id' FROM"
                             " df.instance_nodes($1) WHERE node_type = 'LOOP'", instance)
        same(rows[0][:2], ("failed", '"Loop branch cancelled after losing RACE"'))
        if int(rows[0][2].split(":")[-1]) < 2:
            raise AssertionError("the loop was in its first iteration: %s" % rows)


@suite.test
def loop_limits(cluster):
    """pg_durable.loop_min_interval may be 0; pg_durable.loop_max_iterations ends a loop; 0 is no limit."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE SEQUENCE alice.n")
        cluster.reload(**{"pg_durable.loop_min_interval": "0"})
        try:
            run(session, "df.loop('SELECT nextval(''alice.n'')', 'SELECT last_value < 500 FROM alice.n')", seconds=60)
            cluster.reload(**{"pg_durable.loop_max_iterations": "20"})
            wait_until(lambda: session.value("SHOW pg_durable.loop_max_iterations") == "20", 10, "the reload")
            instance = run(session, "df.loop('SELECT 1')", status="failed")
            has(output(session, instance), "Loop exceeded maximum iteration count of 20")
        finally:
            cluster.reload(**{"pg_durable.loop_min_interval": "1s", "pg_durable.loop_max_iterations": "0"})


@suite.test
def extreme_arguments(cluster):
    """Any bigint is honoured or refused: sleeps, timeouts, limits."""
    with cluster.connect(user="alice") as session:
        same(session.error("SELECT df.sleep(-9223372036854775808)").sqlstate, "22023")
        for seconds in (100_000_000_000, 9223372036854775807):
            instance = start(session, "df.sleep(%d)" % seconds)
            wait_until(lambda: session.value("SELECT df.status($1)", instance) == "running", 10, "it sleeps")
            session.value("SELECT df.cancel($1)", instance)
            same(settle(session, instance, 5), "cancelled")
        for seconds in (214748365, 2147483647):
            instance = start(session, "'SELECT pg_sleep(0.5)'")
            same(session.value("SELECT df.await_instance($1, %d)" % seconds, instance), "completed")
        for seconds in (0, -1, -2147483648):
            same(session.error("SELECT df.await_instance('00000000', %d)" % seconds).sqlstate, "22023")
            same(session.error("SELECT df.wait_for_signal('a', %d)" % seconds).sqlstate, "22023")
            same(session.error("SELECT * FROM df.list_instances(NULL, %d)" % seconds).sqlstate, "22023")
        instance = start(session, "df.wait_for_signal('a', 2147483647)")
        session.value("SELECT df.signal($1, 'a')", instance)
        same(settle(session, instance), "completed")


@suite.test
def nul_escapes(cluster):
    """A \\u0000 is refused in a graph and in a signal, and fails the step whose result has it."""
    with cluster.connect(user="alice") as session:
        error = session.error("SELECT df.start($1)", '{"node_type":"SQL","query":"SELECT 1\\u0000"}')
        same(error.sqlstate[:2], "22", str(error))
        instance = start(session, "df.wait_for_signal('a')")
        same(session.error("SELECT df.signal($1, 'a', $2)", instance, '{"x": "\\u0000"}').sqlstate, "22P05")
        session.value("SELECT df.cancel($1)", instance)
        failed = run(session, "$q$ SELECT '{\"x\": \"\\u0000\"}'::json $q$", status="failed")
        same(session.query("SELECT status FROM df.nodes WHERE instance_id = $1", failed), [("failed",)])


@suite.test
def same_statement(cluster):
    """df.setvar may stand beside df.start in a statement; as a step it is refused."""
    with cluster.connect(user="alice") as session:
        row = session.query("SELECT df.setvar('a', '1'), df.start('SELECT 1 AS a')")[0]
        same(settle(session, row[1]), "completed")
        has(str(session.error("SELECT df.start(df.setvar('a', '1') ~> 'SELECT 1')")),
            "df.setvar cannot be used as a workflow step")
        session.value("SELECT df.clearvars()")


@suite.test
def parser_accidents(cluster):
    """What the original's parser lets through by accident is an error that says why."""
    with cluster.connect(user="alice") as session:
        for text, fragment in (
                ('["SQL",null,null,null,[],"SELECT 1",null]', "not an array"),
                ('{"node_type":"SELECT","query":"SELECT 1"}', "Unknown node_type 'SELECT'. Valid types:")):
            for call in ("df.start($1)", "df.seq($1, 'SELECT 1')"):
                error = session.error("SELECT " + call, text)
                same(error.sqlstate, "22023", text)
                has(str(error), fragment)


@suite.test
def databases(cluster):
    """Each database with the extension is served; pg_durable.database limits it to one."""
    for name in ("one", "two"):
        cluster.psql("CREATE DATABASE %s" % name)
        cluster.psql("SET client_min_messages = warning; CREATE EXTENSION pg_durable; SELECT df.grant_usage('bob')",
                     db=name)
    with cluster.connect(user="bob", db="one") as one, cluster.connect(user="bob", db="two") as two:
        started = [(s, start(s, "df.sleep(1) ~> 'SELECT current_database() AS db'")) for s in (one, two)]
        for session, instance in started:
            same(settle(session, instance), "completed")
        same([json.loads(s.value("SELECT df.result($1)", i))["rows"][0]["db"] for s, i in started], ["one", "two"])
    cluster.psql("CREATE DATABASE three")
    cluster.configure(**{"pg_durable.database": "'one'"})
    cluster.restart()
    try:
        with cluster.connect(db="three") as session:
            error = session.error("CREATE EXTENSION pg_durable")
            same(error.sqlstate, "P0001")
            for fragment in ("must be created in database", '"one"', '"three"'):
                has(error.message, fragment)
            has(error.hint, "CREATE EXTENSION")
            same(session.value("SELECT count(*) FROM pg_namespace WHERE nspname IN ('df', '_duroxide')"), 0)
    finally:
        cluster.configure(**{"pg_durable.database": "''"})
        cluster.restart()


def superusers_may(cluster, may):
    cluster.configure(**{"pg_durable.enable_superuser_instances": "on" if may else "off"})
    cluster.restart()


@suite.test
def superusers(cluster):
    """A superuser's instances wait while pg_durable.enable_superuser_instances is off, begun ones too."""
    superusers_may(cluster, True)
    with cluster.connect() as session:
        instance = start(session, "'SELECT 1' ~> df.sleep(1) ~> 'SELECT 2'")
        wait_until(lambda: session.value("SELECT df.status($1)", instance) == "running", 10, "it runs")
    superusers_may(cluster, False)
    time.sleep(3)
    with cluster.connect() as session:
        same(session.value("SELECT df.status($1)", instance), "running")
    superusers_may(cluster, True)
    with cluster.connect() as session:
        same(settle(session, instance), "completed")
    superusers_may(cluster, False)


@suite.test
def superusers_chores(cluster):
    """With the switch on, the original's examples of maintenance run as steps of a superuser."""
    superusers_may(cluster, True)
    with cluster.connect() as session, cluster.connect(user="bob") as idle:
        session.execute("CREATE TABLE public.chores AS SELECT generate_series(1, 1000) AS n")
        before = session.value("SELECT relfrozenxid::text::bigint FROM pg_class WHERE oid = 'public.chores'::regclass")
        run(session, "'VACUUM (ANALYZE) public.chores' ~> 'VACUUM (FREEZE, ANALYZE) public.chores'")
        same(session.query("SELECT reltuples::int, relfrozenxid::text::bigint > $1 FROM pg_class "
                           "WHERE oid = 'public.chores'::regclass", before), [(1000, True)])
        seen = first(session, "$q$SELECT count(*) AS n, bool_and(pg_terminate_backend(pid)) AS done FROM "
                              "pg_stat_activity WHERE usename = 'bob' AND state = 'idle' AND pid = %d$q$" % idle.pid)
        same(seen, {"n": 1, "done": True})
        wait_until(lambda: session.value("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", idle.pid) == 0, 10,
                   "the idle session is gone")
        same(first(session, "'SELECT current_user AS u, session_user AS s'"), {"u": "postgres", "s": "postgres"})
        session.execute("DROP TABLE public.chores")
    superusers_may(cluster, False)


@suite.test
def nothing_to_configure(cluster):
    """Steps run though pg_hba.conf lets the role in nowhere and pg_durable.worker_role is nobody; nobody is warned."""
    path = os.path.join(cluster.data, "pg_hba.conf")
    with open(path) as file:
        rules = file.read()
    cluster.configure(**{"pg_durable.worker_role": "'nobody at all'"})
    cluster.restart()
    try:
        cluster.psql("CREATE DATABASE bare")
        with cluster.connect(db="bare") as admin:
            admin.execute("CREATE EXTENSION pg_durable")
            same([n.message for n in admin.notices], [])
            admin.execute("SELECT df.grant_usage('alice')")
        with open(path, "w") as file:
            file.write("local all postgres trust\n")
        cluster.reload()
        wait_until(lambda: refused(cluster), 10, "alice is rejected")
        with cluster.connect(db="bare") as admin:
            admin.execute("SET ROLE alice")
            for mode in ("caller", "new"):
                instance = admin.value("SELECT df.start('SELECT session_user AS s', transaction_mode => $1)", mode)
                same(settle(admin, instance), "completed")
                same(admin.value("SELECT df.result($1)", instance), '{"rows": [{"s": "alice"}], "row_count": 1}')
    finally:
        with open(path, "w") as file:
            file.write(rules)
        del cluster.settings["pg_durable.worker_role"]
        cluster.configure()
        cluster.restart()


def refused(cluster):
    try:
        cluster.connect(user="alice", db="bare").close()
        return False
    except PgError as error:
        return "pg_hba.conf" in str(error)


suite.main()
