// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableCore
internal import DurableModel
internal import DurablePostgres
internal import PostgresExtension

@c(df_start_swift)
func dfStart(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        try Access.check()
        guard !call.isNull(0) else { throw nullArgument(0, "fut") }
        guard !call.isNull(3) else { throw nullArgument(3, "transaction_mode") }
        if try isNewMode(try call.text(3, atMost: Limits.nameSize, "transaction_mode")) {
            return try startInNewTransaction(call)
        }
        try Access.checkWrite("df.start()")
        let text = try StartText(try call.graph(0))
        let label = call.isNull(1) ? nil : try call.text(1, atMost: Limits.labelSize, "label")
        let database = call.isNull(2) ? nil : try call.text(2, atMost: Limits.nameSize, "database")
        try checkDatabase(database)
        let role = pgs_user_current()
        let name = try Submitter.name(of: role, allowsSuperusers: Settings.allowsSuperusers)
        // Who may not start anything learns that before what is wrong inside the graph.
        let envelope = try text.envelope()
        return .text(
            try Starter.start(
                envelope: envelope,
                label: label,
                database: database,
                role: role,
                roleName: name,
                quota: Settings.startQuota,
                idSeed: Settings.idSeed
            )
        )
    }
}

/// The refusal of SQL null for the argument `index`, counted from 0 as in the original's message.
func nullArgument(_ index: Int, _ name: String) -> PostgresError {
    PostgresError(
        .nullValueNotAllowed,
        "argument \(index) must not be null",
        detail: "A value for \"\(name)\" is required."
    )
}

/// Whether the start is to be a transaction of its own.
private func isNewMode(_ mode: Bytes) throws(PostgresError) -> Bool {
    switch String(decoding: mode, as: UTF8.self).lowercased() {
    case "caller": return false
    case "new": return true
    default:
        throw PostgresError(
            .invalidParameterValue,
            "invalid transaction_mode \"\(shown(mode))\" for df.start(): expected 'caller' or 'new'"
        )
    }
}

/// Only that it is there: its rights count when the first step runs.
func checkDatabase(_ database: Bytes?) throws(PostgresError) {
    guard let database else { return }
    var found: UInt32 = 0
    try check(
        database.withUnsafeBufferPointer { name in
            name.baseAddress.flatMap { pgs_database_by_name($0, name.count, &found) }
        }
    )
    guard found != 0 else {
        throw PostgresError(.invalidCatalogName, "database \"\(shown(database))\" does not exist")
    }
    guard found == pgs_database_current() || !Settings.isExactlyOnceElsewhere || pgs_prepared_max() > 0 else {
        throw PostgresError(
            .objectNotInPrerequisiteState,
            "steps in another database cannot be exactly once: prepared transactions are disabled",
            hint: "Set max_prepared_transactions to max_worker_processes or more and restart the server, "
                + "or set pg_durable.cross_database = 'at_least_once'."
        )
    }
}

/// The text given to df.start, on its way to a validated envelope.
struct StartText {
    // SAFETY: a server process has one thread.
    /// The last text and its envelope: many starts of one statement have the same text.
    nonisolated(unsafe) private static var last: (text: Bytes, envelope: Bytes)?
    /// Larger texts are not kept: the session would stay that large.
    private static let keptMax = 64 * 1024

    private let text: Bytes
    /// Nil when the text is the last one again.
    private let root: Envelope.StartRoot?

    /// Refuses what is no step at all; with `guarded` also the answer of a helper in the same statement.
    init(_ text: Bytes, guarded: Bool = true) throws(PostgresError) {
        self.text = text
        guard StartText.last?.text != text else {
            root = nil
            return
        }
        if guarded { try SameStatementGuard.check(text, prefix: "Invalid durable function: ") }
        do throws(EnvelopeError) { root = try Envelope.root(text) } catch { throw PostgresError(error) }
    }

    func envelope() throws(PostgresError) -> Bytes {
        if let last = StartText.last, last.text == text { return last.envelope }
        do throws(EnvelopeError) {
            let graph: Graph
            if let root { graph = try root.graph() } else { graph = try Envelope.start(text) }
            try Envelope.checkStructure(graph)
            let envelope = Envelope.print(graph)
            StartText.last = text.count <= StartText.keptMax ? (text, envelope) : nil
            return envelope
        } catch {
            throw PostgresError(error)
        }
    }
}
