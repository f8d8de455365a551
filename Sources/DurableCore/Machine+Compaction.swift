// SPDX-License-Identifier: PostgreSQL

import DurableModel

/// Loops that run for years: a mark says all that the iterations before it amount to, so that their entries can go.
///
/// Only what the loop itself has caused goes: entries of its branch since it was entered, and of arms that these
/// started. What led to the loop stays and is folded first. The iterations since the mark before the last stay, too,
/// so that the last one can be shown.
extension Machine {
    /// Names beyond this many bytes are not copied into a mark: their loop is not compacted.
    static let markSizeMax = 100_000_000

    /// What ends the pause of the loop that `id` is in: a mark when enough has come together since the last one.
    ///
    /// The names in a mark must be worth it: what they cost is paid by entries of twice their size.
    func pauseEnd(of id: BranchID, _ context: DecisionContext) -> Event {
        guard let branch = branches[id], case .loop(_, let loop)? = branch.frames.last else {
            return .timerFired
        }
        let weight = branch.weight &- loop.weighed
        guard weight >= context.compactionWeight else { return .timerFired }
        var names: [Bytes: Bytes] = [:]
        var size = 0
        // A root loop begins each iteration without names.
        if !(id == .root && branch.frames.count == 1) {
            for (name, sequence) in branch.written where sequence > loop.base {
                guard let value = branch.names[name] else { continue }
                names[name] = value
                size &+= name.count &+ value.count
            }
        }
        guard size <= Machine.markSizeMax, size <= weight / 2 else { return .timerFired }
        var next = nextBranch
        if next.rawValue > context.branchesMax {
            let gone = Set(erasedForks(of: id).map(\.first))
            next = BranchID(rawValue: 1)
            for (_, branch) in branches {
                for fork in branch.forks where !gone.contains(fork.first) {
                    next = max(next, BranchID(rawValue: fork.first.rawValue &+ fork.count))
                }
            }
        }
        return .iterated(
            LoopMark(
                iteration: loop.iteration &+ 1,
                base: loop.base,
                keptFrom: loop.marked ?? loop.keptFrom,
                nextBranch: next,
                names: names
            )
        )
    }

    /// The arms whose entries go with the next mark of the loop that `id` is in.
    private func erasedForks(of id: BranchID) -> [Forked] {
        guard let branch = branches[id], case .loop(_, let loop)? = branch.frames.last,
            let marked = loop.marked
        else { return [] }
        return branch.forks.filter { $0.sequence > loop.base && $0.sequence < marked }
    }

    /// The entries that go with the next mark of the loop that `id` is in.
    func erasures(of id: BranchID) -> [Erasure] {
        guard let branch = branches[id], case .loop(_, let loop)? = branch.frames.last,
            let marked = loop.marked
        else { return [] }
        var erasures = [Erasure(first: id, count: 1, from: loop.keptFrom, below: marked)]
        for fork in erasedForks(of: id) {
            erasures.append(Erasure(first: fork.first, count: fork.count, from: 1, below: .max))
        }
        return erasures
    }

    /// A mark follows the iteration before it.
    mutating func iterate(_ entry: JournalEntry, _ mark: LoopMark) throws(ReplayError) {
        guard let branch = branches[entry.branch], case .loop(_, let loop)? = branch.frames.last,
            loop.base == mark.base, loop.iteration < Int64.max, mark.iteration == loop.iteration + 1
        else { throw ReplayError(.impossibleNumber, at: entry) }
        if loop.marked != nil {
            // The entries from `keptFrom` to the mark before this one go.
            let gone = loop.weightBeforeMark &- loop.weightBeforeKept
            journalSize &-= gone
            branches[entry.branch]?.weight &-= gone
        }
        begin(
            entry,
            mark,
            keptFrom: loop.marked ?? loop.keptFrom,
            weightBeforeKept: loop.weightBeforeKept
        )
    }

    /// A mark without the iterations before it: the branch has just come to the loop.
    mutating func resume(_ entry: JournalEntry, _ mark: LoopMark) throws(ReplayError) {
        let id = entry.branch
        guard var branch = branches[id], branch.arms == nil, branch.sequence == mark.base,
            let top = branch.frames.lastIndex(where: { $0.node == entry.node }),
            case .loop(let index, var loop) = branch.frames[top], loop.base == mark.base,
            mark.iteration > 1
        else { throw ReplayError(.missed, at: entry) }
        loop.iteration = mark.iteration &- 1
        branch.frames.removeLast(branch.frames.count - top)
        branch.frames.append(.loop(index, loop))
        branch.sequence = entry.sequence
        lastEntries.set(id, entry.sequence)
        let before = branch.weight
        branch.weight &+= entry.event.weight
        journalSize &+= entry.event.weight
        branches[id] = branch
        hasEntries = true
        trace?.forget(below: index, record.graph)
        begin(entry, mark, keptFrom: entry.sequence, weightBeforeKept: before)
    }

    private mutating func begin(
        _ entry: JournalEntry,
        _ mark: LoopMark,
        keptFrom: Int64,
        weightBeforeKept: Int
    ) {
        let id = entry.branch
        guard var branch = branches[id], case .loop(let index, var loop)? = branch.frames.last else { return }
        branch.merge(mark.names)
        branch.forks.removeAll { $0.sequence > loop.base && $0.sequence < keptFrom }
        loop.keptFrom = keptFrom
        loop.marked = entry.sequence
        loop.weighed = branch.weight
        loop.weightBeforeKept = weightBeforeKept
        loop.weightBeforeMark = branch.weight &- entry.event.weight
        branch.frames[branch.frames.count - 1] = .loop(index, loop)
        branches[id] = branch
        nextBranch = isCatchingUp ? max(nextBranch, mark.nextBranch) : mark.nextBranch
        resumeLoop(id, at: entry.at)
    }

    /// Where `count` new branches find free numbers.
    ///
    /// They rise, so that a number means one branch for ever; only when `max` is reached, what was compacted away is
    /// given out anew. A machine that remembers it notices (`fold(news:)`).
    func freeBranches(count: Int32, max: Int32) -> BranchID {
        let (end, overflow) = nextBranch.rawValue.addingReportingOverflow(count)
        if !overflow, end &- 1 <= max { return nextBranch }
        var first: Int32 = 1
        for fork in branches.values.flatMap(\.forks).sorted(by: { $0.first < $1.first }) {
            if fork.first.rawValue &- first >= count { break }
            first = Swift.max(first, fork.first.rawValue &+ fork.count)
        }
        return BranchID(rawValue: first)
    }
}

extension JournalEntry {
    /// About what it takes in the journal, in bytes.
    var weight: Int { event.weight &+ omitted }
}

extension StepFailure {
    fileprivate var size: Int {
        [detail, hint, context].reduce(message.count) { $0 &+ ($1?.count ?? 0) }
    }
}

extension Event {
    /// About what it takes in the journal, in bytes.
    var weight: Int {
        switch self {
        case .stepCompleted(let result): 64 &+ result.count
        case .stepFailed(let failure): 64 &+ failure.size
        case .signalReceived(let data): 64 &+ data.count
        case .iterated(let mark): mark.names.reduce(64) { $0 &+ $1.key.count &+ $1.value.count }
        case .attemptStarted, .timerSet, .timerFired, .forked, .raceDecided: 64
        }
    }
}
