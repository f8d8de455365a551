#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Cancels that come when it is too late: what is committed is recorded as such, and what cannot be undone is committed.

A library of the tests' own sends them at the exact moment: when CREATE DATABASE has done its work, when the duration
of a committed step goes to the log. Covers I10, I29, I30 of docs/traps.md.
"""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cluster import CHECKOUT, pg_config  # noqa: E402
from elsewhere import make_target, run as run_elsewhere  # noqa: E402
from standby import commits_held  # noqa: E402
from suite import PgError, Suite, prepare, run, same, settle, start, wait_until  # noqa: E402

suite = Suite(**{"pg_durable.cross_database": "'at_least_once'"})


def prepare_more(cluster):
    """Sessions of alice's may cancel themselves; she may create databases."""
    library = os.path.join(cluster.home, "late_cancel.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, "-I" + pg_config("--includedir-server"),
                    os.path.join(CHECKOUT, "pgtest", "lib", "late_cancel.c")], check=True)
    os.chmod(library, 0o755)
    prepare(cluster)
    make_target(cluster, "other")
    cluster.execute("ALTER ROLE alice CREATEDB; ALTER ROLE alice SET session_preload_libraries = '%s';"
                    "CREATE TABLE alice.effects (n int); GRANT ALL ON alice.effects TO alice" % library)
    cluster.execute("CREATE TABLE alice.effects (n int); GRANT ALL ON alice.effects TO alice", db="other")


suite.prepare = prepare_more


def cancelled_at(cluster, moment, database=None):
    """From the next session of alice's on: here, or in `database`, since each statement of a step counts."""
    cluster.execute("ALTER ROLE alice IN DATABASE %s SET late_cancel.at = '%s'" % (database or "postgres", moment))


def never(cluster):
    for database in ("postgres", "other"):
        cluster.execute("ALTER ROLE alice IN DATABASE %s RESET late_cancel.at" % database)


@suite.test
def committed_step(cluster):
    """A cancel while the duration of a committed step is logged fails nothing: the effect is there, and recorded."""
    cluster.execute("ALTER ROLE alice SET log_min_duration_statement = 0")
    cancelled_at(cluster, "duration:")
    with cluster.connect(user="alice", options="-c late_cancel.at=") as session:
        run(session, "'INSERT INTO alice.effects VALUES (1)' ~> 'INSERT INTO alice.effects VALUES (2)'")
        same(cluster.query("SELECT n, count(*) FROM alice.effects GROUP BY n ORDER BY n"), [(1, 1), (2, 1)])
    never(cluster)


@suite.test
def committed_step_elsewhere(cluster):
    """So it is with a step in another database, whichever way it is committed."""
    for number, mode in enumerate(("at_least_once", "exactly_once")):
        cluster.reload(**{"pg_durable.cross_database": mode})
        wait_until(lambda: cluster.value("SHOW pg_durable.cross_database") == mode, 10, "the setting is read")
        cancelled_at(cluster, "duration:", "other")
        with cluster.connect(user="alice", options="-c late_cancel.at=") as session:
            run_elsewhere(session, "'INSERT INTO alice.effects VALUES (%d)'" % number)
        same(cluster.value("SELECT count(*) FROM alice.effects WHERE n = $1", number, db="other"), 1)
    same(cluster.value("SELECT count(*) FROM pg_prepared_xacts"), 0)
    never(cluster)
    cluster.execute("ALTER ROLE alice RESET log_min_duration_statement")
    cluster.reload(**{"pg_durable.cross_database": "at_least_once"})


def directories(cluster):
    return sorted(int(name) for name in os.listdir(os.path.join(cluster.data, "base")) if name.isdigit())


def databases(cluster):
    return sorted(row[0] for row in cluster.query("SELECT oid::int8 FROM pg_database"))


@suite.test
def what_rollback_does_not_undo(cluster):
    """CREATE and DROP DATABASE that were cancelled in their last moment are committed, here and elsewhere."""
    for home in (True, False):
        cancelled_at(cluster, "utility", None if home else "other")
        with cluster.connect(user="alice", options="-c late_cancel.at=") as session:
            for step in ("CREATE DATABASE made", "DROP DATABASE made"):
                if home:
                    run(session, "'%s'" % step)
                else:
                    run_elsewhere(session, "'%s'" % step)
                same(directories(cluster), databases(cluster), step)
        never(cluster)


@suite.test
def wait_for_a_standby(cluster):
    """Such a cancel does not end the commit's wait for a standby either: it ends when the standby is there."""
    cancelled_at(cluster, "utility")
    with cluster.connect(user="alice", options="-c late_cancel.at=") as session:
        instance = start(session, "'CREATE DATABASE replicated'")
        same(settle(session, instance), "completed")
        session.execute("DROP DATABASE replicated")
        session.execute("SET synchronous_commit = local")
        before = len(cluster.text())
        with commits_held(cluster):
            instance = start(session, "'CREATE DATABASE replicated'")
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE 'CREATE%'"
            wait_until(lambda: cluster.value(waiting) == 1, 20, "the commit waits")
            time.sleep(1)
            same(cluster.value(waiting), 1)
        same(settle(session, instance), "completed")
        if "canceling wait for synchronous replication" in cluster.text()[before:]:
            raise AssertionError("the wait was cancelled")
    never(cluster)


@suite.test
def a_message_of_ours(cluster):
    """A cancel that comes while a message of ours is logged is answered, as if it had come a moment later."""
    with cluster.connect(user="alice", options="-c late_cancel.at=") as session:
        instance = start(session, "df.sleep(20)")
        session.execute("SET late_cancel.at = 'df.wait_for_completion() is deprecated'")
        begin = time.monotonic()
        try:
            session.value("SELECT df.wait_for_completion($1, 10)", instance)
            raise AssertionError("it was not cancelled")
        except PgError as error:
            same(error.sqlstate, "57014")
        if time.monotonic() - begin > 2:
            raise AssertionError("after %.1f s" % (time.monotonic() - begin))
        session.execute("SET late_cancel.at = ''")
        session.value("SELECT df.cancel($1)", instance)


suite.main()
