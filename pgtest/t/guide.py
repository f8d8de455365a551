#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""The user guide: every example in docs/user runs and prints what the page says, and nothing is left out.

A page runs in a database of its own, as the unprivileged role `app`. What was printed, in the page's form, is in
build/guide: after reading it, copy it over the page.
"""
import datetime
import glob
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cluster import CHECKOUT  # noqa: E402
from manual import Matching, Page, check  # noqa: E402
from peer import Peer  # noqa: E402
from suite import Suite, same  # noqa: E402

suite = Suite()
PAGES = [Page(path) for path in sorted(glob.glob(os.path.join(CHECKOUT, "docs", "user", "*.md")))]
RESULTS = os.path.join(CHECKOUT, "build", "guide")
ran = set()
peer = Peer()


def prepare(cluster):
    cluster.psql("CREATE ROLE app LOGIN")


suite.prepare = prepare


def ids(cluster):
    """The ids of all instances and nodes, in all databases."""
    found = []
    for db in databases(cluster):
        found += [row[0] for row in cluster.query("SELECT id FROM df.instances UNION SELECT id FROM df.nodes", db=db)]
    return found


def databases(cluster):
    """The databases that have the extension now."""
    names = [row[0] for row in cluster.query("SELECT datname FROM pg_database WHERE datallowconn")]
    return [n for n in names
            if cluster.value("SELECT count(*) FROM pg_extension WHERE extname = 'pg_durable'", db=n)]


def page_test(page):
    def test(cluster):
        cluster.psql("CREATE DATABASE %s OWNER app" % page.name)
        cluster.psql("SET client_min_messages = warning; CREATE EXTENSION pg_durable;"
                     "SELECT df.grant_usage('app');"
                     "ALTER DATABASE %s SET track_functions = 'all'" % page.name, db=page.name)
        if "{api}" in page.sql():
            cluster.query("SELECT df.setvar('api', $1)", peer.url("").rstrip("/"), user="app", db=page.name)
        ran.add(page.name)
        difference = check(page, os.path.join(cluster.bin, "psql"), cluster.address("app", page.name),
                           dict(os.environ, PGTZ="UTC", LC_ALL="C.UTF-8", PGCLIENTENCODING="UTF8"),
                           lambda: ids(cluster), RESULTS)
        if difference:
            raise AssertionError("docs/user/%s.md:\n%s" % (page.name, difference))
    test.__name__ = page.name
    test.__doc__ = "docs/user/%s.md: its examples print what it shows." % page.name
    return suite.test(test)


for each in PAGES:
    page_test(each)


@suite.test
def blocks_are_labelled(cluster):
    """Every block says what it is; one that is not run says why; nearly all are run."""
    same([(p.name, m) for p in PAGES for m in p.mistakes], [])
    left_out, run = sum(len(p.left_out) for p in PAGES), sum(len(p.blocks) for p in PAGES)
    if left_out * 10 > run:
        raise AssertionError("%d blocks are not run, %d are" % (left_out, run))


@suite.test
def masks_hide_nothing(cluster):
    """Only ids that exist and times of the run may differ from the page, the same id in the same place each time."""
    now = datetime.datetime(2026, 3, 1, 12, 0, 0)

    def verdicts(ids, *pairs):
        matching = Matching(ids, now, now)
        return [matching.agree(*pair) for pair in pairs]

    same(verdicts(["0a1b2c3d"], ("id 11111111", "id 0a1b2c3d")), [True])
    same(verdicts([], ("id 11111111", "id 0a1b2c3d")), [False], "an id that does not exist")
    same(verdicts([], ("n 11111111", "n 22222222")), [False], "a number")
    same(verdicts(["0a1b2c3d", "4e5f6a7b"], ("11111111", "0a1b2c3d"), ("11111111", "4e5f6a7b"),
                  ("22222222", "0a1b2c3d"), ("22222222", "4e5f6a7b")), [True, False, False, True], "one for one")
    same(verdicts([], ("at 2025-01-01 00:00:00+00", "at 2026-03-01 12:30:00+00"),
                  ("at 2025-01-01 00:00:00+00", "at 2026-03-01 14:00:00+00"),
                  ("at 2025-01-01 00:00:00+00", "at 2026-03-01 12:30:00.5+00"),
                  ("at 2025-01-01 00:00:00+00", "at 2026-03-01T12:30:00+00")), [True, False, False, False])
    same(verdicts([], ("one", "two"), ("a ", "a"), ("NULL", "")), [False] * 3)
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "page.md")
        with open(path, "w") as file:
            file.write("```sql\nSELECT 1 AS a;\nSELECT 1/0;\n```\n```text\n a\n---\n 2\n```\n"
                       "```sql\nSELECT 3 AS b;\n```\n\ntext\n\n```sql\nSELECT\n```\n```perl\n```\n")
        page = Page(path)
        psql = os.path.join(cluster.bin, "psql")
        difference = check(page, psql, cluster.address(), dict(os.environ), list, directory)
        removed = [line for line in difference.split("\n") if re.match(r"-[^-]", line)]
        added = [line for line in difference.split("\n") if re.match(r"\+[^+]", line)]
        same((removed, sorted(a.strip() for a in added)), (["- 2"], sorted([
            "+ 1", "+ERROR:  division by zero", "+```text", "+ b", "+---", "+ 3", "+```"])))
        same(page.mistakes, ["line 16: the last statement does not end", "line 19: what is a block of 'perl'?"])


def require_all_pages():
    if len(ran) < len(PAGES):
        raise AssertionError("this test needs the pages before it: run the whole suite")


@suite.test
def every_function_has_an_example(cluster):
    """Each function and procedure of schema df, overload by overload, was called with success by some page."""
    require_all_pages()
    called, known = set(), set()
    for db in databases(cluster):
        known |= {row[0] for row in cluster.query(
            "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'df'::regnamespace", db=db)}
        called |= {row[0] for row in cluster.query(
            "SELECT funcid::regprocedure::text FROM pg_stat_user_functions WHERE schemaname = 'df' AND calls > 0",
            db=db)}
    same(sorted(known - called), [], "functions without an example in docs/user")


@suite.test
def every_operator_and_relation_has_an_example(cluster):
    """Each operator of ours, and each table or view of schema df, is used by some example."""
    sql = "\n".join(p.sql() for p in PAGES)
    db = PAGES[0].name if ran else None
    if db is None:
        raise AssertionError("this test needs a page before it")
    operators = [row[0] for row in cluster.query(
        "SELECT oprname FROM pg_operator o JOIN pg_proc p ON p.oid = o.oprcode"
        " WHERE p.pronamespace = 'df'::regnamespace", db=sorted(ran)[0])]
    relations = [row[0] for row in cluster.query(
        "SELECT relname FROM pg_class WHERE relnamespace = 'df'::regnamespace AND relkind IN ('r', 'v')",
        db=sorted(ran)[0])]
    same([o for o in operators if not re.search(r"(^|\s)%s\s" % re.escape(o), sql)], [], "operators")
    same([r for r in relations if not re.search(r"\bdf\.%s\b" % r, sql)], [], "relations")


def signature(name, arguments, result, is_procedure):
    arguments = re.sub(r"(DEFAULT (?:'[^']*'|\w+))::\w+", r"\1", arguments)
    arguments = re.sub(r"\bIN ", "", arguments)
    return "df.%s(%s)%s" % (name, arguments, "" if is_procedure else " → " + result)


@suite.test
def every_signature_is_written(cluster):
    """Each function's signature is in the guide word for word, and no other is."""
    rows = cluster.query(
        "SELECT proname, pg_get_function_arguments(oid), pg_get_function_result(oid), prokind = 'p'"
        " FROM pg_proc WHERE pronamespace = 'df'::regnamespace", db=sorted(ran)[0])
    in_catalog = sorted(signature(*row) for row in rows)
    written = sorted(line[1:-1] for p in PAGES for line in p.lines if re.match(r"^`df\.\w+\(.*`$", line))
    same(sorted(set(in_catalog) - set(written)), [], "not in the guide")
    same(sorted(set(written) - set(in_catalog)), [], "not in the catalogue")


@suite.test
def settings_table(cluster):
    """The table of settings in docs/user/settings.md: all of them, with default, range and context."""
    rows = cluster.query(
        "SELECT name, CASE WHEN vartype = 'string' AND boot_val = '' THEN 'empty' ELSE current_setting(name) END,"
        " CASE vartype WHEN 'bool' THEN 'on, off' WHEN 'string' THEN 'any text'"
        " WHEN 'enum' THEN array_to_string(enumvals, ', ')"
        " ELSE concat(min_val, ' to ', max_val, ' ' || unit) END,"
        " CASE context WHEN 'postmaster' THEN 'restart' WHEN 'sighup' THEN 'reload' ELSE context END"
        " FROM pg_settings WHERE name LIKE 'pg\\_durable.%'")
    in_server = sorted("| `%s` | %s | %s | %s |" % tuple(row) for row in rows)
    page = next(p for p in PAGES if p.name == "settings")
    written = sorted(re.match(r"((\| [^|]*){4}\|)", line).group(1) for line in page.lines
                     if line.startswith("| `pg_durable."))
    same("\n".join(written), "\n".join(in_server))


suite.main()
