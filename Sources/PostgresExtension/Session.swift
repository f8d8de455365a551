// SPDX-License-Identifier: PostgreSQL

import CPostgres

/// Who and where this process is.
public enum Session {
    /// Whose privileges count now: the owner inside a SECURITY DEFINER function. (`GetUserId`)
    public static var currentUser: UInt32 { pgs_user_current() }
    /// Who the session is. (`GetSessionUserId`)
    public static var sessionUser: UInt32 { pgs_user_session() }
    /// What SET ROLE made of it, SECURITY DEFINER functions looked through. (`GetOuterUserId`)
    public static var outerUser: UInt32 { pgs_user_outer() }
    /// Who logged in. (`GetAuthenticatedUserId`)
    public static var authenticatedUser: UInt32 { pgs_user_authenticated() }
    public static var database: UInt32 { pgs_database_current() }
    public static var processID: Int32 { pgs_process_id() }
    /// Whether this is a standby. (`RecoveryInProgress`)
    public static var isInRecovery: Bool { pgs_in_recovery() }
    /// `150018` for 15.18: of the headers that the library was built with.
    public static var serverVersion: Int { Int(pgs_server_version()) }
    /// Whether the server is loading `shared_preload_libraries`.
    public static var isPreloading: Bool { pgs_is_preloading() }

    /// The corresponding C function is `superuser_arg`.
    public static func isSuperuser(_ role: UInt32) throws(PostgresError) -> Bool {
        var answer = false
        try check(pgs_is_superuser(role, &answer))
        return answer
    }

    /// Whether the role has the group's privileges. (`has_privs_of_role`)
    public static func hasPrivileges(of group: UInt32, role: UInt32) throws(PostgresError) -> Bool {
        var answer = false
        try check(pgs_has_privileges_of(role, group, &answer))
        return answer
    }

    /// The role's name in UTF-8; nil when there is no such role.
    public static func roleName(_ role: UInt32) throws(PostgresError) -> [UInt8]? {
        var start: UnsafePointer<UInt8>?
        var count = 0
        try check(pgs_role_name(role, &start, &count))
        guard let start else { return nil }
        return Array(UnsafeBufferPointer(start: start, count: count))
    }

    /// Throws where a command that writes is not allowed: a standby, a read-only transaction, a parallel worker.
    public static func preventWriting(_ command: StaticString) throws(PostgresError) {
        try check(pgs_prevent_write(command.pointer))
    }
}

/// The server's clocks: microseconds since 2000-01-01 00:00 UTC, except the monotonic one.
public enum ServerClock {
    public static var now: Int64 { pgs_now() }
    /// What SQL's `now()` shows.
    public static var transactionStart: Int64 { pgs_now_transaction() }
    public static var statementStart: Int64 { pgs_now_statement() }
    /// Nanoseconds from an arbitrary point, never backwards.
    public static var monotonicNanoseconds: Int64 { pgs_monotonic_ns() }
}
