// SPDX-License-Identifier: PostgreSQL

import DurableRuntime
import Testing

@Suite struct NewestEndsTests {
    private func oldest(of ends: [Int64], max: Int) -> Int64? {
        var newest = NewestEnds(max: max)
        for end in ends { newest.add(end) }
        return newest.oldest
    }

    @Test func fewerThanMayStay() {
        #expect(oldest(of: [], max: 3) == nil)
        #expect(oldest(of: [5, 1], max: 3) == nil)
        #expect(oldest(of: [1, 2, 3], max: 0) == nil)
    }

    @Test(arguments: 1...40) func isTheOneThatSortingFinds(_ max: Int) {
        // Every residue once, in an order that has nothing to do with its size.
        let ends = (0..<101).map { Int64($0 * 37 % 101) }
        #expect(oldest(of: ends, max: max) == Int64(101 - max))
    }

    @Test func equalEndsCountEach() {
        #expect(oldest(of: [7, 7, 7, 9, 1, 7], max: 3) == 7)
    }
}
