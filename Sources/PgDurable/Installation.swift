// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import PostgresExtension

/// What must hold before CREATE EXTENSION may succeed.
enum Installation {
    static func check() throws(PostgresError) {
        guard pgs_workset_is_ready() else {
            throw PostgresError(
                .objectNotInPrerequisiteState, "pg_durable must be loaded via shared_preload_libraries.",
                hint: "Add 'pg_durable' to shared_preload_libraries in postgresql.conf and restart the server.")
        }
    }
}
