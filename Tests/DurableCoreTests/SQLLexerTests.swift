// SPDX-License-Identifier: PostgreSQL

import DurableModel
import DurableTestKit
import Testing

@testable import DurableCore

private func tokens(_ text: String, scs: Bool = true) -> [String] {
    var lexer = SQLLexer(Bytes(text.utf8), standardConformingStrings: scs)
    var out: [String] = []
    while let token = lexer.next() {
        let name: String
        switch token.kind {
        case .blank: continue
        case .lineComment: name = "line"
        case .blockComment: name = "block"
        case .literal(let style): name = "\(style)"
        case .quotedIdentifier(let isUnicode): name = isUnicode ? "uident" : "ident"
        case .dollarQuote: name = "dollarquote"
        case .identifier: name = "word"
        case .number: name = "number"
        case .parameter: name = "param"
        case .dollar: name = "dollar"
        case .op: name = "op"
        case .other: name = "other"
        }
        out.append(name + ":" + String(decoding: lexer.text[token.range], as: UTF8.self))
    }
    return out
}

/// Tokens end where the server's scanner ends them.
@Test func lexerTokens() {
    let cases: [(String, [String])] = [
        ("a'b'", ["word:a", "plain:'b'"]),
        ("e'a\\'b' x", ["escape:e'a\\'b'", "word:x"]),
        ("'a\\' x", ["plain:'a\\'", "word:x"]),
        ("'a''b'", ["plain:'a''b'"]),
        ("U&'a' u&\"b\"\"c\" U&x", ["unicode:U&'a'", "uident:u&\"b\"\"c\"", "word:U", "op:&", "word:x"]),
        ("b'1''0'", ["bits:b'1'", "plain:'0'"]),
        ("N'a' fooE'b'", ["word:N", "plain:'a'", "word:fooE", "plain:'b'"]),
        ("1E'a\\''", ["number:1", "escape:E'a\\''"]),
        ("E'a'\n'b\\'c'", ["escape:E'a'", "escape:'b\\'c'"]),
        ("E'a' -- c\n 'b\\'c'", ["escape:E'a'", "line:-- c", "escape:'b\\'c'"]),
        ("E'a' 'b\\'", ["escape:E'a'", "plain:'b\\'"]),
        ("E'a' /* c */\n'b\\'", ["escape:E'a'", "block:/* c */", "plain:'b\\'"]),
        ("E'a'\n,'b\\'", ["escape:E'a'", "other:,", "plain:'b\\'"]),
        ("-- c\rx -- d", ["line:-- c", "word:x", "line:-- d"]),
        ("/* a /* b */ c */ d", ["block:/* a /* b */ c */", "word:d"]),
        ("/*/ x */y", ["block:/*/ x */", "word:y"]),
        ("/**/x/* open", ["block:/**/", "word:x", "block:/* open"]),
        ("+--x", ["op:+", "line:--x"]),
        ("a*/*c*/b", ["word:a", "op:*", "block:/*c*/", "word:b"]),
        ("$$a$b$$ $t$ $$ $t$", ["dollarquote:$$a$b$$", "dollarquote:$t$ $$ $t$"]),
        ("$a$b$$a$", ["dollarquote:$a$b$$a$"]),
        ("a$$b$$", ["word:a$$b$$"]),
        (
            "$1 $12a $x $t$ open",
            ["param:$1", "param:$12", "word:a", "dollar:$", "word:x", "dollar:$", "word:t$", "word:open"]
        ),
        ("é_1 \"q", ["word:é_1", "ident:\"q"]),
        (
            "1.5e+3 .5 1..2 1e x",
            [
                "number:1.5e+3", "number:.5", "number:1", "other:.", "number:.2", "number:1", "word:e",
                "word:x",
            ]
        ),
        ("'open", ["plain:'open"]),
        ("E'x\\", ["escape:E'x\\"]),
    ]
    for (text, expected) in cases { #expect(tokens(text) == expected, "\(text)") }
    #expect(tokens("'a\\' x'", scs: false) == ["plain:'a\\' x'"])
}

/// Every byte belongs to exactly one token, whatever the bytes are.
@Test func lexerIsTotal() {
    var random = SplitMix64(seed: 4711)
    let alphabet = Bytes("'\"$-/*eEuU&xX\\\n ab1.(){}:;=".utf8) + [0, 0x80, 0xFF]
    for seed in 0..<2000 {
        let text = (0..<Int(random.next() % 40)).map { _ in
            alphabet[Int(random.next() % UInt64(alphabet.count))]
        }
        var lexer = SQLLexer(text, standardConformingStrings: seed % 2 == 0)
        var position = 0
        while let token = lexer.next() {
            #expect(token.range.lowerBound == position && token.range.upperBound > position, "\(text)")
            #expect(
                token.range.lowerBound <= token.body.lowerBound
                    && token.body.upperBound <= token.range.upperBound
            )
            position = token.range.upperBound
        }
        #expect(position == text.count, "\(text)")
    }
}
