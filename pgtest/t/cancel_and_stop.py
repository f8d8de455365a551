#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
# alone
"""Stopping is quick, and rest is silent.

A cancel ends a running step within a second; a fast stop with busy executors ends within three; ten thousand sleeping
instances cost neither a query nor a byte of WAL.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from suite import Suite, dollar, has, literal, output, run, same, settle, start, wait_until  # noqa: E402

suite = Suite(autovacuum="off")
ACTIVE = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'durable executor' AND state = 'active'"


def within(seconds, begin, what):
    took = time.monotonic() - begin
    if took > seconds:
        raise AssertionError("%s took %.2f s, more than %g s" % (what, took, seconds))


def sleeping(cluster, count=1):
    wait_until(lambda: cluster.value(ACTIVE + " AND query LIKE '%pg_sleep(600)%'") >= count, 20,
               "%d executors sleep" % count)


@suite.test
def cancel_running_step(cluster):
    """Cancel stops a running pg_sleep(600) within a second, its effects are undone, and the reason is kept."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.undone (n int)")
        instance = start(session, "'INSERT INTO alice.undone VALUES (1); SELECT pg_sleep(600)' ~> 'SELECT 1'")
        sleeping(cluster)
        begin = time.monotonic()
        same(session.value("SELECT df.cancel($1, 'enough')", instance), "Instance %s cancelled: enough" % instance)
        same(session.value("SELECT df.status($1)", instance), "cancelled")
        wait_until(lambda: cluster.value(ACTIVE + " AND query LIKE '%pg_sleep(600)%'") == 0, 5, "the step ends")
        within(1, begin, "cancel of a running step")
        same(session.value("SELECT count(*) FROM alice.undone"), 0)
        has(output(session, instance), "canceled: enough")
        same(session.value("SELECT df.result($1)", instance), None)
        same(session.value("SELECT df.cancel($1)", instance), "Instance %s cancelled: Cancelled by user" % instance)
        has(output(session, instance), "canceled: enough")


@suite.test
def cancel_stubborn_step(cluster):
    """A step that swallows the cancel in PL/pgSQL is cancelled all the same, and its effects do not stay."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.stubborn (n int)")
        instance = start(session, dollar("""DO $do$ BEGIN
                FOR i IN 1 .. 600 LOOP
                    BEGIN PERFORM pg_sleep(600); EXCEPTION WHEN query_canceled THEN
                        INSERT INTO alice.stubborn VALUES (i); EXIT WHEN i > 1;
                    END;
                END LOOP;
            END $do$"""))
        sleeping(cluster, 1)
        session.value("SELECT df.cancel($1)", instance)
        wait_until(lambda: cluster.value(ACTIVE) == 0, 10, "the stubborn step ends")
        same(settle(session, instance), "cancelled")
        same(session.value("SELECT count(*) FROM alice.stubborn"), 0)


@suite.test
def cancel_parked(cluster):
    """Cancel of a sleeping instance and of a ready one counts at once; nothing of them runs afterwards."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.parked (n int)")
        instance = start(session, "df.sleep(2) ~> 'INSERT INTO alice.parked VALUES (1)'")
        session.value("SELECT df.cancel($1)", instance)
        same(settle(session, instance, 2), "cancelled")
        time.sleep(2.5)
        same(session.value("SELECT count(*) FROM alice.parked"), 0)
        same(cluster.value("SELECT count(*) FROM df_internal.timers"), 0)


@suite.test
def cancel_join(cluster):
    """Cancel ends every arm of a join."""
    with cluster.connect(user="alice") as session:
        instance = start(session, "df.join3('SELECT pg_sleep(600)', 'SELECT pg_sleep(600), 2', df.sleep(600))")
        sleeping(cluster, 2)
        begin = time.monotonic()
        session.value("SELECT df.cancel($1)", instance)
        wait_until(lambda: cluster.value(ACTIVE) == 0, 5, "both steps end")
        within(1.5, begin, "cancel of two arms")
        same(settle(session, instance), "cancelled")


@suite.test
def cancel_does_not_hit_the_next(cluster):
    """A hundred cancels of steps that are about to end never fail another instance's step."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.others (n int)")
        for n in range(100):
            victim = start(session, "'SELECT pg_sleep(0.005)'")
            other = start(session, "'SELECT pg_sleep(0.003)' ~> 'INSERT INTO alice.others VALUES (%d)'" % n)
            time.sleep(0.001 * (n % 12))
            session.value("SELECT df.cancel($1)", victim)
            same(settle(session, other), "completed")
            assert settle(session, victim) in ("cancelled", "completed")
        same(session.value("SELECT count(*) FROM alice.others"), 100)


@suite.test
def own_cancel(cluster):
    """A step that cancels its own instance commits and the instance is cancelled; so does a deferred trigger's."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.own (n int)")
        instance = start(session, dollar("INSERT INTO alice.own VALUES (1); SELECT df.cancel('{sys_instance_id}')")
                         + " ~> 'INSERT INTO alice.own VALUES (2)'")
        same(settle(session, instance), "cancelled")
        same(session.query("SELECT n FROM alice.own"), [(1,)])
        session.execute("""CREATE FUNCTION alice.suicide() RETURNS trigger LANGUAGE plpgsql AS $f$
            BEGIN PERFORM df.cancel(NEW.id); RETURN NULL; END $f$;
            CREATE TABLE alice.ids (id text);
            CREATE CONSTRAINT TRIGGER late AFTER INSERT ON alice.ids DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION alice.suicide()""")
        instance = start(session, dollar("INSERT INTO alice.ids VALUES ('{sys_instance_id}')")
                         + " ~> 'INSERT INTO alice.own VALUES (3)'")
        same(settle(session, instance), "cancelled")
        same(session.query("SELECT n FROM alice.own"), [(1,)])
        same(session.value("SELECT count(*) FROM alice.ids"), 1)


@suite.test
def fast_stop_when_busy(cluster):
    """pg_ctl stop -m fast with busy executors ends within three seconds; the work goes on after the start."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.resumed (n int)")
        for n in range(8):
            start(session, "'INSERT INTO alice.resumed SELECT %d FROM pg_sleep(2)' ~> 'SELECT %d'" % (n, n))
        wait_until(lambda: cluster.value(ACTIVE) >= 2, 10, "busy executors")
    took = cluster.stop("fast")
    if took > 3:
        raise AssertionError("the stop took %.1f s" % took)
    cluster.start()
    with cluster.connect(user="alice") as session:
        wait_until(lambda: session.value("SELECT count(*) FROM alice.resumed") == 8, 30, "eight effects")
        wait_until(lambda: session.value("SELECT count(*) FROM df.instances WHERE status = 'running' "
                                         "OR status = 'pending'") == 0, 30, "nothing left")
        same(session.value("SELECT count(DISTINCT n) FROM alice.resumed"), 8)


@suite.test
def terminated_executor(cluster):
    """pg_terminate_backend of an executor, which its own role may do, loses nothing: the step is run again or fails."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.ended (n int)")
        instance = start(session, "'INSERT INTO alice.ended SELECT 1 FROM pg_sleep(1)'")
        pid = wait_until(lambda: cluster.value("SELECT pid FROM pg_stat_activity WHERE backend_type = "
                                               "'durable executor' AND query LIKE '%alice.ended%'"), 10, "the executor")
        session.value("SELECT pg_terminate_backend(%d)" % pid)
        end = settle(session, instance, 30)
        same(session.value("SELECT count(*) FROM alice.ended"), 1 if end == "completed" else 0)


@suite.test
def step_cancelled_by_user(cluster):
    """pg_cancel_backend of a step by its own role fails the step with the server's message and SQLSTATE."""
    with cluster.connect(user="alice") as session:
        instance = start(session, "'SELECT pg_sleep(600)'")
        sleeping(cluster)
        pid = cluster.value("SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(600)' "
                            "AND backend_type = 'durable executor'")
        session.value("SELECT pg_cancel_backend(%d)" % pid)
        same(settle(session, instance), "failed")
        has(output(session, instance), "canceling statement due to user request")


@suite.test
def sleepers_are_silent(cluster):
    """10,000 sleeping instances cost no query and no WAL while they sleep."""
    with cluster.connect(user="alice") as session:
        session.execute("SELECT df.start(df.sleep(100000)) FROM generate_series(1, 10000)")
        wait_until(lambda: cluster.value("SELECT count(*) FROM df_internal.timers") == 10000, 60, "10,000 timers")
    wait_until(lambda: cluster.value("SELECT count(*) FROM df_internal.active") == 0, 30, "nothing is ready")
    cluster.psql("CHECKPOINT")
    time.sleep(2)
    idle(cluster, 10)
    with cluster.connect(user="alice") as session:
        begin = time.monotonic()
        run(session, "'SELECT 1'")
        within(2, begin, "a step beside 10,000 sleepers")
        session.execute("SELECT df.cancel(id) FROM df.instances WHERE status IN ('running', 'pending')")


def idle(cluster, seconds):
    """No WAL and no transaction but this function's own over `seconds`, from inside one session."""
    with cluster.connect() as watcher:
        look = ("SELECT pg_stat_force_next_flush(), pg_current_wal_insert_lsn() - '0/0', "
                "(SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database())")
        watcher.query(look)
        time.sleep(1)
        first = watcher.query(look)[0]
        time.sleep(seconds)
        second = watcher.query(look)[0]
    wal, transactions = float(second[1]) - float(first[1]), second[2] - first[2]
    # The watcher's own statement between the two looks is one transaction; a running-xacts record of the
    # background writer may fall into the window and is not ours.
    if transactions > 1:
        raise AssertionError("%d transactions in %d s" % (transactions - 1, seconds))
    if wal > 200:
        raise AssertionError("%d bytes of WAL in %d s" % (wal, seconds))


@suite.test
def idle_server_is_silent(cluster):
    """With nothing to do at all there is no transaction and no WAL either, and executors leave."""
    with cluster.connect(user="alice") as session:
        wait_until(lambda: session.value("SELECT count(*) FROM df.instances WHERE status IN ('running', 'pending')")
                   == 0, 60, "all is over")
    cluster.reload(**{"pg_durable.executor_idle_timeout": "'1s'"})
    wait_until(lambda: not cluster.processes("durable executor"), 20, "idle executors leave")
    cluster.psql("CHECKPOINT")
    time.sleep(1)
    idle(cluster, 10)
    with cluster.connect(user="alice") as session:
        run(session, literal("SELECT 1"))


suite.main()
