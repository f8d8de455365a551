# SPDX-License-Identifier: PostgreSQL
"""What the suites of HTTP steps share: two roles that may make requests, a peer on loopback, the HTTP worker's process.

Loopback is allowed for the role alice only; bob has the policy that everybody has.
"""
import json
import os

from peer import Peer
from suite import literal, output, prepare, run

peer = Peer()


def prepare_http(cluster):
    prepare(cluster)
    for role in ("alice", "bob"):
        cluster.query("SELECT df.grant_usage('%s', include_http => true)" % role)
    cluster.query("ALTER ROLE alice SET pg_durable.http_allow_private_networks = on")


def http(path, method="GET", rest=""):
    return "df.http(%s, %s%s)" % (literal(path if "://" in path else peer.url(path)), literal(method), rest)


def answer(session, graph, seconds=30):
    return json.loads(output(session, run(session, graph, seconds)))


def failure(session, graph, seconds=30):
    return output(session, run(session, graph, seconds, status="failed"))


def owner(pid):
    return int(open("/proc/%s/stat" % pid).read().rsplit(")", 1)[1].split()[1])


def worker_of(cluster):
    """The pid of the cluster's HTTP worker; None while there is none."""
    return next((int(pid) for pid in os.listdir("/proc") if pid.isdigit() and is_worker(pid, cluster)), None)


def is_worker(pid, cluster):
    try:
        return "durable http" in open("/proc/%s/cmdline" % pid).read() and owner(pid) == cluster.postmaster()
    except OSError:
        return False
