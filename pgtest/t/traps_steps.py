#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""A step is the statement a client would have sent: kinds of statements, role defaults, timeouts, own commits.

Covers I6, I10-I13, I15-I17, I21, I22, I25, S1, S7, S19 of docs/traps.md.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from suite import Suite, dollar, has, literal, output, run, same, settle, start  # noqa: E402

suite = Suite()


@suite.test
def utility_statements(cluster):
    """DDL, VACUUM, CREATE INDEX CONCURRENTLY, REINDEX, ANALYZE, TRUNCATE, DO, CALL, MERGE, CTEs, RETURNING all run."""
    with cluster.connect(user="alice") as session:
        for sql in ("CREATE TABLE alice.u (n int PRIMARY KEY, t text)",
                    "INSERT INTO alice.u SELECT n, 'x' FROM generate_series(1, 100) n",
                    "VACUUM alice.u", "VACUUM (FULL, ANALYZE) alice.u", "CREATE INDEX CONCURRENTLY u_t ON alice.u (t)",
                    "REINDEX INDEX CONCURRENTLY alice.u_t", "ANALYZE alice.u", "CLUSTER alice.u USING u_pkey",
                    "DROP INDEX CONCURRENTLY alice.u_t",
                    "CREATE OR REPLACE FUNCTION alice.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
                    "DO $$ BEGIN PERFORM 1; END $$",
                    "MERGE INTO alice.u USING (VALUES (1)) v(n) ON u.n = v.n WHEN MATCHED THEN DELETE",
                    "WITH d AS (DELETE FROM alice.u WHERE n < 5 RETURNING n) SELECT count(*) FROM d",
                    "UPDATE alice.u SET t = 'y' WHERE n = 6 RETURNING n, t", "TABLE alice.u", "TRUNCATE alice.u",
                    "CREATE TABLE alice.w (n int); INSERT INTO alice.w VALUES (1); INSERT INTO alice.w VALUES (2)"):
            run(session, dollar(sql))
        same(session.value("SELECT count(*) FROM alice.w"), 2)
        run(session, "'INSERT INTO alice.w VALUES (3); SELECT 1/0'", status="failed")
        same(session.value("SELECT count(*) FROM alice.w"), 2, "several statements are one transaction")


@suite.test
def blocks_of_statements(cluster):
    """Several statements in one string are one transaction: VACUUM and CALL with COMMIT are refused inside it."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.b (n int); CREATE PROCEDURE alice.commits() LANGUAGE plpgsql AS "
                        "$p$ BEGIN INSERT INTO alice.b VALUES (1); COMMIT; INSERT INTO alice.b VALUES (2); END $p$")
        has(output(session, run(session, "'SELECT 1; VACUUM alice.b'", status="failed")), "VACUUM")
        has(output(session, run(session, "'SELECT 1; CALL alice.commits()'", status="failed")),
            "invalid transaction termination")
        same(session.value("SELECT count(*) FROM alice.b"), 0)
        run(session, "'CALL alice.commits()' ~> 'INSERT INTO alice.b VALUES (3)'")
        same(session.query("SELECT n FROM alice.b ORDER BY n"), [(1,), (2,), (3,)])


@suite.test
def fails_after_own_commit(cluster):
    """A CALL that commits and then fails is a failed step, run once; what it committed stays."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.half (n int)")
        run(session, dollar("DO $do$ BEGIN INSERT INTO alice.half VALUES (1); COMMIT; PERFORM 1 / 0; END $do$"),
            status="failed")
        same(session.value("SELECT count(*) FROM alice.half"), 1)


@suite.test
def transaction_settings(cluster):
    """A step may choose its own isolation and access mode; its record is written all the same."""
    with cluster.connect(user="alice") as session:
        run(session, "'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT 1' ~> "
            "'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SELECT 2' ~> "
            "'SET TRANSACTION READ ONLY' ~> 'SELECT 3'")
        instance = run(session, "'SET TRANSACTION READ ONLY; CREATE TABLE alice.never (n int)'", status="failed")
        has(output(session, instance), "read-only transaction")


@suite.test
def role_defaults(cluster):
    """Roles whose defaults are SERIALIZABLE, read-only, short timeouts … complete, fail and cancel normally."""
    defaults = ["default_transaction_isolation = 'serializable'", "default_transaction_read_only = on",
                "default_transaction_deferrable = on", "lock_timeout = '1ms'", "synchronous_commit = off",
                "idle_in_transaction_session_timeout = '1ms'", "enable_indexscan = off", "search_path = ''",
                "default_tablespace = ''", "row_security = off", "client_min_messages = error", "work_mem = '64kB'",
                "idle_session_timeout = '50ms'", "standard_conforming_strings = off", "jit_above_cost = 0"]
    for number, setting in enumerate(defaults):
        cluster.psql("CREATE ROLE d{0} LOGIN; SELECT df.grant_usage('d{0}'); ALTER ROLE d{0} SET {1}".format(
            number, setting))
        with cluster.connect(user="d%d" % number) as session:
            # The client's own session must be able to write its start.
            session.execute("SET default_transaction_read_only = off; SET idle_session_timeout = 0;"
                            "SET idle_in_transaction_session_timeout = 0; SET default_transaction_deferrable = off")
            run(session, "'SELECT 1' |=> 'a' ~> ('SELECT $a' & 'SELECT 2') ~> df.sleep(0) ~> 'SELECT 3'")
            run(session, "'SELECT 1/0'", status="failed")
            sleeper = start(session, "'SELECT pg_sleep(60)'")
            time.sleep(0.1)
            session.value("SELECT df.cancel($1)", sleeper)
            same(settle(session, sleeper), "cancelled", setting)


@suite.test
def statement_timeout(cluster):
    """statement_timeout of the role ends its step, and only that: 57014, then the next instance runs."""
    cluster.psql("CREATE ROLE hasty LOGIN; SELECT df.grant_usage('hasty'); "
                 "ALTER ROLE hasty SET statement_timeout = '200ms'")
    with cluster.connect(user="hasty") as session:
        begin = time.monotonic()
        has(output(session, run(session, "'SELECT pg_sleep(5)'", status="failed")), "statement timeout")
        if time.monotonic() - begin > 3:
            raise AssertionError("the timeout came after %.1f s" % (time.monotonic() - begin))
        run(session, " ~> ".join(["'SELECT pg_sleep(0.05)'"] * 8))


@suite.test
def time_advances(cluster):
    """now() is each step's own start."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.times (at timestamptz)")
        insert = "'INSERT INTO alice.times VALUES (now())'"
        run(session, "%s ~> 'SELECT pg_sleep(0.3)' ~> %s" % (insert, insert))
        same(session.value("SELECT max(at) - min(at) BETWEEN '0.29 s' AND '5 s' FROM alice.times"), True)


@suite.test
def forged_errors(cluster):
    """A step that raises the errors of a shutdown, a conflict or our own key fails like any other, after one run."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE SEQUENCE alice.runs")
        for code, extra in (("57P01", ""), ("40001", ""), ("40P01", ""), ("57014", ""), ("XX000", ""),
                            ("23505", ", CONSTRAINT = 'journal_pkey', SCHEMA = 'df_internal', TABLE = 'journal'")):
            before = session.value("SELECT nextval('alice.runs')")
            instance = run(session, dollar(
                "DO $do$ BEGIN PERFORM nextval('alice.runs'); RAISE EXCEPTION 'forged' USING ERRCODE = '%s'%s; END $do$"
                % (code, extra)), status="failed")
            has(output(session, instance), "forged")
            same(session.value("SELECT nextval('alice.runs')") - before, 2, "runs of the step raising " + code)


@suite.test
def session_preload(cluster):
    """session_preload_libraries of a role are loaded in its executors."""
    cluster.psql("ALTER ROLE bob SET session_preload_libraries = 'auto_explain'")
    try:
        with cluster.connect(user="bob") as session:
            instance = run(session, "'SHOW auto_explain.log_min_duration'")
            has(output(session, instance), "-1")
    finally:
        cluster.psql("ALTER ROLE bob RESET session_preload_libraries")


@suite.test
def default_role(cluster):
    """ALTER ROLE … SET role does not change whose step it is."""
    cluster.psql("CREATE ROLE grp; GRANT grp TO bob; ALTER ROLE bob SET role = 'grp'")
    try:
        with cluster.connect(user="bob") as session:
            session.execute("SET ROLE bob")
            instance = run(session, "'SELECT current_user::text AS c, session_user::text AS s'")
            has(output(session, instance), '{"c":"bob","s":"bob"}')
    finally:
        cluster.psql("ALTER ROLE bob RESET role; REVOKE grp FROM bob")


@suite.test
def statements_are_logged(cluster):
    """log_statement and pg_stat_activity cover steps: a role does not evade the audit by working through steps."""
    cluster.psql("ALTER ROLE bob SET log_statement = 'all'")
    try:
        with cluster.connect(user="bob") as session:
            run(session, "'SELECT 8472 AS audited'")
        mine = [line for line in cluster.text().splitlines() if "durable executor" in line]
        has("\n".join(mine), "SELECT 8472 AS audited")
    finally:
        cluster.psql("ALTER ROLE bob RESET log_statement")


@suite.test
def create_database_in_a_step(cluster):
    """Statements that refuse transaction blocks work as steps, and leave no half-made database when they fail."""
    cluster.psql("ALTER ROLE alice CREATEDB")
    with cluster.connect(user="alice") as session:
        run(session, "'CREATE DATABASE made_by_step TEMPLATE template0' ~> 'DROP DATABASE made_by_step'", 60)
        run(session, "'CREATE DATABASE postgres'", status="failed")


@suite.test
def results(cluster):
    """Result shapes: no rows, no columns, duplicate names, NULL, arrays, composites, numeric text."""
    cases = [
        ("SELECT 42 AS answer", '{"rows":[{"answer":42}],"row_count":1}'),
        ("SELECT 1 WHERE false", '{"rows":[],"row_count":0}'),
        ("CREATE TABLE alice.r (n int)", '{"rows":[],"row_count":0}'),
        ("INSERT INTO alice.r VALUES (1), (2)", '{"rows":[],"row_count":2}'),
        ("INSERT INTO alice.r VALUES (3) RETURNING n", '{"rows":[{"n":3}],"row_count":1}'),
        ("SELECT", '{"rows":[{}],"row_count":1}'),
        ("SELECT true AS b, NULL AS n, 1.50 AS d, 'x' AS t", '{"rows":[{"b":true,"n":null,"d":"1.50","t":"x"}],'
         '"row_count":1}'),
        ("SELECT ARRAY[1,2] AS a", '{"rows":[{"a":[1,2]}],"row_count":1}'),
        ("SELECT '{\"b\":1,\"a\":2}'::jsonb AS j", '{"rows":[{"j":{"a":2,"b":1}}],"row_count":1}'),
        ("SELECT pg_sleep(0)", '{"rows":[{"pg_sleep":null}],"row_count":1}'),
        ("VALUES (1, 2)", '{"rows":[{"column1":1,"column2":2}],"row_count":1}'),
    ]
    with cluster.connect(user="alice") as session:
        for sql, expected in cases:
            same(output(session, run(session, literal(sql))), expected, sql)


@suite.test
def any_of_a_result(cluster):
    """`= ANY($x)` takes all rows of the first column, in any spelling; `$x` elsewhere stays the first row's value."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.d (id int, t text); "
                        "INSERT INTO alice.d SELECT n, 't' || n FROM generate_series(1, 10) n")
        for condition, count in (("id = ANY($b)", 3), ("id = any ( $b )", 3), ("id = ANY($b::int[])", 3),
                                 ("id <> ALL($b)", 7), ("id = SOME($b)", 3), ("id = $b", 1),
                                 ("id = ANY(ARRAY[$b])", 1), ("t = ANY($s)", 3)):
            instance = run(session, "'SELECT id FROM alice.d WHERE id < 4 ORDER BY id' |=> 'b' ~> "
                           "('SELECT t FROM alice.d WHERE id < 4 ORDER BY id' |=> 's') ~> " +
                           dollar("SELECT count(*) AS n FROM alice.d WHERE " + condition))
            same(output(session, instance), '{"rows":[{"n":%d}],"row_count":1}' % count, condition)
        instance = run(session, "'SELECT id FROM alice.d WHERE false' |=> 'b' ~> "
                       "'SELECT count(*) AS n FROM alice.d WHERE id = ANY($b)'")
        same(output(session, instance), '{"rows":[{"n":0}],"row_count":1}')


@suite.test
def status_and_error_together(cluster):
    """Whoever sees `failed` sees why: status, node rows and error text change in one commit."""
    with cluster.connect(user="alice") as session:
        for n in range(100):
            instance = start(session, "'SELECT 1' ~> 'SELECT 1/0'")
            while True:
                status, text, failed = session.query(
                    "SELECT i.status, o.output, (SELECT count(*) FROM df.instance_nodes($1) WHERE status = 'failed') "
                    "FROM df.instances i, df.instance_info($1) o WHERE i.id = $1", instance)[0]
                if status == "failed":
                    has(text, "division by zero")
                    same(failed, 2, "failed nodes (the step and its sequence)")
                    break


suite.main()
