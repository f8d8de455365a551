// SPDX-License-Identifier: PostgreSQL

import CPostgres
import PostgresExtension

/// Returns its argument, whatever its type.
@c(pgext_echo_swift)
func echo(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { (call: borrowing SQLCall) throws(PostgresError) in
        if call.isNull(0) { return .null }
        switch try call.type(0) {
        case .bool: return .bool(try call.bool(0))
        case .int2: return .int2(try call.int16(0))
        case .int4: return .int4(try call.int32(0))
        case .int8: return .int8(try call.int64(0))
        case .float8: return .float8(try call.float8(0))
        case .text, .varchar: return .text(try call.text(0))
        case .jsonb, .json: return .jsonb(try call.jsonbText(0))
        case .timestamptz: return .timestamptz(try call.timestamptz(0))
        case .oid: return .oid(try call.oid(0))
        case .regrole: return .regrole(try call.oid(0))
        case .uuid: return .uuid(try call.uuid(0))
        case .bytea: return .bytea(try call.bytea(0))
        case let other:
            throw PostgresError(.featureNotSupported, "cannot echo type \(other.rawValue)")
        }
    }
}

/// Declared to return text: the framework must notice.
@c(pgext_wrong_result_swift)
func wrongResult(
    _ fcinfo: FunctionCall,
    _ failure: Failure
) -> pgs_datum {
    sqlFunction(fcinfo, failure) { (_: borrowing SQLCall) throws(PostgresError) in .int4(1) }
}

/// Declared with an int: the framework must not read it as a pointer to text.
@c(pgext_wrong_argument_swift)
func wrongArgument(
    _ fcinfo: FunctionCall,
    _ failure: Failure
) -> pgs_datum {
    sqlFunction(fcinfo, failure) { (call: borrowing SQLCall) throws(PostgresError) in
        .text(try call.text(0))
    }
}

/// Makes text of any bytes, to show that bad ones are refused.
@c(pgext_bytes_swift)
func bytes(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { (call: borrowing SQLCall) throws(PostgresError) in
        .text(try call.bytea(0))
    }
}

/// Named columns.
@c(pgext_series_swift)
func series(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlRows(fcinfo, failure) {
        (call: borrowing SQLCall, rows: inout RowSink) throws(PostgresError) in
        let count = try call.int32(0)
        for number in 0..<max(0, count) {
            try Interrupts.check()
            let square = Int64(number) * Int64(number)
            try rows.append([
                .int4(number), .int8(square), number % 3 == 0 ? .null : .text("row \(number)"),
            ])
        }
    }
}

/// A set of single values.
@c(pgext_names_swift)
func names(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlRows(fcinfo, failure) { (_: borrowing SQLCall, rows: inout RowSink) throws(PostgresError) in
        for name in ["one", "two", "three"] {
            try rows.append([.text(name)])
        }
    }
}

/// A row of the wrong width, or of the wrong type.
@c(pgext_ragged_swift)
func ragged(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlRows(fcinfo, failure) {
        (call: borrowing SQLCall, rows: inout RowSink) throws(PostgresError) in
        try rows.append([.int4(1), .text("fits")])
        if try call.bool(0) {
            try rows.append([.int4(2)])
        } else {
            try rows.append([.int8(2), .text("does not")])
        }
    }
}
