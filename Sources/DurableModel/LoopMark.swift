// SPDX-License-Identifier: PostgreSQL

/// All that must be known to begin an iteration of a loop in a branch that has come as far as the loop.
public struct LoopMark: Hashable, Sendable {
    /// The iteration that begins, counted from 1.
    public var iteration: Int64
    /// The branch's last entry when the loop was entered; 0 for none.
    public var base: Int64
    /// The entries of the branch between `base` and this one are gone, with those of the arms that they started.
    public var keptFrom: Int64
    /// Branch numbers from here on were free.
    public var nextBranch: BranchID
    /// What the loop has stored under names so far, as JSON text; empty for a root loop, which forgets.
    public var names: [Bytes: Bytes]

    public init(
        iteration: Int64,
        base: Int64,
        keptFrom: Int64,
        nextBranch: BranchID,
        names: [Bytes: Bytes]
    ) {
        self.iteration = iteration
        self.base = base
        self.keptFrom = keptFrom
        self.nextBranch = nextBranch
        self.names = names
    }
}

/// Entries that a loop mark makes superfluous: those of the branches `first ..< first + count` with
/// `from <= sequence < below`.
public struct Erasure: Hashable, Sendable {
    public var first: BranchID
    public var count: Int32
    public var from: Int64
    public var below: Int64

    public init(first: BranchID, count: Int32, from: Int64, below: Int64) {
        self.first = first
        self.count = count
        self.from = from
        self.below = below
    }

    public func covers(_ entry: JournalEntry) -> Bool {
        entry.branch >= first && entry.branch.rawValue &- first.rawValue < count
            && entry.sequence >= from && entry.sequence < below
    }
}
