// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableCore
public import DurableModel
internal import DurableRuntime
public import PostgresExtension

/// Reads of the engine's tables, shared by executors and SQL functions.
///
/// All run in the current transaction, under whatever role it has: who may see what is the caller's business.
public enum Storage {
    /// Brackets engine work: a snapshot for toasted values is active inside.
    public static func access<R>(_ body: () throws(PostgresError) -> R) throws(PostgresError) -> R {
        try check(pgs_rows_begin())
        let result = try body()
        try check(pgs_rows_end())
        return result
    }

    /// The instance with the id that users see.
    ///
    /// With `current`, what is committed by now counts instead of what the statement sees.
    public static func instance(
        publicID: Bytes,
        current: Bool = false
    ) throws(PostgresError) -> InstanceRow? {
        try Tables.instances.open(writing: false) { table throws(PostgresError) in
            try table.first(
                "instances_public_id",
                current ? .latest : .statement,
                keys: [.text(publicID)],
                columns: InstanceRow.briefColumns,
                InstanceRow.decode
            )
        }
    }

    public static func instance(
        _ id: InstanceID,
        current: Bool
    ) throws(PostgresError) -> InstanceRow? {
        try Tables.instances.open(writing: false) { table throws(PostgresError) in
            try table.first(
                "instances_pkey",
                current ? .latest : .statement,
                keys: [.int8(id.rawValue)],
                columns: InstanceRow.briefColumns,
                InstanceRow.decode
            )
        }
    }

    /// The same with its details.
    static func wholeInstance(_ id: InstanceID, current: Bool) throws(PostgresError) -> InstanceRow? {
        try Tables.instances.open(writing: false) { table throws(PostgresError) in
            try table.first(
                "instances_pkey",
                current ? .latest : .statement,
                keys: [.int8(id.rawValue)],
                InstanceRow.decodeWhole
            )
        }
    }

    /// Whether the instance has ended, as of now, in whatever way: also one that only a newer version knows.
    public static func hasEnded(_ id: InstanceID) throws(PostgresError) -> Bool {
        let found = try Tables.ended.open(writing: false) { table throws(PostgresError) in
            try table.first("ended_pkey", .latest, keys: [.int8(id.rawValue)], columns: 1) { _ in true }
        }
        return found ?? false
    }

    /// When and how the instance ended; nil when it has not.
    public static func end(of id: InstanceID, current: Bool) throws(PostgresError) -> InstanceEnd? {
        try Tables.ended.open(writing: false) { table throws(PostgresError) in
            try table.first(
                "ended_pkey",
                current ? .latest : .statement,
                keys: [.int8(id.rawValue)],
                columns: InstanceEnd.columns,
                InstanceEnd.decode
            )
        }
    }

    /// The same with its value or its failure, which may be large.
    public static func ended(_ id: InstanceID, current: Bool) throws(PostgresError) -> EndedRow? {
        try Tables.ended.open(writing: false) { table throws(PostgresError) in
            try table.first(
                "ended_pkey",
                current ? .latest : .statement,
                keys: [.int8(id.rawValue)],
                EndedRow.decode
            )
        }
    }

    /// The whole journal, ordered by (branch, sequence).
    public static func journal(
        _ id: InstanceID,
        current: Bool
    ) throws(PostgresError) -> [JournalEntry] {
        var entries: [JournalEntry] = []
        try Tables.journal.open(writing: false) { table throws(PostgresError) in
            try table.scan(
                "journal_pkey",
                current ? .latest : .statement,
                keys: [.int8(id.rawValue)]
            ) {
                row throws(PostgresError) in
                entries.append(try JournalCoding.entry(row))
                return true
            }
        }
        return entries
    }

    /// The whole journal for a machine of this graph: results that nobody looks at are left out.
    static func journal(
        _ id: InstanceID,
        for graph: Graph,
        current: Bool = true
    ) throws(PostgresError) -> [JournalEntry] {
        let needed = NeededValues(graph)
        var entries: [JournalEntry] = []
        try Tables.journal.open(writing: false) { table throws(PostgresError) in
            let visibility: Visibility = current ? .latest : .statement
            try table.scan("journal_pkey", visibility, keys: [.int8(id.rawValue)], columns: 7) {
                row throws(PostgresError) in
                let node = NodeIndex(rawValue: row.int32(4))
                let omitted = needed.contains(node) ? 0 : try JournalCoding.sizeOfResult(row)
                if omitted > 0 {
                    entries.append(JournalCoding.entry(row, omitted: omitted))
                } else {
                    entries.append(try row.whole(JournalCoding.entry))
                }
                return true
            }
        }
        return entries
    }

    /// Whether loading the journal takes memory that is worth a thought; found without reading it.
    static func isJournalLarge(_ id: InstanceID) throws(PostgresError) -> Bool {
        let most = 8 << 20
        var size = 0
        try Tables.journal.open(writing: false) { table throws(PostgresError) in
            try table.scan("journal_pkey", .latest, keys: [.int8(id.rawValue)], columns: 1) {
                row throws(PostgresError) in
                size += try 64 + row.size(7)
                return size < most
            }
        }
        return size >= most
    }

    /// Entries that a machine does not know, ordered by (branch, sequence); under the instance's lock.
    static func news(
        _ id: InstanceID,
        _ request: NewsRequest,
        in table: OpenTable
    ) throws(PostgresError) -> [JournalEntry] {
        let key = Column.int8(id.rawValue)
        if request.firstUnknown.rawValue == 1, request.known.count == 1,
            let known = request.known.first
        {
            // It never forked: one look at the last entry tells.
            var entries: [JournalEntry] = []
            try table.scan("journal_pkey", .latest, keys: [key], backward: true, columns: 4) {
                row throws(PostgresError) in
                guard row.int32(2) > known.branch.rawValue || row.number(3) > known.sequence else {
                    return false
                }
                entries.append(try row.whole(JournalCoding.entry))
                return true
            }
            return entries.reversed()
        }
        var entries: [JournalEntry] = []
        func collect(_ row: borrowing ScannedRow) throws(PostgresError) -> Bool {
            entries.append(try JournalCoding.entry(row))
            return true
        }
        if request.isJournalShort {
            try unknownEntries(key, request, in: table, collect)
            return entries
        }
        for known in request.known {
            let branch: [Column] = [key, .int4(known.branch.rawValue)]
            try table.scan(
                "journal_pkey",
                .latest,
                keys: branch,
                from: .int8(known.sequence &+ 1),
                collect
            )
        }
        try table.scan(
            "journal_pkey",
            .latest,
            keys: [key],
            from: .int4(request.firstUnknown.rawValue),
            collect
        )
        return entries.sorted { ($0.branch, $0.sequence) < ($1.branch, $1.sequence) }
    }

    /// Reads the keys of the whole journal of an instance and hands out what is beyond the known entries.
    private static func unknownEntries(
        _ key: Column,
        _ request: NewsRequest,
        in table: OpenTable,
        _ collect: (borrowing ScannedRow) throws(PostgresError) -> Bool
    ) throws(PostgresError) {
        // Both come ordered by branch.
        var known = request.known[...]
        try table.scan("journal_pkey", .latest, keys: [key], columns: 4) { row throws(PostgresError) in
            let branch = BranchID(rawValue: row.int32(2))
            while let first = known.first, first.branch < branch { known.removeFirst() }
            let isNews =
                if let first = known.first, first.branch == branch {
                    row.number(3) > first.sequence
                } else {
                    branch >= request.firstUnknown
                }
            return isNews ? try row.whole(collect) : true
        }
    }

    /// The reason of the oldest cancel request.
    public static func cancelReason(_ id: InstanceID, current: Bool) throws(PostgresError) -> Bytes? {
        try cancelRequest(id, current: current)?.reason
    }

    /// The oldest cancel request, and whether the current transaction itself made it.
    static func cancelRequest(
        _ id: InstanceID,
        current: Bool
    ) throws(PostgresError) -> (reason: Bytes, isOwn: Bool)? {
        try Tables.requests.open(writing: false) { table throws(PostgresError) in
            var found: (reason: Bytes, isOwn: Bool)?
            try table.scan("requests_pkey", current ? .latest : .statement, keys: [.int8(id.rawValue)]) {
                row in
                if row.number(4) == 1 { found = (row.bytes(5), row.isOwn) }
                return found == nil
            }
            return found
        }
    }

    /// The instance's fixed part, its graph parsed; without `current`, also of an instance that was removed since the
    /// statement began.
    public static func record(
        _ row: InstanceRow,
        current: Bool = true
    ) throws(PostgresError) -> InstanceRecord {
        guard row.format <= StoredFormat.instance else {
            throw .newerFormat("instance \(shown(row.publicID)) has format \(row.format)")
        }
        var details = row.details
        if details == nil { details = try wholeInstance(row.id, current: current)?.details }
        return InstanceRecord(
            id: row.id,
            publicID: row.publicID,
            label: row.label,
            graph: try GraphStore.graph(row.graph, current: current),
            variables: try VariableCoding.decode(details?.variables),
            createdAt: row.createdAt,
            database: row.database,
            format: row.format,
            valueSizeMax: try OptionCoding.valueSizeMax(details?.options)
        )
    }
}

/// The variables' snapshot of an instance: a JSON object of strings.
enum VariableCoding {
    static func encode(_ variables: [(name: Bytes, value: Bytes)]) -> Bytes? {
        guard !variables.isEmpty else { return nil }
        var out: Bytes = [UInt8(ascii: "{")]
        for (i, variable) in variables.enumerated() {
            if i > 0 { out.append(UInt8(ascii: ",")) }
            out += JSONText.quote(variable.name)
            out.append(UInt8(ascii: ":"))
            out += JSONText.quote(variable.value)
        }
        out.append(UInt8(ascii: "}"))
        return out
    }

    static func decode(_ text: Bytes?) throws(PostgresError) -> [Bytes: Bytes] {
        guard let text else { return [:] }
        guard let root = (try? JSONDocument(text))?.root, root.kind == .object else {
            throw PostgresError(.dataCorrupted, "stored variables are not readable")
        }
        var variables: [Bytes: Bytes] = [:]
        for (name, value) in root.members { variables[name] = value.string }
        return variables
    }
}
