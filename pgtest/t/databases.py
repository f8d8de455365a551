#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Many databases in one cluster, more than there are places for in shared memory; broken ones and templates.

Covers I9, I39, I46 and P10 of docs/traps.md. The table of databases has four places here, and nothing else is small.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from suite import PgError, Suite, has, prepare, same, settle, start, wait_until  # noqa: E402

# The server says at this level that it starts a worker.
suite = Suite(log_min_messages="debug1", **{"pg_durable.max_databases": "4", "pg_durable.executor_idle_timeout": "100"})
NAMES = ["many%d" % n for n in range(10)]


def prepare_more(cluster):
    """Ten databases with the extension."""
    prepare(cluster)
    cluster.execute("CREATE DATABASE pattern")
    cluster.execute("CREATE EXTENSION pg_durable; SELECT df.grant_usage('alice')", db="pattern")
    for name in NAMES:
        cluster.execute("CREATE DATABASE %s TEMPLATE pattern" % name)
        # A copy does nothing before it is told that it is a database of its own.
        cluster.execute("SELECT df.adopt()", db=name)
    cluster.execute("DROP DATABASE pattern")


suite.prepare = prepare_more


def begin(cluster, name, graph):
    with cluster.connect(user="alice", db=name) as session:
        return start(session, graph)


def ends(cluster, name, instance, seconds=30):
    with cluster.connect(user="alice", db=name) as session:
        same(settle(session, instance, seconds), "completed", name)


def schedulers_started(cluster):
    return cluster.text().count('starting background worker process "durable scheduler"')


def is_quiet(cluster):
    started = schedulers_started(cluster)
    time.sleep(2)
    return schedulers_started(cluster) == started


@suite.test
def more_than_places(cluster):
    """Each of ten databases is served in turn, again after a restart, and whatever prepared transactions there were."""
    for restart in (False, True):
        if restart:
            cluster.restart()
        for name in NAMES:
            ends(cluster, name, begin(cluster, name, "'SELECT 1' ~> 'SELECT 2'"))
    with cluster.connect(user="alice", db=NAMES[0]) as session:
        session.execute("BEGIN; SELECT df.start('SELECT 3'); PREPARE TRANSACTION 'left'")
    for name in NAMES[1:]:
        ends(cluster, name, begin(cluster, name, "'SELECT 1'"))
    with cluster.connect(user="alice", db=NAMES[0]) as session:
        session.execute("COMMIT PREPARED 'left'")
        wait_until(lambda: session.value("SELECT count(*) FROM df.instances WHERE status <> 'completed'") == 0, 20,
                   "what was prepared runs")


@suite.test
def places_of_databases_that_only_steps_visit(cluster):
    """A database without the extension in which steps of others run keeps no place once they have left."""
    plain = ["plain%d" % n for n in range(5)]
    for name in plain:
        cluster.execute("CREATE DATABASE %s" % name)
    with cluster.connect(user="alice") as session:
        for name in plain:
            instance = session.value("SELECT df.start('SELECT 1', NULL, $1)", name)
            same(settle(session, instance), "completed", name)
    for name in NAMES:
        ends(cluster, name, begin(cluster, name, "df.sleep(1) ~> 'SELECT 1'"), 15)
    for name in plain:
        cluster.execute("DROP DATABASE %s" % name)


@suite.test
def all_places_in_use(cluster):
    """Who finds no place waits, one warning says so and names the setting, nothing is tried over and over; then all
    that waits is served, whoever came last too."""
    before = len(cluster.text())
    sleepers = [(name, begin(cluster, name, "df.sleep(600)")) for name in NAMES[:4]]
    waiting = [(name, begin(cluster, name, "'SELECT 1'")) for name in NAMES[4:]]
    warning = "durable work waits in more databases than pg_durable.max_databases"
    wait_until(lambda: warning in cluster.text()[before:], 20, "the warning")
    wait_until(lambda: is_quiet(cluster), 10, "no scheduler is started any more")
    same(cluster.text()[before:].count("WARNING:  " + warning), 1)
    has(cluster.text()[before:], "Set pg_durable.max_databases higher")
    name, instance = sleepers[0]
    with cluster.connect(user="alice", db=name) as session:
        session.value("SELECT df.cancel($1)", instance)
    for name, instance in waiting:
        ends(cluster, name, instance, 60)
    for name, instance in sleepers[1:]:
        with cluster.connect(user="alice", db=name) as session:
            session.value("SELECT df.cancel($1)", instance)


@suite.test
def invalid_database(cluster):
    """What an interrupted DROP DATABASE leaves is not looked into, neither after a restart nor for work it held."""
    begin(cluster, NAMES[0], "df.sleep(2)")
    cluster.execute("UPDATE pg_database SET datconnlimit = -2 WHERE datname = '%s'" % NAMES[0])
    time.sleep(3)
    wait_until(lambda: is_quiet(cluster), 30, "no scheduler is started any more")
    cluster.restart()
    ends(cluster, NAMES[1], begin(cluster, NAMES[1], "'SELECT 1'"))
    wait_until(lambda: is_quiet(cluster), 30, "no scheduler is started any more, after a restart")
    if "cannot connect to invalid database" in cluster.text():
        raise AssertionError("it was connected to")
    cluster.execute("DROP DATABASE %s" % NAMES[0])


@suite.test
def template_database(cluster):
    """A template is left to those who copy it, who need not own it; its work waits, and goes on when it is none."""
    cluster.execute("ALTER ROLE bob CREATEDB")
    name = NAMES[1]
    ends(cluster, name, begin(cluster, name, "'SELECT 1'"))
    cluster.execute("ALTER DATABASE %s IS_TEMPLATE true" % name)
    served = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND backend_type LIKE 'durable%'"
    wait_until(lambda: cluster.value(served, name) == 0, 10, "its workers leave")
    instance = begin(cluster, name, "'SELECT 1'")
    asleep = begin(cluster, name, "df.sleep(1) ~> 'SELECT 1'")
    time.sleep(2)
    for copy in range(3):
        cluster.execute("CREATE DATABASE copied TEMPLATE %s" % name, user="bob")
        cluster.execute("DROP DATABASE copied", user="bob")
    same(cluster.value("SELECT df.status($1)", instance, user="alice", db=name), "pending")
    has(cluster.text(), "The database is a template")
    cluster.execute("ALTER DATABASE %s IS_TEMPLATE false" % name)
    ends(cluster, name, instance)
    ends(cluster, name, asleep)


@suite.test
def steps_in_a_template(cluster):
    """A step of another database's instance runs in a template all the same, and its session does not stay there."""
    with cluster.connect(user="alice") as session:
        instance = session.value("SELECT df.start('SELECT current_database() AS d', database => 'template1')")
        same(settle(session, instance), "completed")
    wait_until(lambda: cluster.value("SELECT count(*) FROM pg_stat_activity WHERE datname = 'template1'") == 0, 2,
               "nobody is there")
    begin_create = time.monotonic()
    cluster.execute("CREATE DATABASE at_once", user="bob")
    if time.monotonic() - begin_create > 3:
        raise AssertionError("CREATE DATABASE waited")


@suite.test
def many_renamed_at_once(cluster):
    """A transaction that renames ten databases sends the workers of each away."""
    for name in NAMES[1:]:
        ends(cluster, name, begin(cluster, name, "'SELECT 1'"))
    with cluster.connect() as session:
        session.execute("BEGIN")
        try:
            for name in NAMES[1:]:
                session.execute("ALTER DATABASE %s RENAME TO %s" % (name, name.replace("many", "very")))
        except PgError as error:
            raise AssertionError("%s: %s" % (name, error)) from None
        session.execute("ROLLBACK")


suite.main()
