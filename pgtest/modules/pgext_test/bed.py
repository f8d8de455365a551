# SPDX-License-Identifier: PostgreSQL
"""The suites of the framework for extensions in Swift share this: a cluster with its test bed pgext_test alone.

Installs build/pgext_test.so (`scripts/build pgext_test`) unless PGEXT_TEST_INSTALLED says that somebody did.
"""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "lib"))
from cluster import CHECKOUT  # noqa: E402
from suite import PgError, Suite, wait_until  # noqa: E402


class Bed(Suite):
    def __init__(self, **settings):
        super().__init__(**{"shared_preload_libraries": "'pgext_test'", "max_worker_processes": "6", **settings})

    def prepare(self, cluster):
        cluster.psql("CREATE EXTENSION pgext_test; CREATE ROLE alice LOGIN;"
                     "GRANT SELECT, INSERT ON pgext_items TO alice;")

    def main(self):
        if not os.environ.get("PGEXT_TEST_INSTALLED"):
            subprocess.run([os.path.join(CHECKOUT, "scripts", "install"), "pgext_test",
                            os.path.join(HERE, "pgext_test.control"), os.path.join(HERE, "pgext_test--1.0.sql")],
                           check=True)
        super().main()


def lost(session, sql):
    """Run what ends the session; the error that the client saw."""
    try:
        session.send(sql)
        session.finish(30)
    except PgError as error:
        wait_until(lambda: not session.alive or session.ready() and not session.alive, 10, "the session ends")
        return error
    raise AssertionError("%s returned" % sql)
