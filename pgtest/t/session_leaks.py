#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""A step finds its session as a new connection would: nothing of the step before it, its own instance's or another's.

Each case leaves something behind in one step and looks for it in the next step and in another instance of the role.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from suite import Suite, dollar, has, output, run, same, settle, start, wait_until  # noqa: E402

suite = Suite(**{"pg_durable.max_executors_per_role": "1"})

# name, what the first step does, the looking step (one boolean: leaked?)
CASES = [
    ("set", "SET work_mem = '123MB'", "SELECT current_setting('work_mem') = '123MB'"),
    ("set search_path", "SET search_path = nowhere", "SELECT current_setting('search_path') = 'nowhere'"),
    ("set_config", "SELECT set_config('timezone', 'Asia/Tokyo', false)",
     "SELECT current_setting('timezone') = 'Asia/Tokyo'"),
    ("custom setting", "SET my.secret = 's'", "SELECT current_setting('my.secret', true) = 's'"),
    ("set role", "SET ROLE alice", "SELECT current_setting('role') <> 'none'"),
    ("temporary table", "CREATE TEMP TABLE tmp AS SELECT 1 AS n", "SELECT to_regclass('pg_temp.tmp') IS NOT NULL"),
    ("temporary view", "CREATE TEMP VIEW tmpv AS SELECT 1 AS n", "SELECT to_regclass('pg_temp.tmpv') IS NOT NULL"),
    ("prepared statement", "PREPARE leak AS SELECT 1",
     "SELECT count(*) > 0 FROM pg_prepared_statements WHERE name = 'leak'"),
    ("cursor", "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "SELECT count(*) > 0 FROM pg_cursors WHERE name = 'c'"),
    ("advisory lock", "SELECT pg_advisory_lock(4711)",
     "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711"),
    ("listen", "LISTEN leak", "SELECT count(*) > 0 FROM pg_listening_channels()"),
    ("session replication", "SET default_transaction_read_only = on",
     "SELECT current_setting('transaction_read_only') = 'on'"),
    ("isolation", "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
     "SELECT current_setting('transaction_isolation') = 'serializable'"),
    ("constraints", "SET CONSTRAINTS ALL DEFERRED", "SELECT false"),
]


@suite.test
def state_does_not_leak(cluster):
    """What one step leaves in its session reaches neither the next step nor another instance."""
    problems = []
    with cluster.connect(user="alice") as session:
        for name, leave, look in CASES:
            both = run(session, "%s ~> %s" % (dollar(leave), dollar("SELECT (%s) AS leaked" % look)))
            other = run(session, dollar("SELECT (%s) AS leaked" % look))
            for where, instance in (("next step", both), ("another instance", other)):
                value = output(session, instance)
                if '"leaked":true' in value:
                    problems.append("%s reached the %s" % (name, where))
    same(problems, [])


@suite.test
def application_name(cluster):
    """Steps show the original's name, whatever role and database set; what a step sets is gone after it."""
    name = "pg_durable:worker:workflow-sql"
    cluster.psql("ALTER ROLE alice SET application_name = 'of the role'; "
                 "ALTER DATABASE postgres SET application_name = 'of the database'")
    look = dollar("SELECT current_setting('application_name') AS setting, application_name AS shown "
                  "FROM pg_stat_activity WHERE pid = pg_backend_pid()")
    shown = "SELECT current_setting('application_name') AS n"
    reset = dollar("SET application_name = 'mine'; RESET application_name; " + shown)
    change = dollar("SET application_name = 'mine'; " + shown)
    try:
        with cluster.connect(user="alice") as session:
            for graph in (look, change + " ~> " + look, reset + " ~> " + look):
                seen = output(session, run(session, graph))
                same(seen, '{"rows":[{"setting":"%s","shown":"%s"}],"row_count":1}' % (name, name))
            has(output(session, run(session, change)), '"n":"mine"')
            has(output(session, run(session, reset)), '"n":"%s"' % name)
            run(session, dollar("SET application_name = 'mine'; SELECT 1/0"), status="failed")
            has(output(session, run(session, look)), '"shown":"%s"' % name)
            # Idle, too, in the view where administrators look for it.
            same(cluster.query("SELECT DISTINCT application_name FROM pg_stat_activity "
                               "WHERE backend_type = 'durable executor'"), [(name,)])
    finally:
        cluster.psql("ALTER ROLE alice RESET application_name; ALTER DATABASE postgres RESET application_name")


@suite.test
def failed_step_leaks_nothing(cluster):
    """A step that fails half way leaves nothing either."""
    with cluster.connect(user="alice") as session:
        for name, leave, look in CASES:
            run(session, dollar(leave + "; SELECT 1 / 0"), status="failed")
            other = run(session, dollar("SELECT (%s) AS leaked" % look))
            if '"leaked":true' in output(session, other):
                raise AssertionError(name + " leaked from a failed step")


@suite.test
def currval(cluster):
    """currval and lastval know nothing of the step before."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE SEQUENCE alice.s")
        instance = run(session, dollar("SELECT nextval('alice.s')") + " ~> " + dollar("SELECT currval('alice.s')"),
                       status="failed")
        assert "not yet defined" in output(session, instance), output(session, instance)
        instance = run(session, dollar("SELECT nextval('alice.s')") + " ~> " + dollar("SELECT lastval()"),
                       status="failed")
        assert "not yet defined" in output(session, instance), output(session, instance)


@suite.test
def locks_are_released(cluster):
    """A session-level advisory lock taken by a step can be taken by a client as soon as the instance has ended."""
    with cluster.connect(user="alice") as session:
        run(session, dollar("SELECT pg_advisory_lock(99)"))
        same(session.value("SELECT pg_try_advisory_lock(99)"), True)


@suite.test
def user_locks_do_not_stop_the_engine(cluster):
    """Holding every advisory lock key that the engine's locks show in pg_locks stops nothing."""
    with cluster.connect(user="bob") as holder, cluster.connect(user="alice") as session:
        instance = start(session, "'SELECT 1' & 'SELECT pg_sleep(0.5)'")
        seen = holder.query("SELECT DISTINCT classid::bigint, objid::bigint, objsubid FROM pg_locks "
                            "WHERE locktype = 'advisory'")
        settle(session, instance)
        for high, low, sub in seen:
            if sub == 1:
                holder.execute("SELECT pg_advisory_lock((%d::bigint << 32) | %d)" % (high, low))
        for key in range(1, 200):
            holder.execute("SELECT pg_advisory_lock(%d), pg_advisory_lock(0, %d)" % (key, key))
        run(session, "'SELECT 1' & 'SELECT 2' ~> 'SELECT 3'", 20)


@suite.test
def role_and_database_settings_apply(cluster):
    """A step has the role's and the database's settings, as a new connection would, later changes included."""
    cluster.psql("ALTER ROLE bob SET work_mem = '77MB'; ALTER DATABASE postgres SET my.place = 'here'")
    with cluster.connect(user="bob") as session:
        instance = run(session, dollar(
            "SELECT current_setting('work_mem') AS w, current_setting('my.place', true) AS p"))
        same(output(session, instance), '{"rows":[{"w":"77MB","p":"here"}],"row_count":1}')
        cluster.psql("ALTER ROLE bob SET work_mem = '78MB'")

        def changed():
            fresh = run(session, dollar("SELECT current_setting('work_mem') AS w"))
            return '"78MB"' in output(session, fresh)

        wait_until(changed, 5, "the role's new setting reaches steps")
    cluster.psql("ALTER ROLE bob RESET work_mem; ALTER DATABASE postgres RESET my.place")


@suite.test
def loaded_library_replaces_the_process(cluster):
    """What no reset reaches goes with the process: after a step that loaded a library the next one has a fresh one."""
    cluster.psql("CREATE EXTENSION pg_trgm")
    pid = "SELECT pg_backend_pid() AS p"
    with cluster.connect(user="bob") as session:
        for first, replaced in ((pid, False), ("SELECT pg_backend_pid() AS p, similarity('a', 'b')", True)):
            second = dollar("SELECT $one.p = pg_backend_pid() AS same")
            instance = run(session, dollar(first) + " |=> 'one' ~> " + second)
            same(output(session, instance),
                 '{"rows":[{"same":%s}],"row_count":1}' % ("false" if replaced else "true"), first)


suite.main()
