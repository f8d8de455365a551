#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""How often a request is sent, how many at a time, and what a crash, a cancel or a stop does to it."""
import os
import socket
import sys
import time
from urllib.parse import quote

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from http_suite import answer, failure, http, peer, prepare_http, worker_of  # noqa: E402
from peer import Peer  # noqa: E402
from suite import Suite, has, literal, output, run, same, settle, start, wait_until  # noqa: E402

# alone

suite = Suite(max_worker_processes="24")
suite.prepare = prepare_http


@suite.test
def retries(cluster):
    """429 and 5xx are tried again when asked for, with the same key; the waits are durable timers."""
    with cluster.connect(user="alice") as session:
        graph = "df.http(%s, 'GET', retries => %d, backoff => '100 ms')"
        for path in ("flaky/2/503", "flaky/1/429"):
            got = answer(session, graph % (literal(peer.url(path)), 3))
            same(got["status"], 200)
            keys = {entry[2]["Idempotency-Key"] for entry in peer.arrived("/" + path)}
            same(len(keys), 1)
        has(failure(session, graph % (literal(peer.url("flaky/9/500")), 2)), "returned 500")
        same(len(peer.arrived("/flaky/9/500")), 3)
        run(session, http("flaky/1/503"), status="failed")
        same(len(peer.arrived("/flaky/1/503")), 1)
        loop = "df.loop(%s, 'SELECT count(*) < 3 FROM alice.rounds') " % (
            "'INSERT INTO alice.rounds VALUES (1)' ~> " + http("echo/round"))
        session.execute("CREATE TABLE alice.rounds (n int)")
        run(session, loop)
        same(len({entry[2]["Idempotency-Key"] for entry in peer.arrived("/echo/round")}), 3)


@suite.test
def retry_after(cluster):
    """A peer may say when to come back: in seconds, as a date, in the past, far away; nonsense counts as nothing."""
    def passes(session, value, status=503, backoff="10 ms"):
        begin = time.monotonic()
        path = "after/1/%d/%s" % (status, quote(value))
        instance = start(session, "df.http(%s, 'GET', retries => 1, backoff => %s)" % (
            literal(peer.url(path)), literal(backoff)))
        same(settle(session, instance), "completed", value)
        peer.turns.clear()
        return time.monotonic() - begin

    def date(seconds, form="%a, %d %b %Y %H:%M:%S GMT"):
        return time.strftime(form, time.gmtime(time.time() + seconds))
    with cluster.connect(user="alice") as session:
        peer.turns.clear()
        started = cluster.started()
        assert 2 <= passes(session, "2") < 10
        assert passes(session, date(3), 429) >= 1.5
        assert passes(session, date(3, "%A, %d-%b-%y %H:%M:%S GMT")) >= 1.5
        assert passes(session, date(3, "%a %b %d %H:%M:%S %Y")) >= 1.5
        for value in ("0", "-1", "-99999999999999", "-9223372036854775808", date(-86400), "soon", "1e3", " ", "0x10"):
            assert passes(session, value) < 10, value
        # Of another status the peer's word means nothing.
        assert passes(session, "3600", 500) < 10
        for value in ("99999999999999999999", date(40 * 86400)):
            path = "after/1/503/" + quote(value)
            instance = start(session, "df.http(%s, 'GET', retries => 1)" % literal(peer.url(path)))
            hours = wait_until(lambda: cluster.value(
                "SELECT extract(epoch FROM t.due - now())::float8 / 3600 FROM df_internal.timers t "
                "JOIN df_internal.instances i ON i.id = t.instance WHERE i.public_id = $1", instance), 10, "the wait")
            assert 23.9 < hours <= 24, hours
            session.query("SELECT df.cancel($1)", instance)
            same(settle(session, instance), "cancelled")
        same(cluster.started(), started)


@suite.test
def own_key(cluster):
    """An Idempotency-Key of the caller's own is the only one, whatever its case, and the same for each attempt."""
    with cluster.connect(user="alice") as session:
        graph = "df.http(%s, 'POST', headers => '{\"idempotency-KEY\": \"mine\"}', retries => 2, backoff => '10 ms')"
        answer(session, graph % literal(peer.url("flaky/2/503/own")))
        seen = [[v for k, v in headers.items() if k.lower() == "idempotency-key"]
                for _, _, headers, _ in peer.arrived("/flaky/2/503/own")]
        same(seen, [["mine"]] * 3)


@suite.test
def restart_while_it_waits(cluster):
    """A wait before another attempt is as durable as any: after a restart in it the request is sent just once more."""
    with cluster.connect(user="alice") as session:
        instance = start(session, "df.http(%s, 'GET', retries => 1, backoff => '6 s')"
                         % literal(peer.url("flaky/1/500/wait")))
        wait_until(lambda: peer.arrived("/flaky/1/500/wait"), 10, "the first attempt")
        wait_until(lambda: cluster.value("SELECT count(*) FROM df_internal.timers") == 1, 10, "the wait")
    cluster.restart()
    with cluster.connect(user="alice") as session:
        same(len(peer.arrived("/flaky/1/500/wait")), 1)
        same(settle(session, instance), "completed")
        same(len(peer.arrived("/flaky/1/500/wait")), 2)
        same(len({headers["Idempotency-Key"] for _, _, headers, _ in peer.arrived("/flaky/1/500/wait")}), 1)


@suite.test
def at_most_once(cluster):
    """With on_unknown => 'fail' nothing is sent again that may have arrived; what never left or was turned away is."""
    def graph(path, retries=3):
        return "df.http(%s, 'GET', timeout_seconds => 1, retries => %d, backoff => '10 ms', on_unknown => 'fail')" % (
            literal(path if "://" in path else peer.url(path)), retries)
    with cluster.connect(user="alice") as session:
        for path, text in (("slow/30/once", "HTTP timeout after 1s"), ("hangup/once", "HTTP request failed: "),
                           ("short/once", ""), ("flaky/1/500/once", "returned 500"),
                           ("flaky/1/504/once", "returned 504")):
            instance = run(session, graph(path), status="failed")
            has(output(session, instance), text)
            same(len(peer.arrived("/" + path)), 1, path)
            has(session.value("SELECT df.error($1)::text", instance), "on_unknown")
        for path in ("flaky/2/503/once", "flaky/2/429/once"):
            answer(session, graph(path))
            same(len(peer.arrived("/" + path)), 3, path)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        instance = start(session, graph("http://127.0.0.1:%d/echo" % port, 100).replace("'10 ms'", "'1 s'"))
        wait_until(lambda: cluster.value("SELECT count(*) FROM df_internal.timers") == 1, 10, "a wait")
        late = Peer(port=port)
        same(settle(session, instance, 60), "completed")
        same(len(late.arrived("/echo")), 1)


@suite.test
def cancel_and_races(cluster):
    """A cancel and a lost race end the transfer at once."""
    with cluster.connect(user="alice") as session:
        instance = start(session, http("slow/60", rest=", NULL, NULL, 100"))
        wait_until(lambda: peer.arrived("/slow/60"), 10, "the request arrives")
        session.query("SELECT df.cancel($1)", instance)
        same(settle(session, instance), "cancelled")
        begin = time.monotonic()
        run(session, "(%s) | 'SELECT 1'" % http("slow/61", rest=", NULL, NULL, 100"))
        assert time.monotonic() - begin < 10


def pace(session, label):
    """Milliseconds that 200 steps of SQL take, the median of nine functions, by the server's clock."""
    for _ in range(10):
        session.execute("CALL df.wait('%s')" % start(session, " ~> ".join(["'SELECT 1'"] * 200), label))
    return session.value("SELECT 1000 * percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM completed_at - "
                         "created_at)) FROM (SELECT * FROM df.instances WHERE label = $1 ORDER BY created_at DESC "
                         "LIMIT 9) i", label)


def cancel_open(session):
    session.query("SELECT count(df.cancel(id)) FROM df.instances WHERE label = 'open' AND status = 'running'")
    wait_until(lambda: session.value("SELECT count(*) FROM df.instances WHERE label = 'open' "
                                     "AND status <> 'cancelled'") == 0, 60, "all are cancelled")


@suite.test
def beside_sql(cluster):
    """Steps of SQL keep their pace, within a tenth, while 1,000 transfers are open; a stop does not wait for these."""
    pairs = []
    with cluster.connect(user="alice") as session, cluster.connect(user="mallory") as other:
        # What else the machine does can only make one of a pair slower: one good pair shows that transfers do not.
        while not any(beside < alone * 1.1 for alone, beside in pairs):
            assert len(pairs) < 6, pairs
            cancel_open(session)
            alone = pace(other, "alone %d" % len(pairs))
            path = "slow/%d/" % (600 + len(pairs))
            session.query("SELECT count(df.start(df.http(%s || n, 'GET'), 'open')) FROM generate_series(1, 1000) n"
                          % literal(peer.url(path)))
            wait_until(lambda: len([e for e in peer.seen if e[1].startswith("/" + path)]) == 1000, 60, "all are open")
            pairs.append((alone, pace(other, "beside %d" % len(pairs))))
        print("    200 steps alone, and beside 1,000 open transfers: %s"
              % ", ".join("%.0f and %.0f ms" % pair for pair in pairs))
        begin = time.monotonic()
        cluster.restart()
        assert time.monotonic() - begin < 10, "the stop waited for transfers"
    with cluster.connect(user="alice") as session:
        cancel_open(session)


@suite.test
def as_many_as_may(cluster):
    """Beyond the limit of a role, or of a host, requests wait, and all are answered."""
    cluster.reload(**{"pg_durable.http_max_in_flight_per_role": "3"})
    with cluster.connect(user="alice") as session:
        time.sleep(0.5)
        peer.seen.clear()
        begin = time.monotonic()
        session.query("SELECT count(df.start(df.http(%s || n, 'GET'), 'few')) FROM generate_series(1, 9) n"
                      % literal(peer.url("slow/0.5/")))
        wait_until(lambda: session.value("SELECT count(*) FROM df.instances WHERE label = 'few' AND "
                                         "status = 'completed'") == 9, 60, "all answers")
        assert time.monotonic() - begin >= 1.4, "more than three at a time"
        same(len([e for e in peer.seen if e[1].startswith("/slow/0.5/")]), 9)
    cluster.reload(**{"pg_durable.http_max_in_flight_per_role": "1000"})


@suite.test
def worker_dies(cluster):
    """Killed or terminated in mid-flight: every instance ends as its policy says, and the server goes on."""
    with cluster.connect(user="alice") as session:
        def begin():
            again = start(session, http("slow/3/again"))
            once = start(session, "df.http(%s, 'GET', on_unknown => 'fail')"
                         % literal(peer.url("slow/3/once")))
            wait_until(lambda: peer.arrived("/slow/3/again") and peer.arrived("/slow/3/once"), 20, "both arrive")
            return again, once
        again, once = begin()
        worker = worker_of(cluster)
        os.kill(worker, 15)
        same((settle(session, again), settle(session, once)), ("completed", "failed"))
        has(output(session, once), "its outcome is unknown")
        same(len(peer.arrived("/slow/3/once")), 1)
        assert len(peer.arrived("/slow/3/again")) == 2
        peer.seen.clear()
        again, once = begin()
        cluster.crash(worker_of(cluster))
    with cluster.connect(user="alice") as session:
        same((settle(session, again, 60), settle(session, once, 60)), ("completed", "failed"))
        same(len(peer.arrived("/slow/3/once")), 1)


suite.main()
