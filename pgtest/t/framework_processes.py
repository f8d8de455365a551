# SPDX-License-Identifier: PostgreSQL
"""The framework for extensions in Swift as processes: shared memory, workers, callbacks, interrupts, traps."""
# alone
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "modules", "pgext_test"))
from bed import Bed, lost  # noqa: E402
from suite import PgError, has, same, wait_until  # noqa: E402

suite = Bed()


@suite.test
def shared_state(cluster):
    """Sessions that count at once under the lock lose nothing; a server call under it is refused, and it is freed."""
    sessions = [cluster.connect() for _ in range(4)]
    begin = sessions[0].value("SELECT pgext_count(0)")
    for session in sessions:
        session.send("SELECT pgext_count(50000)")
    for session in sessions:
        session.finish()
    same(sessions[0].value("SELECT pgext_count(0)") - begin, 200000)
    has(sessions[0].error("SELECT pgext_call_under_lock()").message, "while a lightweight lock is held")
    same(sessions[0].value("SELECT pgext_count(1)") - begin, 200001)
    for session in sessions:
        session.close()


@suite.test
def workers(cluster):
    """Static and dynamic workers: identity, transactions, errors, latches, restart, no free slot, and a fast stop."""
    def static():
        return cluster.query("SELECT * FROM pgext_workers()")[0]

    pid, starts, wakes = wait_until(lambda: static()[0] and static(), 10)
    for _ in range(3):
        same(cluster.value("SELECT pgext_wake()"), True)
        wait_until(lambda: static()[2] > wakes, 10, "the worker wakes")
        wakes = static()[2]
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: static()[1] > starts and static()[0] != pid, 20, "the static worker is started again")
    with cluster.connect("alice") as session:
        session.execute("SELECT pgext_start_worker(6)")
        same(session.query("SELECT number, label FROM pgext_items WHERE label = 'worker' ORDER BY number"),
             [(n, "worker") for n in (0, 1, 3, 4)])
        session.execute("SET statement_timeout = '30s'")
    blockers = [cluster.connect() for _ in range(8)]
    cluster.psql("BEGIN; LOCK TABLE pgext_items IN EXCLUSIVE MODE; SELECT 1; COMMIT")
    with cluster.connect() as locker:
        locker.execute("BEGIN; LOCK TABLE pgext_items")
        for session in blockers:
            session.send("SELECT pgext_start_worker(1)")
        states = wait_until(lambda: [s for s in blockers if s.ready(0.1)], 10, "the slots are used up")
        for session in states:
            try:
                session.finish()
                raise AssertionError("more workers than slots")
            except PgError as error:
                same((error.sqlstate, error.hint), ("53400", "Raise max_worker_processes."))
        locker.execute("COMMIT")
    for session in blockers:
        if session not in states:
            session.finish()
        session.close()
    # A role that may not insert: the worker's error ends the worker, not the server, and reaches the log.
    cluster.psql("CREATE ROLE carol LOGIN")
    cluster.query("SELECT pgext_start_worker(1)", user="carol")
    has(cluster.text(), "permission denied for table pgext_items")
    # And one that traps.
    cluster.query("SELECT pgext_start_worker(-1)")
    has(cluster.text(), 'pgext_test dynamic worker @ FATAL:  internal error in extension "pgext_test"')
    same(cluster.crashes(), 0)
    assert cluster.stop("fast") < 3, "a fast stop takes long"
    cluster.start()


@suite.test
def transaction_callbacks(cluster):
    """Callbacks of commit, abort, savepoints, and the one after the locks: once per top-level transaction."""
    with cluster.connect() as session:
        session.execute("SELECT pgext_log('load')")

        def change(sql):
            before = session.query("SELECT * FROM pgext_transactions()")[0]
            try:
                session.execute(sql)
            except PgError:
                session.execute("ROLLBACK")
            after = session.query("SELECT * FROM pgext_transactions()")[0]
            # The first of the two looking statements commits as well.
            return tuple(b - a for a, b in zip(before, after))
        same(change("SELECT 1"), (2, 2, 0, 0, 2))
        same(change("BEGIN; CREATE TEMP TABLE c(); DROP TABLE c; COMMIT"), (2, 2, 0, 0, 2))
        same(change("BEGIN; SAVEPOINT a; SELECT 1; ROLLBACK TO a; RELEASE a; COMMIT"), (2, 2, 0, 1, 2))
        same(change("BEGIN; SELECT 1/0"), (1, 1, 1, 0, 1))
        same(change("SELECT count(*) FROM pgext_catch('SELECT 1/0')"), (2, 2, 0, 1, 2))


@suite.test
def interrupts(cluster):
    """A loop and a wait in Swift end at once on cancel, timeout and terminate."""
    with cluster.connect() as other:
        for sql in ["SELECT pgext_loop()", "SELECT pgext_wait(600000)", "SELECT pgext_start_worker(0), pg_sleep(60)"]:
            session = cluster.connect()
            session.send(sql)
            time.sleep(0.3)
            begin = time.monotonic()
            same(other.value("SELECT pg_cancel_backend($1)", session.pid), True)
            try:
                session.finish(10)
                raise AssertionError("%s was not cancelled" % sql)
            except PgError as error:
                same(error.sqlstate, "57014", sql)
            assert time.monotonic() - begin < 2, "slow to cancel: " + sql
            session.execute("SET statement_timeout = 100")
            if "pgext_start_worker" not in sql:
                same(session.error(sql).sqlstate, "57014")
            session.execute("SET statement_timeout = 0")
            session.send(sql)
            time.sleep(0.2)
            other.value("SELECT pg_terminate_backend($1)", session.pid)
            try:
                session.finish(10)
                raise AssertionError("%s was not terminated" % sql)
            except PgError as error:
                same(error.sqlstate, "57P01", sql)
            session.close()
        begin = time.monotonic()
        other.execute("SELECT pgext_wait(300)")
        assert 0.25 < time.monotonic() - begin < 2


@suite.test
def traps_end_one_session(cluster):
    """A trap in a Swift function ends its own session with FATAL and a clear message; nobody else notices."""
    witness = cluster.connect()
    witness.execute("BEGIN; SELECT txid_current()")
    started = cluster.started()
    for kind in ["index", "overflow", "unwrap", "precondition", "division"]:
        for sql in ["SELECT pgext_trap('%s')", "SELECT pgext_pass($q$SELECT pgext_trap('%s')$q$)",
                    "SELECT * FROM pgext_catch($q$SELECT pgext_trap('%s')$q$)"]:
            session = cluster.connect()
            session.execute("BEGIN; SELECT pgext_plan(900, 'trap'); SELECT pg_advisory_lock(42)")
            error = lost(session, sql % kind)
            same((error.severity, error.sqlstate), ("FATAL", "XX000"), sql % kind)
            has(error.message, 'internal error in extension "pgext_test"')
            session.close()
    same(witness.value("SELECT count(*) FROM pgext_items WHERE number = 900"), 0)
    same(witness.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), 0)
    witness.execute("COMMIT")
    witness.close()
    same((cluster.crashes(), cluster.started()), (0, started))


@suite.test
def signals_from_outside_are_no_traps(cluster):
    """Only a real trap of Swift code is absorbed: a SIGILL that somebody sends crashes as it would without us."""
    session = cluster.connect()
    session.send("SELECT pgext_loop()")
    time.sleep(0.3)
    os.kill(session.pid, signal.SIGILL)
    wait_until(lambda: cluster.crashes() == 1, 10, "the server restarts")
    session.close()
    cluster.wait_ready()


@suite.test
def traps_under_a_lock_crash(cluster):
    """Where a FATAL would leave shared state half changed, the trap stops all sessions, and the server recovers."""
    session = cluster.connect()
    crashes = cluster.crashes()
    lost(session, "SELECT pgext_trap('under lock')")
    session.close()
    wait_until(lambda: cluster.crashes() == crashes + 1, 10, "the server restarts")
    cluster.wait_ready()
    same(cluster.value("SELECT pgext_count(1)"), 1)


@suite.test
def a_hang_after_a_trap_crashes(cluster):
    """A session that hangs on its way out, as one that trapped inside the allocator would, is ended by a watchdog."""
    session = cluster.connect()
    crashes, begin = cluster.crashes(), time.monotonic()
    session.send("SELECT pgext_trap('hang')")
    wait_until(lambda: cluster.crashes() == crashes + 1, 20, "the watchdog bites")
    assert time.monotonic() - begin > 5, "the session did not hang"
    has(cluster.text(), "was terminated by signal 6")
    session.close()
    cluster.wait_ready()


@suite.test
def not_preloaded(cluster):
    """Loaded into one session only, everything works but what needs shared memory, which says why."""
    cluster.stop()
    cluster.configure(shared_preload_libraries="''")
    cluster.start()
    with cluster.connect() as session:
        same(session.value("SELECT pgext_echo(1)"), 1)
        error = session.error("SELECT pgext_count(1)")
        same(error.sqlstate, "55000")
        has(error.hint, "shared_preload_libraries")
        same(session.value("SHOW pgext_test.delay"), "1500ms")
        has(lost(session, "SELECT pgext_trap('index')").message, "internal error")
    same(cluster.value("SELECT 1"), 1)


if __name__ == "__main__":
    suite.main()
