// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// The state of one instance: what its journal, folded over its graph, amounts to.
///
/// A machine is a value. `fold` applies one stored fact and then follows the graph as far as the facts allow:
/// sequences, conditions, names, the end of a JOIN, the exit of a loop, the way of a failure. Where a fact is
/// missing a branch waits, and `pending` says for what:
///
///     step ──(stepCompleted, stepFailed)──▶        timer ──(timerSet)──▶ timer with due ──(timerFired)──▶
///     fork ──(forked)──▶ arms ──(JOIN: last arm ended; RACE: raceDecided)──▶
///     signal ──(signalReceived, or timerSet and timerFired)──▶        ended
///
/// Only JOIN and RACE make branches. The machine reads no clock: times come in with the entries and with the
/// `DecisionContext`. Cost of folding an entry does not depend on how many came before it.
public struct Machine: Sendable {
    public let record: InstanceRecord
    /// How the instance ended, as far as the journal tells; set by `decide` too (cancel).
    public internal(set) var outcome: Outcome?
    /// Counts the root loop's iterations from 1; stays 1 without a root loop.
    public internal(set) var generation: Int64 = 1
    /// Branches whose pending thing is a step.
    public internal(set) var runnableBranches: Set<BranchID> = []
    /// The first branch number that was never used.
    public internal(set) var nextBranch = BranchID(rawValue: 1)

    /// What the entries in the journal amount to, about in bytes.
    public internal(set) var journalSize = 0

    var branches: [BranchID: Branch] = [:]
    var lastEntries = LastEntries()
    /// Branches that need a decision which can be made at once, whatever the time is.
    var undecided: Set<BranchID> = []
    /// Due times of the timers that are set.
    var timers: [BranchID: Timestamp] = [:]
    var signalWaits = SignalWaits()
    var changes = Changes()
    var hasEntries = false
    /// Facts come in the journal's order, not in that of time.
    var isCatchingUp = false
    /// Collects what the nodes went through, when somebody wants to show it.
    var trace: NodeTrace?

    /// The state before any fact: the root is entered at `record.createdAt`.
    public init(record: InstanceRecord) {
        self.init(record: record, trace: nil)
    }

    init(record: InstanceRecord, trace: NodeTrace?) {
        self.record = record
        self.trace = trace
        lastEntries.set(.root, 0)
        branches[.root] = Branch(parent: nil, entry: .root, names: [:], born: record.createdAt)
        run(.root, .enter(.root), at: record.createdAt)
        changes = Changes()
        changes.isRootUncertain = !runnableBranches.contains(.root)
    }

    /// What `branch` waits for; `.ended` when it has ended or was dropped, nil when it never existed.
    public func pending(_ branch: BranchID) -> Pending? {
        guard let found = branches[branch] else {
            return branch >= .root && branch < nextBranch ? .ended : nil
        }
        switch found.waiting {
        case .step(let node): return .step(node)
        case .timer(let node, let due), .pause(let node, let due): return .timer(node, due: due)
        case .backoff(let node, let due): return .timer(node, due: due)
        case .signal(let node, let wait):
            return .signal(node, name: wait.name, due: wait.due, needsTimer: wait.needsTimer)
        case .fork(let node): return .fork(node, count: armNodes(of: node).count)
        case .arms(let node): return .arms(node)
        case .entered: return nil
        }
    }

    /// Branches that have not ended, in order.
    public var liveBranches: [BranchID] { branches.keys.sorted() }

    /// The sequence number of the next entry of a live branch.
    public func nextSequence(of branch: BranchID) -> Int64? {
        guard let sequence = branches[branch]?.sequence, sequence < Int64.max else { return nil }
        return sequence + 1
    }

    /// Where a branch stands: what is stored about its step is meant for this place and no other.
    public struct Place: Hashable, Sendable {
        /// When the branch began: after compaction another may get its number.
        var born: Timestamp
        var sequence: Int64
        var node: NodeIndex?
    }

    /// Where a live branch stands.
    public func place(of branch: BranchID) -> Place? {
        guard let found = branches[branch] else { return nil }
        return Place(born: found.born, sequence: found.sequence, node: found.waiting.node)
    }

    /// The last sequence number of each live branch, by branch: beyond these there may be news.
    public var knownSequences: [(branch: BranchID, sequence: Int64)] { lastEntries.list }

    /// Whether reading the keys of the whole journal costs less than a look at the end of each live branch.
    public var isJournalShort: Bool {
        guard branches.count > 8 else { return false }
        // A dozen entries are passed in the time of one search.
        return journalSize / 1024 < branches.count
    }

    /// How many attempts of the step that `branch` waits for have been journalled.
    public func attempts(of branch: BranchID) -> Int32 { branches[branch]?.attempts ?? 0 }

    /// Whether the last attempt of the step that `branch` waits for has no outcome in the journal.
    public func isUnanswered(_ branch: BranchID) -> Bool { branches[branch]?.isUnanswered ?? false }

    /// Whether nothing has been journalled yet: the instance as `df.start` left it.
    public var isFresh: Bool { !hasEntries }

    /// When the timer that `branch` waits for is due; nil when it waits for something else.
    public func wakesAt(_ branch: BranchID) -> Timestamp? {
        switch pending(branch) {
        case .timer(_, let due), .signal(_, _, let due, _): due
        default: nil
        }
    }

    /// The due time of the timer that fires first.
    public var earliestTimer: Timestamp? { timers.values.min() }

    /// Whether `decide` would have something to decide even without news.
    public func hasDecision(at now: Timestamp) -> Bool {
        if outcome != nil || !undecided.isEmpty { return true }
        guard let due = earliestTimer else { return false }
        return due <= now
    }
}

/// What a branch waits for.
public enum Pending: Hashable, Sendable {
    /// A step (SQL, HTTP) is to be carried out.
    case step(NodeIndex)
    /// A SLEEP, WAIT_SCHEDULE or the pause of a LOOP; the timer has still to be set when `due` is nil.
    case timer(NodeIndex, due: Timestamp?)
    /// A signal; `needsTimer` when its timeout has still to be set.
    case signal(NodeIndex, name: Bytes, due: Timestamp?, needsTimer: Bool)
    /// A JOIN or RACE whose arms have no branches yet.
    case fork(NodeIndex, count: Int)
    /// A JOIN or RACE that waits for its arms.
    case arms(NodeIndex)
    case ended
}
