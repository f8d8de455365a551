// SPDX-License-Identifier: PostgreSQL

public import CPostgres
internal import DurableCore
internal import DurableModel
internal import DurablePostgres
internal import PostgresExtension

// The graph constructors. They read and write nothing, so they ask for no privilege beyond EXECUTE.

/// Calls `body`, turning the core's error into the server's.
private func composed(_ body: () throws(EnvelopeError) -> Bytes) throws(PostgresError) -> SQLValue {
    do throws(EnvelopeError) { return .text(try body()) } catch { throw PostgresError(error) }
}

extension PostgresError {
    init(_ error: EnvelopeError) {
        self.init(
            state: SQLState(bytes: error.sqlstate) ?? .invalidParameterValue, message: error.message,
            detail: error.detail, hint: error.hint)
    }
}

@_cdecl("df_sql_swift")
public func dfSQL(_ fcinfo: UnsafeMutableRawPointer, _ failure: UnsafeMutablePointer<pgs_failure>) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        let query = try call.text(0)
        return try composed { () throws(EnvelopeError) in try Compose.sql(query) }
    }
}

@_cdecl("df_seq_swift")
public func dfSeq(_ fcinfo: UnsafeMutableRawPointer, _ failure: UnsafeMutablePointer<pgs_failure>) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        let operands = try operands(call, 2)
        return try composed { () throws(EnvelopeError) in try Compose.seq(operands[0], operands[1]) }
    }
}

@_cdecl("df_as_swift")
public func dfAs(_ fcinfo: UnsafeMutableRawPointer, _ failure: UnsafeMutablePointer<pgs_failure>) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        let (operand, name) = (try operands(call, 1)[0], try call.text(1))
        return try composed { () throws(EnvelopeError) in try Compose.name(operand, name) }
    }
}

@_cdecl("df_join_swift")
public func dfJoin(_ fcinfo: UnsafeMutableRawPointer, _ failure: UnsafeMutablePointer<pgs_failure>) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        let operands = try operands(call, 2)
        return try composed { () throws(EnvelopeError) in try Compose.join(operands[0], operands[1]) }
    }
}

@_cdecl("df_join3_swift")
public func dfJoin3(_ fcinfo: UnsafeMutableRawPointer, _ failure: UnsafeMutablePointer<pgs_failure>) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        let operands = try operands(call, 3)
        return try composed { () throws(EnvelopeError) in
            try Compose.join3(operands[0], operands[1], operands[2])
        }
    }
}

@_cdecl("df_sleep_swift")
public func dfSleep(_ fcinfo: UnsafeMutableRawPointer, _ failure: UnsafeMutablePointer<pgs_failure>) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        let seconds = try call.int64(0)
        return try composed { () throws(EnvelopeError) in try Compose.sleep(seconds: seconds) }
    }
}

/// The first `count` arguments as operands; the answer of a helper function of this statement is none.
private func operands(_ call: borrowing SQLCall, _ count: Int) throws(PostgresError) -> [Bytes] {
    var operands: [Bytes] = []
    for i in 0..<count {
        let text = try call.text(i)
        try SameStatementGuard.check(text)
        guard text.count <= Limits.graphSize else { throw graphTooLarge() }
        operands.append(text)
    }
    return operands
}

func graphTooLarge() -> PostgresError {
    PostgresError(
        .programLimitExceeded, "durable function graph exceeds the limit of 4 MB",
        hint: "Simplify the workflow or break it into multiple instances.")
}
