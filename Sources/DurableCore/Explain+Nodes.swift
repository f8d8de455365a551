// SPDX-License-Identifier: PostgreSQL

internal import DurableModel

/// What `df.explain` says of a node, without its name and mark.
enum ExplainText {
    private static let unknown = Bytes("?".utf8)

    static func describe(_ node: Node) -> Bytes {
        switch node.kind {
        case .sql:
            let query = node.query.map { UTF8Bytes.cut($0, above: 50, keeping: 47) }
            return ByteText("SQL: \(query ?? unknown)").bytes
        case .sleep:
            return ByteText("SLEEP \(short(node.query ?? unknown))s").bytes
        case .waitSchedule:
            return ByteText("WAIT '\(short(string("cron_expr", of: config(node)) ?? unknown))'").bytes
        case .http, .httpMultipart:
            let config = config(node)
            let method = short(string("method", of: config) ?? unknown)
            let url = string("url", of: config).map { UTF8Bytes.cut($0, above: 40, keeping: 37) }
            return ByteText("\(node.kind.rawValue) \(method) \(url ?? unknown)").bytes
        case .signal:
            let config = config(node)
            let text = ByteText("SIGNAL '\(short(string("signal_name", of: config) ?? unknown))'").bytes
            guard let timeout = config?[Bytes("timeout_seconds".utf8)], timeout.kind == .number
            else {
                return text
            }
            return ByteText("\(text) (\(short(timeout.raw))s)").bytes
        case .break:
            guard let value = string("break_value", of: config(node)) else {
                return Bytes("BREAK".utf8)
            }
            return ByteText("BREAK '\(UTF8Bytes.cut(value, above: 20, keeping: 17))'").bytes
        case .loop:
            return Bytes((node.condition == nil ? "LOOP (infinite)" : "LOOP (while)").utf8)
        case .join:
            let count = (node.left == nil ? 0 : 1) + (node.right == nil ? 0 : 1) + node.extras.count
            return ByteText("JOIN (\(count))").bytes
        case .if, .race, .then:
            return Bytes(node.kind.rawValue.utf8)
        }
    }

    /// A name, an expression, a number: whole unless somebody means harm.
    static func short(_ text: Bytes) -> Bytes { UTF8Bytes.cut(text, above: 100, keeping: 97) }

    /// A report as psql would print it with its SQLSTATE; message and hint on one line each.
    static func describe(_ failure: StepFailure) -> [Bytes] {
        var lines = [ByteText("ERROR \(failure.sqlstate): \(oneLine(failure.message))").bytes]
        if let hint = failure.hint { lines.append(ByteText("HINT: \(oneLine(hint))").bytes) }
        return lines
    }

    private static func oneLine(_ text: Bytes) -> Bytes {
        let lines = text.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D })
        return UTF8Bytes.cut(Bytes(lines.joined(separator: [0x20])), above: 200, keeping: 197)
    }

    private static func config(_ node: Node) -> JSONValue? {
        guard let query = node.query, let document = try? JSONDocument(query) else { return nil }
        return document.root
    }

    private static func string(_ key: String, of config: JSONValue?) -> Bytes? {
        config?[Bytes(key.utf8)]?.string
    }
}
