#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Only at home: a copied, restored or replicated database runs nothing until df.adopt(); a promoted standby goes on.

Covers I5, I61, I65, I66, S11, S12 of docs/traps.md.
"""
# long
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from suite import Cluster, Suite, has, run, same, settle, start, wait_until  # noqa: E402

suite = Suite(wal_level="logical", max_wal_senders="5")


def source(cluster, name):
    """A database with one finished instance and one that will sleep 3 s and then write a row."""
    cluster.psql("CREATE DATABASE %s" % name)
    cluster.psql("CREATE EXTENSION pg_durable; SELECT df.grant_usage('alice'); CREATE TABLE public.effects (n int);"
                 "GRANT ALL ON public.effects TO alice", db=name)
    with cluster.connect(user="alice", db=name) as session:
        session.value("SELECT df.setvar('v', 'kept')")
        done = run(session, "'INSERT INTO public.effects VALUES (1)'")
        return done, start(session, "'SELECT 7 AS x' |=> 'x' ~> df.sleep(3) ~> "
                           "'INSERT INTO public.effects VALUES ($x)'")


def effects(cluster, db):
    return [r[0] for r in cluster.query("SELECT n FROM public.effects ORDER BY 1", db=db)]


def dump_of(cluster, db):
    """What pg_dump writes."""
    path = os.path.join(cluster.home, db + ".dump.sql")
    done = cluster.command("pg_dump", "-f", path, *cluster.address(db=db))
    same(done.returncode, 0, done.stdout)
    with open(path) as file:
        return file.read()


def adopt_and_finish(cluster, db, done, asleep, mapped=True):
    """Nothing runs before df.adopt(), everything after it. `mapped`: the roles' oids mean the same here."""
    with cluster.connect(user="alice", db=db) as session:
        if mapped:
            same(session.value("SELECT df.status($1)", done), "completed")
        same(session.error("SELECT df.adopt()").sqlstate, "42501")
    time.sleep(1)
    same(effects(cluster, db), [1], "a copy ran before it was adopted")
    if cluster.value("SELECT df.adopt()", db=db) < 1:
        raise AssertionError("df.adopt() found nothing")
    with cluster.connect(user="alice", db=db) as session:
        same(session.value("SELECT df.status($1)", done), "completed")
        same(settle(session, asleep, 15), "completed")
        same(effects(cluster, db), [1, 7])
        same(session.value("SELECT df.getvar('v')"), "kept")
        run(session, "'SELECT 1'")


@suite.test
def template_copy(cluster):
    """CREATE DATABASE … TEMPLATE of a database with sleeping work: only the original wakes it."""
    done, asleep = source(cluster, "original")
    cluster.psql("CREATE DATABASE copied TEMPLATE original")
    with cluster.connect(user="alice", db="original") as session:
        same(settle(session, asleep, 15), "completed")
    time.sleep(2)
    same(effects(cluster, "original"), [1, 7])
    same(effects(cluster, "copied"), [1])
    adopt_and_finish(cluster, "copied", done, asleep)
    same(effects(cluster, "original"), [1, 7])


@suite.test
def copy_starts_own_work(cluster):
    """New work of an unadopted copy is refused with a hint or runs; it never stays silent."""
    source(cluster, "second")
    cluster.psql("CREATE DATABASE second_copy TEMPLATE second")
    with cluster.connect(user="alice", db="second_copy") as session:
        try:
            instance = start(session, "'SELECT 1'")
        except Exception as error:
            has(str(error) + str(getattr(error, "hint", "")), "adopt")
        else:
            same(settle(session, instance), "completed")


@suite.test
def dump_and_restore(cluster):
    """pg_dump and restore carry the work along; it waits for df.adopt() and belongs to the same roles."""
    done, asleep = source(cluster, "dumped")
    dump = dump_of(cluster, "dumped")
    cluster.psql("CREATE DATABASE restored TEMPLATE template0")
    restored = subprocess.run(
        [os.path.join(cluster.bin, "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", *cluster.address(db="restored")],
        input=dump, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    same(restored.returncode, 0, restored.stderr[-500:])
    with cluster.connect(user="alice", db="dumped") as session:
        same(settle(session, asleep, 15), "completed")
    time.sleep(1)
    same(effects(cluster, "restored"), [1])
    adopt_and_finish(cluster, "restored", done, asleep)


@suite.test
def restored_roles(cluster):
    """In a cluster where the oids mean other roles, restored work belongs to the role of that name or fails."""
    done, asleep = source(cluster, "moving")
    dump = dump_of(cluster, "moving")
    other = Cluster("t-traps_copies-2", cluster.settings)
    try:
        # eve gets the oid that alice has in the first cluster.
        oid = cluster.value("SELECT 'alice'::regrole::oid")
        other.init()
        same(other.command("pg_resetwal", "-o", str(oid), other.data).returncode, 0)
        other.start()
        other.psql("CREATE ROLE eve LOGIN; CREATE ROLE mallory LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE alice LOGIN")
        same(other.value("SELECT 'eve'::regrole::oid"), oid)
        other.psql("CREATE DATABASE moving TEMPLATE template0")
        subprocess.run([os.path.join(other.bin, "psql"), "-X", "-q", *other.address(db="moving")], input=dump,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True, check=True)

        def others_see_nothing():
            for role in ("mallory", "bob", "eve"):
                other.psql("SELECT df.grant_usage('%s')" % role, db="moving")
                for view in ("instances", "nodes", "vars"):
                    same(other.value("SELECT count(*) FROM df." + view, user=role, db="moving"), 0, role)
                same(other.value("SELECT df.result($1)", done, user=role, db="moving"), None, role)

        others_see_nothing()
        adopt_and_finish(other, "moving", done, asleep, mapped=False)
        others_see_nothing()
    finally:
        other.remove(force=True)


@suite.test
def upgraded(cluster):
    """pg_upgrade carries running work along: the new server is its home by itself, and goes on where it stopped."""
    new = Cluster("t-traps_copies-4", cluster.settings)
    try:
        new.init()
        done, asleep = source(cluster, "upgraded")
        cluster.stop()
        made = cluster.command("pg_upgrade", "-b", cluster.bin, "-B", new.bin, "-d", cluster.data, "-D", new.data,
                               "-U", "postgres", "-s", new.socket, cwd=new.home)
        same(made.returncode, 0, made.stdout)
        new.start()
        with new.connect(user="alice", db="upgraded") as session:
            same(session.value("SELECT df.status($1)", done), "completed")
            same(settle(session, asleep, 20), "completed")
            same(effects(new, "upgraded"), [1, 7])
            same(session.value("SELECT df.getvar('v')"), "kept")
            run(session, "'SELECT 1'")
        same(new.complaints(), [])
    finally:
        new.remove(force=True)
        cluster.start()


@suite.test
def subscriber(cluster):
    """A subscriber of all tables receives the engine's rows as well and runs none of them, nor after a restart."""
    for name in ("published", "subscribed"):
        cluster.psql("CREATE DATABASE " + name)
        cluster.psql("CREATE EXTENSION pg_durable; SELECT df.grant_usage('alice');"
                     "CREATE TABLE public.ran (place text); GRANT ALL ON public.ran TO alice", db=name)
    cluster.psql("CREATE PUBLICATION everything FOR ALL TABLES", db="published")
    cluster.psql("SELECT pg_create_logical_replication_slot('everything', 'pgoutput')", db="published")
    cluster.psql("CREATE SUBSCRIPTION everything CONNECTION 'host=%s port=%d user=postgres dbname=published' "
                 "PUBLICATION everything WITH (create_slot = false, slot_name = 'everything', copy_data = false)"
                 % (cluster.socket, cluster.port), db="subscribed")
    step = "'INSERT INTO public.ran SELECT current_database()'"
    rows = "SELECT (SELECT count(*) FROM df_internal.instances), (SELECT count(*) FROM df_internal.timers)"
    try:
        with cluster.connect(user="alice", db="published") as session:
            ready = start(session, "%s ~> df.sleep(4) ~> %s" % (step, step))
            wait_until(lambda: cluster.query(rows, db="subscribed") == [(1, 1)], 20, "the engine's rows arrive")
            cluster.restart()
        with cluster.connect(user="alice", db="subscribed") as session:
            run(session, "'SELECT 1'")
        with cluster.connect(user="alice", db="published") as session:
            same(settle(session, ready, 20), "completed")
        wait_until(lambda: cluster.value("SELECT count(*) FROM public.ran", db="subscribed") == 2, 20, "both effects")
        time.sleep(2)
        for name in ("published", "subscribed"):
            same(cluster.query("SELECT place, count(*) FROM public.ran GROUP BY 1", db=name), [("published", 2)], name)
    finally:
        cluster.psql("ALTER SUBSCRIPTION everything DISABLE;", db="subscribed")
        cluster.psql("ALTER SUBSCRIPTION everything SET (slot_name = NONE); DROP SUBSCRIPTION everything",
                     db="subscribed")
        wait_until(lambda: not cluster.value("SELECT active FROM pg_replication_slots"), 20, "the slot is free")
        cluster.psql("SELECT pg_drop_replication_slot('everything')", db="published")


@suite.test
def promoted_standby(cluster):
    """A standby shows and runs nothing; promoted after the primary's death it goes on by itself, exactly once."""
    standby = cluster.standby("t-traps_copies-3")
    try:
        with cluster.connect(user="alice") as session:
            session.execute("CREATE TABLE alice.moved (n int)")
            instance = start(session, "'INSERT INTO alice.moved VALUES (1)' ~> df.sleep(10) ~> "
                             "'INSERT INTO alice.moved VALUES (2)'")
        wait_until(lambda: standby.value("SELECT count(*) FROM df_internal.timers") == 1, 9, "the standby knows")
        same(standby.value("SELECT df.status($1)", instance, user="alice"), "running")
        same(standby.value("SELECT count(*) FROM df.instance_nodes($1)", instance, user="alice"), 5)
        with standby.connect(user="alice") as session:
            same(session.error("SELECT df.start('SELECT 1')").sqlstate, "25006")
            same(session.error("SELECT df.cancel($1)", instance).sqlstate, "25006")
        same(standby.processes("durable scheduler"), [])
        cluster.stop("immediate")
        same(standby.query("SELECT n FROM alice.moved"), [(1,)], "nothing more had happened")
        standby.promote()
        with standby.connect(user="alice") as session:
            same(settle(session, instance, 40), "completed")
            same(session.query("SELECT n FROM alice.moved ORDER BY 1"), [(1,), (2,)])
            run(session, "'SELECT 1'")
        same(standby.complaints(), [])
    finally:
        standby.remove(force=True)


suite.main()
