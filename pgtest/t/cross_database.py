#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
# alone
"""Steps in another database: df.start(…, database => 'x').

Results and errors arrive as if the step ran at home; the target's settings and rights count; a cancel, a kill or a
restart leaves neither a process nor, with two-phase commit, a prepared transaction behind.
"""
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from suite import (  # noqa: E402
    PgError, Suite, dollar, has, literal, output, prepare, same, settle, wait_until)

suite = Suite(log_min_messages="log", synchronous_commit="local", **{
    # The record of an attempt would be held like any other commit.
    "pg_durable.probation_time": "0", "pg_durable.max_executors": "4", "pg_durable.max_step_crashes": "3"})
COMPANIONS = """SELECT count(*) FROM pg_stat_activity
                WHERE backend_type = 'durable executor' AND datname NOT IN ('postgres')"""
PREPARED = "SELECT count(*) FROM pg_prepared_xacts"


def prepare_more(cluster):
    prepare(cluster)
    make_target(cluster, "other")


suite.prepare = prepare_more


def make_target(cluster, name):
    cluster.execute('CREATE DATABASE "%s"' % name)
    cluster.execute("CREATE SCHEMA alice AUTHORIZATION alice; CREATE SCHEMA bob AUTHORIZATION bob;", db=name)


def begin(session, graph, database="other"):
    return session.value("SELECT df.start(%s, database => %s)" % (graph, literal(database)))


def run(session, graph, database="other", status="completed", seconds=30):
    instance = begin(session, graph, database)
    seen = settle(session, instance, seconds)
    if seen != status:
        raise AssertionError("%s: %s, expected %s; output: %s" % (graph, seen, status, output(session, instance)))
    return instance


def failure(cluster, instance):
    """SQLSTATE and message, detail and hint of a failed instance."""
    return cluster.query("""SELECT e ->> 'sqlstate', e ->> 'message', e ->> 'detail', e ->> 'hint'
        FROM (SELECT failure::jsonb e FROM df_internal.ended JOIN df_internal.instances i ON i.id = instance
              WHERE public_id = $1) AS x""", instance)[0]


def companion(cluster, database="other"):
    rows = cluster.query("""SELECT pid FROM pg_stat_activity WHERE backend_type = 'durable executor'
                            AND datname = $1 AND state = 'active'""", database)
    return rows[0][0] if rows else None


def home_of(cluster, user="alice"):
    rows = cluster.query("""SELECT pid FROM pg_stat_activity WHERE backend_type = 'durable executor'
                            AND datname = 'postgres' AND usename = $1""", user)
    return rows[0][0] if rows else None


@suite.test
def results(cluster):
    """Rows, row counts, names, conditions and variables are as at home; the step is a session of the role over there."""
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
        run(session, "'CREATE TABLE alice.tries (n int)'")
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
    for n, stop in enumerate((lambda: cluster.kill9(companion(cluster)), lambda: cluster.kill9(busy_home(cluster)),
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


# ---------------------------------------------------------------- exactly once

HELD = """SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'durable executor' AND wait_event = 'SyncRep'
          AND datname = $1"""


def hold_commits(cluster, database):
    """alice's commits in that database wait for a standby that is not there, until `release`."""
    cluster.execute("ALTER ROLE alice IN DATABASE %s SET synchronous_commit = on" % database)
    cluster.reload(synchronous_standby_names="'nobody'")
    wait_until(lambda: cluster.value("SHOW synchronous_standby_names") == "nobody", 5, "the setting")


def release(cluster, database):
    cluster.reload(synchronous_standby_names="''")
    cluster.execute("ALTER ROLE alice IN DATABASE %s RESET synchronous_commit" % database)


def none_left(cluster, seconds=20):
    wait_until(lambda: cluster.value(PREPARED) == 0, seconds, "no prepared transaction is left")


@suite.test
def twice_or_never(cluster):
    """With two-phase commit a step works as before, and leaves nothing prepared."""
    cluster.reload(**{"pg_durable.cross_database": "'exactly_once'", "pg_durable.max_step_crashes": "100"})
    cluster.execute("CREATE TABLE alice.once (n int); ALTER TABLE alice.once OWNER TO alice", db="other")
    with cluster.connect(user="alice") as session:
        instance = run(session, "'INSERT INTO alice.once VALUES (1)' ~> 'SELECT count(*) AS c FROM alice.once'")
        has(output(session, instance), '"c":1')
        instance = run(session, "'SELECT 1/0'", status="failed")
        same(failure(cluster, instance)[0], "22012")
        instance = run(session, "'CREATE TEMP TABLE gone (n int)'", status="failed")
        same(failure(cluster, instance)[0], "0A000")
        has(failure(cluster, instance)[3], "pg_durable.cross_database")
        run(session, "'VACUUM alice.once' ~> 'SELECT 1'")
        instance = begin(session, "'INSERT INTO alice.once VALUES (2); SELECT pg_sleep(600)'")
        wait_until(lambda: companion(cluster), 10, "the step runs")
        session.value("SELECT df.cancel($1)", instance)
        same(settle(session, instance), "cancelled")
        same(cluster.value("SELECT count(*) FROM alice.once", db="other"), 1)
        same(cluster.value(PREPARED), 0)


def stage(cluster, n, held, act):
    """A step stopped where `held` commits, `act` upon it, then released: done once, and nothing is left."""
    hold_commits(cluster, held)
    try:
        with cluster.connect(user="alice") as session:
            session.execute("SET synchronous_commit = local")
            instance = begin(session, "'INSERT INTO alice.once VALUES (%d)'" % n)
            wait_until(lambda: cluster.value(HELD, held) == 1, 20, "the commit waits")
        same(cluster.value(PREPARED), 1)
        act()
    finally:
        cluster.wait_ready()
        release(cluster, held)
    with cluster.connect(user="alice") as session:
        same(settle(session, instance, 60), "completed")
    none_left(cluster)
    same(cluster.value("SELECT count(*) FROM alice.once WHERE n = $1", n, db="other"), 1)


def pid_in(cluster, database):
    return cluster.value("""SELECT pid FROM pg_stat_activity WHERE backend_type = 'durable executor' AND usename = 'alice'
        AND datname = $1 ORDER BY wait_event = 'SyncRep' DESC, state = 'active' DESC""", database)


def terminate(cluster, database):
    cluster.value("SELECT pg_terminate_backend($1)", pid_in(cluster, database))
    time.sleep(0.3)


@suite.test
def stopped_while_preparing(cluster):
    """Prepared, and nobody knows: a kill or the end of either process rolls it back, and the step is repeated."""
    stage(cluster, 10, "other", lambda: cluster.kill9(pid_in(cluster, "other")))
    stage(cluster, 11, "other", lambda: terminate(cluster, "other"))
    stage(cluster, 12, "other", lambda: terminate(cluster, "postgres"))
    stage(cluster, 13, "other", lambda: cluster.stop("immediate") and cluster.start())


@suite.test
def stopped_while_deciding(cluster):
    """Recorded, and not yet committed over there: a kill or the end of either process commits it."""
    stage(cluster, 20, "postgres", lambda: cluster.kill9(pid_in(cluster, "postgres")))
    stage(cluster, 21, "postgres", lambda: terminate(cluster, "postgres"))
    stage(cluster, 22, "postgres", lambda: terminate(cluster, "other"))
    stage(cluster, 23, "postgres", lambda: cluster.stop("immediate") and cluster.start())


@suite.test
def many_kills(cluster):
    """200 steps while processes are killed and ended at random: each took effect exactly once, nothing is left."""
    cluster.execute("CREATE TABLE alice.hits (i int, s int); ALTER TABLE alice.hits OWNER TO alice", db="other")
    chance = random.Random(7)
    with cluster.connect(user="alice") as session:
        instances = [begin(session, " ~> ".join(
            "'INSERT INTO alice.hits VALUES (%d, %d); SELECT pg_sleep(0.03)'" % (i, s) for s in range(10)))
            for i in range(20)]
    until = time.monotonic() + 150
    while time.monotonic() < until:
        try:
            if cluster.value("SELECT count(*) FROM df_internal.ended JOIN df_internal.instances i ON i.id = instance"
                             " WHERE public_id = ANY($1)", "{" + ",".join(instances) + "}") == 20:
                break
            time.sleep(chance.random() * 0.7)
            pids = cluster.query("SELECT pid FROM pg_stat_activity WHERE backend_type = 'durable executor'")
            if pids:
                pid = chance.choice(pids)[0]
                if chance.random() < 0.25:
                    cluster.kill9(pid)
                else:
                    cluster.value("SELECT pg_terminate_backend($1)", pid)
        except PgError:
            cluster.wait_ready()
    cluster.wait_ready()
    with cluster.connect(user="alice") as session:
        for instance in instances:
            same(settle(session, instance, 60), "completed")
    none_left(cluster)
    same(cluster.value("SELECT count(*) FROM alice.hits", db="other"), 200)
    same(cluster.value("SELECT count(*) FROM (SELECT DISTINCT i, s FROM alice.hits) AS d", db="other"), 200)


@suite.test
def without_prepared_transactions(cluster):
    """exactly_once without max_prepared_transactions is refused at the start, and leaves the own database alone."""
    cluster.configure(max_prepared_transactions="0")
    cluster.restart()
    with cluster.connect(user="alice") as session:
        try:
            begin(session, "'SELECT 1'")
            raise AssertionError("started")
        except PgError as error:
            same(error.sqlstate, "55000")
            has(str(error), "prepared transactions are disabled")
        run(session, "'SELECT 1'", "postgres")
    cluster.reload(**{"pg_durable.cross_database": "'at_least_once'"})
    with cluster.connect(user="alice") as session:
        run(session, "'SELECT 1'")


suite.main()
