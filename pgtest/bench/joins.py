#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""How long a join of many arms takes: `pgtest/bench/joins.py [ARMS …]`, by default 500, 1000, 2000 and 5000.

Each arm is one trivial step. The last column is what an arm costs; it should hardly grow with their number.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cluster import Cluster  # noqa: E402
from suite import prepare, settle  # noqa: E402

LEAF = '{"node_type":"SQL","query":"SELECT 1"}'


def main():
    with Cluster("bench-joins", {}) as cluster:
        prepare(cluster)
        with cluster.connect(user="alice") as session:
            for arms in [int(word) for word in sys.argv[1:]] or [500, 1000, 2000, 5000]:
                graph = '{"node_type":"JOIN","left_node":%s,"right_node":%s,"extra_nodes":[%s]}' % (
                    LEAF, LEAF, ",".join([LEAF] * (arms - 2)))
                begin = time.monotonic()
                instance = session.value("SELECT df.start($1)", graph)
                status = settle(session, instance, 600)
                took = time.monotonic() - begin
                print("%6d arms: %s in %6.2f s, %6.2f ms each" % (arms, status, took, took / arms * 1000), flush=True)


main()
