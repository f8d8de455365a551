#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Stored formats stay readable: instances as format 1 wrote them are shown, carried on and finished by today's library.

pgtest/data/format-1.sql is what a server running format 1 had in its tables; it never changes once released.
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from suite import Suite, has, run, same, settle, start, wait_until  # noqa: E402

suite = Suite()


def load(cluster):
    with open(os.path.join(HERE, "..", "data", "format-1.sql"), encoding="utf-8") as file:
        cluster.psql(file.read())
    cluster.restart()


@suite.test
def every_kind_of_entry_is_carried_on(cluster):
    """Race, join, signal, attempt, loop and timers in the middle of their work: the last step runs, once."""
    load(cluster)
    with cluster.connect(user="alice") as session:
        same(settle(session, "f0000001", 20), "completed")
        same(session.value("SELECT df.result('f0000001')"),
             '{"rows": [{"d": "{\\"ok\\": true}", "v": 42}], "row_count": 1}')
        same(settle(session, "f0000002", 20), "completed")
        same(session.value("SELECT count(*) FROM public.format_effects WHERE n < 30"), 2)
        nodes = dict(session.query("SELECT node_type || coalesce(query, ''), inferred_status "
                                   "FROM df.instance_nodes('f0000001') WHERE node_type IN ('SLEEP', 'SIGNAL', 'RACE')"))
        same(sorted(nodes.values()), ["completed", "completed", "skipped"])


@suite.test
def a_compacted_loop_is_carried_on(cluster):
    """A loop of which only a mark is left goes on at its 38th iteration, with what it kept under its name."""
    with cluster.connect(user="alice") as session:
        same(settle(session, "f0000003", 20), "completed")
        same(session.query("SELECT n FROM public.format_effects WHERE n >= 30 ORDER BY n"), [(39,), (40,)])
        same(session.value("SELECT df.result('f0000003')::jsonb -> 'rows' -> 0 ->> 'n'"), "40")


@suite.test
def what_had_ended_is_shown(cluster):
    """A failed, a completed and a cancelled instance keep their status, text and failure report."""
    with cluster.connect(user="alice") as session:
        same(session.query("SELECT id, status FROM df.instances WHERE id LIKE 'f000001%' ORDER BY id"),
             [("f0000011", "failed"), ("f0000012", "completed"), ("f0000013", "cancelled")])
        same(session.value("SELECT output FROM df.instance_info('f0000011')"), "boom")
        same(session.value("SELECT error FROM df.nodes WHERE instance_id = 'f0000011'"), "22012: boom")
        same(session.value("SELECT df.result('f0000012')"), '{"rows": [], "row_count": 7}')
        same(session.value("SELECT output FROM df.instance_info('f0000013')"), "canceled: why not")


def newer(cluster, session, graph, change):
    """An instance that waits, as another version would have stored it."""
    instance = start(session, graph)
    number = cluster.value("SELECT id FROM df_internal.instances WHERE public_id = $1", instance)
    wait_until(lambda: cluster.value("SELECT count(*) FROM df_internal.timers WHERE instance = $1", number) == 1, 10,
               "the timer")
    cluster.psql(change % {"id": number})
    return instance


@suite.test
def newer_formats_are_left_alone(cluster):
    """What a newer version has stored is neither run nor ended nor in anybody's way, and its owner is told why."""
    with cluster.connect(user="alice") as session:
        # each graph is a row of its own, so that only one of them is changed
        graph = "df.sleep(1) |=> '%s' ~> 'SELECT 1'"
        odd = [
            newer(cluster, session, graph % "a", "UPDATE df_internal.instances SET format = 2 WHERE id = %(id)d"),
            newer(cluster, session, graph % "b", "INSERT INTO df_internal.journal (instance, at, branch, sequence, "
                  "node, kind) VALUES (%(id)d, now(), 0, 2, 2, 99)"),
            newer(cluster, session, graph % "c", "UPDATE df_internal.graphs SET format = 2 WHERE id = (SELECT graph "
                  "FROM df_internal.instances WHERE id = %(id)d)"),
        ]
        cluster.restart()
    with cluster.connect(user="alice") as session:
        for instance in odd:
            same(session.value("SELECT df.signal($1, 'x')", instance), "OK")
        run(session, "df.sleep(2) ~> 'SELECT 1'", 20)
        cluster.restart()
    with cluster.connect(user="alice") as session:
        run(session, "df.sleep(1) ~> 'SELECT 1'", 20)
        for instance in odd:
            same(session.value("SELECT df.status($1)", instance), "running")
            error = session.error("SELECT df.explain('%s')" % instance)
            same(error.sqlstate, "0A000", error)
            has(error.detail, "newer version")
        for sql in ("SELECT count(*) FROM df.instances", "SELECT count(*) FROM df.nodes",
                    "SELECT count(*) FROM df.list_instances()"):
            session.query(sql)
            cluster.query(sql)
        cluster.query("SELECT * FROM df.metrics()")
        same(cluster.value("SELECT count(*) FROM df_internal.ended e JOIN df_internal.instances i ON i.id = e.instance "
                           "WHERE public_id = ANY ($1)", "{%s}" % ",".join(odd)), 0)
        # where a copy is adopted they are left alone, too
        cluster.psql("UPDATE df_internal.instances SET home = 4711")
        cluster.psql("SELECT df.adopt()")
        run(session, "'SELECT 1'")
        same(session.query("SELECT DISTINCT status FROM df.instances WHERE id = ANY ($1)",
                           "{%s}" % ",".join(odd)), [("running",)])
        has(cluster.text(), "durable function is left alone: ")


@suite.test
def newer_ends_are_left_alone(cluster):
    """An end of a kind that only a newer version knows is an end: nobody is held up by it, messages for it included."""
    with cluster.connect(user="alice") as session:
        instance = start(session, "df.wait_for_signal('never')")
        wait_until(lambda: session.value("SELECT df.status($1)", instance) == "running", 10, "it waits")
        number = cluster.value("SELECT id FROM df_internal.instances WHERE public_id = $1", instance)
        same(session.value("SELECT df.signal($1, 'early')", instance), "OK")
        cluster.psql("INSERT INTO df_internal.ended VALUES (%d, now(), 9, 'odd', NULL)" % number)
        same(cluster.value("SELECT count(*) FROM df_internal.signals WHERE instance = $1", number), 1)
        same(session.value("SELECT df.signal($1, 'late')", instance), "OK")
    cluster.restart()
    mark = cluster.text().rindex("is ready to accept connections")
    with cluster.connect(user="alice") as session:
        run(session, "df.sleep(1) ~> 'SELECT 1'", 20)
        session.query("SELECT * FROM df.instances")
        session.query("SELECT * FROM df.list_instances()")
        cluster.query("SELECT * FROM df.metrics()")
        same(session.error("SELECT df.status('%s')" % instance).sqlstate, "0A000")
    cluster.execute("CREATE ROLE leaver LOGIN; SELECT df.grant_usage('leaver')")
    with cluster.connect(user="leaver") as session:
        other = start(session, "df.sleep(100)")
    cluster.psql("INSERT INTO df_internal.ended SELECT id, now(), 9, 'odd', NULL FROM df_internal.instances "
                 "WHERE public_id = '%s'" % other)
    cluster.psql("SELECT df.revoke_usage('leaver'); DROP ROLE leaver")
    with cluster.connect(user="alice") as session:
        run(session, "df.sleep(1) ~> 'SELECT 1'", 20)
    for word in ("running a durable scheduler", "ended unexpectedly", "ended with work in hand"):
        same(word in cluster.text()[mark:], False, word)


suite.main()
