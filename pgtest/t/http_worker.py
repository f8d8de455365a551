#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""What the HTTP worker spends and whom it believes: memory, time for certificates, proxies, locales, moving names."""
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from http_engine import FastPeer, NameServer, Proxy  # noqa: E402
from http_suite import answer, failure, http, prepare_http, worker_of  # noqa: E402
from peer import Peer, certificates, scratch  # noqa: E402
from suite import Suite, has, literal, output, same, settle, start, wait_until  # noqa: E402

# alone

peer = FastPeer()
NAMES = {"b\u00fccher.test".encode("idna").decode(): ["127.0.0.1"], "moving.test": ["127.0.0.1"]}
names = NameServer(NAMES)
suite = Suite(max_worker_processes="24", **{"pg_durable.http_dns_servers": "'%s'" % names.address})
suite.prepare = prepare_http
ENDED = "SELECT count(*) FROM df.instances WHERE label = $1 AND status IN ('completed', 'failed')"


def reload(cluster, name, value):
    """And wait until the HTTP worker, which is told first, has had time to read it."""
    cluster.reload(**{"pg_durable." + name: value})
    wait_until(lambda: cluster.value("SELECT current_setting($1)", "pg_durable." + name) == value.strip("'"), 10, name)
    time.sleep(0.3)


def with_header(path, size):
    return http(peer.url(path), rest=", NULL, jsonb_build_object('X-Large', repeat('x', %d))" % size)


@suite.test
def large_heads(cluster):
    """URL and headers have a limit, and count as memory like bodies: those for whom there is no room are sent later."""
    with cluster.connect(user="alice") as session:
        text = failure(session, with_header("never", 300_000))
        same(text, "URL and headers of the HTTP request exceed 256kB")
        text = failure(session, http(peer.url("never/") + "x" * 300_000))
        same(text, "URL and headers of the HTTP request exceed 256kB")
        same(peer.arrived("/never"), [])
        reload(cluster, "http_max_worker_memory", "1MB")
        for n in range(12):
            start(session, with_header("wait/0.5/%d/heads" % n, 200_000), "heads")
        wait_until(lambda: session.value(ENDED, "heads") == 12, 30, "all are answered")
        same(len(peer.arrived("/wait/0.5")), 12)
        assert 1 <= peer.most["heads"] <= 4, peer.most
        reload(cluster, "http_max_worker_memory", "256MB")


@suite.test
def forbidden_while_it_waits(cluster):
    """A request that waits for the worker's memory does not leave any more once requests are switched off."""
    def posted(path):
        return "df.http(%s, 'POST', repeat('x', 700000), NULL, 100)" % literal(peer.url(path))
    reload(cluster, "http_max_worker_memory", "1MB")
    try:
        waits_and_is_forbidden(cluster, posted)
    finally:
        reload(cluster, "http_enabled", "on")
        reload(cluster, "http_max_worker_memory", "256MB")


def waits_and_is_forbidden(cluster, posted):
    with cluster.connect(user="alice") as session:
        first = start(session, posted("wait/60/first"))
        wait_until(lambda: peer.arrived("/wait/60/first"), 10, "the first arrives")
        second = start(session, posted("second"))
        wait_until(lambda: session.value("SELECT count(*) FROM df.nodes WHERE instance_id = $1 AND status = 'running'",
                                         second) > 0, 10, "the second has been recorded")
        time.sleep(0.5)
        same(peer.arrived("/second"), [])
        reload(cluster, "http_enabled", "off")
        session.query("SELECT df.cancel($1)", first)
        same(settle(session, second), "failed")
        same(output(session, second), "Blocked: outbound HTTP requests are disabled")
        same(peer.arrived("/second"), [])


@suite.test
def addresses_through_a_proxy(cluster):
    """A proxy leads to no address that is not public; where names lead is its own to check. Its password is hidden."""
    proxy = Proxy()
    reload(cluster, "http_proxy", "'%s'" % proxy.url.replace("//", "//us:secret@"))
    with cluster.connect(user="bob") as bob, cluster.connect(user="alice") as alice:
        for host in ("127.0.0.1", "169.254.169.254", "0x7f.1", "[::1]", "[::ffff:10.0.0.1]"):
            has(failure(bob, http("http://%s/x" % host)), "is in a restricted range")
        has(failure(bob, "df.http('https://10.1.2.3/x', 'GET')"), "Blocked: address 10.1.2.3 is in a restricted range")
        same(proxy.through, [])
        same(answer(bob, http("http://anywhere.invalid/x"))["body"], "the proxy")
        same(answer(alice, http("http://10.1.2.3/x"))["body"], "the proxy")
        same(bob.error("SHOW pg_durable.http_proxy").sqlstate, "42501")
        same(bob.query("SELECT setting FROM pg_settings WHERE setting LIKE '%secret%'"), [])
    reload(cluster, "http_proxy", "''")


class Moving:
    """At two addresses; the second request over its first connection gets no answer, and with `leave` a close."""

    def __init__(self):
        self.seen, self.leave = [], threading.Event()
        self.socket = socket.create_server(("0.0.0.0", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        is_first = True
        while True:
            connection, _ = self.socket.accept()
            threading.Thread(target=self._serve, args=(connection, is_first), daemon=True).start()
            is_first = False

    def _serve(self, connection, is_first):
        with connection:
            while True:
                head = connection.recv(65536)
                if not head:
                    return
                path = head.split(b" ")[1].decode()
                self.seen.append((path, connection.getsockname()[0]))
                if is_first and path == "/stuck":
                    self.leave.wait(20)
                    return
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@suite.test
def moving_name(cluster):
    """A connection dies when its host's name leads elsewhere by now: the request goes there, if that is allowed."""
    host = Moving()

    def url(path):
        return http("http://moving.test:%d/%s" % (host.port, path))
    with cluster.connect(user="alice") as session:
        same(answer(session, url("first"))["body"], "ok")
        stuck = start(session, url("stuck"))
        wait_until(lambda: ("/stuck", "127.0.0.1") in host.seen, 10, "the request arrives")
        NAMES["moving.test"] = ["127.0.0.2"]
        same(answer(session, url("other"))["body"], "ok")
        host.leave.set()
        same(settle(session, stuck), "completed")
        same(host.seen, [("/first", "127.0.0.1"), ("/stuck", "127.0.0.1"), ("/other", "127.0.0.2"),
                         ("/stuck", "127.0.0.2")])


@suite.test
def any_locale(cluster):
    """Names beyond ASCII are read as UTF-8 whatever the server's locale is; what is no name is refused as that."""
    given = {name: os.environ.get(name) for name in ("LC_ALL", "LANG")}
    os.environ.update(LC_ALL="C", LANG="C")
    try:
        cluster.restart()
        with cluster.connect(user="alice") as session:
            same(answer(session, http(peer.url("idn", "b\u00fccher.test")))["body"], "/idn")
            same(peer.seen[-1][1]["Host"], "xn--bcher-kva.test:%d" % peer.port)
            for name in ("b\u00fccher" * 20 + ".test", "a\u2024\u200b\uffff.test"):
                has(failure(session, http(peer.url("idn", name))), "Blocked: unable to extract hostname")
            has(failure(session, http("http://%ff.test/idn")), "Blocked: unable to extract hostname")
    finally:
        for name, value in given.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    cluster.restart()


def seconds_of(pid):
    """What a process has used of the processor."""
    with open("/proc/%d/stat" % pid) as file:
        words = file.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


@suite.test
def certificates_are_kept(cluster):
    """The system's certificates are not read again for each connection, which would hold up everybody."""
    secure = Peer(tls=certificates(scratch())[1])
    graph = http(secure.url("echo", "https"))
    with cluster.connect(user="alice") as session:
        has(failure(session, graph), "HTTP connection failed")
        pid = worker_of(cluster)
        before = seconds_of(pid)
        session.query("SELECT df.start(%s, 'tls') FROM generate_series(1, 60)" % graph)
        wait_until(lambda: session.value(ENDED, "tls") == 60, 60, "all have ended")
        took = seconds_of(pid) - before
        print("    %.1f ms of processor for a handshake" % (took / 60 * 1000))
        assert took < 0.9, took


suite.main()
