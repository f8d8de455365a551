// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableModel
internal import DurablePostgres
internal import PostgresExtension

/// What must hold before CREATE EXTENSION may succeed.
enum Installation {
    static func check() throws(PostgresError) {
        try checkPreload()
        try checkDatabase()
    }

    /// Loaded any other way, the library has no shared memory and no processes.
    static func checkPreload() throws(PostgresError) {
        guard pgs_workset_is_ready() else { throw notPreloaded }
    }

    static var notPreloaded: PostgresError {
        PostgresError(
            .objectNotInPrerequisiteState,
            "pg_durable must be loaded via shared_preload_libraries.",
            hint: "Add 'pg_durable' to shared_preload_libraries in postgresql.conf and restart the server."
        )
    }

    /// The database that may hold the extension: the one that is set, else any, and so this one.
    static func targetDatabase() throws(PostgresError) -> Bytes {
        let wanted = Settings.database.value
        return wanted.isEmpty ? try currentDatabase() : wanted
    }

    private static func currentDatabase() throws(PostgresError) -> Bytes {
        var bytes: UnsafePointer<UInt8>?
        var length = 0
        try PostgresExtension.check(pgs_database_name(pgs_database_current(), &bytes, &length))
        return Bytes(UnsafeBufferPointer(start: bytes, count: length))
    }

    private static func checkDatabase() throws(PostgresError) {
        let wanted = Settings.database.value
        guard !wanted.isEmpty else { return }
        var found: UInt32 = 0
        try PostgresExtension.check(
            wanted.withUnsafeBufferPointer { name in
                name.baseAddress.flatMap { pgs_database_by_name($0, name.count, &found) }
            }
        )
        guard found == pgs_database_current() else {
            throw PostgresError(
                .raiseException,
                "extension pg_durable must be created in database \"\(shown(wanted))\", "
                    + "not in database \"\(shown(try currentDatabase()))\"",
                detail: "The setting pg_durable.database names the one database that may hold it.",
                hint: "Connect to database \"\(shown(wanted))\" and run CREATE EXTENSION pg_durable; there."
            )
        }
    }
}
