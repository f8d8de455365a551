#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""`make bench`: rate, latency and cost of durable steps beside pgbench with the same bare statement, in one run.

The server is private, with the default durability (fsync on). Numbers of one run compare with each other; between
machines only the ratios do. Options: --quick for a tenth of everything.
"""
import os
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from cluster import Cluster, wait_until  # noqa: E402
from suite import prepare, run, settle  # noqa: E402

QUICK = "--quick" in sys.argv
STEPS = 20
SETTINGS = {"max_connections": "100", "shared_buffers": "256MB", "max_wal_size": "4GB", "checkpoint_timeout": "30min",
            "autovacuum": "off", "wal_level": "replica", "full_page_writes": "on", "log_min_messages": "warning"}
ROWS = []


def row(what, ours, bare=None, unit="", original="", wanted=""):
    ROWS.append((what, ours, bare, unit, original, wanted))
    print("  %-44s %s %s" % (what, number(ours), unit), flush=True)


def number(value):
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return "%.2f" % value if value < 10 else "%.1f" % value if value < 100 else "{:,.0f}".format(value)


def pgbench(cluster, clients, seconds):
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write("INSERT INTO alice.effects VALUES (1);\n")
        script.flush()
        text = subprocess.check_output(
            [os.path.join(cluster.bin, "pgbench"), "-n", "-M", "simple", "-c", str(clients), "-j", str(min(clients, 2)),
             "-T", str(int(seconds)), "-f", script.name, *cluster.address("alice")[:6], "postgres"],
            text=True, stderr=subprocess.DEVNULL)
    return float(re.search(r"tps = ([0-9.]+)", text).group(1))


LIVE = "SELECT (SELECT count(*) FROM df_internal.instances) - (SELECT count(*) FROM df_internal.ended)"


def drained(cluster, what):
    """Wait until every instance has ended."""
    with cluster.connect() as session:
        wait_until(lambda: session.value(LIVE) == 0, 600, what, 0.02)


def one_chain(cluster):
    """Steps/s of one instance of 20 INSERTs, from before its start to its seen end; the median of 20."""
    graph = " ~> ".join(["'INSERT INTO alice.effects VALUES (1)'"] * STEPS)
    rates = []
    with cluster.connect(user="alice") as session:
        for _ in range(20):
            begin = time.monotonic()
            instance = session.value("SELECT df.start(%s)" % graph)
            session.value("SELECT df.await_instance($1)", instance)
            rates.append(STEPS / (time.monotonic() - begin))
    return sorted(rates)[10]


def chains(cluster, count):
    """Steps/s of `count` instances of 20 INSERTs each, from the first start's commit to the last end."""
    graph = " ~> ".join(["'INSERT INTO alice.effects VALUES (1)'"] * STEPS)
    with cluster.connect(user="alice") as session:
        run(session, "'SELECT 1'")
        before = cost(cluster)
        begin = cluster.value("SELECT extract(epoch FROM clock_timestamp())::float8")
        session.execute("WITH g AS MATERIALIZED (SELECT %s AS graph) SELECT df.start(graph) FROM g, "
                        "generate_series(1, %d)" % (graph, count))
        drained(cluster, "%d chains" % count)
        took = cluster.value("SELECT extract(epoch FROM max(at))::float8 FROM df_internal.ended") - begin
    return count * STEPS / took, [(a - b) / (count * STEPS) for a, b in zip(cost(cluster), before)]


def cost(cluster):
    """Commits, WAL bytes and bytes of the engine's tables so far."""
    with cluster.connect() as session:
        session.execute("SELECT pg_stat_force_next_flush()")
        time.sleep(1.2)
        return session.query("""
            SELECT (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()),
                   (pg_current_wal_insert_lsn() - '0/0')::float8,
                   (SELECT sum(pg_total_relation_size(c.oid))::float8 FROM pg_class c
                     WHERE c.relnamespace = 'df_internal'::regnamespace AND c.relkind = 'r')""")[0]


def bare_cost(cluster, count):
    """WAL bytes of the bare INSERT, to subtract from a step's."""
    before = cost(cluster)
    with cluster.connect(user="alice") as session:
        for _ in range(count):
            session.execute("INSERT INTO alice.effects VALUES (1)")
    return [(a - b) / count for a, b in zip(cost(cluster), before)]


def latency(cluster, count):
    """Milliseconds from just before the commit of df.start to the first step's clock_timestamp()."""
    delays = []
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TEMP TABLE sent (at float8)")
        for _ in range(count):
            session.execute("DELETE FROM sent")
            session.execute("BEGIN")
            instance = session.value("SELECT df.start('SELECT extract(epoch FROM clock_timestamp())::float8 AS at')")
            # The commit is sent in the same message, so that no client lies between the two.
            session.execute("INSERT INTO sent SELECT extract(epoch FROM clock_timestamp()); COMMIT")
            settle(session, instance)
            at = float(session.value("SELECT df.result($1)::jsonb->'rows'->0->>'at'", instance))
            delays.append((at - session.value("SELECT at FROM sent")) * 1000)
    delays.sort()
    return delays[len(delays) // 2], delays[int(len(delays) * 0.99)]


def starts(cluster, count):
    with cluster.connect(user="alice") as session:
        begin = time.monotonic()
        session.execute("SELECT df.start('SELECT 1') FROM generate_series(1, %d)" % count)
        rate = count / (time.monotonic() - begin)
    drained(cluster, "the started instances")
    return rate


def idle(cluster, seconds):
    """Transactions/s and WAL bytes/s while nothing is to be done, without those of the watching session."""
    cluster.psql("CHECKPOINT")
    time.sleep(3)
    with cluster.connect() as session:
        look = ("SELECT pg_stat_force_next_flush(), (pg_current_wal_insert_lsn() - '0/0')::float8, "
                "(SELECT sum(xact_commit + xact_rollback)::float8 FROM pg_stat_database)")
        session.query(look)
        time.sleep(1.2)
        first = session.query(look)[0]
        time.sleep(seconds)
        second = session.query(look)[0]
    return max(0, second[2] - first[2] - 1) / seconds, (second[1] - first[1]) / seconds


def table():
    heads = ("", "ours", "pgbench", "ratio", "unit", "original", "wanted")
    lines = [heads]
    for what, ours, bare, unit, original, wanted in ROWS:
        ratio = "%.2f" % (ours / bare) if bare else ""
        lines.append((what, number(ours), number(bare), ratio, unit, original, wanted))
    widths = [max(len(line[c]) for line in lines) for c in range(len(heads))]
    for line in lines:
        print("  ".join(cell.ljust(w) if c in (0, 4, 5, 6) else cell.rjust(w)
                        for c, (cell, w) in enumerate(zip(line, widths))).rstrip())


def main():
    scale = 10 if QUICK else 1
    with Cluster("bench", SETTINGS) as cluster:
        prepare(cluster)
        cluster.psql("CREATE TABLE alice.effects (n int)", user="alice")
        pgbench(cluster, 1, 1)
        print("measuring", flush=True)
        one, four = pgbench(cluster, 1, 10 / scale), pgbench(cluster, 4, 10 / scale)
        row("steps/s, 1 chain of 20 INSERTs", one_chain(cluster), one, "steps/s", "1.8")
        # A fifth of a second each: the median of five.
        rate = sorted(chains(cluster, 50)[0] for _ in range(5))[2]
        row("steps/s, 50 chains", rate, four, "steps/s", "24", ">= 1.0 x pgbench at 4")
        rate, per_step = chains(cluster, 500 // scale)
        row("steps/s, %d chains" % (500 // scale), rate, four, "steps/s", "", ">= 1.0 x pgbench at 4")
        bare = bare_cost(cluster, 2000 // scale)
        row("commits per step", per_step[0], None, "", "36", "1")
        row("WAL per step, without the INSERT's own", per_step[1] - bare[1], None, "bytes", "27,000", "< 500")
        row("tables and indexes per step", per_step[2], None, "bytes", "9,000", "< 200")
        p50, p99 = latency(cluster, 500 // scale)
        row("commit of df.start to first step, p50", p50, None, "ms", "463", "< 1")
        row("commit of df.start to first step, p99", p99, None, "ms")
        row("df.start ... FROM generate_series", starts(cluster, 100000 // scale), None, "starts/s", "512", "> 10,000")
        transactions, wal = idle(cluster, 20 / (2 if QUICK else 1))
        row("idle: transactions", transactions, None, "per s", "40", "0")
        row("idle: WAL", wal, None, "bytes/s", "", "0")
        print("\npgbench: %s tps at 1 client, %s at 4; fsync %s; %d CPUs\n" % (
            number(one), number(four), cluster.value("SHOW fsync"), os.cpu_count()))
        table()


main()
