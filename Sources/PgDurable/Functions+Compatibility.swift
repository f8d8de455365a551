// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableModel
internal import DurablePostgres
internal import PostgresExtension

// What scripts for the original ask of its one worker and of its second store.

@c(df_run_swift)
func dfRun(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        try Access.check()
        guard !call.isNull(0) else { return .text("Triggered run for all pending instances") }
        return .text(Bytes("Triggered run for instance: ".utf8) + (try call.instanceID(0)))
    }
}

@c(df_target_database_swift)
func dfTargetDatabase(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { _ throws(PostgresError) in .text(try Installation.targetDatabase()) }
}

// The views _duroxide._worker_ready and df._worker_epoch; who may read them is said by their grants.

@c(df_worker_ready_swift)
func dfWorkerReady(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlRows(fcinfo, failure) { _, rows throws(PostgresError) in
        guard let state = try WorkerState.current() else { return }
        try rows.append([.timestamptz(state.initializedAt.rawValue)])
    }
}

@c(df_worker_epoch_swift)
func dfWorkerEpoch(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlRows(fcinfo, failure) { _, rows throws(PostgresError) in
        guard let state = try WorkerState.current() else { return }
        try rows.append([
            .uuid(state.epoch), .timestamptz(state.startedAt.rawValue), .timestamptz(state.seenAt.rawValue),
        ])
    }
}
