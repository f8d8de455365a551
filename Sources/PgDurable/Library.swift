// SPDX-License-Identifier: PostgreSQL

public import CPostgres
internal import DurablePostgres
internal import PostgresExtension

/// Called from `_PG_init`, in the postmaster when the library is preloaded, else in a session.
@_cdecl("pg_durable_init_swift")
public func libraryInit(_ failure: UnsafeMutablePointer<pgs_failure>) {
    let extensionName: StaticString = "pg_durable"
    pgs_rows_init(extensionName.cString)
    Settings.define(failure)
    guard pgs_is_preloading() else { return }
    pgs_waiters_install()
    Launcher.register()
}
