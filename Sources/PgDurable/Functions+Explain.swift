// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableCore
internal import DurableModel
internal import DurablePostgres
internal import PostgresExtension

@c(df_explain_swift)
func dfExplain(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlFunction(fcinfo, failure) { call throws(PostgresError) in
        try Access.check()
        let text = trimmed(try call.graph(0))
        if isInstanceID(text) { return .text(try explainInstance(text)) }
        if let envelope = envelope(text) { return .text(explainGraph(envelope)) }
        if isExpression(text) {
            throw PostgresError(
                .featureNotSupported,
                "df.explain() does not evaluate expressions in this version",
                hint:
                    "Write the expression without quotes: SELECT df.explain('SELECT 1' ~> 'SELECT 2')."
            )
        }
        if startsWithKeyword(text) {
            return .text(Explain.render(graph: Graph(nodes: [Node(kind: .sql, query: text)])))
        }
        return .text(
            "Cannot explain input: not a valid Durofut JSON, instance ID, SQL statement, or DSL expression.\n"
                + "Hint: DSL expressions use df.*() functions and operators like ~>, |=>, &, |."
        )
    }
}

private func trimmed(_ text: Bytes) -> Bytes {
    func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 0x09 && byte <= 0x0D) }
    guard let first = text.firstIndex(where: { !isBlank($0) }),
        let last = text.lastIndex(where: { !isBlank($0) })
    else { return [] }
    return Bytes(text[first...last])
}

private func isInstanceID(_ text: Bytes) -> Bool {
    // Longer ids are given out when the short ones get scarce.
    (text.count == 8 || text.count == 12)
        && text.allSatisfy {
            ($0 >= 0x30 && $0 <= 0x39) || ($0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x66)
        }
}

/// The text when it is meant as an envelope: an object that names a node type.
private func envelope(_ text: Bytes) -> Bytes? {
    guard text.first == UInt8(ascii: "{"), let root = (try? JSONDocument(text))?.root,
        root.kind == .object,
        root[Bytes("node_type".utf8)]?.kind == .string
    else { return nil }
    return text
}

private func explainGraph(_ text: Bytes) -> Bytes {
    do throws(EnvelopeError) {
        return Explain.render(graph: try Envelope.graph(text))
    } catch {
        return error.message
    }
}

private func explainInstance(_ id: Bytes) throws(PostgresError) -> Bytes {
    guard let row = try Access.visible(id) else {
        return Bytes("Instance '".utf8) + id + Bytes("' not found".utf8)
    }
    let report = try InstanceReport(row)
    let header = Explain.header(
        id: row.publicID,
        label: row.label,
        status: Bytes(engineStatus(report.status).utf8),
        output: report.output
    )
    let tree = Explain.render(graph: report.record.graph) { node in
        switch report.nodes[node]?.inferredStatus {
        case .completed: .completed
        case .failed: .failed
        case .running: .running
        case .skipped: .skipped
        default: .pending
        }
    }
    return header + tree
}

/// The status as the header shows it: with a capital once the engine has taken the instance up.
private func engineStatus(_ status: InstanceStatus) -> String {
    switch status {
    case .pending: "pending"
    case .running: "Running"
    case .completed: "Completed"
    case .failed: "Failed"
    case .cancelled: "cancelled"
    }
}

private func isExpression(_ text: Bytes) -> Bool {
    ["~>", "|=>", "?>", "!>", "@>", "df."].contains { contains(text, Bytes($0.utf8)) }
}

private func contains(_ text: Bytes, _ part: Bytes) -> Bool {
    guard text.count >= part.count else { return false }
    return (0...(text.count - part.count)).contains {
        text[$0..<($0 + part.count)].elementsEqual(part)
    }
}

private func startsWithKeyword(_ text: Bytes) -> Bool {
    let keywords = [
        "select", "insert", "update", "delete", "with", "create", "alter", "drop", "call", "do",
        "truncate", "grant",
        "revoke", "explain",
    ]
    return keywords.contains { keyword in
        guard text.count > keyword.utf8.count else { return false }
        let next = text[keyword.utf8.count]
        return (next == 0x20 || next == 0x0A)
            && zip(text, keyword.utf8).allSatisfy {
                ($0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0) == $1
            }
    }
}
