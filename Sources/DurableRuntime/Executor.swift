// SPDX-License-Identifier: PostgreSQL

import DurableCore
public import DurableModel

/// Carries instances on: a turn takes a hint, brings the machine up to date, and runs steps until the branch parks,
/// the instance ends, or somebody else wants the place.
///
///     load or cache ─▶ settle ─▶ step ─▶ commit ─▶ next step of this branch, or of one that it woke
///                        ▲                 │
///                        └── superseded ◀──┘
///
/// Every commit leaves the instance settled: whatever could be decided is decided in it. A step's effect, its entry
/// and all that follows from it are one commit. What the tables say under the instance's lock wins against what the
/// machine believed before.
public struct Executor<Port: ExecutorPort> {
    public var port: Port
    public var settings: ExecutorSettings
    /// Fails the next SQL step instead of running it.
    ///
    /// For a turn that came too late; taken back when the turn ends without a step. Requests need no place to wait for.
    public var lateness: StepFailure?
    /// False in a process that must run nothing of a user's: its turns settle and fail, and yield what is to be run.
    public var runsSteps = true
    private var cache = MachineCache()

    public init(port: Port, settings: ExecutorSettings = ExecutorSettings()) {
        self.port = port
        self.settings = settings
    }

    /// Turns that were superseded or interrupted so often in a row give their place up.
    static var restartsMax: Int { 8 }

    /// Works on what `ready` names for as long as there is something to do for this executor.
    public mutating func runTurn(_ ready: Ready) throws(Port.Failure) -> TurnEnd {
        var branch = ready.branch
        var restarts = 0
        // A cached machine may be behind; so may a fresh one be that something was asked of meanwhile.
        var mayBeBehind = true
        var taken = cache.take(ready.instance)
        while restarts <= Executor.restartsMax {
            restarts += 1
            if taken == nil {
                switch try load(ready.instance) {
                case .machine(let machine, let isAsked):
                    taken = machine
                    mayBeBehind = isAsked
                case .end(let end): return end
                }
            }
            guard var machine = taken.take() else { return .dropped }
            if branch == nil && machine.isFresh { branch = .root }
            let needsSettling =
                mayBeBehind || restarts > 1 || !isStep(machine, branch)
                || machine.hasDecision(at: port.now())
            let end = try carryOn(&machine, &branch, settleFirst: needsSettling, ready)
            switch end {
            case .end(let end):
                switch end {
                case .idle, .yielded:
                    cache.put(machine, max: settings.machinesMax, sizeMax: settings.machinesSizeMax)
                case .ended, .dropped, .quarantined: break
                }
                return end
            case .again:
                taken = machine
            case .reload:
                break
            }
            // Interrupted because somebody wants us gone: the step must not begin again here.
            if port.shouldYield() { break }
        }
        // Whoever supersedes us is at work; the hint goes back in case it is not.
        return .yielded(Ready(instance: ready.instance, branch: branch))
    }

    /// What to do after a stretch of work.
    enum Progress {
        case end(TurnEnd)
        /// The machine is right, but the step is not: look again.
        case again
        /// The machine holds what is not stored.
        case reload
    }

    private func isStep(_ machine: Machine, _ branch: BranchID?) -> Bool {
        guard let branch, case .step? = machine.pending(branch) else { return false }
        return true
    }

    private mutating func carryOn(
        _ machine: inout Machine,
        _ branch: inout BranchID?,
        settleFirst: Bool,
        _ ready: Ready
    ) throws(Port.Failure) -> Progress {
        if settleFirst {
            let result = try commit(&machine, nil)
            guard case .committed(let stored) = result else {
                return try leave(result, machine.record.id)
            }
            if stored.hasEnded { return .end(.ended) }
            branch = handOut(stored, of: machine, current: branch)
        }
        while let current = branch, case .step(let node)? = machine.pending(current) {
            // Another executor carries it on, and has been told to look again.
            guard port.take(current, of: ready.instance) else { return .end(.idle) }
            if let progress = try carryOut(node, of: &machine, current, &branch) { return progress }
            guard let next = branch, case .step? = machine.pending(next) else { break }
            if port.shouldYield() {
                return .end(.yielded(Ready(instance: ready.instance, branch: next)))
            }
        }
        if let current = branch ?? ready.branch, let due = machine.wakesAt(current), due > port.now() {
            // Announced too early, if our clock is behind the one that announced it: have it announced again.
            port.announce(due)
        }
        return .end(.idle)
    }

    /// One step with all that follows from it; nil when the branch (or another, named in `branch`) can go on.
    private mutating func carryOut(
        _ node: NodeIndex,
        of machine: inout Machine,
        _ current: BranchID,
        _ branch: inout BranchID?
    ) throws(Port.Failure) -> Progress? {
        guard runsSteps || (lateness != nil && !machine.isRequest(node)) else {
            return .end(.yielded(Ready(instance: machine.record.id, branch: current)))
        }
        if machine.isRequest(node) { return try carryOutRequest(of: &machine, current, &branch) }
        var end = StepEnd(current, machine)
        if let failure = lateness.take() ?? exhausted(machine.attempts(of: current)) {
            end.news = .failed(failure)
        } else {
            if port.isInProbation {
                // It was running when the server crashed, and so may the culprit have been: one at a time, so that
                // an innocent step is not counted out by another's crashes.
                if machine.attempts(of: current) > 0 { try port.isolate() }
                end.news = .attempted
                let result = try commit(&machine, end)
                guard case .committed(let stored) = result else {
                    return try leave(result, machine.record.id)
                }
                if stored.hasEnded { return .end(.ended) }
                end = StepEnd(current, machine)
                branch = handOut(stored, of: machine, current: current)
                // This commit may have decided a race against us.
                guard branch == current else { return nil }
            }
            guard let news = try run(node, of: machine, current) else { return .again }
            end.news = news
        }
        var result = try commit(&machine, end)
        if case .failed(let failure) = result {
            // The transaction is gone and with it what the machine thought; only a failure is left to be stored.
            guard case .machine(let stored, _) = try load(machine.record.id) else {
                return .end(.dropped)
            }
            machine = stored
            end.news = .failed(failure.fromServer)
            result = try commit(&machine, end)
        }
        if case .outdated = result, isStep(machine, current),
            machine.place(of: current) != end.place
        {
            // Somebody else has carried this branch on and does so still; two would only be in each other's way.
            return .end(.dropped)
        }
        guard case .committed(let stored) = result else {
            return try leave(result, machine.record.id)
        }
        if stored.hasEnded { return .end(.ended) }
        branch = handOut(stored, of: machine, current: current)
        return nil
    }

    /// Chooses what to go on with and hands the other branches that the commit woke to others.
    mutating func handOut(
        _ stored: Stored,
        of machine: Machine,
        current: BranchID?
    ) -> BranchID? {
        var next = isStep(machine, current) ? current : nil
        var others: [Ready] = []
        for branch in stored.activated where branch != next {
            if next == nil {
                next = branch
            } else {
                others.append(Ready(instance: machine.record.id, branch: branch))
            }
        }
        if stored.isUnfinished { others.append(Ready(instance: machine.record.id, branch: nil)) }
        if !others.isEmpty { port.makeReady(others) }
        return next
    }

    mutating func leave(
        _ result: CommitEnd,
        _ instance: InstanceID
    ) throws(Port.Failure) -> Progress {
        switch result {
        case .gone: .end(.dropped)
        case .outdated: .again
        case .superseded, .refused, .failed, .committed: .reload
        case .corrupt(let error): .end(try quarantine(instance, error))
        }
    }
}
