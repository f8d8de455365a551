#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
# alone
"""Timers in large numbers and at awkward moments.

Covers I45, I53, I54, S35 of docs/traps.md. A crowd is one sleeping function whose rows were copied, since a
hundred thousand starts would take longer than what is to be shown. PGTEST_CROWD is its number.
"""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from latency import at_once  # noqa: E402
from suite import Suite, run, same, settle, start, wait_until  # noqa: E402

suite = Suite(autovacuum="off", checkpoint_timeout="30min", max_wal_size="4GB", **{
    "pg_durable.max_executors": "4", "pg_durable.max_executors_per_role": "2"})
CROWD = int(os.environ.get("PGTEST_CROWD", "100000"))
ROUNDS = int(os.environ.get("PGTEST_ROUNDS", "12"))
SLEEPS = "SELECT count(*) FROM df_internal.timers"
# Of each table that knows a sleeping function: its key, and the rest, with the due time of the copy.
COLUMNS = {
    "instances": ("id", "graph, home, created_at, role, started_by, format, 'c' || lpad(to_hex(n), 7, '0'), role_name, "
                        "label, database, variables, options"),
    "journal": ("instance", "at, branch, sequence, node, kind, (extract(epoch FROM $1::timestamptz - '2000-01-01Z') "
                            "* 1000000)::int8, payload"),
    "timers": ("instance", "branch, role, $1::timestamptz"),
}


def crowd(cluster, role, count, due="100000 seconds"):
    """`count` functions of the role that sleep as one does that was really started, until `due` from now on.

    The scheduler is not told."""
    with cluster.connect(user=role) as session:
        instance = start(session, "df.sleep(100000)")
        row = cluster.value("SELECT id FROM df_internal.instances WHERE public_id = $1", instance)
        wait_until(lambda: cluster.value(SLEEPS + " WHERE instance = $1", row) == 1, 10, "its timer")
    at = cluster.value("SELECT (now() + $1::interval)::text", due)
    for table, (key, columns) in COLUMNS.items():
        cluster.query("INSERT INTO df_internal.%s SELECT %s - 1000000000 - n, %s FROM df_internal.%s, "
                      "generate_series(1, %d) n WHERE %s = %d AND $1::text IS NOT NULL" % (
                          table, key, columns.replace("$1", "$1::text"), table, count, key, row), at)


def disperse(cluster):
    """Nobody is left, without a trace: what a crowd leaves would be in the way."""
    cluster.reload(**{"pg_durable.enabled": "off"})
    wait_until(lambda: not cluster.processes("durable executor"), 20, "nobody works")
    cluster.psql("TRUNCATE " + ", ".join("df_internal." + t for t in (
        "instances", "journal", "ended", "active", "timers", "graphs", "signals", "requests")))
    cluster.reload(**{"pg_durable.enabled": "on"})
    cluster.restart()


def sweep(cluster):
    """Let the scheduler look at all that can go on, as it does after a start."""
    with cluster.connect(user="alice") as session:
        session.execute("BEGIN; SELECT df.start('SELECT 1'); PREPARE TRANSACTION 'sweep'")
        session.execute("COMMIT PREPARED 'sweep'")


READ = ("SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::int8 FROM pg_stat_user_tables "
        "WHERE schemaname = 'df_internal'")


@suite.test
def sweep_beside_sleepers(cluster):
    """With 100,000 sleeping functions, neither a restart nor a sweep reads more than a few rows."""
    disperse(cluster)
    crowd(cluster, "mallory", CROWD)
    cluster.psql("SELECT pg_stat_reset()")
    cluster.restart()
    with cluster.connect(user="bob") as session:
        run(session, "'SELECT 1'")
    for _ in range(6):
        sweep(cluster)
        time.sleep(0.3)
    # A process tells what it has read when it has nothing else to do.
    time.sleep(1)
    read = cluster.value(READ)
    print("    %d rows read for a start and six sweeps" % read)
    if not 0 < read < 2000:
        raise AssertionError("%d rows read" % read)


@suite.test
def a_crowd_is_due(cluster):
    """100,000 timers of one role come due in one second: another role's steps begin at once, and the crowd goes on."""
    disperse(cluster)
    crowd(cluster, "mallory", CROWD, "8 seconds")
    cluster.restart()
    ended = "SELECT count(*) FROM df_internal.ended"
    wait_until(lambda: cluster.value(ended) > 0, 20, "the first of the crowd")
    with cluster.connect(user="bob") as session:
        at_once(session, "bob")
        begin = time.monotonic()
        run(session, "df.sleep(1) ~> 'SELECT 1'")
        print("    bob's second took %.2f s" % (time.monotonic() - begin))
        if time.monotonic() - begin > 3:
            raise AssertionError("bob's timer was %.1f s late" % (time.monotonic() - begin - 1))
    before = cluster.value(ended)
    if before > CROWD * 9 // 10:
        raise AssertionError("the crowd was gone too soon for the test to mean anything")
    wait_until(lambda: cluster.value(ended) > before + 1000, 20, "the crowd goes on")
    same(cluster.crashes(), 0)


BOBS = SLEEPS + " WHERE role = 'bob'::regrole"
LOOKING = ("SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.backend_type = "
           "'durable scheduler' AND l.relation = 'df_internal.timers'::regclass")


def set_in_mid_look(cluster, watcher, client):
    """Ask for a look at the tables, stop the scheduler while it reads the timers, and have a second's sleep begin.

    The instance's id once the scheduler goes on, and whether its timer was set before that. A process that is stopped
    may hold a lock in its hands: then nobody gets on, and the round shows nothing."""
    sweep(cluster)
    until = time.monotonic() + 5
    while time.monotonic() < until and not watcher.value(LOOKING):
        pass
    scheduler = cluster.processes("durable scheduler")[0]
    os.kill(scheduler, signal.SIGSTOP)
    try:
        client.send("SELECT df.start(df.sleep(1))")
        time.sleep(0.1)
        watcher.send("SELECT (%s), (%s)" % (LOOKING, BOBS))
        inside = client.ready(0.3) and watcher.ready(0.3)
    finally:
        os.kill(scheduler, signal.SIGCONT)
    return client.finish(10).rows[0][0], watcher.finish(10).rows[0] == (1, 2) and inside


@suite.test
def set_while_the_scheduler_looks(cluster):
    """A timer that is committed while the scheduler reads the table is not overlooked: it is not late.

    A look takes long, since it finds 60,000 due timers of a role without a process for them."""
    disperse(cluster)
    crowd(cluster, "mallory", 60_000, "0")
    with cluster.connect(user="mallory") as mallory, cluster.connect(user="bob") as bob, cluster.connect() as watcher:
        mallory.execute("SELECT df.start('SELECT pg_sleep(600)') FROM generate_series(1, 2)")
        wait_until(lambda: cluster.value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)' "
                                         "AND backend_type = 'durable executor'") == 2, 10, "mallory is busy")
        # For what is due within a minute, a scheduler that was started stays.
        start(bob, "df.sleep(55)")
        within, worst = 0, 0.0
        for _ in range(ROUNDS):
            run(bob, "'SELECT 1'")
            instance, inside = set_in_mid_look(cluster, watcher, bob)
            begin = time.monotonic()
            same(settle(bob, instance), "completed")
            within += inside
            worst = max(worst, time.monotonic() - begin - 1)
        print("    %d of %d were set meanwhile; the latest by %.2f s" % (within, ROUNDS, worst))
        if within < 2:
            raise AssertionError("in %d of %d rounds the timer was set in mid-look" % (within, ROUNDS))
        if worst > 1.5:
            raise AssertionError("a timer was %.1f s late" % worst)


@suite.test
def under_a_long_snapshot(cluster):
    """While a session holds a snapshot, fired timers stay in the index: none is read again for those that follow."""
    disperse(cluster)
    cluster.reload(**{"pg_durable.loop_min_interval": "'10ms'"})
    read = "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'timers_due'"
    with cluster.connect() as holder, cluster.connect(user="alice") as session:
        holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        holder.value("SELECT count(*) FROM pg_class")
        loops = [start(session, "df.loop('SELECT 1')") for _ in range(8)]
        fired = "SELECT n_tup_del FROM pg_stat_user_tables WHERE relname = 'timers'"
        wait_until(lambda: cluster.value(fired) > 1000, 30, "the first thousand timers", 0.1)
        before = (cluster.value(fired), cluster.value(read))
        wait_until(lambda: cluster.value(fired) > before[0] + 3000, 60, "three thousand timers", 0.1)
        after = (cluster.value(fired), cluster.value(read))
        for instance in loops:
            session.value("SELECT df.cancel($1)", instance)
            settle(session, instance)
        holder.execute("ROLLBACK")
    each = (after[1] - before[1]) / (after[0] - before[0])
    print("    %.1f entries of the index read for each timer that fired" % each)
    if each > 50:
        raise AssertionError("%.0f entries read for each timer" % each)


suite.main()
