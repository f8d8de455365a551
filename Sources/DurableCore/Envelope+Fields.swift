// SPDX-License-Identifier: PostgreSQL

internal import DurableModel

/// The known members of one envelope object, checked for their types; children are not looked into.
struct EnvelopeFields {
    var typeName: Bytes
    var left: JSONValue?
    var right: JSONValue?
    var condition: JSONValue?
    /// An array of objects.
    var extras: JSONValue?
    var query: Bytes?
    var resultName: Bytes?

    static let nodeType = Bytes("node_type".utf8)

    private enum Member: String, CaseIterable {
        case nodeType = "node_type"
        case left = "left_node"
        case right = "right_node"
        case condition = "condition_node"
        case extras = "extra_nodes"
        case query
        case resultName = "result_name"

        static let keys = allCases.map { (member: $0, key: Bytes($0.rawValue.utf8)) }

        static func named(_ key: JSONValue) -> Member? {
            keys.first { key.isString($0.key) }?.member
        }
    }

    /// What is wrong with the members, in the words of the original's parser.
    struct Malformed: Error {
        var message: Bytes
        /// The end of what had been read, in bytes from the start of the whole text.
        var end: Int
        var text: Bytes

        /// The message and its place, counted from `start` as if the text began there.
        func description(from start: Int) -> Bytes {
            let text = Bytes(text[min(max(start, 0), text.count)...])
            let (line, column) = JSONError.position(after: end - start, in: text)
            return ByteText("\(message) at line \(line) column \(column)").bytes
        }
    }

    init(_ object: JSONValue) throws(Malformed) {
        typeName = []
        guard object.kind == .object else {
            throw Self.wrongType(object, expected: "struct Durofut")
        }
        var seen: [Member] = []
        var members = object.members.makeIterator()
        while let index = members.nextKey() {
            let key = JSONValue(document: object.document, index: index)
            guard let member = Member.named(key) else { continue }
            if seen.contains(member) {
                throw Malformed(
                    message: ByteText("duplicate field `\(member.rawValue)`").bytes,
                    end: key.span.upperBound,
                    text: object.document.text
                )
            }
            seen.append(member)
            try read(member, JSONValue(document: object.document, index: index + 1))
        }
        guard seen.contains(.nodeType) else {
            throw Malformed(
                message: Bytes("missing field `node_type`".utf8),
                end: object.span.upperBound,
                text: object.document.text
            )
        }
    }

    private mutating func read(_ member: Member, _ value: JSONValue) throws(Malformed) {
        switch member {
        case .nodeType: typeName = try Self.string(value)
        case .left: left = try Self.child(value, "Durofut children must be JSON objects")
        case .right: right = try Self.child(value, "Durofut children must be JSON objects")
        case .condition:
            condition = try Self.child(value, "condition_node must be a Durofut JSON object")
        case .extras: extras = try Self.children(value)
        case .query: query = value.isNull ? nil : try Self.string(value)
        case .resultName: resultName = value.isNull ? nil : try Self.string(value)
        }
    }

    private static func string(_ value: JSONValue) throws(Malformed) -> Bytes {
        guard let string = value.string else { throw wrongType(value, expected: "a string") }
        return string
    }

    private static func child(
        _ value: JSONValue,
        _ message: StaticString
    ) throws(Malformed) -> JSONValue? {
        if value.isNull { return nil }
        guard value.kind == .object else {
            throw Malformed(
                message: ByteText(stringLiteral: "\(message)").bytes,
                end: value.span.upperBound,
                text: value.document.text
            )
        }
        return value
    }

    private static func children(_ value: JSONValue) throws(Malformed) -> JSONValue? {
        guard value.kind == .array else { throw wrongType(value, expected: "a sequence") }
        for element in value.elements where element.kind != .object {
            throw Malformed(
                message: Bytes("extra_nodes entries must be Durofut JSON objects".utf8),
                end: element.span.upperBound,
                text: value.document.text
            )
        }
        return value.count > 0 ? value : nil
    }

    private static func wrongType(_ value: JSONValue, expected: String) -> Malformed {
        let found: ByteText
        var end = value.span.upperBound
        switch value.kind {
        case .null: found = "null"
        case .bool: found = "boolean `\(value.raw)`"
        case .string: found = "string \(quoting: value.raw)"
        case .number:
            let isInteger = !value.raw.contains {
                $0 == UInt8(ascii: ".") || $0 | 0x20 == UInt8(ascii: "e")
            }
            found = "\(isInteger ? "integer" : "floating point") `\(quoting: value.raw)`"
        case .array, .object:
            found = value.kind == .array ? "sequence" : "map"
            end = value.span.lowerBound
        }
        return Malformed(
            message: ByteText("invalid type: \(found.bytes), expected \(expected)").bytes,
            end: end,
            text: value.document.text
        )
    }
}
