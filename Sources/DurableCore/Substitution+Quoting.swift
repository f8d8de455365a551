// SPDX-License-Identifier: PostgreSQL

internal import DurableModel

/// Values written as SQL.
enum SQLText {
    static let null = Bytes("NULL".utf8)

    /// A string literal that means `content` whatever standard_conforming_strings is.
    ///
    /// Begins with `E` when it has a backslash: the caller keeps it apart from what precedes it.
    static func literal(_ content: some Collection<UInt8>) -> Bytes {
        let hasBackslash = content.contains(UInt8(ascii: "\\"))
        var out = Bytes()
        out.reserveCapacity(content.count + 3)
        if hasBackslash { out.append(UInt8(ascii: "E")) }
        out.append(UInt8(ascii: "'"))
        appendDoubling(content, quote: UInt8(ascii: "'"), backslash: hasBackslash, to: &out)
        out.append(UInt8(ascii: "'"))
        return out
    }

    static func appendDoubling(
        _ content: some Sequence<UInt8>,
        quote: UInt8,
        backslash: Bool,
        to out: inout Bytes
    ) {
        for byte in content {
            if byte == quote || (backslash && byte == UInt8(ascii: "\\")) { out.append(byte) }
            out.append(byte)
        }
    }

    /// A value of a row: strings and JSON as literals, numbers and booleans bare, null as NULL.
    static func value(_ value: JSONValue, _ results: NamedResults) throws(SubstitutionError) -> Bytes {
        switch value.kind {
        case .null: null
        case .bool, .number: value.raw
        case .string, .array, .object: literal(try results.content(of: value))
        }
    }

    /// The derived table of `$name.*`.
    static func table(
        _ rows: JSONValue,
        _ reference: Reference,
        _ results: NamedResults
    ) throws(SubstitutionError) -> Bytes {
        let alias = try identifier(reference.name)
        var iterator = rows.elements.makeIterator()
        guard let first = iterator.next() else { return Bytes("(SELECT NULL WHERE false) AS ".utf8) + alias }
        guard first.kind == .object else {
            throw results.error("22023", reference, ": first row is not an object")
        }
        let columns = distinct(first.members.map { $0.key })
        guard !columns.isEmpty else { throw results.error("22023", reference, ": first row has no columns") }
        var out = Bytes("(VALUES ".utf8)
        var isFirst = true
        for row in rows.elements {
            out.append(contentsOf: (isFirst ? "(" : ", (").utf8)
            isFirst = false
            try append(row, columns: columns, to: &out, results)
            out.append(UInt8(ascii: ")"))
        }
        var aliases: [Bytes] = []
        for column in columns { aliases.append(try identifier(column)) }
        return out + Bytes(") AS ".utf8) + alias + Bytes("(".utf8)
            + Bytes(aliases.joined(separator: Bytes(", ".utf8))) + Bytes(")".utf8)
    }

    private static func append(
        _ row: JSONValue,
        columns: [Bytes],
        to out: inout Bytes,
        _ results: NamedResults
    ) throws(SubstitutionError) {
        // Rows of one result have their columns in one order; anything else is looked up.
        let members = Array(row.members)
        let isAligned = members.count == columns.count && zip(members, columns).allSatisfy { $0.key == $1 }
        let byName: [Bytes: JSONValue] =
            isAligned ? [:] : Dictionary(members.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
        for (index, column) in columns.enumerated() {
            if index > 0 { out.append(UInt8(ascii: ",")) }
            guard let field = isAligned ? members[index].value : byName[column] else {
                out.append(contentsOf: null)
                continue
            }
            let text = try value(field, results)
            if text.first == UInt8(ascii: "E") { out.append(0x20) }
            out.append(contentsOf: text)
            let isBare = field.kind == .null || field.kind == .bool || field.kind == .number
            if !isBare { out.append(contentsOf: "::text".utf8) }
        }
    }

    private static func distinct(_ keys: [Bytes]) -> [Bytes] {
        var seen: Set<Bytes> = []
        return keys.filter { seen.insert($0).inserted }
    }

    // The server would cut a longer name, and two of them could become one.
    private static func identifier(_ name: Bytes) throws(SubstitutionError) -> Bytes {
        guard !name.isEmpty, !name.contains(0) else {
            throw SubstitutionError("42602", Bytes("a column of a row set has no usable name".utf8))
        }
        guard name.count <= 63 else {
            throw SubstitutionError(
                "42622",
                Bytes("column name \"".utf8) + name + Bytes("\" is too long".utf8)
            )
        }
        var out: Bytes = [UInt8(ascii: "\"")]
        appendDoubling(name, quote: UInt8(ascii: "\""), backslash: false, to: &out)
        out.append(UInt8(ascii: "\""))
        return out
    }

    /// The array of the first columns of `rows`, as a literal that the server types by its surroundings.
    static func array(
        _ rows: JSONValue,
        _ reference: Reference,
        _ results: NamedResults
    ) throws(SubstitutionError) -> Bytes {
        var out: Bytes = [UInt8(ascii: "{")]
        for row in rows.elements {
            if out.count > 1 { out.append(UInt8(ascii: ",")) }
            guard row.kind == .object else {
                throw results.error("22023", reference, ": row is not an object")
            }
            var members = row.members.makeIterator()
            guard let first = members.next() else {
                throw results.error("22023", reference, ": row has no columns")
            }
            switch first.value.kind {
            case .null:
                out.append(contentsOf: null)
            case .bool, .number:
                out.append(contentsOf: first.value.raw)
            case .string, .array, .object:
                out.append(UInt8(ascii: "\""))
                for byte in try results.content(of: first.value) {
                    if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                        out.append(UInt8(ascii: "\\"))
                    }
                    out.append(byte)
                }
                out.append(UInt8(ascii: "\""))
            }
        }
        out.append(UInt8(ascii: "}"))
        return literal(out)
    }
}
