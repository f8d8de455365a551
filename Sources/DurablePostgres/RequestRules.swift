// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
public import DurableModel
public import PostgresExtension

/// Which hosts a role may ask, beside what the settings say; written by superusers.
public enum RequestRules {
    public struct Rule: Sendable {
        /// 0: every role.
        public var role: UInt32
        public var pattern: Bytes
        public var isAllowed: Bool
    }

    /// The rules for `role` and those for every role.
    public static func all(of role: UInt32) throws(PostgresError) -> [Rule] {
        try rules([.oid(0)]) + (try rules([.oid(role)]))
    }

    /// All rules, for whoever looks after them.
    public static func every() throws(PostgresError) -> [Rule] {
        try Storage.access { () throws(PostgresError) in try rules([]) }
    }

    private static func rules(_ keys: [Column]) throws(PostgresError) -> [Rule] {
        var rules: [Rule] = []
        try Tables.httpRules.open(writing: false) { table throws(PostgresError) in
            try table.scan("http_rules_pkey", .latest, keys: keys) { row in
                rules.append(
                    Rule(role: row.oid(0), pattern: row.bytes(2), isAllowed: row.number(1) != 0)
                )
                return true
            }
        }
        return rules
    }

    /// Sets the rule for a pattern, in place of one that is there; nil takes it away.
    public static func set(
        _ pattern: Bytes,
        role: UInt32,
        isAllowed: Bool?
    ) throws(PostgresError) {
        try Storage.access { () throws(PostgresError) in
            try Catalog.check()
            try Tables.httpRules.open(writing: true) { table throws(PostgresError) in
                try table.delete("http_rules_pkey", keys: [.oid(role), .text(pattern)])
                if let isAllowed {
                    try table.insert([.oid(role), .int2(isAllowed ? 1 : 0), .text(pattern)])
                }
            }
        }
    }
}
