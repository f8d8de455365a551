// SPDX-License-Identifier: PostgreSQL

import DurableCore
import DurableModel
import DurableTestKit
import Testing

/// Which results a machine can do without.
struct NeededValuesTests {
    private func needed(_ tree: Tree) -> [Int] {
        let graph = Graph(tree)
        let needed = NeededValues(graph)
        return graph.nodes.indices.filter {
            graph.nodes[$0].kind == .sql && needed.contains(NodeIndex(rawValue: Int32($0)))
        }
    }

    @Test func onlyTheLastItemOfASequence() {
        #expect(needed(.chain(.sql("a"), .sql("b"), .sql("c"))) == [4])
        #expect(needed(.chain(.named(.sql("a"), "a"), .sql("b"), .sql("c"))) == [2, 4])
    }

    @Test func conditionsAndArms() {
        // 1: IF, its branches 2 and 3, its condition 4
        let choice = Tree.if(.sql("c"), .sql("a"), else: .sql("b"))
        #expect(needed(.then(choice, .sql("d"))) == [4, 5])
        #expect(needed(choice) == [1, 2, 3])
        #expect(needed(.join([.sql("a"), .then(.sql("b"), .sql("c"))])) == [1, 4])
        #expect(needed(.then(.join([.sql("a"), .sql("b")]), .sql("c"))) == [4])
    }

    @Test func bodiesOfLoops() {
        #expect(needed(.loop(.sql("a"), while: nil)) == [])
        #expect(needed(.loop(.sql("a"), while: .sql("c"))) == [1, 2])
        #expect(needed(.then(.loop(.sql("a"), while: .sql("c")), .sql("d"))) == [3, 4])
    }

    @Test func aMachineRebuiltWithoutThemIsTheSame() throws {
        let tree = Tree.chain(.named(.sql("a"), "a"), .sql("b"), .sql("$a"))
        var desk = Desk(tree)
        desk.complete(row("1"))
        desk.complete(row("22222222"))
        let needed = NeededValues(desk.machine.record.graph)
        var replayed = Machine(record: desk.machine.record)
        try replayed.fold(
            all: desk.journal.map { entry in
                guard !needed.contains(entry.node), case .stepCompleted(let result) = entry.event else {
                    return entry
                }
                var short = entry
                short.event = .stepCompleted(result: Bytes("null".utf8))
                short.omitted = result.count - 4
                return short
            }
        )
        #expect(replayed.difference(from: desk.machine) == nil)
        #expect(replayed.journalSize == desk.machine.journalSize)
    }
}
