// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableModel
internal import DurablePostgres
internal import PostgresExtension

// Waiting for the end of an instance. The executor that ends it sets our latch; once a second we look anyway.

@c(df_await_instance_swift)
func dfAwaitInstance(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in try awaitInstance(call) }
}

/// The name that df.await_instance once had.
@c(df_wait_for_completion_swift)
func dfWaitForCompletion(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        Log.warning("df.wait_for_completion() is deprecated; use df.await_instance() instead")
        return try awaitInstance(call)
    }
}

private func awaitInstance(_ call: borrowing SQLCall) throws(PostgresError) -> SQLValue {
    try Access.check()
    let wait = try Wait("df.await_instance()", try call.instanceID(0), seconds: try call.int32(1))
    defer { pgs_waiter_leave() }
    try check(pgs_waiter_enter(wait.row.id.rawValue))
    let status = try wait.untilEnd { () throws(PostgresError) in
        try InstanceState.lastingStatus(of: wait.row)
    }
    SameStatementGuard.mark("df.await_instance()", answer: status.rawValue)
    return .text(status.rawValue)
}

/// A procedure, because a function's snapshot would block what it waits for.
///
/// CREATE INDEX CONCURRENTLY waits for all older snapshots. Between two looks this one has no transaction.
@c(df_wait_swift)
func dfWait(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        try Access.check()
        guard !call.isNull(0) else { throw nullArgument(0, "instance_id") }
        guard let seconds = try call.optionalInt32(1) else { throw nullArgument(1, "timeout_seconds") }
        guard !call.isAtomic else {
            throw PostgresError(
                .invalidTransactionTermination,
                "df.wait() cannot be called inside a transaction block",
                detail:
                    "It ends its transaction between two looks at the instance, so that it holds no snapshot.",
                hint:
                    "Call it on its own, or use df.await_instance(), which may keep other sessions waiting."
            )
        }
        let wait = try Wait("df.wait()", try call.instanceID(0), seconds: seconds)
        var session = pgs_spi_session()
        try check(pgs_spi_connect(true, &session))
        defer { pgs_waiter_leave() }
        try check(pgs_waiter_enter(wait.row.id.rawValue))
        _ = try wait.untilEnd { () throws(PostgresError) in
            let status = try Storage.access { () throws(PostgresError) in
                try InstanceState.lastingStatus(of: wait.row)
            }
            try check(pgs_spi_commit())
            return status
        }
        try check(pgs_spi_finish(&session))
        return .void
    }
}

/// One call that waits.
private struct Wait {
    let row: InstanceRow
    let deadline: Int64
    let seconds: Int32

    init(_ function: StaticString, _ id: Bytes, seconds: Int32) throws(PostgresError) {
        if try Access.isInWorkflow() {
            throw PostgresError(
                .objectNotInPrerequisiteState,
                "\(function) cannot be called inside a workflow - it would hold the executor that it waits for",
                hint: "Use a sequence: steps run one after the other anyway."
            )
        }
        try TrialRun.refuse(function)
        guard seconds > 0 else {
            throw PostgresError(.invalidParameterValue, "Timeout must be positive")
        }
        guard let row = try Access.visible(id, current: true) else {
            throw PostgresError(.undefinedObject, "Instance not found: \(shown(id))")
        }
        if try Storage.isStartedHere(row.id) {
            throw PostgresError(
                .objectNotInPrerequisiteState,
                "cannot wait for instance \(shown(id)), which this transaction has started",
                detail: "It runs when the transaction has committed.",
                hint: "Commit first, and wait in a transaction of its own."
            )
        }
        self.row = row
        self.seconds = seconds
        deadline = pgs_now() &+ Int64(seconds) &* 1_000_000
    }

    func untilEnd(
        _ look: () throws(PostgresError) -> InstanceStatus
    ) throws(PostgresError) -> InstanceStatus {
        while true {
            try check(pgs_interrupts_check())
            pgs_latch_reset()
            let status = try look()
            if status == .pending, try !Storage.exists(row.id) {
                // It has ended and was removed since: with retention_days = 0 that can be at once.
                throw PostgresError(.undefinedObject, "Instance not found: \(shown(row.publicID))")
            }
            switch status {
            case .completed, .failed, .cancelled: return status
            case .pending, .running: break
            }
            let remaining = deadline &- pgs_now()
            guard remaining > 0 else {
                throw PostgresError(
                    .dataException,
                    "Timeout after \(seconds)s waiting for instance \(shown(row.publicID)) "
                        + "(status: \(status.rawValue)). "
                        + "Check if background worker is running."
                )
            }
            try Deadlock.check(row.id)
            var events: Int32 = 0
            try check(pgs_latch_wait(min(remaining / 1000 &+ 1, 1000), "DurableAwait", &events))
        }
    }
}

/// A wait that the server's deadlock detector cannot see: we wait for a step that waits for a lock of ours.
private enum Deadlock {
    static func check(_ instance: InstanceID) throws(PostgresError) {
        var blocked = false
        try PostgresExtension.check(pgs_item_waits_for_me(instance.rawValue, &blocked))
        guard !blocked else {
            throw PostgresError(
                .deadlockDetected,
                "deadlock detected while waiting for a durable function",
                detail: "Its step waits for a lock that this transaction holds.",
                hint: "Commit before waiting."
            )
        }
    }
}
