// SPDX-License-Identifier: PostgreSQL

import DurableModel
import Testing

@testable import DurableCore

/// The table of the specification, each value tested bare and as the first column of a first row.
@Test func truthinessTable() throws {
    let truths = [
        "true", "1", "-1", "0.5", "1e-300", "123456789012345678901234567890", "1e400", #""true""#, #""T""#,
        #""yes""#,
        #""YES""#, #""off""#, #""n""#, #""disabled""#, #""nan""#, #""inf""#, #""-Infinity""#, #""1""#,
        #""-0.5""#, #""a""#,
        #""1e""#, #""0x0""#, #"".""#, #""0 0""#, #"" true ""#, #""1.5000""#, "[0]", #"{"a":null}"#, "[[]]",
        #""+""#,
        #"{"status":503}"#, #"{"rows":1}"#, #"{"rows":{}}"#,
    ]
    let falsehoods = [
        "false", "0", "0.0", "-0", "0e5", "1e-400", "0.00", "null", #""""#, #""  ""#, #""false""#, #""F""#,
        #""no""#, #""No""#,
        #""0""#, #""0.00""#, #""-0.0""#, #""+.0""#, #""0.""#, #"" 0 ""#, #""0e7""#, #""1e-999""#, "[]", "{}",
        #""\u00a0 no\u3000""#, #""\t0\n""#, #""2e-324""#,
    ]
    for (values, expected) in [(truths, true), (falsehoods, false)] {
        for value in values {
            #expect(try Truthiness.test(Bytes(value.utf8)) == expected, "\(value)")
            let row = "{\"rows\":[{\"v\":\(value),\"w\":true},{\"v\":true}],\"row_count\":2}"
            #expect(try Truthiness.test(Bytes(row.utf8)) == expected, "\(row)")
        }
    }
    let wholes: [(String, Bool)] = [
        (#"{"rows":[],"row_count":0}"#, false), (#"{"rows":[{}],"row_count":1}"#, true),
        (#"{"rows":[5]}"#, true),
        (#"{"rows":[null]}"#, true), (#"{"rows":[{"v":{"rows":[]}}]}"#, true), (#"[{"rows":[]}]"#, true),
        ("", false), ("nonsense", false), ("{", false), (#""5e-324""#, true),
    ]
    for (value, expected) in wholes {
        #expect(try Truthiness.test(Bytes(value.utf8)) == expected, "\(value)")
    }
    // Nesting is no limit, and what is one is no falsehood.
    let deep =
        Bytes(repeating: UInt8(ascii: "["), count: 5000) + Bytes(repeating: UInt8(ascii: "]"), count: 5000)
    #expect(try Truthiness.test(deep))
    #expect(throws: JSONError.self) { try Truthiness.test(Bytes("[1,2]".utf8), valuesMax: 2) }
}
