#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""A minute of random nasty arguments for every function and operator of the extension, as an unprivileged role.

The functions and operators are found in the catalog, so that a new one is covered the day it appears. No session may
be lost, the server must not restart, and no error may be XX000. PGTEST_SEED repeats a run, PGTEST_SECONDS lengthens it.
"""
# long
import json
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from suite import PgError, Suite, run, same  # noqa: E402

suite = Suite(**{"pg_durable.executor_idle_timeout": "'5s'"})
SESSIONS = 3
NAMES = ["", "a", "x", "batch", "_1", "1a", "a b", "é", "select", "a" * 64, "a" * 5000, "sys_label",
         "$x", "{x}", "'", '"']
STEPS = ["SELECT 1", "SELECT 1 AS x WHERE false", "SELECT $x", "SELECT $x.a?", "SELECT * FROM $x.*", "SELECT {x}", "",
         "SELECT 1/0", "INSERT INTO nowhere VALUES ($batch)", "SELECT '$x'", "SELECT $$ $x $$", "SELECT 'a' -- $x\n",
         "SELECT n FROM generate_series(1, 3) n", "SELECT ARRAY[1, NULL]", "SELECT 'é''\\'", "SELECT ANY($x)",
         "SELECT 1 = ANY($x)", "SELECT '{\"rows\":[]}'::jsonb", "COMMIT", "COPY t FROM STDIN", "SELECT 'NaN'::float8",
         "SET search_path = ''", "SELECT E'\\x01'", "SELECT repeat('x', 10000)", "SELECT; SELECT", "$x", "{sql}"]
FRAGMENTS = ["{", "}", "[", "]", '"', "'", "\\", "$", "$$", "/*", "*/", "--", "\n", "\r", "\t", "\x01", "\x7f",
             "é", "🙂", "\u0301", "\u2028", '{"node_type":"SQL","query":"SELECT 1"}', '"node_type"', ":", ",", "null",
             "1e400", "-1", "~>", "|=>", "&", "df.sql('x')", "SELECT ", "\\u0000", "\\ud800", "9" * 40, "x" * 1000, " "]
KINDS = ["SQL", "THEN", "IF", "JOIN", "LOOP", "BREAK", "RACE", "SLEEP", "WAIT_SCHEDULE", "HTTP", "HTTP_MULTIPART",
         "SIGNAL", "NOPE", ""]


class Generator:
    """Arguments, drawn from one seed."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.instances = ["00000000"]

    def text(self, depth=3):
        pick = self.chance.random()
        if pick < 0.2:
            return self.chance.choice(STEPS)
        if pick < 0.3:
            return self.chance.choice(NAMES)
        if pick < 0.5:
            return "".join(self.chance.choice(FRAGMENTS) for _ in range(self.chance.randrange(12)))
        if pick < 0.6:
            return self.chance.choice(self.instances)
        if pick < 0.62:
            return self.chance.choice(FRAGMENTS) * self.chance.choice([1000, 50000])
        return self.envelope(depth)

    def envelope(self, depth):
        """An envelope, mostly well-formed, with something odd now and then."""
        kind = self.chance.choice(KINDS)
        fields = ['"node_type":%s' % json.dumps(kind)]
        for key in ("left_node", "right_node", "condition_node"):
            if depth > 0 and self.chance.random() < 0.55:
                fields.append('"%s":%s' % (key, self.envelope(depth - 1)))
        if depth > 0 and self.chance.random() < 0.1:
            fields.append('"extra_nodes":[%s]' % ",".join(self.envelope(depth - 1) for _ in range(3)))
        if self.chance.random() < 0.7:
            fields.append('"query":%s' % json.dumps(self.chance.choice(STEPS + NAMES + FRAGMENTS)))
        if self.chance.random() < 0.3:
            fields.append('"result_name":%s' % json.dumps(self.chance.choice(NAMES)))
        if self.chance.random() < 0.1:
            fields.append(self.chance.choice(fields))
        if self.chance.random() < 0.1:
            self.chance.shuffle(fields)
        text = "{%s}" % ",".join(fields)
        if self.chance.random() < 0.05:
            cut = self.chance.randrange(len(text))
            text = text[:cut] + self.chance.choice(FRAGMENTS) + text[cut + 1:]
        return text

    def argument(self, kind):
        if self.chance.random() < 0.05:
            return None
        if kind in ("int8", "int4", "int2"):
            bits = {"int8": 63, "int4": 31, "int2": 15}[kind]
            return self.chance.choice([0, 1, -1, 2, 5, 100, 1000, 10000, 2 ** bits - 1, -2 ** bits])
        if kind == "bool":
            return self.chance.choice(["t", "f"])
        if kind in ("json", "jsonb"):
            return self.chance.choice(["null", "{}", "[]", "1", '"x"', '{"a":{"b":[1,2]}}'])
        if kind == "float8":
            return self.chance.choice(["NaN", "Infinity", "0", "-1e300"])
        if kind in ("timestamptz", "interval"):
            return self.chance.choice({"timestamptz": ["infinity", "-infinity", "2000-01-01", "294000-01-01"],
                                       "interval": ["0", "-1 year", "100000 years", "1 us"]}[kind])
        return self.text()

    def call(self, callables):
        """A statement and its arguments."""
        form, kinds = self.chance.choice(callables)
        count = len(kinds)
        if form.startswith(("SELECT df.", "SELECT * FROM df.")) and count and self.chance.random() < 0.1:
            kinds = kinds[:self.chance.randrange(count)] or kinds
        places = ["$%d::%s" % (n + 1, kind) for n, kind in enumerate(kinds)]
        if "%s" in form and form.count("%s") == 2:
            sql = form % tuple(places)
        else:
            sql = form % ", ".join(places)
        return sql, [self.argument(kind) for kind in kinds]


def callables(cluster):
    """(SQL with places, argument types) of every function, procedure and operator of the extension."""
    found = []
    for name, kind, returns_set, types in cluster.query("""
            SELECT p.proname::text, p.prokind::text, p.proretset, coalesce((
                SELECT string_agg(t.typname, ',' ORDER BY o) FROM unnest(p.proargtypes) WITH ORDINALITY a(oid, o)
                  JOIN pg_type t ON t.oid = a.oid), '')
              FROM pg_proc p WHERE p.pronamespace = 'df'::regnamespace ORDER BY 1, 4"""):
        verb = "CALL" if kind == "p" else "SELECT * FROM" if returns_set else "SELECT"
        found.append((verb + " df.\"" + name + "\"(%s)", types.split(",") if types else []))
    for name, left, right in cluster.query("""
            SELECT o.oprname::text, l.typname::text, r.typname::text FROM pg_operator o
              JOIN pg_proc p ON p.oid = o.oprcode LEFT JOIN pg_type l ON l.oid = o.oprleft
              JOIN pg_type r ON r.oid = o.oprright WHERE p.pronamespace = 'df'::regnamespace ORDER BY 1"""):
        if left:
            found.append(("SELECT %s OPERATOR(pg_catalog." + name.replace("%", "%%") + ") %s", [left, right]))
        else:
            found.append(("SELECT OPERATOR(pg_catalog." + name.replace("%", "%%") + ") %s", [right]))
    return found


def torment(cluster, seed, forms, until, problems, counts):
    generator = Generator(seed)
    session = cluster.connect(user="mallory")
    session.execute("SET statement_timeout = '2s'; SET client_min_messages = error")
    number = 0
    while time.monotonic() < until and len(problems) < 20:
        number += 1
        sql, arguments = generator.call(forms)
        try:
            rows = session.query(sql, *arguments)
            if '"start"' in sql and rows and rows[0][0]:
                generator.instances = ([rows[0][0]] + generator.instances)[:20]
            counts["fine"] = counts.get("fine", 0) + 1
        except PgError as error:
            counts[error.sqlstate] = counts.get(error.sqlstate, 0) + 1
            if error.lost and error.sqlstate != "57014":
                problems.append("seed %d call %d: session lost: %s %.300r" % (seed, number, sql, arguments))
                return
            if error.sqlstate == "XX000":
                problems.append("seed %d call %d: XX000 %s: %s %.300r" % (seed, number, error.message, sql, arguments))
        if number % 400 == 0:
            try:
                session.execute("SELECT df.cancel(id) FROM df.instances WHERE status IN ('pending', 'running')")
            except PgError as error:
                if error.sqlstate != "57014":
                    problems.append(str(error))
    session.close()


@suite.test
def a_minute_of_nastiness(cluster):
    """Random functions and operators with random arguments in three sessions: only decent errors, no restart."""
    seed = int(os.environ.get("PGTEST_SEED", random.randrange(1 << 31)))
    seconds = float(os.environ.get("PGTEST_SECONDS", "60"))
    print("    reproduce with PGTEST_SEED=%d" % seed)
    began, forms = cluster.started(), callables(cluster)
    if len(forms) < 20:
        raise AssertionError("only %d functions and operators found" % len(forms))
    problems, counts, until = [], {}, time.monotonic() + seconds
    threads = [threading.Thread(target=torment, args=(cluster, seed + n, forms, until, problems, counts))
               for n in range(SESSIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("    %d calls of %d forms: %s" % (sum(counts.values()), len(forms),
                                            ", ".join("%s %d" % c for c in sorted(counts.items(), key=str))))
    same(problems, [])
    same(cluster.started(), began)
    same(cluster.crashes(), 0, "restarts of the sessions")
    with cluster.connect(user="alice") as session:
        run(session, "'SELECT 1'", 60)


suite.main()
