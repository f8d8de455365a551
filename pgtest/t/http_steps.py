#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""HTTP steps against a real peer on loopback: what is sent, what comes back, what is refused when it is built."""
import base64
import email
import email.policy
import json
import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from http_suite import answer, failure, http, peer, prepare_http, worker_of  # noqa: E402
from peer import CODINGS  # noqa: E402
from suite import Suite, has, literal, output, run, same, settle, start, wait_until  # noqa: E402

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
        for part, text in (("{}", "missing field `name`"), ('{"name":"a"}', "missing field `data_b64`"),
                           ('{"name":"a","data_b64":"!"}', "Invalid base64 in part 'a': Invalid symbol 33, offset 0."),
                           ('{"name":"a","data_b64":"aGk"}', "Invalid base64 in part 'a': Invalid padding"),
                           ('{"name":"a","data_b64":"x $y"}', "mixes a variable reference with other text"),
                           ('{"name":"a","data_b64":"","content_type":"no type"}',
                            "Invalid content_type for part 'a'")):
            has(failure(session, "df.http_multipart(%s, 'POST', '[%s]')" % (literal(peer.url("echo")), part)), text)


@suite.test
def parts(cluster):
    """A multipart body, byte by byte: names, types, order, a reference; each attempt sends the same."""
    with cluster.connect(user="alice") as session:
        session.query("SELECT df.setvar('n', 'q \"1\"')")
        parts = [{"name": "a", "data_b64": "aGVs\nbG8="},
                 {"name": "{n}", "filename": "\u00fc\"\r\n.txt", "content_type": "text/plain; a=b",
                  "data_b64": " $r.body "},
                 {"name": "\u00fc", "filename": None, "data_b64": "", "more": 5}]
        graph = "(%s |=> 'r') ~> df.http_multipart(%s, 'PUT', %s, '{\"CONTENT-type\": \"x\", \"X-A\": \"b\"}', " \
                "retries => 2, backoff => '10 ms')" % (
                    http("type/ff00/image/png"), literal(peer.url("flaky/1/503/parts")), literal(json.dumps(parts)))
        answer(session, graph)
        first, second = peer.arrived("/flaky/1/503/parts")
        same((first[0], first[3]), ("PUT", second[3]))
        same(first[2], second[2])
        types = [value for name, value in first[2].items() if name.lower() == "content-type"]
        boundary = types[0].split("multipart/form-data; boundary=")[1].encode()
        same((len(types), first[2]["X-A"]), (1, "b"))
        same(first[3].split(b"--" + boundary), [
            b"", b'\r\nContent-Disposition: form-data; name="a"\r\n\r\nhello\r\n',
            b"\r\nContent-Disposition: form-data; name*=utf-8''q%20%221%22; filename=\"" + "\u00fc".encode()
            + b'\\"%0D%0A.txt"\r\nContent-Type: text/plain; a=b\r\n\r\n\xff\x00\r\n',
            b"\r\nContent-Disposition: form-data; name*=utf-8''%C3%BC\r\n\r\n\r\n", b"--\r\n"])
        # Another parser reads the same, also of a part that looks like an end.
        evil = b"x\r\n--" + boundary + b"--\r\n"
        run(session, "df.http_multipart(%s, 'POST', %s)" % (literal(peer.url("echo/evil")), literal(json.dumps(
            [{"name": "f", "data_b64": base64.b64encode(evil).decode()}, {"name": "g", "data_b64": ""}]))))
        _, _, headers, body = peer.arrived("/echo/evil")[-1]
        message = email.message_from_bytes(b"Content-Type: " + headers["Content-Type"].encode() + b"\r\n\r\n" + body,
                                           policy=email.policy.HTTP)
        same([(part.get_param("name", header="content-disposition"), part.get_payload(decode=True))
              for part in message.iter_parts()], [("f", evil), ("g", b"")])


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
        has(failure(session, http("short")), "Failed to read response body: ")
        has(failure(session, http("hangup")), "HTTP request failed: ")
        for path in ("big/104857600", "bomb"):
            instance = run(session, http(path), status="failed")
            has(output(session, instance), "Failed to read response body")
            has(session.value("SELECT df.error($1)::text", instance), "pg_durable.http_max_response_size")
        same(len(answer(session, http("big/8000000"))["body"]), 8000000)
        worker = worker_of(cluster)
        peak = next(int(line.split()[1]) for line in open("/proc/%s/status" % worker) if line.startswith("VmHWM"))
        assert peak < 200_000, "the worker took %d kB" % peak


@suite.test
def codings(cluster):
    """What the peer packs is unpacked, and the envelope says nothing of the packing."""
    with cluster.connect(user="alice") as session:
        for coding in CODINGS:
            got = answer(session, http("coded/" + coding))
            same((got["body"], got["encoding"]), ("unpacked", "text"), coding)
            if coding != "identity":
                same({"content-encoding", "content-length"} & set(got["headers"]), set(), coding)
        same(answer(session, http("coded/identity"))["headers"]["content-length"], "8")
        asked = json.loads(answer(session, http("echo/accepts"))["body"])["headers"]["Accept-Encoding"]
        same(sorted(asked.replace(" ", "").split(",")), sorted(set(CODINGS) - {"identity"}))


@suite.test
def odd_answers(cluster):
    """Answers without a body, with interim ones before, with more than they promise, with fields nobody can read."""
    def raw(text):
        return http("raw/" + text.replace("\n", "\r\n").encode("latin-1").hex())
    with cluster.connect(user="alice") as session:
        for status in (204, 304):
            got = answer(session, raw("HTTP/1.1 %d Nothing\nX-A: b\nContent-Length: 5\n\n" % status))
            same((got["status"], got["body"], got["encoding"], got["headers"]["x-a"]), (status, "", "text", "b"))
        got = answer(session, raw("HTTP/1.1 100 Continue\nX-A: 1\n\nHTTP/1.1 103 Early\nX-B: 2\n\n"
                                  "HTTP/1.1 200 OK\nX-C: 3\nContent-Length: 2\n\nhi"))
        same((got["status"], got["body"], sorted(got["headers"])), (200, "hi", ["content-length", "x-c"]))
        got = answer(session, raw("HTTP/1.1 200 OK\nContent-Length: 2\n\nhi, and HTTP/1.1 500 that nobody asked for"))
        same((got["status"], got["body"]), (200, "hi"))
        # What came after the promised length is not taken for the answer to the next request.
        same(answer(session, http("echo/next"))["status"], 200)
        got = answer(session, raw("HTTP/1.0 200 OK\n\nto the end"))
        same((got["body"], got["headers"]), ("to the end", {}))
        got = answer(session, raw("HTTP/1.1 200 OK\nX-A: \xff\nX-B:  b \nx-b: last\nX-Long: %s\n\n" % ("y" * 5000)))
        same((got["headers"]["x-b"], "x-a" in got["headers"], len(got["headers"]["x-long"])), ("last", False, 5000))
        # One header with a line break inside is two headers, and the end of headers is the end, as everywhere.
        got = answer(session, raw("HTTP/1.1 200 OK\nX-A: 1\nX-Injected: 2\n\nHTTP/1.1 200 OK\n\nsplit"))
        same((got["body"], got["headers"]), ("HTTP/1.1 200 OK\r\n\r\nsplit", {"x-a": "1", "x-injected": "2"}))
        for text in ("", "nonsense\n\n"):
            has(failure(session, raw(text)), "HTTP request failed: ")
        for text in ("HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 6\n\nhello",
                     "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\nzz\n\n"):
            has(failure(session, raw(text)), "Failed to read response body: ")
        same(answer(session, http("echo/alive"))["status"], 200)


@suite.test
def limits(cluster):
    """Each limit fails the step with the name of its setting and the value that it really has."""
    def report(session, graph):
        instance = run(session, graph, status="failed")
        return output(session, instance), json.loads(session.value("SELECT df.error($1)::text", instance))

    def of_role(name, value):
        cluster.query("ALTER ROLE alice SET pg_durable.%s = '%s'" % (name, value))

    with cluster.connect(user="alice") as session:
        of_role("http_max_request_size", "2kB")
        text, error = report(session, http("echo/size", "POST", ", repeat('x', 3000)"))
        has(text, '"pg_durable.http_max_request_size"')
        same((error["sqlstate"], "2kB" in error["hint"]), ("54000", True))
        part = "jsonb_build_array(jsonb_build_object('name', 'a', 'data_b64', repeat('aGlo', 1500)))"
        has(report(session, "df.http_multipart(%s, 'POST', %s)" % (literal(peer.url("echo/size")), part))[0],
            '"pg_durable.http_max_request_size"')
        same(peer.arrived("/echo/size"), [])
        of_role("http_max_response_size", "1MB")
        text, error = report(session, http("big/1048577"))
        has(text, 'Failed to read response body: it exceeds "pg_durable.http_max_response_size"')
        has(error["hint"], "1MB")
        same(len(answer(session, http("big/1048576"))["body"]), 1048576)
        of_role("http_max_timeout", "1s")
        text, error = report(session, http("slow/30"))
        same(text, "HTTP timeout after 1s: " + peer.url("slow/30"))
        has(error["hint"], '"pg_durable.http_max_timeout" is 1 seconds')
        cluster.query("ALTER ROLE alice RESET ALL")
        cluster.query("ALTER ROLE alice SET pg_durable.http_allow_private_networks = on")
        # Control characters take six times their room in JSON; the body itself is far below any limit.
        cluster.reload(**{"pg_durable.max_result_size": "64kB"})
        path = "type/" + "01" * 20000 + "/none"
        wait_until(lambda: settle(session, start(session, http(path))) == "failed", 10, "the limit holds")
        text, error = report(session, http(path))
        has(text, 'HTTP response exceeds "pg_durable.max_result_size"')
        has(error["hint"], "64kB")
        same(len(answer(session, http("type/" + "61" * 20000 + "/none"))["body"]), 20000)
        cluster.reload(**{"pg_durable.max_result_size": "16MB"})


@suite.test
def encodings(cluster):
    """In a database of another encoding a body that it lacks is base64, and a failure has "?"; no executor ends."""
    for encoding, fits, lacks in (("LATIN1", "h\u00e9", "\u20ac"), ("EUC_JP", "\u65e5\u672c", "\u20ac\U0001f600")):
        db = encoding.lower()
        cluster.psql("CREATE DATABASE %s TEMPLATE template0 ENCODING %s LC_COLLATE 'C' LC_CTYPE 'C'" % (db, encoding))
        cluster.psql("SET client_min_messages = warning; CREATE EXTENSION pg_durable;"
                     "SELECT df.grant_usage('alice', include_http => true)", db=db)
        with cluster.connect(user="alice", db=db, client_encoding="UTF8") as session:
            for text, known in ((fits, True), (lacks, False)):
                path = "type/%s/text/plain" % text.encode().hex()
                got = answer(session, http(path))
                same((got["encoding"], got["body"]),
                     ("text", text) if known else ("base64", base64.b64encode(text.encode()).decode()), encoding)
            path = "raw/" + ("HTTP/1.1 200 OK\r\nX-A: %s\r\nX-B: b\r\n\r\n" % lacks).encode().hex()
            got = answer(session, http(path))
            same(got["headers"], {"x-b": "b"})
            path = "raw/" + ("HTTP/1.1 500 No\r\nContent-Type: text/plain\r\n\r\n%s" % lacks).encode().hex()
            has(failure(session, http(path)), "returned 500: " + base64.b64encode(lacks.encode()).decode())
            # A URL can come from escapes that the database's encoding could not spell.
            envelope = '{"node_type":"HTTP","query":"{\\"url\\":\\"http://127.0.0.1:1/\\\\ud83d\\\\ude00\\",' \
                       '\\"method\\":\\"GET\\"}"}'
            has(failure(session, literal(envelope)), "HTTP connection failed: http://127.0.0.1:1/? - error sending")


suite.main()
