// SPDX-License-Identifier: PostgreSQL

internal import DurableCore
public import DurableModel
public import PostgresExtension

/// The pending signals of an instance, read as a machine asks for them, under the instance's lock.
///
/// A machine cannot be told of an error: after one nothing more is found, and whoever gave the machine this looks at
/// `failure` before anything is written.
final class StoredSignals: PendingSignals {
    private let instance: Column
    private(set) var failure: PostgresError?

    init(_ instance: InstanceID) { self.instance = .int8(instance.rawValue) }

    func oldest(of names: Set<Bytes>) -> [Bytes: Int64] {
        attempt { () throws(PostgresError) in
            var missing = names
            var found: [Bytes: Int64] = [:]
            // From one stored name to the next while there are few of them, then from one wanted name to the next.
            var last: Bytes?
            for _ in 0..<(names.count > 2 ? names.count : 0) {
                guard let (name, number) = try self.first(after: last) else { return found }
                if missing.remove(name) != nil { found[name] = number }
                last = name
            }
            for name in missing { found[name] = try self.oldest(name, after: nil) }
            return found
        } ?? [:]
    }

    func oldest(of name: Bytes, after number: Int64) -> Int64? {
        attempt { () throws(PostgresError) in try self.oldest(name, after: number) } ?? nil
    }

    func data(of name: Bytes, _ number: Int64) -> Bytes {
        attempt { () throws(PostgresError) in
            try Tables.signals.open(writing: false) { table throws(PostgresError) in
                try table.first("signals_pkey", .latest, keys: [self.instance, .int8(number)]) { $0.bytes(4) }
            } ?? []
        } ?? []
    }

    private func attempt<R>(_ body: () throws(PostgresError) -> R) -> R? {
        guard failure == nil else { return nil }
        do throws(PostgresError) { return try body() } catch {
            failure = error
            return nil
        }
    }

    /// The oldest signal of the first name after `name`, in the order of the index.
    private func first(after name: Bytes?) throws(PostgresError) -> (name: Bytes, number: Int64)? {
        var found: (name: Bytes, number: Int64)?
        try Tables.signals.open(writing: false) { table throws(PostgresError) in
            try table.scan(
                "signals_name",
                .latest,
                keys: [instance],
                from: name.map(Column.text),
                exclusive: true,
                columns: 4
            ) { row in
                found = (row.bytes(3), row.number(1))
                return false
            }
        }
        return found
    }

    private func oldest(_ name: Bytes, after number: Int64?) throws(PostgresError) -> Int64? {
        var found: Int64?
        try Tables.signals.open(writing: false) { table throws(PostgresError) in
            try table.scan(
                "signals_name",
                .latest,
                keys: [instance, .text(name)],
                from: number.map(Column.int8),
                exclusive: true,
                columns: 2
            ) { row in
                found = row.number(1)
                return false
            }
        }
        return found
    }
}

/// How many signals of one instance may wait to be consumed; 0 is no limit.
public struct SignalQuota: Sendable {
    public var pendingMax: Int

    public init(pendingMax: Int) { self.pendingMax = pendingMax }

    /// Signals of open transactions count, and so do those whose consumption is being committed.
    func check(_ row: InstanceRow) throws(PostgresError) {
        guard pendingMax > 0 else { return }
        let pending = try Tables.signals.open(writing: false) { table throws(PostgresError) in
            let key: [Column] = [.int8(row.id.rawValue)]
            return try table.count("signals_pkey", .uncommitted, keys: key, atMost: pendingMax)
        }
        guard pending >= pendingMax else { return }
        throw PostgresError(
            .configurationLimitExceeded,
            "instance \(shown(row.publicID)) has too many signals that no wait has consumed",
            detail: "pg_durable.max_pending_signals is \(pendingMax).",
            hint: "Send them later; df.signals() shows what is waiting."
        )
    }
}

extension Storage {
    /// Hands out the signals of the instance that no wait has consumed, oldest first, as the statement sees them.
    public static func eachSignal(
        of id: InstanceID,
        _ body: (_ name: Bytes, _ data: Bytes, _ sentAt: Timestamp) throws(PostgresError) -> Void
    ) throws(PostgresError) {
        try Tables.signals.open(writing: false) { table throws(PostgresError) in
            try table.scan("signals_pkey", .statement, keys: [.int8(id.rawValue)]) {
                row throws(PostgresError) in
                try body(row.bytes(3), row.bytes(4), row.time(2))
                return true
            }
        }
    }
}
