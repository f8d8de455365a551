// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurablePostgres
internal import DurableRuntime
internal import PostgresExtension

/// Every `pg_durable.*` parameter, and what the processes take from them.
///
/// Limits and switches are for the administrator (SIGHUP or restart): none can be set by a role for its own work.
enum Settings {
    static let enabled = Setting(
        SettingInfo(
            "pg_durable.enabled",
            .sighup,
            "Runs durable functions.",
            details:
                "Off stops every executor, before its next step or in the middle of it; nothing is lost."
        ),
        initial: true
    )
    static let maxExecutors = Setting(
        SettingInfo(
            "pg_durable.max_executors",
            .postmaster,
            "Most processes that run steps, in the whole cluster.",
            details:
                "0 is half of max_worker_processes less two, at least 1 and at most max_user_connections."
        ),
        initial: 0,
        in: 0...256
    )
    static let maxExecutorsPerRole = Setting(
        SettingInfo(
            "pg_durable.max_executors_per_role",
            .sighup,
            "Most processes that run steps of one role.",
            details: "0 is all but one, so that another role always finds a place."
        ),
        initial: 0,
        in: 0...256
    )
    static let readyQueueSize = Setting(
        SettingInfo(
            "pg_durable.ready_queue_size",
            .postmaster,
            "Places for ready work in shared memory.",
            details: "What finds none waits in its table and is swept up when there is room."
        ),
        initial: 65_536,
        in: 1024...16_777_216
    )
    static let maxDatabases = Setting(
        SettingInfo(
            "pg_durable.max_databases",
            .postmaster,
            "Most databases that have something to do, now or at a set time.",
            details: "Others wait until one of these has nothing more to do; the log has a warning then."
        ),
        initial: 1024,
        in: 1...65_536
    )
    static let executorIdleTimeout = Setting(
        SettingInfo(
            "pg_durable.executor_idle_timeout",
            .sighup,
            "Time after which an idle executor leaves.",
            unit: .milliseconds
        ),
        initial: 10_000,
        in: 0...86_400_000
    )
    static let executorMaxAge = Setting(
        SettingInfo(
            "pg_durable.executor_max_age",
            .sighup,
            "Time after which an executor is replaced by a fresh one.",
            unit: .seconds
        ),
        initial: 600,
        in: 1...86_400
    )
    static let maxResultSize = Setting(
        SettingInfo(
            "pg_durable.max_result_size",
            .sighup,
            "Largest result of a step.",
            unit: .kilobytes
        ),
        initial: 16_384,
        in: 1...262_143
    )
    static let resultLimitName: StaticString = "pg_durable.max_result_size"
    static let maxStepCrashes = Setting(
        SettingInfo(
            "pg_durable.max_step_crashes",
            .sighup,
            "Attempts of a step that takes its process down before it fails."
        ),
        initial: 10,
        in: 1...1000
    )
    static let probationTime = Setting(
        SettingInfo(
            "pg_durable.probation_time",
            .sighup,
            "Time after a crash of the server during which each attempt of a step is recorded before it runs.",
            unit: .seconds
        ),
        initial: 600,
        in: 0...86_400
    )
    static let database = Setting(
        SettingInfo(
            "pg_durable.database",
            .postmaster,
            "The one database that may hold the extension; empty for any."
        ),
        initial: ""
    )
    static let enableSuperuserInstances = Setting(
        SettingInfo(
            "pg_durable.enable_superuser_instances",
            .postmaster,
            "Lets superusers start durable functions.",
            flags: .superuserOnly
        ),
        initial: false
    )
    static let listInstancesMaxLimit = Setting(
        SettingInfo(
            "pg_durable.list_instances_max_limit",
            .superuser,
            "Largest limit_count of df.list_instances."
        ),
        initial: 1000,
        in: 1...1_000_000
    )
    static let loopMinInterval = Setting(
        SettingInfo(
            "pg_durable.loop_min_interval",
            .sighup,
            "Shortest time from one iteration of a loop to the next.",
            unit: .milliseconds
        ),
        initial: 1000,
        in: 0...86_400_000
    )
    static let loopMaxIterations = Setting(
        SettingInfo(
            "pg_durable.loop_max_iterations",
            .sighup,
            "Most iterations of one run of a loop; 0 for no limit."
        ),
        initial: 0,
        in: 0...Int(Int32.max)
    )

    /// How a step in another database and its record are committed.
    enum CrossDatabaseMode: String, CaseIterable {
        case atLeastOnce = "at_least_once"
        case exactlyOnce = "exactly_once"
    }

    static let crossDatabase = Setting(
        SettingInfo(
            "pg_durable.cross_database",
            .sighup,
            "How often a step in another database takes effect when a crash hits it.",
            details: "exactly_once prepares it for a two-phase commit, which needs max_prepared_transactions."
        ),
        initial: CrossDatabaseMode.atLeastOnce
    )

    /// Makes all of them known to the server.
    static func define(_ failure: Failure) {
        sqlInit(failure) { () throws(PostgresError) in
            try enabled.define()
            for setting in [
                maxExecutors, maxExecutorsPerRole, readyQueueSize, maxDatabases,
                executorIdleTimeout,
                executorMaxAge,
                maxResultSize, maxStepCrashes, probationTime, listInstancesMaxLimit,
                loopMinInterval,
                loopMaxIterations,
            ] {
                try setting.define()
            }
            try database.define()
            try crossDatabase.define()
            try enableSuperuserInstances.define()
            try defineStarts()
            try defineLimits()
            try RetentionParameters.define()
            try CompatibilitySettings.define()
            try HTTPSettings.define()
            // The prefix stays open: scripts may set parameters of the original that mean nothing here.
        }
    }
}

extension Settings {
    /// The executors that shared memory has places for.
    static var executorsMax: Int32 {
        guard maxExecutors.value == 0 else { return Int32(clamping: maxExecutors.value) }
        let suiting = max((pgs_worker_processes_max() - 2) / 2, 1)
        return min(suiting, Int32(clamping: maxUserConnections.value), 64)
    }

    static var listInstancesMax: Int32 { Int32(clamping: listInstancesMaxLimit.value) }
    static var isExactlyOnceElsewhere: Bool { crossDatabase.value == .exactlyOnce }
    static var allowsSuperusers: Bool { enableSuperuserInstances.value }

    /// What an executor works by; read between turns, and written through to the limits of the storage.
    static func executor() -> ExecutorProcess.Settings {
        Limits.resultSize = Int64(maxResultSize.value) * 1024
        Probation.attemptsMax = Int32(clamping: maxStepCrashes.value)
        Probation.isOn = isInProbation
        CrossDatabase.isExactlyOnce = isExactlyOnceElsewhere
        var settings = ExecutorProcess.Settings(
            turns: turns(),
            idleMilliseconds: Int64(executorIdleTimeout.value),
            ageMaxMicroseconds: Int64(executorMaxAge.value) * 1_000_000,
            allowsSuperusers: allowsSuperusers,
            patience: patience
        )
        settings.requests = HTTPSettings.requests()
        return settings
    }

    /// What the turn loop works by.
    static func turns() -> ExecutorSettings {
        var settings = ExecutorSettings()
        settings.loopIntervalMin = Int64(loopMinInterval.value) * 1000
        settings.loopIterationsMax = Int64(loopMaxIterations.value)
        settings.stepAttemptsMax = Int32(clamping: maxStepCrashes.value)
        settings.http = HTTPSettings.limits()
        settings.instanceSizeMax = maxInstanceSize.value << 20
        return settings
    }

    /// Whether the server came back from a crash, or a stop that was none, less than `probation_time` ago.
    static var isInProbation: Bool {
        var at: Int64 = 0
        guard pgs_was_crash_restart(&at) else { return false }
        return pgs_now() &- at < Int64(probationTime.value) * 1_000_000
    }
}
