// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableCore
internal import DurableModel
internal import DurablePostgres
internal import PostgresExtension

// Conditions, loops and waits. As the other constructors they read and write nothing.

@c(df_if_swift)
func dfIf(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        let operands = try operands(call, 3)
        return try composed { () throws(EnvelopeError) in
            try Compose.ifElse(operands[0], then: operands[1], else: operands[2])
        }
    }
}

@c(df_if_rows_swift)
func dfIfRows(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        let name = try call.text(0, atMost: Limits.nameSize, "result name")
        let branches = try operands(call, 2, from: 1)
        return try composed { () throws(EnvelopeError) in
            try Compose.ifRows(name, then: branches[0], else: branches[1])
        }
    }
}

/// `?>`: its operands become steps only when `!>` completes the conditional, so nothing is checked here.
@c(df_if_then_op_swift)
func dfIfThen(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        let condition = call.isNull(0) ? nil : try call.graph(0)
        let then = call.isNull(1) ? nil : try call.graph(1)
        return try composed { () throws(EnvelopeError) in
            try Compose.partial(condition, then: then)
        }
    }
}

/// `!>`: the operand on its left is what `?>` returned.
@c(df_if_else_op_swift)
func dfIfElse(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        let partial = call.isNull(0) ? nil : try call.graph(0)
        let otherwise = call.isNull(1) ? nil : try operands(call, 1, from: 1)[0]
        let parts: (condition: Bytes, then: Bytes)?
        do throws(EnvelopeError) {
            parts = try Compose.parts(ofPartial: partial)
        } catch {
            throw PostgresError(error)
        }
        try Access.check()
        guard let parts, let otherwise else { return .null }
        // What `?>` took as it was becomes a step only now.
        try SameStatementGuard.check(parts.condition)
        try SameStatementGuard.check(parts.then)
        return try composed { () throws(EnvelopeError) in
            try Compose.ifElse(parts.condition, then: parts.then, else: otherwise)
        }
    }
}

@c(df_loop_swift)
func dfLoop(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        guard !call.isNull(0) else { throw nullArgument(0, "body") }
        let body = try operands(call, 1)[0]
        let condition = call.isNull(1) ? nil : try operands(call, 1, from: 1)[0]
        return try composed { () throws(EnvelopeError) in try Compose.loop(body, while: condition) }
    }
}

@c(df_loop_prefix_op_swift)
func dfLoopPrefix(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        try Access.check()
        guard !call.isNull(0) else { throw nullArgument(0, "body") }
        let body = try operands(call, 1)[0]
        return try composed { () throws(EnvelopeError) in try Compose.loop(body) }
    }
}

@c(df_break_swift)
func dfBreak(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        let value = call.isNull(0) ? nil : try call.graph(0)
        return try composed { () throws(EnvelopeError) in try Compose.break(value) }
    }
}

@c(df_wait_for_signal_swift)
func dfWaitForSignal(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        guard !call.isNull(0) else { throw nullArgument(0, "name") }
        let name = try call.text(0, atMost: Limits.nameSize, "signal name")
        let timeout = try call.optionalInt32(1)
        return try composed { () throws(EnvelopeError) in
            try Compose.signal(name, timeout: timeout)
        }
    }
}
