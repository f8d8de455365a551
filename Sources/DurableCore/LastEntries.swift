// SPDX-License-Identifier: PostgreSQL

import DurableModel

/// The last sequence number of each live branch, by branch: kept in order, so that nobody has to sort thousands of arms
/// at each commit.
struct LastEntries: Sendable {
    private(set) var list: [(branch: BranchID, sequence: Int64)] = []

    mutating func set(_ branch: BranchID, _ sequence: Int64) {
        let i = place(of: branch)
        if i < list.count, list[i].branch == branch {
            list[i].sequence = sequence
        } else {
            list.insert((branch, sequence), at: i)
        }
    }

    mutating func remove(_ branch: BranchID) {
        let i = place(of: branch)
        if i < list.count, list[i].branch == branch { list.remove(at: i) }
    }

    /// Where the branch is, or would be.
    private func place(of branch: BranchID) -> Int {
        var (low, high) = (0, list.count)
        while low < high {
            let middle = (low + high) / 2
            if list[middle].branch < branch { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
