# SPDX-License-Identifier: PostgreSQL
"""A suite of server tests: functions marked with `@suite.test`, run in order, each with the idea as its docstring.

The last line a suite prints is `N passed, N failed`; the exit status says whether all passed. Names of tests given on
the command line select some.
"""
import os
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from cluster import Cluster, wait_until  # noqa: E402
from libpq import PgError  # noqa: E402

__all__ = ["Cluster", "PgError", "Suite", "dollar", "has", "literal", "output", "prepare", "run", "same", "settle",
           "start", "wait_until"]


class Suite:
    def __init__(self, **settings):
        """`settings` are server settings of this suite's cluster."""
        self.name = os.path.splitext(os.path.basename(sys.argv[0]))[0]
        self.settings, self.tests = settings, []

    def test(self, function):
        self.tests.append(function)
        return function

    def prepare(self, cluster):
        """What every test finds; replaced by suites that need more or nothing."""
        prepare(cluster)

    def main(self):
        chosen = [t for t in self.tests if not sys.argv[1:] or t.__name__ in sys.argv[1:]]
        passed, failed = 0, []
        cluster = Cluster("t-" + self.name, self.settings)
        try:
            cluster.init().start()
            self.prepare(cluster)
            for test in chosen:
                if self._run(test, cluster):
                    passed += 1
                else:
                    failed.append(test.__name__)
            for complaint in cluster.complaints():
                failed.append("server log")
                print("server log: " + complaint)
        except (Exception, SystemExit):
            failed.append("set-up")
            traceback.print_exc(file=sys.stdout)
        finally:
            if failed:
                print("--- end of the server's log ---\n" + cluster.tail(60))
                print("run again with: pgtest/run %s %s" % (self.name, " ".join(f for f in failed if " " not in f)))
            cluster.keep = bool(failed) and bool(os.environ.get("PGTEST_KEEP"))
            cluster.remove()
        print("%d passed, %d failed" % (passed, len(failed)))
        sys.stdout.flush()
        sys.exit(1 if failed else 0)

    def _run(self, test, cluster):
        begin = time.monotonic()
        try:
            if not cluster.running():
                cluster.start()
            # The test before may have left it in the middle of a restart.
            cluster.wait_ready(60)
            test(cluster)
            problem = None
        except (Exception, SystemExit):
            problem = traceback.format_exc()
        print("%s %s (%.1f s)" % ("not ok" if problem else "ok", test.__name__, time.monotonic() - begin))
        if problem:
            print("    idea: " + " ".join((test.__doc__ or "").split()))
            print("    " + problem.replace("\n", "\n    "))
        sys.stdout.flush()
        return problem is None


def prepare(cluster, db="postgres", roles=("alice", "bob", "mallory")):
    """The extension and three unprivileged roles that may use it and own a schema each."""
    cluster.psql("CREATE EXTENSION pg_durable;", db=db)
    cluster.psql("SET client_min_messages = warning;" + "".join(
        "CREATE ROLE {0} LOGIN; SELECT df.grant_usage('{0}'); CREATE SCHEMA {0} AUTHORIZATION {0};".format(role)
        for role in roles), db=db)


def start(session, graph, label=None):
    """`df.start` of an expression written in SQL; the instance's id."""
    return session.value("SELECT df.start(%s, %s)" % (graph, literal(label)))


def literal(text):
    return "NULL" if text is None else "'" + text.replace("'", "''") + "'"


def dollar(text):
    """`text` as a dollar-quoted literal."""
    tag = "$q$"
    while tag in text:
        tag = "$q%s" % tag[1:]
    return tag + text + tag


TERMINAL = ("completed", "failed", "cancelled")


def settle(session, instance, seconds=30):
    """Wait until the instance has ended; its status."""
    def ended():
        status = session.value("SELECT df.status($1)", instance)
        return status if status in TERMINAL else None
    try:
        return wait_until(ended, seconds, "instance %s ends" % instance)
    except AssertionError:
        rows = session.query(
            "SELECT node_type, query, status, inferred_status, result FROM df.instance_nodes($1)", instance)
        raise AssertionError("instance %s is %s after %g s:\n%s" % (
            instance, session.value("SELECT df.status($1)", instance), seconds, "\n".join(map(str, rows)))) from None


def run(session, graph, seconds=30, status="completed"):
    """Start, wait for the end, and require that end; the instance's id."""
    instance = start(session, graph)
    seen = settle(session, instance, seconds)
    if seen != status:
        raise AssertionError("%s: %s, expected %s; output: %s" % (
            graph, seen, status, output(session, instance)))
    return instance


def output(session, instance):
    """The value of a completed instance, or the error text of a failed one."""
    return session.value("SELECT output FROM df.instance_info($1)", instance)


def same(actual, expected, what=""):
    if actual != expected:
        raise AssertionError("%s\n  expected %.1000r\n  but got  %.1000r" % (what, expected, actual))


def has(text, fragment):
    if text is None or fragment not in text:
        raise AssertionError("%r not in %.500r" % (fragment, text))
