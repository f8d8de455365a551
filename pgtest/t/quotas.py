#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Limits per role: how many live instances, how many starts per second. Covers S34 of docs/traps.md."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from suite import PgError, Suite, same, settle, start, wait_until  # noqa: E402

suite = Suite(max_worker_processes="16", max_prepared_transactions="4")

WAIT = "'SELECT 1' ~> df.sleep(3600)"


def limit(cluster, live=0, rate=0):
    cluster.reload(**{"pg_durable.max_live_instances_per_role": str(live),
                      "pg_durable.max_starts_per_second_per_role": str(rate)})
    wait_until(lambda: cluster.value("SHOW pg_durable.max_live_instances_per_role") == str(live)
               and cluster.value("SHOW pg_durable.max_starts_per_second_per_role") == str(rate), 10, "reloaded")


def refused(session, sql, *fragments):
    error = session.error(sql)
    same(error.sqlstate, "53400", error)
    for fragment in fragments:
        if fragment not in "%s %s %s" % (error.message, error.detail, error.hint):
            raise AssertionError("%r is not in %s, %s, %s" % (fragment, error.message, error.detail, error.hint))


def counted(cluster):
    return cluster.value("SELECT count(*) FROM df_internal.counted")


def clear(cluster):
    cluster.execute("SELECT df.cancel(id) FROM df.instances WHERE status IN ('pending', 'running')")
    wait_until(lambda: cluster.value(
        "SELECT count(*) FROM df_internal.instances i WHERE NOT EXISTS (SELECT FROM df_internal.ended e "
        "WHERE e.instance = i.id)") == 0, 30, "all cancelled")


@suite.test
def none_by_default(cluster):
    """Without a limit nothing is counted, and nothing is written for it."""
    with cluster.connect(user="alice") as session:
        session.execute("SELECT df.start(%s) FROM generate_series(1, 300)" % WAIT)
        same(counted(cluster), 0)
    clear(cluster)


@suite.test
def live_instances(cluster):
    """The eleventh of ten is refused with the setting's name; one that ends makes room; others have their own ten."""
    limit(cluster, live=10)
    with cluster.connect(user="alice") as alice, cluster.connect(user="bob") as bob:
        ids = [start(alice, WAIT) for _ in range(10)]
        refused(alice, "SELECT df.start('SELECT 1')", 'role "alice" has too many live durable functions',
                "pg_durable.max_live_instances_per_role is 10", "df.cancel()")
        refused(alice, "SELECT df.start('SELECT 1', transaction_mode => 'new')", "too many live durable functions")
        same(settle(bob, start(bob, "'SELECT 1'")), "completed")
        alice.execute("SELECT df.cancel($1)", ids[0])
        wait_until(lambda: counted(cluster) == 9, 10, "its end")
        # completed, failed and cancelled ones make room alike
        same(settle(alice, start(alice, "'SELECT 1'")), "completed")
        same(settle(alice, start(alice, "'SELECT 1/0'")), "failed")
        alice.execute("SELECT df.start('SELECT 1')")
        wait_until(lambda: counted(cluster) == 9, 10, "its end")
        start(alice, WAIT)
        refused(alice, "SELECT df.start('SELECT 1')", "alice")
    same(counted(cluster), 10)
    clear(cluster)
    same(counted(cluster), 0)


@suite.test
def transactions(cluster):
    """Rolled-back starts do not count; those of open and prepared transactions do."""
    limit(cluster, live=10)
    many = "SELECT df.start(%s) FROM generate_series(1, %%d)" % WAIT
    with cluster.connect(user="alice") as one, cluster.connect(user="alice") as two:
        one.execute("BEGIN")
        one.execute(many % 10)
        refused(two, "SELECT df.start('SELECT 1')", "alice")
        refused(one, "SELECT df.start('SELECT 1')", "alice")
        one.execute("ROLLBACK")
        one.execute("BEGIN")
        one.execute("SAVEPOINT a")
        one.execute(many % 10)
        one.execute("ROLLBACK TO a")
        one.execute(many % 10)
        one.execute("PREPARE TRANSACTION 'p'")
        refused(two, "SELECT df.start('SELECT 1')", "alice")
        two.execute("ROLLBACK PREPARED 'p'")
        refused(two, many % 11, "alice")
        same(counted(cluster), 0)
        two.execute(many % 10)
    clear(cluster)


@suite.test
def many(cluster):
    """With a limit of 20,000 one statement starts exactly so many, without counting them again for each."""
    took = {}
    with cluster.connect(user="alice") as session:
        for live in (0, 20000):
            limit(cluster, live=live)
            session.execute("BEGIN")
            begin = time.monotonic()
            session.execute("SELECT df.start('SELECT 1') FROM generate_series(1, 20000)")
            took[live] = time.monotonic() - begin
            if live == 0:
                session.execute("ROLLBACK")
        print("    20,000 starts take %.2f s without a limit, %.2f s with it" % (took[0], took[20000]))
        if took[20000] > 3 * took[0] + 1:
            raise AssertionError("a limit makes starts too slow")
        refused(session, "SELECT df.start('SELECT 1')", "20000")
        session.execute("ROLLBACK")


@suite.test
def survives_a_crash(cluster):
    """What counts is in a table: after kill -9 the limit is as exhausted as before."""
    limit(cluster, live=3)
    with cluster.connect(user="alice") as session:
        for _ in range(3):
            start(session, WAIT)
        cluster.crash(session.pid)
    with cluster.connect(user="alice") as session:
        refused(session, "SELECT df.start('SELECT 1')", "alice")
    clear(cluster)


@suite.test
def rate(cluster):
    """Twenty per second: twenty at once, then one each fiftieth of a second, for all sessions of the role together."""
    limit(cluster, rate=20)
    with cluster.connect(user="alice") as one, cluster.connect(user="alice") as two, \
            cluster.connect(user="bob") as bob:
        refused(one, "SELECT df.start('SELECT 1') FROM generate_series(1, 40)",
                'role "alice" starts durable functions too fast', "pg_durable.max_starts_per_second_per_role is 20")
        bob.value("SELECT df.start('SELECT 1')")
        started, begin = 0, time.monotonic()
        while time.monotonic() - begin < 3:
            for session in (one, two):
                try:
                    session.value("SELECT df.start('SELECT 1')")
                    started += 1
                except PgError as error:
                    same(error.sqlstate, "53400")
        print("    %d starts in 3 s" % started)
        if not 40 <= started <= 64:
            raise AssertionError("%d starts in 3 s" % started)
        time.sleep(1.1)
        one.execute("SELECT df.start('SELECT 1') FROM generate_series(1, 20)")
        refused(two, "SELECT df.start('SELECT 1') FROM generate_series(1, 3)", "alice")
    limit(cluster)


@suite.test
def only_the_administrator(cluster):
    """No role changes its limits."""
    with cluster.connect(user="alice") as session:
        for name in ("max_live_instances_per_role", "max_starts_per_second_per_role"):
            same(session.error("SET pg_durable.%s = 0" % name).sqlstate, "55P02")


suite.main()
