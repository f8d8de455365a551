#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Secrets of HTTP steps: what a variable puts into a header is nowhere to be read but at the peer.

Not in what is logged at debug1 with every statement, not in pg_stat_activity, not in any table but the variables', not
in what the instance's owner or an administrator is shown.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from http_suite import peer, prepare_http  # noqa: E402
from suite import Suite, literal, output, run, same, settle, start, wait_until  # noqa: E402

SECRET = "s3cret-of-alice-7f3a"
suite = Suite(max_worker_processes="24")


def prepare(cluster):
    prepare_http(cluster)
    with cluster.connect(user="alice") as session:
        session.query("SELECT df.setvar('key', %s)" % literal(SECRET))
    # From here on everything that can be logged is.
    cluster.reload(log_min_messages="debug1", log_statement="all", log_min_duration_statement="0",
                   log_min_error_statement="debug1", log_error_verbosity="verbose")
    wait_until(lambda: cluster.value("SHOW log_statement") == "all", 10, "the settings")


suite.prepare = prepare


def asks(path):
    return "df.http(%s, 'POST', NULL, '{\"Authorization\": \"Bearer {key}\"}', 5)" % literal(peer.url(path))


def raw(status):
    """The path of an answer that does not repeat what it was asked."""
    return "raw/" + ("HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nno" % status).encode().hex()


def kept(cluster):
    """The columns of our tables in which the secret stands, the variables' and their snapshots left out."""
    found = []
    for table, column in cluster.query(
            "SELECT attrelid::regclass::text, attname FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid "
            "WHERE relnamespace = 'df_internal'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped"):
        if (table, column) in (("df_internal.variables", "value"), ("df_internal.instances", "variables")):
            continue
        if cluster.value("SELECT count(*) FROM %s WHERE %s::text LIKE '%%' || $1 || '%%'" % (table, column), SECRET):
            found.append((table, column))
    return found


@suite.test
def nowhere_but_at_the_peer(cluster):
    """Completed, failed, repeated, refused and cancelled steps: the template is shown, the value is not."""
    with cluster.connect(user="alice") as session:
        answered = run(session, asks(raw(200)))
        sent = peer.arrived("/" + raw(200))[-1][2]
        same(sent["Authorization"], "Bearer " + SECRET)
        endings = [answered]
        repeated = "df.http('http://127.0.0.1:1/', headers => '{\"X\": \"{key}\"}', retries => 1, backoff => '1 ms')"
        for graph in (asks(raw(500)), asks("hangup"), asks("slow/30").replace(", 5)", ", 1)"), asks("big/20000000"),
                      asks("echo").replace("Authorization", "Content-Length"),
                      asks("echo").replace("Bearer {key}", "{key}\\r\\n"),
                      "'SELECT 1 AS a' |=> 'x' ~> " + asks("echo").replace("{key}", "{key}$x.b"), repeated):
            endings.append(run(session, graph, status="failed"))
        running = start(session, asks("slow/60"))
        wait_until(lambda: peer.arrived("/slow/60"), 10, "the request is under way")
        shown = [str(cluster.query("SELECT * FROM pg_stat_activity"))]
        session.query("SELECT df.cancel($1)", running)
        same(settle(session, running), "cancelled")
        for instance in endings + [running]:
            for call in ("df.instance_info($1)", "df.instance_nodes($1)", "df.error($1)", "df.executed_sql($1)",
                         "df.explain($1)", "df.result($1)", "df.instance_executions($1)"):
                shown.append(str(session.query("SELECT * FROM " + call, instance)))
        for view in ("df.instances", "df.nodes"):
            shown.append(str(session.query("SELECT * FROM " + view)))
            shown.append(str(cluster.query("SELECT * FROM " + view)))
        for text in shown:
            assert SECRET not in text, text[max(0, text.find(SECRET) - 300):][:600]
        assert any("Bearer {key}" in text for text in shown), "the template is shown"
    text = cluster.text()
    assert "log_statement" in text and "durable function" in text, "the log has something"
    place = text.find(SECRET)
    assert place < 0, text[max(0, place - 500):place + 100]
    # This look for it is logged itself.
    same(kept(cluster), [])


@suite.test
def as_a_peer_echoes_it(cluster):
    """What the peer sends back is a result like any other: the owner's, and nobody else's."""
    with cluster.connect(user="alice") as alice, cluster.connect(user="bob") as bob:
        instance = run(alice, asks("echo"))
        assert SECRET in output(alice, instance)
        for call in ("df.instance_info($1)", "df.result($1)"):
            assert SECRET not in str(bob.query("SELECT * FROM " + call, instance))
        assert SECRET not in str(bob.query("SELECT * FROM df.nodes")) + str(bob.query("SELECT * FROM df.instances"))


suite.main()
