# SPDX-License-Identifier: PostgreSQL
"""libpq through ctypes: what the server tests need, with no module from outside the standard library.

One `Connection` is one session. `query` and `execute` wait for the answer; `send` and `ready` do not, so one thread
can drive several sessions in a chosen order. Errors keep the server's fields (`PgError.sqlstate`, `.message`, …).
"""
import ctypes
import ctypes.util
import select
import time

_NAMES = ["libpq.so.5", ctypes.util.find_library("pq")]


def _load():
    problems = []
    for name in _NAMES:
        if not name:
            continue
        try:
            return ctypes.CDLL(name)
        except OSError as error:
            problems.append(str(error))
    raise SystemExit("libpq.so.5 is missing: run `make setup` (%s)" % "; ".join(problems))


_pq = _load()
_p, _c, _i = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
_RECEIVER = ctypes.CFUNCTYPE(None, _p, _p)

for _name, _result, _arguments in [
    ("PQconnectdb", _p, [_c]), ("PQfinish", None, [_p]), ("PQstatus", _i, [_p]), ("PQerrorMessage", _c, [_p]),
    ("PQexec", _p, [_p, _c]), ("PQsendQuery", _i, [_p, _c]), ("PQgetResult", _p, [_p]),
    ("PQconsumeInput", _i, [_p]), ("PQisBusy", _i, [_p]), ("PQsocket", _i, [_p]), ("PQbackendPID", _i, [_p]),
    ("PQtransactionStatus", _i, [_p]), ("PQresultStatus", _i, [_p]), ("PQclear", None, [_p]),
    ("PQresultErrorField", _c, [_p, _i]), ("PQresultErrorMessage", _c, [_p]), ("PQntuples", _i, [_p]),
    ("PQnfields", _i, [_p]), ("PQfname", _c, [_p, _i]), ("PQftype", ctypes.c_uint, [_p, _i]),
    ("PQgetvalue", _p, [_p, _i, _i]), ("PQgetisnull", _i, [_p, _i, _i]), ("PQgetlength", _i, [_p, _i, _i]),
    ("PQcmdTuples", _c, [_p]), ("PQcmdStatus", _c, [_p]), ("PQgetCancel", _p, [_p]), ("PQfreeCancel", None, [_p]),
    ("PQcancel", _i, [_p, _c, _i]), ("PQsetNoticeReceiver", _p, [_p, _RECEIVER, _p]),
    ("PQputCopyEnd", _i, [_p, _c]),
    ("PQexecParams", _p, [_p, _c, _i, _p, ctypes.POINTER(_c), ctypes.POINTER(_i), ctypes.POINTER(_i), _i]),
]:
    _function = getattr(_pq, _name)
    _function.restype, _function.argtypes = _result, _arguments

_FIELDS = {"severity": "V", "sqlstate": "C", "message": "M", "detail": "D", "hint": "H", "context": "W",
           "position": "P", "schema": "s", "table": "t", "column": "c", "datatype": "d", "constraint": "n"}
_COMMAND_OK, _TUPLES_OK, _COPY_OUT, _COPY_IN, _FATAL = 1, 2, 3, 4, 7
_BOOL, _INTEGERS, _FLOATS = 16, {20, 21, 23, 26}, {700, 701}


class PgError(Exception):
    """An error report of the server, or `sqlstate` None when the session itself broke."""

    def __init__(self, fields):
        self.fields = fields
        for name in _FIELDS:
            setattr(self, name, fields.get(name))
        super().__init__("%s: %s" % (self.sqlstate, self.message))

    @property
    def lost(self):
        """Whether the session is gone (the server ended it, or the connection broke)."""
        return self.sqlstate is None or self.sqlstate.startswith(("57P", "08"))


def _text(pointer):
    return pointer.decode("utf-8", "replace") if pointer else None


def _error(result, connection):
    fields = {name: _text(_pq.PQresultErrorField(result, ord(code))) for name, code in _FIELDS.items()}
    if fields["message"] is None:
        message = _text(_pq.PQresultErrorMessage(result)) or _text(_pq.PQerrorMessage(connection)) or "?"
        fields["message"] = message.strip()
    return PgError(fields)


class Result:
    """The rows of one statement. Booleans, integers and floats are converted, everything else is text."""

    def __init__(self, result):
        columns = range(_pq.PQnfields(result))
        self.columns = [_text(_pq.PQfname(result, c)) for c in columns]
        types = [_pq.PQftype(result, c) for c in columns]
        self.command = _text(_pq.PQcmdStatus(result)) or ""
        self.rows = [tuple(self._value(result, r, c, types[c]) for c in columns)
                     for r in range(_pq.PQntuples(result))]
        affected = _text(_pq.PQcmdTuples(result))
        self.affected = int(affected) if affected else 0

    @staticmethod
    def _value(result, row, column, oid):
        if _pq.PQgetisnull(result, row, column):
            return None
        raw = ctypes.string_at(_pq.PQgetvalue(result, row, column), _pq.PQgetlength(result, row, column))
        text = raw.decode("utf-8", "replace")
        if oid == _BOOL:
            return text == "t"
        if oid in _INTEGERS:
            return int(text)
        return float(text) if oid in _FLOATS else text


class Connection:
    """One session. Options are libpq keywords: host, port, user, dbname, options, application_name, …"""

    def __init__(self, **options):
        words = " ".join("%s='%s'" % (k, str(v).replace("\\", "\\\\").replace("'", "\\'"))
                         for k, v in options.items() if v is not None)
        self.notices = []
        self._pg = _pq.PQconnectdb(words.encode())
        if _pq.PQstatus(self._pg) != 0:
            message = _text(_pq.PQerrorMessage(self._pg)).strip()
            _pq.PQfinish(self._pg)
            self._pg = None
            raise PgError({"message": message})
        self._receiver = _RECEIVER(self._notice)
        _pq.PQsetNoticeReceiver(self._pg, self._receiver, None)
        self.pid = _pq.PQbackendPID(self._pg)

    def _notice(self, _, result):
        self.notices.append(_error(result, self._pg))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self._pg:
            _pq.PQfinish(self._pg)
            self._pg = None

    @property
    def alive(self):
        return self._pg is not None and _pq.PQstatus(self._pg) == 0

    @property
    def in_transaction(self):
        return _pq.PQtransactionStatus(self._pg) in (2, 3)

    def _take(self, result):
        if not result:
            raise PgError({"message": (_text(_pq.PQerrorMessage(self._pg)) or "connection lost").strip()})
        try:
            status = _pq.PQresultStatus(result)
            if status == _FATAL:
                raise _error(result, self._pg)
            return Result(result)
        finally:
            _pq.PQclear(result)

    def execute(self, sql, *parameters):
        """Run `sql` (several statements when there are no parameters); the last statement's `Result`."""
        text = sql if isinstance(sql, bytes) else sql.encode()
        if not parameters:
            return self._take(_pq.PQexec(self._pg, text))
        raw = [None if p is None else p if isinstance(p, bytes) else str(p).encode() for p in parameters]
        values = (_c * len(raw))(*raw)
        return self._take(_pq.PQexecParams(self._pg, text, len(raw), None, values, None, None, 0))

    def query(self, sql, *parameters):
        return self.execute(sql, *parameters).rows

    def value(self, sql, *parameters):
        """The first column of the first row; None when there is no row."""
        rows = self.query(sql, *parameters)
        return rows[0][0] if rows else None

    def error(self, sql, *parameters):
        """The `PgError` that `sql` must raise."""
        try:
            result = self.execute(sql, *parameters)
        except PgError as error:
            return error
        raise AssertionError("no error from %.200s; it returned %.200r" % (sql, result.rows))

    def send(self, sql):
        """Start `sql` without waiting; finish with `finish` or look with `ready`."""
        if not _pq.PQsendQuery(self._pg, sql.encode() if isinstance(sql, str) else sql):
            raise PgError({"message": _text(_pq.PQerrorMessage(self._pg)).strip()})

    def ready(self, seconds=0.0):
        """Whether the answer to `send` is complete, after at most `seconds`."""
        until = time.monotonic() + seconds
        while True:
            if not _pq.PQconsumeInput(self._pg) or not _pq.PQisBusy(self._pg):
                return True
            left = until - time.monotonic()
            if left <= 0:
                return False
            select.select([_pq.PQsocket(self._pg)], [], [], min(left, 0.5))

    def finish(self, seconds=60.0):
        """The `Result` of what `send` started."""
        if not self.ready(seconds):
            raise AssertionError("no answer within %s s" % seconds)
        last, failure = None, None
        while True:
            result = _pq.PQgetResult(self._pg)
            if not result:
                break
            if _pq.PQresultStatus(result) == _COPY_IN:
                _pq.PQputCopyEnd(self._pg, b"not here")
            try:
                last = self._take(result)
            except PgError as error:
                failure = failure or error
                if not self.alive:
                    break
            if not self.ready(seconds):
                raise AssertionError("no answer within %s s" % seconds)
        if failure:
            raise failure
        return last

    def cancel(self):
        handle = _pq.PQgetCancel(self._pg)
        buffer = ctypes.create_string_buffer(256)
        _pq.PQcancel(handle, buffer, 256)
        _pq.PQfreeCancel(handle)
