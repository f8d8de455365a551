// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// What decisions depend on besides the journal.
public struct DecisionContext: Sendable {
    public var now: Timestamp
    /// The reason of a cancel request, if there is one.
    public var cancelReason: Bytes?
    /// The shortest time from the beginning of an iteration to the beginning of the next, in microseconds.
    public var loopIntervalMin: Int64
    /// Most iterations of one run of a loop; 0 for no limit.
    public var loopIterationsMax: Int64
    /// Where schedules find the zone they name.
    public var zones: any TimeZones
    /// How much must have come into the journal since a loop's last mark, about in bytes, before it is compacted.
    public var compactionWeight: Int
    /// The highest branch number before free ones are given out anew.
    public var branchesMax: Int32
    /// Most that the journal may hold, about in bytes; 0 for no limit.
    public var instanceSizeMax: Int

    public init(
        now: Timestamp,
        cancelReason: Bytes? = nil,
        loopIntervalMin: Int64 = 1_000_000,
        loopIterationsMax: Int64 = 0,
        zones: any TimeZones = NoTimeZones(),
        compactionWeight: Int = 2_048,
        branchesMax: Int32 = 1 << 30,
        instanceSizeMax: Int = 0
    ) {
        self.now = now
        self.cancelReason = cancelReason
        self.loopIntervalMin = loopIntervalMin
        self.loopIterationsMax = loopIterationsMax
        self.zones = zones
        self.compactionWeight = compactionWeight
        self.branchesMax = branchesMax
        self.instanceSizeMax = instanceSizeMax
    }
}

/// A timer row: (instance, branch) has at most one.
public struct TimerChange: Hashable, Sendable {
    public var branch: BranchID
    public var due: Timestamp

    public init(branch: BranchID, due: Timestamp) {
        self.branch = branch
        self.due = due
    }
}

/// What a commit has to write after decisions: the decisions themselves, and what has changed beside the journal
/// since the last commit, a step's own completion included.
public struct Decided: Sendable {
    /// The decisions in the order in which they were made; all are folded already.
    public var entries: [JournalEntry] = []
    /// What loop marks among the entries make superfluous; `after` entries were there when it was decided.
    public var erasures: [(erasure: Erasure, after: Int)] = []
    public var timersSet: [TimerChange] = []
    public var timersCleared: [TimerChange] = []
    /// Rows to add to `active`, after those of `deactivated` are gone.
    public var activated: [BranchID] = []
    /// Rows to take from `active`; the root's may be missing already.
    public var deactivated: [BranchID] = []
    public var signalsConsumed: [Int64] = []
    /// There was more to decide than one commit should carry: somebody must call again, without waiting.
    public var isUnfinished = false

    public init() {}
}

extension Machine {
    /// Most decisions of one call.
    ///
    /// Without it a loop that neither works nor pauses would never return.
    public static let decisionsMax = 1_000

    /// Makes and folds every decision that can be made now, until nothing is left to decide.
    ///
    /// A cancel request ends the instance. Races are decided and arms started first, then signals are handed to
    /// waits, oldest to oldest, then timers that are due fire in the order of their due times: a signal that is
    /// there wins against a timeout. Throws only when the instance has used up its numbers.
    public mutating func decide(
        _ context: DecisionContext,
        signals: any PendingSignals = NoSignals()
    ) throws(ReplayError) -> Decided {
        var decided = Decided()
        var desk = SignalDesk(signals)
        _ = signalWaits.takeBegun()
        desk.look(for: Set(signalWaits.byName.keys))
        if outcome == nil, let reason = context.cancelReason {
            drop(.root)
            outcome = .cancelled(reason: reason)
        }
        deciding: while outcome == nil {
            if try settleUndecided(context, sparingSignals: true, &decided) { continue }
            switch try receiveSignal(context, &desk, &decided) {
            case .signal: continue
            case .full: break deciding
            case .nothing: break
            }
            if try settleUndecided(context, sparingSignals: false, &decided) { continue }
            guard try fireTimers(context, &decided) else { break }
        }
        takeChanges(into: &decided)
        return decided
    }

    /// Decides for the branches that wait for nothing but a decision; returns whether it decided anything.
    ///
    /// Before the signals are looked at, waits for them do not get their timers: most never need one.
    private mutating func settleUndecided(
        _ context: DecisionContext,
        sparingSignals: Bool,
        _ decided: inout Decided
    ) throws(ReplayError) -> Bool {
        guard !undecided.isEmpty else { return false }
        var hasDecided = false
        for id in undecidedInOrder where outcome == nil && undecided.contains(id) {
            guard let waiting = branches[id]?.waiting, !(sparingSignals && waiting.isSignal) else {
                continue
            }
            let canFire = decided.entries.count < Machine.decisionsMax
            guard let event = event(for: waiting, of: id, context, canFire: canFire) else {
                continue
            }
            try journal(event, of: id, at: context.now, in: &decided)
            hasDecided = true
        }
        return hasDecided
    }

    /// Races come first: a loser's timer would be set for nothing.
    private var undecidedInOrder: [BranchID] {
        let races = undecided.filter { branches[$0]?.arms != nil }
        return races.sorted() + undecided.subtracting(races).sorted()
    }

    private func event(
        for waiting: Waiting,
        of id: BranchID,
        _ context: DecisionContext,
        canFire: Bool
    ) -> Event? {
        let due: Timestamp
        switch waiting {
        case .entered, .step, .backoff:
            return nil
        case .fork(let node):
            let count = Int32(truncatingIfNeeded: armNodes(of: node).count)
            return .forked(first: freeBranches(count: count, max: context.branchesMax), count: count)
        case .arms:
            return branches[id]?.arms?.firstEnded.map {
                .raceDecided(winner: Int32(truncatingIfNeeded: $0))
            }
        case .timer(let node, _):
            switch dueTime(of: node, context) {
            case .valid(let time): due = time
            case .invalid(let failure): return .stepFailed(failure)
            }
        case .pause:
            guard case .loop(_, let loop)? = branches[id]?.frames.last else { return nil }
            if context.loopIterationsMax > 0 && loop.iteration >= context.loopIterationsMax {
                return .stepFailed(.tooManyIterations(context.loopIterationsMax))
            }
            if let full = overflow(adding: .timerFired, max: context.instanceSizeMax) {
                return .stepFailed(full)
            }
            due = loop.began.advanced(byMicroseconds: max(context.loopIntervalMin, 0))
        case .signal(_, let wait):
            due = context.now.advanced(bySeconds: wait.timeoutSeconds ?? 0)
        }
        if due > context.now { return .timerSet(due: due) }
        guard canFire else { return .timerSet(due: context.now) }
        return fired(waiting, of: id, context)
    }

    /// The timer of a branch is due.
    private func fired(_ waiting: Waiting, of id: BranchID, _ context: DecisionContext) -> Event {
        if case .pause = waiting { pauseEnd(of: id, context) } else { .timerFired }
    }

    /// Fires timers that are due until one of them brings up another decision.
    private mutating func fireTimers(
        _ context: DecisionContext,
        _ decided: inout Decided
    ) throws(ReplayError) -> Bool {
        guard timers.contains(where: { $0.value <= context.now }) else { return false }
        var hasFired = false
        let due = timers.filter { $0.value <= context.now }.sorted {
            ($0.value, $0.key) < ($1.value, $1.key)
        }
        for (id, time) in due where timers[id] == time {
            guard decided.entries.count < Machine.decisionsMax else {
                decided.isUnfinished = true
                return false
            }
            guard let waiting = branches[id]?.waiting else { continue }
            let event = fired(waiting, of: id, context)
            try journal(event, of: id, at: context.now, in: &decided)
            hasFired = true
            if outcome != nil || !undecided.isEmpty { break }
        }
        return hasFired
    }

    mutating func journal(
        _ event: Event,
        of id: BranchID,
        at: Timestamp,
        in decided: inout Decided
    ) throws(ReplayError) {
        let erasures = if case .iterated = event { erasures(of: id) } else { [Erasure]() }
        decided.entries.append(try append(event, to: id, at: at))
        decided.erasures += erasures.map { ($0, decided.entries.count) }
    }

    /// Makes and folds the next entry of a branch.
    mutating func append(
        _ event: Event,
        to id: BranchID,
        at: Timestamp
    ) throws(ReplayError) -> JournalEntry {
        guard let branch = branches[id], let node = branch.waiting.node else {
            throw ReplayError(.unknownBranch, branch: id, sequence: 0, node: .root)
        }
        guard let sequence = nextSequence(of: id) else {
            throw ReplayError(.numbersExhausted, branch: id, sequence: branch.sequence, node: node)
        }
        let entry = JournalEntry(branch: id, sequence: sequence, node: node, at: at, event: event)
        try apply(entry)
        return entry
    }
}
