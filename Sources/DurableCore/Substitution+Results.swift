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
        case missing
    }

    /// A result as references see it, with its fields by name: there may be as many references as fields.
    private struct Parsed {
        let root: JSONValue
        /// Nil when it is no row set.
        let rows: JSONValue?
        /// The first row, or the whole of what is no row set; nil for no rows.
        let object: JSONValue?
        let fields: [Bytes: JSONValue]

        init(_ document: JSONDocument) {
            root = document.root
            let found = root[Bytes("rows".utf8)]
            rows = found?.kind == .array ? found : nil
            var first = rows?.elements.makeIterator()
            object = rows == nil ? root : first?.next()
            var fields: [Bytes: JSONValue] = [:]
            if let object {
                for (key, value) in object.members { fields[key] = value }
            }
            self.fields = fields
        }
    }

    private let texts: [Bytes: Bytes]
    private var parsed: [Bytes: Parsed] = [:]

    init(_ texts: [Bytes: Bytes]) { self.texts = texts }

    var isEmpty: Bool { texts.isEmpty }

    var sortedNames: [Bytes] { texts.keys.sorted { $0.lexicographicallyPrecedes($1) } }

    func contains(_ name: Bytes) -> Bool { texts[name] != nil }

    /// The value of `$name`, `$name.column` and their `?` forms.
    mutating func value(of reference: Reference) throws(SubstitutionError) -> Value {
        let result = try result(of: reference.name)
        guard result.rows != nil else { return try fieldValue(of: reference, in: result) }
        guard let row = result.object else {
            if reference.isLenient { return .null }
            throw error("P0002", reference, " has no rows — query returned zero results")
        }
        guard row.kind == .object else { throw error("22023", reference, ": first row is not an object") }
        switch reference.form {
        case .column(let column):
            return try member(column, of: result, reference)
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
        guard let rows = try result(of: reference.name).rows else {
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
        try result(of: reference.name).rows
    }

    /// The reference's value in raw mode, or nil when it stays as it is.
    mutating func rawText(of reference: Reference) throws(SubstitutionError) -> Bytes? {
        if reference.form == .rows { return try rowSet(of: reference).compacted() }
        switch try value(of: reference) {
        case .json(let value): return try content(of: value)
        case .document(let value): return value.compacted()
        case .null: return Bytes("NULL".utf8)
        case .missing:
            if reference.isLenient { return nil }
            guard case .column(let column) = reference.form else { return nil }
            let object = try result(of: reference.name).object
            let list = object.map { NameList.text($0.members.lazy.map(\.key)) } ?? []
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

    private func fieldValue(of reference: Reference, in result: Parsed) throws(SubstitutionError) -> Value {
        guard case .column(let field) = reference.form else { return .document(result.root) }
        guard result.root.kind == .object else {
            let path = Bytes("$".utf8) + reference.name + Bytes(".".utf8) + field
            throw SubstitutionError(
                "22023",
                path + Bytes(": result is neither a row set nor a JSON object".utf8)
            )
        }
        return try member(field, of: result, reference)
    }

    private func member(
        _ key: Bytes,
        of result: Parsed,
        _ reference: Reference
    ) throws(SubstitutionError) -> Value {
        guard let value = result.fields[key] else { return .missing }
        guard value.isNull else { return .json(value) }
        if reference.isLenient { return .null }
        let path = Bytes("$".utf8) + reference.name + Bytes(".".utf8) + key
        throw SubstitutionError("22004", path + Bytes(" is NULL".utf8))
    }

    private mutating func result(of name: Bytes) throws(SubstitutionError) -> Parsed {
        if let result = parsed[name] { return result }
        do throws(JSONError) {
            let result = Parsed(try JSONDocument(texts[name] ?? []))
            parsed[name] = result
            return result
        } catch {
            let subject = Bytes("$".utf8) + name
            if error.isLimit {
                throw SubstitutionError("54000", subject + Bytes(": result has \(error.message)".utf8))
            }
            throw SubstitutionError("22032", subject + Bytes(": invalid result JSON".utf8))
        }
    }
}

/// Names in a message or a hint: as many as people read.
enum NameList {
    private static let sizeMax = 2_000

    /// The names with commas between; "…" for those that are left out, with their number.
    static func text(_ names: some Sequence<Bytes>) -> Bytes {
        var text = Bytes()
        var leftOut = 0
        for name in names {
            if text.count + name.count > sizeMax, !text.isEmpty {
                leftOut += 1
            } else {
                if !text.isEmpty { text += Bytes(", ".utf8) }
                text += UTF8Bytes.cut(name, above: 200, keeping: 197)
            }
        }
        return leftOut == 0 ? text : text + Bytes(" and \(leftOut) more".utf8)
    }
}
