// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
public import DurableModel
public import PostgresExtension

/// A role's variables.
///
/// Every change is a row of its own with a growing number, so that two open transactions that set the same
/// name never wait for each other; the highest number counts.
public enum Variables {
    /// The variables of `role` that have a value, in name order.
    public static func all(
        of role: UInt32,
        current: Bool
    ) throws(PostgresError) -> [(name: Bytes, value: Bytes)] {
        let stamps = try Home.stamps()
        var latest: [(name: Bytes, value: Bytes?)] = []
        try Tables.variables.open(writing: false) { table throws(PostgresError) in
            try table.scan("variables_pkey", current ? .latest : .statement, keys: [.oid(role)]) {
                row in
                guard stamps.contains(row.number(2)) else { return true }
                let name = row.bytes(3)
                if latest.last?.name == name { latest.removeLast() }
                latest.append((name, row.optionalText(5)))
                return true
            }
        }
        return latest.compactMap { variable in variable.value.map { (variable.name, $0) } }
    }

    public static func value(_ name: Bytes, of role: UInt32) throws(PostgresError) -> Bytes? {
        let stamps = try Home.stamps()
        var value: Bytes?
        try Tables.variables.open(writing: false) { table throws(PostgresError) in
            try table.scan("variables_pkey", .latest, keys: [.oid(role), .text(name)]) { row in
                if stamps.contains(row.number(2)) { value = row.optionalText(5) }
                return true
            }
        }
        return value
    }

    /// Sets (or, with nil, unsets) a variable of `role`.
    public static func set(
        _ name: Bytes,
        to value: Bytes?,
        role: UInt32,
        roleName: Bytes
    ) throws(PostgresError) {
        try Catalog.enter()
        let home = try Home.current()
        let stamps = try Home.stamps()
        try Tables.variables.open(writing: true) { table throws(PostgresError) in
            // Older rows of the name are in nobody's way: those that another transaction is at stay for the next one.
            var remain = false
            try table.scan("variables_pkey", .latest, keys: [.oid(role), .text(name)]) {
                row throws(PostgresError) in
                if stamps.contains(row.number(2)), try !row.delete(wait: false) { remain = true }
                return true
            }
            if value == nil && !remain { return }
            try table.insert([
                .oid(role), .int8(pgs_unique_number()), .int8(home), .text(name), .text(roleName),
                .optionalText(value),
            ])
        }
    }
}
