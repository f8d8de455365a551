// SPDX-License-Identifier: PostgreSQL

import CPgExtTest
import CPostgres
import PostgresExtension

enum Mode: String, CaseIterable {
    case slow
    case fast
}

enum Knobs {
    static let flag = Setting(SettingInfo("pgext_test.flag", .user, "A flag."), initial: true)
    static let delay = Setting(
        SettingInfo("pgext_test.delay", .sighup, "A delay.", unit: .milliseconds),
        initial: 1500,
        in: 0...100_000
    )
    static let ratio = Setting(
        SettingInfo("pgext_test.ratio", .user, "A ratio."),
        initial: 0.5,
        in: 0...1
    )
    static let label = Setting(SettingInfo("pgext_test.label", .user, "A label."), initial: "plain")
    static let mode = Setting(SettingInfo("pgext_test.mode", .user, "A mode."), initial: Mode.slow)
}

/// All that the library needs before anything runs.
@c(pgext_init_swift)
func initialise(_ failure: Failure) {
    sqlInit(failure) { () throws(PostgresError) in
        try Knobs.flag.define()
        try Knobs.delay.define()
        try Knobs.ratio.define()
        try Knobs.label.define()
        try Knobs.mode.define()
        try Settings.reserve("pgext_test")
        try shared.request()
        count_transactions()
        if Session.isPreloading {
            try BackgroundWorker(
                name: "pgext_test static worker",
                type: "pgext_test static worker",
                library: "pgext_test",
                function: "pgext_static_worker",
                restartSeconds: 1,
                usesDatabase: false
            ).register()
        }
    }
}

@c(pgext_settings_swift)
func settings(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlRows(fcinfo, failure) { (_: borrowing SQLCall, rows: inout RowSink) throws(PostgresError) in
        try rows.append([.text("flag"), .text("\(Knobs.flag.value)")])
        try rows.append([.text("delay"), .text("\(Knobs.delay.value)")])
        try rows.append([.text("ratio"), .text("\(Knobs.ratio.value)")])
        try rows.append([.text("label"), .text(Knobs.label.value)])
        try rows.append([.text("mode"), .text(Knobs.mode.value.rawValue)])
    }
}

private let insert = PreparedStatement(
    "INSERT INTO pgext_items (number, label) VALUES ($1, $2) RETURNING id, label",
    .int4,
    .text
)

/// A statement with typed parameters whose plan is kept.
@c(pgext_plan_swift)
func plan(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { (call: borrowing SQLCall) throws(PostgresError) in
        let number = try call.int32(0)
        let label: SQLValue = try call.optionalText(1).map { .text($0) } ?? .null
        return try SPI.connect { (spi: borrowing SPI) throws(PostgresError) in
            try spi.query(insert, [.int4(number), label]) {
                (rows: borrowing SQLRows, processed: UInt64) throws(PostgresError) in
                .int8(try rows.int64(0, 0) &* 10 &+ Int64(clamping: processed))
            }
        }
    }
}

/// Any query with one text parameter; the rows as text.
@c(pgext_query_swift)
func query(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlRows(fcinfo, failure) {
        (call: borrowing SQLCall, sink: inout RowSink) throws(PostgresError) in
        let sql = String(decoding: try call.text(0), as: UTF8.self)
        let parameter: SQLValue = try call.optionalText(1).map { .text($0) } ?? .null
        var found: [(name: [UInt8], value: [UInt8]?)] = []
        try SPI.connect { (spi: borrowing SPI) throws(PostgresError) in
            try spi.query(sql, [parameter], readOnly: true) {
                (rows: borrowing SQLRows, _: UInt64) throws(PostgresError) in
                for row in 0..<rows.count {
                    for column in 0..<rows.columnCount {
                        let name = try rows.columnName(column)
                        let value = try rows.isNull(row, column) ? nil : rows.printed(row, column)
                        found.append((name, value))
                    }
                }
            }
        }
        for (name, value) in found {
            try sink.append([.text(name), value.map { .text($0) } ?? .null])
        }
    }
}

/// A procedure that commits between two inserts.
@c(pgext_commits_swift)
func commits(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { (call: borrowing SQLCall) throws(PostgresError) in
        let number = try call.int32(0)
        try SPI.connect(nonatomic: !call.isAtomic) { (spi: borrowing SPI) throws(PostgresError) in
            try spi.execute(insert, [.int4(number), .text("before")])
            try spi.commit()
            try spi.execute(insert, [.int4(number), .text("after")])
            try spi.rollback()
        }
        return .void
    }
}

/// Allocates in temporary contexts; returns how much more the process holds afterwards.
@c(pgext_memory_swift)
func memory(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { (call: borrowing SQLCall) throws(PostgresError) in
        let rounds = try call.int32(0)
        let before = MemoryContext.allocatedInAll
        for _ in 0..<max(0, rounds) {
            try MemoryContext.withTemporary("pgext_memory") { () throws(PostgresError) in
                try SPI.connect { (spi: borrowing SPI) throws(PostgresError) in
                    _ = try spi.execute("SELECT $1", [.text(String(repeating: "x", count: 10_000))])
                }
            }
        }
        return .int8(Int64(MemoryContext.allocatedInAll - before))
    }
}

/// Runs for ever, as far as it is let.
@c(pgext_loop_swift)
func loop(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { (_: borrowing SQLCall) throws(PostgresError) in
        while true { try Interrupts.check() }
    }
}

/// Waits for the latch or the time given.
@c(pgext_wait_swift)
func wait(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { (call: borrowing SQLCall) throws(PostgresError) in
        let end = ServerClock.monotonicNanoseconds &+ (try call.int64(0)) &* 1_000_000
        while true {
            Latch.reset()
            try Interrupts.check()
            let left = (end &- ServerClock.monotonicNanoseconds) / 1_000_000
            if left <= 0 { return .void }
            try Latch.wait(milliseconds: left)
        }
    }
}

@c(pgext_log_swift)
func log(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { (call: borrowing SQLCall) throws(PostgresError) in
        let message = String(decoding: try call.text(0), as: UTF8.self)
        Log.log(message, detail: "To the log.")
        Log.notice(message, hint: "To the client.")
        Log.warning(message, state: .objectInUse, detail: "To both.", hint: "Look there.")
        return .void
    }
}

@c(pgext_transactions_swift)
func transactions(
    _ fcinfo: FunctionCall,
    _ failure: Failure
) -> pgs_datum {
    sqlRows(fcinfo, failure) { (_: borrowing SQLCall, rows: inout RowSink) throws(PostgresError) in
        let counts = transaction_counts()
        try rows.append([
            .int8(counts.pre_commits), .int8(counts.commits), .int8(counts.aborts),
            .int8(counts.rollbacks_to_savepoint), .int8(counts.locks_released),
        ])
    }
}

@c(pgext_session_swift)
func session(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlRows(fcinfo, failure) { (_: borrowing SQLCall, rows: inout RowSink) throws(PostgresError) in
        let user = Session.currentUser
        try rows.append([
            .regrole(user), .regrole(Session.sessionUser), .text(try Session.roleName(user) ?? []),
            .bool(try Session.isSuperuser(user)), .timestamptz(ServerClock.transactionStart),
            .bool(ServerClock.now >= ServerClock.statementStart), .bool(Session.isInRecovery),
        ])
    }
}
