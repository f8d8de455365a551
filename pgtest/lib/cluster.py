# SPDX-License-Identifier: PostgreSQL
"""Private PostgreSQL clusters: made, started, crashed and removed by the tests, the demo and `scripts/dev`.

A cluster lives in `.pgdev/NAME` of the checkout, or, when the server's account cannot reach the checkout, in a
directory of /tmp that `.pgdev/NAME.path` records. It listens on a Unix socket in a directory only its owner may
enter, never on a network port. Run as root, the server runs as `postgres` (or PGTEST_USER); otherwise as the caller.
"""
import hashlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import time

from libpq import Connection, PgError

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Whoever ends us with SIGTERM wants our servers stopped too: leave through the `finally` clauses.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

SETTINGS = {
    "shared_preload_libraries": "'pg_durable'", "max_worker_processes": "32", "max_connections": "100",
    "listen_addresses": "''", "fsync": "on", "logging_collector": "off", "log_line_prefix": "'%m [%p] %b %u@%d '",
    "log_min_messages": "warning", "max_prepared_transactions": "20", "shared_buffers": "64MB",
    "timezone": "'UTC'", "log_timezone": "'UTC'", "lc_messages": "'C'", "wal_level": "logical",
}


def pg_config(option):
    return subprocess.check_output([os.environ.get("PG_CONFIG", "pg_config"), option], text=True).strip()


def wait_until(condition, seconds=30.0, what="the condition", every=0.02):
    """The first true value of `condition()`; an AssertionError after `seconds`."""
    until = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError("not within %g s: %s" % (seconds, what))
        time.sleep(every)


class Cluster:
    def __init__(self, name, settings=None, keep=False):
        """`settings` override SETTINGS; a value of None removes one. `keep`: `remove` leaves the files."""
        self.name, self.keep = name, keep
        self.settings = {k: v for k, v in {**SETTINGS, **(settings or {})}.items() if v is not None}
        account = pwd.getpwuid(os.geteuid())[0]
        self.user = os.environ.get("PGTEST_USER", "postgres") if os.geteuid() == 0 else account
        self.home = self._home()
        self.data = os.path.join(self.home, "data")
        self.log = os.path.join(self.home, "server.log")
        self.socket = self._socket()
        self.port = 20000 + int(hashlib.sha256(self.home.encode()).hexdigest()[:6], 16) % 40000
        self.bin = pg_config("--bindir")

    # Where it lives

    def _home(self):
        base = os.path.join(CHECKOUT, ".pgdev")
        os.makedirs(base, exist_ok=True)
        if self._reachable(base):
            return os.path.join(base, self.name)
        tag = hashlib.sha256(CHECKOUT.encode()).hexdigest()[:8]
        home = "/tmp/pg_durable-%s-%s" % (tag, self.name)
        with open(os.path.join(base, self.name + ".path"), "w") as file:
            file.write(home + "\n")
        return home

    def _reachable(self, path):
        if os.geteuid() != 0:
            return os.access(path, os.W_OK)
        return subprocess.call(["runuser", "-u", self.user, "--", "test", "-x", path]) == 0

    def _socket(self):
        path = os.path.join(self.home, "socket")
        if len(path) < 80:
            return path
        return "/tmp/.pgd-" + hashlib.sha256(self.home.encode()).hexdigest()[:12]

    def _own(self, path):
        """Make the directory `path`, the server account's alone; refuse one that somebody else made."""
        os.makedirs(path, mode=0o700, exist_ok=True)
        account = pwd.getpwnam(self.user)
        owner = os.lstat(path)
        if os.path.islink(path) or owner.st_uid not in (os.geteuid(), account.pw_uid):
            raise SystemExit("%s belongs to somebody else" % path)
        if owner.st_uid != account.pw_uid:
            os.chown(path, account.pw_uid, account.pw_gid)
        os.chmod(path, 0o700)

    # Life

    def command(self, program, *arguments, **options):
        """Run one of the server's programs as the server's account, in the directory `cwd` or the root."""
        words = [os.path.join(self.bin, program), *arguments]
        if os.geteuid() == 0:
            words = ["runuser", "-u", self.user, "--", *words]
        return subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, **{"cwd": "/", **options})

    def init(self):
        """A new, empty cluster in place of any earlier one."""
        self.remove(force=True)
        self._own(self.home)
        self._own(self.socket)
        done = self.command("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                            "--locale=C", "-N")
        if done.returncode:
            raise SystemExit("initdb failed:\n" + done.stdout)
        self.configure()
        return self

    def configure(self, **changes):
        """Write the settings; they count from the next start or reload."""
        self.settings.update(changes)
        path = os.path.join(self.data, "postgresql.auto.conf")
        lines = ["%s = %s\n" % item for item in self.settings.items()]
        lines += ["unix_socket_directories = '%s'\n" % self.socket, "port = %d\n" % self.port]
        with open(path, "w") as file:
            file.writelines(lines)

    def start(self, seconds=60):
        self._own(self.socket)
        done = self.command("pg_ctl", "-D", self.data, "-l", self.log, "-w", "-t", str(seconds), "-s", "start")
        if done.returncode:
            raise SystemExit("the server does not start:\n%s\n%s" % (done.stdout, self.tail()))
        return self

    def stop(self, mode="fast", seconds=60):
        """Stop the server; how long that took, in seconds."""
        begin = time.monotonic()
        if self.running():
            done = self.command("pg_ctl", "-D", self.data, "-m", mode, "-w", "-t", str(seconds), "-s", "stop")
            if done.returncode:
                raise AssertionError("the server does not stop (-m %s): %s" % (mode, done.stdout))
        return time.monotonic() - begin

    def restart(self, mode="fast"):
        self.stop(mode)
        return self.start()

    def reload(self, **changes):
        if changes:
            self.configure(**changes)
        self.command("pg_ctl", "-D", self.data, "-s", "reload")

    def running(self):
        pid = self.postmaster()
        return pid is not None and os.path.exists("/proc/%d" % pid)

    def postmaster(self):
        try:
            with open(os.path.join(self.data, "postmaster.pid")) as file:
                return int(file.readline())
        except (OSError, ValueError):
            return None

    def remove(self, force=False):
        if os.path.isdir(self.data):
            try:
                self.stop("immediate")
            except AssertionError:
                pid = self.postmaster()
                if pid:
                    self.kill9(pid)
        if force or not self.keep:
            shutil.rmtree(self.home, ignore_errors=True)
            shutil.rmtree(self.socket, ignore_errors=True)
            recorded = os.path.join(CHECKOUT, ".pgdev", self.name + ".path")
            if os.path.exists(recorded):
                os.unlink(recorded)

    # Replication

    def standby(self, name):
        """A running copy `name` that follows this server; `promote` makes it one of its own."""
        other = Cluster(name, self.settings, self.keep)
        other.remove(force=True)
        other._own(other.home)
        done = self.command("pg_basebackup", "-D", other.data, *self.address()[:6], "-X", "stream", "-c", "fast")
        if done.returncode:
            raise AssertionError("pg_basebackup: " + done.stdout)
        # With a short time between tries: a primary that was restarted waits for its standby at each commit.
        other.configure(synchronous_standby_names="''", wal_retrieve_retry_interval="'100ms'", primary_conninfo=(
            "'host=%s port=%d user=postgres application_name=%s'" % (self.socket, self.port, name)))
        with open(os.path.join(other.data, "standby.signal"), "w"):
            pass
        return other.start()

    def promote(self, seconds=60):
        done = self.command("pg_ctl", "-D", self.data, "-w", "-t", str(seconds), "-s", "promote")
        if done.returncode:
            raise AssertionError("the standby is not promoted: " + done.stdout)

    def __enter__(self):
        return self.init().start()

    def __exit__(self, kind, *_):
        if kind is not None and os.environ.get("PGTEST_KEEP"):
            self.keep = True
        self.remove()

    # Sessions

    def connect(self, user="postgres", db="postgres", **options):
        return Connection(host=self.socket, port=self.port, user=user, dbname=db,
                          application_name=options.pop("application_name", "test"), **options)

    def query(self, sql, *parameters, user="postgres", db="postgres"):
        """The rows of `sql` in a session of its own."""
        with self.connect(user, db) as session:
            return session.query(sql, *parameters)

    def value(self, sql, *parameters, user="postgres", db="postgres"):
        rows = self.query(sql, *parameters, user=user, db=db)
        return rows[0][0] if rows else None

    def execute(self, sql, user="postgres", db="postgres"):
        """Run a script, each statement in a transaction of its own."""
        return self.psql(sql, user, db)

    def psql(self, sql, user="postgres", db="postgres"):
        """Run a script with psql, stopping at the first error; what it printed."""
        done = subprocess.run(
            [os.path.join(self.bin, "psql"), "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", *self.address(user, db)],
            input=sql, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise AssertionError("psql: %s" % done.stderr.strip())
        return done.stdout.strip()

    def address(self, user="postgres", db="postgres"):
        return ["-h", self.socket, "-p", str(self.port), "-U", user, "-d", db]

    def environment(self, user="postgres", db="postgres"):
        return {**os.environ, "PGHOST": self.socket, "PGPORT": str(self.port), "PGUSER": user, "PGDATABASE": db}

    def wait_ready(self, seconds=30):
        """Wait until the server takes connections (after a crash it restarts by itself)."""
        def ready():
            try:
                return self.value("SELECT 1") == 1
            except PgError:
                return False
        wait_until(ready, seconds, "the server accepts connections")

    # Looking and breaking

    def kill9(self, pid):
        """SIGKILL to one process of this cluster. Once this returns the postmaster knows: `wait_ready` waits for it."""
        postmaster = self.postmaster()
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        except PermissionError:
            subprocess.call(["sudo", "-n", "kill", "-9", str(pid)])
        if pid != postmaster:
            wait_until(lambda: not os.path.exists("/proc/%d" % pid), 30, "the postmaster has noticed the kill")

    def crash(self, pid):
        """SIGKILL to one process of this cluster, and wait until the server has restarted its sessions."""
        self.kill9(pid)
        self.wait_ready(60)

    def processes(self, kind):
        """Pids of the processes whose `backend_type` is `kind`."""
        return [row[0] for row in self.query("SELECT pid FROM pg_stat_activity WHERE backend_type = $1", kind)]

    def wal(self):
        """Bytes of WAL written so far."""
        return int(self.value("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))

    def crashes(self):
        """How often the server restarted all its sessions since the log began."""
        return len(re.findall(r"terminating any other active server processes", self.text()))

    def started(self):
        return self.value("SELECT pg_postmaster_start_time()::text")

    def text(self):
        try:
            with open(self.log, errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def tail(self, lines=40):
        return "\n".join(self.text().splitlines()[-lines:])

    def complaints(self):
        """Lines of the log that no test may cause: PANIC, assertion failures, internal errors that name a bug."""
        return [line for line in self.text().splitlines()
                if re.search(r"\bPANIC:|TRAP:|AddressSanitizer|Fatal error:|stack smashing", line)]
