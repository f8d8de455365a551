#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Rules of hosts stay with their roles: through renames, drops, dumps, copies and adoption; nothing that was denied is
allowed by any of these.
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cluster import Cluster  # noqa: E402
from http_suite import answer, failure, http, peer, prepare_http  # noqa: E402
from suite import Suite, has, same, wait_until  # noqa: E402

suite = Suite(max_worker_processes="24")
suite.prepare = prepare_http
DENIED = "is not in the allowed endpoint list"
BARE = "Blocked: requests to bare IP addresses are not permitted"


def rules(cluster, db="postgres"):
    return cluster.query("SELECT * FROM df.http_rules() ORDER BY 1, 2", db=db)


def forget_all(cluster, db="postgres"):
    cluster.query("SELECT df.http_forget(role, pattern) FROM df.http_rules()", db=db)
    same(rules(cluster, db), [])


@suite.test
def by_role(cluster):
    """A rule is its role's and nobody else's, members of the role included; 'public' is everybody, superusers too."""
    here = "127.0.0.1:%d" % peer.port
    cluster.query("SELECT df.http_deny('bob', $1), df.http_allow('bob', '*')", here)
    cluster.query("GRANT bob TO alice")
    with cluster.connect(user="alice") as alice, cluster.connect(user="bob") as bob:
        answer(alice, http("echo/mine"))
        has(failure(bob, http("echo/bobs")), DENIED)
        # The latest word about a pattern counts.
        cluster.query("SELECT df.http_allow('bob', $1)", here)
        has(failure(bob, http("echo/bobs")), "Blocked: address 127.0.0.1 is in a restricted range")
        cluster.query("ALTER ROLE bob RENAME TO robert")
    with cluster.connect(user="robert") as robert:
        cluster.query("SELECT df.http_deny('robert', $1)", here)
        same(rules(cluster), [("robert", "*", True), ("robert", here, False)])
        has(failure(robert, http("echo/bobs")), DENIED)
    cluster.query("ALTER ROLE robert RENAME TO bob")
    cluster.query("REVOKE bob FROM alice")
    with cluster.connect() as superuser:
        same(superuser.error("SELECT df.http_allow('nobody at all', 'x')").sqlstate, "42704")
        same(superuser.error("SELECT df.http_forget('nobody at all', 'x')").sqlstate, "42704")
        cluster.query("SELECT df.http_forget('bob', 'never said')")
    same(peer.arrived("/echo/bobs"), [])
    forget_all(cluster)


@suite.test
def dropped_role(cluster):
    """What was said about a role goes with it, so that a new role with its oid begins without rules."""
    cluster.psql("CREATE ROLE leaving LOGIN; SELECT df.http_allow('leaving', 'a.example'), df.http_deny('public', 'b')")
    same(rules(cluster), [("leaving", "a.example", True), ("public", "b", False)])
    cluster.psql("DROP ROLE leaving")
    wait_until(lambda: rules(cluster) == [("public", "b", False)], 10, "the rule goes with its role")
    forget_all(cluster)


def dump(cluster, db):
    path = os.path.join(cluster.home, db + ".dump.sql")
    same(cluster.command("pg_dump", "-f", path, *cluster.address(db=db)).returncode, 0)
    with open(path) as file:
        return file.read()


def restore(cluster, db, text):
    cluster.psql("CREATE DATABASE %s TEMPLATE template0" % db)
    done = subprocess.run([os.path.join(cluster.bin, "psql"), "-X", "-q", *cluster.address(db=db)], input=text,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    same(done.returncode, 0, done.stderr[-500:])


def ruled(cluster, db):
    """A database with rules about alice, about everybody, and about a role that will have another name elsewhere."""
    here = "127.0.0.1:%d" % peer.port
    cluster.psql("CREATE DATABASE " + db)
    cluster.psql("SET client_min_messages = warning; CREATE EXTENSION pg_durable;"
                 "SELECT df.grant_usage('alice', include_http => true), df.http_allow('alice', 'listed.example'),"
                 " df.http_deny('public', 'everybody.example'), df.http_deny('mallory', 'passing.example')", db=db)
    return here


@suite.test
def copies(cluster):
    """A restored or copied database holds to its rules before it is adopted as after it."""
    ruled(cluster, "source")
    text = dump(cluster, "source")
    restore(cluster, "restored", text)
    cluster.psql("CREATE DATABASE copied TEMPLATE source")
    expected = [("alice", "listed.example", True), ("mallory", "passing.example", False),
                ("public", "everybody.example", False)]
    for db in ("restored", "copied"):
        same(rules(cluster, db), expected, db)
        for adopted in (False, True):
            if adopted:
                cluster.query("SELECT df.adopt()", db=db)
                same(rules(cluster, db), expected, db)
            elif db == "copied":
                continue        # Nothing can be started in it at all.
            with cluster.connect(user="alice", db=db) as session:
                has(failure(session, http("echo/copy")), BARE)
                has(failure(session, http("http://everybody.example/")), DENIED)
        # Afterwards they are rules like any other.
        cluster.query("SELECT df.http_forget('alice', 'listed.example')", db=db)
        with cluster.connect(user="alice", db=db) as session:
            answer(session, http("echo/copy"))
        forget_all(cluster, db)


@suite.test
def another_cluster(cluster):
    """Where oids mean other roles the name decides; what was denied to a role that is not there is denied to all."""
    here = ruled(cluster, "moving")
    cluster.query("SELECT df.http_allow('mallory', 'lost.example')", db="moving")
    text = dump(cluster, "moving")
    other = Cluster("t-http_rules-2", cluster.settings)
    try:
        oid = cluster.value("SELECT 'alice'::regrole::oid")
        other.init()
        same(other.command("pg_resetwal", "-o", str(oid), other.data).returncode, 0)
        other.start()
        other.psql("CREATE ROLE eve LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE alice LOGIN")
        same(other.value("SELECT 'eve'::regrole::oid"), oid)
        restore(other, "moved", text)
        for role in ("eve", "alice"):
            other.psql("ALTER ROLE %s SET pg_durable.http_allow_private_networks = on;"
                       "SELECT df.grant_usage('%s', include_http => true)" % (role, role), db="moved")

        def check(refusal):
            with other.connect(user="eve", db="moved") as eve, other.connect(user="alice", db="moved") as alice:
                answer(eve, http("echo/eve"))
                has(failure(eve, http("http://passing.example/")), DENIED)
                has(failure(eve, http("http://everybody.example/")), DENIED)
                has(failure(alice, http("echo/alice")), refusal)
                has(failure(alice, http("http://passing.example/")), DENIED)
        check(BARE)
        same(rules(other, "moved")[1:3], [("mallory", "lost.example", True), ("mallory", "passing.example", False)])
        # A word of this database's own stands beside what came along.
        other.query("SELECT df.http_deny('alice', $1)", here, db="moved")
        warned = other.command("psql", "-X", "-c", "SELECT df.adopt()", *other.address(db="moved")).stdout
        has(warned, 'WARNING:  hosts "passing.example" are denied to every role now')
        has(warned, 'NOTICE:  rule that allows "lost.example" to role "mallory" is dropped')
        check(DENIED)
        same(rules(other, "moved"), [
            ("alice", here, False), ("alice", "listed.example", True), ("public", "everybody.example", False),
            ("public", "passing.example", False)])
        same(other.complaints(), [])
    finally:
        other.remove(force=True)


@suite.test
def left_without_a_role(cluster):
    """A copied rule about a role that is not there can be taken away by its name."""
    ruled(cluster, "orphaned")
    cluster.query("SELECT df.http_deny('mallory', 'x.example')", db="orphaned")
    text = dump(cluster, "orphaned").replace("\tmallory\n", "\tgone\n")
    restore(cluster, "kept", text)
    cluster.query("SELECT df.http_forget('gone', 'x.example')", db="kept")
    same([rule[1] for rule in rules(cluster, "kept") if rule[0] == "gone"], ["passing.example"])
    with cluster.connect(user="alice", db="kept") as session:
        has(failure(session, http("http://passing.example/")), DENIED)
        cluster.query("SELECT df.http_forget('gone', 'passing.example')", db="kept")
        has(failure(session, http("echo/kept")), BARE)


suite.main()
