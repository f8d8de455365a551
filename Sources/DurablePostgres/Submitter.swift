// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
public import DurableModel
public import PostgresExtension

/// The role that a function is started as: it must be able to have sessions here, and superusers are let in by a
/// setting only.
public enum Submitter {
    /// The role's name, in UTF-8, after all checks of its standing that do not depend on where it was called.
    public static func name(
        of role: UInt32,
        allowsSuperusers: Bool
    ) throws(PostgresError) -> Bytes {
        try require(role, allowsSuperusers: allowsSuperusers, schema: nil)
    }

    /// Only that it may log in: without that nobody can work as it, whatever else is allowed.
    public static func requireLogin(_ role: UInt32) throws(PostgresError) {
        var standing = PGS_STANDING_GOOD
        try check(pgs_role_standing(role, nil, true, &standing))
        if standing == PGS_STANDING_NOLOGIN { throw noLogin(shown(try roleName(role) ?? [])) }
    }

    /// The same as `name`, USAGE on schema df included.
    static func require(
        _ role: UInt32,
        allowsSuperusers: Bool,
        schema: StaticString?
    ) throws(PostgresError) -> Bytes {
        var standing = PGS_STANDING_GOOD
        try check(pgs_role_standing(role, schema?.cString, allowsSuperusers, &standing))
        let name = try roleName(role) ?? []
        switch standing {
        case PGS_STANDING_NOLOGIN:
            throw noLogin(shown(name))
        case PGS_STANDING_SUPERUSER:
            throw PostgresError(
                .insufficientPrivilege,
                "pg_durable: superuser instances are disabled (pg_durable.enable_superuser_instances is off)",
                detail: "Role \"\(shown(name))\" is a superuser.",
                hint:
                    "Start it as another role, or set pg_durable.enable_superuser_instances = on and restart "
                    + "the server."
            )
        case PGS_STANDING_NO_CONNECT:
            throw PostgresError(
                .insufficientPrivilege,
                "role \"\(shown(name))\" has no CONNECT privilege on this database"
            )
        case PGS_STANDING_NO_USAGE:
            throw PostgresError(.insufficientPrivilege, "permission denied for schema df")
        default: return name
        }
    }

    /// The name of a role, in UTF-8.
    public static func roleName(_ role: UInt32) throws(PostgresError) -> Bytes? {
        var bytes: UnsafePointer<UInt8>?
        var length = 0
        try check(pgs_role_name(role, &bytes, &length))
        return bytes.map { Bytes(UnsafeBufferPointer(start: $0, count: length)) }
    }

    private static func noLogin(_ name: String) -> PostgresError {
        PostgresError(
            .objectNotInPrerequisiteState,
            "role \"\(name)\" does not have LOGIN privilege",
            detail: "The steps of a durable function run as sessions of the role that starts it.",
            hint: "Start it as a role that can log in, or ALTER ROLE … LOGIN."
        )
    }
}

/// Text in a message.
public func shown(_ text: Bytes) -> String { String(decoding: text, as: UTF8.self) }
