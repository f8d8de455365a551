// SPDX-License-Identifier: PostgreSQL

extension LaunchPolicy {
    /// How long a scheduler stays at least before another database's work makes it leave.
    static let schedulerStayMicroseconds: Int64 = 500_000

    /// Returns how many cannot start for want of a place.
    func decideSchedulers(_ view: View, _ decision: inout Decision) -> Int {
        var running = view.databases.count { $0.scheduler != .none }
        var waiting = 0
        for database in inTurn(view, &decision) {
            if view.workersHeld != nil {
                decision.look(at: view.workersHeld)
                waiting += 1
            } else if running >= limits.schedulersMax {
                waiting += 1
            } else {
                decision.schedulers.append(database)
                running += 1
            }
        }
        waiting += probe(view, running, &decision)
        makeRoomForSchedulers(waiting, view, &decision)
        return waiting
    }

    /// The databases that need a scheduler and have none: those that wait longest first.
    private func inTurn(_ view: View, _ decision: inout Decision) -> [UInt32] {
        var needed: [(due: Int64, id: UInt32)] = []
        for database in view.databases where database.scheduler == .none && !database.isVacated {
            let due: Int64
            if database.wantsScheduler {
                due = database.since
            } else if let nextDue = database.nextDue {
                due = nextDue
            } else {
                continue
            }
            if let until = view.databasesHeld[database.id], until > view.now {
                decision.look(at: max(until, due))
            } else if database.wantsScheduler || due <= view.now {
                needed.append((due, database.id))
            } else {
                decision.look(at: due)
            }
        }
        needed.sort { ($0.due, $0.id) < ($1.due, $1.id) }
        return needed.map { $0.id }
    }

    /// One look into one database after the other; returns how many wait for a place.
    private func probe(_ view: View, _ running: Int, _ decision: inout Decision) -> Int {
        guard let next = view.unprobed.first else { return 0 }
        // A starting scheduler may be a probe; wait for its end, so that a server of many databases starts calmly.
        if view.databases.contains(where: { $0.scheduler == .starting })
            || !decision.schedulers.isEmpty
        {
            return 0
        }
        if let until = view.databasesHeld[next], until > view.now {
            decision.look(at: until)
            return 0
        }
        if view.workersHeld != nil {
            decision.look(at: view.workersHeld)
            return 1
        }
        guard running < limits.schedulersMax else { return 1 }
        decision.schedulers.append(next)
        return 0
    }

    /// The order in which databases that are not in the table are looked into: those after `last` first, so that each
    /// has its turn however often the table fills up.
    public static func turns(
        of all: [UInt32],
        without known: [Database],
        after last: UInt32
    ) -> [UInt32] {
        let known = Set(known.map(\.id))
        let lost = all.filter { !known.contains($0) }.sorted()
        return lost.filter { $0 > last } + lost.filter { $0 <= last }
    }

    private func makeRoomForSchedulers(_ waiting: Int, _ view: View, _ decision: inout Decision) {
        var missing = waiting - view.databases.count { $0.scheduler == .leaving }
        guard missing > 0 else { return }
        let candidates = view.databases.filter { $0.scheduler == .running }.sorted {
            ($0.since, $0.id) < ($1.since, $1.id)
        }
        for database in candidates where missing > 0 {
            let stays = database.since.saturatingAdd(LaunchPolicy.schedulerStayMicroseconds)
            if stays > view.now {
                decision.look(at: stays)
            } else {
                decision.schedulersLeaving.append(database.id)
                missing -= 1
            }
        }
    }
}
