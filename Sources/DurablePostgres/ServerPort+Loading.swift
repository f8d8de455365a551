// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableCore
public import DurableModel
public import DurableRuntime
public import PostgresExtension

/// How instances come from the tables into memory.
///
/// In probation the load of a large journal is announced before it begins, so that an instance whose journal takes its
/// loader down is found out as a step is that does so.
extension ServerPort {
    public mutating func load(_ instance: InstanceID) throws(PostgresError) -> StoredInstance? {
        // A late cancel is meant for a step, and none is running.
        pgs_cancels_hold()
        defer { pgs_cancels_release() }
        if let failure = try announceLoad(of: instance) {
            try fail(instance, failure)
            return nil
        }
        do throws(PostgresError) {
            let stored = try read(instance)
            lastLoaded = stored.map { (instance, $0.record.publicID) }
            return stored
        } catch {
            if error.isNewerFormat {
                NewerFormat.note(error, instance)
                return nil
            }
            guard error.isUnreadable else { throw error }
            // What cannot be read cannot be run; trying again would not change it.
            try fail(instance, StepFailure(error, partlyCommitted: false))
            return nil
        }
    }

    private func read(_ instance: InstanceID) throws(PostgresError) -> StoredInstance? {
        try ServerPort.transaction { () throws(PostgresError) in
            // Under the lock: entries of two branches must not be read from before and after another's commit.
            try check(pgs_item_lock(instance.rawValue))
            guard let row = try Storage.wholeInstance(instance, current: true), row.role == role,
                try Home.stamps().contains(row.home),
                try !Storage.hasEnded(instance)
            else { return nil }
            let record = try Storage.record(row)
            return StoredInstance(
                record: record,
                journal: try Storage.journal(instance, for: record.graph),
                isAsked: try Storage.cancelReason(instance, current: true) != nil
            )
        }
    }

    // MARK: - Probation

    /// The kind of a row in `requests` that says that the instance is being loaded; others are somebody's wishes.
    private static let loadKind: Int64 = 2

    /// Announces the load if the journal is large, or was announced before.
    ///
    /// The failure when it has been announced too often and never came to an end.
    mutating func announceLoad(of instance: InstanceID) throws(PostgresError) -> StepFailure? {
        guard isInProbation, !loading.contains(instance) else { return nil }
        var count = 0
        var isAnnounced = false
        try ServerPort.transaction { () throws(PostgresError) in
            try check(pgs_item_lock(instance.rawValue))
            guard try Storage.isUnended(instance) else { return }
            try Tables.requests.open(writing: true) { table throws(PostgresError) in
                let key: [Column] = [.int8(instance.rawValue)]
                try table.scan("requests_pkey", .latest, keys: key, columns: 5) { row in
                    if row.number(4) == ServerPort.loadKind { count += 1 }
                    return true
                }
                isAnnounced = count > 0
                if !isAnnounced { isAnnounced = try Storage.isJournalLarge(instance) }
                guard isAnnounced, count < Int(Probation.attemptsMax) else { return }
                try table.insert([
                    .int8(instance.rawValue), .int8(pgs_unique_number()),
                    .time(Timestamp(rawValue: pgs_now())),
                    .oid(role), .int2(Int16(ServerPort.loadKind)), .text([]),
                ])
            }
        }
        guard count >= Int(Probation.attemptsMax) else {
            if isAnnounced { loading.insert(instance) }
            if count > 0 { try isolate() }
            return nil
        }
        return StepFailure(
            sqlstate: Bytes("57P02".utf8),
            message: Bytes("journal was loaded \(count) times and its process ended each time".utf8),
            hint: Bytes("pg_durable.max_instance_size limits how large a journal grows.".utf8)
        )
    }

    /// The instance was loaded, and what came of it is being committed.
    static func forgetLoads(of instance: InstanceID) throws(PostgresError) {
        try Tables.requests.open(writing: true) { table throws(PostgresError) in
            try table.scan("requests_pkey", .latest, keys: [.int8(instance.rawValue)], columns: 5) {
                row throws(PostgresError) in
                if row.number(4) == loadKind { _ = try row.delete(wait: false) }
                return true
            }
        }
    }
}
