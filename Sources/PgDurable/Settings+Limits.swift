// SPDX-License-Identifier: PostgreSQL

internal import DurablePostgres
internal import PostgresExtension

/// What one instance may pile up.
extension Settings {
    static let maxPendingSignals = Setting(
        SettingInfo(
            "pg_durable.max_pending_signals",
            .sighup,
            "Most signals of one instance that no wait has consumed; 0 for no limit."
        ),
        initial: 1000,
        in: 0...Int(Int32.max)
    )
    static let maxSignalSize = Setting(
        SettingInfo(
            "pg_durable.max_signal_size",
            .sighup,
            "Largest data of a signal.",
            unit: .kilobytes
        ),
        initial: 1024,
        in: 1...262_143
    )
    static let maxInstanceSize = Setting(
        SettingInfo(
            "pg_durable.max_instance_size",
            .sighup,
            "Most that the journal of one instance may hold; 0 for no limit.",
            details: "What a loop's compaction has removed does not count.",
            unit: .megabytes
        ),
        initial: 1024,
        in: 0...1_048_576
    )

    static func defineLimits() throws(PostgresError) {
        for setting in [maxPendingSignals, maxSignalSize, maxInstanceSize] { try setting.define() }
    }
}
