// SPDX-License-Identifier: PostgreSQL

internal import DurableModel

/// Fills the tape of a document.
///
/// Open containers are on a stack of its own, never on the machine's.
struct JSONParser {
    let text: Bytes
    let depthMax: Int
    let valuesMax: Int
    var tape: [JSONDocument.Entry] = []
    var containsNUL = false
    private var position = 0
    private var open: [Int] = []

    init(text: Bytes, depthMax: Int, valuesMax: Int) {
        self.text = text
        self.depthMax = depthMax
        self.valuesMax = valuesMax
    }

    mutating func run() throws(JSONError) {
        guard text.count < Int(UInt32.max) else { throw limit("text too long") }
        tape.reserveCapacity(min(text.count / 8 + 1, 1 << 16))
        try value()
        while let container = open.last {
            if tape[container].kind == .array {
                try element(of: container)
            } else {
                try member(of: container)
            }
        }
        skipBlanks()
        if position < text.count { throw error("trailing characters") }
    }

    // Either the next element of an open array begins, or the array ends.
    private mutating func element(of container: Int) throws(JSONError) {
        skipBlanks()
        guard position < text.count else { throw error("EOF while parsing a list") }
        if text[position] == UInt8(ascii: "]") { return close(container) }
        if tape[container].count > 0 {
            guard text[position] == UInt8(ascii: ",") else { throw error("expected `,` or `]`") }
            position += 1
            skipBlanks()
            if peek() == UInt8(ascii: "]") { throw error("trailing comma") }
        }
        tape[container].count += 1
        try value()
    }

    // Either the next member of an open object begins, or the object ends.
    private mutating func member(of container: Int) throws(JSONError) {
        skipBlanks()
        guard position < text.count else { throw error("EOF while parsing an object") }
        if text[position] == UInt8(ascii: "}") { return close(container) }
        if tape[container].count > 0 {
            guard text[position] == UInt8(ascii: ",") else { throw error("expected `,` or `}`") }
            position += 1
            skipBlanks()
        }
        guard position < text.count else { throw error("EOF while parsing an object") }
        guard text[position] == UInt8(ascii: "\"") else {
            let isEnd = text[position] == UInt8(ascii: "}")
            throw error(isEnd ? "trailing comma" : "key must be a string")
        }
        tape[container].count += 1
        try string()
        skipBlanks()
        guard position < text.count else { throw error("EOF while parsing an object") }
        guard text[position] == UInt8(ascii: ":") else { throw error("expected `:`") }
        position += 1
        try value()
    }

    private mutating func close(_ container: Int) {
        position += 1
        tape[container].end = UInt32(truncatingIfNeeded: position)
        tape[container].next = UInt32(truncatingIfNeeded: tape.count)
        open.removeLast()
    }

    // Reads a scalar whole, or only the opening bracket of a container.
    private mutating func value() throws(JSONError) {
        skipBlanks()
        guard position < text.count else { throw error("EOF while parsing a value") }
        switch text[position] {
        case UInt8(ascii: "{"):
            try begin(.object)
        case UInt8(ascii: "["):
            try begin(.array)
        case UInt8(ascii: "\""):
            try string()
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            try number()
        case UInt8(ascii: "t"):
            try word("true", .bool)
        case UInt8(ascii: "f"):
            try word("false", .bool)
        case UInt8(ascii: "n"):
            try word("null", .null)
        default:
            throw error("expected value")
        }
    }

    private mutating func begin(_ kind: JSONKind) throws(JSONError) {
        guard open.count < depthMax else { throw limit("recursion limit exceeded") }
        open.append(tape.count)
        try append(kind, from: position)
        position += 1
    }

    private mutating func append(
        _ kind: JSONKind,
        from start: Int,
        hasEscape: Bool = false
    ) throws(JSONError) {
        guard tape.count < valuesMax else { throw limit("more than \(valuesMax) values") }
        tape.append(
            JSONDocument.Entry(
                start: UInt32(truncatingIfNeeded: start),
                end: UInt32(truncatingIfNeeded: position),
                next: UInt32(truncatingIfNeeded: tape.count + 1),
                count: 0,
                kind: kind,
                hasEscape: hasEscape
            )
        )
    }

    private mutating func word(_ word: StaticString, _ kind: JSONKind) throws(JSONError) {
        let start = position
        for i in 0..<word.utf8CodeUnitCount {
            guard position < text.count else { throw error("EOF while parsing a value") }
            guard text[position] == word.utf8Start[i] else { throw error("expected ident") }
            position += 1
        }
        try append(kind, from: start)
    }

    private mutating func number() throws(JSONError) {
        let start = position
        if peek() == UInt8(ascii: "-") { position += 1 }
        if peek() == UInt8(ascii: "0") {
            position += 1
            if SQLByte.isDigit(peek()) { throw error("invalid number") }
        } else {
            try digits()
        }
        if peek() == UInt8(ascii: ".") {
            position += 1
            try digits()
        }
        if let byte = peek(), byte | 0x20 == UInt8(ascii: "e") {
            position += 1
            if let sign = peek(), sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") {
                position += 1
            }
            try digits()
        }
        try append(.number, from: start)
    }

    private mutating func digits() throws(JSONError) {
        guard position < text.count else { throw error("EOF while parsing a value") }
        guard SQLByte.isDigit(peek()) else { throw error("invalid number") }
        while SQLByte.isDigit(peek()) { position += 1 }
    }

    private func peek() -> UInt8? { position < text.count ? text[position] : nil }

    private mutating func skipBlanks() {
        while position < text.count {
            let byte = text[position]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            position += 1
        }
    }

    private func limit(_ message: String) -> JSONError {
        JSONError(message, at: position, in: text, isLimit: true)
    }

    private func error(_ message: String, at offset: Int? = nil) -> JSONError {
        JSONError(message, at: offset ?? position, in: text)
    }
}

extension JSONParser {
    private mutating func string() throws(JSONError) {
        let start = position
        var hasEscape = false
        position += 1
        while position < text.count {
            let byte = text[position]
            if byte == UInt8(ascii: "\"") {
                position += 1
                return try append(.string, from: start, hasEscape: hasEscape)
            } else if byte == UInt8(ascii: "\\") {
                hasEscape = true
                position += 1
                try escape()
            } else if byte < 0x20 {
                throw error("control character (\\u0000-\\u001F) found while parsing a string")
            } else if byte < 0x80 {
                position += 1
            } else {
                let length = UTF8Bytes.sequenceLength(text, at: position)
                guard length > 0 else { throw error("invalid unicode code point") }
                position += length
            }
        }
        throw error("EOF while parsing a string")
    }

    // Checks what follows a backslash.
    private mutating func escape() throws(JSONError) {
        guard position < text.count else { throw error("EOF while parsing a string") }
        let byte = text[position]
        guard JSONText.simpleEscape(byte) == nil else {
            position += 1
            return
        }
        guard byte == UInt8(ascii: "u") else { throw error("invalid escape") }
        position += 1
        let unit = try hexQuad()
        if unit == 0 { containsNUL = true }
        if unit >= 0xDC00 && unit < 0xE000 {
            throw error("lone trailing surrogate in hex escape", at: position - 1)
        }
        guard unit >= 0xD800 && unit < 0xDC00 else { return }
        guard position + 1 < text.count, text[position] == UInt8(ascii: "\\"),
            text[position + 1] == UInt8(ascii: "u")
        else { throw error("lone leading surrogate in hex escape", at: position - 1) }
        position += 2
        let second = try hexQuad()
        guard second >= 0xDC00 && second < 0xE000 else {
            throw error("lone leading surrogate in hex escape", at: position - 1)
        }
    }

    private mutating func hexQuad() throws(JSONError) -> UInt32 {
        var unit: UInt32 = 0
        for _ in 0..<4 {
            guard position < text.count else { throw error("EOF while parsing a string") }
            guard let digit = JSONText.hexDigit(text[position]) else {
                throw error("invalid escape")
            }
            unit = unit << 4 | digit
            position += 1
        }
        return unit
    }
}
