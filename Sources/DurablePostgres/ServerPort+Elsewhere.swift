// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableCore
internal import DurableModel
internal import DurableRuntime
internal import PostgresExtension

/// How steps in another database are committed; written by the composition root between turns.
public enum CrossDatabase {
    // SAFETY: a server process has one thread; written between turns only.
    /// By two-phase commit: the step and its record are committed both or neither.
    nonisolated(unsafe) public static var isExactlyOnce = false
}

/// Steps of instances that name another database: this process's companion there runs them.
///
/// Without two-phase commit the companion commits, and the record follows in a transaction of its own: a crash in
/// between repeats the step. With it the step is prepared under the name of the transaction that records it, so that
/// the commit record of that one decides about both.
extension ServerPort {
    enum Elsewhere {
        /// The step in hand runs here, or there is none.
        case none
        /// A companion has it.
        case running
        /// Its transaction is open and waits to be prepared.
        case open
        /// It is committed and waits to be recorded.
        case committed
    }

    private enum Place {
        case here
        case there(UInt32)
        case refused(StepFailure)
        /// The role may not work in this database any more.
        case barred
    }

    /// How an attempt to have a step run by the companion ended.
    private enum Attempt {
        case ended(StepRun)
        case noCompanion
        case died
        /// Nothing was begun: look again.
        case again
    }

    /// Most starts of a companion that failed before the step does.
    private static let startsMax = 4

    /// Runs a step in the database of that name; nil when that is this one, and nothing was done.
    mutating func runElsewhere(_ step: Substituted, in name: Bytes) throws(PostgresError) -> StepRun? {
        if name == ownName { return nil }
        var refusals = 0
        while true {
            let database: UInt32
            switch try place(of: name) {
            case .here:
                ownName = name
                // The text was written for the default.
                return pgs_standard_conforming_strings() ? nil : .interrupted
            case .barred:
                mustLeave = true
                return end(.interrupted)
            case .refused(let failure): return end(.refused(failure))
            case .there(let found): database = found
            }
            let deaths = pgs_work_deaths()
            if deaths >= Probation.attemptsMax { return end(.refused(ServerPort.diedTooOften(deaths))) }
            if !stepIsOpen {
                stepIsOpen = true
                elsewhere = .running
                pgs_slot_begin_step()
            }
            switch try attempt(step, name, database) {
            case .ended(.completed(let json)):
                return try storable(json)
            case .ended(let run): return end(run)
            case .again: break
            case .died: _ = pgs_work_count_death()
            case .noCompanion:
                refusals += 1
                if refusals == ServerPort.startsMax { return end(.refused(try noSession(name))) }
                try pause(milliseconds: 50 << Int64(refusals))
            }
            if pgs_slot_was_interrupted() || pgs_slot_must_leave() { return end(.interrupted) }
        }
    }

    private mutating func end(_ run: StepRun) -> StepRun {
        if stepIsOpen { closeStep() }
        return run
    }

    private mutating func attempt(
        _ step: Substituted,
        _ name: Bytes,
        _ database: UInt32
    ) throws(PostgresError) -> Attempt {
        let conforming = standardConformingStrings(in: name)
        let request = CompanionMessage.run(
            step,
            prepares: CrossDatabase.isExactlyOnce,
            conforming: conforming
        )
        var call = PGS_CALL_MADE
        try request.encoded.withServerBytes { pgs_companion_call(database, $0, $1, &call) }
        if call == PGS_CALL_REFUSED { return .noCompanion }
        if call == PGS_CALL_WITHDRAWN { return .ended(.interrupted) }
        let answer = try CompanionMessage.hear()
        switch answer {
        case .ran(let json):
            elsewhere = .open
            return .ended(.completed(result: json))
        case .committed(let json):
            elsewhere = .committed
            return .ended(.completed(result: json))
        case .failed(let failure): return .ended(.failed(failure))
        case .interrupted: return .ended(.interrupted)
        case .reads(let there):
            // Written for the other kind of literals: the executor writes it anew.
            conformingElsewhere[name] = there
            return there == conforming ? .again : .ended(.interrupted)
        case .barred: return .again
        default: return pgs_companion_has_taken() ? .died : .again
        }
    }

    /// Where the name leads, by what the catalogs say now.
    private mutating func place(of name: Bytes) throws(PostgresError) -> Place {
        pgs_cancels_hold()
        defer { pgs_cancels_release() }
        let role = role
        var isBarred = isBarred
        let allowsSuperusers = allowsSuperusers
        var database: UInt32 = 0
        try ServerPort.transaction { () throws(PostgresError) in
            if pgs_catalog_changed() {
                isBarred =
                    try ServerPort.standing(of: role, allowsSuperusers: allowsSuperusers) != PGS_STANDING_GOOD
            }
            try name.withServerBytes { pgs_database_by_name($0, $1, &database) }
        }
        self.isBarred = isBarred
        if isBarred { return .barred }
        if database == pgs_database_current() { return .here }
        var place = pgs_place()
        place.obstacle = PGS_OBSTACLE_DATABASE
        if database != 0 { try check(pgs_check_place(database, role, &place)) }
        if place.obstacle == PGS_OBSTACLE_NONE { return .there(database) }
        return .refused(try refusal(name, place.obstacle))
    }

    private func refusal(_ name: Bytes, _ obstacle: pgs_obstacle) throws(PostgresError) -> StepFailure {
        let user = try roleName()
        let there = Bytes("\"".utf8) + name + Bytes("\"".utf8)
        let who = Bytes("\"".utf8) + user + Bytes("\"".utf8)
        let (state, text): (String, Bytes) =
            switch obstacle {
            case PGS_OBSTACLE_DATABASE:
                ("3D000", Bytes("database ".utf8) + there + Bytes(" does not exist".utf8))
            case PGS_OBSTACLE_CLOSED:
                (
                    "55000",
                    Bytes("database ".utf8) + there
                        + Bytes(" is not currently accepting connections".utf8)
                )
            case PGS_OBSTACLE_INVALID:
                ("55000", Bytes("cannot connect to invalid database ".utf8) + there)
            case PGS_OBSTACLE_LIMIT:
                ("53300", Bytes("too many connections for role ".utf8) + who)
            case PGS_OBSTACLE_ROLE: ("28000", Bytes("role ".utf8) + who + Bytes(" does not exist".utf8))
            case PGS_OBSTACLE_LOGIN:
                ("28000", Bytes("role ".utf8) + who + Bytes(" is not permitted to log in".utf8))
            default: ("42501", Bytes("permission denied for database ".utf8) + there)
            }
        return StepFailure(
            sqlstate: Bytes(state.utf8),
            message: ServerPort.connectPrefix(name, user) + Bytes("error returned from database: ".utf8)
                + text,
            detail: obstacle == PGS_OBSTACLE_CONNECT
                ? Bytes("User does not have CONNECT privilege.".utf8) : nil
        )
    }

    private static func connectPrefix(_ name: Bytes, _ user: Bytes) -> Bytes {
        Bytes("Failed to connect to database '".utf8) + name + Bytes("' as '".utf8) + user
            + Bytes("'. Error: ".utf8)
    }

    private func noSession(_ name: Bytes) throws(PostgresError) -> StepFailure {
        StepFailure(
            sqlstate: Bytes("08001".utf8),
            message: ServerPort.connectPrefix(name, try roleName())
                + Bytes("the session ended before it could be used".utf8),
            hint: Bytes("Look into the server's log for what ended it.".utf8)
        )
    }

    private static func diedTooOften(_ deaths: Int32) -> StepFailure {
        StepFailure(
            sqlstate: Bytes("57P01".utf8),
            message: Bytes("step was begun \(deaths) times and its process ended each time".utf8),
            hint: Bytes("Look into the server's log for what ended the process.".utf8)
        )
    }

    private func roleName() throws(PostgresError) -> Bytes {
        let role = role
        return try ServerPort.transaction { () throws(PostgresError) in
            var bytes: UnsafePointer<UInt8>?
            var length = 0
            try check(pgs_role_name(role, &bytes, &length))
            return bytes.map { Bytes(UnsafeBufferPointer(start: $0, count: length)) } ?? []
        }
    }

    private func pause(milliseconds: Int64) throws(PostgresError) {
        let until = pgs_now() &+ milliseconds &* 1000
        while pgs_now() < until, !pgs_slot_was_interrupted(), !pgs_slot_must_leave() {
            var events: Int32 = 0
            try check(pgs_latch_wait((until &- pgs_now()) / 1000 &+ 1, "DurableCompanionRetry", &events))
            pgs_latch_reset()
        }
    }

    /// The result, if this database's encoding has all of its characters.
    private mutating func storable(_ json: Bytes) throws(PostgresError) -> StepRun {
        guard !pgs_server_is_utf8() else { return .completed(result: json) }
        let wasCommitted = elsewhere == .committed
        do throws(PostgresError) {
            try ServerPort.transaction { () throws(PostgresError) in
                var value: pgs_datum = 0
                try json.withServerBytes { pgs_datum_make_text($0, $1, &value) }
            }
            return .completed(result: json)
        } catch {
            guard error.state.text.starts(with: Bytes("22".utf8)) else { throw error }
            let report = try ServerPort.inUTF8(error)
            return end(.failed(StepFailure(report, partlyCommitted: wasCommitted)))
        }
    }

    // MARK: - Exactly once

    /// Prepares the step under the name of the open transaction; nil when it is, else how the commit ends.
    func prepareElsewhere(_ instance: InstanceID) throws(PostgresError) -> CommitResult? {
        var name = Bytes(repeating: 0, count: Int(PGS_PREPARED_NAME_MAX))
        var length = 0
        try check(pgs_prepared_name(instance.rawValue, &name, &length))
        try CompanionMessage.prepare(name: Bytes(name.prefix(length))).tell()
        switch try CompanionMessage.hear() {
        case .prepared: return nil
        case .failed(let failure): return .failed(failure)
        default:
            // It ended. What it had prepared, if it came to that, is rolled back with this transaction.
            _ = pgs_work_count_death()
            return .superseded
        }
    }

    /// After this transaction's commit: the step's effects are there when this returns.
    ///
    /// If the companion ends before, whoever looks there next commits them.
    func finishElsewhere() throws(PostgresError) {
        try CompanionMessage.commit.tell()
        _ = try CompanionMessage.hear()
    }
}
