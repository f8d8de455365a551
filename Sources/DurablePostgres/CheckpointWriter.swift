// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableCore
internal import DurableModel
internal import DurableRuntime
internal import PostgresExtension

/// Reads the news of an instance and writes a checkpoint; both under the instance's lock, in the current transaction.
enum CheckpointWriter {
    /// What happened since the machine last looked.
    static func news(
        _ instance: InstanceID,
        _ request: NewsRequest,
        _ signals: StoredSignals
    ) throws(PostgresError) -> News {
        // Gone altogether, it had ended before, and its entries with it: nothing else would refuse a late step.
        guard try Storage.isUnended(instance) else { return News(hasEnded: true) }
        var news = News(hasEnded: false, signals: signals)
        try Tables.journal.open(writing: false) { table throws(PostgresError) in
            news.entries = try Storage.news(instance, request, in: table)
        }
        if let request = try Storage.cancelRequest(instance, current: true) {
            (news.cancelReason, news.cancelIsOwn) = (request.reason, request.isOwn)
        }
        return news
    }

    static func write(
        _ checkpoint: Checkpoint,
        _ instance: InstanceID,
        role: UInt32,
        now: Timestamp
    ) throws(PostgresError) {
        let id = Column.int8(instance.rawValue)
        if !checkpoint.entries.isEmpty {
            try Tables.journal.open(writing: true) { table throws(PostgresError) in
                for (erasure, _) in checkpoint.erasures { try erase(erasure, of: id, in: table) }
                for entry in checkpoint.entriesToStore {
                    try table.insert(JournalCoding.row(entry, of: instance))
                }
            }
        }
        if let outcome = checkpoint.outcome {
            try end(instance, EndedRow(at: now, outcome: outcome), role: role)
            return
        }
        if !checkpoint.activated.isEmpty || !checkpoint.deactivated.isEmpty {
            try Tables.active.open(writing: true) { table throws(PostgresError) in
                for branch in checkpoint.deactivated {
                    try table.delete("active_pkey", keys: [.oid(role), id, .int4(branch.rawValue)])
                }
                for branch in checkpoint.activated {
                    try activate(instance, branch, role: role, in: table)
                }
            }
        }
        if !checkpoint.timersSet.isEmpty || !checkpoint.timersCleared.isEmpty {
            try writeTimers(checkpoint, instance, role: role)
        }
        if !checkpoint.signalsConsumed.isEmpty {
            try Tables.signals.open(writing: true) { table throws(PostgresError) in
                for number in checkpoint.signalsConsumed {
                    try table.delete("signals_pkey", keys: [id, .int8(number)])
                }
            }
        }
    }

    /// Deletes what a loop mark makes superfluous.
    ///
    /// The scan begins where the last erasure ended: before that are index entries of rows long gone.
    private static func erase(
        _ erasure: Erasure,
        of id: Column,
        in table: OpenTable
    ) throws(PostgresError) {
        func delete(
            keys: [Column],
            from: Column,
            while isPart: (borrowing ScannedRow) -> Bool
        ) throws(PostgresError) {
            try table.scan("journal_pkey", .latest, keys: keys, from: from) { row throws(PostgresError) in
                guard isPart(row) else { return false }
                _ = try row.delete(wait: false)
                return true
            }
        }
        guard erasure.count == 1 else {
            // Whole arms, whose numbers follow each other.
            return try delete(keys: [id], from: .int4(erasure.first.rawValue)) {
                $0.int32(2) &- erasure.first.rawValue < erasure.count
            }
        }
        try delete(keys: [id, .int4(erasure.first.rawValue)], from: .int8(erasure.from)) {
            $0.number(3) < erasure.below
        }
    }

    /// Adds the branch to `active` unless it is there already (the first turn of an instance, an adopted one).
    static func activate(
        _ instance: InstanceID,
        _ branch: BranchID,
        role: UInt32,
        in table: OpenTable
    ) throws(PostgresError) {
        let key: [Column] = [.oid(role), .int8(instance.rawValue), .int4(branch.rawValue)]
        if try table.first("active_pkey", .latest, keys: key, { _ in true }) == nil {
            try table.insert(key)
        }
    }

    private static func writeTimers(
        _ checkpoint: Checkpoint,
        _ instance: InstanceID,
        role: UInt32
    ) throws(PostgresError) {
        let id = Column.int8(instance.rawValue)
        try Tables.timers.open(writing: true) { table throws(PostgresError) in
            for timer in checkpoint.timersCleared {
                try table.delete("timers_pkey", keys: [id, .int4(timer.branch.rawValue)])
            }
            for timer in checkpoint.timersSet {
                try table.insert([id, .int4(timer.branch.rawValue), .oid(role), .time(timer.due)])
                try check(pgs_timer_at_commit(timer.due.rawValue))
            }
        }
    }

    /// Writes how the instance ended and takes away what would make anybody look at it again.
    static func end(_ instance: InstanceID, _ row: EndedRow, role: UInt32) throws(PostgresError) {
        let id = Column.int8(instance.rawValue)
        try Tables.ended.open(writing: true) { table throws(PostgresError) in
            try table.insert(row.columns(instance))
        }
        try Tables.active.open(writing: true) { table throws(PostgresError) in
            try table.delete("active_pkey", keys: [.oid(role), id])
        }
        try Tables.timers.open(writing: true) { table throws(PostgresError) in
            try table.delete("timers_pkey", keys: [id])
        }
        try Tables.counted.open(writing: true) { table throws(PostgresError) in
            try table.delete("counted_pkey", keys: [.oid(role), id])
        }
        try Tables.requests.open(writing: true) { table throws(PostgresError) in
            try table.delete("requests_pkey", keys: [id])
        }
        try Tables.signals.open(writing: true) { table throws(PostgresError) in
            try table.delete("signals_pkey", keys: [id])
        }
        try check(pgs_question_drop_at_commit(instance.rawValue, -1))
    }
}
