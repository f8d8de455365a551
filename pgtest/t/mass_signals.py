#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Thousands signalled, and thousands cancelled, in one transaction, with fewer places in the ready set than that.

`pgtest/bench/signals.py` does the same with 100,000 and prints times.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from suite import Suite, run, same, wait_until  # noqa: E402

NUMBER = 5000
suite = Suite(**{"pg_durable.ready_queue_size": "1024"})


def waiting(cluster, session):
    session.execute("SELECT df.start(df.wait_for_signal('go') |=> 's' ~> 'INSERT INTO alice.got VALUES "
                    "(($s::jsonb->''data''->>''n'')::int)') FROM generate_series(1, %d)" % NUMBER)
    wait_until(lambda: cluster.value("SELECT count(*) FROM df_internal.active") == 0, 120, "all wait", 0.2)


@suite.test
def all_signalled_at_once(cluster):
    """5,000 waits signalled in one transaction: what found no place is swept up, each effect is there once."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.got (n int)")
        waiting(cluster, session)
        session.execute("SELECT df.signal(id, 'go', json_build_object('n', row_number() OVER ())::text) "
                        "FROM df.instances")
        wait_until(lambda: session.value("SELECT count(*) FROM alice.got") == NUMBER, 120, "all effects", 0.2)
        wait_until(lambda: session.value("SELECT count(*) FROM df.instances WHERE status <> 'completed'") == 0, 20,
                   "all complete", 0.2)
        same(session.query("SELECT count(DISTINCT n), min(n), max(n) FROM alice.got"), [(NUMBER, 1, NUMBER)])
        same(cluster.value("SELECT count(*) FROM df_internal.signals"), 0)


@suite.test
def all_cancelled_at_once(cluster):
    """5,000 waits cancelled in one transaction: all end, nothing is left of the requests, and new work goes on."""
    with cluster.connect(user="alice") as session:
        waiting(cluster, session)
        same(session.value("SELECT count(df.cancel(id)) FROM df.instances WHERE status IN ('pending', 'running')"),
             NUMBER)
        run(session, "'SELECT 1'", seconds=10)
        wait_until(lambda: session.value("SELECT count(*) FROM df.instances WHERE status = 'cancelled'") == NUMBER, 60,
                   "all are cancelled", 0.2)
        # An instance is cancelled as soon as that is committed; what is left of it goes when an executor gets to it.
        wait_until(lambda: cluster.value("SELECT count(*) FROM df_internal.requests") == 0, 120, "no request is left")


suite.main()
