#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Steps that take their process or the whole server down: bounded attempts, then failed with a reason.

Covers I7, I19, I34, I37, I38, I43, S13 (process death) of docs/traps.md, and the emergency brake pg_durable.enabled.
"""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cluster import CHECKOUT, pg_config  # noqa: E402
from suite import PgError, Suite, has, prepare, run, same, start, wait_until  # noqa: E402

suite = Suite(**{"pg_durable.max_step_crashes": "2", "restart_after_crash": "on", "log_min_messages": "log"})


def prepare_more(cluster):
    """public.crash(how): a C function of the user's that crashes its process."""
    prepare(cluster)
    library = os.path.join(cluster.home, "crash.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, "-I" + pg_config("--includedir-server"),
                    os.path.join(CHECKOUT, "pgtest", "lib", "crash.c")], check=True)
    os.chmod(library, 0o755)
    cluster.psql("CREATE FUNCTION public.crash(int) RETURNS void LANGUAGE c STRICT AS '%s', 'crash_process'" % library)


suite.prepare = prepare_more


def patient(cluster, sql, *parameters, user="postgres"):
    """A value, through any number of restarts of the server."""
    def look():
        try:
            return [cluster.value(sql, *parameters, user=user)]
        except PgError as error:
            if not error.lost:
                raise
            return None
    return wait_until(look, 60, "an answer to " + sql)[0]


def ended(cluster, instance, user, seconds=90):
    def look():
        status = patient(cluster, "SELECT df.status($1)", instance, user=user)
        return status if status in ("completed", "failed", "cancelled") else None
    return wait_until(look, seconds, "instance %s ends" % instance, 0.1)


def begin(cluster, user, graph):
    with cluster.connect(user=user) as session:
        return start(session, graph)


def crashes_and_fails(cluster, how):
    """A step that crashes the server is tried at most twice more than once, then fails and says so."""
    before = cluster.crashes()
    instance = begin(cluster, "mallory", "'SELECT public.crash(%d)'" % how)
    same(ended(cluster, instance, "mallory"), "failed")
    text = patient(cluster, "SELECT output FROM df.instance_info($1)", instance, user="mallory")
    has(text, "never came to an end")
    times = cluster.crashes() - before
    if not 1 <= times <= 4:
        raise AssertionError("%d crashes of the server" % times)
    cluster.wait_ready()


@suite.test
def segmentation_fault(cluster):
    """A step that segfaults through a user's C library: probation, then failed with its reason."""
    crashes_and_fails(cluster, 1)


@suite.test
def killed_itself(cluster):
    """A step that kills its own process with SIGKILL."""
    crashes_and_fails(cluster, 4)


@suite.test
def others_go_on(cluster):
    """Work of another role completes beside a step that crashes the server, each effect once."""
    cluster.psql("CREATE TABLE alice.beside (n int)", user="alice")
    good = begin(cluster, "alice", " ~> ".join(
        "'INSERT INTO alice.beside SELECT %d FROM pg_sleep(0.1)'" % n for n in range(30)))
    bad = begin(cluster, "mallory", "df.sleep(1) ~> 'SELECT public.crash(2)'")
    same(ended(cluster, bad, "mallory"), "failed")
    same(ended(cluster, good, "alice"), "completed")
    same(patient(cluster, "SELECT count(*) FROM alice.beside"), 30)
    same(patient(cluster, "SELECT count(DISTINCT n) FROM alice.beside"), 30)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def note_in_control_file(cluster, state):
    """The state that the server was in when it ended, as the next start will see it."""
    path = os.path.join(cluster.data, "global", "pg_control")
    with open(path, "r+b") as file:
        data = bytearray(file.read())
        end = next(n for n in range(200, 400, 4) if crc32c(data[:n]) == int.from_bytes(data[n:n + 4], "little"))
        data[16:20] = state.to_bytes(4, "little")
        data[end:end + 4] = crc32c(data[:end]).to_bytes(4, "little")
        file.seek(0)
        file.write(data)


@suite.test
def crash_during_recovery(cluster):
    """A crash that hit the recovery after another one is a crash: attempts are recorded; after a clean stop none is."""
    in_crash_recovery = 4  # DBState
    for state, recorded in ((None, 0), (in_crash_recovery, 1)):
        cluster.stop()
        if state is not None:
            note_in_control_file(cluster, state)
        cluster.start()
        instance = begin(cluster, "alice", "'SELECT 1'")
        same(ended(cluster, instance, "alice"), "completed")
        attempts = """SELECT count(*) FROM df_internal.journal j JOIN df_internal.instances i ON i.id = j.instance
                      WHERE i.public_id = $1"""
        same(patient(cluster, attempts, instance), 1 + recorded)


@suite.test
def suspects_one_at_a_time(cluster):
    """Steps that were running at a crash are repeated one after the other, also if one gives its advisory locks up."""
    cluster.reload(**{"pg_durable.max_step_crashes": "10"})
    both = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'durable executor' AND query LIKE '%pg_sleep(3%'"
    instances = [begin(cluster, user, "'SELECT pg_advisory_unlock_all(), pg_sleep(3.%d)'" % n)
                 for n, user in enumerate(("alice", "bob"))]
    wait_until(lambda: patient(cluster, both) == 2, 20, "both run")
    victim = patient(cluster, both.replace("count(*)", "min(pid)"))
    # A crash before them begins the probation in which the attempt of each is recorded before it runs.
    cluster.kill9(victim)
    cluster.wait_ready()
    wait_until(lambda: patient(cluster, both) == 2, 20, "both run again")
    cluster.kill9(patient(cluster, both.replace("count(*)", "min(pid)")))
    cluster.wait_ready()
    most, until = 0, time.monotonic() + 6
    while time.monotonic() < until:
        most = max(most, patient(cluster, both + " AND state = 'active'"))
        time.sleep(0.05)
    same(most, 1)
    for instance, user in zip(instances, ("alice", "bob")):
        same(ended(cluster, instance, user), "completed")
    cluster.reload(**{"pg_durable.max_step_crashes": "2"})


@suite.test
def terminates_itself(cluster):
    """A step that ends its own session is tried a few times and fails; the log is not flooded."""
    before = len(cluster.text())
    instance = begin(cluster, "mallory", "'SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(5)'")
    same(ended(cluster, instance, "mallory"), "failed")
    lines = cluster.text()[before:].count("terminating")
    if lines > 20:
        raise AssertionError("%d log lines" % lines)
    with cluster.connect(user="mallory") as session:
        run(session, "'SELECT 1'")


@suite.test
def emergency_brake(cluster):
    """pg_durable.enabled = off stops everything before the first step, by a reload; on again, the work goes on."""
    cluster.reload(**{"pg_durable.enabled": "off"})
    wait_until(lambda: cluster.value("SHOW pg_durable.enabled") == "off", 10, "the setting is read")
    time.sleep(0.5)
    instance = begin(cluster, "alice", "'SELECT 1'")
    time.sleep(2)
    same(patient(cluster, "SELECT df.status($1)", instance, user="alice"), "pending")
    cluster.restart()
    time.sleep(2)
    same(patient(cluster, "SELECT df.status($1)", instance, user="alice"), "pending")
    cluster.reload(**{"pg_durable.enabled": "on"})
    same(ended(cluster, instance, "alice", 20), "completed")


@suite.test
def killed_helpers_come_back(cluster):
    """After kill -9 of the launcher, the scheduler and an executor, work goes on by itself within seconds."""
    for kind in ("launcher", "scheduler", "executor"):
        with cluster.connect(user="alice") as session:
            run(session, "'SELECT 1'")
            sleeper = start(session, "df.sleep(1) ~> 'SELECT 1'")
        pids = wait_until(lambda: cluster.processes("durable " + kind), 10, "a durable " + kind)
        cluster.kill9(pids[0])
        time.sleep(0.3)
        same(ended(cluster, sleeper, "alice", 15), "completed", kind)


@suite.test
def terminated_helpers_come_back(cluster):
    """The same after SIGTERM of each, without a restart of the sessions."""
    before = cluster.crashes()
    for kind in ("launcher", "scheduler", "executor"):
        with cluster.connect(user="alice") as session:
            run(session, "'SELECT 1'")
            sleeper = start(session, "df.sleep(1) ~> 'SELECT 1'")
        for pid in wait_until(lambda: cluster.processes("durable " + kind), 10, "a durable " + kind):
            cluster.value("SELECT pg_terminate_backend(%d)" % pid)
        same(ended(cluster, sleeper, "alice", 15), "completed", kind)
    same(cluster.crashes(), before)


@suite.test
def without_preload(cluster):
    """However else the library is loaded, it says what is missing and does nothing."""
    cluster.psql("CREATE DATABASE fresh; CREATE ROLE preloading LOGIN")
    cluster.configure(shared_preload_libraries="''")
    cluster.restart()
    try:
        with cluster.connect() as admin, cluster.connect(db="fresh") as fresh, \
                cluster.connect(user="alice") as session:
            for connection, sql in ((admin, "LOAD 'pg_durable'"), (fresh, "CREATE EXTENSION pg_durable"),
                                    (session, "SELECT df.start('SELECT 1')"), (session, "SELECT 'a' ~> 'b'"),
                                    (session, "SELECT * FROM df.instances"), (admin, "SELECT df.version()")):
                error = connection.error(sql)
                same(error.message, "pg_durable must be loaded via shared_preload_libraries.", sql)
                same(error.sqlstate, "55000", sql)
                has(error.hint, "Add 'pg_durable' to shared_preload_libraries")
                same(connection.value("SELECT 1"), 1)
            same(fresh.value("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'df%'"), 0)
            admin.execute("ALTER ROLE preloading SET session_preload_libraries = 'pg_durable'")
        try:
            cluster.connect(user="preloading").close()
            raise AssertionError("session_preload_libraries loaded it")
        except PgError as error:
            has(str(error), "must be loaded via shared_preload_libraries")
        same([p for p in ("durable launcher", "durable http") if cluster.processes(p)], [])
    finally:
        cluster.psql("ALTER ROLE preloading RESET session_preload_libraries")
        cluster.configure(shared_preload_libraries="'pg_durable'")
        cluster.restart()
    with cluster.connect(user="alice") as session:
        run(session, "'SELECT 1'")


@suite.test
def binary_upgrade(cluster):
    """A server that pg_upgrade has started loads the library, preloaded or not, and runs no process of it."""
    for preload in ("''", "'pg_durable'"):
        cluster.stop()
        cluster.configure(shared_preload_libraries=preload)
        done = cluster.command("pg_ctl", "-D", cluster.data, "-l", cluster.log, "-w", "-s", "-o", "-b", "start")
        same(done.returncode, 0, done.stdout)
        try:
            with cluster.connect() as session:
                session.execute("LOAD 'pg_durable'")
                has(session.error("SELECT df.start('SELECT 1')").message, "must be loaded via")
                same(session.value("SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'durable%'"), 0)
        finally:
            cluster.stop()
            cluster.configure(shared_preload_libraries="'pg_durable'")
    cluster.start()
    with cluster.connect(user="alice") as session:
        run(session, "'SELECT 1'")


@suite.test
def loads_are_counted(cluster):
    """After a crash each load is announced: one that never came to an end fails its instance, others go on."""
    large = "'SELECT repeat(''x'', 9000000)' ~> df.sleep(3) ~> 'SELECT pg_sleep(1)' ~> 'SELECT 2'"
    instances = [begin(cluster, user, large) for user in ("alice", "mallory")]
    number = "SELECT id FROM df_internal.instances WHERE public_id = '%s'"
    wait_until(lambda: cluster.value("SELECT count(*) FROM df_internal.timers") >= 2, 10, "both sleep")
    # as if two loads had taken the server down
    cluster.psql("INSERT INTO df_internal.requests SELECT (%s), n, now(), 10, 2, '' FROM generate_series(1, 2) n"
                 % (number % instances[1]))
    before = cluster.crashes()
    cluster.kill9(cluster.processes("checkpointer")[0])
    wait_until(lambda: cluster.crashes() > before, 10, "the server notices")
    cluster.wait_ready()
    same(ended(cluster, instances[0], "alice"), "completed")
    same(ended(cluster, instances[1], "mallory"), "failed")
    same(cluster.value("SELECT df.error($1)->>'sqlstate'", instances[1]), "57P02")
    same(cluster.value("SELECT count(*) FROM df_internal.requests"), 0)


suite.main()
