#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
# alone
"""Steps in another database: df.start(…, database => 'x').

Results and errors arrive as if the step ran at home; the target's settings and rights count; a cancel, a kill or a
restart leaves no process behind.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from elsewhere import COMPANIONS, begin, companion, failure, make_target, run  # noqa: E402
from suite import PgError, Suite, dollar, has, output, prepare, same, settle, wait_until  # noqa: E402

suite = Suite(log_min_messages="log", synchronous_commit="local", **{
    # The record of an attempt would be held like any other commit.
    "pg_durable.probation_time": "0", "pg_durable.max_executors": "4", "pg_durable.max_step_crashes": "3"})


def prepare_more(cluster):
    prepare(cluster)
    make_target(cluster, "other")
    cluster.execute("CREATE TABLE alice.tries (n int)", user="alice", db="other")


suite.prepare = prepare_more


@suite.test
def results(cluster):
    """Rows, row counts, names, conditions, variables are as at home; the step is a session of the role over there."""
    with cluster.connect(user="alice") as session:
        instance = run(session, "'SELECT current_database() AS d, current_user AS u, session_user AS s, 1.50 AS n'")
        has(output(session, instance), '"d":"other"')
        has(output(session, instance), '"u":"alice"')
        has(output(session, instance), '"s":"alice"')
        has(output(session, instance), '1.50')
        same(session.query("SELECT database FROM df.instances WHERE id = $1", instance), [("other",)])
        same(session.query("SELECT DISTINCT database FROM df.nodes WHERE instance_id = $1", instance), [("other",)])
        run(session, "'CREATE TABLE alice.t (n int)'")
        instance = run(session, "'INSERT INTO alice.t SELECT generate_series(1, 5)'")
        has(output(session, instance), '"row_count":5')
        instance = run(session, "'SELECT count(*) AS c FROM alice.t' |=> 'n' ~> 'SELECT $n + 1 AS c'")
        has(output(session, instance), '"c":6')
        has(output(session, run(session, dollar("SELECT 'é𝄞\\n' AS t"))), "é𝄞")
        same(cluster.value("SELECT to_regclass('alice.t')::text", user="alice"), None)
        same(cluster.value("SELECT count(*) FROM alice.t", db="other"), 5)


@suite.test
def large_results(cluster):
    """10 MB stream back, beyond pg_durable.max_result_size the step fails with 54000, and a long text gets there."""
    with cluster.connect(user="alice") as session:
        instance = run(session, "'SELECT repeat(''x'', 10000000) AS t'", seconds=60)
        same(session.value("SELECT length(output) FROM df.instance_info($1)", instance) > 10000000, True)
        instance = run(session, "'SELECT repeat(''x'', 20000000) AS t'", status="failed", seconds=60)
        same(failure(cluster, instance)[0], "54000")
        has(failure(cluster, instance)[3] or failure(cluster, instance)[1], "max_result_size")
        instance = run(session, dollar("SELECT length('%s') AS n" % ("y" * 1000000)))
        has(output(session, instance), "1000000")


@suite.test
def errors(cluster):
    """An error arrives with its SQLSTATE, detail and hint; the step's effects are gone."""
    with cluster.connect(user="alice") as session:
        instance = run(session, "'SELECT 1/0'", status="failed")
        state, message, _, _ = failure(cluster, instance)
        same((state, message), ("22012", "SQL execution failed: error returned from database: division by zero"))
        instance = run(session, dollar("""DO $do$ BEGIN INSERT INTO alice.t VALUES (99);
            RAISE EXCEPTION 'no' USING errcode = 'AB123', detail = 'because', hint = 'try harder'; END $do$"""),
                       status="failed")
        same(failure(cluster, instance), ("AB123", "SQL execution failed: error returned from database: no",
                                          "because", "try harder"))
        same(cluster.value("SELECT count(*) FROM alice.t WHERE n = 99", db="other"), 0)
        instance = run(session, "'SELECT $nothing'", status="failed")
        has(failure(cluster, instance)[3], "no names are known")
        instance = run(session, "'BEGIN'", status="failed")
        same(failure(cluster, instance)[0], "0A000")


@suite.test
def settings_of_the_target(cluster):
    """What the role has set for that database applies, also when it changes, and string literals are read its way."""
    with cluster.connect(user="alice") as session:
        cluster.execute("ALTER ROLE alice IN DATABASE other SET search_path = pg_catalog;"
                        "ALTER ROLE alice IN DATABASE other SET statement_timeout = '300ms'")
        same(failure(cluster, run(session, "'SELECT count(*) FROM t'", status="failed"))[0], "42P01")
        same(failure(cluster, run(session, "'SELECT pg_sleep(5)'", status="failed"))[0], "57014")
        cluster.execute("ALTER ROLE alice IN DATABASE other RESET statement_timeout;"
                        "ALTER ROLE alice IN DATABASE other SET standard_conforming_strings = off")
        graph = dollar("SELECT E'a\\\\b' AS v") + " |=> 'v' ~> " + dollar("SELECT $v AS w, '\\\\' AS x")
        instance = run(session, graph)
        same(session.value("SELECT output::jsonb #>> '{rows,0,w}' FROM df.instance_info($1)", instance), "a\\b")
        same(session.value("SELECT output::jsonb #>> '{rows,0,x}' FROM df.instance_info($1)", instance), "\\")
        cluster.execute("ALTER ROLE alice IN DATABASE other RESET ALL")
        has(output(session, run(session, "'SELECT count(*) AS c FROM t'")), '"c":5')


@suite.test
def session_is_fresh(cluster):
    """Nothing of one step's session is seen by the next."""
    with cluster.connect(user="alice") as session:
        run(session, "'SET work_mem = 1234' ~> 'CREATE TEMP TABLE leftover (n int)'")
        instance = run(session, dollar("SELECT current_setting('work_mem') AS w, to_regclass('leftover') AS t"))
        assert "1234" not in output(session, instance)
        has(output(session, instance), '"t":null')


@suite.test
def refusals_at_start(cluster):
    """A database that is not there is refused by name, exactly; '' is a name, and case counts."""
    with cluster.connect(user="alice") as session:
        for name in ("nowhere", "", "OTHER", "other "):
            try:
                begin(session, "'SELECT 1'", name)
                raise AssertionError("started in %r" % name)
            except PgError as error:
                same(error.sqlstate, "3D000")
                has(str(error), 'database "%s" does not exist' % name)


@suite.test
def own_database(cluster):
    """The instance's own database by name is as without: its steps are exactly once, and call df.* functions."""
    with cluster.connect(user="alice") as session:
        instance = run(session, "'SELECT current_database() AS d, df.version() IS NOT NULL AS v'", "postgres")
        has(output(session, instance), '"d":"postgres"')
        same(session.query("SELECT database FROM df.instances WHERE id = $1", instance), [("postgres",)])


@suite.test
def dropped_renamed_closed(cluster):
    """A database that goes, is renamed, closed or barred after the start fails the step with the connection's error."""
    start = "Failed to connect to database '%s' as 'alice'. Error: "
    with cluster.connect(user="alice") as session:
        make_target(cluster, "Going")
        run(session, "'SELECT 1'", "Going")
        wait_until(lambda: cluster.value(COMPANIONS) > 0, 5, "an idle session over there")
        begin_drop = time.monotonic()
        sleeper = begin(session, "df.sleep(2) ~> 'SELECT 1'", "Going")
        cluster.execute('DROP DATABASE "Going"')
        assert time.monotonic() - begin_drop < 2
        same(settle(session, sleeper), "failed")
        same(failure(cluster, sleeper)[:2], (
            "3D000", start % "Going" + 'error returned from database: database "Going" does not exist'))

        make_target(cluster, "renamed")
        run(session, "'SELECT 1'", "renamed")
        sleeper = begin(session, "df.sleep(1) ~> 'SELECT 1'", "renamed")
        cluster.execute("ALTER DATABASE renamed RENAME TO unnamed")
        same(settle(session, sleeper), "failed")
        has(output(session, sleeper), 'database "renamed" does not exist')

        run(session, "'SELECT 1'", "unnamed")
        cluster.execute("ALTER DATABASE unnamed ALLOW_CONNECTIONS off")
        instance = run(session, "'SELECT 1'", "unnamed", "failed")
        same(failure(cluster, instance)[:2], (
            "55000", start % "unnamed" + 'error returned from database: '
            'database "unnamed" is not currently accepting connections'))
        cluster.execute("ALTER DATABASE unnamed ALLOW_CONNECTIONS on;"
                        "REVOKE CONNECT ON DATABASE unnamed FROM PUBLIC")
        instance = run(session, "'SELECT 1'", "unnamed", "failed")
        same(failure(cluster, instance)[:2], (
            "42501", start % "unnamed" + 'error returned from database: permission denied for database "unnamed"'))
        cluster.execute("GRANT CONNECT ON DATABASE unnamed TO alice")
        run(session, "'SELECT 1'", "unnamed")
        cluster.execute("DROP DATABASE unnamed")


@suite.test
def cancel(cluster):
    """A cancel stops the statement over there at once, a lost race too, and nothing of it stays."""
    active = COMPANIONS + " AND state = 'active'"
    with cluster.connect(user="alice") as session:
        slow = "'INSERT INTO alice.t VALUES (77); SELECT pg_sleep(600)'"
        instance = begin(session, slow)
        wait_until(lambda: cluster.value(active) == 1, 10, "the step runs")
        begin_cancel = time.monotonic()
        session.value("SELECT df.cancel($1)", instance)
        wait_until(lambda: cluster.value(active) == 0, 5, "the step ends")
        assert time.monotonic() - begin_cancel < 1.5
        same(settle(session, instance), "cancelled")
        instance = begin(session, slow)
        wait_until(lambda: cluster.value(active) == 1, 10, "the step runs")
        same(cluster.value("SELECT pg_cancel_backend($1)", companion(cluster)), True)
        same(settle(session, instance), "failed")
        same(failure(cluster, instance)[0], "57014")
        same(cluster.value("SELECT count(*) FROM alice.t WHERE n = 77", db="other"), 0)
        has(output(session, run(session, "'SELECT 1 AS one'")), '"one":1')


@suite.test
def cancel_at_any_moment(cluster):
    """Cancels that come while a step begins or ends over there hit no other instance."""
    with cluster.connect(user="alice") as session:
        for n in range(60):
            victim = begin(session, "'SELECT pg_sleep(0.005)'")
            other = begin(session, "'SELECT pg_sleep(0.003)' ~> 'INSERT INTO alice.t VALUES (%d)'" % (1000 + n))
            time.sleep(0.001 * (n % 12))
            session.value("SELECT df.cancel($1)", victim)
            same(settle(session, other), "completed")
            assert settle(session, victim) in ("cancelled", "completed")
        same(cluster.value("SELECT count(*) FROM alice.t WHERE n >= 1000", db="other"), 60)


@suite.test
def ended_processes(cluster):
    """A step whose session over there ends is repeated, so often, then failed; one whose executor ends is repeated."""
    with cluster.connect(user="alice") as session:
        instance = begin(session, "'INSERT INTO alice.tries VALUES (1); SELECT pg_sleep(1.5)'")
        wait_until(lambda: companion(cluster), 10, "the step runs")
        cluster.value("SELECT pg_terminate_backend($1)", companion(cluster))
        same(settle(session, instance), "completed")
        instance = begin(session, "'INSERT INTO alice.tries VALUES (2); SELECT pg_sleep(1.5)'")
        wait_until(lambda: companion(cluster), 10, "the step runs")
        cluster.query("""SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE backend_type = 'durable executor' AND datname = 'postgres' AND usename = 'alice'""")
        same(settle(session, instance), "completed")
        same(cluster.query("SELECT n, count(*) FROM alice.tries GROUP BY n ORDER BY n", db="other"), [(1, 1), (2, 1)])
        instance = run(session, "'SELECT pg_terminate_backend(pg_backend_pid())'", status="failed")
        same(failure(cluster, instance)[:2], ("57P01", "step was begun 3 times and its process ended each time"))


@suite.test
def restarts(cluster):
    """kill -9 of either process, and a restart in the middle of a step over there: it is done once, and all goes on."""
    cluster.reload(**{"pg_durable.max_step_crashes": "100"})
    for n, stop in enumerate((lambda: cluster.crash(companion(cluster)), lambda: cluster.crash(busy_home(cluster)),
                              cluster.restart, lambda: cluster.restart("immediate"))):
        with cluster.connect(user="alice") as session:
            instance = begin(session, "'INSERT INTO alice.tries VALUES (%d); SELECT pg_sleep(1)' ~> 'SELECT 2 AS two'"
                             % (10 + n))
            wait_until(lambda: companion(cluster), 10, "the step runs")
        stop()
        cluster.wait_ready()
        with cluster.connect(user="alice") as session:
            same(settle(session, instance), "completed")
        same(cluster.value("SELECT count(*) FROM alice.tries WHERE n = $1", 10 + n, db="other"), 1)


@suite.test
def session_that_cannot_begin(cluster):
    """A session over there that ends before it can say so is noticed: after a few tries the step fails and says so."""
    with cluster.connect(user="alice") as session:
        wait_until(lambda: cluster.value(COMPANIONS) == 0, 15, "no session over there")
        run(session, "'SELECT 1'", "postgres")
        # The server finds the library of a new worker no more; the executor at home has it.
        cluster.reload(dynamic_library_path="'/nowhere'")
        wait_until(lambda: cluster.value("SHOW dynamic_library_path") == "/nowhere", 10, "the setting is read")
        instance = run(session, "'SELECT 1'", status="failed")
        same(failure(cluster, instance)[0], "08001")
        cluster.reload(dynamic_library_path="'$libdir'")
        wait_until(lambda: cluster.value("SHOW dynamic_library_path") == "$libdir", 10, "the setting is read")
        run(session, "'SELECT 1'")


def busy_home(cluster):
    return cluster.value("""SELECT pid FROM pg_stat_activity WHERE backend_type = 'durable executor'
        AND datname = 'postgres' AND usename = 'alice' ORDER BY backend_start LIMIT 1""")


@suite.test
def others_go_on(cluster):
    """Long steps of one role over there, more than there are executors, delay nobody else's; and more than one
    database at a time works."""
    make_target(cluster, "third")
    with cluster.connect(user="alice") as alice, cluster.connect(user="bob") as bob:
        slow = [begin(alice, "'SELECT pg_sleep(3)'", ("other", "third")[n % 2]) for n in range(8)]
        wait_until(lambda: cluster.value(COMPANIONS + " AND state = 'active'") == 3, 10, "three steps run")
        begin_bob = time.monotonic()
        instance = bob.value("SELECT df.start('SELECT 1')")
        same(settle(bob, instance), "completed")
        run(bob, "'SELECT 1'", "third")
        assert time.monotonic() - begin_bob < 2, time.monotonic() - begin_bob
        for instance in slow:
            same(settle(alice, instance), "completed")


@suite.test
def idle_sessions_leave(cluster):
    """Idle sessions over there leave with their time, and need no worker while others want one."""
    cluster.reload(**{"pg_durable.executor_idle_timeout": "200"})
    wait_until(lambda: cluster.value(COMPANIONS) == 0, 15, "all have left")
    cluster.reload(**{"pg_durable.executor_idle_timeout": "10000"})


suite.main()
