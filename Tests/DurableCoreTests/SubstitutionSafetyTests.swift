// SPDX-License-Identifier: PostgreSQL

import DurableModel
import Testing

@testable import DurableCore

/// The values of security.md S14, and a few that grew from reading our own escaping.
private let nasty: [Bytes] =
    [
        "'", "\\'", "\\", "\\\\", "$$", "$q$", "*/", "/*", "--", "\n", "\r", "{}", "\",NULL,\"", "\"", "'';",
        "a'b\"c",
        "\\' || current_user -- ", "' || current_user -- ", "$", "q$", "$q", "U&'", "E'", "e", "", " ",
        "NULL",
        "{1,2}", "::int", "\t", "\\x27", "\\047", "\\u0027", "'\n'", "); DROP TABLE t; --", "$1", "$x",
        "{var}",
    ].map { Bytes($0.utf8) } + [[0xE2, 0x80, 0x99], [0xC2, 0xA0], [0xF0, 0x9F, 0x98, 0x80]]

private let contexts = [
    "SELECT $x", "SELECT $x, 1", "SELECT($x)", "x=$x", "x=-$x", "x|$x", "SELECT 1+$x+2", "SELECT a.$x",
    "SELECT $x.v",
    "SELECT $x?", "SELECT $x.v?", "SELECT $x::text", "IN($x,$x)", "SELECT $x$x", "SELECT 'a'$x",
    "SELECT $x'b'",
    "SELECT $x\"b\"", "SELECT 'a $x b'", "SELECT '$x'", "SELECT '$x''$x'", "SELECT 'a''$x'",
    "SELECT E'a $x b'",
    "SELECT E'$x'", "SELECT E'\\\\$x'", "SELECT e'\\'$x'", "SELECT E'\\$x'", "SELECT U&'a $x b'",
    "SELECT U&'\\0041$x'",
    "SELECT N'$x'", "SELECT 'a'\n'b $x'", "SELECT E'a'\n'b $x'", "SELECT E'a' -- c\n  'b $x'",
    "SELECT U&'a'\n'$x'",
    "SELECT \"a $x b\"", "SELECT \"$x\"", "SELECT U&\"a $x\"", "SELECT 1 -- $x\n+1", "SELECT 1 /* $x */ + 1",
    "SELECT $$ $x $$", "SELECT $$$x$$", "SELECT $q$ $x $q$", "SELECT $q$'$x'$q$",
    "SELECT $q$E'$x'$q$ || '$x'",
    "SELECT $q$ $$ $x $$ $q$", "SELECT $q$ \"$x\" -- $x\n $q$", "SELECT $q$ it's $x $q$",
    "SELECT $a$ $x$b$ $b$ $x $a$",
    "= ANY($x)", "= ANY($x::text[])", "= ANY('$x')", "SELECT * FROM $x.*", "SELECT '$x.*'",
    "DO $$ FROM $x.* $$",
    "SELECT 1E'$x'", "SELECT fooE'$x'", "SELECT 1$x", "SELECT E$x", "SELECT N$x", "SELECT U&$x",
    "SELECT X'$x'",
    "SELECT B'$x'", "part_$x", "part_$x_", "v$x.v", "SELECT $$ part_$x $$", "SELECT 'a'\n$x",
    "SELECT $x\n'a'",
    "SELECT '$x", "SELECT \"$x", "SELECT $$ '$x $$", "SELECT '$x'\n'$x'", "SELECT 'a' 'b $x'", "SELECT @$x",
    "SELECT U&'$x' UESCAPE '!'",
]

/// No value changes the tokens around it, in any context, under both settings: the statement keeps its
/// structure, or the substitution is refused with 22023.
@Test func nastyValuesEverywhere() throws {
    var placedAtAll = 0
    for scs in [true, false] {
        for value in nasty {
            for context in contexts {
                var nastyScope = scope(scs: scs)
                nastyScope.names = [Bytes("x".utf8): row(ofString: value)]
                let comment: Comment = "\(context) with \(value), scs \(scs)"
                do throws(SubstitutionError) {
                    let result = try Substitution.apply(Bytes(context.utf8), mode: .sql, scope: nastyScope)
                    placedAtAll += result.placed.count
                    #expect(haveSameStructure(result, scs: scs), comment)
                    #expect(haveSameSurroundings(result), comment)
                } catch {
                    #expect(error.sqlstate == Bytes("22023".utf8) || value.isEmpty, comment)
                }
            }
        }
    }
    #expect(placedAtAll > 4000)
}

/// A value in code, and one in a literal, mean to the server what they are, whatever
/// standard_conforming_strings is.
@Test func nastyValuesKeepTheirMeaning() throws {
    let templates = [
        "SELECT $x", "x=$x", "SELECT '$x'", "SELECT E'$x'", "SELECT 'a'\n'$x'", "SELECT E'a'\n'$x'",
        "SELECT N'$x'",
    ]
    for scs in [true, false] {
        for value in nasty {
            for template in templates {
                var nastyScope = scope(scs: scs)
                nastyScope.names = [Bytes("x".utf8): row(ofString: value)]
                let result = try Substitution.apply(Bytes(template.utf8), mode: .sql, scope: nastyScope)
                var lexer = SQLLexer(result.text, standardConformingStrings: scs)
                var last: Bytes?
                while let token = lexer.next() {
                    last = meaning(of: token, in: result.text, scs: scs) ?? last
                }
                #expect(last == value, "\(template) with \(value), scs \(scs)")
            }
        }
    }
}

/// Array elements keep their meaning through the array syntax and the literal.
@Test func nastyArrayElements() throws {
    let rows = nasty.map { Bytes("{\"v\":".utf8) + JSONText.quote($0) + Bytes("}".utf8) }
    let list = Bytes(rows.joined(separator: Bytes(",".utf8)))
    var nastyScope = scope()
    nastyScope.names = [Bytes("x".utf8): Bytes("{\"rows\":[".utf8) + list + Bytes("]}".utf8)]
    let result = try Substitution.apply(Bytes("= ANY($x)".utf8), mode: .sql, scope: nastyScope)
    var lexer = SQLLexer(result.text)
    var array = Bytes()
    while let token = lexer.next() { array = meaning(of: token, in: result.text, scs: true) ?? array }
    var elements: [Bytes] = []
    var i = 1
    while i < array.count - 1 {
        // Every element is quoted.
        #expect(array[i] == UInt8(ascii: "\""))
        i += 1
        var element = Bytes()
        while i < array.count, array[i] != UInt8(ascii: "\"") {
            if array[i] == UInt8(ascii: "\\") { i += 1 }
            element.append(array[i])
            i += 1
        }
        elements.append(element)
        i += 2
    }
    #expect(elements == nasty)
}

private func haveSameSurroundings(_ result: Substituted) -> Bool {
    func outside(_ text: Bytes, _ placed: [Placed]) -> [Bytes]? {
        var pieces: [Bytes] = []
        var from = 0
        for place in placed {
            guard place.range.lowerBound >= from, place.range.upperBound <= text.count else { return nil }
            pieces.append(Bytes(text[from..<place.range.lowerBound]))
            from = place.range.upperBound
        }
        return pieces + [Bytes(text[from...])]
    }
    let first = outside(result.text, result.placed)
    return first != nil && first == outside(result.neutral, result.neutralPlaced)
}

/// The exact texts inside quotes, and what is refused there.
@Test func substitutionInsideQuotes() {
    let names = [
        "s": #"{"rows":[{"v":"O'Brien"}]}"#, "b": #"{"rows":[{"v":"a\\b"}]}"#,
        "q": #"{"rows":[{"v":"a\"b"}]}"#,
        "n": #"{"rows":[{"v":42}]}"#, "neg": #"{"rows":[{"v":-5}]}"#, "z": #"{"rows":[{"v":null}]}"#,
        "tag": #"{"rows":[{"v":"x$f$y"}]}"#, "dollar": #"{"rows":[{"v":"$"}]}"#,
        "two": #"{"rows":[{"v":"$$"}]}"#,
        "j": #"{"k":"it's"}"#, "none": #"{"rows":[]}"#,
    ]
    let cases: [(String, String)] = [
        ("SELECT 'hi $s!'", "SELECT 'hi O''Brien!'"),
        ("SELECT '$b'", #"SELECT 'a\b'"#),
        ("SELECT E'$b $s'", #"SELECT E'a\\b O''Brien'"#),
        ("SELECT U&'$b'", #"SELECT U&'a\\b'"#),
        (#"SELECT E'\$n \\$n'"#, #"SELECT E'\$n \\42'"#),
        (#"SELECT '\$n'"#, #"SELECT '\42'"#),
        ("SELECT '$n $neg $z? $j $nope $none?'", #"SELECT '42 -5 NULL {"k":"it''s"} $nope NULL'"#),
        ("SELECT '$n.*'", #"SELECT '(VALUES (42)) AS "n"("v")'"#),
        ("SELECT '$s.*'", #"SELECT '(VALUES (''O''''Brien''::text)) AS "s"("v")'"#),
        ("SELECT \"$q\", \"c_$n\"", "SELECT \"a\"\"b\", \"c_42\""),
        ("SELECT * FROM part_$n, x$n.v", "SELECT * FROM part_42, x42"),
        ("SELECT part_$neg", "!22023 substituting $neg would change the statement"),
        ("SELECT part_$s", "!22023 substituting $s would change the statement"),
        ("SELECT X'$n'", "SELECT X'42'"),
        ("SELECT X'$s'", "!22023 substituting $s would change the statement"),
        ("SELECT U&'$n' UESCAPE '!'", "!22023 substituting $n would change the statement"),
        ("DO $$ BEGIN x := $s; END $$", "DO $$ BEGIN x := 'O''Brien'; END $$"),
        ("DO $f$ PERFORM '$s' || $b; -- $s $f$", #"DO $f$ PERFORM 'O''Brien' || E'a\\b'; -- $s $f$"#),
        ("DO $f$ x := $tag; $f$", "!22023 substituting $tag would change the statement"),
        ("DO $g$ x := $tag; $g$", "DO $g$ x := 'x$f$y'; $g$"),
        ("DO $$ x := $two $$", "!22023 substituting $two would change the statement"),
        ("DO $$ x := '$dollar$n' $$", "DO $$ x := '$42' $$"),
        ("SELECT $$it's $dollar$$", "!22023 substituting $dollar would change the statement"),
        ("SELECT $a$ $b$ x $tag $b$ $n $a$", "SELECT $a$ $b$ x 'x$f$y' $b$ 42 $a$"),
        ("SELECT $f$ $g$ $tag $g$ $f$", "!22023 substituting $tag would change the statement"),
        ("SELECT $n$ unclosed", "SELECT 42 $ unclosed"),
        ("SELECT $n$ $n $n$", "SELECT $n$ 42 $n$"),
    ]
    for (template, expected) in cases {
        #expect(substitute(template, scope(names: names)) == expected, "\(template)")
    }
    for joined in [
        "SELECT 'a'\n$s", "SELECT $s\n'a'", "SELECT $b -- c\n'a'", "SELECT $s\n$s", "DO $$ $s\n$s $$",
    ] {
        #expect(substitute(joined, scope(names: names)).hasPrefix("!22023"), "\(joined)")
    }
    #expect(substitute("SELECT 'a'\n$n, $s\n||'a', $s 'a'", scope(names: names)).hasPrefix("SELECT"))
    let off = scope(names: names, scs: false)
    #expect(substitute("SELECT '$b'", off) == #"SELECT 'a\\b'"#)
    #expect(substitute(#"SELECT '\$n', '\'$n'"#, off) == #"SELECT '\$n', '\'42'"#)
}

/// A negative number neither begins a comment nor joins an operator, and a cast takes hold of all of it.
@Test func substitutionNegativeNumbers() {
    let names = ["x": #"{"rows":[{"v":-5}]}"#]
    let cases: [(String, String)] = [
        ("SELECT 1-$x", "SELECT 1- -5"),
        ("SELECT -$x", "SELECT - -5"),
        ("SELECT 1 - $x", "SELECT 1 - -5"),
        ("SELECT @$x", "SELECT @ -5"),
        ("SELECT 2*$x, ($x), $x+1", "SELECT 2* -5, (-5), -5+1"),
        ("SELECT $x::int2, $x /* c */ :: text", "SELECT (-5)::int2, (-5) /* c */ :: text"),
        ("LIMIT $x", "LIMIT -5"),
        ("SET a = $x", "SET a = -5"),
        ("SELECT a[1:$x]", "SELECT a[1:-5]"),
    ]
    for (template, expected) in cases {
        #expect(substitute(template, scope(names: names)) == expected, "\(template)")
    }
}

/// A result of 3 MB and a text full of half-open quotes are handled in a time that grows with their size
/// only.
@Test func substitutionSizes() throws {
    let row = #"{"id":12345,"t":"some text"},"#
    let list = String(repeating: row, count: 100_000).dropLast()
    let big = scope(names: ["x": "{\"rows\":[\(list)],\"row_count\":100000}"])
    let clock = ContinuousClock()
    let spent = try clock.measure {
        let result = try Substitution.apply(Bytes("= ANY($x), $x, $x.t".utf8), mode: .sql, scope: big)
        #expect(result.text.count > 600_000)
        var half = Bytes()
        for i in 0..<20_000 { half += Bytes("$t\(i)$ $x ".utf8) }
        let quotes = try Substitution.apply(half, mode: .sql, scope: big)
        #expect(quotes.placed.count == 20_000)
    }
    // In a debug build on a busy machine; anything quadratic takes hours.
    #expect(spent < .seconds(30))
}
