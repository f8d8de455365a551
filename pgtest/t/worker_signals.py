#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Signals to our processes: SIGTERM or a crash is answered by a new process and a repeated step, others by nothing."""
# alone
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from elsewhere import begin, companion, make_target  # noqa: E402
from http_suite import http, peer, prepare_http, worker_of  # noqa: E402
from suite import Suite, has, output, run, same, settle, start, wait_until  # noqa: E402

suite = Suite(**{"log_min_messages": "log"})
suite.prepare = prepare_http
KINDS = ("launcher", "scheduler", "executor")


def ours(cluster, kind):
    return cluster.processes("durable " + kind)


def replaced(cluster, kind, pid, seconds):
    begin = time.monotonic()
    wait_until(lambda: [p for p in ours(cluster, kind) if p != pid], seconds, "a new " + kind)
    return time.monotonic() - begin


@suite.test
def sigterm_answered_within_a_second(cluster):
    """SIGTERM to the launcher, the scheduler and the only executor: a new one is there a second later."""
    with cluster.connect(user="alice") as session:
        instance = start(session, " ~> ".join(["'SELECT pg_sleep(0.1)'"] * 80 + ["df.sleep(1)"]))
        start(session, "df.sleep(100)")
        for kind in KINDS * 3:
            pid = wait_until(lambda: ours(cluster, kind), 5, "a durable " + kind)[0]
            os.kill(pid, signal.SIGTERM)
            took = replaced(cluster, kind, pid, 5)
            # The server starts a static worker again one second after its end, and not earlier.
            if took > 1.5:
                raise AssertionError("the %s came back after %.2f s" % (kind, took))
        same(settle(session, instance), "completed")


@suite.test
def the_http_worker_too(cluster):
    """SIGTERM to the HTTP worker, with a request under way and without: a new one is there a second later."""
    with cluster.connect(user="alice") as session:
        instance = start(session, http("slow/2/signals"))
        wait_until(lambda: peer.arrived("/slow/2/signals"), 10, "the request")
        for _ in range(3):
            pid = wait_until(lambda: worker_of(cluster), 5, "an HTTP worker")
            os.kill(pid, signal.SIGTERM)
            begin = time.monotonic()
            wait_until(lambda: worker_of(cluster) not in (None, pid), 5, "a new HTTP worker")
            if time.monotonic() - begin > 1.5:
                raise AssertionError("the HTTP worker came back after %.2f s" % (time.monotonic() - begin))
        same(settle(session, instance), "completed")
        same(len({entry[2]["Idempotency-Key"] for entry in peer.arrived("/slow/2/signals")}), 1)


@suite.test
def sessions_elsewhere_too(cluster):
    """SIGTERM to the session in another database: within a second the step runs again in a new one."""
    make_target(cluster, "other")
    with cluster.connect(user="alice") as session:
        instance = begin(session, "'SELECT pg_sleep(1.5)'")
        for _ in range(3):
            pid = wait_until(lambda: companion(cluster), 5, "a session in the other database")
            os.kill(pid, signal.SIGTERM)
            since = time.monotonic()
            wait_until(lambda: companion(cluster) not in (None, pid), 5, "a new one")
            if time.monotonic() - since > 1.5:
                raise AssertionError("the step ran again after %.2f s" % (time.monotonic() - since))
        same(settle(session, instance), "completed")


@suite.test
def terminations_in_a_row(cluster):
    """30 terminations of whoever runs the step: each is followed by progress within a second, every effect once."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.effects (n int PRIMARY KEY)")
        instance = start(session, " ~> ".join(
            "'INSERT INTO alice.effects SELECT %d FROM (SELECT pg_sleep(0.05)) nap'" % n for n in range(120)))
        worst = 0.0
        for _ in range(30):
            pid = wait_until(lambda: ours(cluster, "executor"), 5, "an executor")[0]
            session.value("SELECT pg_terminate_backend(%d)" % pid)
            count, begin = session.value("SELECT count(*) FROM alice.effects"), time.monotonic()
            wait_until(lambda: session.value("SELECT count(*) FROM alice.effects") > count, 5, "progress")
            worst = max(worst, time.monotonic() - begin)
        print("    longest pause: %.2f s" % worst)
        if worst > 1.5:
            raise AssertionError("a pause of %.2f s" % worst)
        same(settle(session, instance), "completed")
        same(session.value("SELECT count(*) FROM alice.effects"), 120)


@suite.test
def terminated_step_is_repeated(cluster):
    """The step of a terminated process is rolled back and repeated; it fails with the reason after too many times."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.tries (n int)")
        good = start(session, "'INSERT INTO alice.tries SELECT 1 FROM (SELECT pg_sleep(1)) nap'")
        for _ in range(2):
            time.sleep(0.4)
            for pid in ours(cluster, "executor"):
                session.value("SELECT pg_terminate_backend(%d)" % pid)
        same(settle(session, good), "completed")
        same(session.value("SELECT count(*) FROM alice.tries"), 1)
        bad = start(session, "'INSERT INTO alice.tries SELECT 2 FROM pg_terminate_backend(pg_backend_pid())'")
        same(settle(session, bad), "failed")
        has(output(session, bad), "step was begun 10 times and its process ended each time")
        same(session.value("SELECT count(*) FROM alice.tries"), 1)


@suite.test
def harmless_signals(cluster):
    """SIGHUP at any time and SIGINT between steps end no process, fail no step and complain of nothing."""
    with cluster.connect(user="alice") as session:
        run(session, "'SELECT 1'")
        start(session, "df.sleep(100)")
        pids = {kind: wait_until(lambda: ours(cluster, kind), 5, kind) for kind in KINDS}
        before = len(cluster.text())
        for _ in range(20):
            for pid in sum(pids.values(), []):
                os.kill(pid, signal.SIGINT)
                os.kill(pid, signal.SIGHUP)
            time.sleep(0.02)
        same({kind: ours(cluster, kind) for kind in KINDS}, pids)
        instance = start(session, " ~> ".join(["'SELECT pg_sleep(0.02)'"] * 50))
        while session.value("SELECT df.status($1)", instance) not in ("completed", "failed"):
            for kind in KINDS:
                for pid in ours(cluster, kind):
                    os.kill(pid, signal.SIGHUP)
            for pid in ours(cluster, "launcher") + ours(cluster, "scheduler"):
                os.kill(pid, signal.SIGINT)
            time.sleep(0.01)
        same(session.value("SELECT df.status($1)", instance), "completed")
        same([line for line in cluster.text()[before:].splitlines()
              if "ERROR" in line or "FATAL" in line or "ended unexpectedly" in line], [])


suite.main()
