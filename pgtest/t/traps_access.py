#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Who sees and may do what: isolation by role, no forging, no locks on the engine's tables, no gate but USAGE.

Covers S5, S8, S13 (restricted operations), S20-S24, S27-S29 of docs/traps.md.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from suite import PgError, Suite, has, prepare, run, same, settle, start  # noqa: E402

suite = Suite()
SECRET = {}
# Of the views that users read.
COLUMNS = {"df.instances": "status", "df.nodes": "status", "df.vars": "value", "df._worker_epoch": "epoch_id"}


def prepare_more(cluster):
    """bob has a finished instance, a sleeping one and a variable, all secret."""
    prepare(cluster)
    with cluster.connect(user="bob") as session:
        session.value("SELECT df.setvar('password', 'bobs secret')")
        SECRET["done"] = run(session, "'SELECT ''bobs secret'' AS s'")
        SECRET["asleep"] = start(session, "df.sleep(3600) ~> 'SELECT ''bobs secret'''")


suite.prepare = prepare_more


@suite.test
def others_do_not_exist(cluster):
    """Another role's instances behave like ids that were never given out, membership or not."""
    cluster.psql("GRANT bob TO mallory")
    with cluster.connect(user="mallory") as session:
        for instance in SECRET.values():
            for call, nothing in (("df.status($1)", None), ("df.result($1)", None)):
                same(session.value("SELECT " + call, instance), nothing)
            for call in ("df.instance_nodes($1)", "df.instance_info($1)"):
                same(session.query("SELECT * FROM " + call, instance), [])
            has(session.value("SELECT df.explain($1)", instance), "not found")
            own = session.error("SELECT df.cancel($1)", instance)
            never = session.error("SELECT df.cancel('ffffffff')")
            same(own.message.replace(instance, "ffffffff"), never.message)
            same(own.sqlstate, never.sqlstate)
            same(session.error("SELECT df.await_instance($1, 1)", instance).sqlstate,
                 session.error("SELECT df.await_instance('ffffffff', 1)").sqlstate)
        for view in ("instances", "nodes", "vars"):
            same(session.value("SELECT count(*) FROM df." + view), 0, view)
        same(session.query("SELECT * FROM df.list_instances()"), [])
        same(session.value("SELECT df.getvar('password')"), None)
        session.execute("SET ROLE bob")
        same(session.value("SELECT df.status($1)", SECRET["done"]), "completed")
    cluster.psql("REVOKE bob FROM mallory")


@suite.test
def leaky_conditions(cluster):
    """Functions in WHERE, errors in casts and operators of the reader's own see no other role's rows."""
    with cluster.connect(user="mallory") as session:
        session.execute("""CREATE FUNCTION mallory.leak(anyelement) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS
            $f$ BEGIN RAISE NOTICE 'leak: %', $1; RETURN true; END $f$;
            CREATE FUNCTION mallory.eqleak(text, text) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS
            $f$ BEGIN RAISE NOTICE 'leak: % %', $1, $2; RETURN true; END $f$;
            CREATE OPERATOR mallory.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = mallory.eqleak)""")
        for sql in ("SELECT * FROM df.instances WHERE mallory.leak(id)",
                    "SELECT * FROM df.nodes WHERE mallory.leak(query)",
                    "SELECT * FROM df.vars WHERE mallory.leak(value)", "SELECT * FROM df.vars WHERE value::int = 1",
                    "SELECT * FROM df.nodes WHERE result::text OPERATOR(mallory.===) 'x'",
                    "SELECT * FROM df.instances i, df.nodes n WHERE mallory.leak(n.query) AND mallory.leak(i.id)"):
            same(session.query(sql), [])
        same([n.message for n in session.notices if "leak" in n.message], [])


@suite.test
def no_writing(cluster):
    """No role may insert, update, delete, truncate, lock or reference any relation of the extension."""
    relations = [r[0] for r in cluster.query(
        "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace IN ('df'::regnamespace, "
        "'df_internal'::regnamespace) AND c.relkind IN ('r', 'v', 'S')")]
    cluster.psql("CREATE ROLE reader LOGIN; GRANT pg_read_all_data, pg_write_all_data TO reader;"
                 "SELECT df.grant_usage('reader')")
    for user in ("mallory", "reader"):
        with cluster.connect(user=user) as session:
            for relation in relations:
                name = relation.split(".")[-1]
                for sql in ("TRUNCATE %s", "DROP TABLE %s", "LOCK TABLE %s IN ACCESS EXCLUSIVE MODE",
                            "LOCK TABLE %s IN SHARE MODE", "LOCK TABLE %s IN ROW EXCLUSIVE MODE",
                            "CREATE TRIGGER t BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION mallory.f()",
                            "SELECT * FROM %s FOR UPDATE", "ALTER TABLE %s ADD x int"):
                    session.execute("BEGIN")
                    try:
                        session.execute(sql % relation)
                        if user == "mallory" or "LOCK" not in sql and "FOR UPDATE" not in sql:
                            raise AssertionError("%s could: %s" % (user, sql % relation))
                        # Under df._worker_epoch is no table: there is no row to lock.
                        if "FOR UPDATE" in sql and name != "_worker_epoch" and session.query(sql % relation):
                            raise AssertionError("%s could: %s" % (user, sql % relation))
                    except PgError as error:
                        if error.sqlstate not in ("42501", "42809", "42704", "42883", "0A000", "55000"):
                            raise
                    session.execute("ROLLBACK")
                if relation in COLUMNS:
                    for sql in ("INSERT INTO %s DEFAULT VALUES", "UPDATE %s SET {0} = NULL", "DELETE FROM %s"):
                        same(session.error(sql.format(COLUMNS[relation]) % relation).sqlstate, "42501", sql % relation)
                if user == "reader" and relation.startswith("df_internal."):
                    same(session.query("SELECT * FROM " + relation), [], name)
            if user == "mallory":
                same(session.error("SELECT * FROM df_internal.journal").sqlstate, "42501")
                forged = session.error("INSERT INTO df.vars (name, value) VALUES ('a', 'b')")
                has(forged.message, "permission denied for view vars")
                same(session.error("CREATE TABLE mallory.blocks (i df.instances)").sqlstate, "42501")


# These only build texts or say constants: EXECUTE is all they ask for. Everything else must be refused.
NO_GATE = {"sql", "seq", "as", "join", "join3", "race", "if", "if_rows", "loop", "break", "sleep", "wait_for_signal",
           "wait_for_schedule", "http", "http_multipart", "if_then_op", "version", "target_database", "duroxide_schema",
           "next_tick", "worker_ready", "worker_epoch"}
# Arguments that are as good as any, by type, and what the functions take that look closer, by name and number.
ANY = {"text": "'outsider'", "int4": "1", "int8": "1", "bool": "false", "jsonb": "NULL", "interval": "'1 s'",
       "timestamptz": "now()"}
SPECIAL = {("wait_for_schedule", 1): "'@daily'", ("wait_for_schedule", 2): "'@daily', 'UTC'",
           ("next_tick", 3): "'@daily', 'UTC', now()", ("if_else_op", 2): "'{\"_partial_if\": true}', 'b'",
           ("http", 5): "'http://a.example', 'GET', NULL, NULL, 1",
           ("http", 9): "'http://a.example', 'GET', NULL, NULL, 1, false, 1, '1 s', 'retry'",
           ("http_multipart", 5): "'http://a.example', 'POST', '[{}]', NULL, 1",
           ("http_multipart", 9): "'http://a.example', 'POST', '[{}]', NULL, 1, false, 1, '1 s', 'retry'"}


def prepare_gate(cluster):
    """A database in which everybody may execute everything, and what `former` made while it had the grant."""
    cluster.psql("CREATE ROLE outsider LOGIN; CREATE ROLE former LOGIN; CREATE DATABASE gate")
    cluster.psql("""SET client_min_messages = warning; CREATE EXTENSION pg_durable; SELECT df.grant_usage('former');
        GRANT EXECUTE ON ALL ROUTINES IN SCHEMA df, df_internal TO PUBLIC; GRANT USAGE ON SCHEMA df_internal TO former;
        CREATE SCHEMA former AUTHORIZATION former; GRANT USAGE ON SCHEMA former TO PUBLIC""", db="gate")
    routines = cluster.query("""
        SELECT p.oid::text, p.oid::regprocedure::text, p.proname, p.prokind::text, p.proretset,
               p.pronamespace::regnamespace::text,
               (SELECT string_agg(t.typname, ' ' ORDER BY n) FROM unnest(p.proargtypes) WITH ORDINALITY a (type, n)
                  JOIN pg_type t ON t.oid = a.type)
          FROM pg_proc p WHERE p.pronamespace IN ('df'::regnamespace, 'df_internal'::regnamespace)
           AND p.prorettype <> 'trigger'::regtype ORDER BY 2""", db="gate")
    calls = {}
    with cluster.connect(user="former", db="gate") as session:
        for oid, signature, name, kind, returns_set, schema, types in routines:
            types = (types or "").split()
            arguments = SPECIAL.get((name, len(types))) or ", ".join(ANY[t] for t in types)
            call = '%s."%s"(%s)' % (schema, name, arguments)
            maker = "f%s" % oid
            if kind == "p":
                # A body that was not parsed yet looks names up: here the server itself refuses.
                session.execute("CREATE PROCEDURE former.%s() LANGUAGE plpgsql AS 'BEGIN CALL %s; END'"
                                % (maker, call.replace("'", "''")))
                calls[signature] = (name, "CALL former.%s()" % maker)
            else:
                session.execute("CREATE VIEW former.%s AS SELECT x::text AS x FROM %s x" % (maker, call))
                session.execute("GRANT SELECT ON former.%s TO PUBLIC" % maker)
                calls[signature] = (name, "SELECT * FROM former.%s" % maker)
        for view in ("instances", "nodes", "vars"):
            session.execute("CREATE VIEW former.%s AS SELECT * FROM df.%s" % (view, view))
            session.execute("GRANT SELECT ON former.%s TO PUBLIC" % view)
            calls[view] = (view, "SELECT * FROM former." + view)
        session.value("SELECT df.start(df.sleep(3600))")
        session.value("SELECT df.setvar('password', 'secret')")
        same(session.value("SELECT count(*) FROM former.instances"), 1)
    return calls


@suite.test
def usage_is_the_gate(cluster):
    """A view or function of somebody who had the grant gives nothing to those without it, and nothing after revoke."""
    calls = prepare_gate(cluster)
    same(len(calls) > 50, True, "%d calls" % len(calls))
    for user in ("outsider", "former"):
        if user == "former":
            cluster.psql("SELECT df.revoke_usage('former'); REVOKE USAGE ON SCHEMA df_internal FROM former", db="gate")
        with cluster.connect(user=user, db="gate") as session:
            wrong = []
            for signature, (name, sql) in sorted(calls.items()):
                # Over a view of his own the owner's rights are gone, and the engine is not even asked.
                try:
                    session.query(sql)
                    seen = None
                except PgError as error:
                    seen = error.sqlstate
                if seen != (None if name in NO_GATE else "42501"):
                    wrong.append("%s as %s: %s" % (signature, user, seen or "worked"))
            same(wrong, [])
            same(session.error("SELECT df.start('SELECT 1')").sqlstate, "42501")
            has(session.value("SELECT 'SELECT 1' ~> 'SELECT 2' & 'SELECT 3'"), '"node_type":"JOIN"')
    cluster.psql("DROP DATABASE gate")


@suite.test
def revoke_reaches_running_work(cluster):
    """After df.revoke_usage a sleeping instance of the role runs no further step."""
    cluster.psql("CREATE ROLE fired LOGIN; SELECT df.grant_usage('fired'); CREATE TABLE public.by_fired (n int);"
                 "GRANT ALL ON public.by_fired TO fired")
    with cluster.connect(user="fired") as session:
        instance = start(session, "df.sleep(2) ~> 'INSERT INTO public.by_fired VALUES (1)'")
        cluster.psql("SELECT df.revoke_usage('fired')")
        session.execute("SELECT pg_sleep(3.5)")
    same(cluster.value("SELECT count(*) FROM public.by_fired"), 0)
    cluster.psql("SELECT df.grant_usage('fired')")
    with cluster.connect(user="fired") as session:
        settle(session, instance, 60)


@suite.test
def restricted_operations(cluster):
    """An index expression that calls df functions does not start work as the superuser who analyses the table."""
    with cluster.connect(user="mallory") as session:
        session.execute("""CREATE TABLE mallory.bait (n int);
            CREATE FUNCTION mallory.hook(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $f$
            BEGIN PERFORM df.start('SELECT 666'); RETURN $1; EXCEPTION WHEN OTHERS THEN RETURN $1; END $f$;
            CREATE INDEX hooked ON mallory.bait (mallory.hook(n))""")
        session.execute("INSERT INTO mallory.bait VALUES (1)")
        before = session.value("SELECT count(*) FROM df.instances")
        cluster.psql("ANALYZE mallory.bait; REINDEX TABLE mallory.bait")
        same(session.value("SELECT count(*) FROM df.instances"), before)
        same(cluster.value("SELECT count(*) FROM df.instances WHERE submitted_by = 'postgres'::regrole"), 0)


@suite.test
def settings(cluster):
    """No setting that protects anything can be changed by a user, in the session or for its role."""
    names = [r[0] for r in cluster.query("SELECT name FROM pg_settings WHERE name LIKE 'pg_durable.%'")]
    wanted = ("enabled", "max_executors", "max_result_size", "max_executors_per_role", "max_step_crashes",
              "enable_superuser_instances", "executor_idle_timeout")
    same([n for n in wanted if "pg_durable." + n not in names], [])
    with cluster.connect(user="mallory") as session:
        for name in names:
            if name == "pg_durable.step_commit":
                continue
            for sql in ("SET %s = 'on'", "SET %s = 1", "ALTER ROLE mallory SET %s = 1",
                        "ALTER ROLE mallory SET %s = on"):
                error = session.error(sql % name)
                if error.sqlstate not in ("42501", "55P02", "22023"):
                    raise error
        for sql in ("SET pg_durable.invented = 1", "SET df.in_workflow = 'true'"):
            try:
                session.execute(sql)
            except PgError as error:
                assert error.sqlstate in ("42602", "42704"), error.fields
        run(session, "'SELECT 1'")


@suite.test
def delegation(cluster):
    """with_grant lets a role pass the usage on, and nobody else may."""
    cluster.psql("CREATE ROLE boss LOGIN; CREATE ROLE worker LOGIN; SELECT df.grant_usage('boss', with_grant => true)")
    with cluster.connect(user="mallory") as session:
        same(session.error("SELECT df.grant_usage('worker')").sqlstate, "42501")
    with cluster.connect(user="boss") as session:
        session.execute("SELECT df.grant_usage('worker')")
        has(session.notices[-1].message, 'granted df usage privileges to "worker"')
    with cluster.connect(user="worker") as session:
        run(session, "'SELECT 1'")
    with cluster.connect(user="boss") as session:
        session.execute("SELECT df.revoke_usage('worker')")
    with cluster.connect(user="worker") as session:
        same(session.error("SELECT df.start('SELECT 1')").sqlstate, "42501")
    same(cluster.connect().error("SELECT df.grant_usage('nobody at all')").sqlstate, "42704")


@suite.test
def squatting(cluster):
    """A schema df or df_internal that somebody made first stops CREATE EXTENSION: 42P06."""
    for schema in ("df", "df_internal"):
        cluster.psql("CREATE DATABASE squat OWNER mallory")
        cluster.psql("CREATE SCHEMA %s" % schema, user="mallory", db="squat")
        with cluster.connect(db="squat") as admin:
            same(admin.error("CREATE EXTENSION pg_durable").sqlstate, "42P06")
        with cluster.connect(user="mallory", db="squat") as session:
            same(session.error("CREATE EXTENSION pg_durable").sqlstate, "42501")
        cluster.psql("DROP DATABASE squat")


@suite.test
def still_asleep(cluster):
    """After all that bob's sleeping instance is untouched and bob can cancel it."""
    with cluster.connect(user="bob") as session:
        same(session.value("SELECT df.status($1)", SECRET["asleep"]), "running")
        session.value("SELECT df.cancel($1)", SECRET["asleep"])
        same(settle(session, SECRET["asleep"]), "cancelled")


@suite.test
def work_in_the_wrong_queue(cluster):
    """An instance that stands in another role's queue runs nothing there; its own role runs it later, once."""
    cluster.psql("CREATE TABLE public.runners (who name); GRANT ALL ON public.runners TO PUBLIC")
    with cluster.connect(user="bob") as session:
        cluster.psql("ALTER ROLE bob NOLOGIN")
        session.execute("BEGIN")
        refused = session.error("SELECT df.start('SELECT 1')")
        session.execute("ROLLBACK")
        has(refused.message, "does not have LOGIN privilege")
        cluster.psql("ALTER ROLE bob LOGIN")
        session.execute("BEGIN")
        instance = start(session, "'INSERT INTO public.runners VALUES (current_user)'")
        cluster.psql("ALTER ROLE bob NOLOGIN")
        session.execute("COMMIT")
    move = ("UPDATE df_internal.active SET role = '%s'::regrole WHERE instance = "
            "(SELECT id FROM df_internal.instances WHERE public_id = '" + instance + "')")
    cluster.psql(move % "mallory")
    cluster.restart()
    with cluster.connect(user="mallory") as session:
        run(session, "'SELECT 1' ~> 'SELECT 2'")
    same(cluster.query("SELECT who FROM public.runners"), [])
    same(cluster.value("SELECT df.status($1) IN ('pending', 'running')", instance), True)
    cluster.psql("ALTER ROLE bob LOGIN;" + move % "bob")
    cluster.restart()
    with cluster.connect(user="bob") as session:
        same(settle(session, instance, 30), "completed")
    same(cluster.query("SELECT who FROM public.runners"), [("bob",)])


suite.main()
