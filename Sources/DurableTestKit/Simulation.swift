// SPDX-License-Identifier: PostgreSQL

import DurableCore
import DurableModel
import DurableRuntime

/// One random world: a few instances of random graphs, faults, and a checker at the end.
public struct Simulation {
    public let seed: UInt64
    /// Told what happens, when somebody wants to read along.
    public var log: ((String) -> Void)?

    public init(seed: UInt64) { self.seed = seed }

    /// Runs it; the first thing that is wrong, or nil.
    ///
    /// The same seed gives the same run.
    public func run() -> String? {
        var coverage = Coverage()
        return run(&coverage)
    }

    /// The same, and adds up what came up.
    public func run(_ coverage: inout Coverage) -> String? {
        var random = SplitMix64(seed: seed)
        let world = makeWorld(&random)
        defer { world.end() }
        world.log = log
        let count = 1 + random.below(3)
        for number in 1...count {
            var graph = RandomGraph(seed: random.next(), budget: 3 + random.below(30))
            let id = Int64(number)
            let tree = graph.make()
            log?("instance \(id): \(tree)")
            world.start(.test(Graph(tree), id: id, label: "label", variables: ["x": "42"]))
        }
        let ids = (1...count).map { InstanceID(rawValue: Int64($0)) }
        if random.chance(30) {
            world.signal(random.pick(ids), name: "go", data: #"{"early":true}"#)
        }
        if random.chance(10) { world.cancel(random.pick(ids), reason: "at once") }
        // Nobody may be forgotten: whatever waits for a signal gets one, until all have ended.
        for round in 0..<1_000 where world.broken == nil {
            world.run()
            let waiting = ids.filter { world.store.instances[$0]?.outcome == nil }
            guard !waiting.isEmpty, world.broken == nil else { break }
            if random.chance(5) { world.cancel(random.pick(waiting), reason: "later") }
            let names = round % 2 == 0 ? ["go", "stop"] : ["stop", "go"]
            for id in waiting { world.signal(id, name: names[0], data: "\(round)") }
            if random.chance(80) { world.signal(waiting[0], name: names[1], data: "\(round)") }
        }
        coverage += world.coverage
        for instance in world.store.instances.values { coverage += instance.chronicle.coverage }
        coverage.requests += world.network.sent.values.reduce(0, +)
        coverage.waits += world.network.waited
        coverage.losses += world.network.lost
        if let broken = world.broken ?? Checker.check(world.store) { return broken }
        world.settleNetwork()
        return world.network.isEmpty ? nil : "requests are left of instances that have ended"
    }

    private func makeWorld(_ random: inout SplitMix64) -> World {
        var faults = Faults()
        if random.chance(70) {
            faults.crashes = random.pick([0, 1, 3, 8])
            faults.serverCrashes = 30
            faults.lostHints = random.pick([0, 0, 5, 20])
        }
        faults.duplicateHints = random.pick([0, 10, 30])
        faults.interleavings = random.pick([0, 20, 50])
        faults.interrupts = random.pick([0, 0, 5])
        faults.yields = random.pick([0, 20])
        faults.signals = random.pick([0, 0, 2, 10])
        faults.lostWorkers = random.pick([0, 0, 5, 20])
        faults.lostPlaces = random.pick([0, 0, 10])
        var settings = ExecutorSettings()
        settings.loopIntervalMin = random.pick([0, 1_000_000])
        settings.machinesMax = random.pick([0, 1, 256])
        settings.stepAttemptsMax = .max
        settings.compactionWeight = random.pick([0, 0, 300, 2_048])
        settings.branchesMax = random.pick([0, 9, 1 << 30])
        let world = World(
            seed: random.next(),
            executors: 1 + random.below(4),
            faults: faults,
            settings: settings
        )
        world.isInProbation = random.chance(20)
        world.network.placesMax = random.pick([1, 2, .max])
        world.network.waitersMax = random.pick([1, .max])
        return world
    }
}

/// What must be true of a world at rest.
enum Checker {
    static func check(_ store: MemoryStore) -> String? {
        if let place = store.active.first {
            return "instance \(place.instance.rawValue) is still active"
        }
        if let timer = store.timers.first {
            return "instance \(timer.key.instance.rawValue) still has a timer"
        }
        for (id, instance) in store.instances.sorted(by: { $0.key < $1.key }) {
            if let wrong = check(instance, store.effects[id] ?? [:]) {
                return "instance \(id.rawValue): \(wrong)"
            }
        }
        return nil
    }

    private static func check(_ instance: MemoryStore.Instance, _ effects: [Bytes: Int]) -> String? {
        guard let outcome = instance.outcome else { return "never ended" }
        var reference = ReferenceInterpreter(record: instance.record, journal: instance.chronicle.journal)
        let isCancelled = if case .cancelled = outcome { true } else { false }
        let expected = reference.run(mayBeCut: isCancelled)
        if let mismatch = reference.mismatch { return mismatch }
        var done: [String: Int] = [:]
        for (text, count) in effects { done[String(decoding: text, as: UTF8.self)] = count }
        if done != reference.effects { return "effects \(done), expected \(reference.effects)" }
        let found: ReferenceInterpreter.Result
        switch outcome {
        case .completed(let value): found = .value(String(decoding: value, as: UTF8.self))
        case .failed(let text, _): found = .failed(String(decoding: text, as: UTF8.self))
        case .cancelled: found = .cut
        }
        if case .broke = expected {
            let text =
                "df.break() was called outside of a loop. df.break() may only be used inside df.loop()."
            return found == .failed(text)
                ? nil : "ended as \(found) after a break outside of a loop"
        }
        return found == expected ? nil : "ended as \(found), expected \(expected)"
    }
}
