// SPDX-License-Identifier: PostgreSQL

import DurableCore
import DurableModel
import DurableRuntime

// What must be true of the tables after each commit, and of requests at each attempt.
extension World {
    /// A request is asked once more, or given up for lost, only if it was.
    func checkRequests(_ checkpoint: Checkpoint, of id: InstanceID) {
        guard let instance = store.instances[id] else { return }
        for entry in checkpoint.entries {
            let kind = instance.record.graph.node(entry.node)?.kind
            guard kind == .http || kind == .httpMultipart,
                let last = instance.journal[entry.branch]?.last(where: { $0.sequence < entry.sequence }),
                last.sequence == entry.sequence - 1, last.node == entry.node,
                case .attemptStarted = last.event
            else { continue }
            switch entry.event {
            case .attemptStarted: break
            case .stepFailed(let failure) where failure.sqlstate == Bytes("08007".utf8): break
            default: continue
            }
            let place = RequestPlace(instance: id, branch: entry.branch, sequence: last.sequence)
            if !network.isLost(place) { broken = broken ?? "a request counts as lost that is not: \(place)" }
        }
    }

    /// Whether the attempt is in the tables; of a branch or instance that has ended meanwhile it need not be.
    func isRecorded(_ place: RequestPlace) -> Bool {
        guard let instance = store.instances[place.instance], instance.outcome == nil,
            let entries = instance.journal[place.branch]
        else { return true }
        return entries.contains { entry in
            guard entry.sequence == place.sequence else { return entry.sequence > place.sequence }
            if case .attemptStarted = entry.event { return true }
            return false
        }
    }

    /// After each commit the tables must say what a machine built from the journal says, and leave nothing undecided.
    func committed(_ id: InstanceID, _ checkpoint: Checkpoint, at time: Timestamp) {
        guard broken == nil, !expectsQuarantine, let instance = store.instances[id] else { return }
        log?("\(depth): commit of \(id.rawValue) at \(time.rawValue): \(checkpoint)")
        // Replaying everything after each commit of a long life is too slow; every tenth time has to do.
        guard instance.entries.count < 100 || random.chance(10) else { return }
        var machine = Machine(record: instance.record)
        do throws(ReplayError) {
            try machine.fold(all: instance.entries)
        } catch {
            broken = "journal does not replay: \(error.description)"
            return
        }
        if let found = machine.checkInvariants() { broken = "invariant: \(found)" }
        if let found = machine.difference(from: instance.chronicle.witness) {
            broken = "the journal does not tell what happened: \(found)"
        }
        if instance.outcome != nil { return }
        if machine.outcome != nil { broken = "the journal is over and the instance is not" }
        let active = Set(store.active.filter { $0.instance == id }.map(\.branch))
        if active != machine.runnableBranches {
            broken = "active is \(active), runnable \(machine.runnableBranches)"
        }
        for branch in machine.liveBranches {
            let due: Timestamp?
            switch machine.pending(branch) {
            case .timer(_, let time): due = time
            case .signal(_, _, let time, _): due = time
            default: due = nil
            }
            if store.timers[MemoryStore.Place(instance: id, branch: branch)] != due {
                broken = "timers differ"
            }
        }
        if machine.hasDecision(at: time), checkpoint.entries.count < Machine.decisionsMax {
            broken = "not settled"
        }
    }
}
