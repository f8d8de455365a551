// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableModel
internal import PostgresExtension

/// Rows that nothing refers to.
enum Leftovers {
    /// Instances looked at in one transaction.
    private static let lookedAt = 500

    /// Removes rows of instances that are gone: somebody wrote them while the instance was being removed.
    ///
    /// Returns where to go on, nil at the end.
    static func remove(
        _ shape: TableShape,
        _ index: StaticString,
        from: Int64
    ) throws(PostgresError) -> Int64? {
        try ServerPort.transaction { () throws(PostgresError) in
            try shape.open(writing: true) { table throws(PostgresError) in
                var next: Int64? = from
                for _ in 0..<lookedAt {
                    guard let start = next else { return nil }
                    var found: Int64?
                    try table.scan(index, .latest, keys: [], from: .int8(start), columns: 1) { row in
                        found = row.number(0)
                        return false
                    }
                    guard let id = found else { return nil }
                    // After the row was seen: what is stored with an instance is committed with it.
                    if try !Storage.exists(InstanceID(rawValue: id)) {
                        try table.delete(index, keys: [.int8(id)])
                    }
                    next = id < Int64.max ? id + 1 : nil
                }
                return next
            }
        }
    }

    /// Removes the superseded and unset variables of the first role from `role` on; returns the next one, nil at the
    /// end.
    static func removeVariables(from role: UInt32) throws(PostgresError) -> UInt32? {
        try ServerPort.transaction { () throws(PostgresError) in
            try Tables.variables.open(writing: true) { table throws(PostgresError) in
                var found: UInt32?
                try table.scan("variables_pkey", .latest, keys: [], from: .oid(role), columns: 1) { row in
                    found = row.oid(0)
                    return false
                }
                guard let found else { return nil }
                let stale = try stale(of: found, in: table)
                for row in stale.prefix(Retention.rowsMax) {
                    let key: [Column] = [.oid(found), .text(row.name), .int8(row.number)]
                    if row.isUnset, try !isAlone(Array(key.prefix(2)), in: table) { continue }
                    try table.delete("variables_pkey", keys: key)
                }
                if stale.count > Retention.rowsMax { return found }
                return found < UInt32.max ? found + 1 : nil
            }
        }
    }

    private struct Stale {
        var name: Bytes
        var number: Int64
        /// It says that the variable has no value; else a later row of the name says something.
        var isUnset: Bool
    }

    private static func stale(of role: UInt32, in table: OpenTable) throws(PostgresError) -> [Stale] {
        let stamps = try Home.stamps()
        var stale: [Stale] = []
        var last: (row: Stale, isRemovable: Bool)?
        try table.scan("variables_pkey", .latest, keys: [.oid(role)]) { row in
            guard stamps.contains(row.number(2)) else { return true }
            let name = row.bytes(3)
            if var superseded = last?.row {
                if superseded.name == name {
                    superseded.isUnset = false
                    stale.append(superseded)
                } else if last?.isRemovable == true {
                    stale.append(superseded)
                }
            }
            // Whoever might still write an older row of the name would make it count again: only once nobody can.
            last = (Stale(name: name, number: row.number(1), isUnset: true), row.isNull(5) && row.isSettled)
            return true
        }
        if let last, last.isRemovable { stale.append(last.row) }
        return stale
    }

    /// Whether the name has one row, those that nobody has committed counted.
    private static func isAlone(_ key: [Column], in table: OpenTable) throws(PostgresError) -> Bool {
        var count = 0
        try table.scan("variables_pkey", .uncommitted, keys: key, columns: 3) { _ in
            count += 1
            return count < 2
        }
        return count == 1
    }
}

/// Removes definitions that no instance uses.
///
/// A definition is retired with the first instance of it that is removed: from then on no start finds it, and
/// another instance of the same text gets a row of its own. So the instances that use it become fewer only, and once
/// everybody knows that it is retired, one look at all instances tells whether there are any.
struct GraphRemoval {
    /// Instances looked at in one transaction.
    private static let lookedAt = 5_000

    /// Retired definitions of which no instance has been found; nil before the first step.
    private var unused: Set<Int64>?
    private var from: Int64? = .min

    /// Does a little; false when it is done.
    mutating func step() throws(PostgresError) -> Bool {
        guard var unused else {
            let retired = try settledRetired()
            self.unused = retired
            return !retired.isEmpty
        }
        if let start = from {
            let (used, next) = try graphsOfInstances(from: start)
            unused.subtract(used)
            self.unused = unused
            from = next
            return !unused.isEmpty
        }
        let batch = unused.prefix(Retention.rowsMax / 2)
        try ServerPort.transaction { () throws(PostgresError) in
            for id in batch { try GraphStore.remove(id) }
        }
        self.unused = unused.subtracting(batch)
        return batch.count < unused.count
    }

    /// The retired ones that no start can use any more which does not know it yet.
    private func settledRetired() throws(PostgresError) -> Set<Int64> {
        var found: Set<Int64> = []
        try ServerPort.transaction { () throws(PostgresError) in
            try Tables.retired.open(writing: false) { table throws(PostgresError) in
                try table.scan("retired_pkey", .latest, keys: []) { row in
                    if row.isSettled { found.insert(row.number(0)) }
                    return true
                }
            }
        }
        return found
    }

    /// The definitions of a batch of instances, those that nobody has committed counted.
    private func graphsOfInstances(
        from: Int64
    ) throws(PostgresError) -> (used: Set<Int64>, next: Int64?) {
        var used: Set<Int64> = []
        var last: Int64?
        var count = 0
        try ServerPort.transaction { () throws(PostgresError) in
            try Tables.instances.open(writing: false) { table throws(PostgresError) in
                try table.scan("instances_pkey", .uncommitted, keys: [], from: .int8(from), columns: 2) {
                    row in
                    used.insert(row.number(1))
                    last = row.number(0)
                    count += 1
                    return count < GraphRemoval.lookedAt
                }
            }
        }
        guard count == GraphRemoval.lookedAt, let last, last < Int64.max else { return (used, nil) }
        return (used, last + 1)
    }
}
