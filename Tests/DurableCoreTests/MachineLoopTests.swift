// SPDX-License-Identifier: PostgreSQL

import DurableCore
import DurableModel
import DurableTestKit
import Testing

/// LOOP and BREAK.
struct MachineLoopTests {
    @Test func aLoopIsDoWhileAndReturnsTheLastBody() {
        var desk = Desk(.loop(.sql("body"), while: .sql("more")))
        desk.complete("1")
        desk.complete(row("true"))
        #expect(desk.last.timersSet.map(\.due.rawValue) == [1_000_000])
        #expect(desk.runnable == [])
        desk.at(1)
        #expect(desk.text() == "body")
        #expect(desk.machine.generation == 2)
        desk.complete("2")
        desk.complete(row("false"))
        #expect(desk.end == "2")
        #expect(desk.wrong == nil)
    }

    // The floor counts from the beginning of the iteration; work that took longer is not slowed down.
    @Test func theFloorIsADeficit() {
        var desk = Desk(.loop(.sql("body"), while: nil))
        desk.second = 7
        desk.complete("1")
        #expect(desk.text() == "body")
        #expect(desk.last.entries.map(\.event) == [.timerFired])
        desk.complete("2")
        #expect(desk.last.timersSet.map(\.due.rawValue) == [8_000_000])
        desk.loopIntervalMin = 0
        desk.at(8)
        desk.complete("3")
        #expect(desk.text() == "body")
        #expect(desk.wrong == nil)
    }

    @Test func theRootLoopForgetsNamesAndOthersKeepThem() {
        let body = Tree.then(.sql("see $a"), .named(.sql("set"), "a"))
        var root = Desk(.loop(body, while: nil))
        root.loopIntervalMin = 0
        root.complete(row("1"))
        root.complete(row("1"))
        #expect(root.text() == "see $a")
        var inner = Desk(.then(.sql("first"), .loop(body, while: nil)))
        inner.loopIntervalMin = 0
        inner.complete(row("1"))
        #expect(inner.text() == "see $a")
        inner.complete(row("1"))
        inner.complete(row("5"))
        #expect(inner.text() == "see 5")
        #expect(inner.machine.generation == 1)
        #expect(root.wrong == nil && inner.wrong == nil)
    }

    @Test(arguments: [
        ("done", #""done""#), ("1.50", "1.50"), ("", #""""#), (nil, "null"), ("true", "true"),
        ("$a", "5"), ("{x}", "9"),
    ])
    func aBreakLeavesTheLoopWithItsValue(_ text: String?, _ expected: String) {
        var desk = Desk(
            .loop(.chain(.named(.sql("s"), "a"), .break(text), .sql("never")), while: nil),
            variables: ["x": "9"]
        )
        desk.complete(row("5"))
        #expect(desk.end == expected)
        #expect(desk.wrong == nil)
    }

    @Test func aBreakInTheConditionReturnsItsOwnValue() {
        var desk = Desk(.loop(.sql("body"), while: .break("out")))
        desk.complete("1")
        #expect(desk.end == #""out""#)
    }

    @Test func aBreakOnlyLeavesTheNearestLoop() {
        var desk = Desk(
            .loop(.then(.named(.loop(.break("in"), while: nil), "r"), .sql("after $r")), while: nil)
        )
        #expect(desk.text() == "after 'in'" || desk.text() == #"after '"in"'"#)
        desk.complete("1")
        #expect(desk.end == nil)
        #expect(desk.wrong == nil)
    }

    @Test func aBreakOutsideOfLoopsFailsTheInstance() {
        let text =
            "failed: df.break() was called outside of a loop. df.break() may only be used inside df.loop()."
        #expect(Desk(.then(.break("1"), .sql("x"))).end == text)
        var desk = Desk(.join([.break("1"), .sql("x")]))
        desk.complete("1", branch: 2)
        #expect(desk.end == text)
    }

    @Test func failuresGetTheLoopsPrefixOnlyBelowTheRoot() {
        var root = Desk(.loop(.sql("a"), while: nil))
        root.fail("no")
        #expect(root.end == "failed: no")
        var inner = Desk(.then(.sql("a"), .loop(.loop(.sql("b"), while: nil), while: nil)))
        inner.complete("1")
        inner.fail("no")
        #expect(
            inner.end == "failed: Loop sub-orchestration failed: Loop sub-orchestration failed: no"
        )
        var arm = Desk(.join([.loop(.sql("b"), while: nil), .sleep("0")]))
        arm.fail("no", branch: 1)
        #expect(arm.end == "failed: JOIN branch 1 failed: no")
    }

    @Test func theIterationLimitFailsTheLoop() {
        var desk = Desk(.loop(.sql("a"), while: nil))
        desk.loopIterationsMax = 2
        desk.complete("1")
        desk.at(1)
        desk.complete("1")
        #expect(desk.end == "failed: Loop exceeded maximum iteration count of 2")
        #expect(desk.wrong == nil)
    }

    // Without a floor such a loop would never let go of the process; a bound makes it park and be woken again.
    @Test func aLoopWithoutWorkOrPauseGivesWay() {
        var machine = Machine(record: .test(Graph(.loop(.sleep("0"), while: nil))))
        let context = DecisionContext(now: Timestamp(rawValue: 0), loopIntervalMin: 0)
        #expect(throws: Never.self) {
            for _ in 0..<3 {
                let decided = try machine.decide(context)
                #expect(decided.entries.count >= Machine.decisionsMax)
                #expect(decided.entries.count < Machine.decisionsMax + 10)
                #expect(decided.isUnfinished)
            }
        }
        #expect(machine.checkInvariants() == nil)
    }

    @Test func anInnerLoopStartsAnewInEachOuterIteration() {
        var desk = Desk(.loop(.loop(.sql("in"), while: .sql("again")), while: .sql("outer")))
        desk.loopIntervalMin = 0
        desk.loopIterationsMax = 3
        for _ in 0..<2 {
            for again in [true, true, false] {
                #expect(desk.text() == "in")
                desk.complete("1")
                desk.complete(row("\(again)"))
            }
            #expect(desk.text() == "outer")
            desk.complete(row("true"))
        }
        #expect(desk.end == nil)
        #expect(desk.wrong == nil)
    }
}
