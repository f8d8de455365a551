// SPDX-License-Identifier: PostgreSQL

import CPgExtTest
import CPostgres
import PostgresExtension

let shared = Locked<pgext_shared>("pgext_test")

/// Adds one to the shared counter, as often as it is told.
@c(pgext_count_swift)
func count(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { (call: borrowing SQLCall) throws(PostgresError) in
        for _ in 0..<max(0, try call.int32(0)) {
            try shared.withExclusive { $0.counter += 1 }
        }
        return .int8(try shared.withShared { $0.counter })
    }
}

/// Calls into the server with the lock held: it must be refused, and the lock must be free afterwards.
@c(pgext_call_under_lock_swift)
func callUnderLock(
    _ fcinfo: FunctionCall,
    _ failure: Failure
) -> pgs_datum {
    sqlFunction(fcinfo, failure) { (_: borrowing SQLCall) throws(PostgresError) in
        let refusal = try shared.withExclusive { _ -> PostgresError? in
            do throws(PostgresError) {
                try MemoryContext.withTemporary("refused") { () throws(PostgresError) in }
                return nil
            } catch {
                return error
            }
        }
        if let refusal { throw refusal }
        return .void
    }
}

/// Starts a worker that counts, as the current user in this database.
@c(pgext_start_worker_swift)
func startWorker(
    _ fcinfo: FunctionCall,
    _ failure: Failure
) -> pgs_datum {
    sqlFunction(fcinfo, failure) { (call: borrowing SQLCall) throws(PostgresError) in
        var identity: [UInt8] = []
        for oid in [Session.database, Session.currentUser] {
            withUnsafeBytes(of: oid) { identity.append(contentsOf: $0) }
        }
        let worker = BackgroundWorker(
            name: "pgext_test dynamic worker",
            type: "pgext_test dynamic worker",
            library: "pgext_test",
            function: "pgext_dynamic_worker",
            argument: UInt64(truncatingIfNeeded: try call.int32(0)),
            extra: identity
        )
        guard let handle = try worker.start() else {
            throw PostgresError(
                .configurationLimitExceeded,
                "no background worker slot is free",
                hint: "Raise max_worker_processes."
            )
        }
        // Its start and its end both set our latch.
        while try handle.status() != .stopped {
            try Latch.wait(milliseconds: 1000)
            Latch.reset()
            try Interrupts.check()
        }
        return .int8(try shared.withShared { $0.dynamic_worker_counted })
    }
}

@c(pgext_workers_swift)
func workers(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlRows(fcinfo, failure) { (_: borrowing SQLCall, rows: inout RowSink) throws(PostgresError) in
        let state = try shared.withShared { $0 }
        try rows.append([
            .int4(state.static_worker_pid), .int4(state.static_worker_starts),
            .int8(state.static_worker_wakes),
        ])
    }
}

@c(pgext_wake_swift)
func wake(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { (_: borrowing SQLCall) throws(PostgresError) in
        .bool(Latch.set(at: try shared.withShared { $0.static_worker_latch }))
    }
}

/// Sleeps until somebody wakes it, and counts how often that was.
@c(pgext_static_worker_swift)
func staticWorker(_ argument: UInt64) -> Int32 {
    WorkerProcess.run { () throws(PostgresError) in
        try shared.withExclusive {
            $0.static_worker_pid = Session.processID
            $0.static_worker_latch = Latch.ownNumber
            $0.static_worker_starts += 1
        }
        while true {
            let events = try Latch.wait(milliseconds: 60_000, event: "PgextTestMain")
            Latch.reset()
            try Interrupts.service()
            if events.contains(.latch) {
                try shared.withExclusive { $0.static_worker_wakes += 1 }
            }
        }
    }
}

/// Inserts rows, one transaction each; every third one fails and is rolled back.
@c(pgext_dynamic_worker_swift)
func dynamicWorker(_ argument: UInt64) -> Int32 {
    WorkerProcess.run { () throws(PostgresError) in
        let (database, role) = WorkerProcess.extra.withUnsafeBytes {
            ($0.load(as: UInt32.self), $0.load(fromByteOffset: 4, as: UInt32.self))
        }
        try WorkerProcess.connect(database: database, role: role)
        for number in 0..<Int32(truncatingIfNeeded: argument) {
            do throws(PostgresError) {
                try Transaction.run { (_: borrowing Transaction) throws(PostgresError) in
                    try SPI.connect { (spi: borrowing SPI) throws(PostgresError) in
                        let label: SQLValue = number % 3 == 2 ? .null : .text("worker")
                        try spi.execute(
                            "INSERT INTO pgext_items (number, label) VALUES ($1, $2)",
                            [.int4(number), label]
                        )
                    }
                }
                try shared.withExclusive { $0.dynamic_worker_counted += 1 }
            } catch {
                guard error.state == .notNullViolation else { throw error }
            }
        }
        return 0
    }
}
