#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""How long df.start takes in an empty table and beside N million instances: `ids.py [N]` (10 without N).

The rows are ended instances of another role with ids of eight digits, spread as random ones are; they are written with
INSERT, not started, and indexed afterwards, for a hundred million of them would take hours otherwise. Prints the median
time of a start in batches of 2,000 that are rolled back, before and after, by the clock and of processor, and how many
of the new ids are longer than eight digits.
"""
import os
import statistics
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from cluster import Cluster  # noqa: E402
from suite import prepare  # noqa: E402

SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "8GB", "checkpoint_timeout": "30min", "wal_level": "minimal",
            "max_wal_senders": "0", "pg_durable.enabled": "off", "autovacuum": "off"}
BATCH = 2000
# Multiplied by an odd number, modulo a power of two, no two are the same.
FILL = """
    INSERT INTO df_internal.instances (id, graph, home, created_at, role, started_by, format, public_id, role_name)
    SELECT -n, 0, home.stamp, now() - n * interval '1 ms', 'bob'::regrole, 'bob'::regrole, 1,
           lpad(to_hex((n * 2654435761) %% 4294967296), 8, '0'), 'bob'
      FROM generate_series(%d::int8, %d::int8) n, (SELECT stamp FROM df_internal.home LIMIT 1) home"""


def processor_seconds(session):
    """Of the session's server process: what other work on the machine does to the clock is not in it."""
    with open("/proc/%d/stat" % session.pid) as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start_time(session):
    """Milliseconds per start by the clock (the better half of ten batches) and of processor; how many ids were long."""
    times, longer = [], 0
    used = processor_seconds(session)
    for _ in range(10):
        session.execute("BEGIN")
        begin = time.monotonic()
        longer += session.value("SELECT count(*) FILTER (WHERE length(df.start('SELECT 1')) > 8) "
                                "FROM generate_series(1, %d)" % BATCH)
        times.append((time.monotonic() - begin) / BATCH * 1000)
        session.execute("ROLLBACK")
    used = (processor_seconds(session) - used) / (10 * BATCH) * 1000
    return statistics.median(sorted(times)[:5]), used, longer


def fill(admin, millions):
    """Write the rows, with the table's indexes taken away and made again as they were."""
    indexes = admin.query("SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid), indisprimary FROM pg_index "
                          "WHERE indrelid = 'df_internal.instances'::regclass")
    for name, _, is_primary in indexes:
        admin.execute("ALTER TABLE df_internal.instances DROP CONSTRAINT instances_pkey" if is_primary
                      else "DROP INDEX " + name)
    for million in range(millions):
        admin.execute(FILL % (million * 1_000_000 + 1, (million + 1) * 1_000_000))
    admin.execute("SET maintenance_work_mem = '2GB'")
    for _, definition, is_primary in indexes:
        admin.execute(definition)
        if is_primary:
            admin.execute("ALTER TABLE df_internal.instances ADD PRIMARY KEY USING INDEX instances_pkey")
    admin.execute("VACUUM ANALYZE df_internal.instances")
    admin.execute("CHECKPOINT")


def measure(cluster, millions):
    with cluster.connect(user="alice") as session:
        start_time(session)
        clock, used, longer = start_time(session)
        print("  %3d million instances: %.3f ms per start, %.3f ms of processor; %d of %d ids longer than 8 digits"
              % (millions, clock, used, longer, 10 * BATCH), flush=True)


def main():
    millions = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with Cluster("bench-ids", SETTINGS) as cluster:
        prepare(cluster)
        measure(cluster, 0)
        with cluster.connect() as admin:
            begin = time.monotonic()
            fill(admin, millions)
            print("  filled in %.0f s, %s" % (time.monotonic() - begin, admin.value(
                "SELECT pg_size_pretty(pg_total_relation_size('df_internal.instances'))")), flush=True)
        measure(cluster, millions)


main()
