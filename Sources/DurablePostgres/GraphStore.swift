// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableCore
internal import DurableModel
internal import PostgresExtension

/// Definitions as stored, one row per role and distinct text; parsed ones are kept in this process.
enum GraphStore {
    // SAFETY: a server process has one thread.
    nonisolated(unsafe) private static var parsed: [Int64: Graph] = [:]
    // SAFETY: as above.
    /// What the texts of the parsed ones amount to, in bytes.
    nonisolated(unsafe) private static var parsedSize = 0
    // SAFETY: as above; set once when an executor starts.
    /// Text whose graphs are kept, in bytes: a few small graphs in a client's session, which should stay small.
    nonisolated(unsafe) static var parsedSizeMax = 32 * 1024

    /// The graph stored as `id`, as of now or as the statement sees it.
    static func graph(_ id: Int64, current: Bool) throws(PostgresError) -> Graph {
        if let graph = parsed[id] { return graph }
        let row = try Tables.graphs.open(writing: false) { table throws(PostgresError) in
            try table.first("graphs_pkey", current ? .latest : .statement, keys: [.int8(id)]) {
                ($0.number(2), $0.bytes(4))
            }
        }
        guard let (format, text) = row else {
            throw PostgresError(.dataCorrupted, "graph \(id) is missing")
        }
        guard format <= Int64(StoredFormat.graph) else {
            throw .newerFormat("graph \(id) has format \(format)")
        }
        let graph: Graph
        do { graph = try Envelope.graph(text) } catch {
            throw PostgresError(
                .dataCorrupted,
                "graph \(id) is not readable",
                detail: String(decoding: error.message, as: UTF8.self)
            )
        }
        keep(graph, id, text.count)
        return graph
    }

    private static func keep(_ graph: Graph, _ id: Int64, _ size: Int) {
        guard size <= parsedSizeMax / 2 else { return }
        if parsedSize + size > parsedSizeMax { (parsed, parsedSize) = ([:], 0) }
        parsed[id] = graph
        parsedSize += size
    }

    /// The kind of the graph's root, by the first bytes of its text; nil when these do not tell it.
    static func rootKind(_ id: Int64) throws(PostgresError) -> NodeKind? {
        if let graph = parsed[id] { return graph.node(.root)?.kind }
        let head = try Tables.graphs.open(writing: false) { table throws(PostgresError) in
            try table.first("graphs_pkey", .statement, keys: [.int8(id)], columns: 3) {
                row throws(PostgresError) in
                row.number(2) <= Int64(StoredFormat.graph) ? try row.head(4, 64) : []
            }
        }
        let start = Bytes(#"{"node_type":""#.utf8)
        guard let head, head.starts(with: start) else { return nil }
        let word = head.dropFirst(start.count).prefix { $0 != UInt8(ascii: "\"") }
        return NodeKind(rawValue: String(decoding: word, as: UTF8.self))
    }

    /// Stores `text` for `role` and returns its id; an equal text of the same role is used again.
    ///
    /// The hash only finds candidates, the bytes decide; no unique key, so that an open transaction that starts the
    /// same function holds nobody up.
    static func store(_ text: Bytes, role: UInt32) throws(PostgresError) -> Int64 {
        var hash = Bytes(repeating: 0, count: 32)
        let error = text.withUnsafeBufferPointer { text in
            hash.withUnsafeMutableBufferPointer { hash -> OpaquePointer? in
                guard let out = hash.baseAddress else { return nil }
                return pgs_sha256(text.baseAddress ?? UnsafePointer(out), text.count, out)
            }
        }
        try check(error)
        return try Tables.graphs.open(writing: true) { table throws(PostgresError) in
            var found: Int64?
            try table.scan("graphs_role_sha256", .latest, keys: [.oid(role), .bytea(hash)]) {
                row throws(PostgresError) in
                if row.bytes(4) == text, try !isRetired(row.number(0)) { found = row.number(0) }
                return found == nil
            }
            if let found { return found }
            let id = pgs_unique_number()
            try table.insert([
                .int8(id), .oid(role), .int2(StoredFormat.graph), .bytea(hash), .text(text),
            ])
            return id
        }
    }

    /// Whether no start may use the graph any more.
    private static func isRetired(_ id: Int64) throws(PostgresError) -> Bool {
        let found = try Tables.retired.open(writing: false) { table throws(PostgresError) in
            try table.first("retired_pkey", .latest, keys: [.int8(id)]) { _ in true }
        }
        return found != nil
    }

    /// Keeps later starts from using the graph, of which an instance is being removed.
    static func retire(_ id: Int64) throws(PostgresError) {
        guard try !isRetired(id) else { return }
        try Tables.retired.open(writing: true) { table throws(PostgresError) in
            try table.insert([.int8(id)])
        }
    }

    /// Removes a retired graph that no instance uses.
    static func remove(_ id: Int64) throws(PostgresError) {
        try Tables.graphs.open(writing: true) { table throws(PostgresError) in
            try table.delete("graphs_pkey", keys: [.int8(id)])
        }
        try Tables.retired.open(writing: true) { table throws(PostgresError) in
            try table.delete("retired_pkey", keys: [.int8(id)])
        }
    }
}
