// SPDX-License-Identifier: PostgreSQL

internal import DurablePostgres
internal import PostgresExtension

/// What limits starts and steps, with the names of the original where it has one.
extension Settings {
    static let maxUserConnections = Setting(
        SettingInfo(
            "pg_durable.max_user_connections",
            .postmaster,
            "Most steps that run at the same time, unless pg_durable.max_executors says how many."
        ),
        initial: 10,
        in: 1...1000
    )
    static let executionAcquireTimeout = Setting(
        SettingInfo(
            "pg_durable.execution_acquire_timeout",
            .postmaster,
            "Seconds after which a step that found no free executor fails; 0: it waits as long as it takes."
        ),
        initial: 0,
        in: 0...3600
    )
    static let maxNewTransactionStarts = Setting(
        SettingInfo(
            "pg_durable.max_new_transaction_starts",
            .postmaster,
            "Most starts with transaction_mode => 'new' at the same time, in the whole cluster."
        ),
        initial: 2,
        in: 1...1000
    )
    static let newTransactionStartTimeout = Setting(
        SettingInfo(
            "pg_durable.new_transaction_start_timeout",
            .postmaster,
            "Seconds that such a start waits for its turn before it fails."
        ),
        initial: 5,
        in: 1...3600
    )

    static let maxLiveInstancesPerRole = Setting(
        SettingInfo(
            "pg_durable.max_live_instances_per_role",
            .sighup,
            "Most instances of one role in one database that have not ended; 0 for no limit.",
            details: "Instances that were started while there was no limit do not count."
        ),
        initial: 0,
        in: 0...Int(Int32.max)
    )
    static let maxStartsPerSecondPerRole = Setting(
        SettingInfo(
            "pg_durable.max_starts_per_second_per_role",
            .sighup,
            "Most starts of one role per second, in the whole cluster; 0 for no limit."
        ),
        initial: 0,
        in: 0...1_000_000
    )

    static let debugIDSeed = Setting(
        SettingInfo(
            "pg_durable.debug_id_seed",
            .superuser,
            "Makes df.start() try the same ids each time, for tests of what happens when they are taken.",
            details: "-1 for ids at random."
        ),
        initial: -1,
        in: -1...Int(Int32.max)
    )

    static func defineStarts() throws(PostgresError) {
        try maxUserConnections.define()
        try executionAcquireTimeout.define()
        try maxLiveInstancesPerRole.define()
        try maxStartsPerSecondPerRole.define()
        try maxNewTransactionStarts.define()
        try newTransactionStartTimeout.define()
        try debugIDSeed.define()
    }

    static var idSeed: UInt32? { UInt32(exactly: debugIDSeed.value) }

    static var startQuota: StartQuota {
        StartQuota(
            liveMax: maxLiveInstancesPerRole.value,
            perSecondMax: Int32(clamping: maxStartsPerSecondPerRole.value),
            valueSizeMax: maxResultSize.value * 1024
        )
    }

    static var patience: Patience {
        Patience(
            waitMaxMicroseconds: Int64(executionAcquireTimeout.value) * 1_000_000,
            connectionsMax: maxUserConnections.value
        )
    }

    static var newTransactions: NewTransaction.Settings {
        NewTransaction.Settings(
            placesMax: Int32(clamping: maxNewTransactionStarts.value),
            patienceSeconds: Int64(newTransactionStartTimeout.value)
        )
    }
}
