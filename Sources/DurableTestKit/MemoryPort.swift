// SPDX-License-Identifier: PostgreSQL

public import DurableCore
public import DurableModel
public import DurableRuntime

/// The simulated death of a process, or of the whole server.
public struct SimulatedCrash: Error, Hashable, Sendable {
    public var isServer: Bool
}

/// An executor's port onto a simulated world.
public struct MemoryPort: ExecutorPort {
    public typealias Failure = SimulatedCrash

    let world: World
    /// A step whose transaction is open: its effect is seen by nobody yet.
    private var open: OpenStep?

    private struct OpenStep {
        var instance: InstanceID
        var node: NodeIndex
        var text: Bytes
        var failsAtCommit: StepFailure?
    }

    /// Which life of the server this process belongs to.
    private let born: Int
    /// Which executor of the world.
    let number: Int

    init(world: World, born: Int, number: Int) {
        self.world = world
        self.born = born
        self.number = number
    }

    public func now() -> Timestamp { world.tick(number) }

    public var zones: any TimeZones { NoTimeZones() }

    public var isInProbation: Bool { world.isInProbation }

    public func standardConformingStrings(in database: Bytes?) -> Bool { true }

    /// In memory two executors may well have the same branch in hand: the tables decide.
    public mutating func take(_ branch: BranchID, of instance: InstanceID) -> Bool { true }

    public mutating func isolate() {}

    public mutating func announce(_ due: Timestamp) {}

    public mutating func shouldYield() -> Bool { world.random.chance(world.faults.yields) }

    public mutating func requestState(_ place: RequestPlace) throws(SimulatedCrash) -> RequestState {
        try world.boundary(born)
        return world.network.state(of: place)
    }

    public mutating func holdRequest(
        _ request: HTTPRequest,
        isMultipart: Bool,
        _ place: RequestPlace
    ) throws(SimulatedCrash) -> RequestHold {
        try world.boundary(born)
        if let refusal = request.refusal { return .refused(refusal) }
        world.letOthersWork()
        switch world.network.hold(request, at: place, by: number) {
        case true?: return .held
        case false?: return .mustWait
        case nil:
            // The tables are swept when there is room again.
            world.missHints()
            return .mustWait
        }
    }

    public mutating func sendRequest(_ place: RequestPlace) {
        world.letOthersWork()
        world.network.send(place, by: number)
    }

    public mutating func giveBackRequest(_ place: RequestPlace) {
        if let ready = world.network.giveBack(place, by: number) { world.push([ready]) }
    }

    public mutating func dropRequests(of instance: InstanceID) { world.network.drop(instance, nil) }

    public mutating func canStore(_ text: Bytes) -> Bool { true }

    public mutating func random() -> UInt64 { world.random.next() }

    public mutating func makeReady(_ ready: [Ready]) { world.push(ready) }

    public mutating func load(_ instance: InstanceID) throws(SimulatedCrash) -> StoredInstance? {
        try world.boundary(born)
        guard let found = world.store.instances[instance], found.outcome == nil else { return nil }
        return StoredInstance(record: found.record, journal: found.entries)
    }

    public mutating func runStep(
        _ text: Substituted,
        of instance: InstanceID,
        node: NodeIndex,
        in database: Bytes?
    ) throws(SimulatedCrash) -> StepRun {
        if open != nil {
            world.broken = world.broken ?? "a step begins while another's transaction is open"
        }
        try world.boundary(born)
        if world.random.chance(world.faults.interrupts) { return .interrupted }
        // How often the node ran before is what the statement sees, also when others commit meanwhile.
        let before = world.store.executions[instance]?[node] ?? 0
        let result = StepScript.run(String(decoding: text.text, as: UTF8.self), before: before)
        try world.boundary(born)
        world.letOthersWork()
        switch result {
        case .fails(let message):
            return .failed(StepScript.failure(message))
        case .rows(let json):
            open = OpenStep(instance: instance, node: node, text: text.text, failsAtCommit: nil)
            return .completed(result: Bytes(json.utf8))
        case .failsAtCommit(let message):
            let failure = StepScript.failure(message)
            open = OpenStep(instance: instance, node: node, text: text.text, failsAtCommit: failure)
            return .completed(result: Bytes("null".utf8))
        }
    }

    public mutating func commit(
        _ instance: InstanceID,
        reading request: NewsRequest,
        _ body: (News) -> Decision
    ) throws(SimulatedCrash) -> CommitResult {
        let step = open
        open = nil
        try world.boundary(born)
        world.letOthersWork()
        var news = world.store.news(instance, request)
        var decision = body(news)
        if case .readAll = decision {
            news.entries = world.store.instances[instance]?.entries ?? []
            news.isWhole = true
            world.coverage.rebuilds += 1
            decision = body(news)
        }
        guard case .write(let checkpoint) = decision else { return .superseded }
        try world.boundary(born)
        world.checkRequests(checkpoint, of: instance)
        if let failure = step?.failsAtCommit { return .failed(failure) }
        switch world.store.write(checkpoint, of: instance) {
        case .duplicateKey:
            return .superseded
        case .broken(let reason):
            world.broken = world.broken ?? reason
            return .superseded
        case nil:
            break
        }
        if let step {
            world.store.effects[step.instance, default: [:]][step.text, default: 0] += 1
            world.store.executions[step.instance, default: [:]][step.node, default: 0] += 1
        }
        world.committed(instance, checkpoint, at: world.shown[number] ?? world.now)
        // Those who waited for the lock are at it before what is superfluous now has gone.
        let ticket = world.network.ticket
        world.letOthersWork()
        drop(checkpoint, instance, upTo: ticket)
        try world.boundary(born)
        return .committed
    }

    private func drop(_ checkpoint: Checkpoint, _ instance: InstanceID, upTo ticket: Int) {
        if checkpoint.outcome != nil { return world.network.drop(instance, nil) }
        for entry in checkpoint.entries {
            if case .attemptStarted = entry.event { continue }
            world.network.drop(instance, entry.branch, upTo: ticket)
        }
        for branch in checkpoint.deactivated { world.network.drop(instance, branch, upTo: ticket) }
    }
}
