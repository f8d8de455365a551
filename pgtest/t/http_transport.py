#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""How the HTTP worker gets there and back: names, addresses, connections, proxies, certificates, open files."""
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from http_engine import FastPeer, NameServer, Proxy, maps, memory_peak, shared_memory, status, within  # noqa: E402
from http_suite import answer, failure, http, prepare_http, worker_of  # noqa: E402
from peer import Peer, certificates, scratch  # noqa: E402
from suite import Suite, has, literal, output, same, settle, start, wait_until  # noqa: E402

# alone

peer = FastPeer()
turns = {"n": 0}


def changing():
    turns["n"] += 1
    return ["127.0.0.1"] if turns["n"] % 2 else ["127.0.0.2"]


NAMES = {"peer.test": ["127.0.0.1"], "both.test": ["127.0.0.1", "203.0.113.1", "::1", "fd00::1"], "none.test": [],
         "second.test": ["127.0.0.9", "127.0.0.1"], "changing.test": changing, "mapped.test": ["::ffff:127.0.0.1"],
         "xn--bcher-kva.test": ["127.0.0.1"], "proxy.test": ["127.0.0.1"]}
names = NameServer(NAMES)
suite = Suite(max_worker_processes="24", **{"pg_durable.http_dns_servers": "'%s'" % names.address,
                                            "pg_durable.http_max_worker_memory": "64MB"})
suite.prepare = prepare_http


def named(name, path, rest=""):
    return http(peer.url(path, name), rest=rest)


def effective(cluster, session, **settings):
    """Reload, and wait until the HTTP worker has read it: it is told first, and answers after that."""
    cluster.reload(**settings)
    name, value = next(iter(settings.items()))
    wait_until(lambda: cluster.value("SELECT current_setting($1)", name) == value.strip("'"), 10, "the new settings")
    time.sleep(0.3)
    answer(session, http(peer.url("after-reload"))) if "proxy" not in name else None


@suite.test
def worker(cluster):
    """One process, one thread, no database session; nobody else has the library."""
    with cluster.connect(user="alice") as session:
        same(json.loads(json.dumps(answer(session, named("peer.test", "hello"))))["body"], "/hello")
        pid = worker_of(cluster)
        same(os.listdir("/proc/%d/task" % pid), [str(pid)])
        row = cluster.query("SELECT datid, usename FROM pg_stat_activity WHERE pid = $1", pid)
        assert row in ([], [(None, None)]), row
        children = subprocess.check_output(["pgrep", "-P", str(cluster.postmaster())], text=True).split()
        same([p for p in maps("pg_durable_http.so") if str(p) in children], [pid])
        same([p for p in maps("libcurl.so") if str(p) in children], [pid])


@suite.test
def silent_names(cluster):
    """A name server that says nothing holds up no other transfer, no cancel and no stop, and starts no thread."""
    with cluster.connect(user="alice") as session:
        begin = time.monotonic()
        waiting = [start(session, named("silent%d.test" % n, "x", ", NULL, NULL, 600")) for n in range(50)]
        brief = start(session, named("silent.test", "x", ", NULL, NULL, 2"))
        wait_until(lambda: "silent49.test" in names.asked, 20, "the names are asked for")
        for n in range(20):
            answer(session, named("peer.test", "beside/%d" % n))
        same(os.listdir("/proc/%d/task" % worker_of(cluster)), [str(worker_of(cluster))])
        same(settle(session, brief), "failed")
        has(output(session, brief), "HTTP timeout after 2s: http://silent.test")
        session.query("SELECT df.cancel($1)", waiting[0])
        same(settle(session, waiting[0], 5), "cancelled")
        within(30, begin, "all of that")
        begin = time.monotonic()
        cluster.restart()
        within(8, begin, "the restart")
    with cluster.connect(user="alice") as session:
        session.query("SELECT df.cancel(id) FROM df.instances WHERE status NOT IN ('completed', 'failed', 'cancelled')")
        wait_until(lambda: session.value("SELECT count(*) FROM df.instances WHERE status NOT IN ('completed', "
                                         "'failed', 'cancelled')") == 0, 20, "all have ended")


@suite.test
def names_that_lead_home(cluster):
    """What a name resolves to is checked before it is used, each time, and the good addresses of a name are kept."""
    before = len(peer.seen)
    with cluster.connect(user="bob") as bob, cluster.connect(user="alice") as alice:
        for name in ("peer.test", "mapped.test", "localhost"):
            has(failure(bob, named(name, "x")), "is in a restricted range")
        # Documentation's addresses are no better than private ones, whatever their number.
        has(failure(bob, named("both.test", "x")), "is in a restricted range")
        has(failure(bob, named("none.test", "x")), "HTTP connection failed: http://none.test:")
        for _ in range(4):
            has(failure(bob, named("changing.test", "x")), "is in a restricted range")
        same(len(peer.seen), before)
        same(answer(alice, named("second.test", "second"))["body"], "/second")
        same(answer(alice, named("Peer.TEST.", "dot"))["body"], "/dot")
        same(answer(alice, named("b\u00fccher.test", "idn"))["body"], "/idn")
        host = peer.seen[-1][1]["Host"]
        same(host, "xn--bcher-kva.test:%d" % peer.port)


@suite.test
def urls_are_encoded(cluster):
    """Blanks and other letters in path and query are sent percent-encoded; the message of a failure has both forms."""
    with cluster.connect(user="alice") as session:
        same(answer(session, http(peer.url("a b/\u00fc?q=\u20ac c")))["body"], "/a%20b/%c3%bc?q=%e2%82%ac+c")
        text = failure(session, http("http://127.0.0.1:1/a b"))
        has(text, "HTTP connection failed: http://127.0.0.1:1/a b - error sending request for url "
                  "(http://127.0.0.1:1/a%20b)")


@suite.test
def own_connections(cluster):
    """Roles share no connection; requests that must not be repeated share none at all."""
    cluster.query("ALTER ROLE bob SET pg_durable.http_allow_private_networks = on")
    with cluster.connect(user="alice") as alice, cluster.connect(user="bob") as bob:
        def connections(session, *graphs):
            for graph in graphs:
                answer(session, graph)
            pid, wanted = worker_of(cluster), ":%04X" % peer.port
            with open("/proc/%d/net/tcp" % pid) as file:
                return sum(line.split()[2].endswith(wanted) and line.split()[3] == "01" for line in file)
        effective(cluster, alice, **{"pg_durable.http_ca_file": "'/none'"})
        effective(cluster, alice, **{"pg_durable.http_ca_file": "''"})
        first = connections(alice, http(peer.url("1")), http(peer.url("2")))
        same(connections(alice, http(peer.url("3"))), first)
        same(connections(bob, http(peer.url("4")), http(peer.url("5"))), first + 1)
        once = "df.http(%s, 'GET', on_unknown => 'fail')" % literal(peer.url("6"))
        same(connections(bob, once, once), first + 1)
    cluster.query("ALTER ROLE bob RESET pg_durable.http_allow_private_networks")


@suite.test
def dead_connections(cluster):
    """A kept connection that turns out to be dead: the request goes over another, unless it must not be repeated."""
    deaf = FastPeer()
    deaf.hangs_up = True
    with cluster.connect(user="alice") as session:
        for n in range(4):
            same(answer(session, http(deaf.url("again/%d" % n)))["status"], 200)
        assert len(deaf.seen) > 4, "no connection was used twice: %s" % deaf.seen
        deaf.seen.clear()
        for n in range(4):
            graph = "df.http(%s, 'GET', on_unknown => 'fail')" % literal(deaf.url("once/%d" % n))
            same(answer(session, graph)["status"], 200)
        same(len(deaf.seen), 4)


@suite.test
def decoded(cluster):
    """The envelope of an answer that was unpacked has neither its coding nor its length."""
    packed = Peer()
    with cluster.connect(user="alice") as session:
        headers = answer(session, http(packed.url("coded/gzip")))["headers"]
        assert "content-encoding" not in headers and "content-length" not in headers, headers
        has(headers["content-type"], "text/plain")
        assert "content-length" in answer(session, http(packed.url("echo")))["headers"]


@suite.test
def systems_names(cluster):
    """Without name servers in the settings the system's are asked, and others as soon as it names others."""
    if os.geteuid() != 0:
        return print("    left out: port 53 needs root")
    first, second = (NameServer({"peer.test": ["127.0.0.1"]}, ("127.77.0.%d" % n, 53)) for n in (1, 2))
    directory = scratch()

    def configure(server):
        with open(directory + "/resolv.conf", "w") as file:
            file.write("nameserver %s\n" % server.address.split(":")[0])
    configure(first)
    cluster.stop()
    cluster.configure(**{"pg_durable.http_dns_servers": "''"})
    start_server(cluster, "mount --bind %s/resolv.conf /etc/resolv.conf" % directory)
    with cluster.connect(user="alice") as session:
        same(answer(session, named("peer.test", "system"))["body"], "/system")
        assert first.asked and not second.asked
        configure(second)
        count = len(first.asked)
        same(answer(session, named("peer.test", "changed"))["body"], "/changed")
        assert second.asked and len(first.asked) == count
    cluster.configure(**{"pg_durable.http_dns_servers": "'%s'" % names.address})
    cluster.restart()


@suite.test
def one_form_of_a_host(cluster):
    """A rule holds for a host however it is written: other letters, other dots, escapes, the dot of the root."""
    cluster.query("SELECT df.http_deny('alice', 'peer.test')")
    with cluster.connect(user="alice") as session:
        for host in ("peer.test", "PEER.Test", "peer.test.", "\uff50eer.test", "peer\u3002test", "p%65er.test"):
            text = failure(session, named(host, "denied"))
            has(text, "is not in the allowed endpoint list")
    cluster.query("SELECT df.http_forget('alice', 'peer.test')")
    same([path for path, _ in peer.seen if "denied" in path], [])


@suite.test
def reload_beside_a_transfer(cluster):
    """New settings are used by new requests at once, while what is under way ends as it began."""
    proxy = Proxy()
    with cluster.connect(user="alice") as session:
        slow = start(session, http(peer.url("wait/4/reload")))
        wait_until(lambda: peer.arrived("/wait/4/reload"), 10, "the request arrives")
        begin = time.monotonic()
        effective(cluster, session, **{"pg_durable.http_proxy": "'%s'" % proxy.url.replace("127.0.0.1", "proxy.test")})
        same(answer(session, http("http://anywhere.invalid/x"))["body"], "the proxy")
        within(3.5, begin, "the first request with new settings")
        same(session.value("SELECT df.status($1)", slow), "running")
        same(proxy.through, ["GET http://anywhere.invalid/x HTTP/1.1"])
        same(settle(session, slow), "completed")
        # The proxy's address is allowed, for the proxy's port and for those who may reach nothing private.
        with cluster.connect(user="bob") as bob:
            same(answer(bob, http("http://anywhere.invalid/y"))["body"], "the proxy")
        effective(cluster, session, **{"pg_durable.http_proxy": "'ftp://x'"})
        has(failure(session, http(peer.url("x"))), "the proxy of the settings cannot be used")
        effective(cluster, session, **{"pg_durable.http_proxy": "''"})
        same(answer(session, http(peer.url("direct")))["body"], "/direct")


@suite.test
def environment(cluster):
    """What the server was started with says neither which proxy is used nor which certificates are trusted."""
    proxy = Proxy()
    given = {"http_proxy": proxy.url, "HTTPS_PROXY": proxy.url, "all_proxy": proxy.url, "ALL_PROXY": proxy.url,
             "no_proxy": "*", "NO_PROXY": "*", "SSLKEYLOGFILE": "/tmp/pg-durable-keys"}
    os.environ.update(given)
    try:
        cluster.restart()
    finally:
        for name in given:
            del os.environ[name]
    with open("/proc/%d/environ" % cluster.postmaster()) as file:
        has(file.read(), "http_proxy=" + proxy.url)
    with cluster.connect(user="alice") as session:
        same(answer(session, http(peer.url("direct")))["body"], "/direct")
        same(proxy.through, [])
        # no_proxy does not keep requests from the proxy of the settings.
        cluster.reload(**{"pg_durable.http_proxy": "'%s'" % proxy.url})
        wait_until(lambda: answer(session, http(peer.url("through")))["body"] == "the proxy", 10, "the proxy is used")
    cluster.reload(**{"pg_durable.http_proxy": "''"})
    cluster.restart()


@suite.test
def http_2(cluster):
    """Over TLS a peer that speaks only HTTP/2 is understood, many requests at a time."""
    directory = scratch()
    authority, (certificate, key) = certificates(directory)
    with open(directory + "/file", "w") as file:
        file.write("over HTTP/2")
    os.chmod(key, 0o644)
    port = 20000 + os.getpid() % 20000
    server = subprocess.Popen(["nghttpd", "-d", directory, str(port), key, certificate],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"})
    try:
        with cluster.connect(user="alice") as session:
            effective(cluster, session, **{"pg_durable.http_ca_file": "'%s'" % authority})
            graph = "df.http('https://127.0.0.1:%d/file', 'GET')" % port
            same(answer(session, graph)["body"], "over HTTP/2")
            session.query("SELECT df.start(%s, 'h2') FROM generate_series(1, 100)" % graph)
            wait_until(lambda: session.value("SELECT count(*) FROM df.instances WHERE label = 'h2' AND status = "
                                             "'completed'") == 100, 30, "all are answered")
            effective(cluster, session, **{"pg_durable.http_ca_file": "''"})
            has(failure(session, graph), "HTTP connection failed")
    finally:
        server.kill()
        server.wait()


@suite.test
def authorities(cluster):
    """The certificates of the setting replace those of the system: one that only the system trusts is refused then.

    The server runs with a directory and a file of its own in the place of the system's.
    """
    if os.geteuid() != 0:
        return print("    left out: mounting needs root")
    directory = scratch()
    authority, pair = certificates(directory)
    another = directory + "/another.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=another",
                    "-keyout", directory + "/another.key", "-out", another], check=True, stderr=subprocess.DEVNULL)
    system = scratch()
    for kind in ("file", "directory"):
        subprocess.run("rm -rf %s/*" % system, shell=True, check=True)
        name = "ca-certificates.crt" if kind == "file" else subprocess.check_output(
            ["openssl", "x509", "-hash", "-noout", "-in", authority], text=True).strip() + ".0"
        with open(authority) as source, open(os.path.join(system, name), "w") as target:
            target.write(source.read())
        if kind == "directory":
            with open(another) as source, open(os.path.join(system, "ca-certificates.crt"), "w") as target:
                target.write(source.read())
        cluster.stop()
        start_server(cluster, "mount --bind %s /etc/ssl/certs" % system)
        secure = Peer(tls=pair)
        with cluster.connect(user="alice") as session:
            answer(session, http(secure.url("echo", "https")))
            effective(cluster, session, **{"pg_durable.http_ca_file": "'%s'" % another})
            has(failure(session, http(secure.url("echo", "https"))), "HTTP connection failed")
            effective(cluster, session, **{"pg_durable.http_ca_file": "'%s'" % authority})
            answer(session, http(secure.url("echo", "https")))
            effective(cluster, session, **{"pg_durable.http_ca_file": "''"})
    cluster.restart()


def start_server(cluster, before):
    """Starts the cluster's server after a command of root's, in a place of its own for mounts."""
    command = "%s && exec runuser -u %s -- %s/pg_ctl -D %s -l %s -w -s start" % (
        before, cluster.user, cluster.bin, cluster.data, cluster.log)
    done = subprocess.run(["unshare", "-m", "sh", "-c", command], stdin=subprocess.DEVNULL, cwd="/",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    same(done.returncode, 0, done.stdout)


@suite.test
def few_descriptors(cluster):
    """With a low limit of open files fewer requests are under way, the log says so, and all are answered."""
    if os.geteuid() != 0:
        return print("    left out: another limit needs root")
    cluster.stop()
    start_server(cluster, "ulimit -n 200")
    wait_until(lambda: "carries at most 54 requests" in cluster.text(), 10, "the log says so")
    with cluster.connect(user="alice") as session:
        session.query("SELECT df.start(df.http(%s || n || '/files', 'GET'), 'files') FROM generate_series(1, 300) n"
                      % literal(peer.url("wait/0.1/")))
        wait_until(lambda: session.value("SELECT count(*) FROM df.instances WHERE label = 'files' AND status = "
                                         "'completed'") == 300, 60, "all are answered")
        assert 20 < peer.most["files"] <= 54, peer.most
    cluster.restart()


@suite.test
def flat_memory(cluster):
    """200 bodies of 15 MB at a time: the worker keeps to its memory; who finds none is told which setting it is."""
    with cluster.connect(user="alice") as session:
        session.query("SELECT df.start(df.http(%s || n, 'GET'), 'large') FROM generate_series(1, 200) n"
                      % literal(peer.url("drip/15728640/4/")))
        wait_until(lambda: session.value("SELECT count(*) FROM df.instances WHERE label = 'large' AND status IN "
                                         "('completed', 'failed')") == 200, 120, "all have ended", 0.2)
        peak = memory_peak(worker_of(cluster))
        print("    at most %d MB" % (peak // 1024))
        assert peak < 220_000, peak
        texts = session.query("SELECT DISTINCT df.error(id)->>'message' FROM df.instances WHERE label = 'large' AND "
                              "status = 'failed'")
        same(texts, [('Failed to read response body: "pg_durable.http_max_worker_memory" is in use',)])
        # What is left has its room.
        same(len(answer(session, http(peer.url("big/15000000")))["body"]), 15000000)
        assert status(worker_of(cluster), "Threads") == 1


@suite.test
def headers_without_end(cluster):
    """Header lines have a limit of their own."""
    with cluster.connect(user="alice") as session:
        has(failure(session, http(peer.url("headers/300"))), "Failed to read response headers: they are too large")
        same(len(answer(session, http(peer.url("big/1")))["body"]), 1)


@suite.test
def secrets_go(cluster):
    """A header's value that was put together for the request is nowhere in shared memory afterwards."""
    with cluster.connect(user="alice") as session:
        session.query("SELECT df.setvar('one', 'first-half-'), df.setvar('two', 'second-half')")
        secret = b"first-half-second-half"
        headers = ', NULL, \'{"X-Key": "{one}{two}"}\''
        once = start(session, http(peer.url("wait/2/secret"), rest=headers))
        wait_until(lambda: peer.arrived("/wait/2/secret"), 10, "the request arrives")
        same(peer.seen[-1][1]["X-Key"].encode(), secret)
        answer(session, http(peer.url("secret"), rest=headers))
        cancelled = start(session, http(peer.url("wait/60/secret"), rest=headers))
        wait_until(lambda: peer.arrived("/wait/60/secret"), 10, "the other arrives")
        session.query("SELECT df.cancel($1)", cancelled)
        same(settle(session, once), "completed")
        pid = worker_of(cluster)
        found = sum(piece.count(b"second-half") for piece in shared_memory(pid))
        assert found > 0, "the variables themselves are in shared buffers: looked at the wrong memory"
        same(sum(piece.count(secret) for piece in shared_memory(pid)), 0)


suite.main()
