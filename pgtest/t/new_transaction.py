#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""df.start(…, transaction_mode => 'new'): committed when the call returns, whatever the caller does; never a hang."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from suite import PgError, Suite, dollar, literal, same, settle, wait_until  # noqa: E402

suite = Suite(max_worker_processes="16")

PREFIX = "df.start() on new transaction failed: error returned from database: "


def new(graph, label=None):
    return "SELECT df.start(%s, %s, transaction_mode => 'new')" % (graph, literal(label))


def refused(session, sql, state, *fragments):
    """The statement fails with this SQLSTATE and a message or hint that has all fragments; the error."""
    try:
        session.query(sql)
    except PgError as error:
        text = "%s %s" % (error, error.hint)
        for fragment in fragments:
            if fragment not in text:
                raise AssertionError("%r is not in %r" % (fragment, text))
        same(error.sqlstate, state)
        return error
    raise AssertionError("not refused: " + sql)


def starts(cluster):
    """Workers that carry out such a start now."""
    return cluster.value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'durable start'")


@suite.test
def survives_rollback(cluster):
    """The caller rolls back: the instance is there, had run before, and what else the transaction did is gone."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.done (who text)")
        session.execute("BEGIN")
        session.execute("INSERT INTO alice.done VALUES ('caller')")
        instance = session.value(new("$q$INSERT INTO alice.done VALUES ('step')$q$", "kept"))
        with cluster.connect(user="alice") as other:
            same(settle(other, instance), "completed")
        same(session.value("SELECT df.status($1)", instance), "completed")
        session.execute("ROLLBACK")
        same(session.query("SELECT who FROM alice.done"), [("step",)])
        same(cluster.query("SELECT submitted_by::text, label FROM df.instances WHERE id = $1", instance),
             [("alice", "kept")])


@suite.test
def read_only(cluster):
    """Works in a READ ONLY transaction, where the caller's mode is refused with 25006."""
    with cluster.connect(user="alice") as session:
        session.execute("BEGIN READ ONLY")
        instance = session.value(new("'SELECT 1'"))
        refused(session, "SELECT df.start('SELECT 1')", "25006")
        session.execute("ROLLBACK")
        same(settle(session, instance), "completed")
        session.execute("SET default_transaction_read_only = on")
        same(settle(session, session.value(new("'SELECT 2'"))), "completed")


@suite.test
def role_settings(cluster):
    """Settings of the role and the database that would spoil the inner transaction do not reach it."""
    cluster.psql("""CREATE FUNCTION alice.text(text) RETURNS text LANGUAGE sql AS 'SELECT (1/0)::text';
        ALTER ROLE alice SET default_transaction_read_only = on; ALTER ROLE alice SET lock_timeout = 1;
        ALTER ROLE alice SET role = 'bob'; GRANT bob TO alice; ALTER ROLE alice SET statement_timeout = 5000;
        ALTER ROLE alice SET default_transaction_isolation = 'serializable';
        ALTER ROLE alice SET search_path = alice""")
    try:
        with cluster.connect(user="alice") as session:
            session.execute("RESET role")
            session.execute("SET role = 'none'")
            instance = session.value(new("'SELECT 1'"))
            same(cluster.value("SELECT submitted_by::text FROM df.instances WHERE id = $1", instance), "alice")
    finally:
        cluster.psql("ALTER ROLE alice RESET ALL; REVOKE bob FROM alice; DROP FUNCTION alice.text(text)")


@suite.test
def who_starts(cluster):
    """The submitter is the caller's current user: after SET ROLE the role, in a SECURITY DEFINER function its owner."""
    cluster.psql("""CREATE FUNCTION bob.launch() RETURNS text LANGUAGE sql SECURITY DEFINER
        AS $$ SELECT df.start('SELECT current_user::text', transaction_mode => 'new') $$;
        ALTER FUNCTION bob.launch() OWNER TO bob; GRANT USAGE ON SCHEMA bob TO alice; GRANT bob TO mallory""")
    with cluster.connect(user="alice") as session:
        instance = session.value("SELECT bob.launch()")
        row = cluster.query("SELECT role_name, started_by::regrole::text FROM df_internal.instances "
                            "WHERE public_id = $1", instance)
        same(row, [("bob", "alice")])
    with cluster.connect(user="mallory") as session:
        session.execute("SET ROLE bob")
        second = session.value(new("'SELECT current_user::text AS who'"))
        same(settle(session, second), "completed")
        same(session.value("SELECT df.result($1)::jsonb->'rows'->0->>'who'", second), "bob")
    cluster.psql("REVOKE bob FROM mallory")


@suite.test
def variables(cluster):
    """Uncommitted df.setvar values are not seen, committed ones are."""
    with cluster.connect(user="alice") as session:
        session.execute("SELECT df.setvar('v', 'committed')")
        session.execute("BEGIN")
        session.execute("SELECT df.setvar('v', 'open')")
        instance = session.value(new("$q$SELECT '{v}' AS v$q$"))
        session.execute("COMMIT")
        same(settle(session, instance), "completed")
        same(session.value("SELECT df.result($1)::jsonb->'rows'->0->>'v'", instance), "committed")


@suite.test
def large_graph(cluster):
    """A graph just below the limit of 4 MB arrives whole; one above it is refused."""
    text = "SELECT length('%s') AS n" % ("x" * 4_000_000)
    with cluster.connect(user="alice") as session:
        instance = session.value("SELECT df.start($1, transaction_mode => 'new')", text)
        same(settle(session, instance), "completed")
        same(session.value("SELECT df.result($1)::jsonb->'rows'->0->>'n'", instance), "4000000")
        refused(session, "SELECT df.start('SELECT 1 -- ' || repeat('x', 4200000), transaction_mode => 'new')",
                "54000", PREFIX)


@suite.test
def errors_are_wrapped(cluster):
    """What the inner start refuses arrives in the wrapper's words with the inner SQLSTATE."""
    cluster.psql("CREATE ROLE carl NOLOGIN; SELECT df.grant_usage('carl'); GRANT carl TO alice")
    with cluster.connect() as session:
        refused(session, new("'SELECT 1'"), "42501", PREFIX + "pg_durable: superuser instances are disabled")
    with cluster.connect(user="alice") as session:
        refused(session, new("'{\"node_type\": \"NOPE\"}'"), "22023", PREFIX + "Invalid durable function: ")
        refused(session, new("'SELECT 1'", "x" * 2000), "54000", PREFIX)
        session.execute("SET ROLE carl")
        refused(session, new("'SELECT 1'"), "55000", "does not have LOGIN privilege")
    same(starts(cluster), 0)


@suite.test
def rights_of_others(cluster):
    """What only the caller's open transaction knows - a grant, a role, the extension - does not count inside."""
    cluster.psql("CREATE ROLE dora LOGIN; GRANT USAGE ON SCHEMA alice TO dora")
    with cluster.connect() as session:
        session.execute("BEGIN")
        session.execute("GRANT USAGE ON SCHEMA df TO dora; SET LOCAL ROLE dora")
        refused(session, new("'SELECT 1'"), "42501", PREFIX + "permission denied for schema df")
        session.execute("ROLLBACK")
        session.execute("BEGIN")
        session.execute("CREATE ROLE eva LOGIN; GRANT USAGE ON SCHEMA df TO eva; SET LOCAL ROLE eva")
        refused(session, new("'SELECT 1'"), "08006", "Failed to connect to database 'postgres' as 'eva'")
        session.execute("ROLLBACK")
    cluster.psql("CREATE DATABASE fresh")
    with cluster.connect(db="fresh") as session:
        session.execute("BEGIN")
        session.execute("CREATE EXTENSION pg_durable; SELECT df.grant_usage('alice'); SET LOCAL ROLE alice")
        refused(session, new("'SELECT 1'"), "55000", PREFIX + 'extension "pg_durable" does not exist')
        session.execute("ROLLBACK")
    cluster.psql("DROP DATABASE fresh")


@suite.test
def no_grant_no_start(cluster):
    """A view that calls it, made before the revoke, gives nothing."""
    cluster.psql("CREATE ROLE fred LOGIN; SELECT df.grant_usage('fred'); GRANT CREATE ON SCHEMA public TO fred")
    with cluster.connect(user="fred") as session:
        session.execute("CREATE VIEW public.trap AS SELECT df.start('SELECT 1', transaction_mode => 'new')")
        session.execute("GRANT SELECT ON public.trap TO PUBLIC")
        cluster.psql("SELECT df.revoke_usage('fred')")
        refused(session, "SELECT * FROM public.trap", "42501", "permission denied for schema df")


@suite.test
def not_inside_a_step(cluster):
    """In a step it is refused, and the instance says so."""
    with cluster.connect(user="alice") as session:
        graph = dollar("SELECT df.start('SELECT 1', transaction_mode => 'new')")
        instance = session.value("SELECT df.start(%s)" % graph)
        same(settle(session, instance), "failed")
        error = session.value("SELECT output FROM df.instance_info($1)", instance) or ""
        if "cannot be called inside a workflow" not in error:
            raise AssertionError(error)


@suite.test
def statement_guard(cluster):
    """The answer of df.setvar is no step in the caller's mode; in this one another session would not know."""
    with cluster.connect(user="alice") as session:
        refused(session, "SELECT df.start(df.setvar('a', '1'))", "22023", "cannot be used as a workflow step")
        session.value("SELECT df.start(df.setvar('a', '1'), transaction_mode => 'new')")


@suite.test
def callers_own_lock(cluster):
    """The caller's transaction holds a lock that the start needs: refused within a second and a half, no hang."""
    for lock in ("df_internal.instances", "pg_catalog.pg_class", "df_internal.variables"):
        with cluster.connect() as session:
            session.execute("BEGIN")
            session.execute("LOCK TABLE %s IN ACCESS EXCLUSIVE MODE" % lock)
            session.execute("SET LOCAL ROLE alice")
            begin = time.monotonic()
            refused(session, new("'SELECT 1'"), "40P01", "deadlock detected", "Commit before the start")
            took = time.monotonic() - begin
            if took > 1.5:
                raise AssertionError("%s: %.1f s" % (lock, took))
            session.execute("ROLLBACK")
            wait_until(lambda: starts(cluster) == 0, 5, "the worker leaves")
            session.execute("SET ROLE alice")
            session.value(new("'SELECT 1'"))


@suite.test
def through_another_session(cluster):
    """The start waits for a session that waits for the caller: seen, too."""
    with cluster.connect() as caller, cluster.connect() as middle:
        caller.execute("CREATE TABLE public.gate (n int)")
        caller.execute("BEGIN")
        caller.execute("LOCK TABLE public.gate")
        middle.execute("BEGIN")
        middle.execute("LOCK TABLE df_internal.instances IN ACCESS EXCLUSIVE MODE")
        middle.send("LOCK TABLE public.gate")
        wait_until(lambda: cluster.value("SELECT count(*) FROM pg_locks WHERE NOT granted") == 1, 10, "middle waits")
        caller.execute("SET LOCAL ROLE alice")
        refused(caller, new("'SELECT 1'"), "40P01", "deadlock detected")
        caller.execute("ROLLBACK")
        middle.finish(10)
        middle.execute("ROLLBACK")


@suite.test
def others_locks(cluster):
    """The lock is another session's: the call waits, is cancelled at once when asked, and statement_timeout counts."""
    with cluster.connect() as holder, cluster.connect(user="alice") as session:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE df_internal.instances IN ACCESS EXCLUSIVE MODE")
        session.execute("SET statement_timeout = '700ms'")
        begin = time.monotonic()
        refused(session, new("'SELECT 1'"), "57014", "statement timeout")
        if not 0.6 < time.monotonic() - begin < 2:
            raise AssertionError("%.1f s" % (time.monotonic() - begin))
        wait_until(lambda: starts(cluster) == 0, 5, "the worker is called off")
        session.execute("SET statement_timeout = 0")
        session.send(new("'SELECT 7'", "late"))
        wait_until(lambda: starts(cluster) == 1, 10, "a worker")
        time.sleep(0.5)
        same(cluster.query("SELECT application_name, usename::text FROM pg_stat_activity "
                           "WHERE backend_type = 'durable start'"), [("pg_durable:backend:new-transaction", "alice")])
        holder.execute("ROLLBACK")
        session.finish(10)
        same(cluster.value("SELECT count(*) FROM df.instances WHERE label = 'late'"), 1)


@suite.test
def thirty_seconds(cluster):
    """Without a statement_timeout of its own the call gives up after 30 s, in the original's words."""
    with cluster.connect() as holder, cluster.connect(user="alice") as session:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE df_internal.instances IN ACCESS EXCLUSIVE MODE")
        begin = time.monotonic()
        refused(session, new("'SELECT 1'", "given up"), "57014",
                "pg_durable: transaction_mode => 'new' launch hit statement_timeout after 30000ms while running "
                "df.start() in the loopback session: ")
        if not 29 < time.monotonic() - begin < 33:
            raise AssertionError("%.1f s" % (time.monotonic() - begin))
        holder.execute("ROLLBACK")
    wait_until(lambda: starts(cluster) == 0, 5, "the worker is called off")
    same(cluster.value("SELECT count(*) FROM df.instances WHERE label = 'given up'"), 0)


@suite.test
def makes_way(cluster):
    """A role holds both places and has more starts waiting: the place that becomes free is another role's."""
    clients = [cluster.connect(user="mallory") for _ in range(12)]
    workers = "SELECT usename::text FROM pg_stat_activity WHERE backend_type = 'durable start' ORDER BY 1"
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Extension' AND query LIKE '%''new''%'"
    try:
        with cluster.connect() as holder, cluster.connect(user="bob") as bob:
            holder.execute("BEGIN")
            holder.execute("LOCK TABLE df_internal.instances IN ACCESS EXCLUSIVE MODE")
            for client in clients[:2]:
                client.send(new("'SELECT 1'"))
            wait_until(lambda: cluster.query(workers) == [("mallory",), ("mallory",)], 10, "both places are mallory's")
            for client in clients[2:]:
                client.send(new("'SELECT 1'"))
            wait_until(lambda: cluster.value(waiting) >= 12, 10, "mallory's others wait")
            bob.send(new("'SELECT 1'"))
            wait_until(lambda: cluster.value(waiting) >= 13, 10, "bob waits")
            cluster.value("SELECT pg_terminate_backend($1)", clients[0].pid)
            wait_until(lambda: cluster.query(workers) == [("bob",), ("mallory",)], 3, "bob has a place")
            holder.execute("ROLLBACK")
            bob.finish(10)
    finally:
        for client in clients:
            cluster.value("SELECT pg_terminate_backend($1)", client.pid)
            client.close()
        wait_until(lambda: starts(cluster) == 0, 10, "all have left")


@suite.test
def admission(cluster):
    """Two places: the third start waits its turn and fails in time; a place is free again after each kind of end."""
    cluster.configure(**{"pg_durable.new_transaction_start_timeout": "2"})
    cluster.restart()
    cluster.wait_ready()
    held = [cluster.connect(user="alice") for _ in range(2)]
    with cluster.connect() as holder, cluster.connect(user="bob") as session:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE df_internal.instances IN ACCESS EXCLUSIVE MODE")
        for client in held:
            client.send(new("'SELECT 1'"))
        wait_until(lambda: starts(cluster) == 2, 10, "both places taken")
        begin = time.monotonic()
        refused(session, new("'SELECT 1'"), "53400",
                "pg_durable: transaction_mode => 'new' launch limit reached (max_new_transaction_starts=2). "
                "Timed out after 2s waiting for a launch slot")
        if not 1.9 < time.monotonic() - begin < 4:
            raise AssertionError("%.1f s" % (time.monotonic() - begin))
        session.execute("SET statement_timeout = '300ms'")
        refused(session, new("'SELECT 1'"), "57014")
        session.execute("SET statement_timeout = 0")
        # one caller is terminated, the other cancelled: both places come back, and their workers go
        cluster.value("SELECT pg_terminate_backend($1)", held[0].pid)
        cluster.value("SELECT pg_cancel_backend($1)", held[1].pid)
        wait_until(lambda: starts(cluster) == 0, 5, "no worker")
        session.send(new("'SELECT 1'", "after"))
        wait_until(lambda: starts(cluster) == 1, 10, "a place was free")
        # the worker itself is terminated
        cluster.value("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'durable start'")
        try:
            session.finish(5)
            raise AssertionError("the worker was terminated and the start succeeded")
        except PgError as error:
            same(error.sqlstate[:2] in ("08", "57"), True)
        holder.execute("ROLLBACK")
        same(settle(session, session.value(new("'SELECT 1'"))), "completed")
        same(cluster.value("SELECT count(*) FROM df.instances WHERE label = 'after'"), 0)
    for client in held:
        client.close()


@suite.test
def killed(cluster):
    """kill -9 of the caller or the worker: the server restarts its sessions, and all places are free."""
    for victim in ("worker", "caller"):
        with cluster.connect() as holder, cluster.connect(user="alice") as session:
            holder.execute("BEGIN")
            holder.execute("LOCK TABLE df_internal.instances IN ACCESS EXCLUSIVE MODE")
            session.send(new("'SELECT 1'"))
            wait_until(lambda: starts(cluster) == 1, 10, "a worker")
            pid = session.pid if victim == "caller" else cluster.value(
                "SELECT pid FROM pg_stat_activity WHERE backend_type = 'durable start'")
            cluster.crash(pid)
        for _ in range(3):
            with cluster.connect(user="alice") as session:
                session.value(new("'SELECT 1'"))


@suite.test
def no_worker_left(cluster):
    """All worker processes are in use: a clear error in time."""
    cluster.configure(max_worker_processes="4", **{"pg_durable.max_executors": "1"})
    cluster.restart()
    cluster.wait_ready()
    with cluster.connect(user="alice") as session:
        session.execute("SELECT df.start('SELECT pg_sleep(30)')")
        wait_until(lambda: cluster.value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
                                         ) == 1, 10, "a step")
        # our launcher, the HTTP worker, the server's own launcher, the executor
        begin = time.monotonic()
        refused(session, new("'SELECT 1'"), "53000", "no background worker slot is free", "max_worker_processes")
        # It looks for a place for pg_durable.new_transaction_start_timeout, 5 s.
        if time.monotonic() - begin > 10:
            raise AssertionError("%.1f s" % (time.monotonic() - begin))


suite.main()
