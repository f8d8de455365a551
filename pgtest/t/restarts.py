#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""A restart in the middle of every kind of node: nothing is lost, nothing happens twice, and what became due meanwhile
happens at once, in the order in which it was due.
"""
# long
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from http_suite import http, peer, prepare_http  # noqa: E402
from suite import Suite, dollar, literal, same, settle, start, wait_until  # noqa: E402

suite = Suite(**{"pg_durable.max_executors": "16", "pg_durable.max_executors_per_role": "16",
                 "pg_durable.loop_min_interval": "3s", "pg_durable.executor_idle_timeout": "'1s'"})
suite.prepare = prepare_http


def note(what):
    """A step that notes `what`."""
    return dollar("INSERT INTO alice.effects (what) VALUES ('%s')" % what)


def slow(what, result="true"):
    """A step that notes `what`, then takes two seconds, and returns `result`."""
    return dollar("WITH e AS (INSERT INTO alice.effects (what) VALUES ('%s') RETURNING 1), s AS MATERIALIZED "
                  "(SELECT pg_sleep(2)) SELECT %s AS v FROM e, s" % (what, result))


def answered(name):
    """A step that notes the status of the answer kept as `name`."""
    return dollar("INSERT INTO alice.effects (what) SELECT ($%s)::jsonb ->> 'status'" % name)


BREAK = dollar('{"node_type":"BREAK","query":"{\\"break_value\\":\\"out\\"}"}')
# By name: what stands between the steps `before` and `after`, and what it notes, in any order.
NODES = {
    "sql": (slow("in"), ["in"]),
    "sleep": ("df.sleep(3)", []),
    "signal": ("df.wait_for_signal('go') |=> 's' ~> %s" % dollar(
        "INSERT INTO alice.effects (what) SELECT ($s)::jsonb -> 'data' ->> 'n'"), ["1"]),
    "stored signal": ("df.sleep(3) ~> df.wait_for_signal('early') |=> 's' ~> %s" % dollar(
        "INSERT INTO alice.effects (what) SELECT ($s)::jsonb -> 'data' ->> 'n'"), ["2"]),
    "timeout": ("df.wait_for_signal('never', 3) |=> 's' ~> %s" % dollar(
        "INSERT INTO alice.effects (what) SELECT ($s)::jsonb ->> 'timed_out'"), ["true"]),
    "join": ("df.join3(%s, df.sleep(3) ~> %s, df.wait_for_signal('go') ~> %s)" % (slow("a"), note("b"), note("c")),
             ["a", "b", "c"]),
    "race": ("((df.sleep(3) ~> %s) | (df.wait_for_signal('never') ~> %s))" % (note("won"), note("lost")), ["won"]),
    "race of steps": ("(%s | (df.sleep(60) ~> %s))" % (slow("won"), note("lost")), ["won"]),
    "condition": ("df.if(%s, %s, %s)" % (slow("tested", "false"), note("yes"), note("no")), ["tested", "no"]),
    "if_rows": ("%s |=> 'r' ~> df.if_rows('r', %s, %s) ~> df.if_rows('none', %s, %s)" % (
        "'SELECT 1 WHERE false' |=> 'none' ~> " + slow("looked"), slow("rows"), note("no rows"), note("some"),
        note("none")), ["looked", "rows", "none"]),
    "http": ("%s |=> 'h' ~> %s" % (http("slow/4/http"), answered("h")), ["200"]),
    "http_multipart": ("df.http_multipart(%s, 'POST', %s) |=> 'h' ~> %s" % (
        literal(peer.url("slow/4/parts")), literal('[{"name": "f", "data_b64": "aGVsbG8="}]'), answered("h")), ["200"]),
    "loop": ("df.loop(%s, %s)" % (note("round"), dollar(
        "SELECT count(*) < 3 FROM alice.effects WHERE what = 'round' AND instance = '{sys_instance_id}'")),
        ["round"] * 3),
    "break": ("df.loop(df.if(%s, %s, %s))" % (slow("tested"), BREAK, note("never")), ["tested"]),
    "break after a pause": ("df.loop(df.if(%s, %s, %s))" % (dollar(
        "SELECT count(*) > 0 FROM alice.effects WHERE what = 'once' AND instance = '{sys_instance_id}'"), BREAK,
        note("once")), ["once"]),
}


# Requests that a restart finds under way are sent again, with the key that the peer has seen.
REQUESTS = ["/slow/4/http", "/slow/4/parts"]


def begin(session):
    """One instance per kind of node; their ids by name, once each of them is in the middle."""
    session.execute("""
        DROP TABLE IF EXISTS alice.effects;
        CREATE TABLE alice.effects (id bigint GENERATED ALWAYS AS IDENTITY, what text,
            instance text DEFAULT current_setting('application_name'))""")
    instances = {}
    for name, (graph, _) in NODES.items():
        # Each step notes the instance it belongs to.
        own = ("%s ~> %s ~> %s" % (note("before"), graph, note("after"))).replace(
            "effects (what) VALUES (", "effects (instance, what) VALUES ('{sys_instance_id}', ").replace(
            "effects (what) SELECT ", "effects (instance, what) SELECT '{sys_instance_id}', ")
        instances[name] = start(session, own)
    session.value("SELECT df.signal($1, 'early', '{\"n\": 2}')", instances["stored signal"])
    wait_until(lambda: session.value("SELECT count(*) FROM alice.effects WHERE what = 'before'") == len(NODES), 20,
               "all have begun")
    wait_until(lambda: all(peer.arrived(path) for path in REQUESTS), 10, "both requests are under way")
    time.sleep(0.7)
    return instances


def asleep_for_years(session):
    """A schedule that comes next on a 29th of February, and when."""
    instance = start(session, "df.wait_for_schedule('0 0 29 2 *') ~> 'SELECT 1'")
    wait_until(lambda: session.value("SELECT df.status($1)", instance) == "running", 10, "it waits")
    return instance


DUE = ("SELECT t.due FROM df_internal.timers t JOIN df_internal.instances i ON i.id = t.instance "
       "WHERE i.public_id = $1")

LEFT = "SELECT (SELECT count(*) FROM df_internal.active), (SELECT count(*) FROM df_internal.timers)"


def check(cluster, mode):
    with cluster.connect(user="alice") as session:
        peer.seen.clear()
        scheduled = asleep_for_years(session)
        due = wait_until(lambda: cluster.value(DUE, scheduled), 10, "the timer of the schedule")
        instances = begin(session)
        same([n for n, i in instances.items() if session.value("SELECT df.status($1)", i) != "running"], [])
    cluster.restart(mode)
    with cluster.connect(user="alice") as session:
        for name in ("signal", "join"):
            session.value("SELECT df.signal($1, 'go', '{\"n\": 1}')", instances[name])
        for name, instance in instances.items():
            same(settle(session, instance), "completed", name)
            rows = [r[0] for r in session.query(
                "SELECT what FROM alice.effects WHERE instance = $1 ORDER BY id", instance)]
            same((rows[0], rows[-1]), ("before", "after"), name)
            same(sorted(rows[1:-1]), sorted(NODES[name][1]), name)
        for path in REQUESTS:
            same(len({entry[2]["Idempotency-Key"] for entry in peer.arrived(path)}), 1, "keys of " + path)
            same(len(peer.arrived(path)), 2, "sent before and after the restart: " + path)
        same(session.value("SELECT df.status($1)", scheduled), "running")
        same(cluster.value(DUE, scheduled), due, "the schedule's next tick")
        session.value("SELECT df.cancel($1)", scheduled)
        same(settle(session, scheduled), "cancelled")
    # A cancelled function is said to be so before an executor has put its things away.
    wait_until(lambda: cluster.query(LEFT) == [(0, 0)], 10, "nothing is left behind")


@suite.test
def fast(cluster):
    """A fast restart in the middle of every kind of node."""
    check(cluster, "fast")


@suite.test
def immediate(cluster):
    """The server goes down without a word in the middle of every kind of node."""
    check(cluster, "immediate")


# What waits for a timer, with the seconds it waits, and what is noted after it. The loop notes its second round.
WAITS = {
    "sleep": "df.sleep(%d)", "longer sleep": "df.sleep(%d)",
    "timeout": "df.wait_for_signal('never', %d)", "longer timeout": "df.wait_for_signal('never', %d)",
    "schedule": "df.wait_for_schedule('* * * * *')",
    "loop": "df.loop(%s, 'SELECT count(*) < 2 FROM alice.rounds')" % dollar(
        "WITH r AS (INSERT INTO alice.rounds VALUES (1)) INSERT INTO alice.effects (what) "
        "SELECT 'pause' FROM alice.rounds"),
    "retry": "df.http(%s || '%%d', 'GET', retries => 1)" % literal(peer.url("flaky/1/503/")),
}
TIMERS = ("SELECT i.label, t.due FROM df_internal.timers t JOIN df_internal.instances i ON i.id = t.instance "
          "ORDER BY t.due")


def set_timers(cluster, session):
    """Start one function for each of WAITS; their names in the order in which they are due, the retry as the last."""
    session.execute("DROP TABLE IF EXISTS alice.effects, alice.rounds; CREATE TABLE alice.rounds (n int);"
                    "CREATE TABLE alice.effects (id bigint GENERATED ALWAYS AS IDENTITY, what text, "
                    "at timestamptz DEFAULT clock_timestamp())")
    minute = int(time.time()) // 60 * 60 + 60
    if minute - time.time() < 15:
        time.sleep(minute - time.time() + 0.1)
        minute += 60
    # Some before the minute, some after it.
    due = {"sleep": -4, "longer sleep": 3, "timeout": -2, "longer timeout": 5, "retry": 7}
    for name, graph in WAITS.items():
        graph = graph % (minute + due[name] - int(time.time())) if name in due else graph
        start(session, "%s ~> %s" % (graph, note(name)), name)
    wait_until(lambda: cluster.value("SELECT count(*) FROM df_internal.timers") == len(WAITS), 9, "all timers are set")
    names = [row[0] for row in cluster.query(TIMERS)]
    same((sorted(names), names[-1]), (sorted(WAITS), "retry"))
    return minute, names


@suite.test
def timers_that_became_due(cluster):
    """Timers of every kind that became due while the server was down: one executor takes them at once, in order."""
    cluster.configure(**{"pg_durable.max_executors_per_role": "1", "pg_durable.max_executors": "1",
                         "pg_durable.loop_min_interval": "'10s'"})
    cluster.restart()
    with cluster.connect(user="alice") as session:
        minute, names = set_timers(cluster, session)
    cluster.stop("immediate")
    time.sleep(max(minute + 7.5 - time.time(), 0))
    cluster.start()
    ready = time.time()
    with cluster.connect(user="alice") as session:
        wait_until(lambda: session.value("SELECT count(*) FROM df.instances WHERE status <> 'completed' "
                                         "AND label = ANY ($1)", "{%s}" % ",".join(WAITS)) == 0, 30, "all complete")
        rows = session.query("SELECT what, extract(epoch FROM at)::float8 FROM alice.effects "
                             "WHERE what <> 'pause' ORDER BY id")
        same([row[0] for row in rows], names)
        times = [row[1] for row in rows[:-1]]
        print("    %.2f s after the server was there; from the first to the last %.3f s" % (
            times[0] - ready, times[-1] - times[0]))
        # The request takes a way through another process; the others wait for nobody.
        if times[0] > ready + 2 or times[-1] > times[0] + 0.5 or rows[-1][1] > ready + 4:
            raise AssertionError("late after the start at %.2f: %s" % (ready, rows))


suite.main()
