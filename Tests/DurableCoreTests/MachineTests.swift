// SPDX-License-Identifier: PostgreSQL

import DurableCore
import DurableModel
import DurableTestKit
import Testing

/// Each construct of compat.md §3 as a short story.
struct MachineTests {
    @Test func aSequencePassesNamesOnAndReturnsItsLastValue() {
        var desk = Desk(
            .chain(.named(.sql("SELECT 1"), "a"), .sql("SELECT $a"), .sql("SELECT {x}")),
            variables: ["x": "9"]
        )
        #expect(desk.text() == "SELECT 1")
        desk.complete(row("5"))
        #expect(desk.text() == "SELECT 5")
        desk.complete(row("6"))
        #expect(desk.text() == "SELECT 9")
        desk.complete(row("7"))
        #expect(desk.end == row("7"))
        #expect(desk.last.deactivated == [.root])
        #expect(desk.wrong == nil)
    }

    @Test func aFailureSkipsTheRest() {
        var desk = Desk(.then(.sql("a"), .sql("b")))
        desk.fail("no")
        #expect(desk.end == "failed: no")
        #expect(desk.wrong == nil)
    }

    // The value of the condition is tested as §3.6 says; only one arm runs.
    @Test(arguments: [(row("true"), "yes"), (row("0"), "no"), (noRows, "no"), (row("null"), "no")])
    func anIfTakesOneArm(_ value: String, _ expected: String) {
        var desk = Desk(.if(.sql("c"), .sql("yes"), else: .sql("no")))
        desk.complete(value)
        #expect(desk.text() == expected)
        desk.complete(row("1"))
        #expect(desk.end == row("1"))
        #expect(desk.wrong == nil)
    }

    @Test func ifRowsReadsANamedResultAndSaysWhatIsWrongWithIt() {
        let tree = { (name: String) in
            Tree.then(.named(.sql("a"), "a"), .ifRows(name, .sql("yes"), else: .sql("no")))
        }
        var some = Desk(tree("a"))
        some.complete(row("1"))
        #expect(some.text() == "yes")
        var none = Desk(tree("a"))
        none.complete(noRows)
        #expect(none.text() == "no")
        var unknown = Desk(tree("b"))
        unknown.complete(noRows)
        #expect(unknown.end == "failed: df.if_rows: result 'b' not found")
        var other = Desk(tree("a"))
        other.complete("[1]")
        #expect(
            other.end == "failed: df.if_rows: result 'a' is not a SQL result (missing row_count)"
        )
        let malformed = Desk(.raw(Node(kind: .if, query: Bytes("nonsense".utf8))))
        #expect(malformed.end == "failed: Invalid IF config")
        let missing = Desk(.raw(Node(kind: .if)))
        #expect(missing.end == "failed: IF node missing condition_node")
    }

    @Test func sleepIsATimerAndItsValueHasBlanks() {
        var desk = Desk(.named(.sleep("5"), "s"))
        #expect(desk.last.timersSet.map(\.due.rawValue) == [5_000_000])
        #expect(desk.last.deactivated == [.root])
        desk.at(4)
        #expect(desk.end == nil)
        desk.at(5)
        #expect(desk.end == #"{"slept": true, "seconds": 5}"#)
        #expect(desk.wrong == nil)
    }

    @Test(arguments: ["abc", "-1", "0.5", " 1 ", "", "18446744073709551616"])
    func sleepRefusesWhatIsNoNumber(_ text: String) {
        #expect(Desk(.sleep(text)).end == "failed: Invalid sleep duration: \(text)")
    }

    @Test func aSleepWithoutEndIsLegal() {
        let desk = Desk(.sleep("9223372036854775807"))
        #expect(desk.last.timersSet.map(\.due) == [.latest])
        #expect(Desk(.sleep("0")).end == #"{"slept": true, "seconds": 0}"#)
        #expect(desk.wrong == nil)
    }

    @Test func aScheduleWaitsForItsNextTick() {
        var desk = Desk(.then(.sql("a"), .schedule("*/5 * * * *")))
        desk.second = 10
        desk.complete(row("1"))
        #expect(desk.last.timersSet.map(\.due.rawValue) == [300_000_000])
        desk.at(300)
        #expect(desk.end == #"{"scheduled": true}"#)
        #expect(
            Desk(.schedule("0 0 1 1 * 1999")).end
                == "failed: No upcoming schedule found for '0 0 1 1 * 1999'"
        )
        #expect(desk.wrong == nil)
    }

    @Test func namesOnSleepsAndBreaksAreStored() {
        var desk = Desk(
            .then(.named(.sleep("0"), "s"), .loop(.named(.break("7"), "b"), while: nil))
        )
        #expect(desk.end == "7")
        desk = Desk(.chain(.named(.sleep("0"), "s"), .sql("$s.seconds")))
        #expect(desk.text() == "0")
    }

    @Test func aSignalIsTakenOnceOldestFirstByExactName() {
        var desk = Desk(.then(.signal("go", timeout: nil), .signal("go", timeout: nil)))
        #expect(desk.last.timersSet.isEmpty)
        desk.send("go ", "0", number: 1)
        #expect(desk.signals.count == 1)
        desk.send("go", #"{"n":1}"#, number: 2)
        #expect(desk.end == nil)
        desk.send("go", "2", number: 3)
        #expect(desk.end == #"{"signal_name":"go","timed_out":false,"data":2}"#)
        #expect(desk.signals.map(\.number) == [1])
        #expect(desk.wrong == nil)
    }

    @Test func aSignalWaitTimesOut() {
        var desk = Desk(.signal("go", timeout: 5))
        #expect(desk.last.timersSet.map(\.due.rawValue) == [5_000_000])
        desk.at(5)
        #expect(desk.end == #"{"signal_name":"go","timed_out":true,"data":null}"#)
        // One that is there wins, and clears the timer.
        desk = Desk(.then(.signal("go", timeout: 5), .sql("after")))
        desk.second = 9
        desk.send("go", "1", number: 1)
        #expect(desk.text() == "after")
        #expect(desk.last.timersCleared.map(\.due.rawValue) == [5_000_000])
        #expect(desk.wrong == nil)
    }

    @Test func theOldestSignalServesTheOldestWait() {
        var desk = Desk(.join([.sql("late"), .signal("go", timeout: nil), .signal("stop", timeout: nil)]))
        desk.second = 1
        desk.signals = [
            PendingSignal(number: 4, name: Bytes("stop".utf8), data: Bytes("4".utf8)),
            PendingSignal(number: 3, name: Bytes("go".utf8), data: Bytes("3".utf8)),
            PendingSignal(number: 2, name: Bytes("nobody".utf8), data: Bytes("2".utf8)),
        ]
        desk.decide()
        #expect(desk.last.signalsConsumed == [3, 4])
        #expect(desk.signals.map(\.number) == [2])
        #expect(desk.wrong == nil)
    }

    @Test func moreSignalsThanOneCommitCarries() {
        var desk = Desk(.loop(.signal("go", timeout: nil), while: nil))
        desk.loopIntervalMin = 0
        let payload = Bytes(repeating: UInt8(ascii: "1"), count: 5 << 20)
        desk.signals = (1...6).map { PendingSignal(number: $0, name: Bytes("go".utf8), data: payload) }
        desk.decide()
        #expect(desk.last.isUnfinished)
        #expect(desk.last.signalsConsumed == [1, 2, 3, 4])
        desk.decide()
        #expect(desk.last.signalsConsumed == [5, 6] && !desk.last.isUnfinished)
        #expect(desk.wrong == nil)
    }

    @Test func aJournalThatIsFull() {
        var desk = Desk(.chain(.signal("go", timeout: nil), .sql("after")))
        desk.instanceSizeMax = 1000
        desk.send("go", String(repeating: "1", count: 1000), number: 1)
        #expect(desk.end == "failed: journal of durable function exceeds the limit of 1000 bytes")
        desk = Desk(.loop(.sql("work"), while: nil))
        desk.instanceSizeMax = 1000
        desk.loopIntervalMin = 0
        desk.compactionWeight = 100_000
        for i in 0..<10 where desk.end == nil {
            desk.second = Int64(i)
            desk.complete("1")
        }
        #expect(desk.end == "failed: journal of durable function exceeds the limit of 1000 bytes")
        let failed = desk.states()?[NodeIndex.root]
        #expect(failed?.failure?.sqlstate == Bytes("54000".utf8))
        #expect(desk.wrong == nil)
    }

    @Test func aJoinOfLargeValues() {
        let tooLarge = "failed: value of JOIN exceeds the limit of 7 bytes"
        for (most, end) in [(9, "[12,345]"), (8, "[12,345]"), (7, tooLarge)] {
            var desk = Desk(Graph(.join([.sql("a"), .sql("b")])), valueSizeMax: most)
            desk.complete("12", branch: 1)
            desk.complete("345", branch: 2)
            #expect(desk.end == end)
            #expect(desk.wrong == nil)
        }
    }

    @Test func aCancelEndsEverything() {
        var desk = Desk(.join([.sleep("5"), .sql("b")]))
        desk.decide(cancel: "enough")
        #expect(desk.end == "cancelled: enough")
        #expect(desk.last.timersCleared.map(\.branch.rawValue) == [1])
        #expect(desk.last.deactivated.map(\.rawValue) == [2])
    }

    @Test(arguments: [NodeKind.then, .join, .race, .loop, .sql])
    func aNodeWithoutItsPartsFails(_ kind: NodeKind) {
        let part = kind == .sql ? "query" : "left_node"
        #expect(Desk(.raw(Node(kind: kind))).end == "failed: \(kind.rawValue) node missing \(part)")
    }

    // A graph row that points back at itself must not hang or grow.
    @Test func aGraphThatIsNoTreeFails() {
        let root = NodeIndex.root
        for kind in [NodeKind.then, .loop, .join, .race, .if] {
            let node = Node(
                kind: kind,
                left: root,
                right: root,
                condition: kind == .if ? root : nil
            )
            #expect(Desk(Graph(nodes: [node])).end?.contains("graph is corrupt") == true)
        }
        #expect(Desk(Graph(nodes: [])).end?.contains("graph is corrupt") == true)
    }
}
