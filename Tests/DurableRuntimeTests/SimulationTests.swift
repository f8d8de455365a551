// SPDX-License-Identifier: PostgreSQL

import DurableCore
import DurableModel
import DurableRuntime
import DurableTestKit
import Testing

/// Executors against a world in which everything goes wrong, compared with the reference interpreter.
struct SimulationTests {
    // Random graphs, crashes at every boundary, lost and doubled hints, executors at the same work: effects happen
    // exactly once, nothing gets stuck, and every instance ends as the plain semantics say.
    @Test func randomWorldsEndAsTheReferenceSays() {
        var coverage = Coverage()
        for seed in 0..<300 as Range<UInt64> {
            if let wrong = Simulation(seed: seed).run(&coverage) {
                Issue.record("reproduce with: durable-sim --seed \(seed): \(wrong)")
                return
            }
        }
        #expect(coverage.compactions > 100 && coverage.rebuilds > 0 && coverage.reuses > 0)
        #expect(coverage.requests > 100 && coverage.waits > 0 && coverage.losses > 0)
    }

    private func world(_ tree: Tree, faults: Faults = Faults(), executors: Int = 1) -> World {
        let world = World(
            seed: 1,
            executors: executors,
            faults: faults,
            settings: ExecutorSettings()
        )
        world.start(.test(Graph(tree)))
        return world
    }

    private func outcome(_ world: World) -> Outcome? {
        world.store.instances[InstanceID(rawValue: 1)]?.outcome
    }

    // One step, one commit: nothing else is written on the way of a chain.
    @Test func aChainCostsOneCommitPerStep() {
        let world = world(.chain(.sql("value 1"), .sql("value 2"), .sql("value 3")))
        var commits = 0
        world.log = { if $0.contains("commit") { commits += 1 } }
        world.run()
        // Started with a branch or without one: the look at a whole instance is a commit without a row.
        #expect(commits == 3 || commits == 4)
        #expect(world.broken == nil)
        #expect(world.store.active.isEmpty)
    }

    // A scheduler carries out the turn that fails what waited too long, and nothing else.
    @Test func aClerkFailsAStepAndRunsNone() {
        let late = StepFailure(sqlstate: Bytes("53300".utf8), message: Bytes("too late".utf8))
        let chain = world(.then(.sql("value 1"), .sql("value 2")))
        #expect(
            chain.clerk(lateness: nil) == .yielded(Ready(instance: InstanceID(rawValue: 1), branch: .root))
        )
        #expect(outcome(chain) == nil)
        #expect(chain.clerk(lateness: late) == .ended)
        guard case .failed(let text, let failure)? = outcome(chain) else { return #expect(Bool(false)) }
        #expect(text == Bytes("too late".utf8))
        #expect(failure == late)

        // Both arms are late, one turn each, and the join has the first one's failure.
        let join = world(.join([.sql("value 1"), .sql("value 2")]))
        #expect(join.clerk(lateness: late) != .ended)
        #expect(outcome(join) == nil)
        #expect(join.clerk(lateness: nil) != .ended)
        #expect(outcome(join) == nil)
        join.run()
        guard case .failed(let text, _)? = outcome(join) else { return #expect(Bool(false)) }
        #expect(text == Bytes("JOIN branch 1 failed: too late".utf8))

        // What waits is not late: the turn only begins the wait.
        let sleep = world(.then(.sleep("5"), .sql("value 1")))
        #expect(sleep.clerk(lateness: late) == .idle)
        #expect(sleep.store.timers.count == 1)
        sleep.run()
        guard case .completed? = outcome(sleep) else { return #expect(Bool(false)) }
    }

    @Test func aFailedStepHasTheServersPrefixAndNoEffect() {
        let world = world(.then(.sql("value 1"), .sql("late 2")))
        world.run()
        guard case .failed(let text, let failure)? = outcome(world) else {
            return #expect(Bool(false))
        }
        #expect(
            text
                == Bytes(
                    "SQL execution failed: error returned from database: deferred trouble".utf8
                )
        )
        #expect(failure.sqlstate == Bytes("22012".utf8))
        #expect(world.store.effects[InstanceID(rawValue: 1)] == [Bytes("value 1".utf8): 1])
        #expect(world.broken == nil)
    }

    /// A request is sent at least once, always with the same key, whatever crashes; its answer is recorded once.
    @Test func requestsSurviveCrashes() {
        var faults = Faults()
        faults.crashes = 10
        faults.serverCrashes = 10
        let request = Tree.http(#"{"url":"http://peer/a","method":"GET"}"#)
        let graph = Tree.then(.named(request, "r"), .sql("value $r.status"))
        var repeated = 0
        for seed in 0..<60 as Range<UInt64> {
            let world = World(seed: seed, executors: 2, faults: faults, settings: ExecutorSettings())
            world.start(.test(Graph(graph)))
            for _ in 0..<200 where outcome(world) == nil { world.run() }
            #expect(world.broken == nil)
            guard case .completed? = outcome(world) else {
                #expect(Bool(false), "seed \(seed): \(String(describing: outcome(world)))")
                continue
            }
            #expect(world.store.effects[InstanceID(rawValue: 1)] == [Bytes("value 200".utf8): 1])
            #expect(world.network.sent.count == 1)
            repeated += world.network.sent.values.contains { $0 > 1 } ? 1 : 0
        }
        #expect(repeated > 0)
    }

    /// 5xx fails the step, or is asked again as often as the node says; a config that is none fails it at once.
    @Test func requestsThatFail() {
        for (query, sqlstate, sent) in [
            (#"{"url":"http://peer/fail","method":"GET"}"#, "08P01", 1),
            (#"{"url":"http://peer/fail","method":"GET","retries":2,"backoff_milliseconds":10}"#, "08P01", 3),
            ("{}", "22023", 0), (#"{"url":"http:///x","method":"GET"}"#, "42501", 0),
        ] {
            let world = world(.http(query))
            for _ in 0..<20 where outcome(world) == nil { world.run() }
            guard case .failed(_, let failure)? = outcome(world) else {
                #expect(Bool(false), "\(query)")
                continue
            }
            #expect(failure.sqlstate == Bytes(sqlstate.utf8))
            #expect(world.network.sent.values.reduce(0, +) == sent, "\(query)")
        }
    }

    // Under probation a step that takes its process down each time is found out and never runs again.
    @Test func aStepThatAlwaysCrashesIsFailedAtTheLimit() {
        var faults = Faults()
        faults.crashes = 45
        let settings = ExecutorSettings()
        var limits = 0
        for seed in 0..<40 as Range<UInt64> {
            let world = World(seed: seed, executors: 1, faults: faults, settings: settings)
            world.isInProbation = true
            world.start(.test(Graph(.sql("value 1"))))
            for _ in 0..<40 { world.run() }
            #expect(world.broken == nil)
            guard case .failed(_, let failure)? = outcome(world) else { continue }
            #expect(failure.sqlstate == Bytes("57P02".utf8))
            #expect(world.store.effects.isEmpty)
            limits += 1
        }
        #expect(limits > 0)
    }

    @Test func aJournalThatDoesNotFitEndsTheInstance() {
        let world = world(.then(.sql("value 1"), .sql("value 2")))
        world.corrupt(
            JournalEntry(
                branch: .root,
                sequence: 1,
                node: NodeIndex(rawValue: 2),
                at: Timestamp(rawValue: 0),
                event: .stepCompleted(result: Bytes("1".utf8))
            )
        )
        world.run()
        guard case .failed(let text, let failure)? = outcome(world) else {
            return #expect(Bool(false))
        }
        #expect(failure.sqlstate == Bytes("XX001".utf8))
        #expect(
            String(decoding: text, as: UTF8.self).hasPrefix(
                "journal of instance 1 is corrupt: entry 1 of branch 0"
            )
        )
        #expect(world.store.active.isEmpty)
    }

    @Test func cancelStopsAtOnceAndKeepsNothingOfTheStep() {
        let world = world(.then(.sql("value 1"), .sleep("1000")))
        world.cancel(InstanceID(rawValue: 1), reason: "enough")
        world.run()
        #expect(outcome(world) == .cancelled(reason: Bytes("enough".utf8)))
        #expect(world.store.effects.isEmpty)
        #expect(world.store.active.isEmpty && world.store.timers.isEmpty)
    }

    // A root that waits leaves no row in `active`, and is active again when it goes on.
    @Test func aSignalAsTheFirstNodeParksAndWakes() {
        let world = world(.then(.signal("go", timeout: nil), .sql("value 1")))
        world.run()
        #expect(world.store.active.isEmpty)
        world.signal(InstanceID(rawValue: 1), name: "go", data: "1")
        world.run()
        #expect(outcome(world) != nil)
        #expect(world.broken == nil)
    }
}
