// SPDX-License-Identifier: PostgreSQL

import DurableCore
public import DurableModel
public import DurableRuntime

/// What goes wrong in a simulated world, in percent of the occasions.
public struct Faults: Sendable {
    /// A process dies, at any boundary between two effects.
    public var crashes = 0
    /// Of the crashes, those that take the whole server with them.
    public var serverCrashes = 0
    /// A hint is lost.
    public var lostHints = 0
    /// A hint is delivered twice.
    public var duplicateHints = 0
    /// Another executor takes its turn in the middle of a step or just before a commit.
    public var interleavings = 0
    /// A step is interrupted for no reason.
    public var interrupts = 0
    public var yields = 0
    /// Somebody sends a signal.
    public var signals = 0
    /// The worker that carries requests dies.
    public var lostWorkers = 0
    /// Of a request that has its place, nobody comes to use it.
    public var lostPlaces = 0

    public init() {}

    public var areNone: Bool { crashes == 0 && lostHints == 0 }
}

/// How often a run came to what is rare.
public struct Coverage: Sendable {
    /// Entries were erased behind a loop mark.
    public var compactions = 0
    /// A machine had to be rebuilt because its news had a gap.
    public var rebuilds = 0
    /// A branch got a number that another had had.
    public var reuses = 0
    /// Requests left, had to wait for a place, were lost on their way.
    public var requests = 0
    public var waits = 0
    public var losses = 0

    public init() {}

    public static func += (sum: inout Coverage, other: Coverage) {
        sum.compactions += other.compactions
        sum.rebuilds += other.rebuilds
        sum.reuses += other.reuses
        sum.requests += other.requests
        sum.waits += other.waits
        sum.losses += other.losses
    }
}

/// A server in memory: tables, a virtual clock, a ready queue, executors, a scheduler, and
/// everything that can go wrong between them.
///
/// One thread; a run depends on its seed alone.
public final class World {
    public internal(set) var store = MemoryStore()
    public internal(set) var now = Timestamp(rawValue: 0)
    /// What each executor's clock showed last: the time of the commit that it is at.
    private(set) var shown: [Int: Timestamp] = [:]
    public var random: SplitMix64
    public internal(set) var network = SimulatedNetwork()
    public var faults: Faults
    public var isInProbation = false
    public var settings: ExecutorSettings
    /// What came up, so that a test can require that it does.
    public internal(set) var coverage = Coverage()
    /// The first promise that was broken.
    public internal(set) var broken: String?

    /// Executors that are free; each dies with its machines.
    private var executors: [Executor<MemoryPort>] = []
    private var queue: [Ready] = []
    private(set) var depth = 0
    private(set) var expectsQuarantine = false
    private var turns = 0
    private var executorNumber = 0
    /// A hint may be missing: the scheduler has reason to look through `active`.
    private var mayMissHints = false
    private var signalNumber: Int64 = 0
    /// Told what happens, when somebody wants to read along.
    public var log: ((String) -> Void)?

    public init(
        seed: UInt64,
        executors count: Int = 2,
        faults: Faults = Faults(),
        settings: ExecutorSettings
    ) {
        random = SplitMix64(seed: seed)
        self.faults = faults
        self.settings = settings
        for _ in 0..<count { executors.append(newExecutor()) }
    }

    /// Ends all executors: they hold the world as it holds them.
    func end() { executors = [] }

    private func newExecutor() -> Executor<MemoryPort> {
        executorNumber += 1
        let port = MemoryPort(world: self, born: generation, number: executorNumber)
        return Executor(port: port, settings: settings)
    }

    // MARK: Clients

    public func start(_ record: InstanceRecord) {
        store.start(record)
        push([Ready(instance: record.id, branch: random.chance(50) ? .root : nil)])
    }

    public func cancel(_ instance: InstanceID, reason: String) {
        store.cancel(instance, reason: Bytes(reason.utf8))
        push([Ready(instance: instance, branch: nil)])
    }

    public func signal(_ instance: InstanceID, name: String, data: String) {
        signalNumber += 1
        store.signal(instance, number: signalNumber, name: Bytes(name.utf8), data: Bytes(data.utf8))
        push([Ready(instance: instance, branch: nil)])
    }

    /// Puts an entry into the tables of its instance 1 that no executor wrote.
    public func corrupt(_ entry: JournalEntry) {
        store.instances[InstanceID(rawValue: 1)]?.journal[entry.branch, default: []].append(entry)
        expectsQuarantine = true
    }

    // MARK: Running

    /// Works until nothing is left that anybody could do now, but for `turnsMax` turns at most: an instance may
    /// loop until a signal comes.
    public func run(turnsMax: Int = 60) {
        turns = 0
        while broken == nil && turns < turnsMax {
            if !queue.isEmpty {
                let i = random.below(queue.count)
                takeTurn(queue.remove(at: i))
            } else if network.isBusy, store.timers.isEmpty || random.chance(70) {
                moveNetwork()
            } else if !wakeTimers(), !expirePlaces(), !sweep() {
                if !store.active.isEmpty {
                    broken = "active branches are left, and nobody was told"
                    for request in network.requests { log?("left: \(request.ready) \(request.standing)") }
                    for place in store.active.sorted() { log?("active: \(place)") }
                }
                return
            }
        }
    }

    /// The time, later with each look at the clock: a branch that gets the number of an ended one began at another
    /// time than that.
    func tick(_ executor: Int) -> Timestamp {
        now = now.advanced(byMicroseconds: 1)
        shown[executor] = now
        return now
    }

    /// Sets the clock forward to the timer that is due first and tells its instance; false without timers.
    private func wakeTimers() -> Bool {
        guard let due = store.timers.values.min() else { return false }
        now = max(now, due)
        for place in store.timers.filter({ $0.value <= now }).keys.sorted() {
            push([Ready(instance: place.instance, branch: nil)])
        }
        // A lost hint about a timer is repeated: the scheduler reads the table again.
        return true
    }

    /// Time passes in which nobody comes for the places that were given out; false when there are none.
    ///
    /// An executor that is behind may ask for one for a branch that has ended.
    private func expirePlaces() -> Bool {
        guard network.expire() else { return false }
        push(network.grant())
        return true
    }

    /// Looks through `active` once after something may have been lost.
    private func sweep() -> Bool {
        guard mayMissHints else { return false }
        mayMissHints = false
        let places = store.active.sorted()
        queue += places.map { Ready(instance: $0.instance, branch: $0.branch) }
        // A cancel or signal whose hint was lost is found by a look at the instance as a whole.
        let waiting = store.instances.values.filter { instance in
            instance.outcome == nil && (instance.cancelReason != nil || !instance.signals.isEmpty)
        }
        queue += waiting.map { Ready(instance: $0.record.id, branch: nil) }.sorted {
            $0.instance < $1.instance
        }
        return !queue.isEmpty
    }

    private func takeTurn(_ ready: Ready) {
        turns += 1
        guard !executors.isEmpty else {
            queue.append(ready)
            return
        }
        var executor = executors.remove(at: random.below(executors.count))
        let born = generation
        let number = executor.port.number
        log?("\(depth): turn \(ready)")
        do throws(SimulatedCrash) {
            let end = try executor.runTurn(ready)
            log?("\(depth): \(end)")
            if case .yielded(let rest) = end { push([rest]) }
            if case .quarantined(let reason) = end, !expectsQuarantine {
                broken = broken ?? "quarantined: \(String(decoding: reason, as: UTF8.self))"
            }
            // A server that crashed meanwhile took this process along.
            if born != generation { executor = newExecutor() }
            executors.append(executor)
        } catch {
            log?("\(depth): \(error)")
            mayMissHints = true
            // What a process held and had not sent goes with it.
            push(network.forgetHeld(by: number))
            if error.isServer { crashServer() }
            executors.append(newExecutor())
        }
    }

    /// A turn of a process that runs nothing of a user's, for instance 1.
    ///
    /// It fails the step it comes to, and yields without `lateness`. What it announces is queued.
    public func clerk(lateness: StepFailure?) -> TurnEnd? {
        var executor = newExecutor()
        executor.runsSteps = false
        executor.lateness = lateness
        return try? executor.runTurn(Ready(instance: InstanceID(rawValue: 1), branch: nil))
    }

    /// Counts crashes of the server.
    private var generation = 0

    private func crashServer() {
        network.forgetAll()
        generation += 1
        queue = []
        executors = executors.map { _ in newExecutor() }
        mayMissHints = true
    }

    // MARK: What the port asks

    func push(_ ready: [Ready]) {
        for item in ready {
            if random.chance(faults.lostHints) {
                mayMissHints = true
                continue
            }
            queue.append(item)
            if random.chance(faults.duplicateHints) { queue.append(item) }
        }
    }

    /// A place between two effects: the process may die here.
    func boundary(_ born: Int) throws(SimulatedCrash) {
        // A server that crashed during another executor's turn has taken this one along.
        if born != generation { throw SimulatedCrash(isServer: false) }
        if faults.crashes > 0, random.chance(faults.crashes) {
            throw SimulatedCrash(isServer: random.chance(faults.serverCrashes))
        }
    }

    /// Gives other executors a turn, with any hint, the present one's included.
    func letOthersWork() {
        letClientsSignal()
        if network.isBusy, random.chance(faults.interleavings) { moveNetwork() }
        guard depth < 3, !executors.isEmpty, broken == nil, random.chance(faults.interleavings)
        else { return }
        depth += 1
        defer { depth -= 1 }
        let places = store.active.sorted()
        if !queue.isEmpty && random.chance(60) {
            takeTurn(queue.remove(at: random.below(queue.count)))
        } else if !places.isEmpty {
            // The same work as somebody else's: nothing but the journal's key may keep them apart.
            let place = random.pick(places)
            takeTurn(
                Ready(instance: place.instance, branch: random.chance(80) ? place.branch : nil)
            )
        }
    }

    /// Lets whatever is left of requests happen, when nothing else can.
    func settleNetwork() {
        run()
        for _ in 0..<100 where broken == nil && (network.isBusy || expirePlaces()) {
            if network.isBusy { moveNetwork() }
            run()
        }
    }

    /// Somebody waits of whom nobody knows.
    func missHints() { mayMissHints = true }

    /// A request leaves, an answer comes, the worker dies or comes back, a place is given to somebody.
    private func moveNetwork() {
        if !network.hasWorker {
            network.startWorker()
        } else if random.chance(faults.lostWorkers) {
            return push(network.loseWorker())
        }
        if random.chance(faults.lostPlaces) {
            // Whoever was told still knows, or finds the branch in the table.
            _ = network.expire()
        }
        if let request = network.move({ random.below($0) }) {
            log?("\(depth): request \(request.place): \(request.standing)")
            switch request.standing {
            case .running:
                if !isRecorded(request.place) {
                    broken = broken ?? "a request leaves that is not in the journal"
                }
            default: push([request.ready])
            }
        }
        push(network.grant())
    }

    /// Signals come when they like: while a step runs, before and after anybody waits for them.
    private func letClientsSignal() {
        guard random.chance(faults.signals) else { return }
        let waiting = store.instances.keys.sorted().filter { store.instances[$0]?.outcome == nil }
        guard !waiting.isEmpty else { return }
        signal(random.pick(waiting), name: random.pick(["go", "stop"]), data: "\(1_000 + signalNumber)")
    }
}
