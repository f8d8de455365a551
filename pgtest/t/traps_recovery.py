#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Work goes on, or ends with its own error: executors ended at random, roles dropped, databases closed, odd texts.

Covers I3, I9, I43, I61, I65, S10, S11, S16 of docs/traps.md.
"""
# long
import json
import os
import random
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from suite import Cluster, Suite, dollar, has, literal, output, run, same, settle, start, wait_until  # noqa: E402

suite = Suite(**{"pg_durable.max_executors": "6", "pg_durable.max_executors_per_role": "4"})
EXECUTORS = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'durable executor' AND usename = $1"


def failure(cluster, instance, db="postgres"):
    """The stored report of a failed instance, read as JSON; None while it has not ended."""
    text = cluster.value("SELECT failure FROM df_internal.ended e JOIN df_internal.instances i ON i.id = e.instance "
                         "WHERE i.public_id = $1", instance, db=db)
    return None if text is None else json.loads(text)


def failures(cluster, instance, db="postgres"):
    """How many failed steps the journal holds."""
    return cluster.value("SELECT count(*) FROM df_internal.journal j JOIN df_internal.instances i "
                         "ON i.id = j.instance WHERE i.public_id = $1 AND j.kind = 2", instance, db=db)


def quiet(cluster):
    """Wait until nothing is due and both kinds of workers have left."""
    cluster.reload(**{"pg_durable.executor_idle_timeout": "'1s'"})
    wait_until(lambda: not cluster.processes("durable scheduler") and not cluster.processes("durable executor"), 30,
               "scheduler and executors leave")


def chance():
    seed = int(os.environ.get("PGTEST_SEED", random.randrange(1 << 31)))
    print("    reproduce with PGTEST_SEED=%d" % seed)
    return random.Random(seed)


def step(instance, number, nap):
    """A step that notes (instance, number), in the table of the role that runs it."""
    return literal("INSERT INTO effects SELECT %d, %d FROM pg_sleep(%.2f) /* %d of %d. */" % (
        instance, number, nap, number, instance))


def live(session):
    return session.value("SELECT count(*) FROM df.instances WHERE status IN ('pending', 'running')")


def exactly_once(cluster, session, instances, steps):
    same([i for i in instances if session.value("SELECT df.status($1)", i) != "completed"], [], "not completed")
    same(session.query("SELECT i, n, count(*) FROM effects GROUP BY 1, 2 HAVING count(*) <> 1"), [], "doubles")
    same(session.value("SELECT count(*) FROM effects"), len(instances) * steps, "effects")
    same(cluster.query("SELECT (SELECT count(*) FROM df_internal.active), (SELECT count(*) FROM df_internal.timers)"),
         [(0, 0)], "left behind")


@suite.test
def executors_end_in_joins(cluster):
    """Executors terminated at random while the arms of joins and the steps after them run: each effect once."""
    dice, ended = chance(), 0
    with cluster.connect(user="alice") as session:
        session.execute("SET search_path = alice; ALTER ROLE alice SET search_path = alice;"
                        "CREATE TABLE effects (i int, n int)")
        naps = iter(lambda: dice.uniform(0.02, 0.25), None)
        instances = []
        for i in range(20):
            arms = ["(" + " ~> ".join(step(i, 3 * arm + n, next(naps)) for n in range(3)) + ")" for arm in range(3)]
            tail = " ~> ".join(step(i, n, next(naps)) for n in range(9, 12))
            instances.append(start(session, "df.join3(%s, %s, %s) ~> %s" % (*arms, tail)))
        until = time.monotonic() + 120
        while live(session):
            if time.monotonic() > until:
                raise AssertionError("not completed after 120 s: %s" % cluster.query(
                    "SELECT instance_id, node_type, query, status FROM df.nodes WHERE status = 'running'"))
            pids = [row[0] for row in session.query(EXECUTORS, "alice")]
            # A role whose executors end with work in hand waits longer each time for the next one.
            if pids and ended < 11:
                session.value("SELECT pg_terminate_backend(%d)" % dice.choice(pids))
                ended += 1
            time.sleep(dice.uniform(0.1, 0.7))
        print("    %d executors were terminated" % ended)
        exactly_once(cluster, session, instances, 12)
    if ended < 10:
        raise AssertionError("only %d terminations before everything was done" % ended)


@suite.test
def executors_end_after_joins(cluster):
    """An executor terminated in the root step after a join: another one carries it out, once."""
    with cluster.connect(user="bob") as session:
        session.execute("SET search_path = bob; ALTER ROLE bob SET search_path = bob;"
                        "CREATE TABLE effects (i int, n int)")
        instances = [start(session, "(%s & %s ~> %s) ~> %s ~> %s" % (
            step(i, 0, 0.05), step(i, 1, 0.01), step(i, 2, 0.05), step(i, 3, 1), step(i, 4, 0.01)))
            for i in range(8)]
        hit, until = set(), time.monotonic() + 60
        while live(session):
            if time.monotonic() > until:
                raise AssertionError("not completed after 60 s")
            for pid, query in session.query("SELECT pid, query FROM pg_stat_activity WHERE query LIKE '%/* 3 of %' "
                                            "AND backend_type = 'durable executor' AND state = 'active'"):
                which = query.split("/* 3 of ")[1].split(".")[0]
                if which.isdigit() and which not in hit:
                    hit.add(which)
                    session.value("SELECT pg_terminate_backend(%d)" % pid)
            time.sleep(0.05)
        same(len(hit), len(instances), "terminated in the step after the join")
        exactly_once(cluster, session, instances, 5)


@suite.test
def restored_where_the_oid_is_nobodys(cluster):
    """Restored where the role's oid does not exist, and restarted: nothing fails before df.adopt(), all runs after."""
    cluster.psql("CREATE DATABASE leaving")
    cluster.psql("CREATE EXTENSION pg_durable; SELECT df.grant_usage('alice');"
                 "CREATE TABLE public.effects (n int, who text); GRANT ALL ON public.effects TO alice", db="leaving")
    with cluster.connect(user="alice", db="leaving") as session:
        session.value("SELECT df.setvar('v', 'kept')")
        insert = "INSERT INTO public.effects VALUES (%d, session_user || '/' || current_user)"
        done = run(session, literal(insert % 1))
        asleep = start(session, "df.sleep(2) ~> " + literal(insert % 2))
        ready = start(session, "'SELECT pg_sleep(100)'")
        wait_until(lambda: cluster.value("SELECT count(*) FROM df_internal.timers", db="leaving") == 1, 10, "a timer")
    dump = os.path.join(cluster.home, "leaving.dump")
    made = cluster.command("pg_dump", "-f", dump, *cluster.address(db="leaving"))
    same(made.returncode, 0, made.stdout)
    with open(dump) as file:
        text = file.read().replace("SELECT pg_sleep(100)", insert % 3)
    cluster.value("SELECT df.cancel($1)", ready, user="alice", db="leaving")
    oid = cluster.value("SELECT 'alice'::regrole::oid")
    other = Cluster("t-traps_recovery-2", cluster.settings)
    try:
        other.init()
        same(other.command("pg_resetwal", "-o", str(oid + 100000), other.data).returncode, 0)
        other.start()
        other.psql("CREATE ROLE bob LOGIN; CREATE ROLE alice LOGIN; CREATE DATABASE leaving TEMPLATE template0")
        same(other.value("SELECT count(*) FROM pg_roles WHERE oid = $1::oid", oid), 0)
        subprocess.run([os.path.join(other.bin, "psql"), "-X", "-q", *other.address(db="leaving")], input=text,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True, check=True)
        other.restart()
        # A dropped role has every scheduler look for what roles left; new work shows that this one runs.
        other.psql("SELECT df.grant_usage('bob')", db="leaving")
        other.psql("CREATE ROLE passing; DROP ROLE passing")
        with other.connect(user="bob", db="leaving") as session:
            new = run(session, "df.sleep(1) ~> 'SELECT 1'", 10)
        time.sleep(2)
        same(other.query("SELECT i.public_id FROM df_internal.ended JOIN df_internal.instances i ON i.id = instance "
                         "WHERE i.public_id <> $1", new, db="leaving"), [(done,)], "what has ended before df.adopt()")
        same(other.value("SELECT count(*) FROM public.effects", db="leaving"), 1)
        same(other.value("SELECT df.adopt()", db="leaving"), 2)
        with other.connect(user="alice", db="leaving") as session:
            for instance in (done, asleep, ready):
                same(settle(session, instance, 15), "completed")
            same(session.query("SELECT n, who FROM public.effects ORDER BY 1"),
                 [(n, "alice/alice") for n in (1, 2, 3)])
            same(session.value("SELECT df.getvar('v')"), "kept")
            run(session, "'SELECT 1'")
        same(other.complaints(), [])
    finally:
        other.remove(force=True)


def drop_role(cluster, role, where="postgres"):
    cluster.psql("SET client_min_messages = error; REASSIGN OWNED BY {0} TO postgres; DROP OWNED BY {0};"
                 "SELECT df.revoke_usage('{0}')".format(role))
    cluster.psql("DROP ROLE " + role, db=where)


def role_leaves(cluster, where):
    """A role with a sleeping instance and a variable, and one with a variable only, are dropped in `where`."""
    cluster.psql("SET client_min_messages = error; CREATE ROLE sleeper LOGIN; CREATE ROLE keeper LOGIN;"
                 "SELECT df.grant_usage('sleeper'); SELECT df.grant_usage('keeper')")
    oids = cluster.query("SELECT 'sleeper'::regrole::oid, 'keeper'::regrole::oid")[0]
    for role in ("sleeper", "keeper"):
        cluster.value("SELECT df.setvar('mine', 'x')", user=role)
    with cluster.connect(user="sleeper") as session:
        instance = start(session, "df.sleep(3600)")
    wait_until(lambda: cluster.value("SELECT count(*) FROM df_internal.timers"), 10, "the timer")

    def variables(oid):
        return cluster.value("SELECT count(*) FROM df_internal.variables WHERE role = $1::oid", oid)

    same([variables(oid) for oid in oids], [1, 1])
    for role, oid in (("sleeper", oids[0]), ("keeper", oids[1])):
        quiet(cluster)
        drop_role(cluster, role, where)
        begin = time.monotonic()
        if role == "sleeper":
            report = wait_until(lambda: failure(cluster, instance), 5, "the dropped role's instance fails")
            same(report["sqlstate"], "42704")
            has(report["message"], "submitted_by role no longer exists in pg_roles")
            same(cluster.value("SELECT status FROM df.instances WHERE id = $1", instance), "failed")
        wait_until(lambda: variables(oid) == 0, 5 - (time.monotonic() - begin), "%s's variables go" % role)
        same(cluster.value("SELECT count(*) FROM df.vars WHERE name = 'mine' AND owner::text = $1", str(oid)), 0)
    same(cluster.value("SELECT count(*) FROM df_internal.timers"), 0)


@suite.test
def role_dropped_when_nobody_looks(cluster):
    """No scheduler runs when a role is dropped: its sleeping instance fails within 5 s, its variables go."""
    role_leaves(cluster, "postgres")


@suite.test
def role_dropped_from_elsewhere(cluster):
    """The same when the role is dropped by a session in another database."""
    role_leaves(cluster, "template1")


@suite.test
def database_closed_for_a_while(cluster):
    """ALLOW_CONNECTIONS false while a timer comes due: the instance completes after the database is open again."""
    cluster.psql("CREATE DATABASE closing")
    cluster.psql("CREATE EXTENSION pg_durable; SELECT df.grant_usage('alice')", db="closing")
    quiet(cluster)
    before = len(cluster.text().splitlines())
    with cluster.connect(user="alice", db="closing") as session:
        instance = start(session, "df.sleep(3) ~> 'SELECT 1'")
        wait_until(lambda: session.value("SELECT df.status($1)", instance) == "running", 3, "the instance sleeps")
        cluster.psql("ALTER DATABASE closing ALLOW_CONNECTIONS false")
    time.sleep(6)
    cluster.psql("ALTER DATABASE closing ALLOW_CONNECTIONS true")
    with cluster.connect(user="alice", db="closing") as session:
        same(settle(session, instance, 15), "completed")
        run(session, "'SELECT 1'", 5)
    lines = [line for line in cluster.text().splitlines()[before:] if "closing" in line or "durable" in line]
    if len(lines) > 30:
        raise AssertionError("%d lines in the log, such as\n%s" % (len(lines), "\n".join(lines[-10:])))


@suite.test
def long_context(cluster):
    """An error with more than 64 kB of non-ASCII context fails its step once, with its own SQLSTATE and valid text."""
    with cluster.connect(user="alice") as session:
        # The cut falls on every byte of a character of four.
        for pad in range(4):
            name = "tiefer_%s" % ("x" * pad)
            session.execute("""CREATE FUNCTION alice.%s(n int) RETURNS int LANGUAGE plpgsql AS $f$
                DECLARE r int; BEGIN
                    EXECUTE 'SELECT alice.%s($1) /* %s */' INTO r USING n + 1; RETURN r;
                END $f$""" % (name, name, "\U0001f642" * 200))
            error = session.error("SELECT alice.%s(1)" % name)
            same(error.sqlstate, "54001")
            if len(error.context.encode()) < 100_000:
                raise AssertionError("the context has only %d bytes" % len(error.context.encode()))
            instance = run(session, literal("SELECT alice.%s(1)" % name), 60, "failed")
            report = failure(cluster, instance)
            same(report["sqlstate"], "54001", report["message"])
            has(report["message"], error.message)
            same(failures(cluster, instance), 1, "failed steps in the journal")
            has(report["context"], "PL/pgSQL function")
            size = len(report["context"].encode())
            if not 60_000 < size <= 66_000 or "\ufffd" in report["context"]:
                raise AssertionError("%d bytes of context are kept: …%r" % (size, report["context"][-80:]))
            has(output(session, instance), "stack depth limit exceeded")
            same(session.value("SELECT count(*) FROM df.instance_nodes($1)", instance), 1)
            run(session, "'SELECT 1'", 10)


@suite.test
def other_encoding(cluster):
    """In a LATIN1 database `$x` of an empty result fails once with its own message, and umlauts come back whole."""
    cluster.psql("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")
    cluster.psql("CREATE EXTENSION pg_durable; SELECT df.grant_usage('alice'); CREATE TABLE public.words (w text);"
                 "GRANT ALL ON public.words TO alice", db="latin")
    with cluster.connect(user="alice", db="latin", client_encoding="UTF8") as session:
        instance = run(session, "'SELECT 1 WHERE false' |=> 'x' ~> 'SELECT $x'", 20, "failed")
        report = failure(cluster, instance, "latin")
        same(report["sqlstate"], "P0002", report["message"])
        has(report["message"], "query returned zero results")
        same(failures(cluster, instance, "latin"), 1, "failed steps in the journal")
        has(output(session, instance), "query returned zero results")
        text = "Ähren, Öl und Übermaß: 'ÿ' \\ £"
        instance = run(session, "%s |=> 'wort' ~> 'INSERT INTO public.words VALUES ($wort) RETURNING w AS größe'"
                       % dollar("SELECT %s AS w" % literal(text)))
        same(session.value("SELECT w FROM public.words"), text)
        same(json.loads(output(session, instance)), {"rows": [{"größe": text}], "row_count": 1})
        instance = run(session, literal("SELECT * FROM nirgendwo_ä"), 20, "failed")
        has(output(session, instance), 'relation "nirgendwo_ä" does not exist')
        same(failure(cluster, instance, "latin")["sqlstate"], "42P01")
        session.value("SELECT df.setvar('grüße', 'süß')")
        same(session.value("SELECT df.getvar('grüße')"), "süß")


@suite.test
def adoption_beside_corruption(cluster):
    """df.adopt() with journals that nobody can read: those instances fail with XX001, the others go on."""
    cluster.psql("CREATE DATABASE sound")
    cluster.psql("CREATE EXTENSION pg_durable; SELECT df.grant_usage('alice'); CREATE TABLE public.effects (n int);"
                 "GRANT ALL ON public.effects TO alice", db="sound")
    with cluster.connect(user="alice", db="sound") as session:
        instances = [start(session, "'SELECT 1' ~> df.sleep(4) ~> 'INSERT INTO public.effects VALUES (%d)'" % n)
                     for n in range(5)]
        wait_until(lambda: cluster.value("SELECT count(*) FROM df_internal.timers", db="sound") == 5, 3, "five timers")
    cluster.psql("CREATE DATABASE spoiled TEMPLATE sound")
    for instance, change in zip(instances, ("kind = 0", "node = 999", "sequence = sequence + 7")):
        cluster.psql("UPDATE df_internal.journal SET %s WHERE sequence = 1 AND instance = (SELECT id FROM "
                     "df_internal.instances WHERE public_id = '%s')" % (change, instance), db="spoiled")
    same(cluster.value("SELECT df.adopt()", db="spoiled"), 5)
    with cluster.connect(user="alice", db="spoiled") as session:
        for instance in instances[3:]:
            same(settle(session, instance, 15), "completed")
        for instance in instances[:3]:
            same(settle(session, instance, 5), "failed")
            same(failure(cluster, instance, "spoiled")["sqlstate"], "XX001")
        same(session.query("SELECT n FROM public.effects ORDER BY 1"), [(3,), (4,)])
        run(session, "'SELECT 1'", 5)
    for user in ("alice", "postgres"):
        same(cluster.query("SELECT status, count(*) FROM df.instances GROUP BY 1 ORDER BY 1", user=user, db="spoiled"),
             [("completed", 3), ("failed", 3)])
        same(cluster.value("SELECT count(*) FROM df.list_instances()", user=user, db="spoiled"), 6)
    leaks = [line for line in cluster.text().splitlines() if " leak: " in line]
    same(leaks, [], "the server complains about df.adopt()")
    with cluster.connect(user="alice", db="sound") as session:
        for instance in instances:
            same(settle(session, instance, 15), "completed")


suite.main()
