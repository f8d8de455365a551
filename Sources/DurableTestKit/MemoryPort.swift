// SPDX-License-Identifier: PostgreSQL

public import DurableCore
public import DurableModel
public import DurableRuntime

/// The simulated death of a process, or of the whole server.
public struct SimulatedCrash: Error, Hashable, Sendable {
    public var isServer: Bool
}

/// The executor's port onto a simulated world.
///
/// All executors of a world share it.
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

    init(world: World, born: Int) {
        self.world = world
        self.born = born
    }

    public func now() -> Timestamp { world.now }

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
        if world.random.chance(world.faults.interrupts) { return .full }
        world.network.hold(request, at: place)
        return .held
    }

    public mutating func sendRequest(_ place: RequestPlace) {
        if world.network.send(place) {
            world.push([Ready(instance: place.instance, branch: place.branch)])
        }
    }

    public mutating func takeBackRequests(of instance: InstanceID, _ branch: BranchID?) {
        world.network.takeBack(instance, branch)
    }

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
        world.committed(instance, checkpoint)
        try world.boundary(born)
        return .committed
    }
}
