// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableCore
internal import DurableModel
public import PostgresExtension

/// Takes over the work of a copied or restored database.
public enum Adoption {
    /// Declares every stored instance at home here; returns how many of them were not and have not ended.
    ///
    /// Roles are matched by name, because a dump carries oids of another cluster; without a role an instance fails.
    /// What is runnable is computed from the journals, since `active` is never dumped.
    public static func run() throws(PostgresError) -> Int64 {
        try Storage.access { () throws(PostgresError) in
            let known = Set(try Home.stamps())
            var added: Set<Int64> = []
            var adopted: Int64 = 0
            var last: Int64?
            repeat {
                let page = try nextPage(after: last)
                last = page.last?.id.rawValue
                for row in page where !known.contains(row.home) {
                    try check(pgs_interrupts_check())
                    if added.insert(row.home).inserted { try Home.add(row.home) }
                    let mapped = try mapRole(row)
                    guard try !Storage.hasEnded(row.id) else { continue }
                    adopted += 1
                    try wake(mapped)
                }
            } while last != nil
            if try Home.stamps().isEmpty { try Home.add(pgs_unique_number()) }
            try mapVariables { !known.contains($0) }
            try RequestRules.adopt { !known.contains($0) }
            try check(pgs_sweep_at_commit())
            return adopted
        }
    }

    /// Rows that are read before the first of them is written anew.
    private static let pageMax = 100

    private static func nextPage(after last: Int64?) throws(PostgresError) -> [InstanceRow] {
        var page: [InstanceRow] = []
        try Tables.instances.open(writing: false) { table throws(PostgresError) in
            let from = last.map(Column.int8)
            try table.scan("instances_pkey", .latest, keys: [], from: from, exclusive: true) { row in
                page.append(InstanceRow.decodeWhole(row))
                return page.count < pageMax
            }
        }
        return page
    }

    /// The role that has the stored name now; nil when none has.
    private static func role(named name: Bytes) throws(PostgresError) -> UInt32? {
        var role: UInt32 = 0
        try check(
            name.withUnsafeBufferPointer { name in
                name.baseAddress.flatMap { pgs_role_by_name($0, name.count, &role) }
            }
        )
        return role == 0 ? nil : role
    }

    /// Rewrites the row under the oid that its role's name has here; without such a role it is nobody's.
    private static func mapRole(_ row: InstanceRow) throws(PostgresError) -> InstanceRow? {
        let role = try role(named: row.roleName)
        if role == nil, try !Storage.hasEnded(row.id) { try Orphans.fail(row) }
        guard (role ?? 0) != row.role else { return row }
        var mapped = row
        mapped.role = role ?? 0
        try Tables.instances.open(writing: true) { table throws(PostgresError) in
            try table.delete("instances_pkey", keys: [.int8(row.id.rawValue)])
            try table.insert(mapped.columns())
        }
        try Tables.active.open(writing: true) { table throws(PostgresError) in
            try table.delete("active_pkey", keys: [.oid(row.role), .int8(row.id.rawValue)])
        }
        try Tables.counted.open(writing: true) { table throws(PostgresError) in
            let key: [Column] = [.oid(row.role), .int8(row.id.rawValue)]
            guard try table.first("counted_pkey", .latest, keys: key, { _ in true }) != nil else { return }
            try table.delete("counted_pkey", keys: key)
            if let role { try table.insert([.oid(role), .int8(row.id.rawValue)]) }
        }
        return role == nil ? nil : mapped
    }

    /// The machine of a stored instance; nil when what is stored cannot be read.
    ///
    /// The instance has failed then, unless a newer version of the extension stored it: that is left alone.
    private static func machine(of row: InstanceRow) throws(PostgresError) -> Machine? {
        let reason: Bytes
        do throws(PostgresError) {
            var machine = Machine(record: try Storage.record(row))
            let journal = try Storage.journal(row.id, for: machine.record.graph)
            do throws(ReplayError) {
                try machine.fold(all: journal)
                return machine
            } catch {
                reason = Bytes("journal is corrupt: \(error)".utf8)
            }
        } catch {
            if error.isNewerFormat {
                NewerFormat.note(error, row.id)
                return nil
            }
            guard error.isUnreadable else { throw error }
            reason = error.message
        }
        let failure = StepFailure(sqlstate: SQLState.dataCorrupted.text, message: reason)
        try CheckpointWriter.end(
            row.id,
            EndedRow(at: Timestamp(rawValue: pgs_now()), outcome: .failed(text: reason, failure: failure)),
            role: row.role
        )
        return nil
    }

    /// Makes `active` and the timers say what the journal says.
    private static func wake(_ row: InstanceRow?) throws(PostgresError) {
        guard let row, let machine = try machine(of: row) else { return }
        var branches = machine.runnableBranches
        if machine.isFresh { branches.insert(.root) }
        try Tables.active.open(writing: true) { table throws(PostgresError) in
            for branch in branches.sorted() {
                try CheckpointWriter.activate(row.id, branch, role: row.role, in: table)
            }
        }
        var timers: [(branch: Int32, due: Timestamp)] = []
        try Tables.timers.open(writing: true) { table throws(PostgresError) in
            try table.scan("timers_pkey", .latest, keys: [.int8(row.id.rawValue)]) { timer in
                if timer.oid(2) != row.role { timers.append((timer.int32(1), timer.time(3))) }
                return true
            }
            for timer in timers {
                let key: [Column] = [.int8(row.id.rawValue), .int4(timer.branch)]
                try table.delete("timers_pkey", keys: key)
                try table.insert(key + [.oid(row.role), .time(timer.due)])
            }
        }
    }

    /// Makes foreign variables those of the role that has their role's name here; without one they go.
    private static func mapVariables(_ foreign: (Int64) -> Bool) throws(PostgresError) {
        let home = try Home.current()
        var rows: [(role: UInt32, number: Int64, name: Bytes, roleName: Bytes, value: Bytes?)] = []
        try Tables.variables.open(writing: true) { table throws(PostgresError) in
            try table.scan("variables_pkey", .latest, keys: []) { row throws(PostgresError) in
                guard foreign(row.number(2)) else { return true }
                rows.append((row.oid(0), row.number(1), row.bytes(3), row.bytes(4), row.optionalText(5)))
                _ = try row.delete(wait: true)
                return true
            }
            for row in rows {
                guard let role = try role(named: row.roleName) else { continue }
                try table.insert([
                    .oid(role), .int8(row.number), .int8(home), .text(row.name), .text(row.roleName),
                    .optionalText(row.value),
                ])
            }
        }
    }
}
