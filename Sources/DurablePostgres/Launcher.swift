// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableRuntime
public import PostgresExtension

/// What the launcher takes from the settings, at each look.
public struct LaunchSettings: Sendable {
    public var isEnabled: Bool
    /// Executors of one role; 0 leaves one slot to others.
    public var executorsPerRoleMax: Int

    public init(isEnabled: Bool, executorsPerRoleMax: Int) {
        self.isEnabled = isEnabled
        self.executorsPerRoleMax = executorsPerRoleMax
    }
}

/// The one process that always runs: it alone starts the others, and waits on its latch for a reason to.
///
/// It is connected to no database. Who is woken by whom: a commit sets the latch of an idle executor or scheduler,
/// or the launcher's when there is none; the server sets the launcher's when a worker starts or ends. At rest it
/// waits without limit, or until the first timer of a database that has no scheduler.
public enum Launcher {
    private static let library: StaticString = "pg_durable"

    /// Asks for the shared memory and registers the process; in the init of the preloaded library.
    ///
    /// `slots` is the most executors, 0 for what suits `max_worker_processes`; `entries` the places in the queues of
    /// ready work, of all roles together; `databases` how many may have something to do at a time; `patience` the
    /// microseconds after which work that nobody took is late, 0 for never. All are asked once, when shared memory is
    /// sized.
    public static func install(
        slots: @escaping @convention(c) () -> Int32,
        entries: @escaping @convention(c) () -> Int32,
        databases: @escaping @convention(c) () -> Int32,
        patience: @escaping @convention(c) () -> Int64
    ) throws(PostgresError) {
        var config = pgs_workset_config(
            name: library.cString,
            library: library.cString,
            extension: library.cString,
            schema: TableShape.schema.cString,
            gate: Tables.catalog.name.cString,
            executor_function: ("pg_durable_executor_main" as StaticString).cString,
            scheduler_function: ("pg_durable_scheduler_main" as StaticString).cString,
            executor_title: ("durable executor" as StaticString).cString,
            scheduler_title: ("durable scheduler" as StaticString).cString,
            slots: slots,
            entries: entries,
            databases: databases,
            patience: patience
        )
        var isInstalled = false
        try check(pgs_workset_install(&config, &isInstalled))
        guard isInstalled else { return }
        let worker = BackgroundWorker(
            name: "durable launcher",
            type: "durable launcher",
            library: library,
            function: "pg_durable_launcher_main",
            restartSeconds: 1
        )
        try worker.register()
    }

    /// The life of the process.
    ///
    /// Its exit code is 1, so that the server starts it again.
    public static func run(settings: () -> LaunchSettings) -> Int32 {
        WorkerProcess.run { () throws(PostgresError) in
            guard pgs_workset_is_ready() else { return 0 }
            pgs_interrupts_ignore_cancel()
            try check(pgs_launcher_attach())
            try check(pgs_pin_settings())
            try WorkerProcess.connect(database: nil, role: nil)
            var launcher = try LauncherProcess(settings())
            while true {
                try launcher.look(settings)
            }
        }
    }
}

/// What the launcher remembers from one look to the next.
struct LauncherProcess {
    var policy: LaunchPolicy
    var isEnabled: Bool
    var unprobed: [UInt32]
    var places = StartBackoff<LaunchPolicy.Place>()
    var databases = StartBackoff<UInt32>()
    var workers = StartBackoff<Pool>(
        delayMin: 100_000,
        delayMax: 1_000_000,
        forgetAfter: 5_000_000
    )
    /// What was said in the log about a place, so that it is said once.
    var said: [LaunchPolicy.Place: pgs_obstacle] = [:]
    /// Of these, the ones in which something is to be done for which there was no place in the table.
    var lostDatabases: Set<UInt32> = []
    /// The database that was looked into last.
    var probed: UInt32 = 0
    /// Since when the table of databases has been full while others wait, and when that was last said.
    var fullSince: Int64?
    var saidFull: Int64?
    /// Databases in which work waits.
    var waitingDatabases: Set<UInt32> = []
    /// Roles that have a connection limit, as far as they were looked at since it changed last.
    var connectionLimits: [UInt32: ConnectionLimit] = [:]
    /// Executors of each role, those that are leaving too.
    var executorCounts: [UInt32: Int] = [:]
    var generations: [Int32: UInt32] = [:]
    /// The generation of each slot whose end has been noted.
    var noted: [Int32: UInt32] = [:]
    /// When to look again although nobody sets the latch.
    var next = Int64.max

    /// Whoever had begun well and was ended from outside (SIGTERM, pg_terminate_backend, a step that does it to
    /// itself) is replaced after this at the latest: a step that goes on doing so fails by its number of attempts.
    static let endedDelayMax: Int64 = 300_000
    /// Waits go by a clock that nobody sets and that stands still while a machine is suspended: whoever waits for an
    /// instant looks at the wall clock once a minute.
    static let longestWait: Int64 = 60_000

    /// The workers of the server: one key.
    enum Pool: Hashable, Sendable { case server }

    private var slotViews: [pgs_slot_view]
    private var queueViews: [pgs_queue_view]
    private var databaseViews: [pgs_database_view]
    var companionViews: [pgs_companion_view]
    /// Companions that could make room for other workers, and how many wait for a worker.
    var companions: [LaunchPolicy.Companion] = []
    var companionsWaiting = 0

    init(_ settings: LaunchSettings) throws(PostgresError) {
        policy = LauncherProcess.policy(settings)
        isEnabled = settings.isEnabled
        unprobed = try LauncherProcess.listDatabases()
        slotViews = .init(repeating: pgs_slot_view(), count: Int(pgs_launcher_slot_count()))
        queueViews = .init(repeating: pgs_queue_view(), count: Int(pgs_launcher_queue_count()))
        databaseViews = .init(
            repeating: pgs_database_view(),
            count: Int(pgs_launcher_database_count())
        )
        companionViews = .init(
            repeating: pgs_companion_view(),
            count: Int(pgs_launcher_slot_count())
        )
        pgs_launcher_stop(!isEnabled)
    }

    private static func policy(_ settings: LaunchSettings) -> LaunchPolicy {
        let executors = Int(pgs_launcher_slot_count())
        let perRole =
            settings.executorsPerRoleMax > 0 ? settings.executorsPerRoleMax : executors - 1
        return LaunchPolicy(
            limits: .init(
                executorsMax: executors,
                executorsPerRoleMax: max(1, min(perRole, executors)),
                schedulersMax: max(1, Int(pgs_worker_processes_max() - 2) / 3)
            )
        )
    }

    static func listDatabases() throws(PostgresError) -> [UInt32] {
        var count: Int32 = 0
        try check(pgs_list_databases(nil, 0, &count))
        var found = [UInt32](repeating: 0, count: Int(count))
        try check(pgs_list_databases(&found, count, &count))
        return Array(found.prefix(Int(count)))
    }

    /// Looks at everything once, does what is to be done, and waits.
    mutating func look(_ settings: () -> LaunchSettings) throws(PostgresError) {
        Latch.reset()
        if try Interrupts.service() {
            let current = settings()
            policy = LauncherProcess.policy(current)
            if current.isEnabled != isEnabled {
                isEnabled = current.isEnabled
                pgs_launcher_stop(!isEnabled)
                Log.log(
                    isEnabled ? "durable functions are enabled" : "durable functions are disabled"
                )
            }
        }
        let now = pgs_now()
        next = min(pgs_launcher_housekeep(now), pgs_launcher_repeat_interrupts(now))
        let view = try view(at: now)
        if isEnabled {
            try carryOut(policy.decide(view))
        }
        try wait()
    }

    private func wait() throws(PostgresError) {
        guard next != Int64.max else {
            try Latch.wait(milliseconds: nil, event: "DurableLauncherMain")
            return
        }
        // Rounded up, so that it is not woken a moment too early.
        let (left, overflow) = next.subtractingReportingOverflow(pgs_now())
        let milliseconds = overflow || left <= 0 ? 0 : left / 1000 + 1
        try Latch.wait(
            milliseconds: min(milliseconds, LauncherProcess.longestWait),
            event: "DurableLauncherMain"
        )
    }

    private mutating func view(at now: Int64) throws(PostgresError) -> LaunchPolicy.View {
        let executors = lookAtSlots(now)
        connectionLimits = connectionLimits.filter { $0.value.settings == pgs_role_settings($0.key) }
        if isEnabled { try serveCompanions(now) }
        let databases = try lookAtDatabases(now)
        let toLookInto = try databasesToLookInto(known: databases, now)
        let queueCount = Int(pgs_launcher_queues(&queueViews, Int32(queueViews.count)))
        waitingDatabases = Set(queueViews.prefix(queueCount).map(\.database))
        return LaunchPolicy.View(
            now: now,
            executors: executors,
            queues: queueViews.prefix(queueCount).map {
                .init(
                    place: .init(database: $0.database, role: $0.role),
                    waiting: Int($0.waiting),
                    servedAt: $0.served_at
                )
            },
            databases: databases,
            unprobed: toLookInto,
            placesHeld: places.held(at: now),
            databasesHeld: self.databases.held(at: now),
            workersHeld: workers.held(at: now)[.server],
            companions: companions,
            companionsWaiting: companionsWaiting,
            connectionLimits: connectionLimits.mapValues(\.most)
        )
    }

    /// Releases the slots of processes that have ended, and remembers how they ended.
    private mutating func lookAtSlots(_ now: Int64) -> [LaunchPolicy.Executor] {
        let count = Int(pgs_launcher_slots(&slotViews, Int32(slotViews.count)))
        var executors: [LaunchPolicy.Executor] = []
        generations.removeAll(keepingCapacity: true)
        executorCounts.removeAll(keepingCapacity: true)
        for slot in slotViews.prefix(count) {
            // At once, before its place gets another one that does no better.
            if slot.state == PGS_SLOT_EXITED, noted[slot.slot] != slot.generation {
                noted[slot.slot] = slot.generation
                noteEnd(of: slot, now)
            }
            if slot.state == PGS_SLOT_EXITED && slot.gone {
                pgs_launcher_release(slot.slot, slot.generation)
                workers.succeeded(.server)
                continue
            }
            generations[slot.slot] = slot.generation
            executorCounts[slot.role, default: 0] += 1
            executors.append(LaunchPolicy.Executor(slot))
        }
        return executors
    }

    private mutating func noteEnd(of slot: pgs_slot_view, _ now: Int64) {
        let place = LaunchPolicy.Place(database: slot.database, role: slot.role)
        if slot.failed_start || slot.died_at_work {
            let begins = !slot.failed_start && !slot.gave_up
            places.failed(place, at: now, atMost: begins ? LauncherProcess.endedDelayMax : .max)
            Log.log(
                slot.failed_start
                    ? "durable executor for role \(place.role) in database \(place.database) did not begin"
                    : "durable executor for role \(place.role) in database \(place.database) ended with work in hand"
            )
        } else if slot.taken > 0 {
            places.succeeded(place)
            said[place] = nil
        }
    }

    private mutating func lookAtDatabases(
        _ now: Int64
    ) throws(PostgresError) -> [LaunchPolicy.Database] {
        let count = Int(pgs_launcher_databases(&databaseViews, Int32(databaseViews.count)))
        var found: [LaunchPolicy.Database] = []
        for database in databaseViews.prefix(count) {
            if database.failed {
                let limit = database.gave_up ? Int64.max : LauncherProcess.endedDelayMax
                databases.failed(database.database, at: now, atMost: limit)
                Log.log("durable scheduler of database \(database.database) ended unexpectedly")
            }
            found.append(LaunchPolicy.Database(database))
        }
        return found
    }
}
