#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Locks, waiting and databases: nobody waits for the engine, and the engine waits for nobody it need not.

Covers I3, I4, I8, I9, I29, I49-I52, I58, I62-I64, S3-S5 of docs/traps.md.
"""
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from standby import commits_held  # noqa: E402
from suite import PgError, Suite, has, run, same, settle, start, wait_until  # noqa: E402

suite = Suite()


def live(cluster, db="postgres"):
    return cluster.value("SELECT count(*) FROM df.instances WHERE status IN ('pending', 'running')", db=db)


def quick(seconds, action, what):
    begin = time.monotonic()
    value = action()
    took = time.monotonic() - begin
    if took > seconds:
        raise AssertionError("%s took %.1f s" % (what, took))
    return value


@suite.test
def siblings_finish_together(cluster):
    """10,000 times two branches finish at once: each join completes, each step happened once."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.pairs (n int)")
        # 250 functions of 40 joins of two arms; the steps of one function note nothing but their number.
        graph = " ~> ".join("('INSERT INTO alice.pairs VALUES (%d)' & 'INSERT INTO alice.pairs VALUES (%d)')"
                            % (2 * n, 2 * n + 1) for n in range(40))
        session.execute("WITH g AS (SELECT %s AS graph) SELECT df.start(graph) FROM g, generate_series(1, 250)" % graph)
        wait_until(lambda: live(cluster) == 0, 180, "10,000 joins")
        same(session.query("SELECT status, count(*) FROM df.instances GROUP BY 1"), [("completed", 250)])
        same(session.query("SELECT n, count(*) FROM alice.pairs GROUP BY n HAVING count(*) <> 250"), [])
        same(session.value("SELECT count(*) FROM alice.pairs"), 20000)


@suite.test
def rivals_finish_together(cluster):
    """4,000 times both arms of a race finish at once: of each pair one took effect, and each side won some of them."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.won (instance text, n int)")
        arm = "'INSERT INTO alice.won SELECT ''{sys_instance_id}'', %d FROM pg_sleep(%g)'"
        # The second arm is some milliseconds behind, since another process takes it.
        graph = " ~> ".join("(%s | %s)" % (arm % (2 * n, 0.002 + n % 4 * 0.001), arm % (2 * n + 1, 0.001))
                            for n in range(40))
        for _ in range(20):
            # So few that each arm finds a process of its own.
            session.execute("WITH g AS (SELECT %s AS graph) "
                            "SELECT df.start(graph, 'rivals') FROM g, generate_series(1, 5)" % graph)
            wait_until(lambda: live(cluster) == 0, 60, "200 races")
        same(session.query("SELECT status, count(*) FROM df.instances WHERE label = 'rivals' GROUP BY 1"),
             [("completed", 100)])
        same(session.query("SELECT instance, n / 2, count(*) FROM alice.won GROUP BY 1, 2 HAVING count(*) <> 1"), [])
        same(session.value("SELECT count(*) FROM alice.won"), 4000)
        sides = session.query("SELECT count(*) FROM alice.won GROUP BY n % 2 ORDER BY n % 2")
        print("    the first arm won %d races, the second %d" % tuple(row[0] for row in sides))
        same(len(sides), 2)


@suite.test
def slow_deferred_trigger(cluster):
    """A deferred trigger that sleeps holds up nobody: its sibling branch completes meanwhile, and so does df.cancel."""
    with cluster.connect(user="alice") as session:
        session.execute("""CREATE TABLE alice.slow (n int); CREATE TABLE alice.quick (at timestamptz);
            CREATE FUNCTION alice.doze() RETURNS trigger LANGUAGE plpgsql AS $f$
            BEGIN PERFORM pg_sleep(2); RETURN NULL; END $f$;
            CREATE CONSTRAINT TRIGGER doze AFTER INSERT ON alice.slow DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION alice.doze()""")
        begin = time.monotonic()
        arms = "('INSERT INTO alice.slow VALUES (1)' & (%s))" % " ~> ".join(
            ["'INSERT INTO alice.quick VALUES (clock_timestamp())'"] * 5)
        instance = start(session, arms)
        wait_until(lambda: session.value("SELECT count(*) FROM alice.quick") == 5, 5, "the quick arm")
        if time.monotonic() - begin > 1.5:
            raise AssertionError("the quick arm waited for the slow one's trigger")
        same(settle(session, instance), "completed")
        doomed = start(session, arms)
        time.sleep(0.5)
        quick(0.5, lambda: session.value("SELECT df.cancel($1)", doomed), "df.cancel")
        quick(1.5, lambda: same(settle(session, doomed), "cancelled"), "the end of the cancelled instance")
        same(session.value("SELECT count(*) FROM alice.slow"), 1)


@suite.test
def open_control_transactions(cluster):
    """An open transaction that called df.cancel, df.setvar or df.start holds up neither the engine nor another user."""
    with cluster.connect(user="alice") as session, cluster.connect(user="alice") as other:
        instance = start(session, "'SELECT pg_sleep(0.3)' ~> 'SELECT 1'")
        other.execute("BEGIN")
        other.value("SELECT df.cancel($1)", instance)
        other.value("SELECT df.setvar('v', 'open')")
        start(other, "'SELECT 42'")
        same(settle(session, instance, 5), "completed")
        quick(0.5, lambda: session.value("SELECT df.setvar('v', 'mine')"), "df.setvar")
        quick(2, lambda: run(session, "'SELECT 42'"), "the same function")
        other.execute("ROLLBACK")


@suite.test
def waiting_client_blocks_step(cluster):
    """A client that waits for a step which wants the client's row gets a deadlock error, not an endless wait."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.row (n int); INSERT INTO alice.row VALUES (1)")
        instance = start(session, "df.sleep(1) ~> 'UPDATE alice.row SET n = n + 1'")
        session.execute("BEGIN; UPDATE alice.row SET n = 10")
        begin = time.monotonic()
        error = session.error("SELECT df.await_instance($1, 60)", instance)
        same(error.sqlstate, "40P01", error.message)
        if time.monotonic() - begin > 15:
            raise AssertionError("noticed after %.0f s" % (time.monotonic() - begin))
        session.execute("ROLLBACK")
        same(settle(session, instance), "completed")


@suite.test
def wait_procedure_and_concurrent_index(cluster):
    """CALL df.wait holds no snapshot: a CREATE INDEX CONCURRENTLY step finishes under it."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.cic AS SELECT n FROM generate_series(1, 1000) n")
        instance = start(session, "'SELECT pg_sleep(0.3)' ~> 'CREATE INDEX CONCURRENTLY cic_n ON alice.cic (n)'")
        session.execute("CALL df.wait('%s', 20)" % instance)
        same(session.value("SELECT df.status($1)", instance), "completed")
        same(session.error("BEGIN; CALL df.wait('%s', 1)" % instance).sqlstate, "2D000")
        session.execute("ROLLBACK")
        slow = start(session, "'SELECT pg_sleep(30)'")
        has(session.error("CALL df.wait('%s', 1)" % slow).message, "Timeout after 1s")
        session.value("SELECT df.cancel($1)", slow)


@suite.test
def other_database_dropped(cluster):
    """DROP DATABASE of a stranger's database is quick while steps run and executors idle."""
    cluster.psql("CREATE DATABASE stranger")
    with cluster.connect(user="alice") as session:
        instance = start(session, "'SELECT pg_sleep(8)'")
        run(session, "'SELECT 1'")
        quick(3, lambda: cluster.psql("DROP DATABASE stranger"), "DROP DATABASE")
        same(session.value("SELECT df.status($1)", instance), "running")
        session.value("SELECT df.cancel($1)", instance)


@suite.test
def own_database_copied_renamed_dropped(cluster):
    """CREATE DATABASE … TEMPLATE, RENAME and DROP of a database with our idle workers work; the workers come back."""
    cluster.psql("CREATE DATABASE ours")
    cluster.psql("CREATE EXTENSION pg_durable; SELECT df.grant_usage('alice')", db="ours")
    for before, action, after in (("ours", "CREATE DATABASE ours_copy TEMPLATE ours", "ours"),
                                  ("ours", "ALTER DATABASE ours RENAME TO ours_renamed", "ours_renamed"),
                                  ("ours_renamed", "ALTER DATABASE ours_renamed RENAME TO ours", "ours")):
        with cluster.connect(user="alice", db=before) as session:
            run(session, "'SELECT 1'")
        quick(6, lambda: cluster.psql(action), action)
        with cluster.connect(user="alice", db=after) as session:
            run(session, "'SELECT 1'")
    quick(6, lambda: cluster.psql("DROP DATABASE ours"), "DROP DATABASE ours")
    quick(6, lambda: cluster.psql("DROP DATABASE ours_copy"), "DROP DATABASE ours_copy")


@suite.test
def owner_drops_with_force(cluster):
    """An owner who is no superuser drops his database WITH (FORCE): our idle processes there are no obstacle."""
    cluster.psql("CREATE DATABASE forced OWNER mallory")
    cluster.psql("CREATE EXTENSION pg_durable; SELECT df.grant_usage('mallory'); SELECT df.grant_usage('alice')",
                 db="forced")
    with cluster.connect(user="alice", db="forced") as session:
        start(session, "df.sleep(30)")
        run(session, "'SELECT 1'")
    with cluster.connect(user="mallory") as session:
        quick(6, lambda: session.execute("DROP DATABASE forced WITH (FORCE)"), "DROP DATABASE WITH (FORCE)")
    same(cluster.value("SELECT count(*) FROM pg_database WHERE datname = 'forced'"), 0)


@suite.test
def templates(cluster):
    """With the extension in template1, CREATE DATABASE works; work that is there waits; so with another one."""
    cluster.psql("CREATE EXTENSION pg_durable; SELECT df.grant_usage('alice')", db="template1")
    try:
        with cluster.connect(user="alice", db="template1") as session:
            ready = start(session, "'SELECT 1'")
            start(session, "df.sleep(2) ~> 'SELECT 1'")
        for name in ("from_template", "from_template_2"):
            quick(6, lambda: cluster.psql("CREATE DATABASE " + name), "CREATE DATABASE")
        same(cluster.value("SELECT count(*) FROM pg_extension WHERE extname = 'pg_durable'", db="from_template"), 1)
        same(cluster.value("SELECT df.status($1)", ready, db="template1"), "pending")
        cluster.psql("ALTER DATABASE from_template IS_TEMPLATE true")
        quick(6, lambda: cluster.psql("CREATE DATABASE from_own_template TEMPLATE from_template"), "CREATE DATABASE")
        cluster.psql("ALTER DATABASE from_template IS_TEMPLATE false; DROP DATABASE from_template;")
        cluster.psql("DROP DATABASE from_template_2; DROP DATABASE from_own_template;")
    finally:
        cluster.psql("DROP EXTENSION pg_durable", db="template1")


@suite.test
def hostile_database_owner(cluster):
    """Settings planted with ALTER DATABASE by its unprivileged owner neither run his code as us nor stop the work."""
    cluster.psql("CREATE DATABASE owned OWNER mallory")
    cluster.psql("CREATE EXTENSION pg_durable; SELECT df.grant_usage('mallory'); SELECT df.grant_usage('alice')",
                 db="owned")
    with cluster.connect(user="mallory", db="owned") as session:
        session.execute("""CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC;
            CREATE TABLE evil.ran (who text); GRANT ALL ON evil.ran TO PUBLIC;
            CREATE FUNCTION evil.eq(text, text) RETURNS bool LANGUAGE plpgsql AS
                $f$ BEGIN INSERT INTO evil.ran VALUES (current_user); RETURN true; END $f$;
            CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.eq);
            CREATE FUNCTION evil.eq(bigint, bigint) RETURNS bool LANGUAGE plpgsql AS
                $f$ BEGIN INSERT INTO evil.ran VALUES (current_user); RETURN true; END $f$;
            CREATE OPERATOR evil.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = evil.eq);
            ALTER DATABASE owned SET search_path = evil, pg_catalog;
            ALTER DATABASE owned SET role = 'mallory';
            ALTER DATABASE owned SET default_transaction_read_only = on;
            ALTER DATABASE owned SET lock_timeout = 1;
            ALTER DATABASE owned SET statement_timeout = '300ms'""")
    cluster.restart()
    with cluster.connect(user="alice", db="owned") as session:
        session.execute("SET ROLE NONE; SET default_transaction_read_only = off; SET search_path = pg_catalog;"
                        "SET statement_timeout = 0")
        run(session, "df.sleep(1) ~> 'SELECT 1' & 'SELECT 2'")
        run(session, "'SELECT 1/0'", status="failed")
    same([r for r in cluster.query("SELECT DISTINCT who FROM evil.ran", db="owned")
          if r[0] not in ("alice", "mallory")], [], "who ran the planted operator")
    cluster.psql("DROP DATABASE owned WITH (FORCE)")


@suite.test
def publication_for_all_tables(cluster):
    """A FOR ALL TABLES publication does not stop the engine's updates and deletes."""
    cluster.psql("CREATE PUBLICATION everything FOR ALL TABLES")
    try:
        with cluster.connect(user="alice") as session:
            run(session, "'SELECT 1' & df.sleep(0) ~> 'SELECT 2'")
    finally:
        cluster.psql("DROP PUBLICATION everything")


@suite.test
def catalog_version(cluster):
    """A catalog of another version gives 55000 and runs nothing, until it fits again."""
    with cluster.connect(user="alice") as session:
        run(session, "'SELECT 1'")
        version = cluster.value("SELECT version FROM df_internal.catalog")
        sleeper = start(session, "df.sleep(1) ~> 'SELECT 1'")
        cluster.psql("UPDATE df_internal.catalog SET version = version + 1000")
        try:
            with cluster.connect(user="alice") as fresh:
                same(fresh.error("SELECT df.start('SELECT 1')").sqlstate, "55000")
            time.sleep(2)
            same(cluster.value("SELECT count(*) FROM df_internal.ended e JOIN df_internal.instances i "
                               "ON i.id = e.instance WHERE i.public_id = $1", sleeper), 0)
        finally:
            cluster.psql("UPDATE df_internal.catalog SET version = %d" % version)
    cluster.restart()
    with cluster.connect(user="alice") as session:
        same(settle(session, sleeper), "completed")


STEP_WAITS = """SELECT count(*) FROM pg_stat_activity
                WHERE wait_event = 'SyncRep' AND backend_type = 'durable executor'"""


@suite.test
def cancel_during_synchronous_wait(cluster):
    """A cancel never breaks a commit that waits for a standby: no commit is local only."""
    with cluster.connect(user="alice") as session:
        session.execute("SET synchronous_commit = local; CREATE TABLE alice.synced (n int)")
        with commits_held(cluster):
            instance = start(session, "'INSERT INTO alice.synced VALUES (1)' ~> 'INSERT INTO alice.synced VALUES (2)'")
            wait_until(lambda: cluster.value(STEP_WAITS) == 1, 10, "the step waits for the standby")
            session.value("SELECT df.cancel($1)", instance)
            same(session.value("SELECT df.status($1)", instance), "cancelled")
            # the step may still turn out to be committed: nobody is told yet how the instance ends
            has(session.error("SELECT df.await_instance('%s', 1)" % instance).message, "Timeout after 1s")
            time.sleep(0.5)
            if "canceling wait for synchronous replication" in cluster.text():
                raise AssertionError("the commit was made local by a cancel")
        end = session.value("SELECT df.await_instance($1)", instance)
        same(session.value("SELECT df.status($1)", instance), end)
        same(session.value("SELECT count(*) FROM alice.synced"), 2 if end == "completed" else 1)
        # and with the last step no doubt is left what is said first
        with commits_held(cluster):
            instance = start(session, "'INSERT INTO alice.synced VALUES (3)'")
            wait_until(lambda: cluster.value(STEP_WAITS) == 1, 10, "the only step waits")
            session.value("SELECT df.cancel($1)", instance)
        same(session.value("SELECT df.await_instance($1)", instance), "completed")


@suite.test
def drop_extension(cluster):
    """DROP EXTENSION works without CASCADE while work runs; made again, everything is empty and works."""
    cluster.psql("CREATE DATABASE dropping")
    cluster.psql("CREATE EXTENSION pg_durable; SELECT df.grant_usage('alice')", db="dropping")
    with cluster.connect(user="alice", db="dropping") as session:
        start(session, "'SELECT pg_sleep(5)' ~> 'SELECT 1'")
        start(session, "df.sleep(100)")
        time.sleep(0.5)
    quick(10, lambda: cluster.psql("DROP EXTENSION pg_durable", db="dropping"), "DROP EXTENSION")
    same(cluster.query("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'df%'", db="dropping"), [])
    cluster.psql("CREATE EXTENSION pg_durable; SELECT df.grant_usage('alice')", db="dropping")
    with cluster.connect(user="alice", db="dropping") as session:
        same(session.value("SELECT count(*) FROM df.instances"), 0)
        run(session, "'SELECT 1'")
        session.execute("BEGIN")
        try:
            session.execute("DROP EXTENSION pg_durable")
        except PgError as error:
            same(error.sqlstate, "42501")
        session.execute("ROLLBACK")
    with cluster.connect(db="dropping") as admin:
        admin.execute("BEGIN; DROP EXTENSION pg_durable; ROLLBACK")
    with cluster.connect(user="alice", db="dropping") as session:
        run(session, "'SELECT 1'")


@suite.test
def waiting_for_long(cluster):
    """A session that waits for an instance looks once a second whether it is in the way, and uses no more memory."""
    with cluster.connect(user="alice") as session, cluster.connect(user="alice") as waiting:
        instance = start(session, "'SELECT pg_sleep(9)'")
        pid = waiting.value("SELECT pg_backend_pid()")
        waiting.send("SELECT df.await_instance('%s', 30)" % instance)
        used = []
        for _ in range(2):
            time.sleep(3)
            before = len(cluster.text())
            cluster.value("SELECT pg_log_backend_memory_contexts($1)", pid)
            total = wait_until(lambda: re.findall(r"Grand total: .* (\d+) used", cluster.text()[before:]), 5, "a total")
            used.append(int(total[0]))
        same(waiting.finish().rows, [("completed",)])
        if used[1] - used[0] > 5000:
            raise AssertionError("%d bytes more in three seconds" % (used[1] - used[0]))


suite.main()
