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
from suite import Suite, has, literal, output, same, settle, start, wait_until  # noqa: E402

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
        has(failure(session, http("http:///p")), "Blocked: unable to extract hostname")
    try:
        listener.accept()
        raise AssertionError("something connected")
    except socket.timeout:
        pass


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
            url = "http://127.0.0.1:%d/" % listener.getsockname()[1]
            has(failure(session, http(url)), "Failed to read response body: ")


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


@suite.test
def headers(cluster):
    """Fields that frame or route a message never leave, even if the role may reach the peer; others do as they are."""
    with cluster.connect(user="alice") as session:
        def graph(name, value):
            field = "jsonb_build_object(E%s, E%s)" % (literal(name), literal(value))
            return "df.http(%s, 'POST', 'body', %s)" % (literal(peer.url("echo/header")), field)
        for name in ("Content-Length", "CONTENT-LENGTH", "Content-Length:", "Transfer-Encoding", "Connection",
                     "Keep-Alive", "TE", "Trailer", "Upgrade", "Expect", "Proxy-Authorization", "Proxy-Connection"):
            has(failure(session, graph(name, "0")), "cannot be set by a step")
        for name in ("X-A: 1\\r\\nX-B", "X A", "", "X:A", "X-A\\t", "h\u00e9"):
            has(failure(session, graph(name, "v")), "is not the name of a header")
        for value in ("1\\r\\nX-B: 2", "1\\nX-B: 2", "1\\r", "1\\n\\nGET / HTTP/1.1"):
            has(failure(session, graph("X-A", value)), 'the value of header "X-A" holds a control character')
        has(failure(session, graph("Host", "allowed.example")), 'header "Host" differs from the host of the URL')
        same(peer.arrived("/echo/header"), [])
        for name, value in (("X-Odd!#$%&'*+.^_`|~", "a:b, \u00e9"), ("Accept-Encoding", "identity"), ("X-Empty", ""),
                            ("Host", "127.0.0.1:%d" % peer.port)):
            sent = json.loads(answer(session, graph(name, value))["body"])
            same((sent["headers"][name].encode("latin-1").decode(), sent["body"]), (value, "body"))


@suite.test
def order_of_refusals(cluster):
    """A reference that leads nowhere comes first, then the right, the switch, the scheme, the list, then the parts."""
    with cluster.connect(user="alice") as session, cluster.connect(user="mallory") as mallory:
        cluster.query("SELECT df.grant_usage('mallory'), df.http_allow('public', 'listed.example')")
        head = '"method":"POST","headers":{"TE":"x"},"parts":[{"name":"a","data_b64":"!"}]'

        def of(url, who, more=head):
            envelope = json.dumps({"node_type": "HTTP_MULTIPART", "query": '{"url":"%s",%s}' % (url, more)})
            return failure(who, literal(envelope))
        missing = head.replace('"!"', '"$nothing.here.at.all"')
        has(of("gopher://x", mallory, missing), "mixes a variable reference with other text")
        has(of("gopher://x", mallory), "does not have EXECUTE privilege on df.http_multipart()")
        has(of("gopher://x", session), "Blocked: unsupported URL scheme 'gopher'")
        has(of("http:///x", session), "Blocked: unable to extract hostname")
        has(of("http://127.0.0.1/", session), "Blocked: requests to bare IP addresses are not permitted")
        has(of("http://127.1/", session), "Blocked: '127.1' is not in the allowed endpoint list")
        has(of("http://other.example/", session), "Blocked: 'other.example' is not in the allowed endpoint list")
        has(of("http://LISTED.example./", session), "Invalid base64 in part 'a'")
        cluster.query("SELECT df.http_forget('public', 'listed.example')")


@suite.test
def allowed_hosts(cluster):
    """The setting lists the only hosts, for all or for a role; one that cannot be read lists none."""
    here = "127.0.0.1:%d" % peer.port

    def setting(value):
        cluster.query("ALTER ROLE alice SET pg_durable.http_allowed_hosts = %s" % literal(value))
    with cluster.connect(user="alice") as session:
        for value, text in (
                ("other.example", "Blocked: requests to bare IP addresses are not permitted"),
                ("127.0.0.1:1", "Blocked: requests to bare IP addresses are not permitted"),
                (",", '"pg_durable.http_allowed_hosts" cannot be read'),
                (here + ",", '"pg_durable.http_allowed_hosts" cannot be read'),
                (here + ", http://x", '"pg_durable.http_allowed_hosts" cannot be read'),
                (here + " , *.example", None), ("*", None), (" ", None), ("[::ffff:127.0.0.1]", None)):
            setting(value)
            if text is None:
                answer(session, http("echo/listed"))
            else:
                has(failure(session, http("echo/unlisted")), text)
        setting("one.example, *.two.example")
        for host, fits in (("one.example", True), ("ONE.example.", True), ("a.two.example", True),
                           ("two.example", False), ("one.example.evil", False), ("aone.example", False)):
            blocked = "is not in the allowed endpoint list" in failure(session, http("http://%s:1/" % host))
            same(blocked, not fits, host)
        same(session.error("SET pg_durable.http_allowed_hosts = '*'").sqlstate, "42501")
        cluster.query("ALTER ROLE alice RESET pg_durable.http_allowed_hosts")
        same(peer.arrived("/echo/unlisted"), [])


@suite.test
def other_spellings(cluster):
    """A host is denied in every spelling: addresses inside addresses, letters beyond ASCII, dots that look like one."""
    with cluster.connect(user="alice") as session:
        cluster.query("SELECT df.http_deny('alice', '127.0.0.1'), df.http_deny('alice', 'denied.example'),"
                      " df.http_deny('alice', 'xn--bcher-kva.example')")
        port = peer.port
        for host in ("127.0.0.1", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:FFFF:7F00:0001]",
                     "[64:ff9b::7f00:1]", "2130706433", "127.1", "0x7f.1", "0177.0.0.1", "127.0.0.1.",
                     "DENIED.example", "denied.example.", "\uff44enied.example", "denied\u3002example",
                     "denied%2eexample", "B\u00dcCHER.example", "b\u00fccher.example"):
            text = failure(session, http("http://%s:%d/echo/spelled" % (host, port), rest=", NULL, NULL, 5"))
            assert text.startswith("Blocked: "), (host, text)
        same(peer.arrived("/echo/spelled"), [])
        cluster.query("SELECT df.http_forget(role, pattern) FROM df.http_rules()")
        cluster.query("SELECT df.http_allow('alice', 'xn--bcher-kva.invalid')")
        text = failure(session, http("http://b\u00fccher.invalid/", rest=", NULL, NULL, 5"))
        cluster.query("SELECT df.http_forget(role, pattern) FROM df.http_rules()")
        has(text, "HTTP connection failed")
        with cluster.connect() as superuser:
            has(superuser.error("SELECT df.http_deny('public', $1)", "b\u00fccher.example").hint, "xn--")


@suite.test
def at_the_moment_it_leaves(cluster):
    """What is taken from a role between start and request counts: EXECUTE, the switch of its addresses, a rule."""
    with cluster.connect(user="alice") as session:
        def waits(label):
            return start(session, "df.wait_for_signal('go') ~> " + http("echo/" + label))

        def goes(instance):
            session.query("SELECT df.signal($1, 'go')", instance)
            return settle(session, instance), output(session, instance)
        right, switch, rule = (waits(label) for label in ("right", "switch", "rule"))
        answer(session, http("echo/before"))
        cluster.query("REVOKE EXECUTE ON FUNCTION df.http(text,text,text,jsonb,integer) FROM alice")
        has(goes(right)[1], 'role "alice" does not have EXECUTE privilege on df.http()')
        cluster.query("GRANT EXECUTE ON FUNCTION df.http(text,text,text,jsonb,integer) TO alice")
        cluster.query("SELECT df.http_deny('alice', '127.0.0.1')")
        has(goes(rule)[1], "is not in the allowed endpoint list")
        cluster.query("SELECT df.http_forget('alice', '127.0.0.1')")
        cluster.query("ALTER ROLE alice RESET pg_durable.http_allow_private_networks")
        has(goes(switch)[1], "Blocked: address 127.0.0.1 is in a restricted range")
        cluster.query("ALTER ROLE alice SET pg_durable.http_allow_private_networks = on")
        answer(session, http("echo/after"))
        for label in ("right", "switch", "rule"):
            same(peer.arrived("/echo/" + label), [])


@suite.test
def nothing_is_remembered(cluster):
    """Cookies, alternative services and demands for TLS of one answer are no part of the next request."""
    with cluster.connect(user="alice") as session:
        got = answer(session, http("sticky"))
        has(got["headers"]["set-cookie"], "a=b")
        for _ in range(2):
            answer(session, http("sticky"))
        seen = peer.arrived("/sticky")
        same([sorted(set(headers) & {"Cookie", "Alt-Used", "Upgrade-Insecure-Requests"})
              for _, _, headers, _ in seen], [[], [], []])


suite.main()
