#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""The HTTP worker at rest, once its connections have been idle for a minute."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from http_suite import answer, http, peer, prepare_http, worker_of  # noqa: E402
from suite import Suite  # noqa: E402

# long

suite = Suite()
suite.prepare = prepare_http


@suite.test
def silent_at_rest(cluster):
    """When all is answered the worker sleeps: no context switch in seconds, once its idle connections are closed."""
    with cluster.connect(user="alice") as session:
        answer(session, http(peer.url("last")))
    pid = worker_of(cluster)

    def switches():
        with open("/proc/%d/status" % pid) as file:
            return sum(int(line.split()[1]) for line in file if "ctxt_switches" in line)
    time.sleep(62)
    before = switches()
    time.sleep(4)
    assert switches() - before <= 1, switches() - before


suite.main()
