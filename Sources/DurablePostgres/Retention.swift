// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableModel
internal import DurableRuntime
internal import PostgresExtension

/// What is kept of what has ended.
public struct RetentionSettings: Sendable {
    /// Ended instances older than this go; 0: at the next pass.
    public var days: Int64
    /// Of the ended ones so many stay, the newest; 0 for any number.
    public var endedMax: Int
    /// From one pass to the next; 0 for no passes.
    public var intervalMicroseconds: Int64

    public init(days: Int64, endedMax: Int, intervalMicroseconds: Int64) {
        self.days = days
        self.endedMax = endedMax
        self.intervalMicroseconds = intervalMicroseconds
    }
}

/// One pass that removes instances which ended long ago, and what nothing needs any more.
///
/// It goes forward in steps, each a short transaction of its own, so that it holds no snapshot and can be given up
/// after any of them: what a step leaves behind is whole, and the next pass begins anew. An instance that has not
/// ended is never touched, whatever its age.
struct Retention {
    private enum Stage {
        /// Looks at all ends, to know from when on they are kept.
        case survey(from: Int64)
        case instances(from: Int64)
        case signals(from: Int64)
        case requests(from: Int64)
        case graphs(GraphRemoval)
        case variables(from: UInt32)
    }

    /// Ends looked at in one transaction.
    private static let surveyed = 5_000
    /// Instances removed in one transaction: each takes a lock.
    private static let instancesMax = 100
    /// Rows removed in one transaction, about.
    static let rowsMax = 5_000

    private let settings: RetentionSettings
    private let began: Int64
    private var newest: NewestEnds
    /// Whatever ended before goes.
    private var threshold: Int64
    private var stage: Stage
    private(set) var removed = 0

    init(_ settings: RetentionSettings, now: Int64) {
        self.settings = settings
        began = now
        threshold = settings.days == 0 ? now : now &- settings.days &* 86_400_000_000
        newest = NewestEnds(max: settings.endedMax)
        stage = settings.days == 0 || settings.endedMax == 0 ? .instances(from: .min) : .survey(from: .min)
    }

    /// Does a little; false when the pass is over.
    mutating func step() throws(PostgresError) -> Bool {
        switch stage {
        case .survey(let from):
            if let next = try survey(from: from) {
                stage = .survey(from: next)
            } else {
                threshold = max(threshold, newest.oldest ?? threshold)
                stage = .instances(from: .min)
            }
        case .instances(let from):
            let next = try removeInstances(from: from)
            stage = next.map { .instances(from: $0) } ?? .signals(from: .min)
        case .signals(let from):
            let next = try Leftovers.remove(Tables.signals, "signals_pkey", from: from)
            stage = next.map { .signals(from: $0) } ?? .requests(from: .min)
        case .requests(let from):
            let next = try Leftovers.remove(Tables.requests, "requests_pkey", from: from)
            stage = next.map { .requests(from: $0) } ?? .graphs(GraphRemoval())
        case .graphs(var removal):
            stage = try removal.step() ? .graphs(removal) : .variables(from: 0)
        case .variables(let from):
            guard let next = try Leftovers.removeVariables(from: from) else { return false }
            stage = .variables(from: next)
        }
        return true
    }

    private mutating func survey(from: Int64) throws(PostgresError) -> Int64? {
        var ends = newest
        var last: Int64?
        var count = 0
        try ServerPort.transaction { () throws(PostgresError) in
            try Tables.ended.open(writing: false) { table throws(PostgresError) in
                try table.scan("ended_pkey", .latest, keys: [], from: .int8(from), columns: 2) { row in
                    ends.add(row.number(1))
                    last = row.number(0)
                    count += 1
                    return count < Retention.surveyed
                }
            }
        }
        newest = ends
        return count < Retention.surveyed ? nil : next(after: last)
    }

    private func next(after id: Int64?) -> Int64? {
        guard let id, id < Int64.max else { return nil }
        return id + 1
    }

    /// Removes a batch of the instances from `from` on; returns where to go on, nil at the end.
    private mutating func removeInstances(from: Int64) throws(PostgresError) -> Int64? {
        var next: Int64?
        var gone = 0
        try ServerPort.transaction { () throws(PostgresError) in
            let (doomed, last) = try doomed(from: from)
            next = self.next(after: last)
            let stamps = try Home.stamps()
            var room = Retention.rowsMax
            for id in doomed {
                guard room > 0 else {
                    next = id
                    return
                }
                try check(pgs_interrupts_check())
                switch try remove(InstanceID(rawValue: id), stamps, &room) {
                case .gone: gone += 1
                case .spared: break
                case .begun:
                    // Half of it is left, and still looks like an instance that got as far as that.
                    next = id
                    return
                }
            }
        }
        removed += gone
        return next
    }

    /// Ends of the next batch that lie before the threshold, and the last one looked at unless that was the last.
    private func doomed(from: Int64) throws(PostgresError) -> (ids: [Int64], last: Int64?) {
        var ids: [Int64] = []
        var last: Int64?
        var count = 0
        try Tables.ended.open(writing: false) { table throws(PostgresError) in
            try table.scan("ended_pkey", .latest, keys: [], from: .int8(from), columns: 2) { row in
                if row.number(1) < threshold { ids.append(row.number(0)) }
                last = row.number(0)
                count += 1
                return ids.count < Retention.instancesMax && count < Retention.surveyed
            }
        }
        let isAtEnd = ids.count < Retention.instancesMax && count < Retention.surveyed
        return (ids, isAtEnd ? nil : last)
    }

    private enum Removal {
        case gone
        /// It is another home's, or somebody has it in hand.
        case spared
        /// There was no room for all of its journal.
        case begun
    }

    /// Removes one instance.
    private func remove(
        _ id: InstanceID,
        _ stamps: [Int64],
        _ room: inout Int
    ) throws(PostgresError) -> Removal {
        // An executor that comes to it late finds either all of it or nothing.
        try check(pgs_item_lock(id.rawValue))
        let row = try Storage.instance(id, current: true)
        if let row, !stamps.contains(row.home) { return .spared }
        // Somebody has it in hand who does not know yet that it has ended.
        if pgs_item_is_running(id.rawValue) { return .spared }
        let key = Column.int8(id.rawValue)
        let isWhole = try Tables.journal.open(writing: true) { table throws(PostgresError) in
            // From its end, so that what is left can still be read.
            try table.scan("journal_pkey", .latest, keys: [key], backward: true, columns: 1) {
                row throws(PostgresError) in
                guard room > 0 else { return false }
                room -= 1
                _ = try row.delete(wait: false)
                return true
            }
            return room > 0
        }
        guard isWhole else { return .begun }
        for (table, index) in Retention.tablesByInstance {
            try table.open(writing: true) { table throws(PostgresError) in
                try table.delete(index, keys: [key])
            }
        }
        room -= 4
        guard let row else { return .gone }
        try Tables.active.open(writing: true) { table throws(PostgresError) in
            try table.delete("active_pkey", keys: [.oid(row.role), key])
        }
        try Tables.instances.open(writing: true) { table throws(PostgresError) in
            try table.delete("instances_pkey", keys: [key])
        }
        try GraphStore.retire(row.graph)
        return .gone
    }

    private static let tablesByInstance: [(TableShape, StaticString)] = [
        (Tables.signals, "signals_pkey"), (Tables.requests, "requests_pkey"), (Tables.timers, "timers_pkey"),
        (Tables.ended, "ended_pkey"),
    ]
}
