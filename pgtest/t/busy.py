#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""When every slot is taken, work waits and completes; nothing fails, and nobody is starved.

The suite's server has few worker processes, and other work of the server's competes for them.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from latency import at_once  # noqa: E402
from suite import Suite, same, settle, start, wait_until  # noqa: E402

suite = Suite(max_worker_processes="8", max_parallel_workers="8",
              **{"pg_durable.max_executors": "16", "pg_durable.max_executors_per_role": "16"})


def live(cluster):
    return cluster.value("SELECT count(*) FROM df.instances WHERE status IN ('pending', 'running')")


@suite.test
def more_executors_than_processes(cluster):
    """Sixteen executors are allowed and eight processes exist: forty long steps all complete."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.done (n int)")
        session.execute("SELECT df.start(format('INSERT INTO alice.done SELECT %s FROM pg_sleep(0.5)', n)) "
                        "FROM generate_series(1, 40) n")
        wait_until(lambda: session.value("SELECT count(*) FROM alice.done") == 40, 60, "forty effects")
        wait_until(lambda: live(cluster) == 0, 10, "all have ended")
        same(session.query("SELECT status, count(*) FROM df.instances GROUP BY 1"), [("completed", 40)])


@suite.test
def parallel_queries_take_the_processes(cluster):
    """While parallel queries hold worker processes, steps still complete."""
    cluster.psql("""CREATE TABLE public.big AS SELECT n FROM generate_series(1, 300000) n; ANALYZE public.big;
        GRANT SELECT ON public.big TO PUBLIC""")
    clients = [cluster.connect() for _ in range(3)]
    try:
        for client in clients:
            client.execute("SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; "
                           "SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 4")
            client.send("SELECT count(*) FROM public.big a WHERE md5(repeat(a.n::text, 200)) = 'x'")
        with cluster.connect(user="bob") as session:
            instances = [start(session, "'SELECT pg_sleep(0.1)' ~> 'SELECT %d'" % n) for n in range(20)]
            for instance in instances:
                same(settle(session, instance, 60), "completed")
        for client in clients:
            client.finish(120)
    finally:
        for client in clients:
            client.close()


@suite.test
def many_roles(cluster):
    """Thirty roles at once on eight processes: each role's work completes."""
    names = ["role_%d" % n for n in range(30)]
    cluster.psql("SET client_min_messages = error;" + "".join(
        "CREATE ROLE {0} LOGIN; SELECT df.grant_usage('{0}');".format(name) for name in names))
    sessions = [cluster.connect(user=name) for name in names]
    try:
        instances = [start(s, "'SELECT current_user::text' ~> 'SELECT pg_sleep(0.05)'") for s in sessions]
        for session, instance in zip(sessions, instances):
            same(settle(session, instance, 90), "completed")
    finally:
        for session in sessions:
            session.close()


@suite.test
def limits_on_executors(cluster):
    """pg_durable.max_executors_per_role bounds a role's executors; the work queues and completes."""
    cluster.configure(**{"pg_durable.max_executors_per_role": "2", "max_worker_processes": "16"})
    cluster.restart()
    with cluster.connect(user="alice") as session:
        session.execute("TRUNCATE alice.done")
        session.execute("SELECT df.start(format('INSERT INTO alice.done SELECT %s FROM pg_sleep(0.2)', n)) "
                        "FROM generate_series(1, 12) n")
        most = 0
        while live(cluster):
            most = max(most, len(cluster.processes("durable executor")))
            time.sleep(0.02)
        same(session.value("SELECT count(*) FROM alice.done"), 12)
        if most > 2:
            raise AssertionError("%d executors of one role" % most)


@suite.test
def waiting_steps_do_not_block(cluster):
    """Steps that would wait for other instances get an error instead of holding the slot that those need."""
    with cluster.connect(user="alice") as session:
        instances = [start(session, "'SELECT df.start(''SELECT 1'')' |=> 'child' ~> 'SELECT df.await_instance($child)'")
                     for _ in range(6)]
        for instance in instances:
            same(settle(session, instance, 60), "failed")
        wait_until(lambda: live(cluster) == 0, 30, "the children have ended")


@suite.test
def one_role_cannot_starve_another(cluster):
    """With every slot that one role may have asleep, another role's steps begin at once: with the default limits."""
    cluster.configure(max_worker_processes="8", **{
        "pg_durable.max_executors_per_role": "0", "pg_durable.max_executors": "0"})
    cluster.restart()
    with cluster.connect(user="mallory") as session:
        session.execute("SELECT df.start('SELECT pg_sleep(60)') FROM generate_series(1, 30)")
    wait_until(lambda: cluster.value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'durable executor' "
                                     "AND query LIKE '%pg_sleep(60)%'") == 2, 10, "mallory has what one may have")
    with cluster.connect(user="bob") as session:
        at_once(session, "bob")
    with cluster.connect(user="mallory") as session:
        session.execute("SELECT df.cancel(id) FROM df.instances WHERE status IN ('pending', 'running')")
    wait_until(lambda: live(cluster) == 0, 30, "mallory's work is gone")


@suite.test
def given_up_between_branches(cluster):
    """An executor that gives its place up after it has turned to another branch leaves that one to somebody."""
    with cluster.connect(user="alice") as session:
        for operator in "|&":
            session.execute("""SELECT df.start('SELECT pg_sleep(0.06)' ~> ('SELECT pg_sleep(0.15)' %s
                'SELECT pg_sleep(0.16)') ~> 'SELECT 2', 'given up') FROM generate_series(1, 40)""" % operator)
            wait_until(lambda: session.value("SELECT count(*) FROM df.instances WHERE status <> 'completed' "
                                             "AND label = 'given up'") == 0, 40,
                       "all complete without anybody's sweep")


suite.main()
