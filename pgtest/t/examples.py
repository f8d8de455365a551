#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Every script in examples/ and the README's SQL run as they are printed, each in a database of its own."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cluster import CHECKOUT  # noqa: E402
from manual import Page  # noqa: E402
from suite import Suite, has, same  # noqa: E402

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
    """The README's SQL, word for word, in a database with a thousand documents."""
    page = Page(os.path.join(CHECKOUT, "README.md"))
    same(len(page.blocks), 1)
    cluster.psql("CREATE DATABASE readme")
    cluster.psql("SELECT 'CREATE ROLE app LOGIN' WHERE to_regrole('app') IS NULL \\gexec\n"
                 "CREATE TABLE documents (id int PRIMARY KEY, processed bool NOT NULL DEFAULT false);"
                 "INSERT INTO documents SELECT n FROM generate_series(1, 1000) n; GRANT ALL ON documents TO app",
                 db="readme")
    has(cluster.psql(page.sql(), db="readme"), "✓")
    same(cluster.value("SELECT count(*) FROM documents WHERE processed", db="readme"), 100)


suite.main()
