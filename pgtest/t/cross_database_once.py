#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Steps in another database by two-phase commit: exactly once, wherever it is stopped, and nothing stays prepared."""
import contextlib
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from elsewhere import begin, companion, failure, make_target, run  # noqa: E402
from standby import commits_held  # noqa: E402
from suite import PgError, Suite, has, output, prepare, same, settle, wait_until  # noqa: E402

suite = Suite(log_min_messages="log", synchronous_commit="local", **{
    # The record of an attempt would be held like any other commit.
    "pg_durable.probation_time": "0", "pg_durable.max_executors": "4", "pg_durable.max_step_crashes": "3"})


def prepare_more(cluster):
    prepare(cluster)
    make_target(cluster, "other")


suite.prepare = prepare_more


PREPARED = "SELECT count(*) FROM pg_prepared_xacts"
HELD = """SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'durable executor' AND wait_event = 'SyncRep'
          AND datname = $1"""


@contextlib.contextmanager
def held_commits(cluster, database):
    """In here alice's commits in that database wait for a standby that is not there."""
    cluster.execute("ALTER ROLE alice IN DATABASE %s SET synchronous_commit = on" % database)
    try:
        with commits_held(cluster):
            yield
    finally:
        cluster.execute("ALTER ROLE alice IN DATABASE %s RESET synchronous_commit" % database)


def none_left(cluster, seconds=20):
    wait_until(lambda: cluster.value(PREPARED) == 0, seconds, "no prepared transaction is left")


@suite.test
def twice_or_never(cluster):
    """With two-phase commit a step works as before, and leaves nothing prepared."""
    cluster.reload(**{"pg_durable.cross_database": "'exactly_once'", "pg_durable.max_step_crashes": "100"})
    cluster.execute("CREATE TABLE alice.once (n int); ALTER TABLE alice.once OWNER TO alice", db="other")
    with cluster.connect(user="alice") as session:
        instance = run(session, "'INSERT INTO alice.once VALUES (1)' ~> 'SELECT count(*) AS c FROM alice.once'")
        has(output(session, instance), '"c":1')
        instance = run(session, "'SELECT 1/0'", status="failed")
        same(failure(cluster, instance)[0], "22012")
        instance = run(session, "'CREATE TEMP TABLE gone (n int)'", status="failed")
        same(failure(cluster, instance)[0], "0A000")
        has(failure(cluster, instance)[3], "pg_durable.cross_database")
        run(session, "'VACUUM alice.once' ~> 'SELECT 1'")
        instance = begin(session, "'INSERT INTO alice.once VALUES (2); SELECT pg_sleep(600)'")
        wait_until(lambda: companion(cluster), 10, "the step runs")
        session.value("SELECT df.cancel($1)", instance)
        same(settle(session, instance), "cancelled")
        same(cluster.value("SELECT count(*) FROM alice.once", db="other"), 1)
        same(cluster.value(PREPARED), 0)


def stage(cluster, n, held, act):
    """A step stopped where `held` commits, `act` upon it, then released: done once, and nothing is left."""
    with held_commits(cluster, held):
        try:
            with cluster.connect(user="alice") as session:
                session.execute("SET synchronous_commit = local")
                instance = begin(session, "'INSERT INTO alice.once VALUES (%d)'" % n)
                wait_until(lambda: cluster.value(HELD, held) == 1, 20, "the commit waits")
            same(cluster.value(PREPARED), 1)
            act()
        finally:
            cluster.wait_ready()
    with cluster.connect(user="alice") as session:
        same(settle(session, instance, 60), "completed")
    none_left(cluster)
    same(cluster.value("SELECT count(*) FROM alice.once WHERE n = $1", n, db="other"), 1)


def pid_in(cluster, database):
    return cluster.value("""SELECT pid FROM pg_stat_activity
        WHERE backend_type = 'durable executor' AND usename = 'alice' AND datname = $1
        ORDER BY wait_event = 'SyncRep' DESC, state = 'active' DESC""", database)


def terminate(cluster, database):
    cluster.value("SELECT pg_terminate_backend($1)", pid_in(cluster, database))
    time.sleep(0.3)


@suite.test
def stopped_while_preparing(cluster):
    """Prepared, and nobody knows: a kill or the end of either process rolls it back, and the step is repeated."""
    stage(cluster, 10, "other", lambda: cluster.crash(pid_in(cluster, "other")))
    stage(cluster, 11, "other", lambda: terminate(cluster, "other"))
    stage(cluster, 12, "other", lambda: terminate(cluster, "postgres"))
    stage(cluster, 13, "other", lambda: cluster.stop("immediate") and cluster.start())


@suite.test
def stopped_while_deciding(cluster):
    """Recorded, and not yet committed over there: a kill or the end of either process commits it."""
    stage(cluster, 20, "postgres", lambda: cluster.crash(pid_in(cluster, "postgres")))
    stage(cluster, 21, "postgres", lambda: terminate(cluster, "postgres"))
    stage(cluster, 22, "postgres", lambda: terminate(cluster, "other"))
    stage(cluster, 23, "postgres", lambda: cluster.stop("immediate") and cluster.start())


@suite.test
def many_kills(cluster):
    """200 steps while processes are killed and ended at random: each took effect exactly once, nothing is left."""
    cluster.execute("CREATE TABLE alice.hits (i int, s int); ALTER TABLE alice.hits OWNER TO alice", db="other")
    chance = random.Random(7)
    with cluster.connect(user="alice") as session:
        instances = [begin(session, " ~> ".join(
            "'INSERT INTO alice.hits VALUES (%d, %d); SELECT pg_sleep(0.03)'" % (i, s) for s in range(10)))
            for i in range(20)]
    until = time.monotonic() + 150
    while time.monotonic() < until:
        try:
            if cluster.value("SELECT count(*) FROM df_internal.ended JOIN df_internal.instances i ON i.id = instance"
                             " WHERE public_id = ANY($1)", "{" + ",".join(instances) + "}") == 20:
                break
            time.sleep(chance.random() * 0.7)
            pids = cluster.query("SELECT pid FROM pg_stat_activity WHERE backend_type = 'durable executor'")
            if pids:
                pid = chance.choice(pids)[0]
                if chance.random() < 0.25:
                    cluster.kill9(pid)
                else:
                    cluster.value("SELECT pg_terminate_backend($1)", pid)
        except PgError:
            cluster.wait_ready()
    cluster.wait_ready()
    with cluster.connect(user="alice") as session:
        for instance in instances:
            same(settle(session, instance, 60), "completed")
    none_left(cluster)
    same(cluster.value("SELECT count(*) FROM alice.hits", db="other"), 200)
    same(cluster.value("SELECT count(*) FROM (SELECT DISTINCT i, s FROM alice.hits) AS d", db="other"), 200)


@suite.test
def without_prepared_transactions(cluster):
    """exactly_once without max_prepared_transactions is refused at the start, and leaves the own database alone."""
    cluster.configure(max_prepared_transactions="0")
    cluster.restart()
    with cluster.connect(user="alice") as session:
        try:
            begin(session, "'SELECT 1'")
            raise AssertionError("started")
        except PgError as error:
            same(error.sqlstate, "55000")
            has(str(error), "prepared transactions are disabled")
        run(session, "'SELECT 1'", "postgres")
    cluster.reload(**{"pg_durable.cross_database": "'at_least_once'"})
    with cluster.connect(user="alice") as session:
        run(session, "'SELECT 1'")


suite.main()
