// SPDX-License-Identifier: PostgreSQL

import DurableModel

/// JOIN and RACE: how branches begin and end.
extension Machine {
    /// The roots of the arms of a JOIN or RACE.
    func armNodes(of index: NodeIndex) -> [NodeIndex] {
        guard let node = record.graph.node(index), let left = node.left, let right = node.right
        else { return [] }
        return [left, right] + (node.kind == .join ? node.extras : [])
    }

    mutating func fork(
        _ id: BranchID,
        _ index: NodeIndex,
        first: BranchID,
        count: Int32,
        entry: JournalEntry
    ) throws(ReplayError) {
        let nodes = armNodes(of: index)
        let (end, overflow) = first.rawValue.addingReportingOverflow(count)
        guard Int(count) == nodes.count, first > .root, !overflow else {
            throw ReplayError(.impossibleNumber, at: entry)
        }
        let arms = Arms(
            first: first,
            count: nodes.count,
            isRace: record.graph.node(index)?.kind == .race
        )
        guard arms.ends.indices.allSatisfy({ branches[arms.branch($0)] == nil }) else {
            throw ReplayError(.impossibleNumber, at: entry)
        }
        guard let names = branches[id]?.names else { throw ReplayError(.unknownBranch, at: entry) }
        nextBranch = max(nextBranch, BranchID(rawValue: end))
        branches[id]?.arms = arms
        branches[id]?.forks.append(Forked(sequence: entry.sequence, first: first, count: count))
        wait(id, .arms(index))
        undecided.remove(id)
        for (arm, node) in nodes.enumerated() {
            let parent = Branch.Parent(branch: id, arm: arm)
            lastEntries.set(arms.branch(arm), 0)
            branches[arms.branch(arm)] = Branch(parent: parent, entry: node, names: names, born: entry.at)
        }
        for (arm, node) in nodes.enumerated() {
            let flow: Flow = node > index ? .enter(node) : .failed(.corruptGraph(node))
            run(arms.branch(arm), flow, at: entry.at)
        }
    }

    /// A branch is over; returns what its parent does about it at once.
    mutating func endBranch(
        _ branch: Branch,
        _ end: Flow,
        at: Timestamp
    ) -> (branch: BranchID, flow: Flow, at: Timestamp)? {
        guard let parent = branch.parent else {
            outcome = Machine.outcome(of: end)
            return nil
        }
        var names: [Bytes: Bytes] = [:]
        for name in branch.written.keys { names[name] = branch.names[name] }
        let id = parent.branch
        branches[id]?.takeOver(branch)
        guard branches[id]?.arms?.ends.indices.contains(parent.arm) == true else { return nil }
        branches[id]?.arms?.ends[parent.arm] = ArmEnd(flow: end, names: names, at: at)
        branches[id]?.arms?.running -= 1
        if branches[id]?.arms?.firstEnded == nil { branches[id]?.arms?.firstEnded = parent.arm }
        guard let arms = branches[id]?.arms else { return nil }
        if arms.isRace {
            undecided.insert(id)
            return nil
        }
        return arms.running == 0 ? join(id, arms) : nil
    }

    private static func outcome(of end: Flow) -> Outcome? {
        switch end {
        case .value(let value):
            return .completed(value: value)
        case .failed(let text, let failure):
            return .failed(text: text, failure: failure)
        case .broke:
            let failure = StepFailure.breakOutsideLoop
            return .failed(text: failure.message, failure: failure)
        case .enter:
            return nil
        }
    }

    /// All arms have ended.
    ///
    /// The names of each flow back, later arms over earlier ones, until an arm that failed or broke
    /// decides about the whole.
    private mutating func join(
        _ id: BranchID,
        _ arms: Arms
    ) -> (branch: BranchID, flow: Flow, at: Timestamp)? {
        guard case .arms(let index)? = branches[id]?.waiting else { return nil }
        branches[id]?.arms = nil
        var values = Bytes("[".utf8)
        var at = Timestamp.earliest
        var size = 1
        for end in arms.ends {
            at = max(at, end?.at ?? at)
            if case .value(let value)? = end?.flow { size &+= value.count &+ 1 }
        }
        let isTooLarge = size > record.valueSizeMax
        for (arm, end) in arms.ends.enumerated() {
            guard let end else { return nil }
            switch end.flow {
            case .value(let value):
                branches[id]?.merge(end.names)
                guard !isTooLarge else { continue }
                if arm > 0 { values.append(UInt8(ascii: ",")) }
                // A SLEEP's value has blanks, an array of values has none: clients know both by their text.
                JSONText.appendCompacted(value[...], to: &values)
            case .failed(let text, let failure):
                let prefixed = Bytes("JOIN branch \(arm + 1) failed: ".utf8) + text
                let nodes = armNodes(of: index)
                if arm < nodes.count {
                    trace?.failedArm(of: index, root: nodes[arm], prefixed, record.graph, at: at)
                }
                return (id, .failed(text: prefixed, failure), at)
            case .broke(let value):
                branches[id]?.merge(end.names)
                trace?.completed(index, value, at: at)
                return (id, .broke(value), at)
            case .enter:
                return nil
            }
        }
        if isTooLarge {
            let failure = StepFailure.tooLarge("JOIN", record.valueSizeMax)
            trace?.failed(index, failure.message, failure, at: at)
            return (id, .failed(failure), at)
        }
        values.append(UInt8(ascii: "]"))
        store(values, of: index, in: id, at: at)
        return (id, .value(values), at)
    }

    mutating func decideRace(_ id: BranchID, winner: Int, entry: JournalEntry) throws(ReplayError) {
        guard let arms = branches[id]?.arms, case .arms(let index)? = branches[id]?.waiting,
            arms.isRace,
            arms.ends.indices.contains(winner), let end = arms.ends[winner]
        else { throw ReplayError(.impossibleNumber, at: entry) }
        branches[id]?.arms = nil
        let nodes = armNodes(of: index)
        for loser in arms.ends.indices where loser != winner {
            if loser < nodes.count { trace?.lost(nodes[loser], record.graph, at: entry.at) }
            for dropped in drop(arms.branch(loser)) { branches[id]?.takeOver(dropped) }
        }
        undecided.remove(id)
        branches[id]?.merge(end.names)
        switch end.flow {
        case .value(let value):
            store(value, of: index, in: id, at: entry.at)
            run(id, .value(value), at: entry.at)
        case .failed(let text, let failure):
            let prefixed = (winner == 0 ? FailurePrefix.raceLeft : FailurePrefix.raceRight) + text
            if winner < nodes.count {
                trace?.failedArm(
                    of: index,
                    root: nodes[winner],
                    prefixed,
                    record.graph,
                    at: entry.at
                )
            }
            run(id, .failed(text: prefixed, failure), at: entry.at)
        case .broke(let value):
            trace?.completed(index, value, at: entry.at)
            run(id, .broke(value), at: entry.at)
        case .enter:
            throw ReplayError(.impossibleNumber, at: entry)
        }
    }

    private mutating func store(_ value: Bytes, of index: NodeIndex, in id: BranchID, at: Timestamp) {
        if let name = record.graph.node(index)?.resultName { branches[id]?.store(value, as: name) }
        trace?.completed(index, value, at: at)
    }

    /// Takes a branch and all that came from it out of the machine; returns what was taken.
    @discardableResult
    mutating func drop(_ branch: BranchID) -> [Branch] {
        var doomed = [branch]
        var dropped: [Branch] = []
        while let id = doomed.popLast() {
            guard let branch = branches.removeValue(forKey: id) else { continue }
            note(id, from: Standing(branch), to: nil)
            if let arms = branch.arms { doomed += arms.ends.indices.map(arms.branch) }
            dropped.append(branch)
        }
        return dropped
    }
}

extension Machine.Branch {
    mutating func store(_ value: Bytes, as name: Bytes) {
        names[name] = value
        written[name] = sequence
    }

    /// An arm below is over: what it has left in the journal goes with this branch's own entries from now on.
    mutating func takeOver(_ arm: Machine.Branch) {
        weight &+= arm.weight
        for fork in arm.forks {
            forks.append(Machine.Forked(sequence: sequence, first: fork.first, count: fork.count))
        }
    }

    mutating func merge(_ other: [Bytes: Bytes]) {
        for (name, value) in other { store(value, as: name) }
    }
}
