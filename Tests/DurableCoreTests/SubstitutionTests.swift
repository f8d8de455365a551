// SPDX-License-Identifier: PostgreSQL

import DurableModel
import Testing

@testable import DurableCore

private let names: [String: String] = [
    "n": #"{"rows":[{"v":7,"w":"b"},{"v":8,"w":"c"}],"row_count":2}"#,
    "neg": #"{"rows":[{"v":-5}],"row_count":1}"#,
    "s": #"{"rows":[{"v":"O'Brien"}],"row_count":1}"#,
    "back": #"{"rows":[{"v":"a\\b"}],"row_count":1}"#,
    "yes": #"{"rows":[{"v":true}],"row_count":1}"#,
    "j": #"{"rows":[{"v":{"a": [1, "x y"]}}],"row_count":1}"#,
    "nul": #"{"rows":[{"v":null,"w":1}],"row_count":1}"#,
    "none": #"{"rows":[],"row_count":0}"#,
    "bare": #"{"rows":[{}],"row_count":1}"#,
    "odd": #"{"rows":[5],"row_count":1}"#,
    "resp": #"{"status":200,"body":"it's","ok":true,"gone":null,"o":{"k": 1}}"#,
    "rows": #"{"rows":3}"#,
    "list": #"[1, {"a": 2}]"#,
    "str": #""done""#,
    "void": "null",
    "big": #"{"rows":[{"v":1e+20,"w":12345678901234567890,"x":0.10}],"row_count":1}"#,
    "na": #"{"rows":[{"v":"longer"}],"row_count":1}"#,
    "ids": #"{"rows":[{"id":1},{"id":-2},{"id":null}],"row_count":3}"#,
    "words":
        #"{"rows":[{"w":"a"},{"w":"NULL"},{"w":"x\"y\\z"},{"w":"it's"},{"w":""},{"w":{"k":[1]}},"#
        + #"{"w":false}],"row_count":7}"#,
    "mix":
        #"{"rows":[{"a b":1,"q\"":"x","u":true,"z":null},{"u":false,"a b":2,"z":{"k": 1}}],"row_count":2}"#,
]

/// Every form of reference in SQL mode gives the text of the specification's tables.
@Test func substitutionSQLForms() {
    let cases: [(String, String)] = [
        ("SELECT $n", "SELECT 7"),
        ("SELECT $n?", "SELECT 7"),
        ("SELECT $n.w", "SELECT 'b'"),
        ("SELECT $n.w?", "SELECT 'b'"),
        ("SELECT $s", "SELECT 'O''Brien'"),
        ("SELECT $back", #"SELECT E'a\\b'"#),
        ("x=$back", #"x= E'a\\b'"#),
        ("SELECT $yes, $yes.v", "SELECT true, true"),
        ("SELECT $j", #"SELECT '{"a":[1,"x y"]}'"#),
        ("SELECT $j::jsonb", #"SELECT '{"a":[1,"x y"]}'::jsonb"#),
        ("SELECT $big, $big.w, $big.x", "SELECT 1e+20, 12345678901234567890, 0.10"),
        ("SELECT $nul?", "SELECT NULL"),
        ("SELECT COALESCE($nul.v?, 'f')", "SELECT COALESCE(NULL, 'f')"),
        ("SELECT $nul.w", "SELECT 1"),
        ("SELECT $none?", "SELECT NULL"),
        ("SELECT $none.x?", "SELECT NULL"),
        ("SELECT $resp", #"SELECT '{"status":200,"body":"it''s","ok":true,"gone":null,"o":{"k":1}}'"#),
        ("SELECT $resp?", #"SELECT '{"status":200,"body":"it''s","ok":true,"gone":null,"o":{"k":1}}'"#),
        ("SELECT $resp.body", "SELECT 'it''s'"),
        ("SELECT ($resp.body)::jsonb->>'k'", "SELECT ('it''s')::jsonb->>'k'"),
        ("SELECT $resp.ok, $resp.status", "SELECT true, 200"),
        ("SELECT $resp.gone?", "SELECT NULL"),
        ("SELECT $resp.o", #"SELECT '{"k":1}'"#),
        ("SELECT $rows", #"SELECT '{"rows":3}'"#),
        ("SELECT $rows.rows", "SELECT 3"),
        ("SELECT $list", #"SELECT '[1,{"a":2}]'"#),
        ("SELECT $str", #"SELECT '"done"'"#),
        ("SELECT $void", "SELECT 'null'"),
        ("SELECT $na", "SELECT 'longer'"),
        ("SELECT $n.", "SELECT 7 ."),
        ("SELECT $n.w.x", "SELECT 'b' .x"),
        ("SELECT $n.v::text", "SELECT 7::text"),
        ("SELECT $n,$s;", "SELECT 7,'O''Brien';"),
        ("LIMIT $n OFFSET $n", "LIMIT 7 OFFSET 7"),
        ("interval $s", "interval 'O''Brien'"),
        // What is no reference stays.
        ("SELECT $foo, $1, $nope.x, $, $n_, $n2, $N", "SELECT $foo, $1, $nope.x, $, $n_, $n2, $N"),
        ("SELECT $n.nope", "SELECT $n.nope"),
        ("SELECT $n.nope?, $n", "SELECT $n.nope?, 7"),
        ("SELECT $resp.nope, $resp.nope?", "SELECT $resp.nope, $resp.nope?"),
        ("SELECT 1 -- $n\n, $n", "SELECT 1 -- $n\n, 7"),
        ("SELECT 1 -- $none\r, $n", "SELECT 1 -- $none\r, 7"),
        ("SELECT /* $none /* $n */ $n */ $n", "SELECT /* $none /* $n */ $n */ 7"),
        ("", ""),
    ]
    for (template, expected) in cases {
        #expect(substitute(template, scope(names: names)) == expected, "\(template)")
    }
}

/// A row set becomes a derived table with its own alias.
@Test func substitutionRowSets() {
    let cases: [(String, String)] = [
        ("SELECT * FROM $n.*", #"SELECT * FROM (VALUES (7,'b'::text), (8,'c'::text)) AS "n"("v", "w")"#),
        ("IN (SELECT id FROM $ids.*)", #"IN (SELECT id FROM (VALUES (1), (-2), (NULL)) AS "ids"("id"))"#),
        ("FROM $none.*", #"FROM (SELECT NULL WHERE false) AS "none""#),
        (
            "FROM $mix.*",
            #"FROM (VALUES (1,'x'::text,true,NULL), (2,NULL,false,'{"k":1}'::text)) AS "mix"("a b", "q""", "u", "z")"#
        ),
        ("FROM $back.*", #"FROM (VALUES ( E'a\\b'::text)) AS "back"("v")"#),
        ("FROM $n.*x", #"FROM (VALUES (7,'b'::text), (8,'c'::text)) AS "n"("v", "w") x"#),
    ]
    for (template, expected) in cases {
        #expect(substitute(template, scope(names: names)) == expected, "\(template)")
    }
    let row = #"{"a":1}"#
    func many(_ count: Int) -> SubstitutionScope {
        let list = [String](repeating: row, count: count).joined(separator: ",")
        return scope(names: ["m": "{\"rows\":[\(list)],\"row_count\":\(count)}"])
    }
    #expect(substitute("FROM $m.*", many(10_000)).count > 10_000)
    let refused = substitute("FROM $m.*", many(10_001))
    #expect(refused == "!54000 $m.* has 10001 rows, exceeding the maximum of 10000 for row-set expansion")
    #expect(substitute("$m.*", .raw, many(10_001)) == refused)
    func named(_ column: String) -> String {
        substitute("FROM $m.*", scope(names: ["m": "{\"rows\":[{\"\(column)\":1}]}"]))
    }
    #expect(named("").hasPrefix("!42602"))
    #expect(named(String(repeating: "c", count: 64)).hasPrefix("!42622"))
    #expect(!named(String(repeating: "c", count: 63)).hasPrefix("!"))
}

/// References that cannot be honoured fail with the text of the specification and a fitting SQLSTATE.
@Test func substitutionFailures() {
    let cases: [(String, SubstitutionMode, String)] = [
        ("SELECT $none", .sql, "!P0002 $none has no rows — query returned zero results"),
        ("SELECT $none.never", .sql, "!P0002 $none has no rows — query returned zero results"),
        ("SELECT $nul", .sql, "!22004 $nul is NULL — first column of first row is NULL"),
        ("SELECT $nul.v", .sql, "!22004 $nul.v is NULL"),
        ("SELECT $bare", .sql, "!22023 $bare: first row has no columns"),
        ("SELECT $bare?", .sql, "!22023 $bare: first row has no columns"),
        ("SELECT $odd", .sql, "!22023 $odd: first row is not an object"),
        ("SELECT $odd?", .sql, "!22023 $odd: first row is not an object"),
        ("SELECT $odd.*", .sql, "!22023 $odd: first row is not an object"),
        ("SELECT $bare.*", .sql, "!22023 $bare: first row has no columns"),
        ("SELECT $resp.gone", .sql, "!22004 $resp.gone is NULL"),
        ("SELECT $list.f", .sql, "!22023 $list.f: result is neither a row set nor a JSON object"),
        ("SELECT $str.f?", .sql, "!22023 $str.f: result is neither a row set nor a JSON object"),
        ("SELECT $resp.*", .sql, "!22023 $resp.* — invalid result format"),
        ("$none", .raw, "!P0002 $none has no rows — query returned zero results"),
        ("$nul", .raw, "!22004 $nul is NULL — first column of first row is NULL"),
        ("$n.x", .raw, "!42703 $n.x: result has no field 'x' (available: v, w)"),
        (
            "http://$resp.example/", .raw,
            "!42703 $resp.example: result has no field 'example' (available: status, body, ok, gone, o)"
        ),
        ("$list.f", .raw, "!22023 $list.f: result is neither a row set nor a JSON object"),
        ("$list.*", .raw, "!22023 $list.* — invalid result format"),
        ("SELECT '$none'", .sql, "!P0002 $none has no rows — query returned zero results"),
    ]
    for (template, mode, expected) in cases {
        #expect(substitute(template, mode, scope(names: names)) == expected, "\(template)")
    }
    let broken = scope(names: ["x": "{\"rows\":", "z": #"{"rows":[{"v":"a\u0000b"}]}"#])
    #expect(substitute("SELECT $x", broken) == "!22032 $x: invalid result JSON")
    #expect(substitute("SELECT $z", broken).hasPrefix("!22P05"))
    #expect(substitute("SELECT $y", broken) == "SELECT $y")
}

/// Raw mode writes values as they are.
@Test func substitutionRawForms() {
    let cases: [(String, String)] = [
        ("a $n b $n.w c", "a 7 b b c"),
        ("$s", "O'Brien"),
        ("'$s' -- $s", "'O'Brien' -- O'Brien"),
        (#"$back"#, #"a\b"#),
        ("$j", #"{"a":[1,"x y"]}"#),
        ("$yes $big", "true 1e+20"),
        ("$nul? $none? $none.q?", "NULL NULL NULL"),
        ("$resp.body, $resp.status", "it's, 200"),
        ("$resp.gone?", "NULL"),
        ("$list", #"[1,{"a":2}]"#),
        ("$str", #""done""#),
        ("$ids.*", #"[{"id":1},{"id":-2},{"id":null}]"#),
        ("$none.*", "[]"),
        ("$n.nope? $resp.nope?", "$n.nope? $resp.nope?"),
        ("$foo $1 $ $$ $nx cost: $5", "$foo $1 $ $$ $nx cost: $5"),
        ("$n. $n.", "7. 7."),
        ("$n$n$s", "77O'Brien"),
    ]
    for (template, expected) in cases {
        #expect(substitute(template, .raw, scope(names: names)) == expected, "\(template)")
    }
}

/// `{name}` is replaced token by token, once, and what it brings is scanned for `$` only.
@Test func substitutionVariables() {
    let variables = [
        "m": "gpt", "q": "it's", "sql": "SELECT 1", "ref": "$n", "brace": "{m}", "has space": "no",
        "1a": "no",
        "a-b": "no", "é": "no", "sys_label": "mine", "sys_instance_id": "mine", "sys_other": "x", "e": "",
    ]
    let cases: [(String, String)] = [
        ("{sql}", "SELECT 1"),
        ("SELECT '{q}'", "SELECT 'it's'"),
        (#"{"model": "{m}", "k": {m}}"#, #"{"model": "gpt", "k": gpt}"#),
        ("{{m}} {x{m}y}", "{gpt} {xgpty}"),
        ("{brace}", "{m}"),
        ("{ref}", "7"),
        ("{e}|{m}{m}", "|gptgpt"),
        ("{has space} {1a} {a-b} {é} { m } {M} {}", "{has space} {1a} {a-b} {é} { m } {M} {}"),
        (
            "{sys_instance_id} {sys_label} {sys_label } {SYS_LABEL} {sys_other}",
            "0a1b2c3d the label {sys_label } {SYS_LABEL} x"
        ),
        ("{m", "{m"),
        ("{", "{"),
        ("-- {m}", "-- gpt"),
    ]
    for (template, expected) in cases {
        for mode in [SubstitutionMode.sql, .raw] {
            #expect(
                substitute(template, mode, scope(names: ["n": names["n"] ?? ""], variables: variables))
                    == expected,
                "\(template)"
            )
        }
    }
    #expect(substitute("[{sys_label}]", scope(label: nil)) == "[]")
    let huge = scope(variables: ["v": String(repeating: "v", count: 1 << 20)])
    #expect(
        substitute(String(repeating: "{v}", count: 300), huge)
            == "!54000 text after substitution exceeds 268435456 bytes"
    )
}

/// A reference that is the whole operand of ANY, ALL or SOME is the array of the first column of all rows.
@Test func substitutionArrayOperands() {
    let array = "'{1,-2,NULL}'"
    let arrays = [
        "id = ANY($ids)", "id =any( $ids )", "id <> All\n(\t$ids\n)", "id = SOME /* c */ ( -- d\n$ids)",
        "id = ANY($ids?)", "id = ANY($ids::int[])", "id = ANY($ids :: bigint [ 3 ] [])",
        "id = ANY($ids::int ARRAY)",
        "id = ANY($ids::numeric(10,2)[])", "id = ANY($ids::pg_catalog.\"int4\"[])",
        "id = ANY($ids::int ARRAY[4])",
        "id = ANY($ids::text[]::int[])", "id = ANY($ids::timestamp with time zone[])",
        "x OPERATOR(pg_catalog.=) ANY($ids)", "x NOT LIKE ALL($ids)", "x ilike any($ids)",
        "id = ANY(CAST($ids AS int[]))", "id = ANY ( cast ( $ids as int[] ) )",
        "DO $$ BEGIN DELETE FROM t WHERE id = ANY($ids); END $$", "$ids.id=$ids AND x = ANY($ids)",
    ]
    for template in arrays {
        let result = substitute(template, scope(names: names))
        #expect(result.contains(array), "\(template) -> \(result)")
    }
    let scalars = [
        "ANY($ids.id)", "x = ANY(ARRAY[$ids])", "x = ANY($ids::int)", "x = ANY($ids::int[]::text)",
        "UNION ALL ($ids)",
        "SELECT ALL ($ids)", "count(ALL $ids)", "x = ANY(f($ids))", "x = ANY(($ids) + 1)", "x = ANY($ids, 2)",
        "x = ANY($ids || '{2}')", "x = \"any\"($ids)", "s.any($ids)", "x = ANY($ids", "x = many($ids)",
        "= ANY $ids",
        "x = ANY(CAST($ids AS int))", "x = ANY(CAST($ids AS int[]) || 1)",
    ]
    for template in scalars {
        let result = substitute(template, scope(names: names))
        #expect(!result.contains(array), "\(template) -> \(result)")
        #expect(!result.contains("$ids)") && !result.contains("!"), "\(template) -> \(result)")
    }
    let more: [(String, String)] = [
        ("= ANY($none)", "= ANY('{}')"),
        ("= ANY($none::int[])", "= ANY('{}'::int[])"),
        ("= ANY($words)", #"= ANY( E'{"a","NULL","x\\"y\\\\z","it''s","","{\\"k\\":[1]}",false}')"#),
        ("= ANY($odd)", "!22023 $odd: row is not an object"),
        ("= ANY($bare)", "!22023 $bare: row has no columns"),
        ("= ANY($list)", #"= ANY('[1,{"a":2}]')"#),
        ("'= ANY($n)'", "'= ANY(7)'"),
    ]
    for (template, expected) in more {
        #expect(substitute(template, scope(names: names)) == expected, "\(template)")
    }
}

/// As many references as a result has fields cost no more than reading it, also those that lead nowhere.
@Test func manyReferencesToManyFields() throws {
    let count = 30_000
    let fields = (0..<count).map { "\"f\($0)\":\($0)" }.joined(separator: ",")
    let scope = scope(names: ["wide": "{\"rows\":[{\(fields)}]}", "flat": "{\(fields)}"])
    let text = (0..<count).map { "$wide.f\($0) $flat.f\(count - 1 - $0) $wide.no\($0)?" }.joined(
        separator: " "
    )
    let clock = ContinuousClock()
    let begin = clock.now
    let result = try Substitution.apply(bytes(ofText: text), mode: .sql, scope: scope)
    #expect(result.text.starts(with: bytes(ofText: "0 29999 $wide.no0? 1 29998 ")))
    // Searching each field would be 2.7 billion comparisons of keys.
    #expect(clock.now - begin < .seconds(30))
}

/// Lists of names in messages are as long as people read, and say what they leave out.
@Test func longListsOfNames() {
    #expect(NameList.text([bytes(ofText: "a"), bytes(ofText: "b")]) == bytes(ofText: "a, b"))
    let many = NameList.text((0..<10_000).map { bytes(ofText: "name\($0)") })
    #expect(many.count < 2_100)
    #expect(String(decoding: many, as: UTF8.self).hasSuffix(" more"))
}

/// What was left as it is comes with a hint that lists the names known.
@Test func substitutionHints() throws {
    let known = scope(names: ["b": "1", "a": "2"])
    let result = try Substitution.apply(
        bytes(ofText: "SELECT $foo, $b, $foo, '$bar' -- $baz"),
        mode: .sql,
        scope: known
    )
    #expect(result.unknown == [bytes(ofText: "foo")])
    #expect(result.hint == bytes(ofText: "There is no result \"$foo\" at this point; names known are: a, b."))
    let none = try Substitution.apply(bytes(ofText: "SELECT $foo"), mode: .sql, scope: scope())
    #expect(none.hint == bytes(ofText: "There is no result \"$foo\" at this point; no names are known."))
    #expect(try Substitution.apply(bytes(ofText: "SELECT $1, $b"), mode: .sql, scope: known).hint == nil)
}
