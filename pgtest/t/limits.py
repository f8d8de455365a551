#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""What one instance may pile up, and what its size costs others: signals, journals, values. Covers S33, S34, P10."""
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from suite import Suite, has, literal, output, run, same, settle, start, wait_until  # noqa: E402

suite = Suite(**{"pg_durable.loop_min_interval": "0", "pg_durable.max_executors": "4"})


def setting(cluster, **values):
    names = {"pg_durable." + name: value for name, value in values.items()}
    cluster.reload(**names)
    for name, value in names.items():
        wait_until(lambda: cluster.value("SHOW " + name) == value, 10, name)


def refused(session, sqlstate, sql, *fragments):
    error = session.error(sql)
    same(error.sqlstate, sqlstate, error)
    for fragment in fragments:
        has("%s %s %s" % (error.message, error.detail, error.hint), fragment)


def report(session, instance, *fields):
    """These fields of the failure of an instance."""
    return session.query("SELECT " + ", ".join("df.error('%s')->>'%s'" % (instance, field) for field in fields))[0]


def executors_peak(cluster):
    """The most memory of its own that any executor has used, in MB."""
    peaks = [0]
    for (pid,) in cluster.query("SELECT pid FROM pg_stat_activity WHERE backend_type = 'durable executor'"):
        with open("/proc/%d/status" % pid, encoding="ascii") as file:
            sizes = dict(re.findall(r"^(\w+):\s+(\d+) kB", file.read(), re.M))
        peaks.append((int(sizes["VmHWM"]) - int(sizes["RssShmem"])) // 1024)
    return max(peaks)


@suite.test
def pending_signals(cluster):
    """The eleventh signal that nobody has consumed is refused with the setting's name; each one consumed makes room."""
    setting(cluster, max_pending_signals="10")
    with cluster.connect(user="alice") as one, cluster.connect(user="alice") as two:
        instance = start(one, "df.loop(df.wait_for_signal('go'))")
        other = start(one, "df.wait_for_signal('go')")
        send = "SELECT df.signal('%s', 'later')" % instance
        one.execute("BEGIN")
        for _ in range(10):
            one.execute(send)
        # those of an open transaction count, and so do one's own
        refused(two, "53400", send, instance, "pg_durable.max_pending_signals is 10", "df.signals()")
        refused(one, "53400", send, "max_pending_signals")
        one.execute("ROLLBACK")
        for _ in range(25):
            one.execute("SELECT df.signal('%s', 'go')" % instance)
            wait_until(lambda: one.value("SELECT count(*) FROM df.signals($1)", instance) == 0, 10, "consumed")
        for _ in range(10):
            one.execute(send)
        refused(one, "53400", "SELECT df.signal('%s', 'go')" % instance, "max_pending_signals")
        one.execute("SELECT df.signal($1, 'go')", other)
        same(settle(one, other), "completed")
        setting(cluster, max_pending_signals="0")
        one.execute("SELECT df.signal($1, 'later') FROM generate_series(1, 2000)", instance)
        same(one.value("SELECT count(*) FROM df.signals($1)", instance), 2010)
        one.execute("SELECT df.cancel($1)", instance)
    setting(cluster, max_pending_signals="1000")


@suite.test
def signal_size(cluster):
    """Data beyond pg_durable.max_signal_size is refused; what fits arrives whole."""
    with cluster.connect(user="alice") as session:
        instance = start(session, "df.wait_for_signal('go') |=> 's' ~> 'SELECT length($s.data) AS n'")
        refused(session, "54000", "SELECT df.signal('%s', 'go', repeat('x', 1048577))" % instance,
                "signal data exceeds the limit of 1048576 bytes", "pg_durable.max_signal_size")
        setting(cluster, max_signal_size="2MB")
        session.execute("SELECT df.signal($1, 'go', repeat('x', 2000000))", instance)
        same(settle(session, instance), "completed")
        has(output(session, instance), "2000000")
    setting(cluster, max_signal_size="1MB")


@suite.test
def signals_of_other_names(cluster):
    """200 MB of signals that nobody waits for cost an instance's steps neither time nor memory."""
    with cluster.connect(user="alice") as session:
        instance = start(session, "df.wait_for_signal('go') ~> df.loop(df.seq('SELECT 1', 'SELECT 2')) "
                                  "| df.wait_for_signal('stop')")
        session.execute("SELECT count(df.signal($1, 'other' || n % 20, repeat(md5(n::text), 31250))) "
                        "FROM generate_series(1, 200) n", instance)
        # random text does not compress
        same(session.value("SELECT count(*) FROM df.signals($1)", instance), 200)
        session.execute("SELECT df.signal($1, 'go')", instance)
        count = "SELECT iteration FROM df_internal.journal j, df_internal.instances i, LATERAL (SELECT j.number AS " \
                "iteration) x WHERE j.instance = i.id AND i.public_id = '%s' AND kind = 9 ORDER BY 1 DESC LIMIT 1"
        wait_until(lambda: (cluster.value(count % instance) or 0) > 100, 60, "a hundred iterations")
        peak = executors_peak(cluster)
        print("    executor: %d MB at most" % peak)
        if peak > 100:
            raise AssertionError("an executor used %d MB" % peak)
        session.execute("SELECT df.signal($1, 'stop')", instance)
        same(settle(session, instance), "completed")


@suite.test
def many_names_at_once(cluster):
    """300 arms that wait for a name each get their signals in whatever order these come."""
    with cluster.connect(user="alice") as session:
        instance = start(session, join(["df.wait_for_signal('s%d')" % n for n in range(300)]))
        begin = time.monotonic()
        for n in sorted(range(300), key=lambda n: n * 7 % 300):
            session.execute("SELECT df.signal($1, $2, $3)", instance, "s%d" % n, str(n))
        same(settle(session, instance, 60), "completed")
        print("    %.1f s" % (time.monotonic() - begin))
        same(session.value("SELECT jsonb_agg(d ORDER BY d::int) = (SELECT jsonb_agg(n) FROM generate_series(0, 299) n) "
                           "FROM jsonb_path_query(df.result($1)::jsonb, 'strict $.**.data') d", instance), True)


def join(arms):
    """A tree of joins with these arms."""
    while len(arms) > 1:
        arms = ["df.join(%s, %s)" % (arms[i], arms[i + 1]) if i + 1 < len(arms) else arms[i]
                for i in range(0, len(arms), 2)]
    return arms[0]


@suite.test
def instance_size(cluster):
    """A step that would take the journal beyond its limit fails, and what it did is undone; others go on."""
    setting(cluster, max_instance_size="1MB")
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.done (n int)")
        step = "'INSERT INTO alice.done VALUES (%d) RETURNING repeat(''x'', 300000)' |=> 'r%d'"
        instance = start(session, " ~> ".join(step % (n, n) for n in range(6)))
        same(settle(session, instance), "failed")
        same(session.value("SELECT count(*) FROM alice.done"), 3)
        same(report(session, instance, "sqlstate", "message", "node_type"),
             ("54000", "journal of durable function exceeds the limit of 1048576 bytes", "SQL"))
        has(report(session, instance, "hint")[0], "pg_durable.max_instance_size")
        # a signal that does not fit fails its wait
        instance = start(session, "df.loop(df.wait_for_signal('go') |=> 's' ~> df.sleep(3600))"
                                  " & df.loop(df.wait_for_signal('go') |=> 't' ~> df.sleep(3600))")
        session.execute("SELECT df.signal($1, 'go', repeat('x', 600000)) FROM generate_series(1, 2)", instance)
        session.execute("SELECT df.signal($1, 'go', repeat('x', 600000))", instance)
        time.sleep(0.5)
        same(session.value("SELECT df.status($1)", instance), "running")
        session.execute("SELECT df.cancel($1)", instance)
        # what a loop leaves behind is compacted and does not count
        instance = start(session, "df.loop(df.if('SELECT count(*) > 40 FROM alice.done', df.break('\"over\"'), "
                                  "'INSERT INTO alice.done VALUES (7) RETURNING repeat(''y'', 150000)'))")
        same(settle(session, instance), "completed")
    setting(cluster, max_instance_size="1GB")


@suite.test
def unneeded_results(cluster):
    """Results that nothing names later do not come into memory again when an instance is taken up after a restart."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE alice.seen (n int)")
        large = " ~> ".join("'SELECT repeat(md5(''%d''), 125000) AS x'" % n for n in range(40))
        named = "'SELECT 7 AS n' |=> 'kept'"
        instance = start(session, "%s ~> %s ~> df.sleep(3) ~> 'INSERT INTO alice.seen VALUES ($kept)'" % (named, large))
        wait_until(lambda: cluster.value("SELECT count(*) FROM df_internal.timers") == 1, 60, "the timer")
    cluster.restart()
    with cluster.connect(user="alice") as session:
        same(settle(session, instance), "completed")
        same(session.query("SELECT n FROM alice.seen"), [(7,)])
    peak = executors_peak(cluster)
    print("    executor: %d MB at most" % peak)
    if peak == 0 or peak > 60:
        raise AssertionError("an executor used %d MB to load 160 MB of results" % peak)


@suite.test
def values_of_constructs(cluster):
    """A join of values that are too large together fails; what one of them held is not lost for df.nodes."""
    setting(cluster, max_result_size="100kB")
    with cluster.connect(user="alice") as session:
        half = "'SELECT repeat(''x'', %d)'"
        same(settle(session, start(session, "%s & %s" % (half % 40000, half % 40000))), "completed")
        instance = start(session, "%s & %s" % (half % 60000, half % 60000))
        same(settle(session, instance), "failed")
        same(report(session, instance, "sqlstate", "message", "node_type"),
             ("54000", "value of JOIN exceeds the limit of 102400 bytes", "JOIN"))
        has(report(session, instance, "hint")[0], "pg_durable.max_result_size")
        instance = start(session, "%s |=> 'x' ~> df.loop(df.break('$x$x$x'))" % (half % 40000))
        same(settle(session, instance), "failed")
        same(report(session, instance, "sqlstate", "node_type"), ("54000", "BREAK"))
        # the limit in force at the start counts
        late = start(session, "df.wait_for_signal('go') ~> (%s & %s)" % (half % 60000, half % 60000))
        setting(cluster, max_result_size="16MB")
        session.execute("SELECT df.signal($1, 'go')", late)
        same(settle(session, late), "failed")
        same(settle(session, start(session, "%s & %s" % (half % 60000, half % 60000))), "completed")


@suite.test
def unstorable_breaks(cluster):
    """A break value that jsonb cannot hold fails the break; df.nodes stays readable for everybody."""
    with cluster.connect(user="alice") as session:
        for value, sqlstate in (("1e400000", "22003"), ('[{"a":1e-20000}]', "22003"),
                                ("[" * 5000 + "]" * 5000, "54000")):
            instance = start(session, "df.loop(df.break(%s))" % literal(value))
            same(settle(session, instance), "failed", value[:20])
            same(report(session, instance, "sqlstate", "node_type"), (sqlstate, "BREAK"), value[:20])
        for value in ("1e131071", "1e-16383", "-0.5e10"):
            same(settle(session, start(session, "df.loop(df.break(%s))" % literal(value))), "completed", value)
    cluster.query("SELECT result FROM df.nodes")
    cluster.query("SELECT * FROM df.instances")


@suite.test
def explained_texts(cluster):
    """An explanation is not many times as large as what is explained."""
    with cluster.connect(user="alice") as session:
        odd = ('{"node_type":"SLEEP","query":"%s"}' % ("\\n" * 2000000),
               '{"node_type":"SIGNAL","query":"{\\"signal_name\\":\\"%s\\"}"}' % ("\\\\n" * 1000000),
               '{"node_type":"SQL","query":"x","result_name":"%s"}' % ("\\n" * 2000000), "SELECT " + "\n" * 4000000)
        for text in odd:
            size = session.value("SELECT length(df.explain($1))", text)
            if size > 100000:
                raise AssertionError("%d characters for %s" % (size, text[:30]))
        leaf = '{"node_type":"SQL","query":"%s"}' % ("\\n" * 40)
        many = '{"node_type":"JOIN","left_node":%s,"right_node":%s,"extra_nodes":[%s]}' % (
            leaf, leaf, ",".join([leaf] * 9900))
        size = session.value("SELECT length(df.explain($1))", many)
        if size > 17 << 20:
            raise AssertionError("%d characters for many lines" % size)


@suite.test
def deep_values(cluster):
    """A value nested far deeper than a graph may be is tested and read like any other."""
    deep = "SELECT (repeat('[', 3000) || repeat(']', 3000))::json AS x"
    with cluster.connect(user="alice") as session:
        instance = run(session, "df.if(%s, 'SELECT ''yes'' AS a', 'SELECT ''no'' AS a')" % literal(deep))
        has(output(session, instance), "yes")
        instance = run(session, "%s |=> 'd' ~> 'SELECT length($d) AS n'" % literal(deep))
        has(output(session, instance), "6000")


@suite.test
def failures_of_constructs(cluster):
    """A construct that fails by itself has its report at its own node."""
    setting(cluster, loop_max_iterations="3")
    with cluster.connect(user="alice") as session:
        for graph, sqlstate, kind in (
                ("df.if_rows('none', 'SELECT 1', 'SELECT 2')", "42704", "IF"),
                ("df.loop('SELECT 1')", "54000", "LOOP"),
                ("'SELECT 1' ~> df.loop(df.sleep(0))", "54000", "LOOP")):
            instance = start(session, graph)
            same(settle(session, instance), "failed", graph)
            same(report(session, instance, "sqlstate", "node_type"), (sqlstate, kind), graph)
            has(session.value("SELECT df.explain($1)", instance), "ERROR %s: " % sqlstate)
            has(session.value("SELECT error FROM df.nodes WHERE instance_id = $1 AND node_type = $2 AND error IS NOT "
                              "NULL", instance, kind), sqlstate)
    setting(cluster, loop_max_iterations="0")


@suite.test
def ended_before_anything(cluster):
    """Of what was started and cancelled in one transaction no node is shown as running."""
    with cluster.connect(user="alice") as session:
        session.execute("BEGIN")
        instance = start(session, "'SELECT 1' ~> 'SELECT 2'")
        session.execute("SELECT df.cancel($1)", instance)
        session.execute("COMMIT")
        same(settle(session, instance), "cancelled")
        wait_until(lambda: cluster.value("SELECT count(*) FROM df_internal.ended e JOIN df_internal.instances i ON "
                                         "i.id = e.instance WHERE public_id = $1", instance) == 1, 10, "its end")
        same(session.query("SELECT DISTINCT status FROM df.instance_nodes($1)", instance), [("pending",)])


@suite.test
def large_pages(cluster):
    """Lists read no value that they do not show, and a page of large outputs is not kept in memory at once."""
    with cluster.connect(user="alice") as session:
        session.execute("SELECT count(df.start('SELECT repeat(md5(''x''), 125000)', 'large')) FROM "
                        "generate_series(1, 60)")
        wait_until(lambda: session.value("SELECT count(*) FROM df.instances WHERE label = 'large' AND status = "
                                         "'completed'") == 60, 120, "all complete")
        with cluster.connect(user="alice") as fresh:
            pid = fresh.value("SELECT pg_backend_pid()")
            fresh.execute("SELECT count(*), max(next_cursor) FROM df.list_instances(NULL, 50, 'large', NULL) "
                          "WHERE output IS NOT NULL")
            with open("/proc/%d/status" % pid, encoding="ascii") as file:
                sizes = dict(re.findall(r"^(\w+):\s+(\d+) kB", file.read(), re.M))
            used = (int(sizes["VmHWM"]) - int(sizes["RssShmem"])) // 1024
            print("    %d MB for 200 MB of outputs" % used)
            if used > 120:
                raise AssertionError("a page of 200 MB took %d MB" % used)


suite.main()
