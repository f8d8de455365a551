// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// What references in a template may name.
public struct SubstitutionScope: Sendable {
    /// `{name}`: the submitter's variables when the instance was started.
    public var variables: [Bytes: Bytes]
    /// `$name`: the named results known at this point, as JSON text.
    public var names: [Bytes: Bytes]
    /// `{sys_instance_id}`.
    public var instanceID: Bytes
    /// `{sys_label}`.
    public var label: Bytes?
    /// The session's setting, under which the server will read the SQL text.
    public var standardConformingStrings: Bool
    /// Most bytes of the finished text.
    public var sizeMax: Int

    public init(
        variables: [Bytes: Bytes] = [:],
        names: [Bytes: Bytes] = [:],
        instanceID: Bytes,
        label: Bytes? = nil,
        standardConformingStrings: Bool = true,
        sizeMax: Int = 256 << 20
    ) {
        self.variables = variables
        self.names = names
        self.instanceID = instanceID
        self.label = label
        self.standardConformingStrings = standardConformingStrings
        self.sizeMax = sizeMax
    }
}

/// How values are written into a template.
public enum SubstitutionMode: Hashable, Sendable {
    /// As SQL that means the value, whatever the value is.
    case sql
    /// As they are: URLs, bodies, break values.
    case raw
}

/// Why a template could not be completed.
public struct SubstitutionError: Error, Hashable, Sendable {
    /// Five characters.
    public var sqlstate: Bytes
    public var message: Bytes
    public var hint: Bytes?

    init(_ sqlstate: StaticString, _ message: Bytes, hint: String? = nil) {
        self.sqlstate = sqlstate.withUTF8Buffer { Bytes($0) }
        self.message = message
        self.hint = hint.map { Bytes($0.utf8) }
    }

    /// The error as a step's failure.
    public var failure: StepFailure { StepFailure(sqlstate: sqlstate, message: message, hint: hint) }
}

/// A place where the value of a `$` reference was put into SQL text.
public struct Placed: Hashable, Sendable {
    /// Bytes of the text the place belongs to.
    public var range: Range<Int>
    /// Within a literal, a dollar quote or an identifier of the template: must stay inside that one token.
    public var insideLiteral: Bool

    public init(range: Range<Int>, insideLiteral: Bool) {
        self.range = range
        self.insideLiteral = insideLiteral
    }
}

/// A template with its references replaced.
///
/// `neutral` is the same text with every placed value replaced by a harmless one of the same class. Outside
/// of `placed` and `neutralPlaced`, which correspond one to one, both texts are equal byte by byte;
/// comparing their tokens shows whether a value changed the statement around it. In raw mode there are no
/// places.
public struct Substituted: Hashable, Sendable {
    public var text: Bytes
    public var placed: [Placed]
    public var neutral: Bytes
    public var neutralPlaced: [Placed]
    /// What looked like a reference in the code of a SQL text and was left as it is, in order, each once.
    public var unknown: [Bytes]
    /// All names that could have been used, sorted; empty unless something is in `unknown`.
    public var knownNames: [Bytes]

    /// A finished text with its places, as another process gave it.
    public static func finished(
        _ text: Bytes,
        _ placed: [Placed],
        neutral: Bytes,
        _ neutralPlaced: [Placed]
    ) -> Substituted {
        Substituted(
            text: text,
            placed: placed,
            neutral: neutral,
            neutralPlaced: neutralPlaced,
            unknown: [],
            knownNames: []
        )
    }

    /// A hint for the error that the server raises about a reference left as it is; nil when there was none.
    public var hint: Bytes? {
        guard let first = unknown.first else { return nil }
        let start = Bytes("There is no result \"$".utf8) + first + Bytes("\" at this point; ".utf8)
        if knownNames.isEmpty { return start + Bytes("no names are known.".utf8) }
        return start + Bytes("names known are: ".utf8) + NameList.text(knownNames) + Bytes(".".utf8)
    }
}

/// Replacement of `{variable}` and `$name` in the texts of nodes.
public enum Substitution {
    /// Most rows that `$name.*` expands.
    public static let rowsMax = 10_000

    /// Replaces `{variable}` tokens, then `$name` references, the inserted variables included.
    ///
    /// Names without a result stay as they are. In SQL mode references in comments stay too, and those
    /// inside a string literal, a dollar quote or a quoted identifier are written for that place.
    public static func apply(
        _ template: Bytes,
        mode: SubstitutionMode,
        scope: SubstitutionScope
    ) throws(SubstitutionError) -> Substituted {
        let expanded = try expandVariables(template, scope: scope)
        var results = NamedResults(scope.names)
        switch mode {
        case .raw:
            let text = try expandRaw(expanded, results: &results, sizeMax: scope.sizeMax)
            return Substituted(
                text: text,
                placed: [],
                neutral: text,
                neutralPlaced: [],
                unknown: [],
                knownNames: []
            )
        case .sql:
            guard expanded.contains(UInt8(ascii: "$")) else {
                return Substituted(
                    text: expanded,
                    placed: [],
                    neutral: expanded,
                    neutralPlaced: [],
                    unknown: [],
                    knownNames: []
                )
            }
            var writer = SubstitutionWriter(expanded, results: results, scope: scope)
            return try writer.run()
        }
    }

    /// What looks like the name of a reference, wherever it stands in the text.
    static func mentioned(in template: Bytes, scope: SubstitutionScope) -> Set<Bytes> {
        guard let text = try? expandVariables(template, scope: scope) else { return [] }
        var names: Set<Bytes> = []
        var i = 0
        while i < text.count {
            guard text[i] == UInt8(ascii: "$"), let end = nameEnd(text, from: i + 1, limit: text.count) else {
                i += 1
                continue
            }
            names.insert(Bytes(text[(i + 1)..<end]))
            i = end
        }
        return names
    }

    // One pass; what is inserted is not scanned for braces again.
    private static func expandVariables(
        _ template: Bytes,
        scope: SubstitutionScope
    ) throws(SubstitutionError) -> Bytes {
        guard template.contains(UInt8(ascii: "{")) else {
            try checkSize(template.count, scope.sizeMax)
            return template
        }
        var out = Bytes()
        out.reserveCapacity(template.count)
        var i = 0
        while i < template.count {
            if template[i] == UInt8(ascii: "{"),
                let end = nameEnd(template, from: i + 1, limit: template.count),
                end < template.count, template[end] == UInt8(ascii: "}"),
                let value = variable(Bytes(template[(i + 1)..<end]), scope)
            {
                out.append(contentsOf: value)
                i = end + 1
            } else {
                out.append(template[i])
                i += 1
            }
            try checkSize(out.count, scope.sizeMax)
        }
        return out
    }

    private static func variable(_ name: Bytes, _ scope: SubstitutionScope) -> Bytes? {
        if name == Bytes("sys_instance_id".utf8) { return scope.instanceID }
        if name == Bytes("sys_label".utf8) { return scope.label ?? [] }
        return scope.variables[name]
    }

    private static func expandRaw(
        _ text: Bytes,
        results: inout NamedResults,
        sizeMax: Int
    ) throws(SubstitutionError) -> Bytes {
        guard !results.isEmpty, text.contains(UInt8(ascii: "$")) else { return text }
        var out = Bytes()
        out.reserveCapacity(text.count)
        var i = 0
        while i < text.count {
            if text[i] == UInt8(ascii: "$"),
                let reference = Reference(in: text, at: i, limit: text.count, results: results),
                let value = try results.rawText(of: reference)
            {
                out.append(contentsOf: value)
                i = reference.end
            } else {
                out.append(text[i])
                i += 1
            }
            try checkSize(out.count, sizeMax)
        }
        return out
    }

    /// The end of the name that begins at `start`, or nil when none begins there.
    static func nameEnd(_ text: Bytes, from start: Int, limit: Int) -> Int? {
        guard start < limit, SQLByte.isNameStart(text[start]) else { return nil }
        var end = start + 1
        while end < limit, SQLByte.isNamePart(text[end]) { end += 1 }
        return end
    }

    static func checkSize(_ size: Int, _ sizeMax: Int) throws(SubstitutionError) {
        guard size > sizeMax else { return }
        throw SubstitutionError("54000", Bytes("text after substitution exceeds \(sizeMax) bytes".utf8))
    }
}

/// One `$` reference as it is written.
struct Reference {
    enum Form: Hashable {
        /// `$name` and `$name?`.
        case value
        /// `$name.column` and `$name.column?`.
        case column(Bytes)
        /// `$name.*`.
        case rows
    }

    var name: Bytes
    var form: Form
    /// Written with `?`: no rows and null are NULL instead of an error.
    var isLenient: Bool
    /// The position after it.
    var end: Int

    /// The reference to a known name whose `$` is at `start`, or nil.
    ///
    /// A name ends where its letters do, so only the longest run of them can be one.
    init?(in text: Bytes, at start: Int, limit: Int, results: borrowing NamedResults) {
        guard let nameEnd = Substitution.nameEnd(text, from: start + 1, limit: limit) else { return nil }
        let name = Bytes(text[(start + 1)..<nameEnd])
        guard results.contains(name) else { return nil }
        self.name = name
        isLenient = false
        form = .value
        end = nameEnd
        if end + 1 < limit, text[end] == UInt8(ascii: ".") {
            if text[end + 1] == UInt8(ascii: "*") {
                form = .rows
                end += 2
                return
            }
            if let columnEnd = Substitution.nameEnd(text, from: end + 1, limit: limit) {
                form = .column(Bytes(text[(end + 1)..<columnEnd]))
                end = columnEnd
            }
        }
        if end < limit, text[end] == UInt8(ascii: "?") {
            isLenient = true
            end += 1
        }
    }
}
