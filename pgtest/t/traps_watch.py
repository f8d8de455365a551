#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""What an administrator sees of the work, and what idle processes owe the rest of the server.

Covers I23, I26, I36, I59, S26 of docs/traps.md.
"""
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from suite import Suite, dollar, output, run, same, settle, start, wait_until  # noqa: E402

suite = Suite(shared_preload_libraries="'pg_stat_statements, pg_durable'", **{
    "pg_durable.executor_idle_timeout": "'60s'", "pg_durable.max_executors_per_role": "2"})


@suite.test
def statistics_of_steps(cluster):
    """pg_stat_statements counts steps as their role's statements, and the tables' statistics know what they wrote."""
    cluster.psql("CREATE EXTENSION pg_stat_statements")
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.counted (n int)")
        graph = " ~> ".join("'INSERT INTO alice.counted VALUES (%d)'" % n for n in range(25))
        run(session, graph)
        running = start(session, "'SELECT pg_sleep(20) AS long_one'")
        identifier = wait_until(lambda: cluster.value(
            "SELECT query_id FROM pg_stat_activity WHERE backend_type = 'durable executor' AND state = 'active' "
            "AND query LIKE '%long_one'"), 10, "a running step shows its query's identifier")
        session.value("SELECT df.cancel($1)", running)
        same(settle(session, running), "cancelled")
        run(session, "'SELECT pg_sleep(0) AS long_one'")
    same(cluster.query("SELECT r.rolname::text, s.calls, s.toplevel FROM pg_stat_statements s JOIN pg_roles r "
                       "ON r.oid = s.userid WHERE query LIKE 'INSERT INTO alice.counted%'"), [("alice", 25, True)])
    same(cluster.value("SELECT count(*) FROM pg_stat_statements WHERE queryid = $1", identifier), 1)
    wait_until(lambda: cluster.value("SELECT n_tup_ins FROM pg_stat_user_tables WHERE relid = 'alice.counted'::regclass"
                                     ) == 25, 10, "autovacuum learns of what the steps wrote")


@suite.test
def durations_in_the_log(cluster):
    """log_min_duration_statement, set for the role, covers its steps, and nobody else's."""
    cluster.psql("ALTER ROLE bob SET log_min_duration_statement = 100")
    with cluster.connect(user="bob") as session, cluster.connect(user="alice") as other:
        run(session, "'SELECT 9137 AS slow FROM pg_sleep(0.2)' ~> 'SELECT 9138 AS fast'")
        run(other, "'SELECT 9139 AS slow FROM pg_sleep(0.2)'")
    cluster.psql("ALTER ROLE bob RESET log_min_duration_statement")
    lines = [line for line in cluster.text().splitlines() if "duration: " in line and "durable executor" in line]
    same([(word, sum(word in line for line in lines)) for word in ("9137", "9138", "9139")],
         [("9137", 1), ("9138", 0), ("9139", 0)])


@suite.test
def failures_do_not_flood_the_log(cluster):
    """600 failing functions of one role leave a few lines in the log, none of which has a text or a value."""
    before = len(cluster.text())
    with cluster.connect(user="mallory") as session:
        session.execute("SELECT df.start('SELECT 1 / (4711 - 4711)') FROM generate_series(1, 600)")
        wait_until(lambda: session.value("SELECT count(*) FROM df.instances WHERE status = 'failed'") == 600, 60,
                   "all have failed")
    lines = cluster.text()[before:].splitlines()
    failed = [line for line in lines if "failed with SQLSTATE 22012" in line]
    same([line for line in lines if "4711" in line or "division" in line], [])
    # Ten a minute from each of two processes, and the minute may change in between.
    if not 1 <= len(failed) <= 40:
        raise AssertionError("%d lines of 600 failures" % len(failed))


@suite.test
def catalog_changes_beside_idle_processes(cluster):
    """20,000 invalidation messages: our idle processes take them when asked, so that none loses its caches."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.known (n int)")
        # A scheduler stays for what is due within a minute, once it was started.
        start(session, "df.sleep(50)")
        session.execute("BEGIN; SELECT df.start('SELECT 1'); PREPARE TRANSACTION 'sweep'")
        session.execute("COMMIT PREPARED 'sweep'")
        run(session, "'INSERT INTO alice.known VALUES (1)'")
        kinds = ("launcher", "scheduler", "executor")
        ours = {kind: wait_until(lambda: cluster.processes("durable " + kind), 10, kind) for kind in kinds}
    cluster.psql("CREATE TABLE public.changing (n int)")
    cluster.reload(log_min_messages="debug4")
    before = len(cluster.text())
    with cluster.connect() as session:
        session.execute("SET synchronous_commit = off")
        for n in range(4000):
            session.execute("ALTER TABLE public.changing SET (fillfactor = %d)" % (50 + n % 50))
    with cluster.connect(user="alice") as session:
        run(session, "'INSERT INTO alice.known VALUES (2)'")
    cluster.reload(log_min_messages="warning")
    time.sleep(0.5)
    text = cluster.text()[before:]
    asked = {int(pid) for pid in re.findall(r"sending sinval catchup signal to PID (\d+)", text)}
    for kind, pids in ours.items():
        if not asked & set(pids):
            raise AssertionError("no %s was so far behind that it was asked: %s, %s" % (kind, pids, asked))
        same(cluster.processes("durable " + kind), pids, kind)
    resets = [line for line in text.splitlines() if "cache state reset" in line and " durable " in line]
    same(resets, [])


@suite.test
def substituted_text_has_a_limit(cluster):
    """Values that would make a statement larger than 256 MB fail the step with 54000, before it is made."""
    with cluster.connect(user="mallory") as session:
        graph = "'SELECT repeat(''x'', 9000000) AS v' |=> 'x' ~> %s"
        run(session, graph % dollar("SELECT length($x)"))
        instance = run(session, graph % dollar("SELECT length($x)" + " + length($x)" * 30), 60, "failed")
        same(session.value("SELECT df.error($1)::jsonb ->> 'sqlstate'", instance), "54000", output(session, instance))
        run(session, "'SELECT 1'")


@suite.test
def connect_is_revoked(cluster):
    """Without CONNECT a role's functions wait, say why, and fill no log; with it again they go on."""
    cluster.psql("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC; GRANT CONNECT ON DATABASE postgres TO alice")
    with cluster.connect(user="postgres") as admin, cluster.connect(user="alice") as session:
        before = len(cluster.text())
        session.execute("CREATE TABLE alice.connected (n int)")
        instance = start(session, "'INSERT INTO alice.connected VALUES (1)' ~> df.sleep(1) ~> "
                                  "'INSERT INTO alice.connected VALUES (2)'")
        wait_until(lambda: session.value("SELECT count(*) FROM alice.connected") == 1, 10, "the first step")
        admin.execute("REVOKE CONNECT ON DATABASE postgres FROM alice")
        time.sleep(4)
        same(session.value("SELECT df.status($1)", instance), "running")
        same(session.value("SELECT count(*) FROM alice.connected"), 1)
        said = cluster.text()[before:].count("does not have the CONNECT privilege")
        if not 1 <= said <= 3:
            raise AssertionError("%d lines in four seconds" % said)
        admin.execute("GRANT CONNECT ON DATABASE postgres TO alice")
        same(settle(session, instance, 30), "completed")
        same(session.value("SELECT count(*) FROM alice.connected"), 2)


suite.main()
