// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurablePostgres
internal import PostgresExtension

/// Called from `_PG_init`: in the postmaster when the library is preloaded.
///
/// Loaded any other way it has no shared memory and no processes, and is refused; but pg_upgrade loads it into a
/// server that runs nothing.
@c(pg_durable_init_swift)
func libraryInit(_ failure: Failure) {
    let extensionName: StaticString = "pg_durable"
    sqlInit(failure) { () throws(PostgresError) in
        try check(pgs_rows_init(extensionName.cString))
    }
    guard failure.pointee.error == nil else { return }
    guard pgs_is_preloading() else {
        guard !pgs_is_binary_upgrade() else { return }
        return sqlInit(failure) { () throws(PostgresError) in throw Installation.notPreloaded }
    }
    Settings.define(failure)
    guard failure.pointee.error == nil else { return }
    pgs_name_result_limit(Settings.resultLimitName.cString)
    sqlInit(failure) { () throws(PostgresError) in
        try check(pgs_waiters_install("durable waiters"))
        try NewTransaction.install()
        try StartQuota.install()
    }
    guard failure.pointee.error == nil else { return }
    Launcher.register()
}
