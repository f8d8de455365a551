// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
public import DurableCore
public import DurableModel
public import DurableRuntime
public import PostgresExtension

/// The executor's port on the server: steps run at top level as this process's role, and their record is written
/// straight to the engine's tables in the same transaction.
///
/// The order of one commit is always: the user's statement, the user's deferred work, the instance's lock, the
/// engine's rows, the commit. Nothing a user made runs after the lock is taken.
public struct ServerPort: ExecutorPort {
    public typealias Failure = PostgresError

    /// The role this process connected as.
    ///
    /// Not `GetUserId()`: a step may SET ROLE.
    let role: UInt32
    /// Whether a step's transaction is open and waits for `commit`.
    var stepIsOpen = false
    /// Where that step is, if not here.
    var elsewhere = Elsewhere.none
    /// What `standard_conforming_strings` is in other databases, where it is not the server's default.
    var conformingElsewhere: [Bytes: Bool] = [:]
    /// The name of this database, as an instance gave it.
    var ownName: Bytes?
    /// Branches that became ready are kept here instead of being announced, when this is not nil.
    var readied: [Ready]?
    /// Set by a step that must be committed before anything else is written.
    private var needsImmediateCommit = false
    /// The session could not be reset or carries something over: the process must be replaced.
    public internal(set) var mustLeave = false

    /// The role may not work here any more: no step runs until this process has left.
    var isBarred = false
    var failureLog = FailureLog()
    /// Steps until the process looks again how large it has become, which takes a system call or two.
    private var stepsUntilLook = 8
    /// Instances that are being loaded in probation; so many rows in `requests` say so.
    var loading: Set<InstanceID> = []
    /// The id that users see of the instance loaded last, for the log.
    var lastLoaded: (instance: InstanceID, publicID: Bytes)?
    /// What requests over the network may do.
    public var requests = RequestSettings()
    /// The setting `pg_durable.enable_superuser_instances`.
    public var allowsSuperusers = false

    public init(role: UInt32) { self.role = role }

    /// How `role` stands with this database and schema df; in a transaction.
    static func standing(
        of role: UInt32,
        allowsSuperusers: Bool
    ) throws(PostgresError) -> pgs_standing {
        var standing = PGS_STANDING_GOOD
        try check(pgs_role_standing(role, "df", allowsSuperusers, &standing))
        return standing
    }

    public func now() -> Timestamp { Timestamp(rawValue: pgs_now()) }

    public var zones: any TimeZones { ServerTimeZones() }

    public func standardConformingStrings(in database: Bytes?) -> Bool {
        guard let database, database != ownName else { return pgs_standard_conforming_strings() }
        return conformingElsewhere[database] ?? true
    }

    public var isInProbation: Bool { Probation.isOn }

    public mutating func shouldYield() -> Bool {
        stepsUntilLook -= 1
        if stepsUntilLook <= 0 {
            stepsUntilLook = 8
            if ExecutorProcess.isTooLarge { mustLeave = true }
        }
        return mustLeave || pgs_slot_should_yield()
    }

    /// The process is about to leave.
    mutating func close() { failureLog.flush() }

    public mutating func take(_ branch: BranchID, of instance: InstanceID) -> Bool {
        pgs_work_switch(branch.rawValue) && pgs_scheduler_may_take(instance.rawValue, branch.rawValue)
    }

    public mutating func isolate() throws(PostgresError) {
        // To the end of the step. Nobody waits longer than this for a step that is merely slow: then two suspects run
        // side by side.
        let deadline = pgs_now() &+ 60_000_000
        while !pgs_slot_isolate(), pgs_now() < deadline, !pgs_slot_must_leave() {
            var events: Int32 = 0
            try check(pgs_latch_wait(100, "DurableProbation", &events))
            pgs_latch_reset()
            try check(pgs_interrupts_check())
        }
    }

    public mutating func announce(_ due: Timestamp) { pgs_timer_push(due.rawValue) }

    public mutating func makeReady(_ ready: [Ready]) {
        guard readied == nil else {
            readied?.append(contentsOf: ready)
            return
        }
        for item in ready {
            pgs_work_push(role, item.instance.rawValue, item.branch?.rawValue ?? -1)
        }
    }

    /// Runs `body` in a transaction of the engine's own.
    static func transaction<R>(_ body: () throws(PostgresError) -> R) throws(PostgresError) -> R {
        do throws(PostgresError) {
            try check(pgs_engine_begin())
            let result = try Storage.access(body)
            try check(pgs_engine_commit())
            return result
        } catch {
            pgs_step_abort()
            throw error
        }
    }

    /// Ends an instance of this role as failed, without its machine.
    public mutating func fail(_ instance: InstanceID, _ failure: StepFailure) throws(PostgresError) {
        let role = role
        try ServerPort.transaction { () throws(PostgresError) in
            try check(pgs_item_lock(instance.rawValue))
            guard try Storage.isUnended(instance) else { return }
            let outcome = Outcome.failed(text: failure.message, failure: failure)
            try CheckpointWriter.end(
                instance,
                EndedRow(at: Timestamp(rawValue: pgs_now()), outcome: outcome),
                role: role
            )
        }
        pgs_waiters_wake(instance.rawValue)
        failureLog.report(failure, of: instance, publicID: nil)
    }

    public mutating func runStep(
        _ step: Substituted,
        of instance: InstanceID,
        node: NodeIndex,
        in database: Bytes?
    ) throws(PostgresError) -> StepRun {
        if mustLeave || pgs_slot_must_leave() { return .interrupted }
        if let database, let run = try runElsewhere(step, in: database) { return run }
        pgs_slot_begin_step()
        var result = pgs_step_result()
        do throws(PostgresError) {
            stepIsOpen = true
            try step.text.withServerBytes { pgs_step_begin($0, $1) }
            if pgs_catalog_changed() {
                isBarred =
                    try ServerPort.standing(of: role, allowsSuperusers: allowsSuperusers) != PGS_STANDING_GOOD
            }
            if isBarred {
                // Whoever took the role's rights away must not see another step of it begin.
                abandon()
                mustLeave = true
                return .interrupted
            }
            try TokenStructure.check(step)
            try step.text.withServerBytes { pgs_step_run($0, $1, Limits.resultSize, &result) }
            let json = Bytes(UnsafeBufferPointer(start: result.json, count: result.length))
            try check(pgs_step_finish_user_code())
            needsImmediateCommit = result.needs_immediate_commit
            return .completed(result: json)
        } catch {
            let interrupted = pgs_slot_was_interrupted()
            abandon()
            // What was interrupted on our behalf is decided by the tables, whatever the error looks like.
            if interrupted && !result.committed_inside { return .interrupted }
            let report = try ServerPort.inUTF8(error)
            return .failed(StepFailure(report, partlyCommitted: result.committed_inside))
        }
    }

    public mutating func commit(
        _ instance: InstanceID,
        reading request: NewsRequest,
        _ body: (News) -> Decision
    ) throws(PostgresError) -> CommitResult {
        var isStep = stepIsOpen && elsewhere == .none
        var isCommitting = false
        var isProgress = false
        var outcome: Outcome?
        do throws(PostgresError) {
            if isStep && needsImmediateCommit {
                // Its effects are outside of the transaction: it is committed whatever was asked of the instance,
                // and cancels, which are held since its end, are so until its record is committed too.
                _ = pgs_slot_begin_commit()
                try check(pgs_step_commit())
                isStep = false
            }
            if elsewhere == .committed {
                // So it is with a step that another database has committed.
                _ = pgs_slot_begin_commit()
                pgs_cancels_hold()
            }
            if !isStep { try check(pgs_engine_begin()) }
            let decision = try decide(instance, request, body)
            // From here on no interrupt of ours reaches a step's commit; one that came before rolls it back.
            guard case .write(let checkpoint) = decision,
                !(isStep || elsewhere == .open) || pgs_slot_begin_commit()
            else {
                abandon()
                return .superseded
            }
            try check(pgs_interrupts_check())
            if elsewhere == .open, let end = try prepareElsewhere(instance) {
                abandon()
                return end
            }
            outcome = checkpoint.outcome
            isProgress = checkpoint.isProgress
            if checkpoint.beginsAttempt { try check(pgs_commit_must_last()) }
            isCommitting = true
            try check(isStep ? pgs_step_commit() : pgs_engine_commit())
            pgs_cancels_release()
        } catch {
            abandon()
            if isCommitting && isStep {
                return .failed(StepFailure(try ServerPort.inUTF8(error), partlyCommitted: false))
            }
            // A second writer of the same entry, or a deadlock that the server broke by choosing us: the tables know.
            // So it is with a cancel by hand (pg_cancel_backend) that arrived while the record was being written.
            if error.state == .uniqueViolation || error.state.isRetryable
                || error.state == .queryCanceled || error.isNewerFormat
            {
                return .superseded
            }
            throw error
        }
        loading.remove(instance)
        if isProgress { pgs_work_progressed() }
        if elsewhere == .open { try finishElsewhere() }
        if stepIsOpen { closeStep() }
        if outcome != nil { pgs_waiters_wake(instance.rawValue) }
        if case .failed(_, let failure) = outcome {
            let publicID = lastLoaded?.instance == instance ? lastLoaded?.publicID : nil
            failureLog.report(failure, of: instance, publicID: publicID)
        }
        return .committed
    }

    private func decide(
        _ instance: InstanceID,
        _ request: NewsRequest,
        _ body: (News) -> Decision
    ) throws(PostgresError) -> Decision {
        let now = now()
        return try Storage.access { () throws(PostgresError) in
            try check(pgs_item_lock(instance.rawValue))
            let signals = StoredSignals(instance)
            var news = try CheckpointWriter.news(instance, request, signals)
            var decision = body(news)
            if case .readAll = decision {
                news.entries = try wholeJournal(of: instance)
                news.isWhole = true
                decision = body(news)
            }
            if let failure = signals.failure { throw failure }
            if case .write(let checkpoint) = decision {
                try CheckpointWriter.write(checkpoint, instance, role: role, now: now)
                if loading.contains(instance) { try ServerPort.forgetLoads(of: instance) }
                try stopOthers(checkpoint, of: instance, isShared: request.known.count > 1 || !stepIsOpen)
                try dropRequests(checkpoint, of: instance)
            }
            return decision
        }
    }

    private func wholeJournal(of instance: InstanceID) throws(PostgresError) -> [JournalEntry] {
        guard let row = try Storage.instance(instance, current: true) else { return [] }
        return try Storage.journal(instance, for: try GraphStore.graph(row.graph, current: true))
    }

    /// The report in UTF-8; other encodings are converted in a transaction, since the step's own is gone.
    static func inUTF8(_ error: PostgresError) throws(PostgresError) -> PostgresError {
        if pgs_server_is_utf8() { return error }
        return try transaction { () throws(PostgresError) in error.inUTF8() }
    }

    /// Interrupts, once this is committed, the steps of other processes that it makes pointless.
    private func stopOthers(
        _ checkpoint: Checkpoint,
        of instance: InstanceID,
        isShared: Bool
    ) throws(PostgresError) {
        guard isShared else { return }
        if checkpoint.outcome != nil {
            try check(pgs_interrupt_at_commit(role, instance.rawValue))
        } else if checkpoint.entries.contains(where: {
            if case .raceDecided = $0.event { true } else { false }
        }) {
            for branch in checkpoint.deactivated {
                try check(pgs_interrupt_part_at_commit(role, instance.rawValue, branch.rawValue))
            }
        }
    }

    /// Rolls back whatever is open.
    private mutating func abandon() {
        pgs_step_abort()
        pgs_cancels_release()
        if stepIsOpen { closeStep() }
    }

    /// After a step, however it ended: the next one finds the session as a new connection would.
    mutating func closeStep() {
        stepIsOpen = false
        needsImmediateCommit = false
        pgs_slot_end_step()
        if elsewhere != .none {
            elsewhere = .none
            pgs_companion_close()
            return
        }
        pgs_activity(nil, 0)
        if let error = pgs_session_reset() {
            pgs_error_free(error)
            pgs_step_abort()
            mustLeave = true
        }
        if pgs_session_is_soiled() { mustLeave = true }
    }
}

extension Checkpoint {
    /// Whether something that cannot be rolled back follows this commit and counts on it.
    fileprivate var beginsAttempt: Bool {
        entries.contains { if case .attemptStarted = $0.event { true } else { false } }
    }

    /// Whether it records more than the beginning of another attempt.
    fileprivate var isProgress: Bool {
        entries.contains { if case .attemptStarted = $0.event { false } else { true } }
    }
}

extension StepFailure {
    /// The server's report as the journal keeps it.
    init(_ raised: PostgresError, partlyCommitted: Bool) {
        let error = raised.inUTF8()
        let note = Bytes("The step had committed a part of its work before it failed.".utf8)
        let detail: Bytes? =
            partlyCommitted ? (error.detail.map { $0 + [0x0A] } ?? []) + note : error.detail
        self.init(
            sqlstate: error.state.text,
            message: error.message.cut(to: Limits.messageSize),
            detail: detail?.cut(to: Limits.messageSize),
            hint: error.hint?.cut(to: Limits.messageSize),
            context: error.context?.cut(to: Limits.contextSize)
        )
    }
}

extension Array where Element == UInt8 {
    /// The first bytes, at most `limit`, whole characters only.
    func cut(to limit: Int) -> [UInt8] {
        guard count > limit else { return self }
        var end = limit
        while end > 0, self[end] & 0xC0 == 0x80 { end -= 1 }
        return Array(self[..<end])
    }

    /// Calls a server function with these bytes' address and count, and throws what it returns.
    func withServerBytes(
        _ call: (UnsafePointer<UInt8>, Int) -> OpaquePointer?
    ) throws(PostgresError) {
        let error = withUnsafeBufferPointer { buffer -> OpaquePointer? in
            if let start = buffer.baseAddress { return call(start, buffer.count) }
            var nothing: UInt8 = 0
            return call(&nothing, 0)
        }
        try check(error)
    }
}
