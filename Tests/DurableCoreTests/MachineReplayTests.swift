// SPDX-License-Identifier: PostgreSQL

import DurableCore
import DurableModel
import DurableTestKit
import Testing

/// Journals that fit, journals that do not, and what folding costs.
struct MachineReplayTests {
    @Test func aStoredJournalLeadsToTheSamePlace() throws {
        var machine = Machine(
            record: .test(Graph(.then(.join([.sql("a"), .sql("b")]), .sql("c"))))
        )
        let entries = history(
            .fact(1, .forked(first: BranchID(rawValue: 1), count: 2)),
            .completed(2, "1", branch: 1, at: 3),
            .completed(3, "2", branch: 2, at: 2),
            .completed(4, "3", at: 4)
        )
        try machine.fold(all: entries.byKey)
        #expect(machine.outcome == .completed(value: Bytes("3".utf8)))
    }

    // Another arm of the race has ended at once, and the loser's number is below its parent's.
    @Test func whatALoserRecordedComesBeforeTheDecision() throws {
        let race = Tree.race(.sleep("1"), .break("out"))
        var machine = Machine(record: .test(Graph(.loop(.join([race, .sql("a")]), while: nil))))
        let entries = history(
            .fact(1, .forked(first: BranchID(rawValue: 3), count: 2)),
            .fact(2, .forked(first: BranchID(rawValue: 1), count: 2), branch: 3),
            .fact(3, .timerSet(due: Timestamp(rawValue: 1_000_000)), branch: 1),
            .fact(2, .raceDecided(winner: 1), branch: 3)
        )
        try machine.fold(all: entries.byKey)
        #expect(machine.liveBranches.map(\.rawValue).sorted() == [0, 4])
    }

    // Each of these journals is refused with its reason; none may trap.
    @Test func journalsThatCannotBeAreRefused() {
        let pair = Graph(.then(.sql("a"), .sql("b")))
        let race = Graph(.race(.sql("a"), .sql("b")))
        let one = BranchID(rawValue: 1)
        let cases: [(Graph, [JournalEntry], ReplayError.Reason)] = [
            (pair, history(.completed(2, "1")), .wrongNode),
            (pair, history(.completed(1, "1", branch: 7)), .unknownBranch),
            (pair, history(.fact(1, .timerFired)), .unexpectedEvent),
            (pair, history(.fact(1, .attemptStarted(number: 0))), .impossibleNumber),
            (pair, history(.completed(1, "1"), .completed(2, "1"), .completed(2, "1")), .afterEnd),
            (
                pair, Array(history(.completed(1, "1"), .completed(2, "1")).dropFirst()),
                .wrongSequence
            ),
            (race, history(.fact(0, .forked(first: one, count: 3))), .impossibleNumber),
            (race, history(.fact(0, .forked(first: .root, count: 2))), .impossibleNumber),
            (
                race, history(.fact(0, .forked(first: BranchID(rawValue: .max), count: 2))),
                .impossibleNumber
            ),
            (
                race,
                history(.fact(0, .forked(first: one, count: 2)), .fact(0, .raceDecided(winner: 0))),
                .unexpectedEvent
            ),
            (
                race,
                history(
                    .fact(0, .forked(first: one, count: 2)),
                    .fact(0, .raceDecided(winner: 1)),
                    .completed(1, "1", branch: 1)
                ), .impossibleNumber
            ),
        ]
        for (graph, journal, reason) in cases {
            var machine = Machine(record: .test(graph))
            do throws(ReplayError) {
                try machine.fold(all: journal)
                Issue.record("accepted a journal with \(reason)")
            } catch {
                #expect(error.reason == reason)
            }
        }
    }

    // Random journals of random nodes: refused or folded, never a trap, and the invariants hold while it folds.
    @Test func nonsenseNeverTraps() {
        var random = SplitMix64(seed: 11)
        let tree = Tree.loop(
            .join([.race(.sql("a"), .sleep("1")), .signal("s", timeout: 3), .break("x")]),
            while: .sql("c")
        )
        func mark(_ iteration: Int64, base: Int64) -> LoopMark {
            let next = BranchID(rawValue: 1_000)
            return LoopMark(iteration: iteration, base: base, keptFrom: 1, nextBranch: next, names: [:])
        }
        let events: [Event] = [
            .stepCompleted(result: Bytes("1".utf8)), .timerFired, .timerSet(due: .latest),
            .raceDecided(winner: -1),
            .raceDecided(winner: 0), .forked(first: BranchID(rawValue: 1), count: 3),
            .forked(first: .root, count: -1),
            .forked(first: BranchID(rawValue: 4), count: 2), .signalReceived(data: []),
            .attemptStarted(number: .min), .iterated(mark(2, base: 0)), .iterated(mark(.min, base: .max)),
            .iterated(mark(.max, base: 1)),
        ]
        var folded = 0
        for _ in 0..<300 {
            var machine = Machine(record: .test(Graph(tree)))
            for _ in 0..<60 {
                let branch = BranchID(rawValue: Int32(random.below(7)) - 1)
                let entry = JournalEntry(
                    branch: branch,
                    sequence: random.chance(90)
                        ? machine.nextSequence(of: branch) ?? 1 : Int64(random.below(9)) - 4,
                    node: random.chance(80)
                        ? machine.node(of: branch)
                        : NodeIndex(rawValue: Int32(random.below(10)) - 1),
                    at: Timestamp(rawValue: 0),
                    event: random.pick(events)
                )
                var next = machine
                do throws(ReplayError) {
                    try next.fold(entry)
                    machine = next
                    folded += 1
                } catch {
                    continue
                }
                if let broken = machine.checkInvariants() { Issue.record("\(broken)") }
            }
        }
        #expect(folded > 200)
    }

    // The step at the end of a long life costs what the first one cost: states must not be copied.
    @Test func foldingDoesNotSlowDown() throws {
        let count = 10_000
        var machine = Machine(record: .test(Graph.chain(of: count) { "SELECT \($0)" }))
        let clock = ContinuousClock()
        var slices: [Duration] = []
        for _ in 0..<10 {
            let start = clock.now
            for _ in 0..<(count / 10) {
                _ = try machine.completeStep(
                    .root,
                    result: Bytes("1".utf8),
                    at: Timestamp(rawValue: 0)
                )
                _ = try machine.decide(DecisionContext(now: Timestamp(rawValue: 0)))
            }
            slices.append(clock.now - start)
        }
        #expect(machine.outcome == .completed(value: Bytes("1".utf8)))
        // Generous, because other work shares the machine; a copy per step would show as a factor of hundreds.
        #expect(slices.suffix(3).min() ?? .zero < (slices.prefix(3).max() ?? .zero) * 5)
    }

    // Ten thousand levels are more than the envelope accepts; the machine does not recurse over them.
    @Test func depthDoesNotUseTheStack() throws {
        var nodes: [Node] = []
        let depth: Int32 = 10_000
        for i in 0..<depth {
            let left = NodeIndex(rawValue: i + 1)
            let right = NodeIndex(rawValue: 2 * depth - i)
            nodes.append(Node(kind: .then, left: left, right: right))
        }
        for i in 0...depth { nodes.append(Node(kind: .sql, query: Bytes("SELECT \(i)".utf8))) }
        var machine = Machine(record: .test(Graph(nodes: nodes)))
        for _ in 0...depth {
            _ = try machine.completeStep(.root, result: Bytes("1".utf8), at: Timestamp(rawValue: 0))
        }
        #expect(machine.outcome == .completed(value: Bytes("1".utf8)))
    }
}

extension Machine {
    /// The node that a branch waits at.
    fileprivate func node(of branch: BranchID) -> NodeIndex {
        switch pending(branch) {
        case .step(let node), .timer(let node, _), .signal(let node, _, _, _), .fork(let node, _),
            .arms(let node):
            node
        case .ended, nil: .root
        }
    }
}
