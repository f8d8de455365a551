// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
public import DurableModel
public import PostgresExtension

/// What is started.
///
/// The envelope is a validated graph.
public struct StartRequest: Sendable {
    public var envelope: Bytes
    public var label: Bytes?
    public var database: Bytes?

    public init(envelope: Bytes, label: Bytes?, database: Bytes?) {
        self.envelope = envelope
        self.label = label
        self.database = database
    }
}

/// A start in a transaction of its own, committed when the call returns, whatever becomes of the caller's.
///
/// A background worker carries it out, which is a session of the caller's role and runs nothing of anybody's; see
/// docs/adr/0010-new-transactions.md.
public enum NewTransaction {
    /// What the composition root takes from the settings.
    public struct Settings: Sendable {
        /// Such starts at the same time, in the cluster.
        public var placesMax: Int32
        /// The longest wait for a place, and for a process of the server.
        public var patienceSeconds: Int64

        public init(placesMax: Int32, patienceSeconds: Int64) {
            self.placesMax = placesMax
            self.patienceSeconds = patienceSeconds
        }
    }

    /// Until when the worker must have answered.
    private static let answerMilliseconds: Int64 = 30_000
    /// A start without trouble is over by then; later it is asked who waits for whom.
    private static let looksAfter: Int64 = 100_000
    private static let looksEvery: Int64 = 250_000
    /// How long an interrupt waits for the end of a commit that has begun.
    private static let commitPatience: Int64 = 2_000_000

    /// In the init of the preloaded library.
    public static func install() throws(PostgresError) {
        let name: StaticString = "pg_durable starts"
        let library: StaticString = "pg_durable"
        let function: StaticString = "pg_durable_start_main"
        let title: StaticString = "durable start"
        var config = pgs_handover_config(
            name: name.cString,
            library: library.cString,
            function: function.cString,
            title: title.cString
        )
        try check(pgs_handover_install(&config))
    }

    // MARK: The caller

    /// Starts `request` as the current user; the result is the id.
    public static func start(
        _ request: StartRequest,
        _ settings: Settings
    ) throws(PostgresError) -> Bytes {
        defer { pgs_handover_leave() }
        let deadline = pgs_now() &+ settings.patienceSeconds &* 1_000_000
        try enter(settings)
        try send(request, until: deadline)
        try awaitAnswer()
        var length = 0
        let start = pgs_handover_answer(&length)
        switch try HandoverCoding.answer(UnsafeBufferPointer(start: start, count: length)) {
        case .success(let id): return id
        case .failure(let error): throw wrapped(error)
        }
    }

    /// An error of the inner transaction as the caller's statement reports it: with the code and the texts that it
    /// had there.
    public static func wrapped(_ error: PostgresError) -> PostgresError {
        PostgresError(
            state: error.state,
            message: Bytes("df.start() on new transaction failed: error returned from database: ".utf8)
                + error.message,
            detail: error.detail,
            hint: error.hint
        )
    }

    private static func enter(_ settings: Settings) throws(PostgresError) {
        var entered = false
        try check(
            pgs_handover_enter(settings.placesMax, settings.patienceSeconds &* 1000, &entered)
        )
        guard entered else {
            throw PostgresError(
                .configurationLimitExceeded,
                "pg_durable: transaction_mode => 'new' launch limit reached "
                    + "(max_new_transaction_starts=\(settings.placesMax)). "
                    + "Timed out after \(settings.patienceSeconds)s waiting for a launch slot",
                hint: "Try again, or raise pg_durable.max_new_transaction_starts."
            )
        }
    }

    /// Nothing tells when a process becomes free, so it is asked for again ten times a second.
    private static func send(
        _ request: StartRequest,
        until deadline: Int64
    ) throws(PostgresError) {
        let bytes = HandoverCoding.encode(request)
        while true {
            var sent = false
            try bytes.withServerBytes { pgs_handover_send($0, $1, &sent) }
            if sent { return }
            guard pgs_now() < deadline else {
                throw PostgresError(
                    .insufficientResources,
                    "\(try failedToConnect()): no background worker slot is free",
                    hint: "Try again, or raise max_worker_processes."
                )
            }
            var events: Int32 = 0
            try check(pgs_latch_wait(100, "Handover", &events))
            pgs_latch_reset()
            try check(pgs_interrupts_check())
        }
    }

    private static func awaitAnswer() throws(PostgresError) {
        let begun = pgs_now()
        let deadline = begun &+ answerMilliseconds &* 1000
        var look = begun &+ looksAfter
        var committingSince: Int64?
        while true {
            var state = PGS_HANDOVER_WAITING
            let now = pgs_now()
            try check(pgs_handover_wait(max(min(look, deadline) &- now, 0) / 1000 &+ 1, &state))
            switch state {
            case PGS_HANDOVER_ANSWERED:
                return
            case PGS_HANDOVER_DIED:
                throw died(wasCommitting: committingSince != nil)
            case PGS_HANDOVER_COMMITTING:
                let since = committingSince ?? pgs_now()
                committingSince = since
                if pgs_now() &- since > commitPatience { try check(pgs_interrupts_check()) }
            default:
                try check(pgs_interrupts_check())
            }
            guard pgs_now() >= look else { continue }
            look = pgs_now() &+ looksEvery
            try refuseDeadlock()
            if pgs_now() >= deadline { throw timedOut }
        }
    }

    /// The server does not see that this session waits for the worker.
    private static func refuseDeadlock() throws(PostgresError) {
        var blocked = false
        try check(pgs_handover_is_blocked(&blocked))
        guard blocked else { return }
        throw PostgresError(
            .deadlockDetected,
            "df.start() on new transaction failed: deadlock detected",
            detail: "It waits for a lock that the calling transaction holds, which waits for it.",
            hint: "Commit before the start, or leave transaction_mode out."
        )
    }

    private static var timedOut: PostgresError {
        PostgresError(
            .queryCanceled,
            "pg_durable: transaction_mode => 'new' launch hit statement_timeout after "
                + "\(answerMilliseconds)ms while running df.start() in the loopback session: "
                + "canceling statement due to statement timeout",
            detail: "The start runs in a session of its own.",
            hint: "It may have waited for a lock that another session holds."
        )
    }

    private static func died(wasCommitting: Bool) -> PostgresError {
        if wasCommitting {
            return PostgresError(
                SQLState("08007"),
                "df.start() on new transaction failed: its session ended during the commit",
                hint: "df.list_instances() shows whether the instance exists."
            )
        }
        return PostgresError(
            SQLState("08006"),
            "\((try? failedToConnect()) ?? "Failed to connect"): the session ended before it was done",
            hint: "The server's log has the reason. A role, a right or an extension that this transaction "
                + "has made is not there for others before it commits."
        )
    }

    private static func failedToConnect() throws(PostgresError) -> String {
        let role = shown(try Submitter.roleName(pgs_user_current()) ?? [])
        return "Failed to connect to database '\(try currentDatabase())' as '\(role)'"
    }

    private static func currentDatabase() throws(PostgresError) -> String {
        var bytes: UnsafePointer<UInt8>?
        var length = 0
        try check(pgs_database_name(pgs_database_current(), &bytes, &length))
        return shown(bytes.map { Bytes(UnsafeBufferPointer(start: $0, count: length)) } ?? [])
    }

    // MARK: The worker

    /// The life of the worker that carries out one start.
    public static func serve(_ argument: UInt64, allowsSuperusers: Bool, quota: StartQuota) -> Int32 {
        var call = pgs_handover_call()
        do throws(PostgresError) {
            var isWanted = false
            try check(pgs_handover_attach(argument, &call, &isWanted))
            guard isWanted else { return 0 }
            try check(pgs_pin_settings())
            try check(pgs_worker_connect(call.database, call.role))
            try check(pgs_setting_begin_as("application_name", "pg_durable:backend:new-transaction"))
            var answer: Result<Bytes, PostgresError>
            do throws(PostgresError) {
                answer = .success(try carryOut(call, allowsSuperusers, quota))
            } catch {
                answer = .failure(try ServerPort.inUTF8(error))
            }
            HandoverCoding.encode(answer).withUnsafeBufferPointer { bytes in
                if let start = bytes.baseAddress { pgs_handover_reply(start, bytes.count) }
            }
        } catch {
            Log.report(error, doing: "starting a durable function in a transaction of its own")
        }
        return 0
    }

    private static func carryOut(
        _ call: pgs_handover_call,
        _ allowsSuperusers: Bool,
        _ quota: StartQuota
    ) throws(PostgresError) -> Bytes {
        let request = try HandoverCoding.request(
            UnsafeBufferPointer(start: call.request, count: call.length)
        )
        return try ServerPort.transaction { () throws(PostgresError) in
            var isInstalled = false
            try check(pgs_extension_exists("pg_durable", &isInstalled))
            guard isInstalled else {
                throw PostgresError(
                    .objectNotInPrerequisiteState,
                    "extension \"pg_durable\" does not exist",
                    hint: "CREATE EXTENSION must be committed before transaction_mode => 'new' is of use."
                )
            }
            let name = try Submitter.require(
                call.role,
                allowsSuperusers: allowsSuperusers,
                schema: "df"
            )
            let id = try Starter.start(
                envelope: request.envelope,
                label: request.label,
                database: request.database,
                role: call.role,
                roleName: name,
                startedBy: call.session_user,
                quota: quota
            )
            guard pgs_handover_begin_commit() else {
                throw PostgresError(.queryCanceled, "the caller has given up")
            }
            return id
        }
    }
}
