// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableModel
internal import PostgresExtension

/// Instances whose role is gone: they fail, and what the role stored goes, before a new role can get its oid.
enum Orphans {
    private static let batchMax = 1000

    static func end() throws(PostgresError) {
        for role in try rolesWithInstances() {
            var standing = PGS_STANDING_GOOD
            try ServerPort.transaction { () throws(PostgresError) in
                try check(pgs_role_standing(role, nil, true, &standing))
            }
            guard standing == PGS_STANDING_MISSING else { continue }
            var next: Int64? = Int64.min
            while let from = next { next = try endBatch(role, from: from) }
            try ServerPort.transaction { () throws(PostgresError) in
                try Tables.variables.open(writing: true) { table throws(PostgresError) in
                    try table.delete("variables_pkey", keys: [.oid(role)])
                }
            }
        }
    }

    /// Every role that has an instance; one index probe each.
    private static func rolesWithInstances() throws(PostgresError) -> [UInt32] {
        try ServerPort.transaction { () throws(PostgresError) in
            try Tables.instances.open(writing: false) { table throws(PostgresError) in
                var roles: [UInt32] = []
                var next: UInt32? = 0
                while let from = next {
                    next = nil
                    try table.scan("instances_role_id", .latest, keys: [], from: .oid(from)) {
                        row in
                        roles.append(row.oid(4))
                        next = row.oid(4) < UInt32.max ? row.oid(4) + 1 : nil
                        return false
                    }
                }
                return roles
            }
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
            for row in seen where try Storage.ended(row.id, current: true) == nil {
                try check(pgs_item_lock(row.id.rawValue))
                guard try Storage.ended(row.id, current: true) == nil else { continue }
                let text =
                    Bytes("Instance ".utf8) + row.publicID
                    + Bytes(": submitted_by role \"".utf8) + row.roleName
                    + Bytes("\" no longer exists".utf8)
                let failure = StepFailure(sqlstate: Bytes("42704".utf8), message: text)
                try CheckpointWriter.end(
                    row.id,
                    EndedRow(
                        at: Timestamp(rawValue: pgs_now()),
                        outcome: .failed(text: text, failure: failure)
                    ),
                    role: role
                )
            }
            guard seen.count == batchMax, let last = seen.last, last.id.rawValue < Int64.max else {
                return nil
            }
            return last.id.rawValue + 1
        }
    }
}
