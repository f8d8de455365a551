// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableModel
public import DurableRuntime
internal import PostgresExtension

/// An executor: a background worker that is a session of one role in one database and runs that role's turns.
public enum ExecutorProcess {
    /// What the composition root takes from the settings; read again whenever the configuration is reloaded.
    public struct Settings {
        public var turns: ExecutorSettings
        public var idleMilliseconds: Int64
        public var ageMaxMicroseconds: Int64
        public var allowsSuperusers: Bool
        public var patience: Patience
        public var requests = RequestSettings()

        public init(
            turns: ExecutorSettings,
            idleMilliseconds: Int64,
            ageMaxMicroseconds: Int64,
            allowsSuperusers: Bool,
            patience: Patience
        ) {
            self.turns = turns
            self.idleMilliseconds = idleMilliseconds
            self.ageMaxMicroseconds = ageMaxMicroseconds
            self.allowsSuperusers = allowsSuperusers
            self.patience = patience
        }
    }

    /// The life of the process, from its reserved slot to its exit code.
    public static func run(_ argument: UInt64, settings: () -> Settings) -> Int32 {
        var database: UInt32 = 0
        var role: UInt32 = 0
        guard pgs_executor_attach(argument, &database, &role) else { return 0 }
        do throws(PostgresError) {
            try check(pgs_pin_role_setting())
            try check(pgs_worker_connect(database, role))
            pgs_catalog_watch()
            // For functions of users' own that ask whether a step calls them; the engine does not ask it.
            try check(pgs_setting_pin("df.in_workflow", "true"))
            try check(pgs_setting_begin_as("application_name", "pg_durable:worker:workflow-sql"))
            try check(pgs_load_session_libraries())
            pgs_activity(nil, 0)
            GraphStore.parsedSizeMax = 16 << 20
            if pgs_companion_is_self() {
                try CompanionProcess.loop(role, settings)
                return 0
            }
            guard try mayWork(role, settings()) else { return 0 }
            try loop(role, settings)
        } catch {
            if isServersTrouble(error.state) { pgs_work_blameless() }
            if error.state != .queryCanceled { pgs_executor_gives_up() }
            Log.report(error, doing: "running a durable executor")
        }
        return 0
    }

    /// Whether this role's work may run in this database now; looked at again whenever a catalog changed.
    private static func mayWork(_ role: UInt32, _ settings: Settings) throws(PostgresError) -> Bool {
        try ServerPort.transaction { () throws(PostgresError) in
            var installed = false
            try check(pgs_extension_exists("pg_durable", &installed))
            guard installed else { return false }
            try Catalog.check()
            var isTemplate = false
            try check(pgs_database_is_template(&isTemplate))
            guard !isTemplate else { return false }
            return try ServerPort.standing(of: role, allowsSuperusers: settings.allowsSuperusers)
                == PGS_STANDING_GOOD
        }
    }

    private static func loop(_ role: UInt32, _ settings: () -> Settings) throws(PostgresError) {
        let born = pgs_now()
        var executor = Executor(port: ServerPort(role: role))
        executor.port.allowsSuperusers = settings().allowsSuperusers
        executor.port.requests = settings().requests
        var work = pgs_work()
        var turns = 0
        defer { executor.port.close() }
        while true {
            var reloaded = false
            pgs_interrupts_drop_cancel()
            try check(pgs_interrupts_service(&reloaded))
            let current = settings()
            executor.port.allowsSuperusers = current.allowsSuperusers
            executor.port.requests = current.requests
            executor.settings = current.turns
            if pgs_slot_must_leave() || executor.port.mustLeave { return }
            if pgs_now() &- born > current.ageMaxMicroseconds { return }
            if pgs_catalog_changed(), try !mayWork(role, current) { return }
            if pgs_work_take(&work) {
                try carryOut(work, &executor, current)
                turns &+= 1
                if turns % 256 == 0, isTooLarge { return }
                continue
            }
            if isTooLarge { return }
            try check(pgs_statistics_flush())
            var events: Int32 = 0
            try check(pgs_latch_wait(current.idleMilliseconds, "DurableExecutorIdle", &events))
            pgs_latch_reset()
            if events & Int32(PGS_WAIT_LATCH.rawValue) == 0, !pgs_work_take(&work) { return }
            if events & Int32(PGS_WAIT_LATCH.rawValue) == 0 {
                try carryOut(work, &executor, current)
            }
        }
    }

    /// Whether results kept between turns, or what steps left behind, have made the process too large.
    static var isTooLarge: Bool { pgs_memory_private() > Limits.executorMemory }

    private static func carryOut(
        _ work: pgs_work,
        _ executor: inout Executor<ServerPort>,
        _ settings: Settings
    ) throws(PostgresError) {
        executor.lateness = settings.patience.failure(of: work)
        defer { executor.lateness = nil }
        let instance = InstanceID(rawValue: work.item)
        if work.deaths >= Probation.attemptsMax {
            let failure = StepFailure(
                sqlstate: Bytes("57P01".utf8),
                message: Bytes("step was begun \(work.deaths) times and its process ended each time".utf8),
                hint: Bytes("Look into the server's log for what ended the process.".utf8)
            )
            try executor.port.fail(instance, failure)
        }
        repeat {
            // The turn may have gone on with another branch than the one it was given.
            let part = pgs_work_part()
            let ready = Ready(instance: instance, branch: part < 0 ? nil : BranchID(rawValue: part))
            switch try executor.runTurn(ready) {
            case .yielded(let rest):
                pgs_work_yield(rest.branch?.rawValue ?? -1)
                return
            case .quarantined(let reason):
                Log.quarantine(reason)
            case .idle, .ended, .dropped:
                break
            }
            if executor.port.mustLeave {
                pgs_work_yield(pgs_work_part())
                return
            }
        } while pgs_work_finish()
    }

    /// Whether an error is the server's trouble and not the work's: it will pass, and the work is tried again.
    private static func isServersTrouble(_ state: SQLState) -> Bool {
        let text = state.text
        return text.starts(with: Bytes("53".utf8)) || text.starts(with: Bytes("57".utf8))
            || text.starts(with: Bytes("58".utf8))
    }
}

extension Log {
    /// What was stored of an instance does not fit, and it was ended.
    static func quarantine(_ reason: Bytes) {
        warning("durable function was taken out of service: \(String(decoding: reason, as: UTF8.self))")
    }
}
