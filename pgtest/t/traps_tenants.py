#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
# alone
"""One tenant against another: what a role can do with its own rights never costs another role its work or its time.

Covers I9, I30, I41, I60, S8, S21, S30, S33, S35 of docs/traps.md. The queue is as small as it can be.
"""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from suite import PgError, Suite, has, literal, run, same, settle, start, wait_until  # noqa: E402

suite = Suite(checkpoint_timeout="30min", max_wal_size="4GB", **{
    "pg_durable.ready_queue_size": "1024", "pg_durable.max_executors": "8"})
LIVE = "SELECT count(*) FROM df.instances WHERE status IN ('pending', 'running')"


def give_up(session, seconds=60):
    """Cancel all that the session's role has."""
    session.execute("SELECT count(df.cancel(id)) FROM df.instances WHERE status IN ('pending', 'running')")
    wait_until(lambda: session.value(LIVE) == 0, seconds, "everything is cancelled", 0.1)


@suite.test
def due_at_once(cluster):
    """900 timers of one role, and 3,000, come due while its processes are busy: another role's is not kept waiting."""
    for count in (900, 3000):
        with cluster.connect(user="mallory") as mallory, cluster.connect(user="bob") as bob:
            try:
                beside_timers(cluster, mallory, bob, count)
            finally:
                give_up(mallory)


def beside_timers(cluster, mallory, bob, count):
    mallory.execute("SELECT df.start(df.sleep(12) ~> 'SELECT pg_sleep(1)') FROM generate_series(1, %d)" % count)
    wait_until(lambda: cluster.value("SELECT count(*) FROM df_internal.timers") == count, 11, "the timers")
    mallory.execute("SELECT df.start('SELECT pg_sleep(30)') FROM generate_series(1, 20)")
    wait_until(lambda: cluster.value("SELECT count(*) FROM df_internal.timers WHERE due > now()") == 0, 20,
               "all timers are due")
    for _ in range(3):
        begin = time.monotonic()
        same(settle(bob, start(bob, "df.sleep(1) ~> 'SELECT 1'"), 10), "completed")
        took = time.monotonic() - begin
        print("    beside %d: %.2f s" % (count, took))
        if took > 5:
            raise AssertionError("bob's second took %.1f s" % took)
    if mallory.value(LIVE) < count // 2:
        raise AssertionError("mallory's work was over too soon for the test to mean anything")


@suite.test
def unreadable_results(cluster):
    """A result that jsonb cannot hold fails its own step, and df.nodes stays readable for everybody."""
    with cluster.connect(user="mallory") as session:
        for value, sqlstate in (("1e200000", "22003"), ('{"a":[1,{"b":-1e200000}]}', "22003"),
                                ("1e-200000", "22003"), ('"\\u0000"', None), ('{"\\u0000":1}', None)):
            instance = start(session, literal("SELECT '%s'::json AS x" % value))
            end = settle(session, instance)
            if sqlstate:
                same(end, "failed", value)
                same(cluster.value("SELECT failure::json->>'sqlstate' FROM df_internal.ended e JOIN "
                                   "df_internal.instances i ON i.id = e.instance WHERE i.public_id = $1", instance),
                     sqlstate, value)
            for user in ("mallory", "postgres"):
                same(cluster.query("SELECT count(*), count(result::text) > 0, count(status_details::text) >= 0 "
                                   "FROM df.nodes WHERE instance_id = $1", instance, user=user)[0][0], 1, value)
            cluster.value("SELECT output FROM df.instance_info($1)", instance, user="mallory")
    cluster.query("SELECT * FROM df.nodes LIMIT 1000")
    cluster.value("SELECT count(result || '{}') FROM (SELECT result FROM df.nodes LIMIT 1000) n")


@suite.test
def own_rows_by_index(cluster):
    """A role with a few instances counts them at once beside 20,000 of another role."""
    with cluster.connect(user="mallory") as mallory, cluster.connect(user="bob") as bob:
        mallory.execute("SELECT count(df.start(df.sleep(100000))) FROM generate_series(1, 20000)")
        try:
            counts_at_once(cluster, bob)
        finally:
            give_up(mallory, 120)


def counts_at_once(cluster, bob):
    before = bob.value("SELECT count(*) FROM df.instances")
    for _ in range(3):
        run(bob, "'SELECT 1'")
    for analyzed in (False, True):
        if analyzed:
            cluster.psql("ANALYZE df_internal.instances")
        for view, column in (("instances", "id"), ("nodes", "instance_id")):
            plan = "\n".join(row[0] for row in bob.query("EXPLAIN SELECT * FROM df.%s WHERE %s = 'deadbeef'"
                                                         % (view, column)))
            has(plan, "Index Scan using instances_public_id")
            has(plan, "Index Cond: (public_id = 'deadbeef'::text)")
        plan = [row[0] for row in bob.query("EXPLAIN ANALYZE SELECT count(*) FROM df.instances")]
        scans = [line for line in plan if "Seq Scan on instances" in line and "never executed" not in line]
        same(scans, [], "\n".join(plan))
        best = 9.0
        for _ in range(5):
            begin = time.monotonic()
            same(bob.value("SELECT count(*) FROM df.instances"), before + 3)
            best = min(best, time.monotonic() - begin)
        print("    %s: %.1f ms" % ("with statistics" if analyzed else "as it is", best * 1000))
        if best > 0.05:
            raise AssertionError("counting took %.0f ms:\n%s" % (best * 1000, "\n".join(plan)))


@suite.test
def refused_database_commands(cluster):
    """CREATE, ALTER and DROP DATABASE that the role may not do, in a loop, do not hold up another role's work."""
    cluster.psql("CREATE ROLE builder LOGIN CREATEDB")
    stop, errors = threading.Event(), set()

    def loop(sql):
        with cluster.connect(user="builder", db="template1") as session:
            while not stop.is_set():
                try:
                    session.execute(sql)
                    errors.add("done: " + sql)
                except PgError as error:
                    errors.add(error.sqlstate)

    threads = [threading.Thread(target=loop, args=(sql,)) for sql in (
        "CREATE DATABASE x TEMPLATE postgres", "ALTER DATABASE postgres RENAME TO x", "DROP DATABASE postgres")]
    slowest = 0.0
    try:
        for thread in threads:
            thread.start()
        with cluster.connect(user="bob") as bob:
            until = time.monotonic() + 8
            while time.monotonic() < until:
                begin = time.monotonic()
                run(bob, "'SELECT 1'")
                slowest = max(slowest, time.monotonic() - begin)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    print("    the slowest of bob's took %.0f ms; refused with %s" % (slowest * 1000, sorted(errors)))
    same([e for e in errors if e.startswith("done")], [])
    if slowest > 1:
        raise AssertionError("bob waited %.1f s" % slowest)


@suite.test
def delegate_and_public(cluster):
    """A role that may pass on the rights passes them to roles, never to PUBLIC."""
    cluster.psql("SET client_min_messages = error; SELECT df.grant_usage('alice', with_grant => true);"
                 "CREATE ROLE guest LOGIN")
    with cluster.connect(user="alice") as alice:
        same(alice.error("SELECT df.grant_usage('public')").sqlstate, "42501")
        same(alice.error("SELECT df.grant_usage('public', with_grant => true)").sqlstate, "42501")
        for name in ("PUBLIC", "Public", '"public"', "public, guest", "guest; GRANT USAGE ON SCHEMA df TO public"):
            same(alice.error("SELECT df.grant_usage($1)", name).sqlstate, "42704", name)
        alice.value("SELECT df.grant_usage('guest')")
    same(cluster.value("SELECT count(*) FROM pg_namespace n, aclexplode(n.nspacl) a "
                       "WHERE n.nspname = 'df' AND a.grantee = 0"), 0)
    same(cluster.value("SELECT count(*) FROM pg_class c, aclexplode(c.relacl) a "
                       "WHERE c.relnamespace = 'df'::regnamespace AND a.grantee = 0"), 0)
    with cluster.connect(user="guest") as guest:
        run(guest, "'SELECT 1'")


@suite.test
def huge_arguments(cluster):
    """Arguments of 200 MB are refused with 54000 before they are copied."""
    calls = ["df.sql(%s)", "df.setvar('v', %s)", "df.setvar(%s, 'v')", "df.cancel('00000000', %s)", "df.cancel(%s)",
             "df.status(%s)", "df.start(%s)", "df.start('SELECT 1', %s)", "df.as('SELECT 1', %s)",
             "df.seq('SELECT 1', %s)", "df.explain(%s)"]
    with cluster.connect(user="mallory") as session:
        # One as an expression makes it, one stored and compressed.
        session.execute("CREATE TABLE mallory.big AS SELECT repeat(repeat('x', 1000), 200000) AS v")
        for source, place in (("repeat(repeat('x', 1000), 200000)", ""), ("v", " FROM mallory.big")):
            begin = time.monotonic()
            session.value("SELECT octet_length(%s)%s" % (source, place))
            base = time.monotonic() - begin
            slow = []
            for call in calls:
                begin = time.monotonic()
                same(session.error("SELECT " + call % source + place).sqlstate, "54000", call % source)
                took = time.monotonic() - begin
                if took > base + 0.3:
                    slow.append("%s: %.2f s, the argument alone %.2f s" % (call % source, took, base))
            same(slow, [])
        run(session, "'SELECT 1'")


@suite.test
def mass_cancel(cluster):
    """100,010 cancels in one transaction, twice: another role's running step is neither interrupted nor run again."""
    crowd = "SELECT count(df.cancel(df.start('select 1'))) FROM generate_series(1, 100010)"
    look = ("SELECT pid, query_start::text FROM pg_stat_activity WHERE backend_type = 'durable executor' "
            "AND usename = 'bob' AND state = 'active' AND query LIKE '%pg_sleep(8)%'")
    with cluster.connect(user="mallory") as one, cluster.connect(user="mallory") as two, \
            cluster.connect(user="bob") as bob, cluster.connect() as watcher:
        for session in (one, two):
            session.execute("BEGIN")
            session.send(crowd)
        for session in (one, two):
            session.finish(120)
        begin = time.monotonic()
        instance = start(bob, "'SELECT pg_sleep(8)'")
        first = wait_until(lambda: watcher.query(look), 5, "bob's step")
        same(len(first), 1)
        one.send("COMMIT")
        seen, second = set(first), False
        while bob.value("SELECT df.status($1)", instance) == "running":
            seen.update(watcher.query(look))
            if not second and time.monotonic() - begin > 3:
                one.finish(5)
                two.send("COMMIT")
                second = True
            if time.monotonic() - begin > 20:
                raise AssertionError("bob's step takes 20 s: %s" % seen)
            time.sleep(0.1)
        took = time.monotonic() - begin
        two.finish(5)
        same(seen, set(first), "bob's step began once")
        same(bob.value("SELECT df.status($1)", instance), "completed")
        if not 7.9 < took < 10:
            raise AssertionError("bob's step took %.1f s" % took)
        wait_until(lambda: one.value(LIVE) == 0, 30, "mallory's are cancelled", 0.2)


suite.main()
