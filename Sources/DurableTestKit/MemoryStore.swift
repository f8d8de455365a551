// SPDX-License-Identifier: PostgreSQL

import DurableCore
public import DurableModel
import DurableRuntime

/// The engine's tables in memory: committed state only, a value.
public struct MemoryStore: Sendable {
    public struct Place: Hashable, Comparable, Sendable {
        public var instance: InstanceID
        public var branch: BranchID

        public init(instance: InstanceID, branch: BranchID) {
            self.instance = instance
            self.branch = branch
        }

        public static func < (a: Place, b: Place) -> Bool {
            (a.instance, a.branch) < (b.instance, b.branch)
        }
    }

    public struct Instance: Sendable {
        public var record: InstanceRecord
        public var journal: [BranchID: [JournalEntry]] = [:]
        /// What compaction has taken away, too.
        var chronicle: Chronicle
        public var cancelReason: Bytes?
        public var signals: [PendingSignal] = []
        public var outcome: Outcome?

        /// Ordered by (branch, sequence).
        public var entries: [JournalEntry] { journal.keys.sorted().flatMap { journal[$0] ?? [] } }
    }

    public internal(set) var instances: [InstanceID: Instance] = [:]
    public internal(set) var active: Set<Place> = []
    public internal(set) var timers: [Place: Timestamp] = [:]
    /// What steps did: each committed execution of a statement, by instance, text after substitution.
    public internal(set) var effects: [InstanceID: [Bytes: Int]] = [:]
    /// How often each node's step was committed.
    public internal(set) var executions: [InstanceID: [NodeIndex: Int]] = [:]

    public init() {}

    /// `df.start` as its transaction commits: the root is active before anybody knows what it will do.
    public mutating func start(_ record: InstanceRecord) {
        instances[record.id] = Instance(record: record, chronicle: Chronicle(record))
        active.insert(Place(instance: record.id, branch: .root))
    }

    public mutating func cancel(_ instance: InstanceID, reason: Bytes) {
        guard instances[instance]?.outcome == nil, instances[instance]?.cancelReason == nil else {
            return
        }
        instances[instance]?.cancelReason = reason
    }

    public mutating func signal(_ instance: InstanceID, number: Int64, name: Bytes, data: Bytes) {
        guard instances[instance]?.outcome == nil else { return }
        instances[instance]?.signals.append(PendingSignal(number: number, name: name, data: data))
    }

    /// What `request` asks for.
    func news(_ instance: InstanceID, _ request: NewsRequest) -> News {
        guard let found = instances[instance], found.outcome == nil else {
            return News(hasEnded: true)
        }
        var entries: [JournalEntry] = []
        for (branch, sequence) in request.known {
            entries += (found.journal[branch] ?? []).filter { $0.sequence > sequence }
        }
        for branch in found.journal.keys.sorted() where branch >= request.firstUnknown {
            entries += found.journal[branch] ?? []
        }
        return News(
            hasEnded: false,
            entries: entries,
            cancelReason: found.cancelReason,
            signals: SignalList(found.signals)
        )
    }

    /// Writes a checkpoint; nil when it is stored, else what it violates.
    mutating func write(_ checkpoint: Checkpoint, of instance: InstanceID) -> Violation? {
        guard var found = instances[instance], found.outcome == nil else {
            return .broken("a write after the end")
        }
        for (erasure, _) in checkpoint.erasures {
            for branch in Array(found.journal.keys) {
                found.journal[branch]?.removeAll { erasure.covers($0) }
            }
        }
        for entry in checkpoint.entriesToStore {
            let isTaken = found.journal[entry.branch]?.contains { $0.sequence == entry.sequence }
            if isTaken == true { return .duplicateKey }
            found.journal[entry.branch, default: []].append(entry)
        }
        found.journal = found.journal.filter { !$0.value.isEmpty }
        if let wrong = found.chronicle.add(checkpoint) { return .broken(wrong) }
        for number in checkpoint.signalsConsumed {
            guard let i = found.signals.firstIndex(where: { $0.number == number }) else {
                return .broken("a signal is consumed that is not there")
            }
            found.signals.remove(at: i)
        }
        for timer in checkpoint.timersCleared {
            let place = Place(instance: instance, branch: timer.branch)
            guard timers[place] == timer.due else {
                return .broken("a timer is cleared that is not set")
            }
            timers[place] = nil
        }
        for timer in checkpoint.timersSet {
            let place = Place(instance: instance, branch: timer.branch)
            guard timers[place] == nil else { return .broken("a branch gets a second timer") }
            timers[place] = timer.due
        }
        for branch in checkpoint.deactivated {
            active.remove(Place(instance: instance, branch: branch))
        }
        for branch in checkpoint.activated {
            guard active.insert(Place(instance: instance, branch: branch)).inserted else {
                return .broken("a branch is activated twice")
            }
        }
        if let outcome = checkpoint.outcome {
            found.outcome = outcome
            let left =
                timers.keys.contains { $0.instance == instance }
                || active.contains { $0.instance == instance }
            // The store sweeps after an end; but a machine that ends by itself leaves nothing to sweep.
            let isQuarantined = checkpoint.entries.isEmpty && checkpoint.deactivated.isEmpty
            if left && !isQuarantined {
                return .broken("an ended instance leaves timers or active branches")
            }
            timers = timers.filter { $0.key.instance != instance }
            active = active.filter { $0.instance != instance }
        }
        instances[instance] = found
        return nil
    }

    enum Violation: Equatable {
        case duplicateKey
        case broken(String)
    }
}
