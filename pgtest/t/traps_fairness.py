#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
# alone
"""No role starves another, and large numbers cost what they should, with the smallest ready set there can be.

Covers I41, I60, S9, S30-S36 of docs/traps.md. `make bench-starts` has the numbers of S9: a million, and 100,000.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from latency import at_once  # noqa: E402
from suite import Suite, same, wait_until  # noqa: E402

suite = Suite(autovacuum="off", checkpoint_timeout="30min", max_wal_size="4GB", **{
    "pg_durable.ready_queue_size": "1024"})


@suite.test
def half_rolled_back(cluster):
    """20,000 starts in savepoints, half of them rolled back: exactly the other half run."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.kept (n int)")
        session.execute("""DO $do$ BEGIN
            FOR n IN 1 .. 20000 LOOP
                BEGIN
                    PERFORM df.start('INSERT INTO alice.kept VALUES (1)');
                    IF n % 2 = 0 THEN RAISE division_by_zero; END IF;
                EXCEPTION WHEN division_by_zero THEN NULL;
                END;
            END LOOP;
        END $do$""")
        wait_until(lambda: session.value("SELECT count(*) FROM alice.kept") >= 10000, 120, "10,000 effects", 0.2)
        wait_until(lambda: cluster.value("SELECT count(*) FROM df_internal.active") == 0, 30, "nothing is ready", 0.2)
        same(session.value("SELECT count(*) FROM alice.kept"), 10000)
        same(cluster.value("SELECT count(*) FROM df_internal.instances"), 10000)


@suite.test
def others_start_at_once(cluster):
    """One role with 100,000 ready instances: another role's `SELECT 1` starts at once."""
    with cluster.connect(user="mallory") as session:
        begin = time.monotonic()
        session.execute("SELECT df.start('SELECT pg_sleep(0.001)') FROM generate_series(1, 100000)")
        print("    %.0f starts/s" % (100000 / (time.monotonic() - begin)))
    with cluster.connect(user="bob") as session:
        at_once(session, "bob")
    still = cluster.value("SELECT count(*) FROM df_internal.active")
    print("    %d of mallory's were still ready" % still)
    if still < 10000:
        raise AssertionError("mallory's work was over too soon for the test to mean anything")


@suite.test
def more_roles_than_queues(cluster):
    """Work of 700 roles, more than there are queues for, is done, also what came when all queues were in use."""
    cluster.execute("SET client_min_messages = warning; DO $$ BEGIN FOR n IN 1..700 LOOP "
                    "EXECUTE format('CREATE ROLE many%s LOGIN; GRANT alice TO many%s', n, n); "
                    "PERFORM df.grant_usage('many' || n); END LOOP; END $$")
    with cluster.connect() as session:
        # One transaction: the works of all are pushed at once.
        session.execute("BEGIN")
        for n in range(1, 701):
            session.execute("SET LOCAL SESSION AUTHORIZATION many%d; SELECT df.start('SELECT 1')" % n)
        session.execute("COMMIT")
    session = cluster.connect()
    left = "SELECT count(*) FROM df.instances WHERE submitted_by::text LIKE 'many%' AND status <> 'completed'"
    wait_until(lambda: session.value(left) == 0, 120, "all are done")
    session.close()


@suite.test
def no_restart(cluster):
    """All that without a restart of the server, and the hundred thousand go on."""
    same(cluster.crashes(), 0)
    before = cluster.value("SELECT count(*) FROM df_internal.ended")
    wait_until(lambda: cluster.value("SELECT count(*) FROM df_internal.ended") > before, 10, "mallory's work goes on")


suite.main()
