# SPDX-License-Identifier: PostgreSQL
"""An HTTP peer on loopback for the tests: it answers, is slow, lies about lengths, drips, breaks off.

What it does is in the path of the request; `seen` has what arrived.
"""
import atexit
import gzip
import json
import os
import shutil
import ssl
import subprocess
import tempfile
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


def brotli(text):
    """A stream of one stored block (RFC 7932, 9.2), after a window of 64 kB, and an empty last one."""
    return ((len(text) - 1) << 4 | 1 << 20).to_bytes(3, "little") + text + b"\3"


def zstd(text):
    """A frame of one raw block (RFC 8878, 3.1.1), its size in one byte."""
    return b"\x28\xb5\x2f\xfd\x20" + bytes([len(text)]) + (len(text) << 3 | 1).to_bytes(3, "little") + text


CODINGS = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli, "zstd": zstd, "identity": bytes}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length) if length else b""
        with self.server.lock:
            self.server.seen.append((self.command, self.path, dict(self.headers), body))
            turn = self.server.turns[self.path] = self.server.turns.get(self.path, 0) + 1
        words = self.path.strip("/").split("/")
        handler = getattr(self, "do_" + words[0].split("?")[0], None)
        if handler is not None:
            return handler(words, body, turn)
        self.echo(200, body)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer

    def echo(self, status, body, headers=()):
        text = json.dumps({"method": self.command, "path": self.path, "headers": dict(self.headers),
                           "body": body.decode("latin-1")}).encode()
        self.reply(status, text, [("Content-Type", "application/json"), *headers])

    def reply(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_status(self, words, body, turn):
        self.echo(int(words[1]), body)

    def do_slow(self, words, body, turn):
        time.sleep(float(words[1]))
        self.echo(200, body)

    def do_flaky(self, words, body, turn):
        """/flaky/N/STATUS/SECONDS: fails N times, and asks to be left alone for so long (0) each time."""
        after = words[3] if len(words) > 3 else "0"
        self.echo(200 if turn > int(words[1]) else int(words[2]), body, [("Retry-After", after)])

    def do_orders(self, words, body, turn):
        """/orders/NUMBER: what the guide asks for."""
        status, answer = {"404": (404, {"error": "no such order"}), "broken": (500, {"error": "out of order"})}.get(
            words[1], (200, {"order": words[1], "state": "paid"}))
        self.reply(status, json.dumps(answer).encode(), [("Content-Type", "application/json")])

    def do_type(self, words, body, turn):
        """/type/HEX/MEDIA/TYPE: those bytes as that type; `none` for no type."""
        headers = [] if words[2] == "none" else [("Content-Type", "/".join(words[2:]))]
        self.reply(200, bytes.fromhex(words[1]), headers)

    def do_redirect(self, words, body, turn):
        """/redirect/[STATUS/]HOST/PATH"""
        status = int(words.pop(1)) if words[1].isdigit() else 302
        self.reply(status, b"", [("Location", self.headers.get("x-scheme", "http") + "://" + "/".join(words[1:]))])

    def do_hops(self, words, body, turn):
        """/hops/N: redirects to itself with one less, by a path alone."""
        if int(words[1]) > 0:
            return self.reply(302, b"", [("Location", "/hops/%d" % (int(words[1]) - 1))])
        self.echo(200, body)

    def do_after(self, words, body, turn):
        """/after/N/STATUS/VALUE: fails N times with that Retry-After."""
        self.echo(200 if turn > int(words[1]) else int(words[2]), body, [("Retry-After", unquote(words[3]))])

    def do_raw(self, words, body, turn):
        """/raw/HEX: those bytes as the whole answer, and the end."""
        self.wfile.write(bytes.fromhex(words[1]))
        self.close_connection = True

    def do_coded(self, words, body, turn):
        """/coded/CODING: the same text, packed."""
        self.reply(200, CODINGS[words[1]](b"unpacked"),
                   [("Content-Encoding", words[1]), ("Content-Type", "text/plain")])

    def do_sticky(self, words, body, turn):
        """What a browser would remember."""
        self.echo(200, body, [("Set-Cookie", "a=b; Path=/"), ("Alt-Svc", "h2=\":1\"; persist=1"),
                              ("Strict-Transport-Security", "max-age=31536000")])

    def do_big(self, words, body, turn):
        """/big/BYTES"""
        size = int(words[1])
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        while size > 0:
            self.wfile.write(b"x" * min(size, 65536))
            size -= 65536

    def do_bomb(self, words, body, turn):
        packed = gzip.compress(b"\0" * (200 * 1024 * 1024), 9)
        self.reply(200, packed, [("Content-Encoding", "gzip")])

    def do_chunked(self, words, body, turn):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        for part in (b"one ", b"two ", b"three"):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")

    def do_drip(self, words, body, turn):
        """A byte each tenth of a second, for ever."""
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        while True:
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.1)

    def do_short(self, words, body, turn):
        """Promises more than it sends."""
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"only this")
        self.close_connection = True

    def do_hangup(self, words, body, turn):
        self.close_connection = True

    def do_twice(self, words, body, turn):
        self.reply(200, b"", [("X-Twice", "first"), ("X-Twice", "last")])

    def log_message(self, *_):
        pass


class Peer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 4096

    def __init__(self, address="127.0.0.1", tls=None, port=0):
        super().__init__((address, port), Handler)
        self.lock, self.seen, self.turns = threading.Lock(), [], {}
        self.port = self.server_address[1]
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def url(self, path, scheme="http"):
        return "%s://127.0.0.1:%d/%s" % (scheme, self.port, path)

    def handle_error(self, *_):
        pass

    def arrived(self, path):
        with self.lock:
            return [entry for entry in self.seen if entry[1] == path]


def certificates(directory):
    """A certificate authority and a certificate of it for 127.0.0.1: (file of the authority, (certificate, key))."""
    def path(name):
        return os.path.join(directory, name)

    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test authority",
            "-keyout", path("ca.key"), "-out", path("ca.crt"))
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-keyout", path("peer.key"),
            "-out", path("peer.csr"))
    with open(path("peer.ext"), "w") as file:
        file.write("subjectAltName=IP:127.0.0.1,DNS:localhost")
    openssl("x509", "-req", "-days", "2", "-in", path("peer.csr"), "-CA", path("ca.crt"), "-CAkey", path("ca.key"),
            "-CAcreateserial", "-extfile", path("peer.ext"), "-out", path("peer.crt"))
    return path("ca.crt"), (path("peer.crt"), path("peer.key"))


def scratch():
    """A directory that the server's account can read, gone when this process ends."""
    directory = tempfile.mkdtemp(prefix="pg-durable-peer-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    os.chmod(directory, 0o755)
    return directory
