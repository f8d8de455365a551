#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""What has ended goes after its time, with all that belongs to it; what has not ended stays, whatever its age."""
# long
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from suite import Suite, has, run, same, settle, start, wait_until  # noqa: E402

suite = Suite(**{"pg_durable.retention_days": "1", "pg_durable.retention_count": "20",
                 "pg_durable.reconcile_interval": "1"})

TABLES = ("instances", "ended", "journal", "graphs", "retired", "signals", "requests", "timers", "active")


def counts(cluster):
    return {t: cluster.query("SELECT count(*) FROM df_internal." + t)[0][0] for t in TABLES}


def number(cluster, instance):
    return cluster.query("SELECT id FROM df_internal.instances WHERE public_id = '%s'" % instance)[0][0]


def age(cluster, *instances, days=2):
    """Their ends were so long ago."""
    for instance in instances:
        cluster.psql("UPDATE df_internal.ended SET at = at - interval '%d days' WHERE instance = %s"
                     % (days, number(cluster, instance)))


def gone(session, instance):
    wait_until(lambda: session.value("SELECT df.status($1)", instance) is None, 20, "%s is removed" % instance)


def pass_over(cluster):
    """Waits until a pass that begins now is over: an aged instance of its own is gone, and what comes after it."""
    with cluster.connect(user="mallory") as session:
        marker = run(session, "'SELECT ''marker'''")
        age(cluster, marker)
        gone(session, marker)
        marker = run(session, "'SELECT ''marker 2'''")
        age(cluster, marker)
        gone(session, marker)


@suite.test
def old_ends_go(cluster):
    """Old ended instances of every outcome are removed whole and answer like ids that were never given out."""
    with cluster.connect(user="alice") as session:
        old = [run(session, "'SELECT 1' ~> 'SELECT 2'"),
               run(session, "df.join('SELECT 3', 'SELECT 1/0')", status="failed")]
        cancelled = start(session, "df.sleep(3600)")
        session.value("SELECT df.cancel($1)", cancelled)
        settle(session, cancelled)
        old.append(cancelled)
        young = run(session, "'SELECT 4'")
        asleep = start(session, "df.sleep(3600) ~> 'SELECT 5'")
        numbers = [number(cluster, i) for i in old]
        age(cluster, *old)
        for instance in old:
            gone(session, instance)
            same(session.value("SELECT df.result($1)", instance), None)
            same(session.value("SELECT df.error($1)", instance), None)
            for call in ("instance_info", "instance_nodes", "instance_executions"):
                same(session.query("SELECT * FROM df.%s($1)" % call, instance), [])
            has(session.error("SELECT df.await_instance($1, 1)", instance).message, "Instance not found: " + instance)
            has(session.error("SELECT df.cancel($1)", instance).message, "Instance not found or access denied")
            has(session.value("SELECT df.explain($1)", instance), "not found")
        same(session.value("SELECT df.status($1)", young), "completed")
        same(session.value("SELECT df.status($1)", asleep), "running")
        for table in ("journal", "ended", "requests", "signals", "timers", "active"):
            same(cluster.query("SELECT count(*) FROM df_internal.%s WHERE instance IN (%s)"
                               % (table, ", ".join(map(str, numbers))))[0][0], 0, table)
        pass_over(cluster)
        same(session.value("SELECT df.status($1)", young), "completed")
        session.value("SELECT df.cancel($1)", asleep)
        settle(session, asleep)
        age(cluster, young, asleep)
        gone(session, young)
        gone(session, asleep)
    wait_until(lambda: not any(counts(cluster).values()), 20, "all is gone")


@suite.test
def running_ones_stay(cluster):
    """Pending and running instances are never removed, however old they are."""
    with cluster.connect(user="bob") as session:
        asleep = start(session, "df.sleep(3600)")
        wait_until(lambda: session.value("SELECT df.status($1)", asleep) == "running", 20, "it runs")
        cluster.psql("UPDATE df_internal.instances SET created_at = created_at - interval '4000 days'")
        pass_over(cluster)
        same(session.value("SELECT df.status($1)", asleep), "running")
        session.value("SELECT df.cancel($1)", asleep)


@suite.test
def the_newest_are_kept(cluster):
    """Beyond the number that is kept, the oldest ends go, however young they are."""
    with cluster.connect(user="alice") as session:
        ids = [run(session, "'SELECT %d'" % n) for n in range(30)]
        wait_until(lambda: cluster.query("SELECT count(*) FROM df_internal.ended")[0][0] <= 20, 20, "the oldest go")
        pass_over(cluster)
        left = {r[0] for r in session.query("SELECT id FROM df.instances")}
        # A marker was there while a pass looked, and counted.
        assert left <= set(ids[10:]) and left >= set(ids[12:]), (ids, left)


@suite.test
def definitions_go_with_their_last_instance(cluster):
    """A definition stays while an instance uses it; starts after its retirement get one of their own and work."""
    with cluster.connect(user="alice") as session:
        graph = "df.sleep(3600) ~> 'SELECT 6'"
        first, second = start(session, graph), start(session, graph)
        same(cluster.query("SELECT count(DISTINCT graph) FROM df_internal.instances WHERE public_id IN ('%s', '%s')"
                           % (first, second))[0][0], 1)
        session.value("SELECT df.cancel($1)", first)
        settle(session, first)
        age(cluster, first)
        gone(session, first)
        pass_over(cluster)
        has(session.value("SELECT df.explain($1)", second), "SELECT 6")
        third = start(session, graph)
        same(cluster.query("SELECT count(DISTINCT graph) FROM df_internal.instances WHERE public_id IN ('%s', '%s')"
                           % (second, third))[0][0], 2)
        for instance in (second, third):
            session.value("SELECT df.cancel($1)", instance)
            settle(session, instance)
            age(cluster, instance)
            gone(session, instance)
        wait_until(lambda: cluster.query(
            "SELECT count(*) FROM df_internal.graphs WHERE envelope LIKE '%SELECT 6%'")[0][0] == 0, 20, "no definition")


@suite.test
def an_open_start_keeps_its_definition(cluster):
    """A start that is not committed while the last other instance goes still finds its definition afterwards."""
    with cluster.connect(user="alice") as session, cluster.connect(user="alice") as other:
        graph = "'SELECT 7 AS seven'"
        old = run(session, graph)
        other.execute("BEGIN")
        late = start(other, graph)
        age(cluster, old)
        gone(session, old)
        pass_over(cluster)
        other.execute("COMMIT")
        same(settle(session, late), "completed")
        same(session.value("SELECT df.result($1)", late), '{"rows": [{"seven": 7}], "row_count": 1}')


@suite.test
def a_snapshot_sees_what_it_saw(cluster):
    """A REPEATABLE READ transaction goes on seeing an instance that is removed meanwhile, its definition too."""
    with cluster.connect(user="alice") as session, cluster.connect(user="alice") as other:
        old = run(session, "'SELECT 8 AS eight'")
        session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        same(session.value("SELECT df.status($1)", old), "completed")
        age(cluster, old)
        gone(other, old)
        pass_over(cluster)
        same(session.value("SELECT df.status($1)", old), "completed")
        same(session.value("SELECT query FROM df.instance_nodes($1)", old), "SELECT 8 AS eight")
        same(session.value("SELECT count(*) FROM df.list_instances() WHERE instance_id = $1", old), 1)
        session.execute("ROLLBACK")


@suite.test
def variables_leave_nothing(cluster):
    """Superseded and unset variables go; values stay, and so does what an open transaction may still write."""
    with cluster.connect(user="alice") as session, cluster.connect(user="alice") as other:
        session.value("SELECT df.setvar('kept', 'a')")
        other.execute("BEGIN")
        other.value("SELECT df.setvar('kept', 'b')")
        session.value("SELECT df.setvar('kept', 'c')")
        session.value("SELECT df.setvar('unset', 'x')")
        other.value("SELECT df.setvar('unset', 'y')")
        session.value("SELECT df.unsetvar('unset')")
        pass_over(cluster)
        other.execute("COMMIT")
        same(session.value("SELECT df.getvar('kept')"), "c")
        wait_until(lambda: cluster.query("SELECT count(*) FROM df_internal.variables")[0][0] == 1, 20, "one row")
        same(session.value("SELECT df.getvar('kept')"), "c")
        same(session.value("SELECT df.getvar('unset')"), None)


@suite.test
def rows_of_nobody_go(cluster):
    """Requests and signals of instances that are gone are removed; those of others stay."""
    with cluster.connect(user="bob") as session:
        asleep = number(cluster, start(session, "df.sleep(3600)"))
        cluster.psql("INSERT INTO df_internal.signals VALUES (12345, 1, now(), 'a', '{}'), (%s, 1, now(), 'a', '{}');"
                     "INSERT INTO df_internal.requests VALUES (12345, 1, now(), 10, 1, 'x')" % asleep)
        wait_until(lambda: cluster.query("SELECT instance FROM df_internal.signals") == [(asleep,)], 20, "signals")
        wait_until(lambda: cluster.query("SELECT 1 FROM df_internal.requests WHERE instance = 12345") == [], 20,
                   "requests")


@suite.test
def large_journals_go_in_parts(cluster):
    """An instance with more entries than one transaction removes is removed, too."""
    with cluster.connect(user="alice") as session:
        old = run(session, "'SELECT 9'")
        big = number(cluster, old)
        cluster.psql("INSERT INTO df_internal.journal "
                     "SELECT instance, at, branch, sequence + n, node, kind, number, payload"
                     " FROM df_internal.journal, generate_series(1, 12000) n WHERE instance = %s" % big)
        age(cluster, old)
        gone(session, old)
        same(cluster.query("SELECT count(*) FROM df_internal.journal WHERE instance = %s" % big)[0][0], 0)


@suite.test
def nobody_needs_to_be_there(cluster):
    """After a restart passes go on without any client, and a transaction id is spent only when something goes."""
    with cluster.connect(user="alice") as session:
        old = run(session, "'SELECT 10'")
    for row in cluster.query("SELECT public_id FROM df_internal.instances i "
                             "JOIN df_internal.ended e ON e.instance = i.id"):
        age(cluster, row[0])
    cluster.restart()
    wait_until(lambda: cluster.query("SELECT count(*) FROM df_internal.ended")[0][0] == 0, 20, "no ends")
    time.sleep(2)
    spent = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
    before = cluster.query(spent)[0][0]
    time.sleep(5)
    same(cluster.query(spent)[0][0], before)
    with cluster.connect(user="alice") as session:
        same(session.value("SELECT df.status($1)", old), None)


@suite.test
def at_once_and_never(cluster):
    """retention_days = 0 removes at the next pass, also under somebody who waits; an interval of 0 removes nothing."""
    cluster.stop()
    cluster.configure(**{"pg_durable.retention_days": "0"})
    cluster.start()
    with cluster.connect(user="alice") as session:
        for n in range(20):
            instance = start(session, "'SELECT %d'" % n)
            try:
                same(session.value("SELECT df.await_instance($1)", instance), "completed")
            except Exception as error:
                has(str(error), "Instance not found: " + instance)
            gone(session, instance)
    cluster.stop()
    cluster.configure(**{"pg_durable.reconcile_interval": "0"})
    cluster.start()
    with cluster.connect(user="alice") as session:
        instance = run(session, "'SELECT 11'")
        age(cluster, instance)
        time.sleep(3)
        same(session.value("SELECT df.status($1)", instance), "completed")


suite.main()
