// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableRuntime
internal import PostgresExtension

extension LauncherProcess {
    /// Does what the policy decided, as far as the server lets it.
    mutating func carryOut(_ decision: LaunchPolicy.Decision) throws(PostgresError) {
        for place in decision.muted {
            pgs_launcher_mute(place.database, place.role)
        }
        for slot in decision.leaving {
            if let generation = generations[slot] {
                pgs_launcher_ask_leave(slot, generation, false)
            }
        }
        for database in decision.schedulersLeaving {
            pgs_launcher_ask_scheduler_leave(database)
        }
        for database in decision.schedulers {
            try startScheduler(database)
        }
        for place in decision.executors {
            try startExecutor(place)
        }
        if let instant = decision.lookAgain {
            next = min(next, instant)
        }
    }

    private mutating func startScheduler(_ database: UInt32) throws(PostgresError) {
        var obstacle = PGS_OBSTACLE_NONE
        try check(pgs_check_place(database, 0, &obstacle))
        guard obstacle == PGS_OBSTACLE_NONE else {
            refuse(database, obstacle)
            return
        }
        var outcome = PGS_START_DONE
        try check(pgs_launcher_start_scheduler(database, &outcome))
        switch outcome {
        case PGS_START_DONE:
            unprobed.removeAll { $0 == database }
            // Its end or its start sets the latch; whether it is stuck is looked at then.
            next = min(next, pgs_now() + 1_000_000)
        case PGS_START_NO_WORKER:
            holdWorkers()
        default:
            // The table of databases is full, and somebody has to leave it first.
            next = min(next, databases.failed(database, at: pgs_now()))
        }
    }

    /// A database that is gone is forgotten; one that takes no connections is looked at again later, after others.
    private mutating func refuse(_ database: UInt32, _ obstacle: pgs_obstacle) {
        let wasUnprobed = unprobed.contains(database)
        unprobed.removeAll { $0 == database }
        if obstacle == PGS_OBSTACLE_DATABASE {
            pgs_database_forget(database)
        } else {
            databases.failed(database, at: pgs_now())
            if wasUnprobed { unprobed.append(database) }
        }
        lookAgainAtOnce()
    }

    private mutating func startExecutor(_ place: LaunchPolicy.Place) throws(PostgresError) {
        let now = pgs_now()
        guard workers.held(at: now).isEmpty else { return }
        var obstacle = PGS_OBSTACLE_NONE
        try check(pgs_check_place(place.database, place.role, &obstacle))
        guard obstacle == PGS_OBSTACLE_NONE else {
            try refuse(place, obstacle)
            return
        }
        var outcome = PGS_START_DONE
        try check(pgs_launcher_start_executor(place.database, place.role, &outcome))
        switch outcome {
        case PGS_START_DONE:
            next = min(next, now + 1_000_000)
        case PGS_START_NO_WORKER:
            holdWorkers()
        default:
            next = min(next, places.failed(place, at: now))
        }
    }

    /// Nobody can connect there: the work waits, and is forgotten where its role or database is gone.
    private mutating func refuse(
        _ place: LaunchPolicy.Place,
        _ obstacle: pgs_obstacle
    ) throws(PostgresError) {
        if obstacle == PGS_OBSTACLE_DATABASE {
            pgs_database_forget(place.database)
            return
        }
        if obstacle == PGS_OBSTACLE_ROLE {
            pgs_launcher_forget_queue(place.database, place.role)
            return
        }
        next = min(next, places.failed(place, at: pgs_now()))
        pgs_launcher_mute(place.database, place.role)
        guard said[place] != obstacle else { return }
        said[place] = obstacle
        let reason =
            switch obstacle {
            case PGS_OBSTACLE_CLOSED: "The database does not accept connections."
            case PGS_OBSTACLE_LOGIN: "The role is not permitted to log in."
            default: "The role does not have the CONNECT privilege on the database."
            }
        Log.log(
            "durable work of role \(place.role) in database \(place.database) waits",
            detail: reason
        )
    }

    mutating func holdWorkers() {
        let now = pgs_now()
        if workers.held(at: now).isEmpty {
            workers.failed(.server, at: now)
        }
        // With this known, others are asked to leave.
        lookAgainAtOnce()
    }

    private func lookAgainAtOnce() {
        Latch.setOwn()
    }
}

extension LaunchPolicy.Executor {
    init(_ view: pgs_slot_view) {
        let state: State
        switch view.state {
        case PGS_SLOT_STARTING: state = view.leave_asked ? .leaving : .starting
        case PGS_SLOT_IDLE: state = view.leave_asked ? .leaving : .idle
        case PGS_SLOT_BUSY: state = view.leave_asked ? .leaving : .busy
        default: state = .leaving
        }
        self.init(
            slot: view.slot,
            place: .init(database: view.database, role: view.role),
            state: state,
            since: view.since,
            turnSince: view.turn_since == 0 ? nil : view.turn_since,
            turnSteps: Int(view.turn_steps)
        )
    }
}

extension LaunchPolicy.Database {
    init(_ view: pgs_database_view) {
        let scheduler: Scheduler
        switch view.scheduler {
        case PGS_SCHEDULER_NONE: scheduler = .none
        case PGS_SCHEDULER_STARTING: scheduler = .starting
        default: scheduler = view.leave_asked ? .leaving : .running
        }
        self.init(
            id: view.database,
            scheduler: scheduler,
            since: view.since,
            wantsScheduler: view.wants_scheduler,
            isVacated: view.is_vacated,
            nextDue: view.next_due == Int64.max ? nil : view.next_due
        )
    }
}
