// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurablePostgres
internal import PostgresExtension

extension Launcher {
    /// Asks for shared memory and the launcher's process, by the settings; in the init of the preloaded library.
    static func register() {
        do throws(PostgresError) {
            try install(
                slots: { PgDurable.Settings.executorsMax },
                entries: { Int32(clamping: PgDurable.Settings.readyQueueSize.value) },
                databases: { Int32(clamping: PgDurable.Settings.maxDatabases.value) },
                patience: { PgDurable.Settings.patience.waitMaxMicroseconds }
            )
            try check(
                pgs_exchange_request(Int32(clamping: HTTPSettings.maxInFlight.value), HTTPSettings.memory)
            )
            try HTTPWorkerProcess.register()
        } catch {
            Log.report(error, doing: "registering the durable launcher")
        }
    }
}

@c(pg_durable_launcher_main_swift)
func launcherMain(_ argument: UInt64) -> Int32 {
    Launcher.run {
        LaunchSettings(
            isEnabled: Settings.enabled.value,
            executorsPerRoleMax: Settings.maxExecutorsPerRole.value
        )
    }
}
