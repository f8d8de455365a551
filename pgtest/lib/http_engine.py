# SPDX-License-Identifier: PostgreSQL
"""Peers for the suites of the HTTP worker: one that holds a thousand connections, a proxy, a name server."""
import asyncio
import os
import socket
import struct
import threading
import time


class FastPeer:
    """One thread for all connections; it answers with the path, or as the path says.

    `/wait/SECONDS/…`, `/big/BYTES`, `/drip/BYTES/SECONDS`, `/headers/LINES`.

    `seen` has (path, headers) of each request, `closed` the paths whose client went away before the answer was there,
    `most` how many of a kind were open at a time: the kind is the last word of the path. With `hangs_up` it closes each
    connection when a second request comes over it.
    """

    def __init__(self):
        self.seen, self.closed, self.open, self.most = [], [], {}, {}
        self.hangs_up = False
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        threading.Thread(target=self._run, args=(ready,), daemon=True).start()
        ready.wait(10)

    def _run(self, ready):
        asyncio.set_event_loop(self.loop)
        listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port = listener.getsockname()[1]
        self.loop.run_until_complete(asyncio.start_server(self._serve, sock=listener, limit=1 << 20))
        ready.set()
        self.loop.run_forever()

    def url(self, path, host="127.0.0.1"):
        return "http://%s:%d/%s" % (host, self.port, path)

    def arrived(self, prefix):
        return [path for path, _ in list(self.seen) if path.startswith(prefix)]

    async def _serve(self, reader, writer):
        count = 0
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.decode("latin-1").split("\r\n")
                path = lines[0].split(" ")[1]
                headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
                await reader.readexactly(int(headers.get("Content-Length", 0)))
                self.seen.append((path, headers))
                count += 1
                if count > 1 and self.hangs_up:
                    raise ConnectionError
                kind = path.rsplit("/", 1)[-1]
                self.open[kind] = self.open.get(kind, 0) + 1
                self.most[kind] = max(self.most.get(kind, 0), self.open[kind])
                try:
                    await self._answer(path, reader, writer)
                finally:
                    self.open[kind] -= 1
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            pass
        finally:
            writer.close()

    async def _answer(self, path, reader, writer):
        words = path.strip("/").split("/")
        if words[0] == "wait":
            waiting = asyncio.ensure_future(reader.read(1))
            done, _ = await asyncio.wait([waiting], timeout=float(words[1]))
            if done:
                self.closed.append(path)
                raise ConnectionError
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        if words[0] == "headers":
            writer.write(b"HTTP/1.1 200 OK\r\n" + b"X-Line: %s\r\n" % (b"y" * 1000) * int(words[1]) + b"\r\n")
        if words[0] in ("big", "drip"):
            size = int(words[1])
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            step = 65536 if words[0] == "big" else max(1, size // 20)
            while size > 0:
                writer.write(b"x" * min(step, size))
                await writer.drain()
                size -= step
                if words[0] == "drip":
                    await asyncio.sleep(float(words[2]) / 20)
            return
        body = path.encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % len(body) + body)
        await writer.drain()


class NameServer:
    """Answers A and AAAA from `names` (addresses, or a function that gives them); of others it says nothing."""

    def __init__(self, names, place=("127.0.0.1", 0)):
        self.names, self.asked = names, []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(place)
        self.address = "%s:%d" % self.socket.getsockname()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            query, sender = self.socket.recvfrom(4096)
            name, at = [], 12
            while query[at]:
                name.append(query[at + 1:at + 1 + query[at]].decode("latin-1"))
                at += query[at] + 1
            question, kind = query[12:at + 5], struct.unpack(">H", query[at + 1:at + 3])[0]
            text = ".".join(name).lower()
            self.asked.append(text)
            found = self.names.get(text)
            if found is None:
                continue
            found = found() if callable(found) else found
            records = b""
            wanted = [a for a in found if (":" in a) == (kind == 28)] if kind in (1, 28) else []
            for address in wanted:
                packed = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
                records += struct.pack(">HHHIH", 0xC00C, kind, 1, 0, len(packed)) + packed
            header = query[:2] + struct.pack(">HHHHH", 0x8180, 1, len(wanted), 0, 0)
            self.socket.sendto(header + question + records, sender)


class Proxy:
    """Answers every request itself: `through` has the request lines."""

    def __init__(self):
        self.through = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            connection, _ = self.socket.accept()
            with connection:
                head = connection.recv(65536).decode("latin-1")
                self.through.append(head.split("\r\n")[0])
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nthe proxy")


def memory_peak(pid):
    """The most memory that a process ever had, in kB."""
    return status(pid, "VmHWM")


def status(pid, field):
    with open("/proc/%d/status" % pid) as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field + ":"))


def maps(library):
    """Pids of the processes that have a file of that name mapped."""
    found = []
    for pid in os.listdir("/proc"):
        try:
            if pid.isdigit() and library in open("/proc/%s/maps" % pid).read():
                found.append(int(pid))
        except OSError:
            pass
    return found


def shared_memory(pid):
    """The contents of the server's main shared memory, piece by piece."""
    with open("/proc/%d/maps" % pid) as lines, open("/proc/%d/mem" % pid, "rb", 0) as memory:
        for line in lines:
            words = line.split()
            if "s" not in words[1] or "/dev/zero" not in line:
                continue
            begin, end = (int(x, 16) for x in words[0].split("-"))
            memory.seek(begin)
            while begin < end:
                piece = memory.read(min(end - begin, 1 << 24))
                begin += len(piece)
                yield piece


def within(seconds, begin, what):
    took = time.monotonic() - begin
    if took > seconds:
        raise AssertionError("%s took %.2f s, more than %g s" % (what, took, seconds))
