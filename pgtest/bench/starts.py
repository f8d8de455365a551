#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""`make bench-starts`: N starts in one transaction, N/10 more in savepoints of which half are rolled back.

N is a million by default; the ready set has its smallest size. Prints how long each took, and the memory of the session
that starts and of our processes; fails when a function that was committed did not run, when one that was rolled back
did, when the server restarted, or when another role was kept waiting meanwhile.
"""
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from cluster import Cluster, wait_until  # noqa: E402
from latency import at_once  # noqa: E402
from suite import prepare, same  # noqa: E402

SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "8GB", "checkpoint_timeout": "30min", "wal_level": "minimal",
            "max_wal_senders": "0", "pg_durable.ready_queue_size": "1024"}
LIVE = "SELECT (SELECT count(*) FROM df_internal.instances) - (SELECT count(*) FROM df_internal.ended)"
SAVEPOINTS = """DO $do$ BEGIN
    FOR n IN 1 .. %d LOOP
        BEGIN
            PERFORM df.start('SELECT 2');
            IF n %% 2 = 0 THEN RAISE division_by_zero; END IF;
        EXCEPTION WHEN division_by_zero THEN NULL;
        END;
    END LOOP;
END $do$"""


def memory(pid):
    with open("/proc/%d/smaps_rollup" % pid) as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private_")) // 1024


def timed(what, action):
    begin = time.monotonic()
    action()
    print("  %-58s %7.1f s" % (what, time.monotonic() - begin), flush=True)


def main():
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with Cluster("bench-starts", SETTINGS) as cluster:
        prepare(cluster)
        began = cluster.started()
        with cluster.connect(user="alice") as session, cluster.connect(user="bob") as bob:
            for what, sql, kept in (
                    ("%d starts in one transaction" % number,
                     "SELECT count(df.start('SELECT 1')) FROM generate_series(1, %d)" % number, number),
                    ("%d in savepoints, half rolled back" % (number // 10), SAVEPOINTS % (number // 10), number // 20)):
                before = cluster.value("SELECT count(*) FROM df_internal.instances")
                timed(what, lambda: session.execute(sql))
                print("  %-58s %7d MB" % ("the session's private memory", memory(session.pid)))
                same(cluster.value("SELECT count(*) FROM df_internal.instances") - before, kept, "committed")
                at_once(bob, "another role")
                timed("all of them have run", lambda: wait_until(lambda: cluster.value(LIVE) == 0, 7200, "all", 2))
                print("  %-58s %7d MB" % ("largest private memory of an executor", max(
                    map(memory, cluster.processes("durable executor")), default=0)))
        same(cluster.value("SELECT count(*) FROM df.instances WHERE status <> 'completed'"), 0, "not completed")
        same((cluster.crashes(), cluster.started()), (0, began), "restarts of the server")


main()
