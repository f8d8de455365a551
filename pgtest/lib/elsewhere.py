# SPDX-License-Identifier: PostgreSQL
"""What the suites about steps in another database share."""
from suite import literal, output, settle

COMPANIONS = """SELECT count(*) FROM pg_stat_activity
                WHERE backend_type = 'durable executor' AND datname NOT IN ('postgres')"""


def make_target(cluster, name):
    cluster.execute('CREATE DATABASE "%s"' % name)
    cluster.execute("CREATE SCHEMA alice AUTHORIZATION alice; CREATE SCHEMA bob AUTHORIZATION bob;", db=name)


def begin(session, graph, database="other"):
    return session.value("SELECT df.start(%s, database => %s)" % (graph, literal(database)))


def run(session, graph, database="other", status="completed", seconds=30):
    instance = begin(session, graph, database)
    seen = settle(session, instance, seconds)
    if seen != status:
        raise AssertionError("%s: %s, expected %s; output: %s" % (graph, seen, status, output(session, instance)))
    return instance


def failure(cluster, instance):
    """SQLSTATE and message, detail and hint of a failed instance."""
    return cluster.query("""SELECT e ->> 'sqlstate', e ->> 'message', e ->> 'detail', e ->> 'hint'
        FROM (SELECT failure::jsonb e FROM df_internal.ended JOIN df_internal.instances i ON i.id = instance
              WHERE public_id = $1) AS x""", instance)[0]


def companion(cluster, database="other"):
    rows = cluster.query("""SELECT pid FROM pg_stat_activity WHERE backend_type = 'durable executor'
                            AND datname = $1 AND state = 'active'""", database)
    return rows[0][0] if rows else None
