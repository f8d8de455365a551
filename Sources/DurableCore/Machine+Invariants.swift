// SPDX-License-Identifier: PostgreSQL

import DurableModel

extension Machine {
    /// What must hold between any two calls; the first thing that does not, or nil.
    ///
    /// Used by tests.
    public func checkInvariants() -> String? {
        if outcome != nil && !branches.isEmpty { return "ended with live branches" }
        if outcome == nil && branches[.root] == nil { return "no root, no outcome" }
        if outcome == nil && runnableBranches.isEmpty && undecided.isEmpty && timers.isEmpty
            && signalWaits.isEmpty
        {
            return "nothing can ever happen"
        }
        if !lastEntries.list.map(\.branch).elementsEqual(liveBranches) {
            return "list of last entries is wrong"
        }
        for (id, sequence) in lastEntries.list where branches[id]?.sequence != sequence {
            return "last entry of branch \(id.rawValue) is wrong"
        }
        for (id, branch) in branches {
            if let broken = check(branch, id.rawValue) { return broken }
            if branch.waiting.isStep != runnableBranches.contains(id) {
                return "runnable set is wrong"
            }
            if branch.waiting.due != timers[id] { return "timer table is wrong" }
            if case .signal(_, let wait) = branch.waiting,
                !signalWaits.contains(SignalWaits.Wait(since: wait.since, branch: id), for: wait.name)
            {
                return "signal set is wrong"
            }
            if branch.isUndecided != undecided.contains(id) { return "undecided set is wrong" }
            if id >= nextBranch { return "branch \(id.rawValue) has a number not given out" }
            guard let parent = branch.parent else { continue }
            guard let arms = branches[parent.branch]?.arms else {
                return "orphan branch \(id.rawValue)"
            }
            if arms.branch(parent.arm) != id {
                return "arm \(parent.arm) is not branch \(id.rawValue)"
            }
            if arms.ends[parent.arm] != nil { return "an ended arm is alive" }
        }
        let known = { (id: BranchID) in branches[id] != nil }
        guard runnableBranches.allSatisfy(known), timers.keys.allSatisfy(known),
            signalWaits.byName.values.joined().allSatisfy({ branches[$0.branch]?.waiting.isSignal == true }),
            undecided.allSatisfy(known)
        else { return "a set names a branch that is gone" }
        return nil
    }

    /// What this machine and another of the same instance do not agree about, or nil.
    ///
    /// Which numbers will be given out next, and what weighs how much, may differ. Used by tests.
    public func difference(from other: Machine) -> String? {
        if outcome != other.outcome { return "outcome" }
        if generation != other.generation { return "generation" }
        if timers != other.timers { return "timers" }
        if liveBranches != other.liveBranches { return "branches" }
        for (id, branch) in branches {
            var (one, two) = (branch, other.branches[id])
            one.forgetOrder()
            two?.forgetOrder()
            if one != two { return "branch \(id.rawValue): \(one), \(String(describing: two))" }
        }
        return nil
    }

    private func check(_ branch: Branch, _ id: Int32) -> String? {
        if case .entered = branch.waiting { return "branch \(id) waits for nothing" }
        if case .arms = branch.waiting {
            guard let arms = branch.arms else { return "branch \(id) waits for arms it has not" }
            if arms.running != arms.ends.filter({ $0 == nil }).count {
                return "arms of branch \(id) miscounted"
            }
            if arms.running == 0 && !arms.isRace { return "JOIN of branch \(id) is over and waits" }
        } else if branch.arms != nil {
            return "branch \(id) has arms and does not wait for them"
        }
        if branch.parent == nil && id != 0 { return "two roots" }
        return nil
    }
}

extension Machine.Branch {
    /// Leaves out weights, and the order in which arms that have nothing to do with each other came to their ends.
    fileprivate mutating func forgetOrder() {
        weight = 0
        if arms?.isRace == false { arms?.firstEnded = nil }
        forks.sort { ($0.sequence, $0.first) < ($1.sequence, $1.first) }
        for i in frames.indices {
            guard case .loop(let node, var loop) = frames[i] else { continue }
            (loop.weighed, loop.weightBeforeKept, loop.weightBeforeMark) = (0, 0, 0)
            frames[i] = .loop(node, loop)
        }
    }
}
