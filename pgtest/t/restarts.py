#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""A restart in the middle of every kind of node: nothing is lost, nothing happens twice, and what became due meanwhile
happens at once, in the order in which it was due.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from suite import Suite, dollar, same, settle, start, wait_until  # noqa: E402

suite = Suite(**{"pg_durable.max_executors": "16", "pg_durable.max_executors_per_role": "16",
                 "pg_durable.loop_min_interval": "3s", "pg_durable.executor_idle_timeout": "'1s'"})


def note(what):
    """A step that notes `what`."""
    return dollar("INSERT INTO alice.effects (what) VALUES ('%s')" % what)


def slow(what, result="true"):
    """A step that notes `what`, then takes two seconds, and returns `result`."""
    return dollar("WITH e AS (INSERT INTO alice.effects (what) VALUES ('%s') RETURNING 1), s AS MATERIALIZED "
                  "(SELECT pg_sleep(2)) SELECT %s AS v FROM e, s" % (what, result))


SCHEDULE = dollar('{"node_type":"WAIT_SCHEDULE","query":"{\\"cron_expr\\":\\"* * * * *\\"}"}')
BREAK = dollar('{"node_type":"BREAK","query":"{\\"break_value\\":\\"out\\"}"}')
# By name: what stands between the steps `before` and `after`, and what it notes, in any order.
NODES = {
    "sql": (slow("in"), ["in"]),
    "sleep": ("df.sleep(3)", []),
    "schedule": (SCHEDULE, []),
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
    "loop": ("df.loop(%s, %s)" % (note("round"), dollar(
        "SELECT count(*) < 3 FROM alice.effects WHERE what = 'round' AND instance = '{sys_instance_id}'")),
        ["round"] * 3),
    "break": ("df.loop(df.if(%s, %s, %s))" % (slow("tested"), BREAK, note("never")), ["tested"]),
    "break after a pause": ("df.loop(df.if(%s, %s, %s))" % (dollar(
        "SELECT count(*) > 0 FROM alice.effects WHERE what = 'once' AND instance = '{sys_instance_id}'"), BREAK,
        note("once")), ["once"]),
}


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
    time.sleep(0.7)
    return instances


def check(cluster, mode):
    with cluster.connect(user="alice") as session:
        instances = begin(session)
        same([n for n, i in instances.items() if session.value("SELECT df.status($1)", i) != "running"], [])
    cluster.restart(mode)
    with cluster.connect(user="alice") as session:
        for name in ("signal", "join"):
            session.value("SELECT df.signal($1, 'go', '{\"n\": 1}')", instances[name])
        for name, instance in instances.items():
            same(settle(session, instance, 75 if name == "schedule" else 30), "completed", name)
            rows = [r[0] for r in session.query(
                "SELECT what FROM alice.effects WHERE instance = $1 ORDER BY id", instance)]
            same((rows[0], rows[-1]), ("before", "after"), name)
            same(sorted(rows[1:-1]), sorted(NODES[name][1]), name)
    same(cluster.query("SELECT (SELECT count(*) FROM df_internal.active), (SELECT count(*) FROM df_internal.timers)"),
         [(0, 0)], "left behind")


@suite.test
def fast(cluster):
    """A fast restart in the middle of every kind of node."""
    check(cluster, "fast")


@suite.test
def immediate(cluster):
    """The server goes down without a word in the middle of every kind of node."""
    check(cluster, "immediate")


@suite.test
def timers_that_became_due(cluster):
    """Timers of every kind that became due while the server was down: one executor takes them by due time."""
    cluster.reload(**{"pg_durable.max_executors_per_role": "1", "pg_durable.max_executors": "1"})
    waits = [(7, "df.sleep(7)"), (3, "df.wait_for_signal('never', 3)"), (5, "df.sleep(5)"),
             (4, "df.sleep(4)"), (6, "df.wait_for_signal('never', 6)"), (2, "df.sleep(2)")]
    with cluster.connect(user="alice") as session:
        session.execute("DROP TABLE IF EXISTS alice.effects; CREATE TABLE alice.effects "
                        "(id bigint GENERATED ALWAYS AS IDENTITY, what text, at timestamptz DEFAULT clock_timestamp())")
        instances = [start(session, "%s ~> %s" % (wait, note(str(due)))) for due, wait in waits]
        wait_until(lambda: cluster.value("SELECT count(*) FROM df_internal.timers") == len(waits), 2, "timers are set")
        cluster.stop("immediate")
        time.sleep(7.5)
        cluster.start()
    with cluster.connect(user="alice") as session:
        for instance in instances:
            same(settle(session, instance), "completed")
        same([row[0] for row in session.query("SELECT what FROM alice.effects ORDER BY id")],
             [str(due) for due, _ in sorted(waits)])
        late = session.value("SELECT extract(epoch FROM max(at) - pg_postmaster_start_time())::float8 "
                             "FROM alice.effects")
        if late > 5:
            raise AssertionError("the last of them was %.1f s late" % late)


suite.main()
