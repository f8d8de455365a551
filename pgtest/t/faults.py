#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""A mixed workload under faults of every kind, promotions of a synchronous standby included.

Goal: chains, joins, timers, signals, loops, conditions, races, requests and steps in another database, each of whose
steps leaves a row that names it, while processes of every kind are killed, ended and interrupted, the server restarts,
and a standby takes over. At the end every function is completed, every effect is there exactly once, every request was
sent at least once and always with the same key, nothing is left over, and after each fault work went on within five
seconds. Method: the faults are drawn from a printed seed (PGTEST_SEED); PGTEST_FAULTS is their number, 27 by default.
"""
# alone
import contextlib
import os
import random
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from elsewhere import make_target  # noqa: E402
from http_suite import peer, prepare_http, worker_of  # noqa: E402
from suite import PgError, Suite, literal, same, wait_until  # noqa: E402

KINDS, BATCH, LIVE_MAX, PAUSE_MAX = 10, 10, 60, 5.0
ELSEWHERE = 9
# What is drawn from; the first 27 in any order, then again. A companion is a session in the other database.
DECK = (["kill -9 " + target for target in ("executor", "executor", "scheduler", "launcher", "client", "http",
                                            "start", "companion")]
        + ["terminate " + target for target in ("executor", "executor", "executor", "scheduler", "launcher",
                                                "start", "companion")]
        + ["SIGTERM " + target for target in ("executor", "scheduler", "launcher", "http")]
        + ["fast restart", "fast restart", "immediate restart", "immediate restart", "immediate restart"]
        + ["promotion"] * 3)
suite = Suite(**{"pg_durable.loop_min_interval": "'50ms'", "max_connections": "60", "wal_level": "replica",
                 "pg_durable.cross_database": "'exactly_once'"})


def prepare_more(cluster):
    prepare_http(cluster)
    make_target(cluster, "other")
    cluster.psql("CREATE TABLE alice.effects (function int, key text)", user="alice", db="other")


suite.prepare = prepare_more


class World:
    """Who is the primary now, who follows it, and what clients know to be committed."""

    def __init__(self, cluster):
        self.primary, self.standby, self.count = cluster, None, 1
        self.problems, self.acknowledged, self.stop = [], set(), threading.Event()
        self.others = []

    def follow(self):
        """Give the primary a standby, and let each commit wait for it."""
        self.count += 1
        self.standby = self.primary.standby("t-faults-%d" % self.count)
        self.others.append(self.standby)
        following = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
        wait_until(lambda: self.primary.value(following) == 1, 30, "the standby follows")
        self.primary.reload(synchronous_standby_names="'*'")
        wait_until(lambda: self.primary.value(following + " AND sync_state = 'sync'") == 1, 10, "commits wait for it")

    def fail_over(self):
        """The primary is gone for good; its standby takes its place."""
        old, self.primary = self.primary, self.standby
        old.stop("immediate")
        self.primary.promote()


# ---- The workload: function `n` is of kind n % KINDS ----

def effect(n, key, nap=0.02):
    return "'INSERT INTO alice.effects SELECT %d, ''%s'' FROM (SELECT pg_sleep(%g)) nap'" % (n, key, nap)


def graph(n):
    def e(key, nap=0.02):
        return effect(n, key, nap)

    kind = n % KINDS
    if kind in (0, ELSEWHERE):
        return " ~> ".join(e("c%d" % i) for i in range(8 if kind == 0 else 3))
    if kind == 1:
        return "%s ~> (%s & (%s ~> %s)) ~> df.join3(%s, %s, %s) ~> %s" % tuple(
            e(key, 0.05) for key in ("a", "b", "c", "d", "e", "f", "g", "h"))
    if kind == 2:
        return "%s ~> df.sleep(1) ~> (%s & (df.sleep(1) ~> %s)) ~> %s" % (e("a"), e("b"), e("c"), e("d"))
    if kind == 3:
        return "%s ~> (df.wait_for_signal('go') |=> 's') ~> %s ~> (df.wait_for_signal('go') |=> 't') ~> %s" % (
            e("a"), "'INSERT INTO alice.effects VALUES (%d, ''s'' || ($s::jsonb->''data''->>''k''))'" % n,
            "'INSERT INTO alice.effects VALUES (%d, ''t'' || ($t::jsonb->''data''->>''k''))'" % n)
    if kind == 4:
        mine = "FROM alice.effects WHERE function = %d'" % n
        return "df.loop('INSERT INTO alice.effects SELECT %d, ''l'' || count(*) %s ~> %s, 'SELECT count(*) < 6 %s)" % (
            n, mine, "'SELECT pg_sleep(0.02)'", mine)
    if kind == 5:
        return "df.if('SELECT %s', %s ~> %s, %s) ~> %s" % (
            "true" if n % 20 == 5 else "false", e("yes1"), e("yes2"), e("no"), e("z"))
    if kind == 6:
        return "%s ~> ((df.sleep(1) ~> %s) | %s | (%s & df.wait_for_signal('never'))) ~> %s" % (
            e("a"), e("x1"), e("x2", 0.1), e("b", 0.03), e("z"))
    if kind == 8:
        return "%s ~> df.http(%s, 'GET', retries => 3, backoff => '100 ms') ~> %s" % (
            e("a"), literal(peer.url(request_of(n))), e("z"))
    return "%s ~> (df.wait_for_signal('never', 1) |=> 's') ~> (%s | %s) ~> %s" % (
        "'SELECT 1'", e("x1", 0.1), e("x2", 0.1), e("z"))


def request_of(n):
    return "slow/0.1/%d" % n


def expected(n):
    """The keys that must be there, and those of which exactly one must be there, and those that may be."""
    kind = n % KINDS
    if kind == 5:
        return {"yes1", "yes2", "z"} if n % 20 == 5 else {"no", "z"}, set(), set()
    return {
        0: ({"c%d" % i for i in range(8)}, set(), set()),
        1: (set("abcdefgh"), set(), set()),
        2: (set("abcd"), set(), set()),
        3: ({"a", "s1", "t2"}, set(), set()),
        4: ({"l%d" % i for i in range(6)}, set(), set()),
        6: ({"a", "z"}, {"x1", "x2"}, {"b"}),
        7: ({"z"}, {"x1", "x2"}, set()),
        8: ({"a", "z"}, set(), set()),
        ELSEWHERE: ({"c0", "c1", "c2"}, set(), set()),
    }[kind]


def start_batch(world, session, first):
    """Start functions `first`… in one transaction that notes them."""
    session.execute("BEGIN")
    for n in range(first, first + BATCH):
        session.execute("INSERT INTO alice.ledger VALUES (%d, df.start(%s, %s%s))" % (
            n, graph(n), literal("function %d" % n), ", database => 'other'" if n % KINDS == ELSEWHERE else ""))
    session.execute("COMMIT")
    world.acknowledged.update(range(first, first + BATCH))


def clients(world, work):
    """Repeat `work(session)` with a new session whenever one is lost; other errors are problems."""
    while not world.stop.is_set():
        try:
            with world.primary.connect(user="alice") as session:
                while not world.stop.is_set():
                    work(session)
        except PgError as error:
            if not error.lost and "in recovery" not in str(error) and "read-only" not in str(error):
                world.problems.append(error)
                return
            time.sleep(0.05)


def feed(world):
    """Keep LIVE_MAX functions alive; a batch whose outcome is unknown is looked up."""
    state = {"next": 0}

    def work(session):
        first = state["next"]
        if session.value("SELECT count(*) FROM alice.ledger WHERE function = $1", first):
            state["next"] += BATCH
            return
        live = session.value("SELECT count(*) FROM df.instances WHERE status IN ('pending', 'running')")
        if live >= LIVE_MAX:
            time.sleep(0.05)
            return
        start_batch(world, session, first)
        state["next"] += BATCH

    clients(world, work)


def signal_all(world):
    """Send each waiting function its two signals, each exactly once by a note in the same transaction."""
    def work(session):
        rows = session.query("SELECT function, instance FROM alice.ledger WHERE function % $1 = 3 AND sent < 2 "
                             "LIMIT 20", KINDS)
        for n, instance in rows:
            session.execute("BEGIN")
            number = session.value("UPDATE alice.ledger SET sent = sent + 1 WHERE function = $1 RETURNING sent", n)
            session.value("SELECT df.signal('%s', 'go', '{\"k\": %d}')" % (instance, number))
            session.execute("COMMIT")
        time.sleep(0.05)

    clients(world, work)


# ---- The faults ----

COMPANIONS = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'durable executor' AND datname = 'other'"


def pids_of(world, target):
    def found():
        if target == "http":
            return [pid for pid in [worker_of(world.primary)] if pid]
        if target == "companion":
            return [row[0] for row in world.primary.query(COMPANIONS)]
        return world.primary.processes("durable " + target)
    return wait_until(found, 5, "a durable " + target)


@contextlib.contextmanager
def held_start(world):
    """A worker that starts a function in a transaction of its own and cannot go on; killed there, it starts none."""
    with world.primary.connect() as holder, world.primary.connect(user="alice") as session:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE df_internal.instances IN ACCESS EXCLUSIVE MODE")
        session.send("SELECT df.start('SELECT 1', 'never started', transaction_mode => 'new')")
        yield


def inject(world, chance, fault):
    primary = world.primary
    verb, _, target = fault.rpartition(" ")
    if fault == "promotion":
        world.fail_over()
    elif target == "restart":
        primary.stop(verb)
        primary.start()
    elif target == "client":
        with primary.connect(user="alice") as session:
            session.send("SELECT pg_sleep(10)")
            primary.kill9(session.pid)
    else:
        with held_start(world) if target == "start" else contextlib.nullcontext():
            pid = chance.choice(pids_of(world, target))
            if verb == "kill -9":
                primary.kill9(pid)
            elif verb == "terminate":
                primary.value("SELECT pg_terminate_backend(%d)" % pid)
            else:
                os.kill(pid, signal.SIGTERM)


def progress(world):
    """How much has happened, as far as a standby would know; None while nobody answers."""
    try:
        return world.primary.value(
            "SELECT (SELECT count(*) FROM alice.effects) + (SELECT count(*) FROM df_internal.ended)")
    except PgError as error:
        if not error.lost:
            raise
        return None


def one_fault(world, chance, fault):
    """The seconds from the fault to the first progress after it."""
    begin = time.monotonic()
    inject(world, chance, fault)
    before = wait_until(lambda: progress(world), 30, "an answer after " + fault)
    wait_until(lambda: (progress(world) or 0) > before, 30, "progress after " + fault)
    return time.monotonic() - begin


def storm(world, chance, number):
    deck = [fault for _ in range(0, number, len(DECK)) for fault in chance.sample(DECK, len(DECK))][:number]
    pauses = []
    for fault in deck:
        time.sleep(chance.uniform(0.1, 1.0))
        pauses.append((one_fault(world, chance, fault), fault))
        if world.problems:
            raise world.problems[0]
        if fault == "promotion":
            world.follow()
    return pauses


def check_effects(world):
    ledger = dict(world.primary.query("SELECT function, instance FROM alice.ledger"))
    same(world.acknowledged - set(ledger), set(), "functions whose start was acknowledged and is lost")
    found = {}
    effects = "SELECT function, key, count(*) FROM alice.effects GROUP BY 1, 2"
    for n, key, times in world.primary.query(effects) + world.primary.query(effects, db="other"):
        if times != 1:
            raise AssertionError("function %d: effect %s %d times" % (n, key, times))
        found.setdefault(n, set()).add(key)
    for n in ledger:
        must, one, may = expected(n)
        seen = found.pop(n, set())
        if not must <= seen or len(seen & one) != (1 if one else 0) or seen - must - one - may:
            raise AssertionError("function %d: effects %s, expected %s and one of %s" % (n, sorted(seen), must, one))
    same(found, {}, "effects of functions that nobody started")
    check_requests(n for n in ledger if n % KINDS == 8)


def check_requests(functions):
    """Each request went out, more than once only with the same key."""
    sent, again = 0, 0
    for n in functions:
        arrived = peer.arrived("/" + request_of(n))
        same(len({entry[2]["Idempotency-Key"] for entry in arrived}), 1, "keys of the requests of function %d" % n)
        sent, again = sent + 1, again + len(arrived) - 1
    print("    %d requests, %d of them sent again" % (sent, again))


# What must be empty when all have ended; rows of one table that another one does not know.
LEFT_OVER = {
    **{table: "SELECT count(*) FROM df_internal." + table for table in ("active", "timers", "signals", "requests")},
    **{"%s without instance" % table: "SELECT count(*) FROM df_internal.%s WHERE instance NOT IN "
       "(SELECT id FROM df_internal.instances)" % table for table in ("journal", "ended")},
    "graphs that no instance uses": "SELECT count(*) FROM df_internal.graphs WHERE id NOT IN "
                                    "(SELECT graph FROM df_internal.instances)",
    "prepared transactions": "SELECT count(*) FROM pg_prepared_xacts",
    "what a killed start began": "SELECT count(*) FROM df_internal.instances WHERE label = 'never started'",
}


@suite.test
def mixed_workload_under_faults(cluster):
    """Work goes on within 5 s of each of 27 faults; at the end no effect is missing, doubled or left over."""
    seed = int(os.environ.get("PGTEST_SEED", random.randrange(1 << 31)))
    number = int(os.environ.get("PGTEST_FAULTS", len(DECK)))
    print("    reproduce with PGTEST_SEED=%d" % seed)
    world, chance = World(cluster), random.Random(seed)
    cluster.psql("CREATE TABLE alice.effects (function int, key text); CREATE TABLE alice.ledger "
                 "(function int PRIMARY KEY, instance text NOT NULL, sent int NOT NULL DEFAULT 0)", user="alice")
    threads = [threading.Thread(target=work, args=(world,)) for work in (feed, signal_all)]
    try:
        world.follow()
        threads[0].start()
        threads[1].start()
        pauses = storm(world, chance, number)
        print("    longest pauses: " + ", ".join("%.1f s (%s)" % pause for pause in sorted(pauses, reverse=True)[:8]))
        finish(world, threads)
        check_effects(world)
        print("    %d functions, %d effects" % tuple(world.primary.query(
            "SELECT (SELECT count(*) FROM alice.ledger), (SELECT count(*) FROM alice.effects)")[0]))
        same([line for other in world.others for line in other.complaints()], [])
        late = [pause for pause in pauses if pause[0] > PAUSE_MAX]
        same(late, [], "faults after which nothing went on for %g s" % PAUSE_MAX)
    except Exception:
        print("--- end of the primary's log ---\n" + world.primary.tail(60))
        raise
    finally:
        world.stop.set()
        for thread in threads:
            if thread.ident:
                thread.join()
        for other in world.others:
            other.remove()


def finish(world, threads):
    """No new functions; wait until all have ended, and look at how."""
    world.stop.set()
    threads[0].join()
    threads[1].join()
    world.stop.clear()
    last = threading.Thread(target=signal_all, args=(world,))
    last.start()
    live = "SELECT count(*) FROM df.instances WHERE status IN ('pending', 'running')"
    try:
        wait_until(lambda: world.primary.value(live) == 0, 90, "all functions have ended", 0.2)
    except AssertionError:
        print("\n".join(map(str, world.primary.query(
            "SELECT i.label, i.id, i.status, n.node_type, n.status, n.query FROM df.instances i JOIN df.nodes n ON "
            "n.instance_id = i.id WHERE i.status IN ('pending', 'running') AND n.status = 'running' LIMIT 40"))))
        for sql in ("SELECT a, i.public_id FROM df_internal.active a JOIN df_internal.instances i ON i.id = a.instance",
                    "SELECT t, now() FROM df_internal.timers t", "SELECT * FROM df_internal.signals",
                    "SELECT j FROM df_internal.journal j WHERE NOT EXISTS (SELECT FROM df_internal.ended e WHERE "
                    "e.instance = j.instance) ORDER BY branch, sequence LIMIT 100",
                    "SELECT pid, backend_type, state, wait_event, query FROM pg_stat_activity WHERE datid IS NOT NULL"):
            print("\n".join(map(str, [sql] + world.primary.query(sql))))
        raise
    finally:
        world.stop.set()
        last.join()
    same(world.primary.query("SELECT status, count(*) FROM df.instances WHERE status <> 'completed' GROUP BY 1"), [])
    same(world.problems, [])
    wait_until(lambda: world.primary.value(LEFT_OVER["prepared transactions"]) == 0, 20, "nothing stays prepared")
    same({what: world.primary.value(sql) for what, sql in LEFT_OVER.items()}, dict.fromkeys(LEFT_OVER, 0), "left over")


suite.main()
