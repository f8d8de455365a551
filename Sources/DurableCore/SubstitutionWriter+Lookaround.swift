// SPDX-License-Identifier: PostgreSQL

internal import DurableModel

/// The last few tokens of the code, as far as the rule for `ANY(…)` wants to know them.
struct RecentTokens {
    private enum Mark {
        case other, op, like, quantifier, cast, open, close
    }

    // The latest first.
    private var marks: [Mark] = []

    mutating func reset() { marks.removeAll() }

    mutating func append(_ token: SQLToken, in text: Bytes) {
        let mark: Mark
        switch token.kind {
        case .blank, .lineComment, .blockComment: return
        case .op: mark = .op
        case .identifier: mark = Self.mark(ofWord: text[token.range])
        case .other:
            switch text[token.range.lowerBound] {
            case UInt8(ascii: "("): mark = .open
            case UInt8(ascii: ")"): mark = .close
            default: mark = .other
            }
        default: mark = .other
        }
        marks.insert(mark, at: 0)
        if marks.count > 5 { marks.removeLast() }
    }

    private static func mark(ofWord word: ArraySlice<UInt8>) -> Mark {
        if SQLWord.equals(word, "any") || SQLWord.equals(word, "all") || SQLWord.equals(word, "some") {
            return .quantifier
        }
        if SQLWord.equals(word, "like") || SQLWord.equals(word, "ilike") { return .like }
        return SQLWord.equals(word, "cast") ? .cast : .other
    }

    /// After `operator ANY (`; `UNION ALL (` and `SELECT ALL (` are something else.
    var areInQuantifier: Bool { isQuantifier(at: 0) }

    /// After `operator ANY (CAST (`.
    var areInCastInQuantifier: Bool {
        marks.count == 5 && marks[0] == .open && marks[1] == .cast && isQuantifier(at: 2)
    }

    private func isQuantifier(at start: Int) -> Bool {
        guard marks.count >= start + 3, marks[start] == .open, marks[start + 1] == .quantifier else {
            return false
        }
        let before = marks[start + 2]
        return before == .op || before == .like || before == .close
    }
}

extension SubstitutionWriter {
    // A type name is short; what is longer is something else.
    private static let lookaheadMax = 64

    /// Whether a reference is the whole operand of ANY, ALL or SOME, alone or with a cast to an array type.
    func isArrayOperand(_ reference: Reference) -> Bool {
        var ahead = lookahead(from: reference.end)
        if recent.areInQuantifier {
            guard let first = ahead.next() else { return false }
            if first == UInt8(ascii: ")") { return true }
            guard first == UInt8(ascii: ":"), ahead.next() == UInt8(ascii: ":") else { return false }
            return ahead.isArrayTypeThenClose()
        }
        guard recent.areInCastInQuantifier, ahead.nextIsWord("as"), ahead.isArrayTypeThenClose() else {
            return false
        }
        return ahead.next() == UInt8(ascii: ")")
    }

    /// Whether `::` follows.
    func isCastNext(_ position: Int) -> Bool {
        var ahead = lookahead(from: position)
        return ahead.next() == UInt8(ascii: ":") && ahead.next() == UInt8(ascii: ":")
    }

    private func lookahead(from position: Int) -> Lookahead {
        var lexer = lexer
        lexer.position = position
        lexer.breakContinuation()
        return Lookahead(lexer: lexer, left: Self.lookaheadMax)
    }
}

/// Tokens after a reference, blanks and comments left out.
private struct Lookahead {
    var lexer: SQLLexer
    var left: Int

    mutating func nextToken() -> SQLToken? {
        while left > 0, let token = lexer.next() {
            switch token.kind {
            case .blank, .lineComment, .blockComment: continue
            default:
                left -= 1
                return token
            }
        }
        return nil
    }

    // The first byte of the next token.
    mutating func next() -> UInt8? { nextToken().map { lexer.text[$0.range.lowerBound] } }

    mutating func nextIsWord(_ word: StaticString) -> Bool {
        guard let token = nextToken(), token.kind == .identifier else { return false }
        return SQLWord.equals(lexer.text[token.range], word)
    }

    // A type name that ends as an array's does, or a chain of casts of which the last does, then `)`.
    mutating func isArrayTypeThenClose() -> Bool {
        var depth = 0
        var isArray = false
        while let token = nextToken() {
            switch token.kind {
            case .identifier:
                isArray = SQLWord.equals(lexer.text[token.range], "array")
            case .quotedIdentifier:
                isArray = false
            case .number:
                break
            case .other:
                switch lexer.text[token.range.lowerBound] {
                case UInt8(ascii: "("): depth += 1
                case UInt8(ascii: ")") where depth == 0: return isArray
                case UInt8(ascii: ")"): depth -= 1
                case UInt8(ascii: "]"): isArray = true
                case UInt8(ascii: "["), UInt8(ascii: ","): break
                case UInt8(ascii: "."), UInt8(ascii: ":"): isArray = false
                default: return false
                }
            default: return false
            }
        }
        return false
    }
}

/// Comparison of words in SQL text.
enum SQLWord {
    /// Whether `word` is a keyword (given in lower case), in any letter case.
    static func equals(_ word: some Collection<UInt8>, _ keyword: StaticString) -> Bool {
        guard word.count == keyword.utf8CodeUnitCount else { return false }
        return keyword.withUTF8Buffer { $0.elementsEqual(word.lazy.map(CronField.lowercased)) }
    }

    /// Whether a lower-case ASCII text occurs anywhere, in any letter case.
    static func occurs(_ keyword: StaticString, in text: Bytes) -> Bool {
        let length = keyword.utf8CodeUnitCount
        guard text.count >= length, let first = keyword.withUTF8Buffer({ $0.first }) else { return false }
        return (0...(text.count - length)).contains { start in
            CronField.lowercased(text[start]) == first && equals(text[start..<(start + length)], keyword)
        }
    }

    /// The first place where `needle` occurs at or after `start`.
    static func first(_ needle: Bytes, in text: Bytes, from start: Int) -> Int? {
        guard let lead = needle.first, start >= 0, text.count - start >= needle.count else { return nil }
        return (start...(text.count - needle.count)).first { i in
            text[i] == lead && text[i..<(i + needle.count)].elementsEqual(needle)
        }
    }
}
