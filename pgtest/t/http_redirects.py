#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Redirects: followed only when asked for, checked at every hop, without the secrets of the first host."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from http_suite import answer, failure, http, peer, prepare_http  # noqa: E402
from peer import Peer, certificates, scratch  # noqa: E402
from suite import Suite, has, literal, same, settle, start, wait_until  # noqa: E402

suite = Suite(max_worker_processes="24")
suite.prepare = prepare_http
other = Peer()


def to(path, status=302, at=other):
    """The path of a redirect to that path of another peer, which is another origin."""
    return "redirect/%d/127.0.0.1:%d/%s" % (status, at.port, path)


def followed(path, method="GET", rest=""):
    return "df.http(%s, %s, follow_redirects => true%s)" % (
        literal(path if "://" in path else peer.url(path)), literal(method), rest)


@suite.test
def only_when_asked(cluster):
    """Without the argument a redirect is a result."""
    with cluster.connect(user="alice") as session:
        got = answer(session, http(to("echo/not")))
        same((got["status"], got["ok"], got["headers"]["location"]),
             (302, False, "http://127.0.0.1:%d/echo/not" % other.port))
        same(other.arrived("/echo/not"), [])
        got = answer(session, followed("raw/" + b"HTTP/1.1 304 Not Modified\r\nLocation: /echo/not\r\n\r\n".hex()))
        same((got["status"], got["ok"]), (304, False))


@suite.test
def methods(cluster):
    """303, and 301 and 302 of a POST, go on with GET and without a body; 307 and 308 repeat the request."""
    with cluster.connect(user="alice") as session:
        for status, method, then in ((301, "POST", "GET"), (302, "POST", "GET"), (303, "POST", "GET"),
                                     (303, "PUT", "GET"), (301, "PUT", "PUT"), (302, "DELETE", "DELETE"),
                                     (307, "POST", "POST"), (308, "PATCH", "PATCH"), (303, "GET", "GET")):
            graph = followed(to("echo/method", status), method, ", body => 'kept'")
            sent = json.loads(answer(session, graph)["body"])
            kept = "" if method != then else "kept"
            if (status, method) == (303, "GET"):
                kept = sent["body"]
            same((sent["method"], sent["body"]), (then, kept), "%d %s" % (status, method))


@suite.test
def secrets(cluster):
    """Another host, port or scheme sees no header that may be secret; the same origin sees all."""
    fields = ", headers => '{\"Authorization\": \"x\", \"X-Key\": \"y\", \"Cookie\": \"c\", \"Accept\": \"z\", " \
             "\"X-Scheme\": \"http\"}'"
    with cluster.connect(user="alice") as session:
        sent = json.loads(answer(session, followed(to("echo/away"), rest=fields))["body"])
        same({"Authorization", "X-Key", "Cookie"} & set(sent["headers"]), set())
        same((sent["headers"]["Accept"], sent["headers"]["Host"]), ("z", "127.0.0.1:%d" % other.port))
        assert sent["headers"]["Idempotency-Key"], "the key goes along"
        sent = json.loads(answer(session, followed(to("echo/home", at=peer), rest=fields))["body"])
        same((sent["headers"]["Authorization"], sent["headers"]["Cookie"]), ("x", "c"))


@suite.test
def every_hop_is_checked(cluster):
    """A hop to a host that is not allowed, to another scheme or with a user name ends the request; so do too many."""
    with cluster.connect(user="alice") as session:
        cluster.query("SELECT df.http_allow('alice', '127.0.0.1:%d')" % peer.port)
        has(failure(session, followed(to("echo/hop"))), "Blocked: requests to bare IP addresses are not permitted")
        cluster.query("SELECT df.http_forget(role, pattern) FROM df.http_rules()")
        cluster.query("SELECT df.http_deny('alice', 'denied.example')")
        has(failure(session, followed("redirect/denied.example/x")), "'denied.example' is not in the allowed")
        cluster.query("SELECT df.http_forget(role, pattern) FROM df.http_rules()")
        assert failure(session, followed("redirect/u:p@127.0.0.1:%d/echo/hop" % other.port)).startswith("Blocked: ")
        for scheme in ("ftp", "file", "gopher", "javascript"):
            text = failure(session, followed(to("echo/hop"), rest=", headers => '{\"X-Scheme\": \"%s\"}'" % scheme))
            assert text.startswith("Blocked: "), text
        same(other.arrived("/echo/hop"), [])
        same(json.loads(answer(session, followed("hops/10"))["body"])["path"], "/hops/0")
        text = failure(session, followed("hops/11"))
        assert "redirect" in text, text
        same(len(peer.arrived("/hops/0")), 1)
        has(failure(session, followed("redirect/127.0.0.1:%d/slow/30" % other.port, rest=", timeout_seconds => 1")),
            "HTTP timeout after 1s: ")


@suite.test
def parts(cluster):
    """A multipart body goes with a 307 as it is, and not at all with a 303."""
    parts = literal('[{"name": "a", "data_b64": "aGVsbG8="}]')
    with cluster.connect(user="alice") as session:
        for status, method in ((307, "PUT"), (303, "GET")):
            sent = json.loads(answer(session, "df.http_multipart(%s, 'PUT', %s, follow_redirects => true)" % (
                literal(peer.url(to("echo/parts", status))), parts))["body"])
            same((sent["method"], "hello" in sent["body"]), (method, method == "PUT"))
            if method == "PUT":
                boundary = sent["headers"]["Content-Type"].split("boundary=")[1]
                same(sent["body"].count("--" + boundary), 2)
            else:
                same("Content-Type" in sent["headers"] and bool(sent["body"]), False)


@suite.test
def from_tls_to_plain(cluster):
    """From https to http the request goes on as to another origin: without secrets."""
    authority, pair = certificates(scratch())
    secure = Peer(tls=pair)
    cluster.query("ALTER SYSTEM SET pg_durable.http_ca_file = '%s'" % authority)
    cluster.query("SELECT pg_reload_conf()")
    with cluster.connect(user="alice") as session:
        def trusted():
            return settle(session, start(session, http(secure.url("echo", "https")))) == "completed"
        wait_until(trusted, 20, "the authority is trusted", every=0.5)
        sent = json.loads(answer(session, followed(
            secure.url(to("echo/plain"), "https"), rest=", headers => '{\"Authorization\": \"x\"}'"))["body"])
        same((sent["path"], "Authorization" in sent["headers"]), ("/echo/plain", False))
    cluster.query("ALTER SYSTEM RESET pg_durable.http_ca_file")
    cluster.query("SELECT pg_reload_conf()")


suite.main()
