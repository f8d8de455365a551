// SPDX-License-Identifier: PostgreSQL

import DurableModel

/// What has to change beside the journal.
///
/// The machine notes the difference as it goes, so that finding it does not depend on how many
/// branches there are.
extension Machine {
    /// What has changed since the stored state.
    struct Changes: Hashable, Sendable {
        var wasActive: [BranchID: Bool] = [:]
        var oldTimer: [BranchID: Timestamp?] = [:]
        /// Nothing is journalled, and the root is no step: `df.start` has stored it as active, and who looked at it
        /// since may have taken that back without leaving an entry.
        var isRootUncertain = false

        var isEmpty: Bool { wasActive.isEmpty && oldTimer.isEmpty && !isRootUncertain }
    }

    /// What the sets and tables hold about a branch.
    struct Standing {
        var isStep: Bool
        var due: Timestamp?
        var signal: SignalWait?
        var isUndecided: Bool

        init(_ branch: Branch?) {
            isStep = branch?.waiting.isStep ?? false
            due = branch?.waiting.due
            if case .signal(_, let wait)? = branch?.waiting { signal = wait }
            isUndecided = branch?.isUndecided ?? false
        }
    }

    /// A branch has come to wait for something else, or is gone (`branch == nil`).
    mutating func note(_ id: BranchID, from old: Standing, to branch: Branch?) {
        let new = Standing(branch)
        if branch == nil { lastEntries.remove(id) }
        if old.isStep != new.isStep {
            if changes.wasActive[id] == nil { changes.wasActive[id] = old.isStep }
            if new.isStep { runnableBranches.insert(id) } else { runnableBranches.remove(id) }
        }
        if old.due != new.due {
            if changes.oldTimer[id] == nil { changes.oldTimer[id] = .some(old.due) }
            timers[id] = new.due
        }
        if let wait = old.signal {
            signalWaits.remove(SignalWaits.Wait(since: wait.since, branch: id), for: wait.name)
        }
        if let wait = new.signal {
            signalWaits.insert(SignalWaits.Wait(since: wait.since, branch: id), for: wait.name)
        }
        if new.isUndecided { undecided.insert(id) } else { undecided.remove(id) }
    }

    /// Hands out the changes and starts anew.
    mutating func takeChanges(into decided: inout Decided) {
        guard !changes.isEmpty else { return }
        if changes.isRootUncertain {
            changes.wasActive[.root] = false
            decided.deactivated.append(.root)
        }
        for (id, was) in changes.wasActive.sorted(by: { $0.key < $1.key }) {
            let isActive = runnableBranches.contains(id)
            if isActive && !was { decided.activated.append(id) }
            if !isActive && was { decided.deactivated.append(id) }
        }
        for (id, old) in changes.oldTimer.sorted(by: { $0.key < $1.key }) where old != timers[id] {
            if let old { decided.timersCleared.append(TimerChange(branch: id, due: old)) }
            if let due = timers[id] {
                decided.timersSet.append(TimerChange(branch: id, due: due))
            }
        }
        changes = Changes()
    }
}
