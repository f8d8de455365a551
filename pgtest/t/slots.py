#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
# alone
"""Waiting for a place to run: who is delayed by whom with the settings that a server has by itself, and the original's
settings for it.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from latency import at_once  # noqa: E402
from suite import Suite, has, same, settle, start, wait_until  # noqa: E402

# With the server's own eight, three steps run at a time.
suite = Suite(max_worker_processes=None)


def running(cluster, count, text="pg_sleep"):
    wait_until(lambda: cluster.value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'durable executor' "
                                     "AND state = 'active' AND query LIKE '%%%s%%'" % text) == count, 10,
               "%d steps run" % count)


def clear(cluster):
    cluster.execute("SELECT df.cancel(id) FROM df.instances WHERE status IN ('pending', 'running')")
    wait_until(lambda: cluster.value(
        "SELECT count(*) FROM df.instances WHERE status IN ('pending', 'running')") == 0, 30, "all cancelled")


@suite.test
def two_long_steps(cluster):
    """Two long steps of one role do not delay another role's `SELECT 1`, with the default settings."""
    same(cluster.query("SELECT current_setting('max_worker_processes'), current_setting('pg_durable.max_executors')"),
         [("8", "0")])
    with cluster.connect(user="mallory") as mallory, cluster.connect(user="bob") as bob:
        for _ in range(3):
            start(mallory, "'SELECT pg_sleep(60)'")
        running(cluster, 2)
        at_once(bob, "bob")
        running(cluster, 2)
    clear(cluster)


@suite.test
def long_step_of_the_same_function(cluster):
    """Nor does a long arm of a join delay the other arm's steps."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.arm (at timestamptz DEFAULT clock_timestamp())")
        begin = time.monotonic()
        start(session, "'SELECT pg_sleep(30)' & ('INSERT INTO alice.arm DEFAULT VALUES' ~> "
                       "'INSERT INTO alice.arm DEFAULT VALUES')")
        wait_until(lambda: session.value("SELECT count(*) FROM alice.arm") == 2, 5, "the other arm")
        if time.monotonic() - begin > 2:
            raise AssertionError("%.1f s" % (time.monotonic() - begin))
    clear(cluster)


@suite.test
def open_transactions(cluster):
    """Open transactions that called df.start, of the same role and with the same graph, delay nobody."""
    holders = [cluster.connect(user=role) for role in ("mallory", "mallory", "bob", "alice")]
    try:
        for holder in holders:
            holder.execute("BEGIN")
            holder.execute("SELECT df.start('SELECT 1')")
            holder.execute("SELECT df.setvar('a', 'b')")
        with cluster.connect(user="bob") as bob, cluster.connect(user="mallory") as mallory:
            at_once(bob, "bob", 50)
            at_once(mallory, "mallory", 50)
            mallory.execute("SELECT df.setvar('a', 'c')")
            begin = time.monotonic()
            instance = bob.value("SELECT df.start('SELECT 1', transaction_mode => 'new')")
            same(settle(bob, instance), "completed")
            if time.monotonic() - begin > 2:
                raise AssertionError("%.2f s" % (time.monotonic() - begin))
    finally:
        for holder in holders:
            holder.close()


@suite.test
def as_long_as_it_takes(cluster):
    """With one slot, a step that waits three seconds for it completes."""
    cluster.configure(**{"pg_durable.max_user_connections": "1"})
    cluster.restart()
    with cluster.connect(user="alice") as session:
        instances = [start(session, "'SELECT pg_sleep(1.5)'") for _ in range(3)]
        for instance in instances:
            same(settle(session, instance), "completed")
        same(len(cluster.processes("durable executor")), 1)


@suite.test
def the_originals_failure(cluster):
    """execution_acquire_timeout: the step that waited longer fails in the original's words, the others go on."""
    cluster.configure(**{"pg_durable.max_user_connections": "1", "pg_durable.execution_acquire_timeout": "2"})
    cluster.restart()
    with cluster.connect(user="alice") as session:
        first = start(session, "'SELECT pg_sleep(3)' ~> 'SELECT 2'")
        running(cluster, 1)
        second = start(session, "'SELECT 3'")
        third = start(session, "'SELECT 4' ~> df.sleep(1) ~> 'SELECT 5'")
        same([settle(session, i) for i in (first, second, third)], ["completed", "failed", "failed"])
        text = session.value("SELECT output FROM df.instance_info($1)", second)
        wanted = ("pg_durable: connection limit reached (max_user_connections=1). Timed out after 2s waiting for an "
                  "available execution slot.")
        if wanted not in str(text):
            raise AssertionError(text)
        same(settle(session, start(session, "'SELECT 6' ~> df.sleep(3) ~> 'SELECT 7'")), "completed")


@suite.test
def late_while_all_are_busy(cluster):
    """Steps that wait too long fail at that time, though the only executor is busy for much longer; none runs."""
    cluster.configure(**{"pg_durable.max_user_connections": "1", "pg_durable.execution_acquire_timeout": "2"})
    cluster.restart()
    with cluster.connect(user="alice") as session, cluster.connect(user="bob") as bob:
        session.execute("CREATE TABLE alice.ran (what text)")
        holder = start(session, "'SELECT pg_sleep(60)' ~> 'SELECT 2'")
        running(cluster, 1)
        begin = time.monotonic()
        step = "'INSERT INTO alice.ran VALUES (''late'')'"
        late = [start(session, step), start(session, step + " & 'SELECT 2'"), start(bob, "'SELECT 3'"),
                start(session, "(%s & (%s & 'SELECT 1')) & %s" % (step, step, step)),
                start(session, "df.if('SELECT true', %s, %s)" % (step, step))]
        # A sleep begins when somebody looks at it, here after two seconds; what comes after it waits anew.
        asleep = start(session, "df.sleep(1) ~> " + step)
        many = session.value("SELECT array_agg(df.start('SELECT 4'))::text FROM generate_series(1, 100)")
        seen = {}

        def all_failed():
            for instance in late:
                status = (bob if instance == late[2] else session).value("SELECT df.status($1)", instance)
                if status == "failed":
                    seen.setdefault(instance, time.monotonic() - begin)
            return len(seen) == len(late)
        wait_until(all_failed, 15, "all are late")
        for instance in late:
            if not 1.9 < seen[instance] < 3.5:
                raise AssertionError("failed after %.1f s, not after 2" % seen[instance])
        wait_until(lambda: session.value("SELECT count(*) FROM df.instances WHERE id = ANY($1::text[]) AND "
                                         "status = 'failed'", many) == 100, 10, "the hundred are late, too")
        same(settle(session, asleep, 15), "failed")
        text = session.value("SELECT df.error($1) ->> 'message'", late[0])
        has(text, "connection limit reached (max_user_connections=1). Timed out after 2s waiting")
        has(session.value("SELECT output FROM df.instance_info($1)", late[1]), "JOIN branch 1 failed: pg_durable: conn")
        same(session.value("SELECT df.error($1) ->> 'sqlstate'", late[0]), "53300")
        same(session.value("SELECT df.status($1)", holder), "running")
        same(session.query("SELECT what FROM alice.ran"), [])
        # The server's log has some of them, and says how many more there were.
        same(cluster.text().count("failed with SQLSTATE 53300") < 40, True)
        same(cluster.value("SELECT count(*) FROM df_internal.active a JOIN df_internal.instances i "
                           "ON i.id = a.instance WHERE i.public_id <> $1", holder), 0)
    clear(cluster)
    with cluster.connect(user="alice") as session:
        same(settle(session, start(session, "'SELECT 5'")), "completed")
        same(session.query("SELECT what FROM alice.ran"), [])


@suite.test
def late_without_a_place_to_start(cluster):
    """So it is when the role has no executor and none can be started; a step that is taken in time is not late."""
    with cluster.connect(user="alice") as session, cluster.connect(user="bob") as bob:
        for _ in range(3):
            same(settle(session, start(session, "'SELECT 1' ~> df.sleep(1) ~> 'SELECT 2'")), "completed")
        start(bob, "'SELECT pg_sleep(60)'")
        running(cluster, 1)
        for _ in range(2):
            begin = time.monotonic()
            same(settle(session, start(session, "'SELECT 3'"), 10), "failed")
            if not 1.9 < time.monotonic() - begin < 4:
                raise AssertionError("failed after %.1f s" % (time.monotonic() - begin))
    clear(cluster)


@suite.test
def late_news_of_what_runs(cluster):
    """A signal that nobody looks at in time is no reason to fail the instance's first step, which runs meanwhile."""
    cluster.configure(**{"pg_durable.max_user_connections": "1", "pg_durable.execution_acquire_timeout": "2"})
    cluster.restart()
    with cluster.connect(user="alice") as session:
        instance = start(session, "'SELECT pg_sleep(6), 7 AS n' |=> 'a' ~> df.wait_for_signal('go')")
        running(cluster, 1)
        same(session.value("SELECT df.signal($1, 'go', '{}')", instance), "OK")
        session.execute("SELECT pg_sleep(3.5)")
        same(session.value("SELECT df.status($1)", instance), "running")
        running(cluster, 1)
        same(settle(session, instance), "completed")


@suite.test
def stopped_is_not_late(cluster):
    """While the administrator has stopped all work, or a role's, no step of it waits too long."""
    cluster.configure(**{"pg_durable.max_user_connections": "2", "pg_durable.execution_acquire_timeout": "2"})
    cluster.restart()
    with cluster.connect(user="alice") as session, cluster.connect(user="bob") as bob:
        cluster.reload(**{"pg_durable.enabled": "off"})
        wait_until(lambda: cluster.processes("durable executor") == [], 10, "nothing runs")
        instances = [start(session, "'SELECT 1'") for _ in range(3)]
        session.execute("SELECT pg_sleep(3)")
        cluster.reload(**{"pg_durable.enabled": "on"})
        same([settle(session, instance) for instance in instances], ["completed"] * 3)
        for stop, go in (("ALTER ROLE alice NOLOGIN", "ALTER ROLE alice LOGIN"),
                         ("ALTER ROLE alice CONNECTION LIMIT 0", "ALTER ROLE alice CONNECTION LIMIT -1"),
                         ("SELECT df.revoke_usage('alice')", "SELECT df.grant_usage('alice')")):
            session.execute("BEGIN")
            instance = start(session, "'SELECT 1'")
            cluster.psql(stop)
            session.execute("COMMIT")
            # Others go on meanwhile, and the launcher comes back to the role after ever longer times, now four seconds.
            for _ in range(6):
                same(settle(bob, start(bob, "df.sleep(1) ~> 'SELECT 1'")), "completed")
            same(cluster.value("SELECT status FROM df.instances WHERE id = $1", instance), "pending", stop)
            cluster.psql(go)
            same(settle(session, instance), "completed", stop)
        # Nor while the database is closed, or somebody has the extension or the database's name in hand.
        cluster.execute("CREATE DATABASE closed")
        cluster.execute("CREATE EXTENSION pg_durable; SELECT df.grant_usage('alice')", db="closed")
        for stop, go, where in (("ALTER DATABASE closed ALLOW_CONNECTIONS false",
                                 "ALTER DATABASE closed ALLOW_CONNECTIONS true", "postgres"),
                                ("BEGIN; DROP EXTENSION pg_durable", "ROLLBACK", "closed")):
            with cluster.connect(db=where) as admin, cluster.connect(user="alice", db="closed") as there:
                if where == "closed":
                    instance = start(there, "'SELECT pg_sleep(1)'")
                    running(cluster, 1)
                    admin.execute(stop)
                else:
                    there.execute("BEGIN")
                    instance = start(there, "'SELECT 1'")
                    admin.execute(stop)
                    there.execute("COMMIT")
                time.sleep(4)
                admin.execute(go)
                same(settle(there, instance), "completed", stop)
        cluster.execute("DROP DATABASE closed")


@suite.test
def late_and_unreadable(cluster):
    """A late instance whose journal the server cannot read does not end the scheduler, which sees to the others."""
    cluster.configure(**{"pg_durable.max_user_connections": "1", "pg_durable.execution_acquire_timeout": "2"})
    cluster.restart()
    with cluster.connect(user="alice") as session:
        large = "'SELECT string_agg(md5(n::text), '''') AS t FROM generate_series(1, 10000) n'"
        broken = start(session, large + " |=> 'a' ~> df.sleep(2) ~> 'SELECT length($a)'")
        toast = cluster.value("SELECT reltoastrelid::regclass::text FROM pg_class WHERE oid = "
                              "'df_internal.journal'::regclass")
        wait_until(lambda: cluster.value("SELECT count(*) FROM df_internal.timers"), 10, "it sleeps")
        kind = "UPDATE pg_class SET relkind = '%%s' WHERE oid = '%s'::regclass;" % toast
        cluster.psql("SET allow_system_table_mods = on; BEGIN; %s DELETE FROM %s; %s COMMIT; VACUUM %s" % (
            kind % "r", toast, kind % "t", toast))
        mark = len(cluster.text())
        start(session, "'SELECT pg_sleep(60)'")
        running(cluster, 1)
        wait_until(lambda: "missing chunk number 0" in cluster.text()[mark:], 10, "it is found unreadable")
        same(settle(session, start(session, "'SELECT 1'"), 6), "failed")
        same("ended unexpectedly" in cluster.text()[mark:], False)
        cluster.psql("INSERT INTO df_internal.ended SELECT id, now(), 3, 'gone', NULL FROM df_internal.instances "
                     "WHERE public_id = '%s'; DELETE FROM df_internal.active a USING df_internal.instances i "
                     "WHERE i.id = a.instance AND i.public_id = '%s'; DELETE FROM df_internal.journal j USING "
                     "df_internal.instances i WHERE i.id = j.instance AND i.public_id = '%s'" % (
                         broken, broken, broken))
    clear(cluster)


@suite.test
def late_or_taken(cluster):
    """Where executors and the scheduler reach for the same steps, each runs once or fails, and none is stuck."""
    cluster.configure(**{"pg_durable.max_user_connections": "2", "pg_durable.execution_acquire_timeout": "1"})
    cluster.restart()
    with cluster.connect(user="alice") as session, cluster.connect(user="bob") as bob:
        session.execute("CREATE TABLE alice.done (id text, step int); GRANT ALL ON alice.done TO bob;"
                        "GRANT USAGE ON SCHEMA alice TO bob")
        step = "'INSERT INTO alice.done SELECT ''{sys_instance_id}'', %d FROM pg_sleep(0.01)'"
        graph = "%s ~> (%s & %s)" % (step % 1, step % 2, step % 3)
        for _ in range(4):
            for connection in (session, bob):
                connection.execute("SELECT df.start(%s, 'race') FROM generate_series(1, 40)" % graph)
            session.execute("SELECT pg_sleep(0.5)")
        wait_until(lambda: cluster.value("SELECT count(*) FROM df.instances WHERE label = 'race' AND status IN "
                                         "('pending', 'running')") == 0, 60, "all have ended")
        ends = dict(cluster.query("SELECT status, count(*) FROM df.instances WHERE label = 'race' GROUP BY 1"))
        print("    " + str(ends))
        same(sum(ends.values()), 320)
        same(ends.get("failed", 0) > 0 and ends.get("completed", 0) > 0, True, str(ends))
        same(cluster.query("SELECT id, step FROM alice.done GROUP BY 1, 2 HAVING count(*) > 1"), [])
        # What is completed has its effect, what failed has none.
        same(cluster.query("SELECT n.instance_id, n.query, n.status FROM df.nodes n JOIN df.instances i "
                           "ON i.id = n.instance_id WHERE i.label = 'race' AND n.node_type = 'SQL' AND "
                           "(n.status = 'completed') <> EXISTS (SELECT FROM alice.done d WHERE d.id = n.instance_id "
                           "AND n.query LIKE '%, ' || d.step || ' FROM%')"), [])
        same(cluster.query("SELECT DISTINCT error FROM df.nodes n JOIN df.instances i ON i.id = n.instance_id "
                           "WHERE i.label = 'race' AND n.node_type = 'SQL' AND error NOT LIKE '53300: %'"), [])
    same(cluster.value("SELECT count(*) FROM df_internal.active"), 0)


@suite.test
def max_executors_counts_more(cluster):
    """pg_durable.max_executors, when set, decides alone."""
    cluster.configure(**{"pg_durable.max_executors": "3", "pg_durable.max_executors_per_role": "3",
                         "pg_durable.execution_acquire_timeout": "0"})
    cluster.restart()
    with cluster.connect(user="alice") as session:
        session.execute("SELECT df.start('SELECT pg_sleep(5)') FROM generate_series(1, 4)")
        running(cluster, 3)
    clear(cluster)


@suite.test
def connection_limit(cluster):
    """CONNECTION LIMIT of a role bounds its executors, in all databases together; a change counts at once."""
    clear(cluster)
    cluster.execute("CREATE DATABASE second")
    cluster.execute("CREATE EXTENSION pg_durable; SELECT df.grant_usage('alice')", db="second")
    executors = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'durable executor' AND usename = 'alice'"
    cluster.execute("ALTER ROLE alice CONNECTION LIMIT 1")
    wait_until(lambda: cluster.value(executors) == 0, 15, "those of before leave")
    with cluster.connect(user="alice") as session, cluster.connect(db="second") as second:
        instances = [start(session, "'SELECT pg_sleep(0.5)'") for _ in range(4)]
        second.execute("SET SESSION AUTHORIZATION alice")
        elsewhere = start(second, "'SELECT pg_sleep(0.5)'")
        most = 0
        until = time.monotonic() + 20
        while time.monotonic() < until and second.value("SELECT df.status($1)", elsewhere) != "completed":
            most = max(most, cluster.value(executors))
        same(most, 1)
        for instance in instances:
            same(settle(session, instance), "completed")
        same(settle(second, elsewhere), "completed")
        cluster.execute("ALTER ROLE alice CONNECTION LIMIT 0")
        wait_until(lambda: cluster.value(executors) == 0, 15, "none is left")
        before = len(cluster.text())
        instance = start(session, "'SELECT 1'")
        wait_until(lambda: "connection limit is 0" in cluster.text()[before:], 10, "the log says why it waits")
        same(session.value("SELECT df.status($1)", instance), "pending")
        cluster.execute("ALTER ROLE alice CONNECTION LIMIT -1")
        same(settle(session, instance), "completed")
    cluster.execute("DROP DATABASE second")


suite.main()
