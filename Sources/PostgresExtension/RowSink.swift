// SPDX-License-Identifier: PostgreSQL

public import CPostgres

/// Where a function that returns many rows puts them.
///
/// The rows are materialised, beyond `work_mem` on disk. The corresponding C type is `Tuplestorestate`.
public struct RowSink: ~Copyable {
    private let sink: OpaquePointer
    private let types: [SQLType]
    private var words: [pgs_datum]
    private var nulls: [Bool]

    init(_ fcinfo: UnsafeMutableRawPointer) throws(PostgresError) {
        var opened: OpaquePointer?
        try check(pgs_rows_open(fcinfo, &opened))
        guard let opened else { throw PostgresError(.internalError, "a result without a place") }
        let count = pgs_rows_column_count(opened)
        sink = opened
        types = (0..<count).map { SQLType(rawValue: pgs_rows_column_type(opened, $0)) }
        words = Array(repeating: 0, count: types.count)
        nulls = Array(repeating: false, count: types.count)
    }

    /// Adds a row; its values must be those of the declared columns, in number and type.
    public mutating func append(_ row: [SQLValue]) throws(PostgresError) {
        guard row.count == types.count else {
            throw PostgresError(
                .datatypeMismatch,
                "a row of \(row.count) columns was returned where \(types.count) are declared",
                hint: "The extension's library and its SQL script may be of different versions."
            )
        }
        let previous = pgs_rows_enter(sink)
        do throws(PostgresError) {
            for (column, value) in row.enumerated() {
                let datum = try value.datum(as: types[column])
                words[column] = datum.word
                nulls[column] = datum.isNull
            }
            try check(pgs_rows_put(sink, previous, words, nulls))
        } catch {
            pgs_rows_leave(previous)
            throw error
        }
    }

    fileprivate func close() throws(PostgresError) {
        try check(pgs_rows_close(sink))
    }
}

/// The outermost Swift frame of an SQL function that returns a set, with named columns or not.
public func sqlRows(
    _ fcinfo: UnsafeMutableRawPointer,
    _ failure: UnsafeMutablePointer<pgs_failure>,
    _ body: (borrowing SQLCall, inout RowSink) throws(PostgresError) -> Void
) -> pgs_datum {
    do throws(PostgresError) {
        var declared: pgs_oid = 0
        try check(pgs_call_result_type(fcinfo, &declared))
        var sink = try RowSink(fcinfo)
        try body(SQLCall(fcinfo), &sink)
        try sink.close()
    } catch {
        failure.pointee.error = error.intoC()
    }
    return 0
}
