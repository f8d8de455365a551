#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""How values of every kind of type stand in a step's result, whatever the session's settings are.

pgtest/data/result_types.tsv is the table: an expression and the exact JSON text of its value.
"""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from suite import Suite, literal, output, same, settle  # noqa: E402

suite = Suite()


def table():
    with open(os.path.join(HERE, "..", "data", "result_types.tsv"), encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in file if line.strip() and not line.startswith("#")]
    return [tuple(line.split("\t")) for line in lines]


def check(cluster):
    """Every expression is a step of its own; all differences are reported together."""
    wrong = []
    with cluster.connect(user="alice") as session:
        started = [(expression, wanted, session.value("SELECT df.start(%s)" % literal("SELECT (%s) AS v" % expression)))
                   for expression, wanted in table()]
        for expression, wanted, instance in started:
            settle(session, instance)
            seen = output(session, instance)
            if seen != '{"rows":[{"v":%s}],"row_count":1}' % wanted:
                wrong.append("%s\n  expected %s\n  but got  %s" % (expression, wanted, seen))
    if wrong or len(started) < 100:
        raise AssertionError("%d of %d\n%s" % (len(wrong), len(started), "\n".join(wrong)))


@suite.test
def every_type(cluster):
    """The table holds with the server's default settings."""
    cluster.psql("""SET ROLE alice;
        CREATE TYPE alice.step_enum AS ENUM ('happy', 'sad'); CREATE TYPE alice.step_pair AS (n int, s text);
        CREATE DOMAIN alice.step_domain AS int; CREATE DOMAIN alice.step_domain_text AS varchar(10);
        CREATE DOMAIN alice.step_domain_array AS int[]; RESET ROLE;
        ALTER ROLE alice SET search_path = alice, public""")
    check(cluster)


@suite.test
def hostile_settings(cluster):
    """It holds with settings of the role that change how the server prints."""
    cluster.psql("""ALTER ROLE alice SET datestyle = 'SQL, DMY'; ALTER ROLE alice SET timezone = 'Asia/Kathmandu';
        ALTER ROLE alice SET extra_float_digits = -10; ALTER ROLE alice SET intervalstyle = 'sql_standard';
        ALTER ROLE alice SET bytea_output = 'escape'""")
    check(cluster)


@suite.test
def settings_come_back(cluster):
    """A conversion of the user's own sees the same settings, and what it sets stays; the step has its own again."""
    cluster.psql("""SET ROLE alice; CREATE TYPE alice.gauge AS ENUM ('low', 'high');
        CREATE FUNCTION alice.gauge_json(alice.gauge) RETURNS json LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM set_config('alice.seen', coalesce(current_setting('alice.seen', true), '')
                || current_setting('intervalstyle') || ' ', false);
            RETURN to_json($1::text);
        END $$; RESET ROLE;
        CREATE CAST (alice.gauge AS json) WITH FUNCTION alice.gauge_json(alice.gauge)""")
    with cluster.connect(user="alice") as session:
        instance = session.value("SELECT df.start(%s)" % literal(
            "CREATE TEMP TABLE gauges AS SELECT unnest(enum_range(NULL::alice.gauge)) AS g; TABLE gauges"))
        settle(session, instance)
        same(output(session, instance), '{"rows":[{"g":"low"},{"g":"high"}],"row_count":2}')
        instance = session.value("SELECT df.start(%s)" % literal(
            "SELECT alice.gauge_json(g)::text AS g, interval '1 day' AS i, current_setting('intervalstyle') AS inside, "
            "g AS h FROM unnest(enum_range(NULL::alice.gauge)) g"))
        settle(session, instance)
        rows = json.loads(output(session, instance))["rows"]
        same([(r["i"], r["inside"]) for r in rows], [("1 day", "sql_standard")] * 2)


suite.main()
