// SPDX-License-Identifier: PostgreSQL

import DurableModel
import Testing

@testable import DurableCore

private func bytes(_ text: String) -> Bytes { Bytes(text.utf8) }
private func text(_ bytes: Bytes?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }

@Suite struct JSONTests {
    // Everything RFC 8259 allows is accepted, and the compact form keeps each spelling.
    @Test(arguments: [
        ("null", "null"),
        (" \t\r\n true \n", "true"),
        ("-0.10e+05", "-0.10e+05"),
        ("0", "0"),
        ("1E400", "1E400"),
        ("[]", "[]"),
        ("[ ]", "[]"),
        ("{ }", "{}"),
        (
            "[1 , [2 , {\"a b\" : \"c \\\" d\" , \"e\" : null } ] ]",
            "[1,[2,{\"a b\":\"c \\\" d\",\"e\":null}]]"
        ),
        ("\"\\u00e9 é \\ud83d\\ude00 \\\\\"", "\"\\u00e9 é \\ud83d\\ude00 \\\\\""),
        ("{\"a\":1,\"a\":2}", "{\"a\":1,\"a\":2}"),
    ])
    func accepted(input: String, compact: String) throws {
        let document = try JSONDocument(bytes(input))
        #expect(text(document.compacted()) == compact)
        #expect(try text(JSONDocument(document.compacted()).compacted()) == compact)
    }

    // Whatever is not JSON is refused at the right place, in serde's words.
    @Test(arguments: [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("  ", "EOF while parsing a value at line 1 column 2"),
        ("SELECT 1", "expected value at line 1 column 1"),
        ("{\"a\":1}\n x", "trailing characters at line 2 column 2"),
        ("\u{A0}{}", "expected value at line 1 column 1"),
        ("{}\u{FEFF}", "trailing characters at line 1 column 3"),
        ("[1,]", "trailing comma at line 1 column 4"),
        ("{\"a\":1,}", "trailing comma at line 1 column 8"),
        ("[1 2]", "expected `,` or `]` at line 1 column 4"),
        ("[,1]", "expected value at line 1 column 2"),
        ("{a:1}", "key must be a string at line 1 column 2"),
        ("{,}", "key must be a string at line 1 column 2"),
        ("{\"a\" 1}", "expected `:` at line 1 column 6"),
        ("{\"a\":}", "expected value at line 1 column 6"),
        ("{\"a\":1", "EOF while parsing an object at line 1 column 6"),
        ("[1", "EOF while parsing a list at line 1 column 2"),
        ("]", "expected value at line 1 column 1"),
        ("01", "invalid number at line 1 column 2"),
        ("-", "EOF while parsing a value at line 1 column 1"),
        ("-a", "invalid number at line 1 column 2"),
        ("1.", "EOF while parsing a value at line 1 column 2"),
        ("1.e5", "invalid number at line 1 column 3"),
        ("1e", "EOF while parsing a value at line 1 column 2"),
        ("+1", "expected value at line 1 column 1"),
        (".5", "expected value at line 1 column 1"),
        ("nul", "EOF while parsing a value at line 1 column 3"),
        ("nule", "expected ident at line 1 column 4"),
        ("NaN", "expected value at line 1 column 1"),
        ("\"a", "EOF while parsing a string at line 1 column 2"),
        ("\"a\\", "EOF while parsing a string at line 1 column 3"),
        ("\"\\x\"", "invalid escape at line 1 column 3"),
        ("\"\\u12g4\"", "invalid escape at line 1 column 6"),
        ("\"\\ud800\"", "lone leading surrogate in hex escape at line 1 column 7"),
        ("\"\\ud800\\u0041\"", "lone leading surrogate in hex escape at line 1 column 13"),
        ("\"\\udc00\"", "lone trailing surrogate in hex escape at line 1 column 7"),
        (
            "\"a\tb\"",
            "control character (\\u0000-\\u001F) found while parsing a string at line 1 column 3"
        ),
    ])
    func refused(input: String, message: String) {
        let error = #expect(throws: JSONError.self) { try JSONDocument(bytes(input)) }
        #expect(error?.description == message)
    }

    // Strings must be UTF-8: no overlong forms, surrogates, stray or missing continuation bytes.
    @Test(
        arguments: [
            [0x80], [0xC3], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x9F, 0xBF], [0xED, 0xA0, 0x80],
            [0xF0, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFF],
            [0xE2, 0x82], [0xE2, 0x28, 0xA1], [0xF0, 0x9F, 0x98],
        ] as [Bytes]
    )
    func badUTF8(sequence: Bytes) {
        let quoted = bytes("\"") + sequence + bytes("\"")
        let error = #expect(throws: JSONError.self) { try JSONDocument(quoted) }
        #expect(error?.message == "invalid unicode code point")
    }

    // Every scalar value survives quote, parse and unescape, raw and as an escape.
    @Test func everyScalar() throws {
        var all = Bytes()
        var escaped = bytes("\"")
        for value in UInt32(0)...0x10FFFF {
            guard let scalar = Unicode.Scalar(value),
                value < 0x3000 || value % 257 == 0 || value > 0x10FF00
            else { continue }
            all += Bytes(String(Character(scalar)).utf8)
            for unit in String(Character(scalar)).utf16 {
                let hex = String(unit, radix: 16)
                escaped += bytes("\\u" + String(repeating: "0", count: 4 - hex.count) + hex)
            }
        }
        escaped += bytes("\"")
        #expect(try JSONDocument(JSONText.quote(all)).root.string == all)
        #expect(try JSONDocument(escaped).root.string == all)
    }

    // Values are found by key and by order, the last of repeated keys wins, escapes in keys count.
    @Test func reading() throws {
        let source = #"{"a":[1,{"x":[]},"s\n"],"b":true,"k\u0065y":1.50,"b":false,"n":null}"#
        let document = try JSONDocument(bytes(source))
        let root = document.root
        #expect(root.kind == .object && root.count == 5)
        #expect(root.members.map { text($0.key) } == ["a", "b", "key", "b", "n"])
        #expect(root[bytes("b")]?.boolValue == false)
        #expect(text(root[bytes("key")]?.raw) == "1.50")
        #expect(root[bytes("n")]?.isNull == true)
        #expect(root[bytes("zz")] == nil)
        let elements = Array(root[bytes("a")]?.elements ?? root.elements)
        #expect(elements.map(\.kind) == [.number, .object, .string])
        #expect(text(elements.last?.string) == "s\n")
        #expect(text(elements[1].raw) == #"{"x":[]}"#)
        #expect(
            Array(root.elements).isEmpty && elements[0].string == nil
                && elements[0].boolValue == nil
        )
    }

    // The NUL flag sees keys and strings, and only real escapes.
    @Test(arguments: [
        (#"["\u0000"]"#, true), (#"{"\u0000":1}"#, true), (#"["\\u0000"]"#, false), ("[0]", false),
    ])
    func nul(input: String, holds: Bool) throws {
        #expect(try JSONDocument(bytes(input)).containsNUL == holds)
    }

    // Depth is limited exactly, and without a limit a million levels neither trap nor recurse.
    @Test func depth() throws {
        func nested(_ depth: Int) -> Bytes {
            Bytes(repeating: UInt8(ascii: "["), count: depth)
                + Bytes(repeating: UInt8(ascii: "]"), count: depth)
        }
        #expect(throws: Never.self) { try JSONDocument(nested(1100), depthMax: 1100) }
        let error = #expect(throws: JSONError.self) { try JSONDocument(nested(1101), depthMax: 1100) }
        #expect(error?.description == "recursion limit exceeded at line 1 column 1101")
        #expect(error?.isLimit == true)
        let many = #expect(throws: JSONError.self) {
            try JSONDocument(bytes("[1,2]"), valuesMax: 2)
        }
        #expect(many?.isLimit == true)
        #expect(throws: Never.self) { try JSONDocument(bytes("[1,2]"), valuesMax: 3) }
        let deep = try JSONDocument(nested(1_000_000))
        #expect(deep.root.count == 1 && deep.compacted().count == 2_000_000)
    }

    // What numeric holds and what not, as the server's numeric_in decides.
    @Test func storableNumbers() throws {
        for number in [
            "0", "-1.5", "1e131071", "0.001e131074", "10e131070", "1e-16383", "1.5e-16382", "0e400000",
        ] {
            #expect(try JSONDocument(bytes("[\(number)]")).hasStorableNumbers, "\(number)")
        }
        for number in [
            "1e131072", "0.001e131075", "1e400000", "1e-16384", "1.55e-16382", "0e-20000", "1e99999999999",
        ] {
            #expect(try !JSONDocument(bytes("{\"a\":\(number)}")).hasStorableNumbers, "\(number)")
        }
    }

    // The writer's objects parse back to what was put in.
    @Test func writer() throws {
        var writer = JSONObjectWriter()
        #expect(text(writer.finish()) == "{}")
        writer.member("s", string: bytes("a\"\\\u{1}\u{1F}\n\té"))
        writer.member("n", string: nil)
        writer.member("i", integer: -5)
        writer.member("b", bool: true)
        writer.member("r", raw: bytes("[1.0]"))
        let expected = #"{"s":"a\"\\\u0001\u001f\n\té","n":null,"i":-5,"b":true,"r":[1.0]}"#
        #expect(text(writer.finish()) == expected)
        #expect(throws: Never.self) { try JSONDocument(writer.finish()) }
    }
}
