// SPDX-License-Identifier: PostgreSQL

public import DurableModel

extension Machine {
    /// Applies one stored fact and follows its consequences.
    ///
    /// Entries of one branch come in their order; entries of an arm come after the `forked` that started it and
    /// before what its parent does with its end. `fold(all:)` finds such an order by itself.
    /// Throws when the entry cannot follow what was folded before; the machine must then be thrown away.
    public mutating func fold(_ entry: JournalEntry) throws(ReplayError) {
        try apply(entry)
        changes = Changes()
    }

    /// Applies what others have stored since this machine last looked: entries beyond `knownSequences` and all from
    /// `nextBranch` on, ordered by (branch, sequence).
    ///
    /// Throws when they do not fit, above all because entries between are gone (compaction) or the numbers of
    /// branches that this machine knows were given out anew. The machine must then be rebuilt from the whole journal.
    public mutating func fold(news entries: [JournalEntry]) throws(ReplayError) {
        for entry in entries {
            if case .forked(let first, _) = entry.event, first < nextBranch {
                throw ReplayError(.missed, at: entry)
            }
        }
        try fold(all: entries)
    }

    /// Applies stored facts of several branches, ordered by (branch, sequence) as the journal's key has them.
    public mutating func fold(all entries: [JournalEntry]) throws(ReplayError) {
        guard !entries.isEmpty else { return }
        isCatchingUp = true
        defer { isCatchingUp = false }
        var rest = try Machine.ranges(of: entries)
        let above = ancestors(of: rest.keys)
        // The branches from the root down to the one whose entries are taken, and the fork of each whose arms
        // have had their turn already.
        var path: [(branch: BranchID, forkDone: BranchID?)] = [(.root, nil)]
        while let (branch, forkDone) = path.last {
            if let range = rest[branch] {
                rest[branch] = try takeEntries(entries, range, of: branch) { machine, arms in
                    arms.first != forkDone && !machine.turns(of: arms, rest, above).isEmpty
                }
            }
            if let arms = branches[branch]?.arms, arms.first != forkDone {
                path[path.count - 1].forkDone = arms.first
                path += turns(of: arms, rest, above).map { ($0, nil) }
            } else {
                path.removeLast()
            }
        }
        if let range = rest.values.min(by: { $0.lowerBound < $1.lowerBound }) {
            let entry = entries[range.lowerBound]
            let isAlive = branches[entry.branch] != nil
            throw ReplayError(
                outcome != nil ? .afterEnd : isAlive ? .unexpectedEvent : .unknownBranch,
                at: entry
            )
        }
        changes = Changes()
    }

    /// The branches that the arms of these stem from, as far as they live already.
    private func ancestors(of ids: some Sequence<BranchID>) -> Set<BranchID> {
        var above: Set<BranchID> = []
        for id in ids {
            var next = branches[id]?.parent?.branch
            while let id = next, above.insert(id).inserted { next = branches[id]?.parent?.branch }
        }
        return above
    }

    /// The running arms that have entries, or whose arms have, the last first; of thousands only few have news.
    private func turns(
        of arms: Arms,
        _ rest: [BranchID: Range<Int>],
        _ above: Set<BranchID>
    ) -> [BranchID] {
        if arms.ends.count <= rest.count {
            return arms.ends.indices.reversed().filter { arms.ends[$0] == nil }.map(arms.branch).filter {
                rest[$0] != nil || above.contains($0)
            }
        }
        func isRunning(_ id: BranchID) -> Bool {
            guard id >= arms.first else { return false }
            let arm = Int(id.rawValue) - Int(arms.first.rawValue)
            return arms.ends.indices.contains(arm) && arms.ends[arm] == nil
        }
        return Set(rest.keys.filter(isRunning)).union(above.filter(isRunning)).sorted(by: >)
    }

    /// Applies what can be applied of `range`; returns the rest, nil when nothing is left.
    ///
    /// The branch waits while `areNext` says so of its arms. What a loser has recorded comes before the decision,
    /// though another arm may have ended at once.
    private mutating func takeEntries(
        _ entries: [JournalEntry],
        _ range: Range<Int>,
        of branch: BranchID,
        while areNext: (Machine, Arms) -> Bool
    ) throws(ReplayError) -> Range<Int>? {
        var next = range.lowerBound
        while next < range.upperBound, let found = branches[branch] {
            // While arms are running, only the decision of a race can come next, and that after its winner.
            if let arms = found.arms, !found.isUndecided || areNext(self, arms) { break }
            try apply(entries[next])
            next += 1
        }
        return next < range.upperBound ? next..<range.upperBound : nil
    }

    private static func ranges(
        of entries: [JournalEntry]
    ) throws(ReplayError) -> [BranchID: Range<Int>] {
        var ranges: [BranchID: Range<Int>] = [:]
        var start = 0
        for i in entries.indices
        where i + 1 == entries.count || entries[i + 1].branch != entries[i].branch {
            let branch = entries[i].branch
            guard ranges[branch] == nil else { throw ReplayError(.wrongSequence, at: entries[i]) }
            ranges[branch] = start..<(i + 1)
            start = i + 1
        }
        return ranges
    }

    /// Applies one fact, stored or new.
    mutating func apply(_ entry: JournalEntry) throws(ReplayError) {
        guard outcome == nil else { throw ReplayError(.afterEnd, at: entry) }
        guard let branch = branches[entry.branch] else {
            throw ReplayError(.unknownBranch, at: entry)
        }
        guard branch.sequence < Int64.max, entry.sequence == branch.sequence + 1 else {
            if case .iterated(let mark) = entry.event, entry.sequence > branch.sequence {
                return try resume(entry, mark)
            }
            throw ReplayError(.wrongSequence, at: entry)
        }
        guard branch.waiting.node == entry.node else { throw ReplayError(.wrongNode, at: entry) }
        let waiting = branch.waiting
        hasEntries = true
        let weight = entry.weight
        branches[entry.branch]?.weight &+= weight
        journalSize &+= weight
        try apply(entry, to: waiting)
    }

    private mutating func apply(_ entry: JournalEntry, to waiting: Waiting) throws(ReplayError) {
        let id = entry.branch
        branches[id]?.sequence = entry.sequence
        lastEntries.set(id, entry.sequence)
        switch (entry.event, waiting) {
        case (.stepCompleted(let result), .step(let node)):
            leave(id, node, result, at: entry.at)
        case (.stepFailed(let failure), .step(let node)),
            (.stepFailed(let failure), .timer(let node, due: nil)):
            fail(id, node, failure, at: entry.at)
        case (.stepFailed(let failure), .pause(_, due: nil)):
            // The loop's own frame is the top one: the failure passes through it like one of its body's.
            trace?.failed(entry.node, failure.message, failure, at: entry.at)
            run(id, .failed(text: failure.message, failure), at: entry.at)
        case (.attemptStarted(let number), .step(let node)):
            guard number > 0 else { throw ReplayError(.impossibleNumber, at: entry) }
            branches[id]?.attempts = number
            branches[id]?.isUnanswered = true
            trace?.attempted(node, at: entry.at)
        case (.timerSet(let due), .step(let node)) where isRequest(node):
            branches[id]?.isUnanswered = false
            wait(id, .backoff(node, due: due))
        case (.timerFired, .backoff(let node, _)):
            wait(id, .step(node))
        case (.timerSet(let due), .timer(let node, due: nil)):
            wait(id, .timer(node, due: due))
        case (.timerSet(let due), .pause(let node, due: nil)):
            wait(id, .pause(node, due: due))
        case (.timerSet(let due), .signal(let node, var signal)) where signal.needsTimer:
            signal.due = due
            wait(id, .signal(node, signal))
        case (.timerFired, .timer(let node, _)):
            leave(id, node, timerValue(node), at: entry.at)
        case (.timerFired, .pause):
            resumeLoop(id, at: entry.at)
        case (.iterated(let mark), .pause):
            try iterate(entry, mark)
        case (.stepFailed(let failure), .signal(let node, _)):
            fail(id, node, failure, at: entry.at)
        case (.timerFired, .signal(let node, let signal)) where signal.timeoutSeconds != nil:
            leave(id, node, SignalNode.value(name: signal.name, data: nil), at: entry.at)
        case (.signalReceived(let data), .signal(let node, let signal)):
            let value = SignalNode.value(name: signal.name, data: data)
            guard value.count <= record.valueSizeMax else {
                return fail(id, node, .tooLarge("signal", record.valueSizeMax), at: entry.at)
            }
            leave(id, node, value, at: entry.at)
        case (.forked(let first, let count), .fork(let node)):
            try fork(id, node, first: first, count: count, entry: entry)
        case (.raceDecided(let winner), .arms):
            try decideRace(id, winner: Int(winner), entry: entry)
        default:
            throw ReplayError(.unexpectedEvent, at: entry)
        }
    }
}
