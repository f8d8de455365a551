#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""HTTP steps against a real peer on loopback: what is sent, what comes back, what is refused when it is built."""
import json
import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from http_suite import answer, failure, http, peer, prepare_http, worker_of  # noqa: E402
from suite import Suite, has, literal, output, run, same  # noqa: E402

# alone

suite = Suite(max_worker_processes="24")
suite.prepare = prepare_http


@suite.test
def results(cluster):
    """Methods, bodies, headers, statuses, encodings: the envelope of the specification."""
    with cluster.connect(user="alice") as session:
        got = answer(session, http("echo"))
        same(list(got), ["status", "body", "encoding", "headers", "ok", "duration_ms"])
        same((got["status"], got["ok"], got["encoding"]), (200, True, "text"))
        sent = json.loads(got["body"])
        same((sent["method"], sent["body"]), ("GET", ""))
        same(sent["headers"]["Accept"], "*/*")
        has(sent["headers"]["User-Agent"], "pg_durable/")
        assert "Content-Type" not in sent["headers"], sent
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            got = answer(session, http("echo", method, ", 'body of %s', '{\"X-A\": \"1\", \"X-N\": 5}'" % method))
            sent = json.loads(got["body"])
            same((sent["method"], sent["body"], sent["headers"]["X-A"]), (method, "body of " + method, "1"))
            assert "X-N" not in sent["headers"], "only strings are headers"
        for status, ok in ((201, True), (301, False), (404, False), (429, False)):
            got = answer(session, http("status/%d" % status))
            same((got["status"], got["ok"]), (status, ok))
        has(failure(session, http("status/500")), "HTTP GET %s returned 500: {" % peer.url("status/500"))
        same(answer(session, http("twice"))["headers"]["x-twice"], "last")
        same(answer(session, http("gzip"))["body"], "unpacked")
        same(answer(session, http("chunked"))["body"], "one two three")
        for path, encoding, body in (
                ("type/68c3a9/none", "text", "hé"), ("type/ff00/none", "base64", "/wA="),
                ("type/ff/text/plain", "text", "\ufffd"), ("type/00/text/plain", "base64", "AA=="),
                ("type/c3a9/application/vnd.x+json; charset=latin1", "text", "é"),
                ("type/fe/image/png", "base64", "/g=="), ("type//image/png", "text", "")):
            got = answer(session, http(path.replace(" ", "%20")))
            same((got["encoding"], got["body"]), (encoding, body), path)


@suite.test
def substitution(cluster):
    """Variables and results reach URL, body, header values and parts; secrets of headers are stored nowhere."""
    with cluster.connect(user="alice") as session:
        session.query("SELECT df.setvar('base', %s), df.setvar('key', 's3cret-token')" % literal(peer.url("")[:-1]))
        graph = ("'SELECT ''v 1''::text AS a, 7 AS n' |=> 'x' ~> (df.http('{base}/echo/$x.n', 'POST', "
                 "'{\"v\": \"$x\"}', '{\"Authorization\": \"Bearer {key}\"}') |=> 'r') "
                 "~> 'SELECT ($r.body)::jsonb->>''body'' AS b, ($r.body)::jsonb->''headers''->>''Authorization'' AS h'")
        instance = run(session, graph)
        row = json.loads(output(session, instance))["rows"][0]
        same((row["b"], row["h"]), ('{"v": "v 1"}', "Bearer s3cret-token"))
        same(peer.arrived("/echo/7")[-1][0], "POST")
        nodes = session.query("SELECT query FROM df.instance_nodes($1) WHERE node_type = 'HTTP'", instance)
        has(nodes[0][0], "Bearer {key}")
        assert "s3cret" not in nodes[0][0]
        same(cluster.value("SELECT count(*) FROM df_internal.journal WHERE kind <> 1 AND payload LIKE '%s3cret%'"), 0)
        parts = '[{"name":"f","filename":"ü.txt","content_type":"text/plain","data_b64":"aGVs\\nbG8="}]'
        got = answer(session, "df.http_multipart(%s, 'POST', %s)" % (literal(peer.url("echo/m")), literal(parts)))
        sent = json.loads(got["body"])
        has(sent["headers"]["Content-Type"], "multipart/form-data; boundary=")
        has(sent["body"], "hello")
        for part, text in (("{}", "missing field `name`"), ('{"name":"a"}', "missing field `data_b64`"),
                           ('{"name":"a","data_b64":"!"}', "Invalid base64 in part 'a': Invalid symbol 33, offset 0."),
                           ('{"name":"a","data_b64":"aGk"}', "Invalid base64 in part 'a': Invalid padding"),
                           ('{"name":"a","data_b64":"x $y"}', "mixes a variable reference with other text"),
                           ('{"name":"a","data_b64":"","content_type":"no type"}',
                            "Invalid content_type for part 'a'")):
            has(failure(session, "df.http_multipart(%s, 'POST', '[%s]')" % (literal(peer.url("echo")), part)), text)


@suite.test
def built(cluster):
    """What a constructor refuses at once, in its order; the envelope that it makes."""
    with cluster.connect(user="alice") as session:
        for call, text in (
                ("df.http('ftp://x', 'NOPE')",
                 "Blocked: unsupported URL scheme 'ftp'. Only http and https are allowed."),
                ("df.http(' http://x')", "Blocked: unsupported URL scheme"),
                ("df.http('$u')", "unsupported URL scheme '$u'"),
                ("df.http('http://x', 'nope', timeout_seconds => 0)", "Invalid HTTP method: nope. Must be"),
                ("df.http('{u}', 'get', timeout_seconds => 0)", "Timeout must be positive"),
                ("df.http(NULL)", "argument 0 must not be null"),
                ("df.http_multipart('http://x', 'GET')", "Invalid HTTP method for multipart: GET. Must be"),
                ("df.http_multipart('http://x')", "parts is required and cannot be NULL"),
                ("df.http_multipart('http://x', 'POST', '{}')", "parts must be a JSON array of part objects"),
                ("df.http_multipart('http://x', 'POST', '[]')", "parts must contain at least one part")):
            has(session.error("SELECT " + call).message, text)
        same(session.value("SELECT df.http('HTTPS://x', 'get', 'b', '{\"b\": \"1\", \"a\": 1.50}', 5)"),
             '{"node_type":"HTTP","query":"{\\"url\\":\\"HTTPS://x\\",\\"method\\":\\"GET\\",\\"body\\":\\"b\\",'
             '\\"headers\\":{\\"a\\":1.50,\\"b\\":\\"1\\"},\\"timeout_seconds\\":5}"}')
        # Literals of unknown type find the function with five arguments whatever they stand for.
        for call in ("('http://x')", "('http://x', 'GET')", "('http://x', 'GET', 'b')",
                     "('http://x', 'GET', NULL, '{}')",
                     "('http://x', 'GET', 'b', '{}', 5)", "('http://x', 'GET', NULL, NULL, '5')"):
            session.query("SELECT df.http" + call)
        session.query("SELECT df.http_multipart('http://x', 'POST', '[{}]', '{}', '5')")


@suite.test
def failures(cluster):
    """Peers that lie, drip, hang up or flood end in a clear failure, in time and with little memory."""
    with cluster.connect(user="alice") as session:
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            url = "http://127.0.0.1:%d/x" % silent.getsockname()[1]
        has(failure(session, http(url)), "HTTP connection failed: %s - error sending request for url" % url)
        begin = time.monotonic()
        has(failure(session, http("drip", rest=", NULL, NULL, 1")), "HTTP timeout after 1s: " + peer.url("drip"))
        has(failure(session, http("slow/30", rest=", NULL, NULL, 1")), "HTTP timeout after 1s: ")
        assert time.monotonic() - begin < 10
        for path in ("short", "hangup"):
            has(failure(session, http(path)), "HTTP request failed: ")
        for path in ("big/104857600", "bomb"):
            instance = run(session, http(path), status="failed")
            has(output(session, instance), "Failed to read response body")
            has(session.value("SELECT df.error($1)::text", instance), "pg_durable.http_max_response_size")
        same(len(answer(session, http("big/8000000"))["body"]), 8000000)
        worker = worker_of(cluster)
        peak = next(int(line.split()[1]) for line in open("/proc/%s/status" % worker) if line.startswith("VmHWM"))
        assert peak < 200_000, "the worker took %d kB" % peak


suite.main()
