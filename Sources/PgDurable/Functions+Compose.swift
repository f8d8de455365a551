// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableCore
internal import DurableModel
internal import DurablePostgres
internal import PostgresExtension

// The graph constructors. They read and write nothing, so they ask for no privilege beyond EXECUTE; as in the
// original, `|=>`, `!>` and `@>` want USAGE on df nevertheless.

/// Calls `body`, turning the core's error into the server's.
func composed(_ body: () throws(EnvelopeError) -> Bytes) throws(PostgresError) -> SQLValue {
    do throws(EnvelopeError) { return .text(try body()) } catch { throw PostgresError(error) }
}

extension PostgresError {
    init(_ error: EnvelopeError) {
        self.init(
            state: SQLState(bytes: error.sqlstate) ?? .invalidParameterValue,
            message: error.message,
            detail: error.detail,
            hint: error.hint
        )
    }
}

@c(df_sql_swift)
func dfSQL(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        let query = try call.graph(0)
        return try composed { () throws(EnvelopeError) in try Compose.sql(query) }
    }
}

@c(df_seq_swift)
func dfSeq(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        let operands = try operands(call, 2)
        return try composed { () throws(EnvelopeError) in try Compose.seq(operands[0], operands[1])
        }
    }
}

@c(df_as_swift)
func dfAs(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        try named(call)
    }
}

/// `|=>`: found without USAGE on df, so it asks itself.
@c(df_as_op_swift)
func dfAsOperator(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        try Access.check()
        guard !call.isNull(0), !call.isNull(1) else { return .null }
        return try named(call)
    }
}

private func named(_ call: borrowing SQLCall) throws(PostgresError) -> SQLValue {
    let operand = try operands(call, 1)[0]
    let name = try call.text(1, atMost: Limits.nameSize, "result name")
    return try composed { () throws(EnvelopeError) in try Compose.name(operand, name) }
}

@c(df_join_swift)
func dfJoin(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        let operands = try operands(call, 2)
        return try composed { () throws(EnvelopeError) in try Compose.join(operands[0], operands[1])
        }
    }
}

@c(df_join3_swift)
func dfJoin3(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        let operands = try operands(call, 3)
        return try composed { () throws(EnvelopeError) in
            try Compose.join3(operands[0], operands[1], operands[2])
        }
    }
}

@c(df_race_swift)
func dfRace(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        let operands = try operands(call, 2)
        return try composed { () throws(EnvelopeError) in try Compose.race(operands[0], operands[1])
        }
    }
}

@c(df_sleep_swift)
func dfSleep(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        let seconds = try call.int64(0)
        return try composed { () throws(EnvelopeError) in try Compose.sleep(seconds: seconds) }
    }
}

/// `count` arguments as operands; the answer of a helper function of this statement is none.
func operands(_ call: borrowing SQLCall, _ count: Int, from first: Int = 0) throws(PostgresError) -> [Bytes] {
    var operands: [Bytes] = []
    for i in first..<first + count {
        let text = try call.graph(i)
        try SameStatementGuard.check(text)
        operands.append(text)
    }
    return operands
}
