// SPDX-License-Identifier: PostgreSQL

internal import DurableModel

/// Replaces the `$` references of one SQL text, token by token.
///
/// Code gets SQL values; literals and quoted identifiers get characters, escaped for that place; comments
/// stay. The inside of a dollar quote is SQL too more often than not, so it is read the same way, and must
/// not come to contain its own end.
struct SubstitutionWriter {
    /// A dollar quote that is being read.
    private struct OpenQuote {
        var delimiter: Bytes
        /// Where its closing delimiter begins in the template.
        var close: Int
        /// Where its inside begins in the output.
        var outputStart: Int
        var outerLimit: Int
        /// The last reference put into it.
        var culprit: Bytes?
    }

    /// Deeper quotes are read as part of the one around them.
    private static let quotesMax = 8

    let source: Bytes
    let sizeMax: Int
    var results: NamedResults
    var lexer: SQLLexer
    /// The tokens before the current one, blanks and comments left out.
    var recent = RecentTokens()
    private var text = Bytes()
    private var neutral = Bytes()
    private var placed: [Placed] = []
    private var neutralPlaced: [Placed] = []
    private var unknown: [Bytes] = []
    private var seenUnknown: Set<Bytes> = []
    private var quotes: [OpenQuote] = []
    /// The reference whose literal is the last token written.
    private var literalBefore: Bytes?
    private let hasUnicodeEscapeClause: Bool

    init(_ source: Bytes, results: NamedResults, scope: SubstitutionScope) {
        self.source = source
        self.results = results
        sizeMax = scope.sizeMax
        lexer = SQLLexer(source, standardConformingStrings: scope.standardConformingStrings)
        hasUnicodeEscapeClause = SQLWord.occurs("uescape", in: source)
        text.reserveCapacity(source.count)
        neutral.reserveCapacity(source.count)
    }

    mutating func run() throws(SubstitutionError) -> Substituted {
        while true {
            guard let token = lexer.next() else {
                if quotes.isEmpty { break }
                try closeQuote()
                continue
            }
            try write(token)
        }
        return Substituted(
            text: text,
            placed: placed,
            neutral: neutral,
            neutralPlaced: neutralPlaced,
            unknown: unknown,
            knownNames: unknown.isEmpty ? [] : results.sortedNames
        )
    }

    private mutating func write(_ token: SQLToken) throws(SubstitutionError) {
        switch token.kind {
        case .blank, .lineComment, .blockComment:
            emit(token.range)
            return
        case .dollar:
            try code(at: token.range.lowerBound)
            recent.append(token, in: source)
            return
        case .identifier:
            try identifier(token)
        case .literal(let style):
            if let literalBefore, lexer.isAfterLiteralAndNewline,
                source[token.range.lowerBound] == UInt8(ascii: "'")
            {
                throw changed(literalBefore, hint: Self.joinHint)
            }
            let backslash = style == .unicode || lexer.hasBackslashEscapes(style)
            try quoted(
                token,
                Inside(
                    quote: UInt8(ascii: "'"),
                    doublesBackslash: backslash,
                    skipsBackslash: lexer.hasBackslashEscapes(style),
                    isUnicode: style == .unicode,
                    isBits: style == .bits,
                    neutral: []
                )
            )
        case .quotedIdentifier(let isUnicode):
            try quoted(
                token,
                Inside(
                    quote: UInt8(ascii: "\""),
                    doublesBackslash: isUnicode,
                    skipsBackslash: false,
                    isUnicode: isUnicode,
                    isBits: false,
                    // A quoted identifier must not become empty.
                    neutral: [UInt8(ascii: "x")]
                )
            )
        case .dollarQuote where quotes.count < Self.quotesMax:
            openQuote(token)
        case .dollarQuote:
            emit(token.range.lowerBound..<(token.range.lowerBound + 1))
            lexer.position = token.range.lowerBound + 1
        case .number, .parameter, .op, .other:
            emit(token.range)
        }
        recent.append(token, in: source)
        literalBefore = nil
    }

    private static let joinHint =
        "A literal after a newline would continue the value; put an operator between them."
}

// MARK: - Dollar quotes

extension SubstitutionWriter {
    private mutating func openQuote(_ token: SQLToken) {
        emit(token.range.lowerBound..<token.body.lowerBound)
        quotes.append(
            OpenQuote(
                delimiter: Bytes(source[token.range.lowerBound..<token.body.lowerBound]),
                close: token.body.upperBound,
                outputStart: text.count,
                outerLimit: lexer.limit,
                culprit: nil
            )
        )
        lexer.position = token.body.lowerBound
        lexer.limit = token.body.upperBound
        lexer.breakContinuation()
        recent.reset()
    }

    private mutating func closeQuote() throws(SubstitutionError) {
        guard let quote = quotes.popLast() else { return }
        let bodyEnd = text.count
        lexer.limit = quote.outerLimit
        lexer.position = quote.close + quote.delimiter.count
        lexer.breakContinuation()
        literalBefore = nil
        emit(quote.close..<lexer.position)
        recent.reset()
        guard let culprit = quote.culprit else { return }
        // The first delimiter from the body's start on must be the one that closes it.
        guard SQLWord.first(quote.delimiter, in: text, from: quote.outputStart) == bodyEnd else {
            let hint = "The value would end the dollar quote it is in; use another tag."
            throw changed(culprit, hint: hint)
        }
        if !quotes.isEmpty { quotes[quotes.count - 1].culprit = culprit }
    }

    private func changed(_ name: Bytes, hint: String) -> SubstitutionError {
        let message = Bytes("substituting $".utf8) + name + Bytes(" would change the statement".utf8)
        return SubstitutionError("22023", message, hint: hint)
    }
}

// MARK: - References

extension SubstitutionWriter {
    // A `$` in code, which may begin a reference.
    private mutating func code(at start: Int) throws(SubstitutionError) {
        guard let reference = reference(at: start, limit: lexer.limit),
            let value = try codeValue(of: reference)
        else {
            literalBefore = nil
            return leave(at: start)
        }
        if lexer.isAfterLiteralAndNewline, value.text.first == UInt8(ascii: "'") {
            throw changed(reference.name, hint: Self.joinHint)
        }
        lexer.position = reference.end
        let isLiteral = value.text.last == UInt8(ascii: "'")
        literalBefore = isLiteral ? reference.name : nil
        if isLiteral { lexer.follow(literal: .plain) } else { lexer.breakContinuation() }
        let isQuoteStart = text.count == quotes.last?.outputStart
        if let last = text.last, !isQuoteStart, Self.sticks(last, to: value.text) { emitBlank() }
        place(value.text, neutral: value.neutral, inside: !quotes.isEmpty, reference)
        if reference.end < lexer.limit, Self.sticksAfterValue(source[reference.end]) { emitBlank() }
        try Substitution.checkSize(text.count, sizeMax)
    }

    private func reference(at start: Int, limit: Int) -> Reference? {
        Reference(in: source, at: start, limit: limit, results: results)
    }

    // Emits what looks like a reference unchanged, the part after the name too.
    private mutating func leave(at start: Int) {
        guard let nameEnd = Substitution.nameEnd(source, from: start + 1, limit: lexer.limit) else {
            return emit(start..<(start + 1))
        }
        let end = reference(at: start, limit: lexer.limit)?.end ?? nameEnd
        let isColumn = end > nameEnd && source[nameEnd] == UInt8(ascii: ".")
        let written = Bytes(source[(start + 1)..<(isColumn ? end : nameEnd)])
        if seenUnknown.insert(written).inserted, unknown.count < 16 { unknown.append(written) }
        emit(start..<end)
        lexer.position = end
    }

    // Bytes of the output that would run together with a value after them.
    private static func sticks(_ last: UInt8, to value: Bytes) -> Bool {
        switch last {
        case UInt8(ascii: "'"), UInt8(ascii: "\""), UInt8(ascii: "&"), UInt8(ascii: "."): true
        case _ where SQLByte.isIdentifierPart(last): true
        default:
            // `- -5` is a sum, `--5` a comment.
            (value.first == UInt8(ascii: "E") && !SQLByte.isBlank(last))
                || (value.first == UInt8(ascii: "-") && SQLByte.isOperator(last))
        }
    }

    private static func sticksAfterValue(_ next: UInt8) -> Bool {
        next == UInt8(ascii: "'") || next == UInt8(ascii: ".") || SQLByte.isIdentifierPart(next)
    }

    // References within an identifier, as in `part_$n`: only digits can be part of one.
    private mutating func identifier(_ token: SQLToken) throws(SubstitutionError) {
        var i = token.range.lowerBound
        var from = i
        while i < token.range.upperBound {
            guard source[i] == UInt8(ascii: "$"), let reference = reference(at: i, limit: lexer.limit) else {
                i += 1
                continue
            }
            emit(from..<i)
            if let content = try content(of: reference) {
                guard !content.isEmpty, content.allSatisfy({ SQLByte.isDigit($0) }) else {
                    throw changed(reference.name, hint: "Only a number can be a part of a name.")
                }
                place(content, neutral: [UInt8(ascii: "0")], inside: true, reference)
            } else {
                emit(i..<reference.end)
            }
            i = reference.end
            from = i
            try Substitution.checkSize(text.count, sizeMax)
        }
        if from < token.range.upperBound { emit(from..<token.range.upperBound) }
        lexer.position = max(i, token.range.upperBound)
    }

    /// How values are written between quotes.
    private struct Inside {
        var quote: UInt8
        var doublesBackslash: Bool
        /// A backslash in the template takes the next byte with it, a `$` too.
        var skipsBackslash: Bool
        var isUnicode: Bool
        var isBits: Bool
        var neutral: Bytes
    }

    private mutating func quoted(_ token: SQLToken, _ inside: Inside) throws(SubstitutionError) {
        guard source[token.body].contains(UInt8(ascii: "$")) else { return emit(token.range) }
        var from = token.range.lowerBound
        var i = token.body.lowerBound
        while i < token.body.upperBound {
            if inside.skipsBackslash, source[i] == UInt8(ascii: "\\") {
                i += 2
                continue
            }
            guard source[i] == UInt8(ascii: "$"),
                let reference = reference(at: i, limit: token.body.upperBound),
                let content = try content(of: reference)
            else {
                i += 1
                continue
            }
            emit(from..<i)
            if inside.isUnicode, hasUnicodeEscapeClause {
                throw changed(reference.name, hint: "Do not use UESCAPE together with references.")
            }
            if inside.isBits, !content.allSatisfy({ SQLByte.isNamePart($0) }) {
                throw changed(reference.name, hint: "Only digits can be a part of a bit string.")
            }
            var escaped = Bytes()
            SQLText.appendDoubling(
                content,
                quote: inside.quote,
                backslash: inside.doublesBackslash,
                to: &escaped
            )
            place(escaped, neutral: inside.neutral, inside: true, reference)
            i = reference.end
            from = i
            try Substitution.checkSize(text.count, sizeMax)
        }
        emit(from..<token.range.upperBound)
    }
}

// MARK: - Values

extension SubstitutionWriter {
    // SQL for a reference in code; nil when the reference stays.
    private mutating func codeValue(
        of reference: Reference
    ) throws(SubstitutionError) -> (text: Bytes, neutral: Bytes)? {
        if reference.form == .rows {
            let table = try SQLText.table(try results.rowSet(of: reference), reference, results)
            return (table, Bytes("(VALUES (NULL)) AS \"x\"".utf8))
        }
        if reference.form == .value, isArrayOperand(reference), let rows = try results.allRows(of: reference)
        {
            return (try SQLText.array(rows, reference, results), Bytes("'{}'".utf8))
        }
        switch try results.value(of: reference) {
        case .missing: return nil
        case .null: return (SQLText.null, SQLText.null)
        case .document(let value): return (SQLText.literal(value.compacted()), Bytes("''".utf8))
        case .json(let value):
            let text = try SQLText.value(value, results)
            switch value.kind {
            case .bool: return (text, Bytes("true".utf8))
            case .number:
                // A cast would take hold of the number before its sign does.
                guard text.first == UInt8(ascii: "-"), isCastNext(reference.end) else {
                    return (text, Bytes("0".utf8))
                }
                return (Bytes("(".utf8) + text + Bytes(")".utf8), Bytes("(0)".utf8))
            default: return (text, Bytes("''".utf8))
            }
        }
    }

    // Characters for a reference between quotes; nil when the reference stays.
    private mutating func content(of reference: Reference) throws(SubstitutionError) -> Bytes? {
        if reference.form == .rows {
            return try SQLText.table(try results.rowSet(of: reference), reference, results)
        }
        switch try results.value(of: reference) {
        case .missing: return nil
        case .null: return SQLText.null
        case .document(let value): return value.compacted()
        case .json(let value): return try results.content(of: value)
        }
    }

    private mutating func place(_ value: Bytes, neutral other: Bytes, inside: Bool, _ reference: Reference) {
        placed.append(Placed(range: text.count..<(text.count + value.count), insideLiteral: inside))
        neutralPlaced.append(
            Placed(range: neutral.count..<(neutral.count + other.count), insideLiteral: inside)
        )
        text.append(contentsOf: value)
        neutral.append(contentsOf: other)
        if !quotes.isEmpty { quotes[quotes.count - 1].culprit = reference.name }
    }

    private mutating func emit(_ range: Range<Int>) {
        text.append(contentsOf: source[range])
        neutral.append(contentsOf: source[range])
    }

    private mutating func emitBlank() {
        text.append(0x20)
        neutral.append(0x20)
    }
}
