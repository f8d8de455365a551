// SPDX-License-Identifier: PostgreSQL

import DurableCore
import DurableModel
import DurableTestKit
import Testing

/// What monitoring shows: compat.md §4.2, §4.7 and §5.4.
struct NodeStatesTests {
    private func state(_ desk: Desk, _ node: Int32) throws -> NodeState {
        try #require(desk.states()?[NodeIndex(rawValue: node)])
    }

    private func stamp(_ desk: Desk, _ node: Int32) throws -> String? {
        try state(desk, node).stamp.map { stamp in
            let text = stamp.text(instanceID: Bytes("0000abcd".utf8)) {
                Bytes("n\($0.rawValue)".utf8)
            }
            return String(decoding: text, as: UTF8.self)
        }
    }

    private func text(_ state: NodeState) -> String? {
        state.result.map { String(decoding: $0, as: UTF8.self) }
    }

    @Test func aSequenceRunsNodeByNode() throws {
        var desk = Desk(.then(.sql("a"), .sql("b")))
        #expect(try (0...2).map { try state(desk, $0).status } == [.running, .running, .pending])
        desk.second = 3
        desk.complete("1")
        #expect(try (0...2).map { try state(desk, $0).status } == [.running, .completed, .running])
        #expect(try state(desk, 1).updatedAt == Timestamp(rawValue: 3_000_000))
        #expect(try state(desk, 1).result == Bytes("1".utf8))
        desk.complete("2")
        #expect(
            try (0...2).map { try state(desk, $0).inferredStatus } == [
                .completed, .completed, .completed,
            ]
        )
    }

    @Test func nothingHasBegunInAPendingInstance() throws {
        let record = InstanceRecord.test(Graph(.then(.sql("a"), .sql("b"))))
        let states = try NodeStates(record: record, journal: [], isPending: true).states
        #expect(
            states.allSatisfy {
                $0.status == .pending && $0.inferredStatus == .pending && $0.inferredFrom == nil
            }
        )
    }

    @Test func aFailureIsShownOutwardWithItsPrefixesAndTheRestIsSkipped() throws {
        var desk = Desk(.then(.join([.sql("a"), .then(.sql("b"), .sql("c"))]), .sql("d")))
        desk.complete("1", branch: 1)
        desk.fail("no", branch: 2)
        // 0 THEN, 1 JOIN, 2 a, 3 THEN, 4 b, 5 c, 6 d
        #expect(try text(state(desk, 4)) == #""no""#)
        #expect(try state(desk, 4).failure?.sqlstate == Bytes("22012".utf8))
        #expect(try text(state(desk, 3)) == #""no""#)
        #expect(try text(state(desk, 1)) == #""JOIN branch 2 failed: no""#)
        #expect(try text(state(desk, 0)) == #""JOIN branch 2 failed: no""#)
        #expect(try state(desk, 2).inferredStatus == .completed)
        #expect(try state(desk, 5).inferredStatus == .skipped)
        #expect(try state(desk, 5).inferredFrom?.rawValue == 3)
        #expect(try state(desk, 6).inferredStatus == .skipped)
        #expect(try state(desk, 6).inferredFrom?.rawValue == 0)
    }

    @Test func theArmNotTakenAndTheLoserAreSkipped() throws {
        var desk = Desk(.if(.sql("c"), .sql("yes"), else: .sql("no")))
        desk.complete(row("true"))
        #expect(try state(desk, 2).inferredStatus == .pending)
        desk.complete("1")
        // 0 IF, 1 yes, 2 no, 3 condition
        #expect(try state(desk, 2).status == .pending)
        #expect(try state(desk, 2).inferredStatus == .skipped)
        #expect(try state(desk, 3).inferredStatus == .completed)
        desk = Desk(.race(.sql("a"), .loop(.sleep("9"), while: nil)))
        desk.complete("1", branch: 1)
        #expect(try text(state(desk, 2)) == #""Loop branch cancelled after losing RACE""#)
        #expect(try state(desk, 3).status == .running)
        #expect(try state(desk, 3).inferredStatus == .skipped)
    }

    @Test func rootLoopsCountGenerations() throws {
        var desk = Desk(.loop(.sql("body"), while: .sql("more")))
        desk.complete("1")
        desk.complete(row("true"))
        #expect(try stamp(desk, 0) == "0000abcd::1")
        desk.at(1)
        #expect(try stamp(desk, 0) == "0000abcd::2")
        #expect(try stamp(desk, 1) == "0000abcd::2")
        // The condition of the iteration before is about to run again.
        #expect(try state(desk, 2).status == .completed)
        #expect(try state(desk, 2).inferredStatus == .pending)
        #expect(try state(desk, 2).inferredFrom == .root)
        #expect(desk.states()?.generation == 2)
    }

    // Appendix B, trace 12.
    @Test func innerLoopsAndArmsAreLevelsOfTheirOwn() throws {
        var desk = Desk(.then(.sql("a"), .loop(.sql("b"), while: nil)))
        desk.complete("1")
        #expect(try stamp(desk, 0) == "0000abcd::1")
        #expect(try stamp(desk, 2) == "0000abcd::1::n2::1")
        desk.complete("1")
        desk.at(1)
        #expect(try stamp(desk, 3) == "0000abcd::1::n2::2")
        #expect(try stamp(desk, 1) == "0000abcd::1")
        desk = Desk(.join([.loop(.sql("b"), while: nil), .sql("c")]))
        desk.complete("1", branch: 1)
        desk.at(1)
        #expect(try stamp(desk, 2) == "0000abcd::1::n1::2")
        #expect(try stamp(desk, 3) == "0000abcd::1::n3::1")
    }

    // §4.2: the first iteration's text has the prefix, later ones' has not; a loop that is an arm shows the arm's.
    @Test func loopsShowTheirFailures() throws {
        var desk = Desk(.then(.sql("a"), .loop(.sql("b"), while: nil)))
        desk.complete("1")
        desk.fail("no")
        #expect(try text(state(desk, 2)) == #""Loop sub-orchestration failed: no""#)
        #expect(try text(state(desk, 0)) == #""Loop sub-orchestration failed: no""#)
        desk = Desk(.join([.loop(.sql("b"), while: nil), .sleep("0")]))
        desk.fail("no", branch: 1)
        #expect(try text(state(desk, 1)) == #""JOIN branch 1 failed: no""#)
    }

    @Test func aBreakCompletesWhatItLeaves() throws {
        var desk = Desk(
            .loop(.then(.sql("a"), .if(.sql("c"), .break("x"), else: .sql("n"))), while: nil)
        )
        desk.complete("1")
        desk.complete(row("true"))
        // 0 LOOP, 1 THEN, 2 a, 3 IF, 4 BREAK, 5 n, 6 condition
        for node in [0, 1, 3, 4] as [Int32] {
            #expect(try state(desk, node).status == .completed)
            #expect(try text(state(desk, node)) == #""x""#)
        }
        #expect(try state(desk, 5).inferredStatus == .skipped)
        desk = Desk(.then(.break("1"), .sql("x")))
        #expect(try state(desk, 0).status == .completed)
    }

    // What a step really ran: with what it could see when control last reached it.
    @Test func executedTexts() throws {
        func executed(_ desk: Desk, _ node: Int32, atMost: Int = 100) throws -> String? {
            let states = try #require(desk.states())
            let index = NodeIndex(rawValue: node)
            let found = states.executedText(of: index, record: desk.machine.record, atMost: atMost)
            return found.map { "\(String(decoding: $0.text, as: UTF8.self)) \($0.size)" }
        }
        var desk = Desk(
            .then(.named(.sql("a {v}"), "x"), .loop(.named(.sql("b $x"), "x"), while: .sql("c $x"))),
            variables: ["v": "é"]
        )
        // 0 THEN, 1 a, 2 LOOP, 3 b, 4 c
        #expect(try executed(desk, 1) == "a é 4")
        #expect(try executed(desk, 3) == nil)
        desk.complete(row("1"))
        #expect(try executed(desk, 3) == "b 1 3")
        #expect(try executed(desk, 4) == nil)
        desk.complete(row("2"))
        desk.complete(row("true"))
        desk.second = 2
        desk.decide()
        // The second iteration sees what the first one left; the condition's text is still the first one's.
        #expect(try executed(desk, 3) == "b 2 3")
        #expect(try executed(desk, 4) == "c 2 3")
        #expect(try executed(desk, 0) == nil)
        #expect(try executed(desk, 9) == nil)
        desk.complete(row("\"\(String(repeating: "é", count: 50))\""))
        #expect(try executed(desk, 4, atMost: 10) == "c 'éééé... 104")
        // A text that could not be completed has not run.
        desk = Desk(.then(.named(.sql("a"), "x"), .sql("b $x")))
        desk.complete(noRows)
        #expect(try executed(desk, 2) == nil)
    }
}
