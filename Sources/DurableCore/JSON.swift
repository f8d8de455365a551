// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// Why a text is not JSON.
public struct JSONError: Error, Hashable, Sendable {
    /// The byte at fault, counted from 0; the length of the text when it ended too early.
    public var offset: Int
    /// A phrase without position, ASCII.
    public var message: String
    /// Counted from 1.
    public var line: Int
    /// Bytes of that line up to and including the one at fault.
    public var column: Int
    /// The text may be JSON but goes beyond a limit of the parser.
    public var isLimit: Bool

    public init(_ message: String, at offset: Int, in text: Bytes, isLimit: Bool = false) {
        self.message = message
        self.isLimit = isLimit
        self.offset = offset
        (line, column) = JSONError.position(after: min(offset, text.count - 1) + 1, in: text)
    }

    /// The message followed by " at line L column C".
    public var description: String { "\(message) at line \(line) column \(column)" }

    /// Line and column of the end of the first `count` bytes of `text`.
    public static func position(after count: Int, in text: Bytes) -> (line: Int, column: Int) {
        var line = 1
        var start = 0
        let end = min(max(count, 0), text.count)
        for i in 0..<end where text[i] == 0x0A {
            line += 1
            start = i + 1
        }
        return (line, end - start)
    }
}

/// A JSON text (RFC 8259, strict) together with the places of its values.
///
/// The text is kept as given, so that numbers and key order keep their spelling. Parsing and reading never
/// recurse; the cost of parsing is linear in the length of the text.
public struct JSONDocument: Sendable {
    /// One value or object key. An object's entry is followed by key, value, key, value, …
    struct Entry {
        var start: UInt32
        var end: UInt32
        /// The entry after this one and all that it contains.
        var next: UInt32
        /// Elements or members.
        var count: UInt32
        var kind: JSONKind
        var hasEscape: Bool
    }

    /// The whole text, with any blanks around the value.
    public let text: Bytes
    let tape: [Entry]
    /// Whether a string or key anywhere in the text holds the character U+0000.
    public let containsNUL: Bool

    /// Parses `text`, one value with optional blanks around it.
    ///
    /// Throws when the text is not JSON, is not UTF-8 inside its strings, has a lone surrogate, nests
    /// arrays and objects deeper than `depthMax`, or has more than `valuesMax` values and keys, each of
    /// which costs 20 bytes of memory while the document lives; the last two are `isLimit`.
    public init(_ text: Bytes, depthMax: Int = .max, valuesMax: Int = valuesUsual) throws(JSONError) {
        var parser = JSONParser(text: text, depthMax: depthMax, valuesMax: valuesMax)
        try parser.run()
        self.text = text
        tape = parser.tape
        containsNUL = parser.containsNUL
    }

    /// The one value of the text.
    public var root: JSONValue { JSONValue(document: self, index: 0) }

    /// The text without blanks outside of strings; all else is spelled as it was.
    public func compacted() -> Bytes { root.compacted() }

    /// Most values and keys of a text, unless said otherwise.
    public static let valuesUsual = 10_000_000

    func entry(_ index: Int) -> Entry {
        // An empty text does not parse, so entry 0 exists; all other indices come from the tape itself.
        index >= 0 && index < tape.count
            ? tape[index]
            : Entry(start: 0, end: 0, next: 0, count: 0, kind: .null, hasEscape: false)
    }
}

/// The kinds of JSON values.
public enum JSONKind: UInt8, Hashable, Sendable {
    case null, bool, number, string, array, object
}

/// A value inside a document.
public struct JSONValue: Sendable {
    public let document: JSONDocument
    let index: Int

    private var entry: JSONDocument.Entry { document.entry(index) }

    public var kind: JSONKind { entry.kind }

    /// Where the value stands in the document's text.
    public var span: Range<Int> {
        let entry = entry
        return Int(entry.start)..<Int(entry.end)
    }

    /// The value as it is spelled in the text; a string with its quotes and escapes.
    public var raw: Bytes { Bytes(document.text[span]) }

    public var isNull: Bool { kind == .null }

    /// The truth value, or nil when this is no boolean.
    public var boolValue: Bool? {
        kind == .bool ? document.text[span.lowerBound] == UInt8(ascii: "t") : nil
    }

    /// The characters of a string as UTF-8, or nil when this is no string.
    public var string: Bytes? {
        let entry = entry
        guard entry.kind == .string else { return nil }
        let inner = document.text[(Int(entry.start) + 1)..<(Int(entry.end) - 1)]
        return entry.hasEscape ? JSONText.unescape(inner) : Bytes(inner)
    }

    /// How many elements an array or members an object has; 0 for anything else.
    public var count: Int { Int(entry.count) }

    /// The elements of an array in order; empty for anything else.
    public var elements: Elements { Elements(container: self) }

    /// The members of an object in order, repeated keys included; empty for anything else.
    public var members: Members { Members(container: self) }

    /// The value of a member of an object; of the last one when the key is repeated.
    public subscript(key: Bytes) -> JSONValue? {
        var found: JSONValue?
        var iterator = members.makeIterator()
        while let member = iterator.nextKey() {
            if JSONValue(document: document, index: member).isString(key) {
                found = JSONValue(document: document, index: member + 1)
            }
        }
        return found
    }

    /// The value without blanks outside of strings; all else is spelled as it was.
    public func compacted() -> Bytes {
        let span = span
        var out = Bytes()
        out.reserveCapacity(span.count)
        JSONText.appendCompacted(document.text[span], to: &out)
        return out
    }
}
