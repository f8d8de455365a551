#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Stored formats stay readable: instances as format 1 wrote them are shown, carried on and finished by today's library.

pgtest/data/format-1.sql is what a server running format 1 had in its tables; it never changes once released.
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from suite import Suite, same, settle  # noqa: E402

suite = Suite()


def load(cluster):
    with open(os.path.join(HERE, "..", "data", "format-1.sql"), encoding="utf-8") as file:
        cluster.psql(file.read())
    cluster.restart()


@suite.test
def every_kind_of_entry_is_carried_on(cluster):
    """Race, join, signal, attempt, loop and timers in the middle of their work: the last step runs, once."""
    load(cluster)
    with cluster.connect(user="alice") as session:
        same(settle(session, "f0000001", 20), "completed")
        same(session.value("SELECT df.result('f0000001')"),
             '{"rows": [{"d": "{\\"ok\\": true}", "v": 42}], "row_count": 1}')
        same(settle(session, "f0000002", 20), "completed")
        same(session.value("SELECT count(*) FROM public.format_effects WHERE n < 30"), 2)
        nodes = dict(session.query("SELECT node_type || coalesce(query, ''), inferred_status "
                                  "FROM df.instance_nodes('f0000001') WHERE node_type IN ('SLEEP', 'SIGNAL', 'RACE')"))
        same(sorted(nodes.values()), ["completed", "completed", "skipped"])


@suite.test
def a_compacted_loop_is_carried_on(cluster):
    """A loop of which only a mark is left goes on at its 38th iteration, with what it kept under its name."""
    with cluster.connect(user="alice") as session:
        same(settle(session, "f0000003", 20), "completed")
        same(session.query("SELECT n FROM public.format_effects WHERE n >= 30 ORDER BY n"), [(39,), (40,)])
        same(session.value("SELECT df.result('f0000003')::jsonb -> 'rows' -> 0 ->> 'n'"), "40")


@suite.test
def what_had_ended_is_shown(cluster):
    """A failed, a completed and a cancelled instance keep their status, text and failure report."""
    with cluster.connect(user="alice") as session:
        same(session.query("SELECT id, status FROM df.instances WHERE id LIKE 'f000001%' ORDER BY id"),
             [("f0000011", "failed"), ("f0000012", "completed"), ("f0000013", "cancelled")])
        same(session.value("SELECT output FROM df.instance_info('f0000011')"), "boom")
        same(session.value("SELECT error FROM df.nodes WHERE instance_id = 'f0000011'"), "22012: boom")
        same(session.value("SELECT df.result('f0000012')"), '{"rows": [], "row_count": 7}')
        same(session.value("SELECT output FROM df.instance_info('f0000013')"), "canceled: why not")


suite.main()
