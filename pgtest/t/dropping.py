#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""DROP EXTENSION while everything runs: it waits for nobody, stops what runs, undoes it all, and can be undone itself.

Covers I64 of docs/traps.md and what happens to work whose owner or database goes.
"""
import os
import re
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from suite import PgError, Suite, has, run, same, settle, start, wait_until  # noqa: E402

suite = Suite()
CREATE = "CREATE EXTENSION pg_durable; SELECT df.grant_usage('alice'); SELECT df.grant_usage('bob')"


def fresh(cluster, name):
    cluster.psql("CREATE DATABASE %s" % name)
    cluster.psql("%s; CREATE SCHEMA alice AUTHORIZATION alice" % CREATE, db=name)


def quick(seconds, action, what):
    begin = time.monotonic()
    value = action()
    took = time.monotonic() - begin
    if took > seconds:
        raise AssertionError("%s took %.1f s" % (what, took))
    return value


def workers(cluster, db):
    return cluster.query("SELECT pid, backend_type FROM pg_stat_activity WHERE backend_type LIKE 'durable%' "
                         "AND datname = $1", db)


def own_complaints(cluster, offset):
    """What our processes have said since `offset` that is worse than a log line."""
    return [line for line in cluster.text()[offset:].splitlines()
            if re.search(r"\] durable \S+ \S*@.*(WARNING|ERROR|FATAL|PANIC):", line)]


@suite.test
def drop_stops_running_steps(cluster):
    """Running steps are interrupted at once and rolled back, the processes leave, nothing of ours is left."""
    fresh(cluster, "busy")
    with cluster.connect(user="alice", db="busy") as session:
        session.execute("CREATE TABLE alice.effects (n int)")
        for n in range(4):
            start(session, "'INSERT INTO alice.effects SELECT %d FROM (SELECT pg_sleep(60)) nap' ~> df.sleep(60)" % n)
        for _ in range(20):
            start(session, "df.sleep(100) & df.wait_for_signal('never')")
        wait_until(lambda: session.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") >= 2,
                   10, "steps run")
        offset = len(cluster.text())
        quick(2, lambda: cluster.psql("DROP EXTENSION pg_durable", db="busy"), "DROP EXTENSION")
        same(session.value("SELECT count(*) FROM alice.effects"), 0)
        wait_until(lambda: not workers(cluster, "busy"), 2, "our processes leave")
        same(session.query("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'df%'"), [])
        same(session.query("SELECT pid FROM pg_locks WHERE locktype = 'advisory'"), [])
        same(own_complaints(cluster, offset), [])
        quick(2, lambda: cluster.psql(CREATE, db="busy"), "CREATE EXTENSION")
        quick(2, lambda: run(session, "'INSERT INTO alice.effects VALUES (9)'"), "the first function")
        same(session.query("SELECT n FROM alice.effects"), [(9,)])
    cluster.psql("DROP DATABASE busy")


@suite.test
def drop_rolled_back_only_pauses(cluster):
    """While the DROP is open nothing runs; rolled back, all goes on, each effect once; the same with a savepoint."""
    fresh(cluster, "paused")
    with cluster.connect(user="alice", db="paused") as session, cluster.connect(db="paused") as admin:
        session.execute("CREATE TABLE alice.effects (n int)")
        chain = " ~> ".join("'INSERT INTO alice.effects SELECT %d FROM (SELECT pg_sleep(0.3)) nap'" % n
                            for n in range(8))
        for begin, end in (("BEGIN", "ROLLBACK"), ("BEGIN; SAVEPOINT s", "ROLLBACK TO s; COMMIT")):
            session.execute("TRUNCATE alice.effects")
            instances = [start(session, chain), start(session, "df.sleep(1) ~> " + chain)]
            wait_until(lambda: session.value("SELECT count(*) FROM alice.effects") > 0, 10, "the first effect")
            admin.execute(begin)
            quick(2, lambda: admin.execute("DROP EXTENSION pg_durable"), "DROP EXTENSION")
            before = admin.value("SELECT count(*) FROM alice.effects")
            time.sleep(1.2)
            same(admin.value("SELECT count(*) FROM alice.effects"), before, "an effect while the DROP is open")
            same(workers(cluster, "paused"), [])
            admin.execute(end)
            for instance in instances:
                same(settle(session, instance), "completed")
            same(session.query("SELECT n, count(*) FROM alice.effects GROUP BY n ORDER BY n"),
                 [(n, 2) for n in range(8)])
    cluster.psql("DROP DATABASE paused")


@suite.test
def dropped_and_made_again_in_one_transaction(cluster):
    """DROP, CREATE and df.start in one transaction: the new one runs, the old are unknown; rolled back, they run."""
    fresh(cluster, "again")
    with cluster.connect(user="alice", db="again") as session, cluster.connect(db="again") as admin:
        session.execute("CREATE TABLE alice.effects (n int)")
        old = start(session, "df.sleep(1) ~> 'INSERT INTO alice.effects VALUES (1)'")
        swap = "BEGIN; DROP EXTENSION pg_durable; %s; SET ROLE alice; SELECT df.start(" % CREATE
        admin.execute(swap + "'INSERT INTO alice.effects VALUES (2)'); ROLLBACK")
        same(settle(session, old), "completed")
        same(session.query("SELECT n FROM alice.effects"), [(1,)])
        admin.execute("RESET ROLE")
        for _ in range(10):  # more often than there are places to remember it in
            admin.execute(swap + "'INSERT INTO alice.effects VALUES (3)'); RESET ROLE; SAVEPOINT s;"
                          + "DROP EXTENSION pg_durable; %s; ROLLBACK TO s; COMMIT" % CREATE)
            new = session.value("SELECT instance_id FROM df.list_instances()")
            same(settle(session, new, 5), "completed")
        has(session.error("SELECT df.await_instance($1)", old).message, "Instance not found")
        same(session.query("SELECT n, count(*) FROM alice.effects GROUP BY n ORDER BY n"), [(1, 1), (3, 10)])
    cluster.psql("DROP DATABASE again")


EXPECTED = {
    "42P01",  # the table that a start waited for went
    "42883", "3F000", "42501",  # no function, no schema, no grant between DROP and grant_usage
    "40P01",  # a client that held a lock of ours when it came too late
    "XX000",  # the server's "cache lookup failed" and "could not open relation" of a function that went meanwhile
    "42704", "55000",
}


def load(cluster, stop, seen, problems):
    """Starts, cancels, sets variables and reads until told to stop; notes the SQLSTATE of each error."""
    with cluster.connect(user="alice", db="cycles") as session:
        n = 0
        while not stop.is_set():
            n += 1
            try:
                session.execute("BEGIN")
                instance = start(session, "'INSERT INTO alice.effects VALUES (1)' ~> df.sleep(0)"
                                          " ~> ('SELECT pg_sleep(0.05)' & 'SELECT pg_sleep(20)')")
                if n % 3 == 0:
                    session.value("SELECT df.setvar('v', '%d')" % n)
                session.execute("COMMIT")
                if n % 4 == 0:
                    session.value("SELECT df.cancel($1)", instance)
                session.query("SELECT * FROM df.list_instances()")
            except PgError as error:
                seen[error.sqlstate] = seen.get(error.sqlstate, 0) + 1
                if error.sqlstate not in EXPECTED:
                    problems.append(error)
                    return
                if session.in_transaction:
                    session.execute("ROLLBACK")
                time.sleep(0.01)


@suite.test
def dropped_twenty_times_under_load(cluster):
    """20 times DROP and CREATE, in one transaction or in two, while clients start work: no hang, no odd error."""
    fresh(cluster, "cycles")
    with cluster.connect(user="alice", db="cycles") as session:
        session.execute("CREATE TABLE alice.effects (n int)")
    stop, seen, problems, deadlocks, slowest = threading.Event(), {}, [], 0, 0.0
    threads = [threading.Thread(target=load, args=(cluster, stop, seen, problems)) for _ in range(3)]
    for thread in threads:
        thread.start()
    offset = len(cluster.text())
    try:
        with cluster.connect(db="cycles") as admin:
            for n in range(20):
                time.sleep(0.15)
                begin = time.monotonic()
                try:
                    if n % 2:
                        admin.execute("BEGIN; DROP EXTENSION pg_durable; %s; COMMIT" % CREATE)
                    else:
                        admin.execute("DROP EXTENSION pg_durable")
                        admin.execute(CREATE)
                except PgError as error:
                    if error.sqlstate != "40P01":
                        raise
                    deadlocks += 1
                    admin.execute("ROLLBACK; CREATE EXTENSION IF NOT EXISTS pg_durable; SELECT df.grant_usage('alice')")
                slowest = max(slowest, time.monotonic() - begin)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    print("    slowest DROP and CREATE: %.1f s; deadlocks: %d; errors of clients: %s" % (slowest, deadlocks, seen))
    same(problems, [])
    if slowest > 6 or deadlocks or "40P01" in seen:
        raise AssertionError("a DROP was held up, or a deadlock")
    same(own_complaints(cluster, offset), [])
    with cluster.connect(user="alice", db="cycles") as session:
        quick(3, lambda: run(session, "'SELECT 1' & 'SELECT 2'"), "a function afterwards")
    quick(6, lambda: cluster.psql("DROP DATABASE cycles WITH (FORCE)"), "DROP DATABASE")
    wait_until(lambda: not workers(cluster, "cycles"), 5, "our processes leave")


@suite.test
def stubborn_step(cluster):
    """A step that catches the interrupt does not hold the DROP up for longer than it holds out."""
    fresh(cluster, "stubborn")
    with cluster.connect(user="alice", db="stubborn") as session:
        session.execute("""CREATE TABLE alice.effects (n int); CREATE FUNCTION alice.stubborn() RETURNS void
            LANGUAGE plpgsql AS $f$ BEGIN
                INSERT INTO alice.effects VALUES (1);
                FOR i IN 1..2 LOOP
                    BEGIN PERFORM pg_sleep(30); EXCEPTION WHEN query_canceled THEN NULL; END;
                END LOOP; END $f$""")
        start(session, "'SELECT alice.stubborn()'")
        wait_until(lambda: session.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"), 10,
                   "the step runs")
        quick(4, lambda: cluster.psql("DROP EXTENSION pg_durable", db="stubborn"), "DROP EXTENSION")
        wait_until(lambda: not workers(cluster, "stubborn"), 5, "our processes leave")
        same(session.value("SELECT count(*) FROM alice.effects"), 0)
    quick(6, lambda: cluster.psql("DROP DATABASE stubborn"), "DROP DATABASE")


@suite.test
def owner_dropped(cluster):
    """DROP OWNED and DROP ROLE of a submitter with live work: no wait, its instances fail and say why."""
    cluster.psql("CREATE ROLE leaver LOGIN; SELECT df.grant_usage('leaver')")
    with cluster.connect(user="leaver") as session:
        ids = [start(session, graph) for graph in (
            "df.sleep(60)", "df.wait_for_signal('x')", "df.race(df.sleep(50), df.wait_for_signal('y'))",
            "'SELECT pg_sleep(0.5)' ~> df.sleep(60)")]
        time.sleep(0.2)
    quick(3, lambda: cluster.psql("DROP OWNED BY leaver; DROP ROLE leaver"), "DROP ROLE")
    with cluster.connect() as admin:
        for instance in ids:
            same(settle(admin, instance, 15), "failed")
            has(admin.value("SELECT output FROM df.instance_info($1)", instance), "no longer exists")
        same(admin.value("SELECT count(*) FROM df_internal.timers"), 0)
        same(admin.value("SELECT count(*) FROM df_internal.active"), 0)


@suite.test
def owner_dropped_before_the_commit(cluster):
    """What a transaction starts that is open while its role is dropped, fails too, however late it commits."""
    cluster.psql("CREATE ROLE leaver LOGIN; SELECT df.grant_usage('leaver')")
    sessions = [cluster.connect(user="leaver") for _ in range(2)]
    try:
        ids = [start(sessions[0], "df.sleep(60)")]
        for session in sessions:
            session.execute("BEGIN")
            ids.append(start(session, "'SELECT 1'"))
        cluster.psql("DROP OWNED BY leaver; DROP ROLE leaver")
        with cluster.connect() as admin, cluster.connect(user="alice") as alice:
            same(settle(admin, ids[0], 15), "failed")
            # The one is committed while the scheduler is there, the other when it has long gone.
            sessions[0].execute("COMMIT")
            same(settle(admin, ids[1], 10), "failed")
            has(admin.value("SELECT output FROM df.instance_info($1)", ids[1]), "no longer exists")
            wait_until(lambda: cluster.processes("durable scheduler") == [], 20, "the scheduler has left")
            sessions[1].execute("COMMIT")
            same(settle(admin, ids[2], 10), "failed")
            same(admin.value("SELECT count(*) FROM df_internal.active"), 0)
            wait_until(lambda: cluster.processes("durable scheduler") == [], 20, "the scheduler rests")
            run(alice, "'SELECT 1'")
    finally:
        for session in sessions:
            session.close()


suite.main()
