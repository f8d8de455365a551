// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// The signals of one instance that no wait has consumed, wherever they are stored.
///
/// A machine asks only for what can be consumed now, and for the data of what it does consume: how many signals wait
/// beside that costs nothing.
public protocol PendingSignals {
    /// The number of the oldest signal of each of these names; names without one are missing.
    func oldest(of names: Set<Bytes>) -> [Bytes: Int64]
    /// The number of the oldest signal of this name that is younger than `number`.
    func oldest(of name: Bytes, after number: Int64) -> Int64?
    /// The payload of a signal that one of the two has found, as JSON text.
    func data(of name: Bytes, _ number: Int64) -> Bytes
}

/// Where no signal can be.
public struct NoSignals: PendingSignals {
    public init() {}
    public func oldest(of names: Set<Bytes>) -> [Bytes: Int64] { [:] }
    public func oldest(of name: Bytes, after number: Int64) -> Int64? { nil }
    public func data(of name: Bytes, _ number: Int64) -> Bytes { [] }
}

/// Signals in memory, oldest first.
public struct SignalList: PendingSignals {
    private let signals: [PendingSignal]

    public init(_ signals: [PendingSignal]) { self.signals = signals }

    public func oldest(of names: Set<Bytes>) -> [Bytes: Int64] {
        let found = signals.filter { names.contains($0.name) }.map { ($0.name, $0.number) }
        return Dictionary(found, uniquingKeysWith: min)
    }

    public func oldest(of name: Bytes, after number: Int64) -> Int64? {
        signals.filter { $0.name == name && $0.number > number }.map(\.number).min()
    }

    public func data(of name: Bytes, _ number: Int64) -> Bytes {
        signals.first { $0.number == number }?.data ?? []
    }
}

/// The branches that wait for signals: of each name, in the order in which they will be served.
struct SignalWaits: Sendable {
    struct Wait: Hashable, Comparable, Sendable {
        var since: Timestamp
        var branch: BranchID

        static func < (a: Wait, b: Wait) -> Bool { (a.since, a.branch) < (b.since, b.branch) }
    }

    private(set) var byName: [Bytes: [Wait]] = [:]
    /// Names that somebody began to wait for since they were last taken from here.
    private var begun: Set<Bytes> = []

    var isEmpty: Bool { byName.isEmpty }

    mutating func insert(_ wait: Wait, for name: Bytes) {
        let place = place(of: wait, for: name)
        byName[name, default: []].insert(wait, at: place)
        begun.insert(name)
    }

    mutating func remove(_ wait: Wait, for name: Bytes) {
        let place = place(of: wait, for: name)
        guard let waits = byName[name], place < waits.count, waits[place] == wait else { return }
        if waits.count == 1 { byName[name] = nil } else { byName[name]?.remove(at: place) }
    }

    /// The branch that gets the next signal of this name.
    func first(for name: Bytes) -> BranchID? { byName[name]?.first?.branch }

    func contains(_ wait: Wait, for name: Bytes) -> Bool {
        byName[name]?.contains(wait) ?? false
    }

    mutating func takeBegun() -> Set<Bytes> {
        defer { begun = [] }
        return begun
    }

    /// Where the wait is, or would be.
    private func place(of wait: Wait, for name: Bytes) -> Int {
        guard let waits = byName[name] else { return 0 }
        var (low, high) = (0, waits.count)
        while low < high {
            let middle = (low + high) / 2
            if waits[middle] < wait { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// What one call of `decide` knows of the pending signals.
struct SignalDesk {
    let source: any PendingSignals
    /// The oldest of each name that was looked for and found, and is not taken yet.
    private var heads: [Bytes: Int64] = [:]
    private var looked: Set<Bytes> = []
    /// Payloads that were taken so far, in bytes.
    private(set) var taken = 0

    init(_ source: any PendingSignals) { self.source = source }

    mutating func look(for names: Set<Bytes>) {
        let unknown = names.subtracting(looked)
        guard !unknown.isEmpty else { return }
        looked.formUnion(unknown)
        for (name, number) in source.oldest(of: unknown) { heads[name] = number }
    }

    /// The oldest signal that somebody waits for.
    func next(_ waits: SignalWaits) -> (name: Bytes, number: Int64)? {
        heads.filter { waits.byName[$0.key] != nil }.min { $0.value < $1.value }.map {
            (name: $0.key, number: $0.value)
        }
    }

    func data(of signal: (name: Bytes, number: Int64)) -> Bytes {
        source.data(of: signal.name, signal.number)
    }

    mutating func take(_ signal: (name: Bytes, number: Int64), size: Int) {
        heads[signal.name] = source.oldest(of: signal.name, after: signal.number)
        taken &+= size
    }
}

extension Machine {
    /// Most bytes of payloads that one call of `decide` takes, but for the last one's.
    static let signalBytesMax = 16 << 20

    enum Received {
        case signal
        case nothing
        /// There are more than one commit should carry.
        case full
    }

    /// Hands the oldest signal that somebody waits for to the oldest wait for it.
    mutating func receiveSignal(
        _ context: DecisionContext,
        _ desk: inout SignalDesk,
        _ decided: inout Decided
    ) throws(ReplayError) -> Received {
        guard !signalWaits.isEmpty else { return .nothing }
        desk.look(for: signalWaits.takeBegun())
        guard let signal = desk.next(signalWaits), let branch = signalWaits.first(for: signal.name)
        else { return .nothing }
        guard decided.entries.count < Machine.decisionsMax, desk.taken < Machine.signalBytesMax else {
            decided.isUnfinished = true
            return .full
        }
        let data = desk.data(of: signal)
        let event = Event.signalReceived(data: data)
        if let full = overflow(adding: event, max: context.instanceSizeMax) {
            try journal(.stepFailed(full), of: branch, at: context.now, in: &decided)
        } else {
            try journal(event, of: branch, at: context.now, in: &decided)
        }
        decided.signalsConsumed.append(signal.number)
        desk.take(signal, size: data.count)
        return .signal
    }
}
