// SPDX-License-Identifier: PostgreSQL

internal import DurableModel

/// What a piece of SQL text is, as far as placing a value needs to know.
enum SQLTokenKind: Hashable {
    /// Blanks and comments, which separate tokens.
    case blank
    case lineComment
    case blockComment
    case literal(SQLLiteralStyle)
    case quotedIdentifier(isUnicode: Bool)
    case dollarQuote
    case identifier
    case number
    /// `$1`.
    case parameter
    /// A `$` that begins none of the others.
    case dollar
    /// One byte of an operator.
    case op
    /// One byte of anything else: parentheses, comma, colon.
    case other
}

/// The rules inside a string literal.
enum SQLLiteralStyle: Hashable {
    /// `'…'`, `N'…'`; backslashes escape only where standard_conforming_strings is off.
    case plain
    /// `E'…'`.
    case escape
    /// `U&'…'`.
    case unicode
    /// `B'…'`, `X'…'`: a quote always ends it.
    case bits
}

struct SQLToken: Hashable {
    var kind: SQLTokenKind
    var range: Range<Int>
    /// What is between the quotes; the whole range for a token without quotes.
    var body: Range<Int>
}

/// Splits SQL text into tokens the way the server's scanner does, as far as contexts are concerned.
///
/// Total: every byte belongs to one token, whatever the text is; a literal or comment without end reaches
/// to the limit. Operators come byte by byte, so that a comment inside an operator run is found where the
/// scanner finds it.
struct SQLLexer {
    let text: Bytes
    let standardConformingStrings: Bool
    /// Where the next token begins.
    ///
    /// A caller may move it forward to the end of something it consumed itself.
    var position: Int
    /// Where the text ends for this lexer.
    var limit: Int

    /// Whether the last token came after a literal and a newline, so that a quote there continues the
    /// literal.
    private(set) var isAfterLiteralAndNewline = false

    // After a literal, blanks with a newline and another quote continue it under the same rules.
    private var continuation: SQLLiteralStyle?
    private var sawNewline = false
    private var tags: DollarTags?

    init(_ text: Bytes, standardConformingStrings: Bool = true) {
        self.text = text
        self.standardConformingStrings = standardConformingStrings
        position = 0
        limit = text.count
    }

    /// Forgets what the tokens before mean for the next one.
    mutating func breakContinuation() { continuation = nil }

    /// Takes note of a literal that the caller wrote in front of the next token.
    mutating func follow(literal style: SQLLiteralStyle) {
        continuation = style
        sawNewline = false
    }

    /// Whether a backslash in a literal of `style` takes the next byte with it.
    func hasBackslashEscapes(_ style: SQLLiteralStyle) -> Bool {
        style == .escape || (style == .plain && !standardConformingStrings)
    }

    /// The next token, or nil at the limit.
    mutating func next() -> SQLToken? {
        guard position < limit else { return nil }
        let start = position
        isAfterLiteralAndNewline = sawNewline && continuation != nil
        let token = scan(start)
        position = max(token.range.upperBound, start + 1)
        switch token.kind {
        case .blank, .lineComment:
            // A line comment counts as far as its newline, which belongs to the blank after it.
            if text[token.range].contains(where: SQLByte.isNewline) { sawNewline = true }
        case .literal(let style):
            follow(literal: style)
        default:
            continuation = nil
        }
        return token
    }

    private mutating func scan(_ start: Int) -> SQLToken {
        let byte = text[start]
        let following = peek(start + 1)
        switch byte {
        case _ where SQLByte.isBlank(byte):
            return token(.blank, start, run(from: start, while: SQLByte.isBlank))
        case UInt8(ascii: "-") where following == UInt8(ascii: "-"):
            return token(.lineComment, start, run(from: start) { !SQLByte.isNewline($0) })
        case UInt8(ascii: "/") where following == UInt8(ascii: "*"):
            return token(.blockComment, start, blockCommentEnd(start))
        case UInt8(ascii: "'"):
            return literal(isAfterLiteralAndNewline ? continuation ?? .plain : .plain, start, prefix: 0)
        case UInt8(ascii: "\""):
            return quoted(.quotedIdentifier(isUnicode: false), start, prefix: 0)
        case UInt8(ascii: "$"):
            return dollar(start)
        case _ where SQLByte.isIdentifierStart(byte):
            return word(start)
        case _ where SQLByte.isDigit(byte) || (byte == UInt8(ascii: ".") && SQLByte.isDigit(following)):
            return token(.number, start, numberEnd(start))
        default:
            return token(SQLByte.isOperator(byte) ? .op : .other, start, start + 1)
        }
    }

    // An identifier, or the letters before the quote of a literal.
    private func word(_ start: Int) -> SQLToken {
        let second = peek(start + 1)
        switch text[start] | 0x20 {
        case UInt8(ascii: "e") where second == UInt8(ascii: "'"): return literal(.escape, start, prefix: 1)
        case UInt8(ascii: "b") where second == UInt8(ascii: "'"): return literal(.bits, start, prefix: 1)
        case UInt8(ascii: "x") where second == UInt8(ascii: "'"): return literal(.bits, start, prefix: 1)
        case UInt8(ascii: "u") where second == UInt8(ascii: "&"):
            let third = peek(start + 2)
            if third == UInt8(ascii: "'") { return literal(.unicode, start, prefix: 2) }
            if third == UInt8(ascii: "\"") {
                return quoted(.quotedIdentifier(isUnicode: true), start, prefix: 2)
            }
        default: break
        }
        return token(.identifier, start, run(from: start, while: SQLByte.isIdentifierPart))
    }

    private func literal(_ style: SQLLiteralStyle, _ start: Int, prefix: Int) -> SQLToken {
        let bodyStart = start + prefix + 1
        var i = bodyStart
        while i < limit {
            if text[i] == UInt8(ascii: "\\"), hasBackslashEscapes(style) {
                i += 2
            } else if text[i] != UInt8(ascii: "'") {
                i += 1
            } else if style != .bits, peek(i + 1) == UInt8(ascii: "'") {
                i += 2
            } else {
                return SQLToken(kind: .literal(style), range: start..<(i + 1), body: bodyStart..<i)
            }
        }
        return SQLToken(kind: .literal(style), range: start..<limit, body: bodyStart..<limit)
    }

    private func quoted(_ kind: SQLTokenKind, _ start: Int, prefix: Int) -> SQLToken {
        let bodyStart = start + prefix + 1
        var i = bodyStart
        while i < limit {
            if text[i] != UInt8(ascii: "\"") {
                i += 1
            } else if peek(i + 1) == UInt8(ascii: "\"") {
                i += 2
            } else {
                return SQLToken(kind: kind, range: start..<(i + 1), body: bodyStart..<i)
            }
        }
        return SQLToken(kind: kind, range: start..<limit, body: bodyStart..<limit)
    }

    private mutating func dollar(_ start: Int) -> SQLToken {
        if SQLByte.isDigit(peek(start + 1)) {
            return token(.parameter, start, run(from: start + 1, while: SQLByte.isDigit))
        }
        guard let length = DollarTags.delimiterLength(in: text, at: start, limit: limit) else {
            return token(.dollar, start, start + 1)
        }
        if tags == nil { tags = DollarTags(of: text) }
        let bodyStart = start + length
        guard let close = tags?.first(Bytes(text[start..<bodyStart]), from: bodyStart, limit: limit) else {
            return token(.dollar, start, start + 1)
        }
        return SQLToken(kind: .dollarQuote, range: start..<(close + length), body: bodyStart..<close)
    }

    // Digits, a fraction, an exponent if it has digits.
    private func numberEnd(_ start: Int) -> Int {
        var end = run(from: start, while: SQLByte.isDigit)
        if peek(end) == UInt8(ascii: "."), peek(end + 1) != UInt8(ascii: ".") {
            end = run(from: end + 1, while: SQLByte.isDigit)
        }
        guard let mark = peek(end), mark | 0x20 == UInt8(ascii: "e") else { return end }
        let sign = peek(end + 1)
        let digits = sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") ? end + 2 : end + 1
        return SQLByte.isDigit(peek(digits)) ? run(from: digits, while: SQLByte.isDigit) : end
    }

    private func blockCommentEnd(_ start: Int) -> Int {
        var depth = 0
        var i = start
        while i < limit {
            if text[i] == UInt8(ascii: "/"), peek(i + 1) == UInt8(ascii: "*") {
                depth += 1
                i += 2
            } else if text[i] == UInt8(ascii: "*"), peek(i + 1) == UInt8(ascii: "/") {
                depth -= 1
                i += 2
                if depth == 0 { return i }
            } else {
                i += 1
            }
        }
        return limit
    }

    private func token(_ kind: SQLTokenKind, _ start: Int, _ end: Int) -> SQLToken {
        SQLToken(kind: kind, range: start..<min(end, limit), body: start..<min(end, limit))
    }

    private func run(from start: Int, while belongs: (UInt8) -> Bool) -> Int {
        var i = start
        while i < limit, belongs(text[i]) { i += 1 }
        return i
    }

    private func peek(_ i: Int) -> UInt8? { i < limit ? text[i] : nil }
}
