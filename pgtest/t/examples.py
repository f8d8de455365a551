#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Every script in examples/ and the README's example run as they are printed, each in a database of its own."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cluster import CHECKOUT  # noqa: E402
from suite import Suite, has, same, settle  # noqa: E402

suite = Suite()


def run_file(cluster, name):
    db = name.replace(".sql", "")
    cluster.psql("CREATE DATABASE %s" % db)
    cluster.psql("CREATE EXTENSION pg_durable", db=db)
    with open(os.path.join(CHECKOUT, "examples", name)) as file:
        return cluster.psql(file.read(), db=db)


@suite.test
def documents(cluster):
    """examples/documents.sql ends with a hundred processed rows."""
    same(run_file(cluster, "documents.sql").splitlines()[-1], "100")


@suite.test
def nightly(cluster):
    """examples/nightly.sql completes and has counted what it removed."""
    lines = run_file(cluster, "nightly.sql").splitlines()
    same(lines[-2:], ["completed", "removed 5000"])


@suite.test
def all_are_run(cluster):
    """No example is left out of this suite."""
    same(sorted(os.listdir(os.path.join(CHECKOUT, "examples"))), ["documents.sql", "nightly.sql"])


@suite.test
def readme(cluster):
    """The README's df.start, word for word."""
    with open(os.path.join(CHECKOUT, "README.md")) as file:
        found = re.search(r"SELECT df\.start\(.*?\);", file.read(), re.S)
    cluster.psql("CREATE TABLE documents (id int PRIMARY KEY, processed bool NOT NULL DEFAULT false);"
                 "INSERT INTO documents SELECT n FROM generate_series(1, 1000) n; GRANT ALL ON documents TO alice")
    with cluster.connect(user="alice") as session:
        instance = session.value(found.group(0).rstrip(";"))
        same(settle(session, instance), "completed")
        same(session.value("SELECT count(*) FROM documents WHERE processed"), 100)
        has(session.value("SELECT df.explain($1)", instance), "✓")


suite.main()
