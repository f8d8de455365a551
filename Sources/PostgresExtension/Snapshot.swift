// SPDX-License-Identifier: PostgreSQL

public import CPostgres

/// `sqlFunction` for a volatile function that queries tables otherwise than through SPI.
///
/// As such a function's query would, it sees what is committed by now and what this transaction has done; in a
/// REPEATABLE READ or SERIALIZABLE transaction, what the first query there saw. When the body throws, the end of the
/// transaction or subtransaction takes the snapshot away.
public func sqlQuery(
    _ fcinfo: UnsafeMutableRawPointer,
    _ failure: UnsafeMutablePointer<pgs_failure>,
    _ body: (borrowing SQLCall) throws(PostgresError) -> SQLValue
) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        try check(pgs_snapshot_push())
        let value = try body(call)
        try check(pgs_snapshot_pop())
        return value
    }
}

/// `sqlRows` in the same way.
public func sqlQueryRows(
    _ fcinfo: UnsafeMutableRawPointer,
    _ failure: UnsafeMutablePointer<pgs_failure>,
    _ body: (borrowing SQLCall, inout RowSink) throws(PostgresError) -> Void
) -> pgs_datum {
    sqlRows(fcinfo, failure) { call, rows throws(PostgresError) in
        try check(pgs_snapshot_push())
        try body(call, &rows)
        try check(pgs_snapshot_pop())
    }
}
