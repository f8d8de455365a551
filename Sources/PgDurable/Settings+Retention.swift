// SPDX-License-Identifier: PostgreSQL

internal import DurablePostgres
internal import PostgresExtension

/// Parameters that say how long what has ended is kept.
enum RetentionParameters {
    static let days = Setting(
        SettingInfo(
            "pg_durable.retention_days",
            .postmaster,
            "Days after its end after which an instance is removed.",
            details: "0 removes it at the next pass."
        ),
        initial: 30,
        in: 0...36_500
    )
    static let count = Setting(
        SettingInfo(
            "pg_durable.retention_count",
            .postmaster,
            "Ended instances of a database that are kept, the newest.",
            details: "0 for no limit but their age."
        ),
        initial: 10_000,
        in: 0...10_000_000
    )
    static let interval = Setting(
        SettingInfo(
            "pg_durable.reconcile_interval",
            .postmaster,
            "Seconds from one pass that removes ended instances to the next.",
            details: "0 removes nothing."
        ),
        initial: 3600,
        in: 0...86_400
    )

    static func define() throws(PostgresError) {
        for setting in [days, count, interval] { try setting.define() }
    }
}

extension Settings {
    /// What a scheduler works by.
    static func scheduler() -> SchedulerProcess.Settings {
        SchedulerProcess.Settings(
            retention: retention,
            turns: turns(),
            patience: patience,
            allowsSuperusers: allowsSuperusers
        )
    }

    private static var retention: RetentionSettings {
        RetentionSettings(
            days: Int64(RetentionParameters.days.value),
            endedMax: RetentionParameters.count.value,
            intervalMicroseconds: Int64(RetentionParameters.interval.value) * 1_000_000
        )
    }
}
