// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableModel
internal import DurablePostgres
internal import PostgresExtension

/// Who may do what.
///
/// Every function that reads or writes state asks here: that a name can be looked up is no right, since a
/// view made before a revoke needs no look-up.
enum Access {
    // SAFETY: a server process has one thread; set once when the executor starts.
    /// Whether this process is an executor.
    ///
    /// Not `df.in_workflow` alone, which anybody may SET.
    nonisolated(unsafe) static var isExecutor = false

    /// Whether what belongs outside of workflows is refused: in a step, and in a session that says of itself that it
    /// is one, as scripts for the original do.
    static func isInWorkflow() throws(PostgresError) -> Bool {
        if isExecutor { return true }
        let name: StaticString = "df.in_workflow"
        let value: StaticString = "true"
        var says = false
        try PostgresExtension.check(pgs_setting_is(name.cString, value.cString, &says))
        return says
    }

    /// Refuses a caller without USAGE on schema df.
    static func check() throws(PostgresError) {
        try Installation.checkPreload()
        var may = false
        try PostgresExtension.check(pgs_may_use_schema("df", &may))
        guard may else {
            throw PostgresError(.insufficientPrivilege, "permission denied for schema df")
        }
    }

    /// The same for a function that writes, which must not run in a read-only transaction and the like.
    static func checkWrite(_ function: StaticString) throws(PostgresError) {
        try check()
        try TrialRun.refuse(function)
        try PostgresExtension.check(pgs_prevent_write(function.cString))
    }

    static func checkSuperuser(_ refusal: String) throws(PostgresError) {
        var isSuperuser = false
        try PostgresExtension.check(pgs_is_superuser(pgs_user_current(), &isSuperuser))
        guard isSuperuser else { throw PostgresError(.insufficientPrivilege, refusal) }
    }

    static func seesAll() throws(PostgresError) -> Bool {
        var all = false
        try PostgresExtension.check(pgs_sees_all_rows(&all))
        return all
    }

    // SAFETY: a server process has one thread.
    /// The stamps that are at home here, read once per statement.
    nonisolated(unsafe) private static var stamps: (statement: Int64, values: [Int64])?

    /// Whether a row of the current role's oid is really its own.
    ///
    /// It is when its stamp is at home here. In a copy that nobody adopted the oid may be another role's, and the
    /// name must fit, too.
    static func isAtHome(_ stamp: Int64, roleName: Bytes) throws(PostgresError) -> Bool {
        let statement = pgs_now_statement()
        if let stamps, stamps.statement == statement, stamps.values.contains(stamp) { return true }
        let values = try Home.stamps()
        stamps = (statement, values)
        if values.contains(stamp) { return true }
        return try Access.roleName(pgs_user_current()) == roleName
    }

    /// The instance when the caller may see it; unknown and foreign ones look the same.
    static func visible(_ publicID: Bytes, current: Bool = false) throws(PostgresError) -> InstanceRow? {
        try admitted(try Storage.instance(publicID: publicID, current: current))
    }

    /// The same by the engine's own number, as the statement sees it.
    static func visible(_ id: InstanceID) throws(PostgresError) -> InstanceRow? {
        try admitted(try Storage.instance(id, current: false))
    }

    private static func admitted(_ row: InstanceRow?) throws(PostgresError) -> InstanceRow? {
        guard let row else { return nil }
        if try seesAll() { return row }
        guard row.role == pgs_user_current() else { return nil }
        return try isAtHome(row.home, roleName: row.roleName) ? row : nil
    }

    /// Refuses a caller without EXECUTE on `df.http` or `df.http_multipart` of five arguments, as the server does.
    static func checkRequests(_ name: StaticString, isMultipart: Bool) throws(PostgresError) {
        let may = try ServerPort.mayRequest(pgs_user_current(), isMultipart: isMultipart)
        guard may else {
            throw PostgresError(.insufficientPrivilege, "permission denied for function \(name)")
        }
    }

    /// The name of a role, in UTF-8.
    static func roleName(_ role: UInt32) throws(PostgresError) -> Bytes? {
        try Submitter.roleName(role)
    }
}
