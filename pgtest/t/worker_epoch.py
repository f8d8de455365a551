#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""df._worker_epoch and _duroxide._worker_ready say what is so, and nobody writes a heartbeat for it."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from suite import Suite, run, same, wait_until  # noqa: E402

suite = Suite()
AGE = "SELECT extract(epoch FROM clock_timestamp() - last_seen_at)::float8 FROM df._worker_epoch"


def epoch(cluster, db="postgres"):
    return cluster.value("SELECT epoch_id::text FROM df._worker_epoch", db=db)


@suite.test
def alive_while_idle(cluster):
    """With nothing due and no scheduler there, the row is of this moment, and no WAL is written for it."""
    wait_until(lambda: not cluster.processes("durable scheduler"), 60, "the scheduler leaves")
    before = cluster.wal()
    for _ in range(3):
        assert cluster.value(AGE) < 1
        time.sleep(2)
    assert cluster.wal() - before < 4096, cluster.wal() - before
    same(cluster.value("SELECT count(*) FROM _duroxide._worker_ready WHERE sentinel AND schema_version >= 1"), 1)


@suite.test
def stopped(cluster):
    """Switched off, the row grows old; switched on, it is of this moment again, in the same epoch."""
    first = epoch(cluster)
    cluster.reload(**{"pg_durable.enabled": "off"})
    wait_until(lambda: cluster.value(AGE) > 2, 20, "it grows old")
    cluster.reload(**{"pg_durable.enabled": "on"})
    wait_until(lambda: cluster.value(AGE) < 1, 20, "it is fresh")
    same(epoch(cluster), first)


@suite.test
def epochs(cluster):
    """A restart, a crash and DROP with CREATE EXTENSION begin a new epoch; readers in between see none or one."""
    seen = [epoch(cluster)]
    cluster.restart()
    seen.append(epoch(cluster))
    cluster.psql("DROP EXTENSION pg_durable; CREATE EXTENSION pg_durable; SELECT df.grant_usage('alice')")
    seen.append(epoch(cluster))
    same(len(set(seen)), 3)
    same(cluster.value("SELECT initialized_at > now() - interval '60 s' FROM _duroxide._worker_ready"), True)
    with cluster.connect(user="alice") as session:
        run(session, "'SELECT 1'")


@suite.test
def copies(cluster):
    """In a copy that nobody adopted nothing is ready."""
    cluster.psql("CREATE DATABASE copy TEMPLATE postgres")
    same(cluster.value("SELECT count(*) FROM _duroxide._worker_ready", db="copy"), 0)
    same(cluster.value("SELECT count(*) FROM df._worker_epoch", db="copy"), 0)
    cluster.psql("SELECT df.adopt()", db="copy")
    same(cluster.value("SELECT count(*) FROM _duroxide._worker_ready", db="copy"), 1)
    assert epoch(cluster, db="copy") != epoch(cluster)


suite.main()
