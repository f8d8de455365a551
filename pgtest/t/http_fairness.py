#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Who may ask how much at a time, who waits, and that nobody is forgotten: limits, shares, losses, cancels, crashes."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from http_engine import FastPeer, within  # noqa: E402
from http_suite import answer, failure, http, prepare_http, worker_of  # noqa: E402
from suite import Suite, has, literal, output, same, settle, start, wait_until  # noqa: E402

# alone

peer = FastPeer()
suite = Suite(max_worker_processes="24")
LIVE = "SELECT count(*) FROM df.instances WHERE label = $1 AND status NOT IN ('completed', 'failed', 'cancelled')"


def prepare_all(cluster):
    prepare_http(cluster)
    cluster.query("SELECT df.grant_usage('mallory', include_http => true)")
    for role in ("bob", "mallory"):
        cluster.query("ALTER ROLE %s SET pg_durable.http_allow_private_networks = on" % role)


suite.prepare = prepare_all


def many(session, path, count, label, rest=""):
    session.query("SELECT count(df.start(df.http(%s || n || %s, 'GET'%s), %s)) FROM generate_series(1, %d) n" % (
        literal(peer.url(path)), literal("/" + label), rest, literal(label), count))


def done(session, label, seconds=60, status="completed"):
    wait_until(lambda: session.value(LIVE, label) == 0, seconds, "all of %s have ended" % label, 0.1)
    found = session.query("SELECT DISTINCT status FROM df.instances WHERE label = $1", label)
    same(found, [(status,)], label)


def with_settings(cluster, **settings):
    """Restart with these settings; only for those that need it."""
    cluster.configure(**{"pg_durable." + name: value for name, value in settings.items()})
    cluster.restart()


def journal(cluster):
    return cluster.value("SELECT count(*) FROM df_internal.journal")


@suite.test
def a_thousand(cluster):
    """1,000 requests of a second each are answered in less than three seconds."""
    with cluster.connect(user="alice") as session:
        took = []
        for turn in ("first", "second", "third"):
            begin = time.monotonic()
            many(session, "wait/1/", 1000, turn)
            done(session, turn)
            took.append(time.monotonic() - begin)
            if took[-1] < 3:
                break
        print("    1,000 requests of 1 s: %s" % " ".join("%.2f s" % t for t in took))
        assert min(took) < 3, took
        same(len(peer.arrived("/wait/1/")), 1000 * len(took))


@suite.test
def one_at_a_time(cluster):
    """With one place for all, requests follow each other without a pause, and those who wait write nothing."""
    with_settings(cluster, http_max_in_flight="1")
    with cluster.connect(user="alice") as session:
        session.query("SELECT df.start(df.http(%s, 'GET'), 'one')" % literal(peer.url("wait/3/hold/hold")))
        wait_until(lambda: peer.arrived("/wait/3/hold"), 10, "the first arrives")
        many(session, "wait/0/", 20, "one")
        time.sleep(1)
        before = journal(cluster)
        time.sleep(1)
        same(journal(cluster), before, "those who wait have written something")
        begin = time.monotonic()
        done(session, "one")
        within(15, begin, "20 requests one after the other")
        same(peer.most["one"], 1)
    with_settings(cluster, http_max_in_flight="2000")


@suite.test
def shares(cluster):
    """Two roles with more than there are places for leave some for a third, and get the rest among themselves."""
    with_settings(cluster, http_max_in_flight="8")
    with cluster.connect(user="alice") as alice, cluster.connect(user="bob") as bob, \
            cluster.connect(user="mallory") as third:
        many(alice, "wait/1/", 30, "hog-a")
        many(bob, "wait/1/", 30, "hog-b")
        wait_until(lambda: len(peer.arrived("/wait/1/")) > 6, 20, "the places are in use")
        for n in range(3):
            begin = time.monotonic()
            answer(third, http(peer.url("third/%d" % n)))
            within(2, begin, "the third role's request")
        done(alice, "hog-a", 120)
        done(bob, "hog-b", 120)
        assert peer.most["hog-a"] <= 4 and peer.most["hog-b"] <= 4, peer.most
        assert peer.most["hog-a"] >= 2 and peer.most["hog-b"] >= 2, peer.most
    with_settings(cluster, http_max_in_flight="2000")


@suite.test
def limits(cluster):
    """Limits per role and per host hold, change with a reload, and keep nobody else."""
    other = FastPeer()
    cluster.reload(**{"pg_durable.http_max_in_flight_per_host": "2", "pg_durable.http_max_in_flight_per_role": "5"})
    time.sleep(1)
    with cluster.connect(user="alice") as alice, cluster.connect(user="bob") as bob:
        many(alice, "wait/0.5/", 9, "host")
        many(bob, "wait/0.5/", 5, "host")
        alice.query("SELECT count(df.start(df.http(%s || n || '/role', 'GET'), 'role')) FROM generate_series(1, 3) n"
                    % literal("HTTP://127.0.0.1:%d/wait/0.5/" % other.port))
        done(alice, "role")
        done(alice, "host")
        done(bob, "host")
        same(peer.most["host"], 2)
        assert other.most["role"] <= 2, other.most
        cluster.reload(**{"pg_durable.http_max_in_flight_per_host": "0"})
        time.sleep(1)
        many(alice, "wait/0.5/", 20, "role")
        done(alice, "role")
        assert 3 <= peer.most["role"] <= 5, peer.most
    cluster.reload(**{"pg_durable.http_max_in_flight_per_host": "1000",
                      "pg_durable.http_max_in_flight_per_role": "1000"})


@suite.test
def little_memory(cluster):
    """Large answers wait for room and none is dropped; what can never fit fails and names the setting."""
    with_settings(cluster, http_max_memory="4MB")
    with cluster.connect(user="alice") as session, cluster.connect(user="bob") as bob:
        many(session, "big/1000000/", 40, "memory")
        for n in range(3):
            answer(bob, http(peer.url("small/%d" % n)))
        done(session, "memory", 120)
        same(len(peer.arrived("/big/1000000/")), 40)
        has(failure(session, http(peer.url("big/3000000"))), 'it exceeds half of "pg_durable.http_max_memory"')
        text = failure(session, "df.http(%s, 'POST', repeat('x', 3000000))" % literal(peer.url("x")))
        has(text, 'exceeds half of "pg_durable.http_max_memory"')
        # Requests that wait for room among requests do get it.
        session.query("SELECT count(df.start(df.http(%s, 'POST', repeat('x', 900000)), 'posts')) FROM "
                      "generate_series(1, 30)" % literal(peer.url("posted/x")))
        done(session, "posts", 120)
        same(len(peer.arrived("/posted")), 30)
    with_settings(cluster, http_max_memory="64MB")


@suite.test
def closed_at_once(cluster):
    """A cancel and a lost race end the transfer however busy the executors of the role are."""
    cluster.reload(**{"pg_durable.max_executors_per_role": "1"})
    time.sleep(1)
    with cluster.connect(user="alice") as session:
        instance = start(session, http(peer.url("wait/60/cancel"), rest=", NULL, NULL, 100"))
        wait_until(lambda: peer.arrived("/wait/60/cancel"), 10, "the request arrives")
        busy = start(session, "'SELECT pg_sleep(60)'")
        sleeping = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(%d)'"
        wait_until(lambda: cluster.value(sleeping % 60) == 1, 10, "the executor is busy")
        begin = time.monotonic()
        session.query("SELECT df.cancel($1)", instance)
        wait_until(lambda: "/wait/60/cancel" in peer.closed, 5, "the peer sees the close")
        within(2, begin, "that")
        session.query("SELECT df.cancel($1)", busy)
        same(settle(session, instance), "cancelled")

        lost = start(session, "(%s | 'SELECT 1' ~> 'SELECT pg_sleep(1)') ~> 'SELECT pg_sleep(30)'"
                     % http(peer.url("wait/61/race"), rest=", NULL, NULL, 100"))
        wait_until(lambda: cluster.value(sleeping % 30) == 1, 20, "the race is over")
        if peer.arrived("/wait/61/race"):
            wait_until(lambda: "/wait/61/race" in peer.closed, 2, "the peer sees the close of the lost race")
        session.query("SELECT df.cancel($1)", lost)
        # A cancel that is rolled back ends nothing.
        kept = start(session, http(peer.url("wait/2/kept")))
        wait_until(lambda: peer.arrived("/wait/2/kept"), 10, "the request arrives")
        session.query("BEGIN")
        session.query("SELECT df.cancel($1)", kept)
        session.query("ROLLBACK")
        same(settle(session, kept), "completed")
        assert "/wait/2/kept" not in peer.closed
    cluster.reload(**{"pg_durable.max_executors_per_role": "0"})


@suite.test
def nobody_comes(cluster):
    """A place for which its owner does not come goes to the next after a while, and the owner asks again later."""
    with_settings(cluster, http_max_in_flight="1", max_executors_per_role="1")
    with cluster.connect(user="alice") as alice, cluster.connect(user="bob") as bob:
        first = start(alice, http(peer.url("wait/67/first"), rest=", NULL, NULL, 100"))
        wait_until(lambda: peer.arrived("/wait/67/first"), 10, "the request arrives")
        late = start(alice, http(peer.url("late")))
        time.sleep(0.5)
        start(alice, "'SELECT pg_sleep(18)'")
        wait_until(lambda: cluster.value("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND "
                                         "query = 'SELECT pg_sleep(18)'") == 1, 10, "the executor is busy")
        waiting = start(bob, http(peer.url("bob")))
        time.sleep(0.5)
        begin = time.monotonic()
        alice.query("SELECT df.cancel($1)", first)
        same(settle(bob, waiting, 16), "completed")
        took = time.monotonic() - begin
        assert took > 5, "the place was not kept at all: %.1f s" % took
        same(settle(alice, late, 30), "completed")
    with_settings(cluster, http_max_in_flight="2000", max_executors_per_role="0")


@suite.test
def more_than_can_wait(cluster):
    """Those for whom there is no room even to wait are found when there is, of every role."""
    with_settings(cluster, http_max_in_flight="4")
    with cluster.connect(user="alice") as alice, cluster.connect(user="bob") as bob:
        many(alice, "wait/0/", 1200, "crowd-a")
        many(bob, "wait/0/", 300, "crowd-b")
        done(bob, "crowd-b", 120)
        done(alice, "crowd-a", 120)
        same(len([p for p, _ in peer.seen if p.endswith("/crowd-a")]), 1200)
    with_settings(cluster, http_max_in_flight="2000")


@suite.test
def places_come_back(cluster):
    """A dropped database, a dropped extension and a dropped role leave no request behind."""
    with_settings(cluster, http_max_in_flight="2")
    cluster.query("CREATE DATABASE other")
    cluster.psql("CREATE EXTENSION pg_durable; SET client_min_messages = warning; "
                 "SELECT df.grant_usage('alice', include_http => true)", db="other")
    with cluster.connect(user="alice", db="other") as session:
        start(session, http(peer.url("wait/62/dropped"), rest=", NULL, NULL, 100"))
        wait_until(lambda: peer.arrived("/wait/62/dropped"), 20, "the request arrives")
        start(session, http(peer.url("wait/63/waits"), rest=", NULL, NULL, 100"))
    cluster.query("DROP DATABASE other WITH (FORCE)")
    wait_until(lambda: "/wait/62/dropped" in peer.closed, 10, "the transfer ends with its database")
    with cluster.connect(user="alice") as session:
        answer(session, http(peer.url("after-database")))
        cluster.query("CREATE ROLE leaver LOGIN")
        cluster.psql("SET client_min_messages = warning; SELECT df.grant_usage('leaver', include_http => true)")
        cluster.query("ALTER ROLE leaver SET pg_durable.http_allow_private_networks = on")
        with cluster.connect(user="leaver") as leaver:
            start(leaver, http(peer.url("wait/64/leaver"), rest=", NULL, NULL, 100"))
            wait_until(lambda: peer.arrived("/wait/64/leaver"), 20, "the request arrives")
        cluster.psql("DROP OWNED BY leaver; DROP ROLE leaver")
        wait_until(lambda: "/wait/64/leaver" in peer.closed, 20, "the transfer ends with its role")
        answer(session, http(peer.url("after-role")))
        start(session, http(peer.url("wait/65/extension"), rest=", NULL, NULL, 100"))
        wait_until(lambda: peer.arrived("/wait/65/extension"), 20, "the request arrives")
    cluster.psql("DROP EXTENSION pg_durable")
    wait_until(lambda: "/wait/65/extension" in peer.closed, 10, "the transfer ends with the extension")
    cluster.psql("CREATE EXTENSION pg_durable; SET client_min_messages = warning;" + "".join(
        "SELECT df.grant_usage('%s', include_http => true);" % role for role in ("alice", "bob", "mallory")))
    with cluster.connect(user="alice") as session:
        answer(session, http(peer.url("after-extension")))
    with_settings(cluster, http_max_in_flight="2000")


@suite.test
def worker_in_pieces(cluster):
    """The worker is ended again and again under load: what waited is sent by the next one, what was lost once more."""
    with cluster.connect(user="alice") as session:
        many(session, "wait/0.2/", 200, "pieces")
        for _ in range(5):
            time.sleep(0.3)
            os.kill(wait_until(lambda: worker_of(cluster), 10, "there is a worker"), 15)
        done(session, "pieces", 60)
        same(len(set(peer.arrived("/wait/0.2/"))), 200)


@suite.test
def killed_in_flight(cluster):
    """kill -9 of the worker with hundreds in flight: none is forgotten, and none repeated that must not be."""
    with cluster.connect(user="alice") as session:
        many(session, "wait/4/", 150, "again")
        many(session, "wait/4.5/", 150, "once", ", on_unknown => 'fail'")
        wait_until(lambda: len(peer.arrived("/wait/4")) == 300, 30, "all arrive")
        cluster.crash(worker_of(cluster))
    with cluster.connect(user="alice") as session:
        done(session, "again", 60)
        done(session, "once", 60, "failed")
        same(len(peer.arrived("/wait/4.5/")), 150)
        assert len(set(peer.arrived("/wait/4/"))) == 150
        texts = session.query("SELECT DISTINCT df.error(id)->>'message' FROM df.instances WHERE label = 'once'")
        same(texts, [("HTTP request was sent, and its outcome is unknown",)])


@suite.test
def on_disk_before_it_leaves(cluster):
    """The attempt survives a crash at the moment when the peer sees the request, whatever the role has set."""
    cluster.query("ALTER ROLE bob SET synchronous_commit = off")
    cluster.reload(wal_writer_delay="'10s'", wal_writer_flush_after="'1GB'")
    with cluster.connect(user="bob") as session:
        same(session.value("SHOW synchronous_commit"), "off")
        session.query("SET synchronous_commit = on")
        instance = start(session, "df.http(%s, 'GET', timeout_seconds => 100, on_unknown => 'fail')"
                         % literal(peer.url("wait/66/disk")))
        wait_until(lambda: peer.arrived("/wait/66/disk"), 10, "the request arrives", 0.001)
        cluster.stop("immediate")
    cluster.start()
    with cluster.connect(user="bob") as session:
        same(settle(session, instance), "failed")
        has(output(session, instance), "its outcome is unknown")
        same(len(peer.arrived("/wait/66/disk")), 1)
    cluster.query("ALTER ROLE bob RESET synchronous_commit")


suite.main()
