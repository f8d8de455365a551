// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableCore
internal import DurableModel
internal import PostgresExtension

/// A companion: an executor's second session, in another database, that runs the steps meant for that one.
///
/// It knows nothing of instances and needs no extension where it is: it gets a text, runs it as an executor would,
/// and answers with the result. See docs/adr/0011-cross-database-steps.md.
struct CompanionProcess {
    private let role: UInt32
    private var allowsSuperusers = false
    /// Whether the role's rights must be looked at before the next statement.
    private var mustCheck = true
    private var mustLeave = false

    static func loop(_ role: UInt32, _ settings: () -> ExecutorProcess.Settings) throws(PostgresError) {
        let born = pgs_now()
        var companion = CompanionProcess(role: role)
        while true {
            var reloaded = false
            try check(pgs_interrupts_service(&reloaded))
            let current = settings()
            companion.allowsSuperusers = current.allowsSuperusers
            if companion.mustLeave || pgs_slot_must_leave() { return }
            var found = false
            try check(pgs_companion_accept(&found))
            if found {
                try companion.serve()
                if try isInTemplate() { return }
                continue
            }
            if pgs_now() &- born > current.ageMaxMicroseconds || ExecutorProcess.isTooLarge { return }
            try check(pgs_statistics_flush())
            var events: Int32 = 0
            try check(pgs_latch_wait(current.idleMilliseconds, "DurableCompanionIdle", &events))
            pgs_latch_reset()
            guard events & Int32(PGS_WAIT_LATCH.rawValue) == 0 else { continue }
            // Handed over while the time ran out.
            try check(pgs_companion_accept(&found))
            guard found else { return }
            try companion.serve()
        }
    }

    private init(role: UInt32) { self.role = role }

    /// One conversation, from its request to its end.
    private mutating func serve() throws(PostgresError) {
        guard case .run(let step, let prepares, let conforming)? = try CompanionMessage.hear() else {
            pgs_companion_close()
            return
        }
        if conforming != pgs_standard_conforming_strings() {
            try CompanionMessage.reads(conforming: !conforming).tell()
            pgs_companion_close()
            return
        }
        // What an earlier process of ours left holds locks, and its effects may be what this step builds on.
        if pgs_prepared_may_exist() { try settle(attempts: 1) }
        pgs_slot_begin_step()
        let answer = try run(step, prepares: prepares)
        try answer?.tell()
        closeStep()
    }

    /// Runs the text and returns what is to be said of it at the end; nil when all is said.
    private mutating func run(
        _ step: Substituted,
        prepares: Bool
    ) throws(PostgresError) -> CompanionMessage? {
        var result = pgs_step_result()
        do throws(PostgresError) {
            try step.text.withServerBytes { pgs_step_begin($0, $1) }
            guard try mayWork() else {
                pgs_step_abort()
                mustLeave = true
                return .barred
            }
            try TokenStructure.check(step)
            try step.text.withServerBytes { pgs_step_run($0, $1, Limits.resultSize, &result) }
            let json = Bytes(UnsafeBufferPointer(start: result.json, count: result.length))
            try check(pgs_step_finish_user_code())
            guard pgs_slot_begin_commit() || result.needs_immediate_commit else {
                pgs_step_abort()
                return .interrupted
            }
            try check(pgs_interrupts_check())
            guard prepares && !result.needs_immediate_commit else {
                try check(pgs_step_commit())
                return .committed(json)
            }
            try CompanionMessage.ran(json).tell()
        } catch {
            let interrupted = pgs_slot_was_interrupted()
            pgs_step_abort()
            if interrupted && !result.committed_inside { return .interrupted }
            let report = try ServerPort.inUTF8(error)
            return .failed(StepFailure(report, partlyCommitted: result.committed_inside))
        }
        return try prepare()
    }

    /// The second half of an exactly-once step: the executor's transaction decides.
    private mutating func prepare() throws(PostgresError) -> CompanionMessage? {
        guard case .prepare(let name)? = try CompanionMessage.hear() else {
            pgs_step_abort()
            return nil
        }
        pgs_prepared_expect(true)
        do throws(PostgresError) {
            try name.withServerBytes { pgs_step_prepare($0, $1) }
        } catch {
            pgs_step_abort()
            pgs_prepared_expect(false)
            var failure = StepFailure(try ServerPort.inUTF8(error), partlyCommitted: false)
            if failure.hint == nil {
                failure.hint = Bytes(
                    "Steps in another database are prepared for a two-phase commit (pg_durable.cross_database)."
                        .utf8
                )
            }
            return .failed(failure)
        }
        try CompanionMessage.prepared.tell()
        guard case .commit? = try CompanionMessage.hear() else {
            // Rolled back or not, the executor's transaction is over, or is about to be.
            try settle(attempts: 100)
            return nil
        }
        try name.withServerBytes { pgs_prepared_finish($0, $1, true) }
        pgs_prepared_expect(false)
        return .done
    }

    /// Finishes what is decided; what is not after so many looks is left to the next process.
    private mutating func settle(attempts: Int) throws(PostgresError) {
        for attempt in 1...attempts {
            var undecided = false
            try check(pgs_prepared_settle(&undecided))
            if !undecided {
                pgs_prepared_expect(false)
                return
            }
            guard attempt < attempts else { break }
            var events: Int32 = 0
            try check(pgs_latch_wait(20, "DurablePreparedUndecided", &events))
            pgs_latch_reset()
            try check(pgs_interrupts_check())
        }
        if attempts > 1 { mustLeave = true }
    }

    /// Whether all may copy this database, for which nobody may be connected to it.
    private static func isInTemplate() throws(PostgresError) -> Bool {
        try ServerPort.transaction { () throws(PostgresError) in
            var isTemplate = false
            try check(pgs_database_is_template(&isTemplate))
            return isTemplate
        }
    }

    private mutating func mayWork() throws(PostgresError) -> Bool {
        if pgs_catalog_changed() { mustCheck = true }
        guard mustCheck else { return true }
        var standing = PGS_STANDING_GOOD
        try check(pgs_role_standing(role, nil, allowsSuperusers, &standing))
        mustCheck = standing != PGS_STANDING_GOOD
        return standing == PGS_STANDING_GOOD
    }

    /// The session as a new connection would find it, and free for the next request.
    private mutating func closeStep() {
        pgs_slot_end_step()
        pgs_cancels_release()
        pgs_activity(nil, 0)
        if let error = pgs_session_reset() {
            pgs_error_free(error)
            pgs_step_abort()
            mustLeave = true
        }
        if pgs_session_is_soiled() { mustLeave = true }
        pgs_companion_close()
    }
}
