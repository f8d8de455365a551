#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Every step's effect exactly once, whatever is killed and whenever.

Goal: 200 functions of 20 steps, started by an unprivileged role, each step inserting one row that names it, while an
executor, the scheduler, a client or the whole server dies at random moments. At the end every function is completed
and the effects are exactly the expected ones. Method: kills are drawn from a printed seed (PGTEST_SEED).
"""
# long
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from suite import PgError, Suite, same, wait_until  # noqa: E402

INSTANCES, STEPS, KILLS_MIN = 200, 20, 15
suite = Suite(fsync="on", max_connections="60")


def insert(instance, step):
    return "INSERT INTO alice.effects SELECT {i}, {s} FROM (SELECT pg_sleep({p})) nap".format(
        i=instance, s=step, p=0.02 + 0.02 * ((instance * 7 + step) % 5))


def graph(instance):
    """20 INSERTs: a chain; every third function runs steps 6 to 9 as joins, every seventh ends in a join of chains."""
    def step(n):
        return "'%s'" % insert(instance, n)

    def chain(numbers):
        return "(" + " ~> ".join(step(n) for n in numbers) + ")"

    if instance % 3 == 0:
        return "%s ~> (%s & %s) ~> df.join3(%s, %s, %s) ~> %s" % (
            chain(range(1, 6)), step(6), step(7), step(8), step(9), step(10), chain(range(11, 21)))
    if instance % 7 == 0:
        return "%s ~> (%s & %s)" % (chain(range(1, 7)), chain(range(7, 14)), chain(range(14, 21)))
    return chain(range(1, 21))


def start_all(cluster, problems):
    """Start all functions, in batches of one transaction each; a batch that died with its session is started again."""
    try:
        start_batches(cluster)
    except Exception as error:
        problems.append(error)


def start_batches(cluster):
    batches = [range(first, first + 10) for first in range(0, INSTANCES, 10)]
    for batch in batches:
        def committed():
            return cluster.value("SELECT count(*) FROM alice.batches WHERE first = $1", batch[0], user="alice") == 1

        while True:
            try:
                if committed():
                    break
                with cluster.connect(user="alice") as session:
                    session.execute("BEGIN")
                    session.execute("INSERT INTO alice.batches VALUES (%d)" % batch[0])
                    for instance in batch:
                        session.value("SELECT df.start(%s, 'function %d')" % (graph(instance), instance))
                    session.execute("COMMIT")
                break
            except PgError as error:
                if not error.lost:
                    raise
                time.sleep(0.1)


def kill_one(cluster, chance):
    """Kill something; what it was, or None when there was none of that kind."""
    kind = chance.choice(["executor", "executor", "executor", "scheduler", "client", "immediate"])
    if kind == "immediate":
        cluster.stop("immediate")
        cluster.start()
        return kind
    if kind == "client":
        with cluster.connect(user="alice") as session:
            session.send("SELECT pg_sleep(10)")
            cluster.kill9(session.pid)
        return kind
    pids = cluster.processes("durable " + kind)
    if not pids:
        return None
    cluster.kill9(chance.choice(pids))
    return kind


@suite.test
def kills(cluster):
    """Kill at random moments, at least 15 times while work runs; then exactly the expected effects are there."""
    seed = int(os.environ.get("PGTEST_SEED", random.randrange(1 << 31)))
    print("    reproduce with PGTEST_SEED=%d" % seed)
    chance, killed = random.Random(seed), []
    cluster.psql("CREATE TABLE alice.effects (instance int, step int);"
                 "CREATE TABLE alice.batches (first int PRIMARY KEY)", user="alice")
    problems = []
    starter = threading.Thread(target=start_all, args=(cluster, problems))
    starter.start()

    def left():
        return cluster.value("SELECT count(*) FROM df.instances WHERE status NOT IN "
                             "('completed', 'failed', 'cancelled')", user="alice")

    until = time.monotonic() + 240
    while time.monotonic() < until:
        try:
            if not starter.is_alive() and left() == 0:
                break
            what = kill_one(cluster, chance) if len(killed) < 40 else None
            if what:
                killed.append(what)
        except PgError as error:
            if not error.lost:
                raise
        cluster.wait_ready()
        time.sleep(chance.uniform(0.05, 0.9) if len(killed) < 40 else 0.2)
    print("    killed: %s" % ", ".join("%d x %s" % (killed.count(k), k) for k in sorted(set(killed))))
    starter.join()
    same(problems, [], "starting")
    wait_until(lambda: left() == 0, 120, "all functions have ended")
    same(cluster.query("SELECT status, count(*) FROM df.instances GROUP BY 1", user="alice"),
         [("completed", INSTANCES)], "status of the functions")
    same(cluster.query("SELECT instance, step, count(*) FROM alice.effects GROUP BY 1, 2 HAVING count(*) <> 1"), [],
         "effects that happened more than once")
    same(cluster.value("SELECT count(*) FROM alice.effects"), INSTANCES * STEPS, "effects")
    same(cluster.value("SELECT count(*) FROM generate_series(0, $1::int - 1) i, generate_series(1, $2::int) s "
                       "WHERE NOT EXISTS (SELECT FROM alice.effects WHERE (instance, step) = (i, s))",
                       INSTANCES, STEPS), 0, "effects that never happened")
    if len(killed) < KILLS_MIN:
        raise AssertionError("only %d kills before everything was done" % len(killed))


@suite.test
def nothing_left_behind(cluster):
    """After the storm no branch is ready, no timer is set, and the server's own durability was on."""
    same(cluster.value("SHOW fsync"), "on")
    same(cluster.query("SELECT (SELECT count(*) FROM df_internal.active), (SELECT count(*) FROM df_internal.timers)"),
         [(0, 0)])


suite.main()
