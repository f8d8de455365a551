// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableCore
internal import DurableModel
internal import DurablePostgres
internal import PostgresExtension

@c(df_explain_swift)
func dfExplain(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlQuery(fcinfo, failure) { call throws(PostgresError) in
        try Access.check()
        let text = trimmed(try call.graph(0))
        if PublicID.isShaped(text) { return .text(try explainInstance(text)) }
        if Envelope.malformation(text) == nil { return .text(explainGraph(text)) }
        if isExpression(text) { return .text(try explainExpression(text)) }
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

private func explainExpression(_ text: Bytes) throws(PostgresError) -> Bytes {
    guard let envelope = try TrialRun.firstValue(of: text) else {
        return Bytes("Expression returned NULL".utf8)
    }
    if let why = Envelope.malformation(envelope) {
        return Bytes("Failed to parse Durofut JSON: ".utf8) + why
    }
    return explainGraph(envelope)
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
    let tree = Explain.render(
        graph: report.record.graph,
        status: { glyph(report.nodes[$0]?.inferredStatus) },
        failure: { node in
            guard let state = report.nodes[node], state.inferredStatus == .failed else { return nil }
            return state.failure
        }
    )
    return header + tree
}

private func glyph(_ status: NodeStatus?) -> ExplainGlyph {
    switch status {
    case .completed: .completed
    case .failed: .failed
    case .running: .running
    case .skipped: .skipped
    case .pending, nil: .pending
    }
}

/// What each SQL step really ran, as far as it came.
@c(df_executed_sql_swift)
func dfExecutedSQL(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlRows(fcinfo, failure) { call, rows throws(PostgresError) in
        try Access.check()
        guard let row = try Access.visible(try call.instanceID(0)) else { return }
        let report = try InstanceReport(row, keepsNames: true)
        // A step begins with what its role's sessions begin with, whatever the one that asks has set since.
        var isStandard = true
        try check(pgs_standard_conforming_strings_at_first(&isStandard))
        for i in report.record.graph.nodes.indices {
            try check(pgs_interrupts_check())
            let index = NodeIndex(rawValue: Int32(truncatingIfNeeded: i))
            guard
                let executed = report.nodes.executedText(
                    of: index,
                    record: report.record,
                    atMost: Limits.executedTextLength,
                    standardConformingStrings: isStandard
                )
            else { continue }
            try rows.append([
                .text(report.nodeID(index)), .text(executed.text), .int8(Int64(executed.size)),
            ])
        }
    }
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
    let queries = ["select", "insert", "update", "delete", "with"]
    let commands = ["create", "alter", "drop", "call", "do", "truncate", "grant", "revoke", "explain"]
    let word = text.prefix { $0 != 0x20 && $0 != 0x0A }
    guard word.count < text.count, word.count <= 8 else { return false }
    let lowered = String(
        decoding: word.map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 },
        as: UTF8.self
    )
    return queries.contains(lowered) || (commands.contains(lowered) && text[word.count] == 0x20)
}
