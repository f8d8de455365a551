// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurablePostgres
internal import PostgresExtension

/// Called from `_PG_init`: in the postmaster when the library is preloaded, else in a session, where the functions can
/// be called and say what is missing.
@c(pg_durable_init_swift)
func libraryInit(_ failure: Failure) {
    let extensionName: StaticString = "pg_durable"
    pgs_rows_init(extensionName.cString)
    guard pgs_is_preloading() else { return }
    Settings.define(failure)
    guard failure.pointee.error == nil else { return }
    pgs_name_result_limit(Settings.resultLimitName.cString)
    pgs_waiters_install()
    sqlInit(failure) { () throws(PostgresError) in
        try NewTransaction.install()
        try StartQuota.install()
    }
    guard failure.pointee.error == nil else { return }
    Launcher.register()
}
