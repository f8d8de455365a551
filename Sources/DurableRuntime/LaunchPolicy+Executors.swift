// SPDX-License-Identifier: PostgreSQL

extension LaunchPolicy {
    /// How long an idle executor is spared while others lack slots but are not without any executor.
    public static let restMicroseconds: Int64 = 100_000

    /// The executors there are and will be, while a decision is being made.
    private struct Census {
        var total = 0
        var byPlace: [Place: Int] = [:]
        var byRole: [UInt32: Int] = [:]

        init(_ executors: [Executor]) {
            for executor in executors {
                add(executor.place)
                if executor.state == .leaving {
                    // It takes a slot, but its place has to do without it.
                    byPlace[executor.place, default: 0] -= 1
                    byRole[executor.place.role, default: 0] -= 1
                }
            }
        }

        mutating func add(_ place: Place) {
            total += 1
            byPlace[place, default: 0] += 1
            byRole[place.role, default: 0] += 1
        }
    }

    /// A place with more work than idle or starting executors.
    private struct Need {
        var place: Place
        var missing: Int
        var servedAt: Int64
    }

    /// `waitingOthers`: processes that are not executors and cannot start because the server has no worker to give.
    func decideExecutors(_ view: View, waitingOthers: Int, _ decision: inout Decision) {
        var census = Census(view.executors)
        var needs = needs(in: view, &decision)
        while !needs.isEmpty, census.total < limits.executorsMax, view.workersHeld == nil {
            let index = nextNeed(needs, census)
            let place = needs[index].place
            if census.byRole[place.role, default: 0] >= executorsMax(of: place.role, view) {
                decision.muted.append(place)
                needs.remove(at: index)
                if census.byPlace[place, default: 0] == 0 { dismissIdle(of: place.role, in: view, &decision) }
                continue
            }
            decision.executors.append(place)
            census.add(place)
            needs[index].missing -= 1
            if needs[index].missing == 0 {
                needs.remove(at: index)
            }
        }
        var starving = waitingOthers
        var short = waitingOthers
        for need in needs {
            decision.muted.append(need.place)
            guard census.byRole[need.place.role, default: 0] < executorsMax(of: need.place.role, view) else {
                // With all slots taken nobody came to see what the role itself can spare.
                if census.byPlace[need.place, default: 0] == 0 {
                    dismissIdle(of: need.place.role, in: view, &decision)
                }
                continue
            }
            decision.look(at: view.workersHeld)
            starving += census.byPlace[need.place, default: 0] == 0 ? 1 : 0
            short = short.saturatingAdd(need.missing)
        }
        if view.companionsWaiting > 0 { decision.look(at: view.workersHeld) }
        let spared = view.workersHeld != nil ? dismissCompanions(short, in: view, &decision) : 0
        makeRoom(for: starving - spared, short - spared, in: view, census, &decision)
    }

    private func executorsMax(of role: UInt32, _ view: View) -> Int {
        min(limits.executorsPerRoleMax, view.connectionLimits[role] ?? Int.max)
    }

    /// A role that has used its limit up with executors that idle in other databases parts with one of them.
    private func dismissIdle(of role: UInt32, in view: View, _ decision: inout Decision) {
        let own = view.executors.filter { $0.place.role == role }
        if own.contains(where: { $0.state == .leaving || decision.leaving.contains($0.slot) }) { return }
        guard let idle = own.filter({ $0.state == .idle }).min(by: { $0.since < $1.since }) else { return }
        let rests = idle.since.saturatingAdd(LaunchPolicy.restMicroseconds)
        if rests <= view.now { decision.leaving.append(idle.slot) } else { decision.look(at: rests) }
    }

    /// Idle companions leave before any executor does; returns how many leave or are leaving.
    private func dismissCompanions(_ wished: Int, in view: View, _ decision: inout Decision) -> Int {
        var leaving = view.companions.count { $0.isLeaving }
        for companion in view.companions where !companion.isLeaving && leaving < wished {
            decision.leaving.append(companion.slot)
            leaving += 1
        }
        return leaving
    }

    private func needs(in view: View, _ decision: inout Decision) -> [Need] {
        var ready: [Place: Int] = [:]
        for executor in view.executors where executor.state == .starting || executor.state == .idle {
            ready[executor.place, default: 0] += 1
        }
        var vacated: Set<UInt32> = []
        for database in view.databases where database.isVacated {
            vacated.insert(database.id)
        }
        var needs: [Need] = []
        for queue in view.queues {
            let missing = queue.waiting - ready[queue.place, default: 0]
            guard missing > 0 else { continue }
            if vacated.contains(queue.place.database) {
                decision.muted.append(queue.place)
            } else if let until = view.placesHeld[queue.place], until > view.now {
                decision.muted.append(queue.place)
                decision.look(at: until)
            } else {
                needs.append(Need(place: queue.place, missing: missing, servedAt: queue.servedAt))
            }
        }
        return needs
    }

    /// The place with the fewest executors; of these the one that was not served for longest.
    private func nextNeed(_ needs: [Need], _ census: Census) -> Int {
        var best = 0
        for index in needs.indices.dropFirst() {
            let (mine, its) = (needs[index], needs[best])
            let (myCount, itsCount) = (
                census.byPlace[mine.place, default: 0], census.byPlace[its.place, default: 0]
            )
            if (myCount, mine.servedAt) < (itsCount, its.servedAt) {
                best = index
            }
        }
        return best
    }

    /// Somebody leaves for each place that has work and no executor, unless as many are on their way out already;
    /// of the idle, as many as work waits for.
    private func makeRoom(
        for starving: Int,
        _ short: Int,
        in view: View,
        _ census: Census,
        _ decision: inout Decision
    ) {
        var census = census
        let leaving = view.executors.count { $0.state == .leaving }
        var missing = starving - leaving
        var wished = short - leaving
        var candidates = view.executors.filter {
            ($0.state == .idle || $0.state == .busy) && !decision.leaving.contains($0.slot)
        }
        while wished > 0, let index = nextToLeave(candidates, census, view.now) {
            let executor = candidates.remove(at: index)
            let rests = executor.since.saturatingAdd(LaunchPolicy.restMicroseconds)
            if missing <= 0 {
                guard executor.state == .idle else { break }
                guard rests <= view.now else {
                    decision.look(at: rests)
                    continue
                }
            }
            census.byRole[executor.place.role, default: 0] -= 1
            decision.leaving.append(executor.slot)
            missing -= 1
            wished -= 1
        }
        guard missing > 0 else { return }
        for executor in candidates {
            decision.look(at: executor.turnSince.map { $0.saturatingAdd(limits.turnMicroseconds) })
        }
    }

    /// The longest idle one; else the one that has worked longest, of the role that has most executors, if that has
    /// several; else the one that has worked longest, once it has had its turn.
    private func nextToLeave(_ candidates: [Executor], _ census: Census, _ now: Int64) -> Int? {
        var best: (index: Int, rank: (Int, Int, Int64))?
        for (index, executor) in candidates.enumerated() {
            let ofRole = census.byRole[executor.place.role, default: 0]
            let since = executor.turnSince ?? executor.since
            let rank: (Int, Int, Int64)
            if executor.state == .idle {
                rank = (0, 0, executor.since)
            } else if ofRole > 1 {
                rank = (1, -ofRole, since)
            } else if executor.turnSteps >= limits.turnSteps
                || now >= since.saturatingAdd(limits.turnMicroseconds)
            {
                rank = (2, 0, since)
            } else {
                continue
            }
            if let current = best, current.rank <= rank { continue }
            best = (index, rank)
        }
        return best?.index
    }
}

extension FixedWidthInteger {
    func saturatingAdd(_ other: Self) -> Self {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other > 0 ? .max : .min) : sum
    }
}
