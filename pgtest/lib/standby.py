# SPDX-License-Identifier: PostgreSQL
"""Commits that wait for a synchronous standby which never comes."""
import contextlib

from cluster import wait_until
from libpq import PgError

WAITS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'standby probe'"


def _hold(cluster, probe):
    """From here on commits wait, `probe`'s first.

    The setting alone does not say so: it counts from the moment the checkpointer has read it, so `probe` commits until
    a commit waits.
    """
    cluster.reload(synchronous_standby_names="'nobody'")
    probe.send("SELECT pg_logical_emit_message(true, '', '')")

    def held():
        if probe.ready():
            probe.finish()
            probe.send("SELECT pg_logical_emit_message(true, '', '')")
        return cluster.value(WAITS) == 1
    wait_until(held, 10, "commits wait for a standby")


def _release(cluster):
    """Commits no longer wait. Works also while the server is about to notice that a process of it was killed."""
    def released():
        try:
            cluster.reload(synchronous_standby_names="''")
            return cluster.value(WAITS) == 0 and cluster.value("SHOW synchronous_standby_names") == ""
        except (AssertionError, PgError):
            return False
    wait_until(released, 60, "the server takes commands", every=0.2)


@contextlib.contextmanager
def commits_held(cluster):
    """In here no commit ends, but of sessions that ask for a local one."""
    with cluster.connect(application_name="standby probe", options="-c synchronous_commit=on") as probe:
        try:
            _hold(cluster, probe)
            yield
        finally:
            _release(cluster)
