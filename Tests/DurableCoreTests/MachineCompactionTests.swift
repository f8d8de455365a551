// SPDX-License-Identifier: PostgreSQL

import DurableCore
import DurableModel
import DurableTestKit
import Testing

/// Loops that run for years: what a mark says, what goes with it, and who notices.
///
/// After each call the desk replays what is left of the journal into an equal machine.
struct MachineCompactionTests {
    private func desk(_ tree: Tree, weight: Int = 0) -> Desk {
        var desk = Desk(tree)
        desk.loopIntervalMin = 0
        desk.compactionWeight = weight
        return desk
    }

    private func marks(_ desk: Desk) -> [LoopMark] {
        desk.journal.compactMap { if case .iterated(let mark) = $0.event { mark } else { nil } }
    }

    @Test func aRootLoopsJournalStaysShort() {
        var desk = desk(.loop(.named(.sql("body"), "a"), while: .sql("more")))
        for _ in 0..<200 {
            desk.complete(row("1"))
            desk.complete(row("true"))
            #expect(desk.journal.count <= 6)
        }
        #expect(desk.machine.generation == 201)
        #expect(desk.machine.nextSequence(of: .root) == 601)
        #expect(marks(desk).allSatisfy { $0.names.isEmpty })
        desk.complete(row("1"))
        desk.complete(row("false"))
        #expect(desk.end == row("1"))
        #expect(desk.wrong == nil)
    }

    @Test func aSmallLoopWritesNoMarkPerIteration() {
        var desk = desk(.loop(.sql("body"), while: nil), weight: 2_048)
        var marked = 0
        for _ in 0..<320 {
            desk.complete("1")
            if desk.last.entries.contains(where: { $0.event != .timerFired }) { marked += 1 }
            #expect(desk.journal.count <= 70)
        }
        #expect(marked == 18)
        #expect(desk.wrong == nil)
    }

    // What led to the loop stays; of the names, only what the loop itself has stored is in its mark.
    @Test func namesAreKeptAndWhatCameBefore() {
        let body = Tree.chain(.sql("see $a $b"), .named(.sql("set"), "b"))
        var desk = desk(.chain(.named(.sql("first"), "a"), .sql("second"), .loop(body, while: .sql("more"))))
        desk.complete(row("1"))
        desk.complete(row("2"))
        for i in 0..<30 {
            desk.complete("0")
            desk.complete(row("\(i)"))
            desk.complete(row("true"))
            #expect(desk.text() == "see 1 \(i)")
        }
        #expect(desk.journal.prefix(2).map(\.sequence) == [1, 2])
        #expect(desk.journal.count <= 12)
        #expect(marks(desk).last?.names.keys.map { String(decoding: $0, as: UTF8.self) } == ["b"])
        #expect(marks(desk).last?.base == 2)
        #expect(desk.wrong == nil)
    }

    // A name that costs more than the iterations is not written out in each of them.
    @Test func aMarkMustBeWorthItsNames() {
        let big = row("\"" + String(repeating: "x", count: 10_000) + "\"")
        let loop = Tree.loop(
            .sql("body"),
            while: .if(.sql("test"), .sql("yes"), else: .named(.sql("set"), "a"))
        )
        var desk = desk(.then(.sql("first"), loop))
        desk.complete("0")
        desk.complete("0")
        desk.complete(row("false"))
        desk.complete(big)
        var marked = 0
        for _ in 0..<300 {
            desk.complete("1")
            desk.complete(row("true"))
            desk.complete("1")
            if desk.last.entries.contains(where: { $0.event != .timerFired }) { marked += 1 }
        }
        #expect((2...5).contains(marked))
        #expect(desk.wrong == nil)
    }

    @Test func armsGoWithTheirIteration() {
        var desk = desk(.loop(.join([.sql("a"), .race(.sql("b"), .sql("c"))]), while: nil))
        for i in 0..<50 as Range<Int32> {
            let first = 4 * i + 1
            desk.complete("1", branch: first)
            desk.complete("2", branch: first + 2)
            #expect(desk.journal.count <= 14)
        }
        #expect(desk.machine.liveBranches.count == 5)
        #expect(desk.wrong == nil)
    }

    // A loop in an arm takes nothing from its neighbours, and an outer loop all of an inner one.
    @Test func loopsInArmsAndInLoops() {
        let inner = Tree.loop(.sql("inner"), while: .sql("again"))
        let arm = Tree.loop(.then(.sql("outer"), inner), while: nil)
        var desk = desk(.join([.then(.sql("neighbour"), .signal("s", timeout: nil)), arm]))
        desk.complete("1", branch: 1)
        for _ in 0..<20 {
            desk.complete("1", branch: 2)
            for i in 0..<20 {
                desk.complete("1", branch: 2)
                desk.complete(row(i < 19 ? "true" : "false"), branch: 2)
            }
            #expect(desk.journal.filter { $0.branch.rawValue == 1 }.count == 1)
            #expect(desk.journal.count < 30)
        }
        #expect(desk.wrong == nil)
    }

    @Test func branchNumbersAreGivenOutAnew() {
        var desk = desk(
            .join([
                .loop(.join([.sql("a"), .sql("b")]), while: nil),
                .loop(.join([.sql("c"), .sql("d")]), while: nil),
            ])
        )
        desk.branchesMax = 12
        var highest: Int32 = 0
        for i in 0..<200 {
            // One after the other, so that each loop has arms whenever the other's are compacted.
            let arms = desk.runnable
            desk.complete("1", branch: arms[i % arms.count])
            highest = max(highest, desk.runnable.max() ?? 0)
        }
        #expect((8...40).contains(highest))
        #expect(desk.wrong == nil)
    }

    @Test func whoMissedACompactionNotices() throws {
        var desk = desk(.then(.sql("first"), .loop(.sql("body"), while: nil)))
        var stale: [Machine] = [desk.machine]
        desk.complete("0")
        for _ in 0..<10 {
            stale.append(desk.machine)
            desk.complete("1")
        }
        var refused = 0
        for var machine in stale {
            let known = machine.knownSequences[0].sequence
            let news = desk.journal.filter { $0.sequence > known }
            do throws(ReplayError) {
                try machine.fold(news: news)
                #expect(machine.difference(from: desk.machine) == nil)
            } catch {
                refused += 1
            }
        }
        // Those that stand before the loop or at its beginning can follow, and those of the kept iterations.
        #expect((5...8).contains(refused))
        #expect(desk.wrong == nil)
    }

    @Test func aNumberGivenOutAnewIsNoticed() throws {
        var desk = desk(.loop(.join([.sql("a"), .sql("b")]), while: nil))
        desk.branchesMax = 6
        var refused = 0
        for _ in 0..<20 {
            var stale = desk.machine
            let known = Dictionary(
                uniqueKeysWithValues: stale.knownSequences.map { ($0.branch, $0.sequence) }
            )
            let next = stale.nextBranch
            for branch in desk.runnable { desk.complete("1", branch: branch) }
            let news = desk.journal.byKey.filter { entry in
                known[entry.branch].map { entry.sequence > $0 } ?? (entry.branch >= next)
            }
            do throws(ReplayError) {
                try stale.fold(news: news)
                #expect(stale.difference(from: desk.machine) == nil)
            } catch {
                refused += 1
            }
        }
        #expect(refused > 3)
        #expect(desk.wrong == nil)
    }

    @Test func theLastIterationCanBeShown() {
        let body = Tree.chain(.sql("a"), .sql("b"))
        var desk = desk(.loop(body, while: .sql("more")))
        for i in 0..<30 {
            desk.complete("\(i)")
            desk.complete("\(i)")
            desk.complete(row("true"))
        }
        desk.complete("30")
        let states = desk.states()
        #expect(states?.generation == 31)
        #expect(states?[NodeIndex(rawValue: 2)]?.result == Bytes("30".utf8))
        #expect(states?[NodeIndex(rawValue: 2)]?.stamp?.levels.last?.generation == 31)
        #expect(states?[NodeIndex(rawValue: 3)]?.status == .running)
        let condition = states?[NodeIndex(rawValue: 4)]
        #expect(condition?.status == .completed)
        #expect(condition?.inferredStatus == .pending)
        #expect(condition?.stamp?.levels.last?.generation == 30)
    }

    @Test func aMarkAtTheWrongPlaceIsRefused() {
        let graph = Graph(.then(.sql("a"), .loop(.sql("b"), while: nil)))
        let next = BranchID(rawValue: 1)
        func entry(_ sequence: Int64, _ iteration: Int64, base: Int64) -> JournalEntry {
            let mark = LoopMark(iteration: iteration, base: base, keptFrom: 1, nextBranch: next, names: [:])
            return JournalEntry(
                branch: .root,
                sequence: sequence,
                node: NodeIndex(rawValue: 2),
                at: Timestamp(rawValue: 0),
                event: .iterated(mark)
            )
        }
        let first = history(.completed(1, "1"))
        for (journal, isGood) in [
            (first + [entry(5, 3, base: 1)], true), (first + [entry(5, 1, base: 1)], false),
            (first + [entry(5, 3, base: 0)], false), ([entry(5, 3, base: 1)], false),
            (first + [entry(5, 3, base: 1), entry(9, 4, base: 1)], false),
        ] {
            var machine = Machine(record: .test(graph))
            do throws(ReplayError) {
                try machine.fold(all: journal)
                #expect(isGood)
            } catch {
                #expect(!isGood)
            }
        }
    }
}
