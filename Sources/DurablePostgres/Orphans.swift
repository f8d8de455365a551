// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableModel
internal import PostgresExtension

/// Instances whose role is gone: they fail, and what the role stored goes, before a new role can get its oid.
enum Orphans {
    /// Instances of one transaction: each takes a lock.
    private static let batchMax = 100
    // SAFETY: a server process has one thread.
    /// Roles whose instances have been ended by this process.
    nonisolated(unsafe) private static var done: Set<UInt32> = []

    static func end() throws(PostgresError) {
        for role in try rolesWithRows() where !done.contains(role) {
            var standing = PGS_STANDING_GOOD
            try ServerPort.transaction { () throws(PostgresError) in
                try check(pgs_role_standing(role, nil, true, &standing))
            }
            guard standing == PGS_STANDING_MISSING else { continue }
            var next: Int64? = Int64.min
            while let from = next { next = try endBatch(role, from: from) }
            try ServerPort.transaction { () throws(PostgresError) in
                try Tables.variables.open(writing: true) { table throws(PostgresError) in
                    let stamps = try Home.stamps()
                    try table.scan("variables_pkey", .latest, keys: [.oid(role)]) {
                        row throws(PostgresError) in
                        // Those of a copy that nobody adopted belong to a role of another cluster.
                        if stamps.contains(row.number(2)) { _ = try row.delete(wait: false) }
                        return true
                    }
                }
            }
            done.insert(role)
        }
    }

    /// Every role that has an instance or a variable; one index probe each.
    private static func rolesWithRows() throws(PostgresError) -> [UInt32] {
        try ServerPort.transaction { () throws(PostgresError) in
            let instances = try roles(Tables.instances, index: "instances_role_id", column: 4)
            let variables = try roles(Tables.variables, index: "variables_pkey", column: 0)
            return Set(instances + variables).sorted()
        }
    }

    /// The distinct roles of an index that begins with the role.
    private static func roles(
        _ shape: TableShape,
        index: StaticString,
        column: Int
    ) throws(PostgresError) -> [UInt32] {
        try shape.open(writing: false) { table throws(PostgresError) in
            var roles: [UInt32] = []
            var next: UInt32? = 0
            while let from = next {
                next = nil
                try table.scan(index, .latest, keys: [], from: .oid(from)) { row in
                    roles.append(row.oid(column))
                    next = row.oid(column) < UInt32.max ? row.oid(column) + 1 : nil
                    return false
                }
            }
            return roles
        }
    }

    /// Ends up to a batch of the role's instances from `from` on; returns where to go on, nil at the end.
    private static func endBatch(_ role: UInt32, from: Int64) throws(PostgresError) -> Int64? {
        try ServerPort.transaction { () throws(PostgresError) in
            var seen: [InstanceRow] = []
            try Tables.instances.open(writing: false) { table throws(PostgresError) in
                try table.scan("instances_role_id", .latest, keys: [.oid(role)], from: .int8(from)) {
                    row throws(PostgresError) in
                    seen.append(try InstanceRow.decode(row))
                    return seen.count < batchMax
                }
            }
            let stamps = try Home.stamps()
            for row in seen where stamps.contains(row.home) {
                guard try Storage.ended(row.id, current: true) == nil else { continue }
                try check(pgs_item_lock(row.id.rawValue))
                guard try Storage.ended(row.id, current: true) == nil else { continue }
                try fail(row)
            }
            guard seen.count == batchMax, let last = seen.last, last.id.rawValue < Int64.max else {
                return nil
            }
            return last.id.rawValue + 1
        }
    }

    /// Writes that an instance failed because its role is gone.
    static func fail(_ row: InstanceRow) throws(PostgresError) {
        let text =
            Bytes("Instance ".utf8) + row.publicID
            + Bytes(": submitted_by role no longer exists in pg_roles".utf8)
        let failure = StepFailure(
            sqlstate: SQLState.undefinedObject.text,
            message: text,
            detail: Bytes("It was \"".utf8) + row.roleName + Bytes("\".".utf8)
        )
        try CheckpointWriter.end(
            row.id,
            EndedRow(at: Timestamp(rawValue: pgs_now()), outcome: .failed(text: text, failure: failure)),
            role: row.role
        )
    }
}
