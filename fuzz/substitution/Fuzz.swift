// SPDX-License-Identifier: PostgreSQL

import DurableCore
import DurableModel

// The input is split at NUL bytes: flags and template, the results `x`, `y` and `z`, the variable `v`.
// Whatever the bytes are, substitution ends with a text or an error; the places are in order and in bounds,
// and outside of them the text is the neutral text.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Bytes(UnsafeBufferPointer(start: start, count: count))
    let parts = input.split(separator: 0, omittingEmptySubsequences: false).map { Bytes($0) }
    guard let first = parts.first, let flags = first.first else { return 0 }
    var scope = SubstitutionScope(instanceID: Bytes("01234567".utf8), sizeMax: 1 << 20)
    scope.standardConformingStrings = flags & 1 == 0
    for (name, text) in zip(["x", "y", "z"], parts.dropFirst()) {
        // A text that is no JSON stands for a row with that string, so that mutation finds values easily.
        scope.names[Bytes(name.utf8)] = (try? JSONDocument(text)) != nil ? text : row(text)
    }
    if parts.count > 4 { scope.variables[Bytes("v".utf8)] = parts[4] }
    let template = Bytes(first.dropFirst())
    if let sql = try? Substitution.apply(template, mode: .sql, scope: scope) {
        guard surroundings(sql.text, sql.placed) == surroundings(sql.neutral, sql.neutralPlaced) else {
            fatalError("a value changed the text around it")
        }
        guard sql.placed.map(\.insideLiteral) == sql.neutralPlaced.map(\.insideLiteral) else {
            fatalError("places do not correspond")
        }
        _ = sql.hint
    }
    _ = try? Substitution.apply(template, mode: .raw, scope: scope)
    for text in parts { _ = try? Truthiness.test(text) }
    return 0
}

private func row(_ text: Bytes) -> Bytes {
    Bytes("{\"rows\":[{\"v\":".utf8) + JSONText.quote(text) + Bytes(",\"w\":-1}]}".utf8)
}

private func surroundings(_ text: Bytes, _ placed: [Placed]) -> [Bytes] {
    var pieces: [Bytes] = []
    var from = 0
    for place in placed {
        guard place.range.lowerBound >= from, place.range.upperBound <= text.count else {
            fatalError("a place is out of bounds or out of order")
        }
        pieces.append(Bytes(text[from..<place.range.lowerBound]))
        from = place.range.upperBound
    }
    return pieces + [Bytes(text[from...])]
}
