// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
public import DurableModel
public import PostgresExtension

/// What monitoring says of an instance.
public enum InstanceState {
    /// The status, as of now (`current`) or as the statement sees it.
    ///
    /// A cancel that is committed counts at once, before the engine has written the end: only an end whose commit had
    /// begun can come before it, and is shown then.
    public static func status(
        of row: InstanceRow,
        current: Bool
    ) throws(PostgresError) -> InstanceStatus {
        if let end = try Storage.end(of: row.id, current: current) { return end.status }
        if try Storage.cancelReason(row.id, current: current) != nil { return .cancelled }
        if pgs_item_is_running(row.id.rawValue) { return .running }
        if try Storage.hasJournal(row.id, current: current) { return .running }
        return try isParked(row, current: current) ? .running : .pending
    }

    /// The status as the statement sees it; nil for an end that only a newer version of the extension knows: a list
    /// goes on without it.
    public static func statusIfReadable(of row: InstanceRow) throws(PostgresError) -> InstanceStatus? {
        do throws(PostgresError) {
            return try status(of: row, current: false)
        } catch {
            guard error.isNewerFormat else { throw error }
            return nil
        }
    }

    /// When an instance that has not ended changed last, as the statement sees it.
    ///
    /// A cancel that nobody has acted on yet is a change of its status.
    public static func changedAt(_ row: InstanceRow) throws(PostgresError) -> Timestamp {
        let recorded = try Storage.lastEntry(row.id) ?? row.createdAt
        guard let asked = try Storage.cancelledAt(row.id) else { return recorded }
        return max(asked, recorded)
    }

    /// The status as of now, `cancelled` only when nothing can come before it any more.
    ///
    /// Whoever has the instance in hand may be committing a step, and with it the end, since before the cancel.
    public static func lastingStatus(of row: InstanceRow) throws(PostgresError) -> InstanceStatus {
        let status = try status(of: row, current: true)
        guard status == .cancelled, try !Storage.hasEnded(row.id) else { return status }
        if pgs_item_is_running(row.id.rawValue) { return .running }
        // Who had it in hand is done with it, and who takes it up from now on finds the cancel.
        return try Storage.end(of: row.id, current: true)?.status ?? .cancelled
    }

    /// Whether an executor has been there and recorded nothing.
    ///
    /// It finds nothing to record when the first thing to do is to wait for a signal; the root is not active any
    /// more then. In a copy that nobody adopted nothing is active, and nobody has been there.
    private static func isParked(_ row: InstanceRow, current: Bool) throws(PostgresError) -> Bool {
        if try Storage.isActive(row, .root, current: current) { return false }
        return try Home.stamps().contains(row.home)
    }
}

extension Storage {
    /// Whether anything has been recorded for the instance.
    static func hasJournal(_ id: InstanceID, current: Bool) throws(PostgresError) -> Bool {
        let found = try Tables.journal.open(writing: false) { table throws(PostgresError) in
            // The root is first to have an entry, and its last one is never compacted away.
            try table.last(
                "journal_pkey",
                current ? .latest : .statement,
                keys: [.int8(id.rawValue), .int4(BranchID.root.rawValue)],
                columns: 1
            ) { _ in true }
        }
        return found != nil
    }

    /// Whether the branch can go on, as far as the table knows.
    static func isActive(
        _ row: InstanceRow,
        _ branch: BranchID,
        current: Bool
    ) throws(PostgresError) -> Bool {
        let found = try Tables.active.open(writing: false) { table throws(PostgresError) in
            try table.first(
                "active_pkey",
                current ? .latest : .statement,
                keys: [.oid(row.role), .int8(row.id.rawValue), .int4(branch.rawValue)]
            ) { _ in true }
        }
        return found != nil
    }

    /// Whether the current transaction itself started the instance: nobody else can see it, let alone run it.
    public static func isStartedHere(_ id: InstanceID) throws(PostgresError) -> Bool {
        let own = try Tables.instances.open(writing: false) { table throws(PostgresError) in
            try table.first("instances_pkey", .latest, keys: [.int8(id.rawValue)], columns: 1) { $0.isOwn }
        }
        return own ?? false
    }

    /// Whether the instance is there and has not ended, as of now.
    ///
    /// In this order: an instance that is removed while we look had ended.
    static func isUnended(_ id: InstanceID) throws(PostgresError) -> Bool {
        guard try !hasEnded(id) else { return false }
        return try exists(id)
    }

    /// Whether the instance is there, as of now; ended ones are removed some day.
    public static func exists(_ id: InstanceID) throws(PostgresError) -> Bool {
        let found = try Tables.instances.open(writing: false) { table throws(PostgresError) in
            try table.first("instances_pkey", .latest, keys: [.int8(id.rawValue)], columns: 1) { _ in true }
        }
        return found != nil
    }
}

extension Storage {
    /// When the oldest cancel was asked for, as the statement sees it.
    static func cancelledAt(_ id: InstanceID) throws(PostgresError) -> Timestamp? {
        try Tables.requests.open(writing: false) { table throws(PostgresError) in
            try table.first("requests_pkey", .statement, keys: [.int8(id.rawValue)]) { $0.time(2) }
        }
    }

    /// When the last entry of the instance's root branch was recorded, as the statement sees it.
    public static func lastEntry(_ id: InstanceID) throws(PostgresError) -> Timestamp? {
        var at: Timestamp?
        try Tables.journal.open(writing: false) { table throws(PostgresError) in
            let root: [Column] = [.int8(id.rawValue), .int4(BranchID.root.rawValue)]
            at = try table.last("journal_pkey", .statement, keys: root, columns: 2) { $0.time(1) }
        }
        return at
    }
}
