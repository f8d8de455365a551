// SPDX-License-Identifier: PostgreSQL

internal import PostgresExtension

/// Parameters of the original that a `postgresql.conf` may name, with its ranges and contexts.
///
/// They are accepted so that such a file loads; what they tuned - connections of a worker to its own server - does
/// not exist here, so they change nothing.
enum CompatibilitySettings {
    private static func number(
        _ name: StaticString,
        _ initial: Int,
        _ range: ClosedRange<Int>
    ) -> Setting<Int> {
        Setting(
            SettingInfo(name, .postmaster, "Accepted for compatibility; has no effect."),
            initial: initial,
            in: range
        )
    }

    private static let numbers = [
        number("pg_durable.max_management_connections", 6, 1...1000),
        number("pg_durable.max_duroxide_connections", 10, 1...1000),
    ]
    private static let workerRole = Setting(
        SettingInfo(
            "pg_durable.worker_role",
            .postmaster,
            "Accepted for compatibility; has no effect."
        ),
        initial: "postgres"
    )

    static func define() throws(PostgresError) {
        for setting in numbers {
            try setting.define()
        }
        try workerRole.define()
    }
}
