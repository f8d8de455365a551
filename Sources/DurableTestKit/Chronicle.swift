// SPDX-License-Identifier: PostgreSQL

import DurableCore
import DurableModel
import DurableRuntime

/// All that ever happened to an instance, in the order in which it did: what the journal would be without compaction.
struct Chronicle: Sendable {
    /// By branch; every branch that ever was has a number of its own here.
    private(set) var journal: [BranchID: [JournalEntry]] = [:]
    /// A machine that has seen everything as it happened.
    private(set) var witness: Machine
    private(set) var coverage = Coverage()
    /// Numbers of branches that have been.
    private var seen: Set<BranchID> = []

    /// The number here of the branch that has a number there now.
    private var numbers: [BranchID: BranchID] = [.root: .root]
    private var next: Int32 = 1
    /// The last sequence number of each branch that has its number now.
    private var sequences: [BranchID: Int64] = [:]

    init(_ record: InstanceRecord) { witness = Machine(record: record) }

    /// Takes in what is committed; says what is wrong with it.
    mutating func add(_ checkpoint: Checkpoint) -> String? {
        var erasures = checkpoint.erasures[...]
        for (i, entry) in checkpoint.entries.enumerated() {
            while let first = erasures.first, first.after <= i {
                erase(first.erasure)
                erasures.removeFirst()
            }
            guard entry.sequence == sequences[entry.branch, default: 0] + 1 else {
                return
                    "entry \(entry.sequence) of branch \(entry.branch.rawValue) is written twice or too early"
            }
            sequences[entry.branch] = entry.sequence
            guard let branch = numbers[entry.branch] else { return "an entry of an unknown branch" }
            var copy = entry
            copy.branch = branch
            if case .forked(let first, let count) = entry.event {
                for arm in 0..<count {
                    let id = BranchID(rawValue: first.rawValue + arm)
                    if sequences[id] != nil { return "a branch number is used twice" }
                    if !seen.insert(id).inserted { coverage.reuses += 1 }
                    sequences[id] = 0
                    numbers[id] = BranchID(rawValue: next + arm)
                }
                copy.event = .forked(first: BranchID(rawValue: next), count: count)
                next += count
            }
            journal[branch, default: []].append(copy)
            do throws(ReplayError) {
                try witness.fold(entry)
            } catch {
                return "the witness disagrees: \(error.description)"
            }
        }
        for (erasure, _) in erasures { erase(erasure) }
        return nil
    }

    private mutating func erase(_ erasure: Erasure) {
        coverage.compactions += 1
        guard erasure.below == .max else { return }
        for arm in 0..<erasure.count {
            let id = BranchID(rawValue: erasure.first.rawValue + arm)
            sequences[id] = nil
            numbers[id] = nil
        }
    }
}
