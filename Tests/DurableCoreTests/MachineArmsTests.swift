// SPDX-License-Identifier: PostgreSQL

import DurableCore
import DurableModel
import DurableTestKit
import Testing

/// JOIN and RACE.
struct MachineArmsTests {
    @Test func aJoinWaitsForAllAndCollectsInOrder() {
        var desk = Desk(.join([.sql("a"), .sql("b"), .sql("c")]))
        #expect(desk.runnable == [1, 2, 3])
        #expect(desk.last.activated.map(\.rawValue) == [1, 2, 3])
        desk.complete("3", branch: 3)
        desk.complete("1", branch: 1)
        #expect(desk.last.deactivated.map(\.rawValue) == [1])
        desk.complete("2", branch: 2)
        #expect(desk.end == "[1,2,3]")
        #expect(desk.wrong == nil)
    }

    @Test func armsSeeACopyAndLaterArmsWin() {
        let arm = { (n: String) in
            Tree.then(.named(.sql("set \(n) $x"), "x"), .named(.sql("own $x"), "own\(n)"))
        }
        var desk = Desk(
            .chain(
                .named(.sql("s"), "x"),
                .named(.sql("t"), "y"),
                .join([arm("1"), arm("2")]),
                .sql("$x $y $own1")
            )
        )
        desk.complete(row("0"))
        desk.complete(row("9"))
        #expect(desk.text(branch: 1) == "set 1 0")
        desk.complete(row("11"), branch: 1)
        #expect(desk.text(branch: 2) == "set 2 0")
        desk.complete(row("22"), branch: 2)
        #expect(desk.text(branch: 1) == "own 11")
        desk.complete(row("2"), branch: 2)
        desk.complete(row("1"), branch: 1)
        #expect(desk.text() == "22 9 1")
        #expect(desk.wrong == nil)
    }

    @Test func theFirstFailingArmInOrderCountsOnceAllHaveEnded() {
        var desk = Desk(.join([.sql("a"), .sql("b"), .sql("c")]))
        desk.fail("three", branch: 3)
        desk.fail("two", branch: 2)
        #expect(desk.end == nil)
        desk.complete("1", branch: 1)
        #expect(desk.end == "failed: JOIN branch 2 failed: two")
        #expect(desk.wrong == nil)
    }

    @Test func nestedJoinsNestTheirArraysAndPrefixes() {
        var desk = Desk(.join([.join([.sql("a"), .sql("b")]), .sql("c")]))
        #expect(desk.runnable == [2, 3, 4])
        desk.complete("1", branch: 3)
        desk.complete("2", branch: 4)
        desk.complete("3", branch: 2)
        #expect(desk.end == "[[1,2],3]")
        desk = Desk(.join([.join([.sql("a"), .sql("b")]), .sql("c")]))
        desk.complete("3", branch: 2)
        desk.fail("no", branch: 4)
        desk.complete("1", branch: 3)
        #expect(desk.end == "failed: JOIN branch 1 failed: JOIN branch 2 failed: no")
        #expect(desk.wrong == nil)
    }

    @Test func theArrayOfAJoinHasNoBlanksOutsideOfStrings() {
        var desk = Desk(.join([.sql("a"), .join([.sleep("0"), .sql("b")])]))
        desk.complete(#"{"a b" : "c \\" }"#, branch: 1)
        desk.complete(#"["\" , ", 1 ]"#, branch: 4)
        #expect(desk.end == #"[{"a b":"c \\"},[{"slept":true,"seconds":0},["\" , ",1]]]"#)
        #expect(desk.wrong == nil)
    }

    @Test func aRaceIsDecidedByTheFirstToFinishAndDropsTheOther() {
        var desk = Desk(
            .then(
                .race(.named(.sql("a"), "x"), .named(.then(.sleep("60"), .sql("b")), "y")),
                .sql("$x $y")
            )
        )
        #expect(desk.last.timersSet.map(\.branch.rawValue) == [2])
        desk.complete(row("1"), branch: 1)
        #expect(desk.text() == "1 $y")
        #expect(desk.last.timersCleared.map(\.branch.rawValue) == [2])
        #expect(desk.machine.pending(BranchID(rawValue: 2)) == .ended)
        #expect(desk.wrong == nil)
    }

    @Test func aRaceFailsWithItsFirstFinisher() {
        var desk = Desk(.race(.sql("a"), .sql("b")))
        desk.fail("slow", branch: 2)
        #expect(desk.end == "failed: RACE right branch failed: slow")
        desk = Desk(.race(.sql("a"), .sql("b")))
        desk.fail("slow", branch: 1)
        #expect(desk.end == "failed: RACE left branch failed: slow")
    }

    // Both were due while nobody looked: the earlier due time decides, not the order of the arms.
    @Test func timersThatWereMissedFireInTheirOrder() {
        var desk = Desk(.race(.sleep("60"), .sleep("1")))
        desk.at(1_000)
        #expect(desk.end == #"{"slept": true, "seconds": 1}"#)
        #expect(desk.wrong == nil)
    }

    @Test func aLoserWithArmsOfItsOwnIsDroppedWithThem() {
        var desk = Desk(
            .then(
                .race(.sql("a"), .join([.sleep("9"), .race(.sql("b"), .signal("s", timeout: 4))])),
                .sql("z")
            )
        )
        #expect(desk.runnable == [1, 5])
        desk.complete("1", branch: 1)
        #expect(desk.runnable == [0])
        #expect(desk.last.deactivated.map(\.rawValue) == [1, 5])
        #expect(desk.last.timersCleared.map(\.branch.rawValue) == [3, 6])
        #expect(desk.machine.liveBranches == [.root])
        #expect(desk.wrong == nil)
    }

    @Test func theBreakOfTheLowestArmWins() {
        var desk = Desk(
            .loop(.join([.then(.sql("a"), .break("one")), .break("two"), .sql("c")]), while: nil)
        )
        desk.complete("1", branch: 1)
        #expect(desk.end == nil)
        desk.fail("no", branch: 3)
        #expect(desk.end == #""one""#)
        desk = Desk(.loop(.join([.sql("a"), .break("two")]), while: nil))
        desk.fail("no", branch: 1)
        #expect(desk.end == "failed: JOIN branch 1 failed: no")
        desk = Desk(.loop(.race(.sleep("9"), .break("out")), while: nil))
        #expect(desk.end == #""out""#)
        #expect(desk.wrong == nil)
    }

    // A signal goes to one wait, and the loser of a race takes none.
    @Test func parallelWaitsTakeOneSignalEach() {
        var desk = Desk(.join([.signal("go", timeout: nil), .signal("go", timeout: nil)]))
        desk.send("go", "1", number: 1)
        #expect(desk.end == nil)
        desk.send("go", "2", number: 2)
        #expect(
            desk.end
                == #"[{"signal_name":"go","timed_out":false,"data":1},{"signal_name":"go","timed_out":false,"data":2}]"#
        )
        desk = Desk(.then(.sql("a"), .race(.sleep("0"), .signal("go", timeout: nil))))
        desk.signals = [PendingSignal(number: 1, name: Bytes("go".utf8), data: Bytes("1".utf8))]
        desk.complete("1")
        #expect(desk.end == #"{"slept": true, "seconds": 0}"#)
        #expect(desk.signals.count == 1)
        #expect(desk.wrong == nil)
    }

    @Test func aThousandArmsAreFine() {
        var desk = Machine(record: .test(Graph(.join((0..<1_000).map { .sql("\($0)") }))))
        #expect(throws: Never.self) {
            _ = try desk.decide(DecisionContext(now: Timestamp(rawValue: 0)))
            for branch in (1...1_000).reversed() {
                _ = try desk.completeStep(
                    BranchID(rawValue: Int32(branch)),
                    result: [0x31],
                    at: Timestamp(rawValue: 1)
                )
                _ = try desk.decide(DecisionContext(now: Timestamp(rawValue: 1)))
            }
        }
        #expect(desk.checkInvariants() == nil)
        guard case .completed(let value)? = desk.outcome else { return #expect(Bool(false)) }
        #expect(value.count == 2_001)
    }
}
