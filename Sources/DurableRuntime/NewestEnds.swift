// SPDX-License-Identifier: PostgreSQL

/// The latest of many ends, a known number of them, in memory of that order.
public struct NewestEnds: Sendable {
    private let max: Int
    private var ends: [Int64] = []

    public init(max: Int) { self.max = max }

    public mutating func add(_ end: Int64) {
        guard max > 0 else { return }
        ends.append(end)
        if ends.count >= max &* 2 { shrink() }
    }

    private mutating func shrink() {
        guard ends.count > max else { return }
        ends.sort(by: >)
        ends.removeLast(ends.count - max)
    }

    /// The oldest of those that are kept; nil when there are no more than may stay.
    public var oldest: Int64? {
        guard ends.count >= max, max > 0 else { return nil }
        var kept = self
        kept.shrink()
        return kept.ends.min()
    }
}
