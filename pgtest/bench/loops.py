#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""`make bench-loops`: an endless loop without a pause, N iterations of it (a million without N).

Prints, for each twentieth, the time per iteration and the sizes of the engine's tables and indexes. Then a second,
young loop runs beside the old one. Fails when the old one is more than 20 % slower than the young one in the same
seconds, so that what else the machine does hits both, or when the tables are larger in the second half than in the
first. Autovacuum looks every ten seconds: what it finds is what has happened since it looked. `--names` gives the loop
a step before it, so that names are kept from one iteration to the next; `--join` a join of two arms in its body.
"""
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from cluster import Cluster, wait_until  # noqa: E402
from suite import prepare, settle  # noqa: E402

SETTINGS = {"shared_buffers": "256MB", "max_wal_size": "4GB", "pg_durable.loop_min_interval": "0",
            "autovacuum_naptime": "10s"}
GRAPHS = {
    "": "df.loop('SELECT 1')",
    "--names": "'SELECT 1' ~> df.loop('SELECT 2 AS n' |=> 'kept')",
    "--join": "df.loop('SELECT 1' & 'SELECT 2')",
}
SIZES = """
    SELECT c.relname, pg_relation_size(c.oid)::int8 FROM pg_class c
     WHERE c.relnamespace = 'df_internal'::regnamespace AND c.relkind IN ('r', 'i')
       AND c.relname IN ('journal', 'journal_pkey', 'active', 'active_pkey', 'timers', 'timers_pkey')"""
# Entries are numbered for ever, whatever is compacted away.
ITERATIONS = """
    SELECT (SELECT max(number) FROM df_internal.journal j WHERE j.instance = i.id AND kind = 9)
      FROM df_internal.instances i WHERE public_id = $1"""
BOTH = """
    SELECT (SELECT max(number) FROM df_internal.journal j WHERE j.instance = i.id AND kind = 9)
      FROM df_internal.instances i WHERE public_id IN ($1, $2) ORDER BY public_id = $2"""
SLOWER_MAX, LARGER_MAX = 1.2, 1.2
# What the iterations of twenty seconds leave, at the fastest; a million leave 120 MB.
SLACK_BYTES = 24e6


def processor_seconds(watcher):
    """Processor time of the executors so far: what other work on the machine does to the clock is not in it."""
    total = 0.0
    for (pid,) in watcher.query("SELECT pid FROM pg_stat_activity WHERE backend_type = 'durable executor'"):
        try:
            with open("/proc/%d/stat" % pid) as file:
                fields = file.read().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except OSError:
            pass
    return total


def measure(cluster, graph, count, every=20, say=lambda line: None, slices=0):
    """Runs `count` iterations of `graph`; the samples (seconds, iterations, bytes by table, seconds of processor) at
    each part of `every`, and how much slower the loop then is than a young one beside it (`slices` comparisons)."""
    samples = []
    with cluster.connect(user="alice") as session, cluster.connect() as watcher:
        instance = session.value("SELECT df.start(%s)" % graph)
        begin = time.monotonic()
        mark = 0
        while mark < count:
            mark += max(count // every, 1)

            def reached():
                done = watcher.value(ITERATIONS, instance)
                return done is not None and done >= mark and done
            done = wait_until(reached, 7200, "iteration %d" % mark, 0.02)
            sizes = dict(watcher.query(SIZES))
            samples.append((time.monotonic() - begin, done, sizes, processor_seconds(watcher)))
            before = samples[-2] if len(samples) > 1 else (0.0, 0, {}, 0.0)
            say("%10d iterations  %7.1f us each  %6.1f us of processor  journal %6.1f MB  its key %6.1f MB" % (
                done, *(1e6 * (samples[-1][i] - before[i]) / max(done - before[1], 1) for i in (0, 3)),
                sizes["journal"] / 1e6, sizes["journal_pkey"] / 1e6))
        slower = beside_a_young_one(session, watcher, graph, instance, slices) if slices else None
        session.value("SELECT df.cancel($1)", instance)
        settle(session, instance)
    return samples, slower


def beside_a_young_one(session, watcher, graph, old, slices):
    """How often a new loop comes round while `old` does once: the median over `slices` of half a second."""
    young = session.value("SELECT df.start(%s)" % graph)
    try:
        wait_until(lambda: (watcher.value(ITERATIONS, young) or 0) > 500, 60, "the young loop's first iterations")
        ratios, (last_old, last_young) = [], both(watcher, old, young)
        while len(ratios) < slices:
            # Long enough for a hundred iterations of each, however busy the machine is.
            time.sleep(0.5)
            wait_until(lambda: min(n - m for n, m in zip(both(watcher, old, young), (last_old, last_young))) > 100, 60,
                       "a hundred iterations of both loops")
            now_old, now_young = both(watcher, old, young)
            ratios.append((now_young - last_young) / (now_old - last_old))
            last_old, last_young = now_old, now_young
        return sorted(ratios)[len(ratios) // 2]
    finally:
        session.value("SELECT df.cancel($1)", young)
        settle(session, young)


def both(watcher, old, young):
    """The numbers of the last iterations of the two, as one snapshot has them."""
    return [row[0] for row in watcher.query(BOTH, old, young)]


def tenths(samples, clock):
    """Microseconds per iteration in the first and the last tenth, by the samples' column `clock`."""
    tenth = max(len(samples) // 10, 1)

    def pace(a, b):
        return 1e6 * (b[clock] - a[clock]) / (b[1] - a[1])
    # The first iterations wait for the executor to start.
    return pace(samples[0], samples[tenth]), pace(samples[-1 - tenth], samples[-1])


def main():
    shape = next((a for a in sys.argv[1:] if a in GRAPHS), "")
    count = next((int(a) for a in sys.argv[1:] if a.isdigit()), 1_000_000)
    with Cluster("bench-loops", SETTINGS) as cluster:
        prepare(cluster)
        samples, slower = measure(cluster, GRAPHS[shape], count, say=lambda line: print(line, flush=True), slices=41)
        for what, clock in (("", 0), (" of processor", 3)):
            first, last = tenths(samples, clock)
            print("first tenth %.1f us%s, last tenth %.1f us per iteration (%+.1f %%)" % (
                first, what, last, 100 * (last / first - 1)))
        print("beside a young loop: %.2f times as long per iteration" % slower)
        sizes = [sum(sample[2].values()) for sample in samples]
        early, late = max(sizes[:len(sizes) // 2]), max(sizes[len(sizes) // 2:])
        print("all tables and keys %.1f MB at most in the first half, %.1f MB in the second" % (
            early / 1e6, late / 1e6))
    if slower > SLOWER_MAX:
        raise SystemExit("iteration %d takes more than %g times as long as a young loop's" % (count, SLOWER_MAX))
    if late > max(LARGER_MAX * early, SLACK_BYTES):
        raise SystemExit("the tables grow with the number of iterations")


if __name__ == "__main__":
    main()
