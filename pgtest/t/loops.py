#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
# alone
"""Endless loops: the journal stays short, nothing is lost or doubled by compaction, whoever missed it catches up.

Covers I57 of docs/traps.md. `make bench-loops` runs a million iterations.
"""
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
sys.path.insert(0, os.path.join(HERE, "..", "bench"))
from loops import ITERATIONS, SLOWER_MAX, measure  # noqa: E402
from suite import Suite, dollar, has, output, run, same, settle, start, wait_until  # noqa: E402

suite = Suite(**{"pg_durable.loop_min_interval": "0", "pg_durable.max_executors": "6",
                 "pg_durable.max_executors_per_role": "4"})
EXECUTORS = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'durable executor' AND usename = 'alice'"
ENTRIES = "SELECT count(*) FROM df_internal.journal"


def effects(session):
    session.execute("DROP TABLE IF EXISTS alice.effects; CREATE TABLE alice.effects (what text, n int);"
                    "DROP SEQUENCE IF EXISTS alice.runs; CREATE SEQUENCE alice.runs")


def each_once(session, what, count):
    """Every number from 1 to `count` was noted once."""
    same(session.query("SELECT n FROM alice.effects WHERE what = $1 GROUP BY n HAVING count(*) <> 1", what), [], what)
    same(session.query("SELECT count(*), min(n), max(n) FROM alice.effects WHERE what = $1", what),
         [(count, 1, count)], what)


def counter(what, name, last):
    """A loop that notes `what` with 1, 2, … `last`, counting under `name`."""
    return "(%s |=> '%s' ~> df.loop(%s |=> '%s', %s))" % (
        dollar("SELECT 0 AS n"), name,
        dollar("INSERT INTO alice.effects VALUES ('%s', $%s + 1) RETURNING n" % (what, name)), name,
        dollar("SELECT $%s < %d" % (name, last)))


@suite.test
def flat(cluster):
    """20,000 iterations: a handful of entries at any time, no slower than a young loop in the same seconds (medians
    of 15 comparisons), and tables that a vacuum makes small again."""
    live = []
    _, slower = measure(cluster, "df.loop('SELECT 1')", 20_000, 10,
                        lambda line: live.append(cluster.value(ENTRIES)), slices=15)
    if max(live) > 100:
        raise AssertionError("entries at the sampled moments: %s" % live)
    print("    beside a young loop: %.2f times as long per iteration" % slower)
    if slower > SLOWER_MAX:
        raise AssertionError("%.2f times as long per iteration as a young loop beside it" % slower)
    cluster.execute("VACUUM df_internal.journal")
    before = cluster.value("SELECT pg_total_relation_size('df_internal.journal')")
    measure(cluster, "df.loop('SELECT 1')", 5_000, 2)
    after = cluster.value("SELECT pg_total_relation_size('df_internal.journal')")
    if after > before + 500_000:
        raise AssertionError("the space of what was compacted is not used again: %d, %d" % (before, after))


@suite.test
def joins_in_the_body(cluster):
    """The arms of a join in the body go with their iteration."""
    live = []
    measure(cluster, "df.loop('SELECT 1' & df.loop('SELECT 2', 'SELECT random() < 0.5'))", 2_000, 10,
            lambda line: live.append(cluster.value(ENTRIES)))
    if max(live) > 400:
        raise AssertionError("entries at the sampled moments: %s" % live)


@suite.test
def names_and_kills(cluster):
    """A name that counts through 3,000 iterations while executors are terminated and the server restarts."""
    with cluster.connect(user="alice") as session:
        effects(session)
        instance = start(session, counter("a", "x", 3_000))
        dice = random.Random(5)
        for _ in range(6):
            time.sleep(dice.uniform(0.05, 0.4))
            for (pid,) in session.query(EXECUTORS):
                cluster.value("SELECT pg_terminate_backend($1)", pid)
    cluster.restart("immediate")
    with cluster.connect(user="alice") as session:
        same(settle(session, instance, 60), "completed")
        each_once(session, "a", 3_000)
        same(session.value("SELECT df.result($1)::jsonb -> 'rows' -> 0 ->> 'n'", instance), "3000")


@suite.test
def side_by_side(cluster):
    """Two counting loops and a third with arms of its own, in a join: several executors, each behind the others."""
    with cluster.connect(user="alice") as session:
        effects(session)
        third = "df.loop((%s & %s) |=> 'both', %s)" % (
            dollar("INSERT INTO alice.effects VALUES ('c', nextval('alice.runs'))"), dollar("SELECT 1"),
            dollar("SELECT count(*) < 300 FROM alice.effects WHERE what = 'c'"))
        graph = "df.join3(%s, %s, %s)" % (counter("a", "x", 1_500), counter("b", "y", 1_500), third)
        instance = start(session, graph)
        same(settle(session, instance, 120), "completed")
        each_once(session, "a", 1_500)
        each_once(session, "b", 1_500)
        same(session.value("SELECT count(*) FROM alice.effects WHERE what = 'c'"), 300)


@suite.test
def a_long_step_beside_a_fast_loop(cluster):
    """The loop compacts what the long step's executor has not seen: the step is recorded all the same, not repeated."""
    with cluster.connect(user="alice") as session:
        effects(session)
        long = dollar("WITH s AS MATERIALIZED (SELECT nextval('alice.runs') AS n, pg_sleep(3)) "
                      "INSERT INTO alice.effects SELECT 'long', n FROM s")
        instance = run(session, "(%s ~> %s) | df.loop('SELECT 1')" % (long, dollar("SELECT 7 AS v")), 60)
        each_once(session, "long", 1)
        same(session.value("SELECT last_value FROM alice.runs"), 1)
        same(session.value("SELECT df.result($1)::jsonb -> 'rows' -> 0 ->> 'v'", instance), "7")


@suite.test
def without_steps_and_with_limits(cluster):
    """A loop that only sleeps for no time, one that ends at its limit, and one that breaks."""
    with cluster.connect(user="alice") as session:
        idle = start(session, "df.loop(df.sleep(0))")
        wait_until(lambda: (cluster.value(ITERATIONS, idle) or 0) > 2_000, 30, "iterations without a step")
        session.value("SELECT df.cancel($1)", idle)
        same(settle(session, idle), "cancelled")
        cluster.reload(**{"pg_durable.loop_max_iterations": "500"})
        wait_until(lambda: cluster.value("SHOW pg_durable.loop_max_iterations") == "500", 5)
        instance = run(session, "'SELECT 1' ~> df.loop('SELECT 1')", status="failed")
        has(output(session, instance), "Loop exceeded maximum iteration count of 500")
        cluster.reload(**{"pg_durable.loop_max_iterations": "0"})


@suite.test
def what_is_shown(cluster):
    """Between iterations and after thousands of them, the last iteration's nodes and numbers are there."""
    with cluster.connect(user="alice") as session:
        instance = start(session, "df.loop('SELECT 1' ~> 'SELECT 2' |=> 'two' ~> 'SELECT 3')")
        wait_until(lambda: (cluster.value(ITERATIONS, instance) or 0) > 3_000, 60, "iterations")
        seen = session.value("SELECT current_execution_id FROM df.instance_info($1)", instance)
        if seen < 3_000:
            raise AssertionError("execution %d" % seen)
        begin = time.monotonic()
        nodes = session.query("SELECT query, status, result FROM df.instance_nodes($1) WHERE node_type = 'SQL'",
                              instance)
        if time.monotonic() - begin > 1:
            raise AssertionError("df.instance_nodes took %.1f s" % (time.monotonic() - begin))
        done = [n for n in nodes if n[1] == "completed"]
        if len(done) < 2 or any(n[2] is None for n in done):
            raise AssertionError("nodes: %s" % nodes)
        same(session.value("SELECT df.status($1)", instance), "running")
        session.value("SELECT df.cancel($1)", instance)
        same(settle(session, instance), "cancelled")


suite.main()
