// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
public import DurableModel
public import PostgresExtension

/// Which hosts a role may ask, beside what the settings say; written by superusers.
///
/// A rule carries the stamp of the database that it was made in. In a copy that nobody has adopted a role's oid may be
/// another role's: there the name decides, and what was denied to a role that is not there is denied to everybody,
/// since it may have another name now. Adoption writes down what that comes to.
public enum RequestRules {
    public struct Rule: Sendable {
        var home: Int64
        /// 0: every role.
        public var role: UInt32
        /// When the rule was made; "public" for every role.
        public var roleName: Bytes
        public var pattern: Bytes
        public var isAllowed: Bool
        /// Made in another database, and not adopted: the name counts.
        public var isCopied = false

        init(_ row: borrowing ScannedRow) {
            home = row.number(0)
            role = row.oid(1)
            isAllowed = row.number(2) != 0
            pattern = row.bytes(3)
            roleName = row.bytes(4)
        }

        /// A copied rule as it holds here; nil when it is about a role that is not.
        func mapped() throws(PostgresError) -> Rule? {
            if role == 0 { return self }
            var mapped = self
            if let found = try RequestRules.role(named: roleName) {
                mapped.role = found
            } else if isAllowed {
                return nil
            } else {
                (mapped.role, mapped.roleName) = (0, RequestRules.everybody)
            }
            return mapped
        }
    }

    public static let everybody = Bytes("public".utf8)

    /// The rules that hold for `role`.
    public static func all(of role: UInt32) throws(PostgresError) -> [Rule] {
        let known = try Home.stamps()
        var found: [Rule] = []
        for home in try homes() {
            if known.contains(home) {
                found += try rules([.int8(home), .oid(0)]) + (try rules([.int8(home), .oid(role)]))
            } else {
                for rule in try rules([.int8(home)]) {
                    if let mapped = try rule.mapped(), [0, role].contains(mapped.role) {
                        found.append(mapped)
                    }
                }
            }
        }
        return found
    }

    /// All rules, for whoever looks after them.
    public static func every() throws(PostgresError) -> [Rule] {
        try Storage.access { () throws(PostgresError) in
            let known = try Home.stamps()
            var rules = try rules([])
            for i in rules.indices { rules[i].isCopied = !known.contains(rules[i].home) }
            return rules
        }
    }

    /// Sets the rule for a pattern, in place of one that is there; nil takes it away.
    ///
    /// False when there was no rule and none is there now: then the name may be no role's at all.
    public static func set(
        _ pattern: Bytes,
        roleName: Bytes,
        isAllowed: Bool?
    ) throws(PostgresError) -> Bool {
        try Storage.access { () throws(PostgresError) in
            try Catalog.enter()
            let role = roleName == everybody ? 0 : try role(named: roleName)
            if role == nil, isAllowed != nil { return false }
            let known = try Home.stamps()
            var isFound = role != nil
            try Tables.httpRules.open(writing: true) { table throws(PostgresError) in
                try table.scan("http_rules_pkey", .latest, keys: []) { row throws(PostgresError) in
                    let rule = Rule(row)
                    let isSame =
                        known.contains(rule.home) && role != nil
                        ? rule.role == role : rule.roleName == roleName
                    guard isSame, rule.pattern == pattern else { return true }
                    _ = try row.delete(wait: true)
                    isFound = true
                    return true
                }
                guard let isAllowed, let role else { return }
                try insert(pattern, role, roleName, isAllowed: isAllowed, home: try Home.current(), in: table)
            }
            return isFound
        }
    }

    /// Makes copied rules those of the roles that have their names here.
    static func adopt(_ isForeign: (Int64) -> Bool) throws(PostgresError) {
        let home = try Home.current()
        let foreign = try rules([]).filter { isForeign($0.home) }
        try Tables.httpRules.open(writing: true) { table throws(PostgresError) in
            for rule in foreign {
                try table.delete(
                    "http_rules_pkey",
                    keys: [.int8(rule.home), .oid(rule.role), .text(rule.pattern)]
                )
                let (name, pattern) = (shown(rule.roleName), shown(rule.pattern))
                guard let mapped = try rule.mapped() else {
                    Log.notice(
                        "rule that allows \"\(pattern)\" to role \"\(name)\" is dropped: there is no such role"
                    )
                    continue
                }
                if mapped.role != rule.role, mapped.role == 0 {
                    Log.warning(
                        "hosts \"\(pattern)\" are denied to every role now",
                        detail: "They were denied to role \"\(name)\", which does not exist here.",
                        hint:
                            "Use df.http_deny() for the role that this is now, and df.http_forget('public', …)."
                    )
                }
                let key: [Column] = [.int8(home), .oid(mapped.role), .text(rule.pattern)]
                let present = try table.first("http_rules_pkey", .latest, keys: key) { $0.number(2) != 0 }
                if present == false { continue }
                try table.delete("http_rules_pkey", keys: key)
                try insert(
                    rule.pattern,
                    mapped.role,
                    mapped.roleName,
                    isAllowed: rule.isAllowed,
                    home: home,
                    in: table
                )
            }
        }
    }

    /// Takes away what was said about a role that is gone.
    static func remove(role: UInt32) throws(PostgresError) {
        let known = try Home.stamps()
        try Tables.httpRules.open(writing: true) { table throws(PostgresError) in
            for home in known {
                try table.delete("http_rules_pkey", keys: [.int8(home), .oid(role)])
            }
        }
    }

    /// The roles that rules at home here are about.
    static func roles() throws(PostgresError) -> [UInt32] {
        let known = try Home.stamps()
        return try rules([]).filter { known.contains($0.home) && $0.role != 0 }.map(\.role)
    }

    private static func role(named name: Bytes) throws(PostgresError) -> UInt32? {
        var role: UInt32 = 0
        try check(
            name.withUnsafeBufferPointer { bytes in
                bytes.baseAddress.flatMap { pgs_role_by_name($0, bytes.count, &role) }
            }
        )
        return role == 0 ? nil : role
    }

    /// The stamps that rules carry, by one index probe each.
    private static func homes() throws(PostgresError) -> [Int64] {
        var homes: [Int64] = []
        try Tables.httpRules.open(writing: false) { table throws(PostgresError) in
            var isMore = true
            while isMore {
                isMore = false
                let last = homes.last.map { Column.int8($0) }
                try table.scan("http_rules_pkey", .latest, keys: [], from: last, exclusive: true) { row in
                    homes.append(row.number(0))
                    isMore = true
                    return false
                }
            }
        }
        return homes
    }

    private static func rules(_ keys: [Column]) throws(PostgresError) -> [Rule] {
        var rules: [Rule] = []
        try Tables.httpRules.open(writing: false) { table throws(PostgresError) in
            try table.scan("http_rules_pkey", .latest, keys: keys) { row in
                rules.append(Rule(row))
                return true
            }
        }
        return rules
    }

    private static func insert(
        _ pattern: Bytes,
        _ role: UInt32,
        _ roleName: Bytes,
        isAllowed: Bool,
        home: Int64,
        in table: OpenTable
    ) throws(PostgresError) {
        try table.insert([
            .int8(home), .oid(role), .int2(isAllowed ? 1 : 0), .text(pattern), .text(roleName),
        ])
    }
}
