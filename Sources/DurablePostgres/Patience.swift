// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableModel
internal import DurableRuntime
internal import PostgresExtension

/// How long a step may wait for an executor, when the administrator sets a time.
public struct Patience: Sendable {
    /// 0: as long as it takes.
    public var waitMaxMicroseconds: Int64
    /// The setting `pg_durable.max_user_connections`, which the failure names.
    public var connectionsMax: Int

    public init(waitMaxMicroseconds: Int64, connectionsMax: Int) {
        self.waitMaxMicroseconds = waitMaxMicroseconds
        self.connectionsMax = connectionsMax
    }

    /// Why the step of this work fails, in the words of the original; nil when it is not late.
    func failure(of work: pgs_work) -> StepFailure? {
        guard waitMaxMicroseconds > 0, pgs_now() &- work.since >= waitMaxMicroseconds else { return nil }
        let text =
            "pg_durable: connection limit reached (max_user_connections=\(connectionsMax)). "
            + "Timed out after \(waitMaxMicroseconds / 1_000_000)s waiting for an available execution slot."
        return StepFailure(
            sqlstate: Bytes("53300".utf8),
            message: Bytes(text.utf8),
            detail: Bytes("The cluster has places for \(pgs_launcher_slot_count()) executors.".utf8),
            hint: Bytes("pg_durable.execution_acquire_timeout = 0 lets steps wait as long as it takes.".utf8)
        )
    }
}

/// The scheduler's part in that: while all executors are busy nobody else notices that a step has waited too long.
///
/// Nothing of a user's runs here: the step fails instead of being run, and what would be run after it goes back to the
/// queue.
struct LateWork {
    /// Its lines are limited, as those of an executor are.
    private var failureLog = FailureLog()

    /// The process is about to leave.
    mutating func close() { failureLog.flush() }

    /// Fails what is late of one piece of work: a step, or every arm of a join that begins there; false if nothing is.
    mutating func fail(_ settings: SchedulerProcess.Settings) throws(PostgresError) -> Bool {
        var role: UInt32 = 0
        var work = pgs_work()
        guard pgs_scheduler_take_late(&role, &work) else { return false }
        let triedBy = pgs_now() &+ StartBackoff<LaunchPolicy.Place>.longestDelay
        if pgs_scheduler_spare(role, &work, try mayWork(role, settings), triedBy) { return true }
        let instance = InstanceID(rawValue: work.item)
        var executor = Executor(port: ServerPort(role: role), settings: settings.turns)
        executor.runsSteps = false
        executor.port.failureLog = failureLog
        defer { failureLog = executor.port.failureLog }
        // The port's own lock on the same door.
        executor.port.mustLeave = true
        // What becomes ready only because this turn looks has waited as long as the work itself.
        var late = [Ready(instance: instance, branch: work.part < 0 ? nil : BranchID(rawValue: work.part))]
        while let ready = late.popLast() {
            executor.lateness = settings.patience.failure(of: work)
            executor.port.readied = []
            let end: TurnEnd
            do throws(PostgresError) {
                end = try executor.runTurn(ready)
            } catch {
                // One instance must not keep the scheduler from the others: it is met again when it is late again.
                Log.report(error, doing: "failing a durable step that waited too long")
                try ServerPort.transaction { () throws(PostgresError) in try check(pgs_sweep_at_commit()) }
                return true
            }
            switch end {
            case .yielded(let rest):
                _ = pgs_work_push(role, rest.instance.rawValue, rest.branch?.rawValue ?? -1)
            case .quarantined(let reason):
                Log.quarantine(reason)
            case .idle, .ended, .dropped:
                break
            }
            late += executor.port.readied ?? []
            try check(pgs_interrupts_check())
        }
        return true
    }

    /// Whether the role could have an executor here; the work of one that was stopped on purpose waits for its rights.
    private func mayWork(_ role: UInt32, _ settings: SchedulerProcess.Settings) throws(PostgresError) -> Bool
    {
        var place = pgs_place()
        try check(pgs_check_place(pgs_database_current(), role, &place))
        guard place.obstacle == PGS_OBSTACLE_NONE else { return false }
        return try ServerPort.transaction { () throws(PostgresError) in
            try ServerPort.standing(of: role, allowsSuperusers: settings.allowsSuperusers)
                == PGS_STANDING_GOOD
        }
    }
}
