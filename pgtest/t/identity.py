#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""A step runs in a session that really is the submitter's, and nothing a user can write runs as anybody else.

`mallory` is hostile and unprivileged. Everything that runs records who it is in public.ran (owned by postgres, open to
all): one row with another name is a takeover.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from suite import Suite, dollar, has, literal, output, run, same, settle, start, wait_until  # noqa: E402

suite = Suite()


def prepare_more(cluster):
    """The recorder: a SECURITY INVOKER function that notes current_user and session_user."""
    from suite import prepare
    prepare(cluster)
    cluster.psql("""
        CREATE TABLE public.ran (what text, who name, session name);
        GRANT SELECT, INSERT ON public.ran TO PUBLIC;
        CREATE FUNCTION public.note(what text) RETURNS bool LANGUAGE plpgsql AS $f$
        BEGIN
            INSERT INTO public.ran VALUES (what, current_user, session_user);
            RETURN true;
        END $f$;
    """)


suite.prepare = prepare_more


def ran(cluster, what):
    return cluster.query("SELECT DISTINCT who::text, session::text FROM public.ran WHERE what = $1", what)


def only(cluster, what, who="mallory"):
    same(ran(cluster, what), [(who, who)], "who ran " + what)


@suite.test
def who_am_i(cluster):
    """current_user, session_user, system rights and memberships are the submitter's own."""
    with cluster.connect(user="mallory") as session:
        instance = run(session, dollar(
            "SELECT current_user::text AS c, session_user::text AS s, pg_has_role('postgres', 'member') AS p, "
            "(SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS su, current_setting('is_superuser') AS i, "
            "has_schema_privilege('alice', 'CREATE') AS a, current_setting('role') AS r"))
        has(output(session, instance),
            '[{"c":"mallory","s":"mallory","p":false,"su":false,"i":"off","a":false,"r":"none"}]')


@suite.test
def activity_shows_the_role(cluster):
    """pg_stat_activity shows the executor as a session of the submitter, with the step's text."""
    with cluster.connect(user="mallory") as session:
        instance = start(session, "'SELECT pg_sleep(30)'")
        wait_until(lambda: cluster.query(
            "SELECT usename::text FROM pg_stat_activity WHERE backend_type = 'durable executor' AND state = 'active' "
            "AND query = 'SELECT pg_sleep(30)'") == [("mallory",)], 10, "the executor shows role and text")
        session.value("SELECT df.cancel($1)", instance)
        same(settle(session, instance), "cancelled")


@suite.test
def row_security(cluster):
    """Row-level security of the user's tables applies to steps as it does to a session of the role."""
    cluster.psql("""CREATE TABLE public.tenants (owner name, secret text);
        INSERT INTO public.tenants VALUES ('alice', 'a'), ('mallory', 'm');
        ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY;
        CREATE POLICY own ON public.tenants USING (owner = current_user AND owner = session_user);
        GRANT ALL ON public.tenants TO PUBLIC""")
    for role, secret in (("alice", "a"), ("mallory", "m")):
        with cluster.connect(user=role) as session:
            instance = run(session, "'SELECT secret FROM public.tenants'")
            same(output(session, instance), '{"rows":[{"secret":"%s"}],"row_count":1}' % secret)


@suite.test
def escapes(cluster):
    """SET ROLE, SET SESSION AUTHORIZATION and their resets lead nowhere else."""
    with cluster.connect(user="mallory") as session:
        for sql in ("SET ROLE postgres", "SET SESSION AUTHORIZATION postgres", "SET ROLE alice",
                    "ALTER ROLE mallory SUPERUSER", "SELECT pg_read_file('/etc/passwd')",
                    "COPY (SELECT 1) TO PROGRAM 'id'"):
            instance = run(session, literal(sql), status="failed")
            same(session.value("SELECT df.result($1)", instance), None)
        for sql in ("RESET SESSION AUTHORIZATION", "RESET ROLE", "SET SESSION AUTHORIZATION DEFAULT", "SET ROLE NONE",
                    "DISCARD ALL"):
            end = settle(session, start(session, "%s ~> 'SELECT public.note(''reset'')'" % literal(sql)))
            if end == "completed":
                only(cluster, "reset")
        run(session, dollar("RESET SESSION AUTHORIZATION; SELECT public.note('reset in one')"))
        only(cluster, "reset in one")


@suite.test
def deferred_trigger(cluster):
    """A constraint trigger that fires at commit runs as the user, before the engine writes."""
    with cluster.connect(user="mallory") as session:
        session.execute("""CREATE TABLE mallory.t (n int);
            CREATE FUNCTION mallory.late() RETURNS trigger LANGUAGE plpgsql AS $f$
            BEGIN PERFORM public.note('deferred'); RETURN NULL; END $f$;
            CREATE CONSTRAINT TRIGGER late AFTER INSERT ON mallory.t DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION mallory.late()""")
        run(session, "'INSERT INTO mallory.t VALUES (1)'")
        only(cluster, "deferred")
        session.execute("BEGIN; INSERT INTO mallory.t VALUES (2)")
        for call in ("df.start('SELECT 1')", "df.setvar('a', 'b')", "df.cancel(df.start('SELECT 2'))",
                     "df.explain('SELECT 1')", "df.status('00000000')"):
            session.value("SELECT " + call)
        session.execute("SAVEPOINT s")
        session.error("SELECT df.start(NULL)")
        session.execute("ROLLBACK TO s; COMMIT")
        only(cluster, "deferred")


@suite.test
def held_cursor(cluster):
    """The query of a WITH HOLD cursor, which runs at commit, runs as the user."""
    with cluster.connect(user="mallory") as session:
        settle(session, start(session, dollar(
            "DECLARE c CURSOR WITH HOLD FOR SELECT public.note('held')")))
        settle(session, start(session, dollar(
            "INSERT INTO public.ran VALUES ('held too', current_user, session_user);"
            "DECLARE c CURSOR WITH HOLD FOR SELECT public.note('held')")))
        same([r for r in ran(cluster, "held") if r != ("mallory", "mallory")], [])


@suite.test
def captured_names(cluster):
    """Operators, functions, casts, domains and tables planted in search_path and pg_temp never run as another."""
    with cluster.connect(user="mallory") as session:
        session.execute("""
            CREATE FUNCTION mallory.eq(text, text) RETURNS bool LANGUAGE sql AS
                $f$ SELECT public.note('operator') AND $1 OPERATOR(pg_catalog.=) $2 $f$;
            CREATE OPERATOR mallory.= (LEFTARG = text, RIGHTARG = text, FUNCTION = mallory.eq);
            CREATE FUNCTION mallory.lower(text) RETURNS text LANGUAGE sql AS
                $f$ SELECT public.note('function')::text $f$;
            CREATE TYPE mallory.colour AS ENUM ('red');
            CREATE FUNCTION mallory.colour_json(mallory.colour) RETURNS json LANGUAGE sql AS
                $f$ SELECT CASE WHEN public.note('cast') THEN '"cast"'::json END $f$;
            CREATE CAST (mallory.colour AS json) WITH FUNCTION mallory.colour_json(mallory.colour);
            ALTER ROLE mallory SET search_path = mallory, pg_catalog, public""")
    with cluster.connect(user="mallory") as session:
        session.execute("CREATE DOMAIN pg_temp.jsonb AS text CHECK (public.note('domain'))")
        session.execute("CREATE TEMP TABLE instances (id text); CREATE TEMP TABLE journal (id text)")
        instance = run(session, "'SELECT ''red''::mallory.colour AS c' |=> 'x' ~> ('SELECT $x' & 'SELECT $x')")
        for call in ("df.status($1)", "df.result($1)", "df.explain($1)", "df.instance_info($1)", "df.cancel($1)"):
            session.query("SELECT %s" % call, instance)
        session.query("SELECT * FROM df.instance_nodes($1)", instance)
        session.query("SELECT count(*) FROM df.instances"), session.query("SELECT count(*) FROM df.nodes")
        session.execute("SELECT df.setvar('a', 'b'), df.getvar('a'), df.clearvars()")
    with cluster.connect() as admin:
        admin.execute("SET search_path = mallory, pg_catalog")
        before = admin.value("SELECT pg_catalog.count(*) FROM public.ran")
        admin.query("SELECT result FROM df.nodes")
        admin.query("SELECT * FROM df.list_instances()")
        same(admin.value("SELECT pg_catalog.count(*) FROM public.ran"), before, "a superuser's look ran a user's code")
    for what in ("operator", "function", "cast", "domain"):
        same([r for r in ran(cluster, what) if r != ("mallory", "mallory")], [], what)
    cluster.psql("ALTER ROLE mallory RESET search_path")


@suite.test
def nothing_fires_on_engine_tables(cluster):
    """Triggers and rules that even a superuser planted on the engine's tables do not fire for the engine's writes."""
    tables = [r[0] for r in cluster.query(
        "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'df_internal'::regnamespace AND relkind = 'r'")]
    cluster.psql("""CREATE FUNCTION public.planted() RETURNS trigger LANGUAGE plpgsql AS $f$
        BEGIN PERFORM public.note('planted ' || TG_TABLE_NAME); RETURN NEW; END $f$;""" + "".join(
        "CREATE TRIGGER planted BEFORE INSERT OR UPDATE OR DELETE ON df_internal.%s FOR EACH ROW "
        "EXECUTE FUNCTION public.planted();" % t for t in tables))
    try:
        with cluster.connect(user="alice") as session:
            run(session, "'SELECT 1' |=> 'a' ~> 'SELECT $a' & df.sleep(0) ~> 'SELECT 2'")
            session.value("SELECT df.setvar('x', 'y')")
            run(session, "'SELECT 1/0'", status="failed")
        same(cluster.value("SELECT count(*) FROM public.ran WHERE what LIKE 'planted%'"), 0)
    finally:
        cluster.psql("".join("DROP TRIGGER planted ON df_internal.%s;" % t for t in tables))


@suite.test
def start_as_another_role(cluster):
    """SET ROLE and SECURITY DEFINER make their role the submitter; the steps are that role's session."""
    cluster.psql("""GRANT bob TO alice;
        CREATE FUNCTION public.as_bob() RETURNS text SECURITY DEFINER LANGUAGE sql AS
            $f$ SELECT df.start('SELECT public.note(''definer'')') $f$;
        ALTER FUNCTION public.as_bob() OWNER TO bob""")
    with cluster.connect(user="alice") as session:
        session.execute("SET ROLE bob")
        settle(session, start(session, dollar("SELECT public.note('set role')")))
        session.execute("RESET ROLE")
        instance = session.value("SELECT public.as_bob()")
        same(session.value("SELECT df.status($1)", instance), None, "alice does not see bob's instance")
    with cluster.connect(user="bob") as session:
        same(settle(session, instance), "completed")
    only(cluster, "set role", "bob")
    only(cluster, "definer", "bob")
    cluster.psql("REVOKE bob FROM alice")


@suite.test
def role_dropped(cluster):
    """DROP ROLE during a sleep: the instance fails with a reason, and the server is fine."""
    cluster.psql("CREATE ROLE leaving LOGIN; SELECT df.grant_usage('leaving')")
    with cluster.connect(user="leaving") as session:
        instance = start(session, "df.sleep(1) ~> 'SELECT 1'")
    cluster.psql("SELECT df.revoke_usage('leaving'); DROP ROLE leaving")
    with cluster.connect() as admin:
        same(settle(admin, instance), "failed")
        has(output(admin, instance), "submitted_by role no longer exists in pg_roles")


@suite.test
def role_without_login(cluster):
    """NOLOGIN stops a role's work without a storm in the log; with LOGIN it goes on."""
    cluster.psql("CREATE ROLE paused LOGIN; SELECT df.grant_usage('paused')")
    with cluster.connect(user="paused") as session:
        instance = start(session, "df.sleep(1) ~> 'SELECT public.note(''paused'')'")
    cluster.psql("ALTER ROLE paused NOLOGIN")
    with cluster.connect() as admin:
        before = len(cluster.text().splitlines())
        admin.execute("SELECT pg_sleep(4)")
        same(ran(cluster, "paused"), [], "a step ran for a role that may not log in")
        lines = [line for line in cluster.text().splitlines()[before:] if "log in" in line or "LOGIN" in line]
        if len(lines) > 3:
            raise AssertionError("%d log lines in 4 s:\n%s" % (len(lines), "\n".join(lines[:5])))
        admin.execute("ALTER ROLE paused LOGIN")
        same(settle(admin, instance, 40), "completed")
        only(cluster, "paused", "paused")


@suite.test
def role_renamed(cluster):
    """A rename does not matter: the next step runs as the role with its new name."""
    cluster.psql("CREATE ROLE before LOGIN; SELECT df.grant_usage('before')")
    with cluster.connect(user="before") as session:
        instance = start(session, "'SELECT 1' ~> df.sleep(1) ~> 'SELECT public.note(''renamed'')'")
    cluster.psql('ALTER ROLE before RENAME TO "After it"')
    with cluster.connect() as admin:
        same(settle(admin, instance), "completed", output(admin, instance))
    only(cluster, "renamed", "After it")


@suite.test
def superusers_are_refused(cluster):
    """A superuser may not submit, and the message names the setting; NOLOGIN roles may not either."""
    with cluster.connect() as admin:
        error = admin.error("SELECT df.start('SELECT 1')")
        has(error.message, "superuser instances are disabled")
        cluster.psql("CREATE ROLE quiet; SELECT df.grant_usage('quiet')")
        admin.execute("SET ROLE quiet")
        has(admin.error("SELECT df.start('SELECT 1')").message, "does not have LOGIN privilege")


suite.main()
