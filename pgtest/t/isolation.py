#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""What happens when two do something at once: every interleaving of a few events, each with its exact outcome.

The engine takes part like a session: its step waits for an advisory lock (a gate) that the test holds, so that the test
says when it goes on. `interleavings` gives all orders of events that keep the order within each session.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from suite import PgError, Suite, has, same, settle, start, wait_until  # noqa: E402

suite = Suite(**{"deadlock_timeout": "'300ms'"})


def interleavings(*sequences):
    """Every order of all events in which each sequence keeps its own."""
    if not any(sequences):
        yield ()
        return
    for i, sequence in enumerate(sequences):
        if sequence:
            rest = sequences[:i] + (sequence[1:],) + sequences[i + 1:]
            for tail in interleavings(*rest):
                yield (sequence[0],) + tail


class Gate:
    """A point that a step passes when the test says so."""
    number = 0

    def __init__(self, cluster):
        Gate.number += 1
        self.number, self.holder = Gate.number, cluster.connect(user="alice")
        self.holder.execute("SELECT pg_advisory_lock(%d)" % self.number)
        self.step = "'SELECT pg_advisory_xact_lock_shared(%d)'" % self.number

    def reached(self):
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = $1"
        wait_until(lambda: self.holder.value(waiting, self.number) >= 1, 10, "the gate is reached")

    def open(self):
        self.holder.close()


def value(session, instance):
    """The first row of the result of a completed instance, as text."""
    return session.value("SELECT df.result($1)::jsonb->'rows'->0", instance)


def waiting(session, instance):
    wait_until(lambda: session.value("SELECT count(*) FROM df.instance_nodes($1) WHERE node_type = 'SIGNAL' "
                                     "AND status = 'running'", instance), 10, "the wait is registered")


@suite.test
def signal_against_wait_registration(cluster):
    """A signal is kept from its commit on, whether the wait is registered before, during or after its transaction."""
    with cluster.connect(user="alice") as session, cluster.connect(user="alice") as sender:
        for end in ("COMMIT", "ROLLBACK"):
            for order in interleavings(("send", "end"), ("register",)):
                gate = Gate(cluster)
                instance = start(session, gate.step + " ~> (df.wait_for_signal('go') |=> 's') "
                                 "~> 'SELECT $s::jsonb->''data'' AS s'")
                gate.reached()
                for event in order:
                    if event == "send":
                        sender.execute("BEGIN; SELECT df.signal('%s', 'go', '1')" % instance)
                    elif event == "end":
                        sender.execute(end)
                    else:
                        gate.open()
                        if not (end == "COMMIT" and order[-1] == "register"):
                            waiting(session, instance)
                if end == "ROLLBACK":
                    time.sleep(0.1)
                    same(session.value("SELECT df.status($1)", instance), "running", order)
                    session.value("SELECT df.signal('%s', 'go', '2')" % instance)
                same(settle(session, instance, 5), "completed", order)
                same(value(session, instance), '{"s": %d}' % (1 if end == "COMMIT" else 2), order)


@suite.test
def signal_against_timeout(cluster):
    """Before the timeout the signal counts, after it the timeout; both at once when nobody could look: the signal."""
    graph = "(df.wait_for_signal('go', 1) |=> 's') ~> 'SELECT $s::jsonb->''timed_out'' AS late'"
    with cluster.connect(user="alice") as session, cluster.connect(user="alice") as sender:
        for order in interleavings(("send", "commit"), ("due",)):
            instance = start(session, graph)
            waiting(session, instance)
            for event in order:
                if event == "send":
                    sender.execute("BEGIN; SELECT df.signal('%s', 'go')" % instance)
                elif event == "commit":
                    sender.execute("COMMIT")
                else:
                    time.sleep(1.3)
            same(settle(session, instance, 5), "completed", order)
            late = '{"late": %s}' % ("false" if order[-1] == "due" else "true")
            same(value(session, instance), late, order)
            same(session.value("SELECT count(*) FROM df.signals($1)", instance), 0)
        instance = start(session, graph)
        waiting(session, instance)
        cluster.reload(**{"pg_durable.enabled": "off"})
        wait_until(lambda: not cluster.processes("durable executor"), 10, "nobody works")
        time.sleep(1.2)
        session.value("SELECT df.signal($1, 'go')", instance)
        cluster.reload(**{"pg_durable.enabled": "on"})
        same(settle(session, instance, 10), "completed")
        same(value(session, instance), '{"late": false}')


@suite.test
def cancel_against_completion(cluster):
    """A cancel that is committed before the last step commits undoes it; one that is later finds the instance ended."""
    with cluster.connect(user="alice") as session, cluster.connect(user="alice") as other:
        session.execute("CREATE TABLE alice.effects (instance text)")
        for end in ("COMMIT", "ROLLBACK"):
            for order in interleavings(("cancel", "end"), ("finish",)):
                gate = Gate(cluster)
                step = gate.step[1:-1] + "; INSERT INTO alice.effects VALUES (''{sys_instance_id}'')"
                instance = start(session, "'%s'" % step)
                gate.reached()
                for event in order:
                    if event == "cancel":
                        other.execute("BEGIN; SELECT df.cancel('%s')" % instance)
                    elif event == "end":
                        other.execute(end)
                        if end == "COMMIT" and "finish" in order[order.index("end"):]:
                            settle(session, instance, 5)
                    else:
                        gate.open()
                        if end == "ROLLBACK" or order[-1] != "finish":
                            same(settle(session, instance, 5), "completed", order)
                cancelled = end == "COMMIT" and order[-1] == "finish"
                same(settle(session, instance, 5), "cancelled" if cancelled else "completed", (end, order))
                same(session.value("SELECT count(*) FROM alice.effects WHERE instance = $1", instance),
                     0 if cancelled else 1, (end, order))
                if order != ("cancel", "finish", "end"):
                    same(cluster.value("SELECT count(*) FROM df_internal.requests r JOIN df_internal.instances i "
                                       "ON i.id = r.instance WHERE public_id = $1", instance), 0, (end, order))


def consumed(order):
    """In which order two waits take the signals a and b: at each moment the oldest that is committed."""
    left, done, taken, registered = [], set(), [], False
    for event in order:
        if event.startswith("send"):
            left.append(event[-1])
        elif event.startswith("commit"):
            done.add(event[-1])
        else:
            registered = True
        while registered and [s for s in left if s in done]:
            first = [s for s in left if s in done][0]
            left.remove(first)
            taken.append(first)
    return taken


@suite.test
def two_signals_and_one_wait(cluster):
    """All 30 orders of two senders and a registration: one signal per wait, the oldest that is committed, none lost."""
    with cluster.connect(user="alice") as session, cluster.connect(user="alice") as a, \
            cluster.connect(user="alice") as b:
        senders = {"a": a, "b": b}
        for order in interleavings(("send a", "commit a"), ("send b", "commit b"), ("register",)):
            gate = Gate(cluster)
            instance = start(session, gate.step + " ~> (df.wait_for_signal('go') |=> 's') ~> "
                             "(df.wait_for_signal('go') |=> 't') ~> "
                             "'SELECT $s::jsonb->''data'' AS s, $t::jsonb->''data'' AS t'")
            gate.reached()
            committed = 0
            for event in order:
                if event == "register":
                    gate.open()
                elif event.startswith("send"):
                    senders[event[-1]].execute("BEGIN; SELECT df.signal('%s', 'go', '\"%s\"')" % (instance, event[-1]))
                else:
                    senders[event[-1]].execute("COMMIT")
                    committed += 1
                if "register" in order[:order.index(event) + 1] and committed < 2:
                    waiting(session, instance)
                    wait_until(lambda: session.value("SELECT count(*) FROM df.signals($1)", instance) == 0, 5,
                               "what is committed is consumed")
            same(settle(session, instance, 5), "completed", order)
            same(value(session, instance), '{"s": "%s", "t": "%s"}' % tuple(consumed(order)), order)


@suite.test
def start_against_drop_extension(cluster):
    """The DROP waits for an open start and takes it along; a start waits for an open DROP and fails or goes on."""
    cluster.psql("CREATE DATABASE dropping")
    create = "CREATE EXTENSION IF NOT EXISTS pg_durable; SELECT df.grant_usage('alice')"
    for last in ("COMMIT", "ROLLBACK"):
        for order in interleavings(("start", "start end"), ("drop", "drop end")):
            if order[1].split()[0] != order[0] and order[2] == order[1] + " end":
                continue  # who came second waits, and cannot go on before the first has ended
            cluster.psql(create, db="dropping")
            with cluster.connect(user="alice", db="dropping") as client, cluster.connect(db="dropping") as admin:
                blocked = {}
                outcome = []
                client.value("SELECT df.start('SELECT 1')")  # the session knows the extension from before

                def issue(name, session, sql):
                    """Send; what waits for the other one is finished when that has ended."""
                    if blocked.pop(name.split()[0], None):
                        finish(name.split()[0], session)
                    session.send(sql)
                    if session.ready(0.4):
                        finish(name, session)
                    else:
                        blocked[name] = session

                def finish(name, session):
                    try:
                        session.finish(5)
                        outcome.append((name, "ok"))
                    except PgError as error:
                        outcome.append((name, error.sqlstate))

                for event in order:
                    if event == "start":
                        issue(event, client, "BEGIN; SELECT df.start('SELECT 1')")
                    elif event == "drop":
                        issue(event, admin, "BEGIN; DROP EXTENSION pg_durable")
                    elif event == "start end":
                        issue(event, client, "COMMIT")
                    else:
                        issue(event, admin, last)
                check_start_and_drop(cluster, order, last, dict(outcome))
    cluster.psql("DROP DATABASE dropping WITH (FORCE)")


def check_start_and_drop(cluster, order, last, outcome):
    expected = {event: "ok" for event in order}
    if last == "COMMIT" and order.index("drop") < order.index("start"):
        # It waited for the table, or came when everything was gone and the name was looked up anew.
        expected["start"] = "42P01" if order.index("start") < order.index("drop end") else "3F000"
    same(outcome, expected, (order, last))
    there = cluster.value("SELECT count(*) FROM pg_extension WHERE extname = 'pg_durable'", db="dropping")
    same(there, 0 if last == "COMMIT" else 1, (order, last))
    if there:
        wait_until(lambda: cluster.value("SELECT count(*) FROM df.instances WHERE status <> 'completed'",
                                         db="dropping") == 0, 10, "what was started completes: %s" % (order,))


@suite.test
def branches_finish_at_once(cluster):
    """Two branches one after the other or together: a join has both results in place, a race one winner's effect."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.arms (instance text, arm text)")
        for n in range(30):
            for operator, orders in (("&", ("a", "b", "ab")), ("|", ("a", "b", "ab"))):
                for order in orders:
                    first, second = Gate(cluster), Gate(cluster)
                    gates = {"a": [first], "b": [second], "ab": [first, second]}[order]
                    arms = ["'%s; INSERT INTO alice.arms VALUES (''{sys_instance_id}'', ''%s'') RETURNING arm'" % (
                        gate.step[1:-1], arm) for gate, arm in ((first, "a"), (second, "b"))]
                    instance = start(session, operator.join(arms))
                    first.reached()
                    second.reached()
                    for gate in gates:
                        gate.open()
                    if order != "ab" and operator == "&":
                        wait_until(lambda: session.value("SELECT count(*) FROM alice.arms WHERE instance = $1",
                                                         instance) == 1, 5, "the first arm ends")
                        (second if order == "a" else first).open()
                    same(settle(session, instance, 10), "completed")
                    first.open()
                    second.open()
                    done = {row[0] for row in session.query("SELECT arm FROM alice.arms WHERE instance = $1", instance)}
                    check_arms(operator, order, done, session.value("SELECT df.result($1)", instance))
            if n == 2:
                # Time is spent on what is not determined.
                break
        same(session.query("SELECT instance, arm FROM alice.arms GROUP BY 1, 2 HAVING count(*) > 1"), [])


def check_arms(operator, order, done, result):
    if operator == "&":
        same(done, {"a", "b"})
        if not result.index('"a"') < result.index('"b"'):
            raise AssertionError("results of the arms out of place: " + result)
        return
    same(len(done), 1, "arms that count")
    if order != "ab":
        same(done, {order})
    has(result, '"%s"' % done.pop())


@suite.test
def variables_against_start(cluster):
    """df.start takes what is committed when it is called, whatever the snapshot, and its own uncommitted changes."""
    with cluster.connect(user="alice") as session, cluster.connect(user="alice") as setter, \
            cluster.connect(user="alice") as starter:
        for level in ("READ COMMITTED", "REPEATABLE READ"):
            for end in ("COMMIT", "ROLLBACK"):
                for order in interleavings(("set", "end"), ("begin", "start", "commit")):
                    session.value("SELECT df.setvar('v', 'old')")
                    for event in order:
                        if event == "set":
                            setter.execute("BEGIN; SELECT df.setvar('v', 'new')")
                        elif event == "end":
                            setter.execute(end)
                        elif event == "begin":
                            starter.execute("BEGIN ISOLATION LEVEL %s; SELECT 1" % level)
                        elif event == "start":
                            instance = start(starter, "'SELECT ''{v}'' AS v'")
                        else:
                            starter.execute("COMMIT")
                    same(settle(session, instance, 5), "completed")
                    new = end == "COMMIT" and order.index("end") < order.index("start")
                    same(value(session, instance), '{"v": "%s"}' % ("new" if new else "old"), (level, end, order))
        starter.execute("BEGIN; SELECT df.setvar('v', 'mine')")
        instance = start(starter, "'SELECT ''{v}'' AS v'")
        starter.execute("COMMIT")
        same(settle(session, instance, 5), "completed")
        same(value(session, instance), '{"v": "mine"}')


suite.main()
