// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableModel
public import DurableRuntime
internal import PostgresExtension

/// The scheduler of one database: announces what the tables hold and nobody was told of, and timers when they are due.
///
/// It writes the end of instances whose role is gone, removes those that ended long ago (`Upkeep`), and fails steps
/// that waited longer for an executor than the administrator lets them (`LateWork`): a due timer is only announced,
/// its row goes with the commit of the executor that acts on it. It leaves when nothing is due for a minute; the
/// launcher keeps the next due time and starts it again.
public struct SchedulerProcess {
    /// What the composition root takes from the settings; read again at each look.
    public struct Settings: Sendable {
        public var retention: RetentionSettings
        public var turns: ExecutorSettings
        public var patience: Patience
        public var allowsSuperusers: Bool

        public init(
            retention: RetentionSettings,
            turns: ExecutorSettings,
            patience: Patience,
            allowsSuperusers: Bool
        ) {
            self.retention = retention
            self.turns = turns
            self.patience = patience
            self.allowsSuperusers = allowsSuperusers
        }
    }

    private static let quietMicroseconds: Int64 = 60_000_000

    /// Timers before this one have been announced since the last sweep.
    private var announced: (due: Timestamp, instance: Int64, branch: Int32)?
    private var nextDue = Int64.max
    private var hasWarned = false
    private var upkeep = Upkeep()
    private var lateWork = LateWork()
    /// Prepared transactions that a crash or a lost process left here, whether or not the extension is here.
    private var mustSettle = true

    public static func run(_ argument: UInt64, settings: () -> Settings) -> Int32 {
        var database: UInt32 = 0
        guard pgs_scheduler_attach(argument, &database) else { return 0 }
        do throws(PostgresError) {
            pgs_interrupts_ignore_cancel()
            try check(pgs_pin_settings())
            try check(pgs_worker_connect(database, 0))
            pgs_catalog_watch()
            pgs_activity(nil, 0)
            var scheduler = SchedulerProcess()
            defer { scheduler.lateWork.close() }
            try scheduler.loop(settings)
        } catch {
            pgs_scheduler_gives_up()
            Log.report(error, doing: "running a durable scheduler")
        }
        return 0
    }

    private mutating func loop(_ settings: () -> Settings) throws(PostgresError) {
        var rolesMayBeGone = true
        var quietSince = pgs_now()
        while true {
            var reloaded = false
            try check(pgs_interrupts_service(&reloaded))
            if pgs_scheduler_must_leave(), pgs_scheduler_detach(nextDue) { return }
            // The wish is taken before the look: what is committed in between asks again.
            let mustSweep = pgs_scheduler_take_sweep()
            if mustSweep { mustSettle = true }
            try settle()
            guard try isInstalled() else {
                pgs_database_mark(false)
                if !mustSettle { pgs_scheduler_sweep_done() }
                if !mustSettle, pgs_scheduler_detach(Int64.max) { return }
                try pause(100)
                continue
            }
            pgs_database_mark(true)
            let isRoleless = pgs_scheduler_take_roleless()
            if pgs_catalog_changed() || mustSweep || isRoleless { rolesMayBeGone = true }
            if mustSweep {
                quietSince = pgs_now()
                try sweep()
            }
            if !mustSettle { pgs_scheduler_sweep_done() }
            guard try announceTimers() else { continue }
            // After what is due: in a database with many instances of dropped roles this takes a while.
            if rolesMayBeGone {
                rolesMayBeGone = false
                try Orphans.end()
                continue
            }
            // A step at a time, so that timers and sweeps do not wait for it.
            let current = settings()
            if try lateWork.fail(current) {
                quietSince = pgs_now()
                continue
            }
            if try upkeep.work(current.retention) {
                quietSince = pgs_now()
                continue
            }
            let now = pgs_now()
            let next = min(nextDue, upkeep.due)
            let isNear = next < now &+ SchedulerProcess.quietMicroseconds
            if isNear { quietSince = now }
            if !isNear && now &- quietSince > 1_000_000 && !mustSettle {
                if pgs_scheduler_detach(nextDue) { return }
                continue
            }
            try check(pgs_statistics_flush())
            // Until the next timer that is near, or until it is time to leave.
            let until = isNear ? next : quietSince &+ 1_001_000
            let wait = max(until &- now, 0) / 1000 &+ 1
            try pause(mustSettle ? min(wait, 100) : wait)
        }
    }

    /// Finishes them as the transactions decided that they name; those that are still running are looked at again.
    private mutating func settle() throws(PostgresError) {
        guard mustSettle else { return }
        mustSettle = false
        if pgs_prepared_may_exist() { try check(pgs_prepared_settle(&mustSettle)) }
    }

    private func pause(_ milliseconds: Int64) throws(PostgresError) {
        var events: Int32 = 0
        try check(pgs_latch_wait(milliseconds, "DurableSchedulerMain", &events))
        pgs_latch_reset()
    }

    /// Whether the extension is here, of this library's version, and at home.
    private mutating func isInstalled() throws(PostgresError) -> Bool {
        let copy: Bool?
        do throws(PostgresError) {
            copy = try ServerPort.transaction { () throws(PostgresError) in
                var installed = false
                try check(pgs_extension_exists("pg_durable", &installed))
                guard installed else { return nil }
                var isTemplate = false
                try check(pgs_database_is_template(&isTemplate))
                guard !isTemplate else { return nil }
                try Catalog.check()
                if try !Home.stamps().isEmpty { return false }
                return try !Home.adoptAfterUpgrade()
            }
        } catch {
            guard error.state == .objectNotInPrerequisiteState else { throw error }
            // Tables of another version: they wait for ALTER EXTENSION, or for the server's restart.
            if !hasWarned { Log.report(error, doing: "durable functions of this database do not run") }
            hasWarned = true
            return false
        }
        if copy == true && !hasWarned {
            hasWarned = true
            Log.warning(
                "durable functions of this database belong to another one, of which it is a copy: none runs",
                hint: "A superuser can let this database take over with SELECT df.adopt()."
            )
        }
        return copy == false
    }

    /// Announces every branch that can go on, role by role; a role that finds no more room waits for the next sweep.
    private mutating func sweep() throws(PostgresError) {
        announced = nil
        let first = pgs_scheduler_sweep_from()
        try ServerPort.transaction { () throws(PostgresError) in
            // From the role where the last sweep stopped to the last one, then those before it.
            var stopped = try announceActive(from: first, to: .max)
            if first > 0 {
                let before = try announceActive(from: 0, to: first - 1)
                stopped = stopped ?? before
            }
            pgs_scheduler_sweep_stopped(stopped ?? 0)
            // Their branches may be waiting, and then nothing in `active` speaks for them.
            var full: Set<UInt32> = []
            try announceMessages(in: Tables.requests, "requests_pkey", &full)
            try announceMessages(in: Tables.signals, "signals_pkey", &full)
        }
    }

    /// Announces the active branches of the roles in a range; returns the first role that found no more room.
    private func announceActive(from first: UInt32, to last: UInt32) throws(PostgresError) -> UInt32? {
        var stopped: UInt32?
        try Tables.active.open(writing: false) { table throws(PostgresError) in
            var next: UInt32? = first
            while let from = next {
                next = nil
                try table.scan("active_pkey", .latest, keys: [], from: .oid(from)) {
                    row throws(PostgresError) in
                    let role = row.oid(0)
                    guard role <= last else { return false }
                    if pgs_work_push(role, row.number(1), row.int32(2)) { return true }
                    stopped = stopped ?? role
                    next = role < last ? role + 1 : nil
                    return false
                }
            }
        }
        return stopped
    }

    /// Announces each live instance that has a row in `shape`, whose key begins with it, but for roles without room.
    private func announceMessages(
        in shape: TableShape,
        _ index: StaticString,
        _ full: inout Set<UInt32>
    ) throws(PostgresError) {
        var last: Int64?
        try shape.open(writing: false) { table throws(PostgresError) in
            try table.scan(index, .latest, keys: [], columns: 1) { row throws(PostgresError) in
                let id = InstanceID(rawValue: row.number(0))
                if last == id.rawValue { return true }
                last = id.rawValue
                guard let instance = try Storage.instance(id, current: true),
                    !full.contains(instance.role),
                    try !Storage.hasEnded(id)
                else { return true }
                if !pgs_work_push(instance.role, id.rawValue, -1) { full.insert(instance.role) }
                return true
            }
        }
    }

    /// Announces timers that are due and publishes the next due time; false when it must look again.
    private mutating func announceTimers() throws(PostgresError) -> Bool {
        let hinted = pgs_scheduler_next_due_begin()
        if let last = announced, hinted <= last.due.rawValue {
            // Committed since, and due before the mark: from there again. What is announced twice is queued once.
            announced = (
                Timestamp(rawValue: hinted).advanced(byMicroseconds: -1), Int64.max, Int32.max
            )
        }
        let now = pgs_now()
        var last = announced
        var next = Int64.max
        var full: Set<UInt32> = []
        try ServerPort.transaction { () throws(PostgresError) in
            try Tables.timers.open(writing: false) { table throws(PostgresError) in
                let from = Column.time(last?.due ?? .earliest)
                try table.scan("timers_due", .latest, keys: [], from: from) {
                    row throws(PostgresError) in
                    let place = (due: row.time(3), instance: row.number(0), branch: row.int32(1))
                    if let last, place <= last { return true }
                    guard place.due.rawValue <= now else {
                        next = place.due.rawValue
                        return false
                    }
                    // Without room the queue asks for a sweep, and that begins with the timers anew.
                    let role = row.oid(2)
                    if !full.contains(role), !pgs_work_push(role, place.instance, place.branch) {
                        full.insert(role)
                    }
                    last = place
                    return true
                }
            }
        }
        announced = last
        // Work that nobody takes in time is due as a timer is.
        nextDue = min(next, pgs_scheduler_late_due())
        return pgs_scheduler_publish_due(nextDue)
    }
}

private func <= (
    a: (due: Timestamp, instance: Int64, branch: Int32),
    b: (due: Timestamp, instance: Int64, branch: Int32)
) -> Bool {
    (a.due.rawValue, a.instance, a.branch) <= (b.due.rawValue, b.instance, b.branch)
}
