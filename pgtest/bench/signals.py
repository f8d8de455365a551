#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""`make bench-signals`: N functions wait, all are signalled in one transaction, N more are cancelled in one.

N is 100,000 by default. Prints how long each took and the largest executor's private memory; fails when a function has
not completed after fifteen minutes, when an effect is missing or doubled, when a process of ours takes more than
256 MB, or when the same role's new work waits more than ten seconds behind its own cancelled functions.
"""
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from cluster import Cluster, wait_until  # noqa: E402
from suite import prepare, settle, start  # noqa: E402

SETTINGS = {"shared_buffers": "256MB", "max_wal_size": "4GB", "checkpoint_timeout": "30min", "wal_level": "replica"}
MEGABYTES_MAX = 256
LIVE = "SELECT (SELECT count(*) FROM df_internal.instances) - (SELECT count(*) FROM df_internal.ended)"


def private_memory(cluster):
    """The largest private memory of our processes, in MB."""
    largest = 0
    for kind in ("launcher", "scheduler", "executor"):
        for pid in cluster.processes("durable " + kind):
            try:
                with open("/proc/%d/smaps_rollup" % pid) as file:
                    lines = [line.split() for line in file if line.startswith("Private_")]
                largest = max(largest, sum(int(words[1]) for words in lines) // 1024)
            except OSError:
                pass
    return largest


def timed(what, action):
    begin = time.monotonic()
    action()
    print("  %-58s %7.1f s" % (what, time.monotonic() - begin), flush=True)
    return time.monotonic() - begin


def waiting(cluster, session, number):
    """`number` functions that wait for a signal."""
    session.execute("SELECT df.start(df.wait_for_signal('go') |=> 's' ~> 'INSERT INTO alice.got VALUES "
                    "(($s::jsonb->''data''->>''n'')::int)', 'waits') FROM generate_series(1, %d)" % number)
    wait_until(lambda: cluster.value("SELECT count(*) FROM df_internal.active") == 0, 600, "all wait", 0.2)


def signalled(cluster, session, number):
    largest = 0

    def end():
        nonlocal largest
        largest = max(largest, private_memory(cluster))
        return cluster.value(LIVE) == 0

    timed("%d signals in one transaction" % number, lambda: session.execute(
        "SELECT df.signal(id, 'go', json_build_object('n', row_number() OVER ())::text) FROM df.instances"))
    timed("all complete", lambda: wait_until(end, 900, "all complete", 0.5))
    print("  %-58s %7d MB" % ("largest private memory of a process of ours", largest))
    if largest > MEGABYTES_MAX:
        raise SystemExit("a process of ours took %d MB" % largest)
    got = session.query("SELECT count(*), count(DISTINCT n) FROM alice.got")[0]
    if got != (number, number):
        raise SystemExit("effects and distinct effects: %s of %d" % (got, number))
    ends = session.query("SELECT status, count(*) FROM df.instances GROUP BY 1")
    if ends != [("completed", number)]:
        raise SystemExit("they ended so: %s" % ends)


def cancelled(cluster, session, number):
    timed("%d cancels in one transaction" % number, lambda: session.execute(
        "SELECT count(df.cancel(id)) FROM df.instances WHERE status IN ('pending', 'running')"))
    waits = []
    for _ in range(3):
        begin = time.monotonic()
        settle(session, start(session, "'SELECT 1'"), 600)
        waits.append(time.monotonic() - begin)
    print("  %-58s %7.1f s" % ("the same role's next functions waited at most", max(waits)))
    timed("all are cancelled", lambda: wait_until(lambda: cluster.value(LIVE) == 0, 900, "all are cancelled", 0.5))
    if max(waits) > 10:
        raise SystemExit("new work waited behind cancelled functions")


def main():
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 100000
    cluster = Cluster("bench-signals", SETTINGS)
    try:
        cluster.init().start()
        prepare(cluster)
        with cluster.connect(user="alice") as session:
            session.execute("CREATE TABLE alice.got (n int)")
            timed("%d functions begin to wait" % number, lambda: waiting(cluster, session, number))
            signalled(cluster, session, number)
            timed("%d functions begin to wait" % number, lambda: waiting(cluster, session, number))
            cancelled(cluster, session, number)
    finally:
        cluster.remove()


main()
