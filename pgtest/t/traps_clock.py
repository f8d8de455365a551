#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""The clock of the machine is set. Covers I55 of docs/traps.md."""
# long
import os
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cluster import CHECKOUT  # noqa: E402
from suite import Suite, same, settle, start, wait_until  # noqa: E402

suite = Suite(**{"pg_durable.executor_idle_timeout": "'1s'"})


@suite.test
def clock_is_set(cluster):
    """The clock of the machine is set forward by an hour: what is due then fires within the minute, and once."""
    library, hand = (os.path.join(cluster.home, name) for name in ("clock.so", "clock"))
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, os.path.join(CHECKOUT, "pgtest", "lib", "clock.c")],
                   check=True)
    with open(hand, "wb") as file:
        file.write(struct.pack("q", 0))
    os.chmod(library, 0o755)
    os.chmod(hand, 0o644)
    cluster.stop()
    os.environ.update(LD_PRELOAD=library, PGTEST_CLOCK=hand)
    try:
        cluster.start()
    finally:
        os.environ.pop("LD_PRELOAD")
        os.environ.pop("PGTEST_CLOCK")
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.late (n int)")
        instance = start(session, "df.sleep(3000) ~> 'INSERT INTO alice.late VALUES (1)'")
        wait_until(lambda: cluster.value("SELECT count(*) FROM df_internal.timers") == 1, 10, "it sleeps")
        wait_until(lambda: not cluster.query("SELECT FROM pg_stat_activity WHERE backend_type IN "
                                             "('durable scheduler', 'durable executor')"), 20, "the launcher is alone")
        # It is in its long wait.
        time.sleep(1)
        with open(hand, "wb") as file:
            file.write(struct.pack("q", 3600))
        if session.value("SELECT extract(epoch FROM clock_timestamp())::float8") < time.time() + 3000:
            raise AssertionError("the clock is not ahead")
        begin = time.monotonic()
        same(settle(session, instance, 70), "completed")
        print("    it fired %.0f s after the clock was set" % (time.monotonic() - begin))
        same(session.value("SELECT count(*) FROM alice.late"), 1)


suite.main()
