#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Where requests may go: addresses, hosts, rules, rights, redirects, certificates."""
import json
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from http_suite import answer, failure, http, peer, prepare_http  # noqa: E402
from peer import Peer, certificates, scratch  # noqa: E402
from suite import Suite, has, literal, same, settle, start, wait_until  # noqa: E402

# alone

suite = Suite(max_worker_processes="24")
suite.prepare = prepare_http


@suite.test
def nothing_leaves_when_forbidden(cluster):
    """Whatever the spelling, a role without private networks reaches no listener here."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.5)
    port = listener.getsockname()[1]
    with cluster.connect(user="bob") as session:
        for host in ("127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "localhost", "LOCALHOST.",
                     "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "127.0.0.1.", "[64:ff9b::7f00:1]",
                     "10.0.0.1", "169.254.169.254", "[fe80::1]", "192.168.1.1", "100.64.0.1", "198.18.0.1"):
            text = failure(session, http("http://%s:%d/x" % (host, port), rest=", NULL, NULL, 3"))
            assert text.startswith(("Blocked: ", "HTTP connection failed")), (host, text)
        for url in (r"http://127.0.0.1:%d\@allowed.example/x", "http://allowed.example@127.0.0.1:%d/x",
                    "http://127.0.0.1:%d#@allowed.example/", "http://u:p@127.0.0.1:%d/"):
            text = failure(session, http(url % port, rest=", NULL, NULL, 3"))
            assert text.startswith("Blocked: "), (url, text)
        for header in ("X-A: 1\r\nX-B", "X A", "", "X:A"):
            graph = "df.http(%s, 'GET', NULL, jsonb_build_object(%s, 'v'))" % (
                literal("http://127.0.0.1:%d/" % port), "E" + literal(header.replace("\r\n", "\\r\\n")))
            failure(session, graph)
        has(failure(session, http("http:///p")), "Blocked: unable to extract hostname")
    try:
        listener.accept()
        raise AssertionError("something connected")
    except socket.timeout:
        pass
    # The header with a line break is refused for those who may connect, too.
    with cluster.connect(user="alice") as session:
        has(failure(session, "df.http(%s, 'GET', NULL, jsonb_build_object('X-A', E'1\\r\\nX-B: 2'))"
                    % literal(peer.url("echo"))), "header \"X-A\" holds a control character")


@suite.test
def reused_connections(cluster):
    """A connection that alice may have serves nobody who may not."""
    with cluster.connect(user="alice") as alice, cluster.connect(user="bob") as bob:
        answer(alice, http("echo/reused"))
        has(failure(bob, http("echo/reused-by-bob")), "Blocked: address 127.0.0.1 is in a restricted range")
        same(peer.arrived("/echo/reused-by-bob"), [])


@suite.test
def rights_and_rules(cluster):
    """EXECUTE is looked at when the step runs; rules per role, the setting, and the switch decide where it may go."""
    with cluster.connect(user="alice") as session:
        raw = session.value("SELECT df.http(%s, 'GET')" % literal(peer.url("echo/rights")))
        cluster.query("SELECT df.grant_usage('mallory')")
        with cluster.connect(user="mallory") as mallory:
            same(mallory.error("SELECT df.http('http://x')").sqlstate, "42501")
            has(failure(mallory, literal(raw)), "does not have EXECUTE privilege on df.http()")
        cluster.query('CREATE ROLE "Needs Quotes" LOGIN')
        cluster.query("SELECT df.grant_usage('Needs Quotes', include_http => true)")
        with cluster.connect(user="Needs Quotes") as quoted:
            has(failure(quoted, http("echo/quoted")), "Blocked: address")
        cluster.query("SELECT df.http_allow('alice', 'allowed.example'), df.http_allow('alice', '127.0.0.1:1')")
        has(failure(session, http("echo/rules")), "Blocked: requests to bare IP addresses are not permitted")
        cluster.query("SELECT df.http_allow('alice', '127.0.0.1:%d')" % peer.port)
        answer(session, http("echo/rules"))
        cluster.query("SELECT df.http_deny('public', '127.0.0.1')")
        has(failure(session, http("echo/rules")), "is not in the allowed endpoint list")
        same(cluster.query("SELECT * FROM df.http_rules() ORDER BY 1, 2")[-1], ("public", "127.0.0.1", False))
        cluster.query("SELECT df.http_forget(role, pattern) FROM df.http_rules()")
        answer(session, http("echo/rules"))
        with cluster.connect() as superuser:
            for pattern in ("", "http://x", "a b", "x:0", "x:y", "*.*"):
                same(superuser.error("SELECT df.http_allow('alice', $1)", pattern).sqlstate, "22023", pattern)
        same(session.error("SELECT df.http_allow('alice', 'x')").sqlstate, "42501")
        cluster.query("ALTER SYSTEM SET pg_durable.http_enabled = off")
        cluster.query("SELECT pg_reload_conf()")
        wait_until(lambda: "is disabled" in getattr(probe(session), "message", ""), 10, "df.http is disabled")
        has(failure(session, literal(raw)), "Blocked: outbound HTTP requests are disabled")
        cluster.query("ALTER SYSTEM RESET pg_durable.http_enabled")
        cluster.query("SELECT pg_reload_conf()")
        wait_until(lambda: probe(session) is None, 10, "df.http is back")


def probe(session):
    try:
        session.query("SELECT df.http('http://x')")
        return None
    except Exception as error:
        return error


@suite.test
def redirects(cluster):
    """Not followed unless asked for; each hop is checked, and another host does not get the secrets."""
    other = Peer()
    with cluster.connect(user="alice") as session:
        target = "redirect/127.0.0.1:%d/echo/hop" % other.port
        same(answer(session, http(target))["status"], 302)
        graph = "df.http(%s, 'GET', headers => '{\"Authorization\": \"x\", \"X-Key\": \"y\", " \
                "\"Accept\": \"z\"}', follow_redirects => true)" % literal(peer.url(target))
        sent = json.loads(answer(session, graph)["body"])
        same(sent["path"], "/echo/hop")
        assert "Authorization" not in sent["headers"] and "X-Key" not in sent["headers"], sent
        same(sent["headers"]["Accept"], "z")
        cluster.query("SELECT df.http_allow('alice', '127.0.0.1:%d')" % peer.port)
        has(failure(session, graph), "Blocked: requests to bare IP addresses are not permitted")
        cluster.query("SELECT df.http_forget(role, pattern) FROM df.http_rules()")


@suite.test
def odd_urls(cluster):
    """Names of any length and letter, spaces and fragments end in an answer or a clear failure, never elsewhere."""
    with cluster.connect(user="alice") as session:
        same(json.loads(answer(session, http("echo/a?b=c%20d#gone"))["body"])["path"], "/echo/a?b=c%20d")
        same(len(json.loads(answer(session, http("echo/" + "x" * 60000))["body"])["path"]), 60006)
        for url in ("http://" + "a" * 300 + ".example/", "http://b\u00fccher.invalid/", "http://x.invalid./",
                    "http://a b/",
                    "http://127.0.0.1:99999/", "http://127.0.0.1:x/", "http://[::1/", "http://exa%6dple.invalid/"):
            text = failure(session, http(url, rest=", NULL, NULL, 5"))
            known = ("Blocked: ", "HTTP connection failed", "Invalid HTTP request", "HTTP timeout")
            assert text.startswith(known), text
        with socket.create_server(("127.0.0.1", 0)) as listener:
            def half_closed():
                connection, _ = listener.accept()
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
                connection.shutdown(socket.SHUT_WR)
                time.sleep(1)
                connection.close()
            threading.Thread(target=half_closed, daemon=True).start()
            has(failure(session, http("http://127.0.0.1:%d/" % listener.getsockname()[1])), "HTTP request failed: ")


@suite.test
def tls(cluster):
    """Certificates are verified, by the authority of the setting when there is one."""
    directory = scratch()
    authority, pair = certificates(directory)
    secure = Peer(tls=pair)
    with cluster.connect(user="alice") as session:
        has(failure(session, http(secure.url("echo", "https"))), "HTTP connection failed")
        cluster.query("ALTER SYSTEM SET pg_durable.http_ca_file = '%s'" % authority)
        cluster.query("SELECT pg_reload_conf()")

        def works():
            instance = start(session, http(secure.url("echo", "https")))
            return settle(session, instance) == "completed"
        wait_until(works, 20, "the authority is trusted", every=0.5)
        has(failure(session, http(secure.url("echo", "https").replace("127.0.0.1", "127.0.0.2"))),
            "HTTP connection failed")
        cluster.query("ALTER SYSTEM RESET pg_durable.http_ca_file")
        cluster.query("SELECT pg_reload_conf()")


suite.main()
