// SPDX-License-Identifier: PostgreSQL

import CPgExtTest
import CPostgres
import PostgresExtension

/// Throws an error with every field that a caller can set: state, message, detail, hint, and the names.
@c(pgext_fail_swift)
func fail(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { (call: borrowing SQLCall) throws(PostgresError) in
        guard let state = SQLState(bytes: try call.text(0)) else {
            throw PostgresError(.invalidParameterValue, "invalid SQLSTATE")
        }
        var error = PostgresError(
            state: state,
            message: try call.text(1),
            detail: try call.optionalText(2),
            hint: try call.optionalText(3)
        )
        error.schemaName = Array("a schema".utf8)
        error.tableName = Array("a table".utf8)
        error.columnName = Array("a column".utf8)
        error.dataTypeName = Array("a type".utf8)
        error.constraintName = Array("a constraint".utf8)
        throw error
    }
}

private func run(_ sql: [UInt8]) throws(PostgresError) {
    try SPI.connect { (spi: borrowing SPI) throws(PostgresError) in
        _ = try spi.execute(String(decoding: sql, as: UTF8.self))
    }
}

/// Runs a statement and lets its error through.
@c(pgext_pass_swift)
func pass(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { (call: borrowing SQLCall) throws(PostgresError) in
        try run(call.text(0))
        return .void
    }
}

/// Runs a statement in a subtransaction and returns the fields of its error.
@c(pgext_catch_swift)
func catchError(
    _ fcinfo: FunctionCall,
    _ failure: Failure
) -> pgs_datum {
    sqlRows(fcinfo, failure) {
        (call: borrowing SQLCall, rows: inout RowSink) throws(PostgresError) in
        let sql = try call.text(0)
        let outcome = try Subtransaction.attempt { () throws(PostgresError) in try run(sql) }
        guard case .failure(let error) = outcome else { return }
        let error8 = error.inUTF8()
        let fields: [(String, [UInt8]?)] = [
            ("state", error.state.text), ("message", error8.message), ("detail", error8.detail),
            ("hint", error8.hint), ("context", error8.context), ("schema", error8.schemaName),
            ("table", error8.tableName), ("column", error8.columnName),
            ("type", error8.dataTypeName),
            ("constraint", error8.constraintName), ("message_id", error8.messageID),
            ("internal_query", error8.internalQuery),
            ("from_server", Array(String(error.isFromServer).utf8)),
        ]
        for (name, value) in fields {
            if let value { try rows.append([.text(name), .text(value)]) }
        }
    }
}

/// Swallows a server error without rolling back: the next call into the server must refuse.
@c(pgext_swallow_swift)
func swallow(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { (call: borrowing SQLCall) throws(PostgresError) in
        let sql = try call.text(0)
        do throws(PostgresError) { try run(sql) } catch {}
        try run(Array("SELECT 1".utf8))
        return .void
    }
}

/// Traps as its argument says; every one is a mistake that an extension could make.
@c(pgext_trap_swift)
func trap(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { (call: borrowing SQLCall) throws(PostgresError) in
        let kind = String(decoding: try call.text(0), as: UTF8.self)
        let numbers = [1, 2, 3]
        let length = kind.utf8.count
        switch kind {
        case "index": return .int8(Int64(numbers[length]))
        case "overflow": return .int8(Int64(Int8(length) + Int8(126)))
        case "unwrap":
            // swift-format-ignore: NeverForceUnwrap
            return .int8(Int64(numbers.first { $0 == length }!))
        case "precondition": preconditionFailure("asked for")
        case "division": return .int8(Int64(length / (length - 8)))
        case "hang":
            hang_at_exit()
            return .int8(Int64(numbers[length]))
        case "under lock":
            return .int8(try shared.withExclusive { Int64(numbers[length]) + $0.counter })
        default:
            throw PostgresError(.invalidParameterValue, "no such trap")
        }
    }
}

/// Recurses as deep as the stack allows.
@c(pgext_recurse_swift)
func recurse(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { (call: borrowing SQLCall) throws(PostgresError) in
        .int8(try descend(try call.int64(0)))
    }
}

private func descend(_ levels: Int64) throws(PostgresError) -> Int64 {
    try Interrupts.checkStack()
    if levels <= 0 { return 0 }
    return try descend(levels - 1) &+ levels
}
