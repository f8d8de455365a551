// SPDX-License-Identifier: PostgreSQL

internal import DurableModel

/// The named results of a scope, parsed when they are first used.
struct NamedResults {
    /// What a reference stands for.
    enum Value {
        case json(JSONValue)
        /// A whole value that is no row set: its JSON text is the value.
        case document(JSONValue)
        case null
        /// No such column: the reference stays as it is, or is an error.
        case missing(available: [Bytes])
    }

    private let texts: [Bytes: Bytes]
    private var parsed: [Bytes: JSONDocument] = [:]

    init(_ texts: [Bytes: Bytes]) { self.texts = texts }

    var isEmpty: Bool { texts.isEmpty }

    var sortedNames: [Bytes] { texts.keys.sorted { $0.lexicographicallyPrecedes($1) } }

    func contains(_ name: Bytes) -> Bool { texts[name] != nil }

    /// The value of `$name`, `$name.column` and their `?` forms.
    mutating func value(of reference: Reference) throws(SubstitutionError) -> Value {
        let root = try root(of: reference.name)
        guard let rows = Self.rows(of: root) else { return try fieldValue(of: reference, in: root) }
        var iterator = rows.elements.makeIterator()
        guard let row = iterator.next() else {
            if reference.isLenient { return .null }
            throw error("P0002", reference, " has no rows — query returned zero results")
        }
        guard row.kind == .object else { throw error("22023", reference, ": first row is not an object") }
        switch reference.form {
        case .column(let column):
            return try member(column, of: row, reference)
        case .value, .rows:
            var members = row.members.makeIterator()
            guard let first = members.next() else {
                throw error("22023", reference, ": first row has no columns")
            }
            guard first.value.isNull else { return .json(first.value) }
            if reference.isLenient { return .null }
            throw error("22004", reference, " is NULL — first column of first row is NULL")
        }
    }

    /// The rows of `$name.*`.
    mutating func rowSet(of reference: Reference) throws(SubstitutionError) -> JSONValue {
        let root = try root(of: reference.name)
        guard let rows = Self.rows(of: root) else {
            throw error("22023", reference, ".* — invalid result format")
        }
        let most = Substitution.rowsMax
        guard rows.count <= most else {
            let text = ".* has \(rows.count) rows, exceeding the maximum of \(most) for row-set expansion"
            throw error("54000", reference, text)
        }
        return rows
    }

    /// The rows of a result, whatever their number, or nil when it is no row set.
    mutating func allRows(of reference: Reference) throws(SubstitutionError) -> JSONValue? {
        Self.rows(of: try root(of: reference.name))
    }

    /// The reference's value in raw mode, or nil when it stays as it is.
    mutating func rawText(of reference: Reference) throws(SubstitutionError) -> Bytes? {
        if reference.form == .rows { return try rowSet(of: reference).compacted() }
        switch try value(of: reference) {
        case .json(let value): return try content(of: value)
        case .document(let value): return value.compacted()
        case .null: return Bytes("NULL".utf8)
        case .missing(let available):
            if reference.isLenient { return nil }
            guard case .column(let column) = reference.form else { return nil }
            let list = Bytes(available.joined(separator: Bytes(", ".utf8)))
            let text =
                Bytes("$".utf8) + reference.name + Bytes(".".utf8) + column
                + Bytes(": result has no field '".utf8) + column + Bytes("' (available: ".utf8) + list
                + Bytes(")".utf8)
            throw SubstitutionError("42703", text)
        }
    }

    /// The bytes of a value without SQL around them: a string's characters, else compact JSON text.
    func content(of value: JSONValue) throws(SubstitutionError) -> Bytes {
        guard let string = value.string else { return value.compacted() }
        if value.document.containsNUL, string.contains(0) {
            throw SubstitutionError(
                "22P05",
                Bytes("a value contains \\u0000, which cannot be converted to text".utf8)
            )
        }
        return string
    }

    func error(_ sqlstate: StaticString, _ reference: Reference, _ text: String) -> SubstitutionError {
        SubstitutionError(sqlstate, Bytes("$".utf8) + reference.name + Bytes(text.utf8))
    }

    private func fieldValue(of reference: Reference, in root: JSONValue) throws(SubstitutionError) -> Value {
        guard case .column(let field) = reference.form else { return .document(root) }
        guard root.kind == .object else {
            let path = Bytes("$".utf8) + reference.name + Bytes(".".utf8) + field
            throw SubstitutionError(
                "22023",
                path + Bytes(": result is neither a row set nor a JSON object".utf8)
            )
        }
        return try member(field, of: root, reference)
    }

    private func member(
        _ key: Bytes,
        of object: JSONValue,
        _ reference: Reference
    ) throws(SubstitutionError) -> Value {
        guard let value = object[key] else { return .missing(available: object.members.map { $0.key }) }
        guard value.isNull else { return .json(value) }
        if reference.isLenient { return .null }
        let path = Bytes("$".utf8) + reference.name + Bytes(".".utf8) + key
        throw SubstitutionError("22004", path + Bytes(" is NULL".utf8))
    }

    private static func rows(of root: JSONValue) -> JSONValue? {
        guard let rows = root[Bytes("rows".utf8)], rows.kind == .array else { return nil }
        return rows
    }

    private mutating func root(of name: Bytes) throws(SubstitutionError) -> JSONValue {
        if let document = parsed[name] { return document.root }
        do {
            let document = try JSONDocument(texts[name] ?? [])
            parsed[name] = document
            return document.root
        } catch {
            let text = Bytes("$".utf8) + name + Bytes(": invalid result JSON".utf8)
            throw SubstitutionError("22032", text)
        }
    }
}
