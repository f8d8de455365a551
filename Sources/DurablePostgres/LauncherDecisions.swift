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
                pgs_launcher_ask_leave(slot, generation)
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
        var place = pgs_place()
        try check(pgs_check_place(database, 0, &place))
        guard place.obstacle == PGS_OBSTACLE_NONE, !place.is_template else {
            refuse(database, place)
            return
        }
        var outcome = PGS_START_DONE
        try check(pgs_launcher_start_scheduler(database, &outcome))
        switch outcome {
        case PGS_START_DONE:
            if let place = unprobed.firstIndex(of: database) {
                unprobed.remove(at: place)
                probed = database
            }
            lostDatabases.remove(database)
            // Its end or its start sets the latch; whether it is stuck is looked at then.
            next = min(next, pgs_now() + 1_000_000)
        case PGS_START_NO_WORKER:
            holdWorkers()
        case PGS_START_NO_DATABASE:
            // Somebody else took the place; it stays among those to be looked into.
            break
        default:
            unprobed.removeAll { $0 == database }
        }
    }

    /// A database that is gone, or as good as gone, is forgotten, and so is a template: ALTER DATABASE tells of it when
    /// it is none any more.
    ///
    /// One that takes no connections is looked at again later, after others.
    private mutating func refuse(_ database: UInt32, _ place: pgs_place) {
        let wasUnprobed = unprobed.contains(database)
        unprobed.removeAll { $0 == database }
        if place.isLost {
            let isLost = lostDatabases.remove(database) != nil
            if place.is_template, isLost || waitingDatabases.contains(database) {
                say(.init(database: database, role: 0), place.obstacle)
            }
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
        var found = pgs_place()
        try check(pgs_check_place(place.database, place.role, &found))
        guard found.obstacle == PGS_OBSTACLE_NONE, !found.is_template else {
            refuse(place, found)
            return
        }
        connectionLimits[place.role] = found.connections_max >= 0 ? ConnectionLimit(found, place.role) : nil
        if found.connections_max >= 0, executorCounts[place.role, default: 0] >= Int(found.connections_max) {
            // One of them ends, or the limit is raised, before there can be another.
            pgs_launcher_mute(place.database, place.role)
            return
        }
        var outcome = PGS_START_DONE
        try check(pgs_launcher_start_executor(place.database, place.role, &outcome))
        switch outcome {
        case PGS_START_DONE:
            executorCounts[place.role, default: 0] += 1
            next = min(next, now + 1_000_000)
        case PGS_START_NO_WORKER:
            holdWorkers()
        default:
            // What is in use now is given back by others, and the work waits for them.
            next = min(next, places.failed(place, at: now))
        }
    }

    /// Nobody can connect there: the work waits, and is forgotten where its role or database is gone.
    private mutating func refuse(_ place: LaunchPolicy.Place, _ found: pgs_place) {
        let obstacle = found.obstacle
        if found.isLost {
            pgs_database_forget(place.database)
            if found.is_template { say(place, obstacle) }
            return
        }
        if obstacle == PGS_OBSTACLE_ROLE {
            pgs_launcher_forget_queue(place.database, place.role)
            return
        }
        next = min(next, places.failed(place, at: pgs_now()))
        pgs_launcher_bar(place.database, place.role)
        say(place, obstacle)
    }

    /// Why the work of a role in a database waits, once.
    private mutating func say(_ place: LaunchPolicy.Place, _ obstacle: pgs_obstacle) {
        guard said[place] != obstacle else { return }
        said[place] = obstacle
        let reason =
            switch obstacle {
            case PGS_OBSTACLE_CLOSED: "The database does not accept connections."
            case PGS_OBSTACLE_LOGIN: "The role is not permitted to log in."
            case PGS_OBSTACLE_LIMIT: "The role's connection limit is 0."
            case PGS_OBSTACLE_NONE: "The database is a template, and could not be copied while it is served."
            default: "The role does not have the CONNECT privilege on the database."
            }
        let whose = place.role == 0 ? "" : " of role \(place.role)"
        Log.log("durable work\(whose) in database \(place.database) waits", detail: reason)
    }

    static let fullPatience: Int64 = 3_000_000

    /// The databases to look into now: none while there is no place for one more in the table.
    mutating func databasesToLookInto(
        known: [LaunchPolicy.Database],
        _ now: Int64
    ) throws(PostgresError) -> [UInt32] {
        var lost = [UInt32](repeating: 0, count: 64)
        var isMore = false
        let count = pgs_launcher_take_lost(&lost, Int32(lost.count), &isMore)
        var found = Array(lost.prefix(Int(count)))
        lostDatabases.formUnion(found)
        if isMore {
            let all = try LauncherProcess.listDatabases()
            found += LaunchPolicy.turns(of: all, without: known, after: probed)
        }
        for database in found where !unprobed.contains(database) { unprobed.append(database) }
        let held = databases.held(at: now)
        if unprobed.allSatisfy({ held[$0] != nil }) || pgs_launcher_has_room() {
            fullSince = nil
            return unprobed
        }
        warnOfFullTable(now)
        return []
    }

    /// That one leaves before the next comes is no news; it is when they do not leave, once an hour.
    private mutating func warnOfFullTable(_ now: Int64) {
        let since = fullSince ?? now
        fullSince = since
        guard now &- since >= LauncherProcess.fullPatience else {
            next = min(next, since &+ LauncherProcess.fullPatience)
            return
        }
        guard saidFull.map({ now &- $0 > 3_600_000_000 }) ?? true else { return }
        saidFull = now
        Log.warning(
            "durable work waits in more databases than pg_durable.max_databases",
            detail: "There are places for \(pgs_launcher_database_count()) databases, and all are in use.",
            hint: "Set pg_durable.max_databases higher and restart the server."
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

extension pgs_place {
    /// Whether nobody can, or may, work in the database for as long as it is what it is.
    fileprivate var isLost: Bool {
        obstacle == PGS_OBSTACLE_DATABASE || obstacle == PGS_OBSTACLE_INVALID || is_template
    }
}

/// How many executors a role may have, by its CONNECTION LIMIT.
struct ConnectionLimit {
    var most: Int
    /// What `pgs_role_settings` gave when it was read: it counts the changes.
    var settings: UInt32

    init(_ place: pgs_place, _ role: UInt32) {
        most = Int(place.connections_max)
        settings = pgs_role_settings(role)
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
