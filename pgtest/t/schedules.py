#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Schedules on the server's own time zone rules, and the text that steps really ran."""
# long
import bisect
import datetime
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from clock_hand import UTC, Expression, changes, watch  # noqa: E402
from cluster import CHECKOUT  # noqa: E402
from suite import Suite, dollar, has, same, settle, start, wait_until  # noqa: E402

suite = Suite()
TICKS = os.path.join(CHECKOUT, "pgtest", "data", "cron_ticks.tsv")
# For many (zone, expression, after, next) at once: those in which the server does not say so, in minutes.
WRONG = """
    SELECT r->>0, r->>1, after, next FROM jsonb_array_elements($1::jsonb) r,
        LATERAL (SELECT to_timestamp((r->>2)::float8 * 60) AS after) a,
        LATERAL (SELECT df_internal.next_tick(r->>1, r->>0, after) AS next) n
     WHERE next IS DISTINCT FROM to_timestamp((r->>3)::float8 * 60)"""


@suite.test
def another_implementation(cluster):
    """16,000 answers of croniter for 26 zones and two years (pgtest/data/make_cron_ticks.py) are the server's, too."""
    with open(TICKS) as file:
        lines = [line.rstrip("\n").split("\t") for line in file]
    rows = []
    for _, zone, expression, *pairs in (line for line in lines if line[0] == "next" and line[-1]):
        for after, wait in (map(int, pair.split("+")) for pair in pairs[0].split()):
            rows.append([zone, expression, after, after + wait])
    assert len(rows) > 15000, len(rows)
    assert len({row[0] for row in rows}) >= 20
    same(cluster.query(WRONG, json.dumps(rows)), [])


@suite.test
def clock_on_the_wall(cluster):
    """Around each change of the clocks in two years and 26 zones, the server's ticks are those of somebody who looks at
    the clock every minute (pgtest/lib/clock_hand.py)."""
    with open(TICKS) as file:
        lines = [line.split("\t") for line in file]
    zones = [line[1] for line in lines if line[0] == "zone"]
    texts = sorted({line[2] for line in lines if line[0] == "next"})
    expressions = [Expression(text) for text in texts]
    begin, end = (datetime.datetime(year, 1, 1, tzinfo=UTC) for year in (2024, 2026))
    half, asked, moments = datetime.timedelta(hours=12), 0, 0
    for zone in zones:
        rows = []
        for change in changes(zone, begin, end):
            moments += 1
            after = [change + datetime.timedelta(minutes=n) for n in [*range(-720, 720, 180), *range(-130, 190, 10)]]
            for text, ticks in zip(texts, watch(zone, expressions, change - half, change + 3 * half)):
                for moment in after:
                    place = bisect.bisect_right(ticks, moment)
                    if place < len(ticks):
                        rows.append([zone, text, minutes(moment), minutes(ticks[place])])
        same(cluster.query(WRONG, json.dumps(rows)), [])
        asked += len(rows)
    print("    %d questions around %d changes of the clocks" % (asked, moments))
    assert moments > 60 and asked > 40000, (moments, asked)


def minutes(moment):
    return int(moment.timestamp()) // 60


@suite.test
def due_in_the_zone(cluster):
    """A waiting schedule is due when its zone says so, whatever the role's TimeZone; a restart changes nothing."""
    cluster.psql("ALTER ROLE alice SET TimeZone = 'Asia/Tokyo'")
    wanted = ("SELECT df_internal.next_tick('30 2 * * *', 'America/New_York', created_at) = due"
              " FROM df_internal.timers t JOIN df_internal.instances i ON i.id = t.instance WHERE public_id = $1")
    try:
        with cluster.connect(user="alice") as session:
            plain = start(session, "df.wait_for_schedule('30 2 * * *')")
            instance = start(session, "df.wait_for_schedule('30 2 * * *', 'America/New_York')")
        wait_until(lambda: cluster.query(wanted, instance) == [(True,)], 30, "the timer is set")
        wait_until(lambda: cluster.query(
            "SELECT extract(hour FROM due AT TIME ZONE 'UTC')::int FROM df_internal.timers t"
            " JOIN df_internal.instances i ON i.id = t.instance WHERE public_id = $1", plain) == [(2,)],
            30, "UTC by default")
        cluster.restart()
        same(cluster.query(wanted, instance), [(True,)])
        with cluster.connect(user="alice") as session:
            for one in (plain, instance):
                session.value("SELECT df.cancel($1)", one)
                same(settle(session, one), "cancelled")
    finally:
        cluster.psql("ALTER ROLE alice RESET TimeZone")


@suite.test
def fires(cluster):
    """A schedule fires at the minute, also when it became due while the server was down; its value can be named."""
    with cluster.connect(user="alice") as session:
        instance = start(session, "(df.wait_for_schedule('* * * * *', 'Europe/Berlin') |=> 'tick')"
                                  " ~> 'SELECT $tick.scheduled AS s, extract(second FROM clock_timestamp()) AS at'")
        wait_until(lambda: session.value("SELECT df.status($1)", instance) == "running", 30, "it waits")
    cluster.stop()
    cluster.start()
    cluster.wait_ready()
    with cluster.connect(user="alice") as session:
        same(settle(session, instance, 90), "completed")
        row = json.loads(session.value("SELECT df.result($1)", instance))["rows"][0]
        same(row["s"], True)
        assert float(row["at"]) < 10, row


@suite.test
def text_in_the_log(cluster):
    """The log has no step's text, value or message unless asked; the owner finds the text with df.executed_sql."""
    with cluster.connect(user="alice") as session:
        instance = start(session, dollar("SELECT 'top' || 'secret' AS v") + " |=> 'x' ~> "
                         + dollar("SELECT ($x || ' 4711')::int"))
        same(settle(session, instance), "failed")
        has([row[0] for row in session.query("SELECT sql FROM df.executed_sql($1)", instance)],
            "SELECT ('topsecret' || ' 4711')::int")
    with cluster.connect(user="mallory") as session:
        same(session.query("SELECT sql FROM df.executed_sql($1)", instance), [])
    log = cluster.text()
    has(log, "durable function %s failed with SQLSTATE 22P02" % instance)
    assert "topsecret" not in log and "4711" not in log
    cluster.psql("ALTER ROLE alice SET log_statement = 'all'")
    try:
        with cluster.connect(user="alice") as session:
            instance = start(session, dollar("SELECT 'top' || 'secret' AS v") + " |=> 'x' ~> "
                             + dollar("SELECT $x AS w"))
            same(settle(session, instance), "completed")
        wait_until(lambda: "SELECT 'topsecret' AS w" in cluster.text(), 30, "the text is in the log when asked for")
    finally:
        cluster.psql("ALTER ROLE alice RESET log_statement")


@suite.test
def rolled_back_whatever_happens(cluster):
    """df.explain leaves nothing behind when it is cancelled or its session killed; the session then works as before."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE TABLE IF NOT EXISTS alice.explained (n int)")
        session.execute("CREATE OR REPLACE FUNCTION alice.slow() RETURNS text LANGUAGE plpgsql AS $$ BEGIN"
                        " INSERT INTO alice.explained VALUES (1); PERFORM pg_sleep(60); RETURN 'x'; END $$")
        session.execute("SET statement_timeout = '300ms'")
        same(session.error("SELECT df.explain('alice.slow() /* df. */')").sqlstate, "57014")
        session.execute("RESET statement_timeout")
        same(session.value("SELECT df.setvar('after', 'cancel')"), "OK")
        same(session.value("SELECT count(*) FROM alice.explained"), 0)
        session.execute("SELECT df.unsetvar('after')")


suite.main()
