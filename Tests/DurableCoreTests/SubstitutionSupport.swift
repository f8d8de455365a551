// SPDX-License-Identifier: PostgreSQL

import DurableModel
import Testing

@testable import DurableCore

func bytes(ofText text: String) -> Bytes { Bytes(text.utf8) }

func text(ofBytes bytes: Bytes) -> String { String(decoding: bytes, as: UTF8.self) }

/// A scope in strings, for tables of cases.
func scope(
    names: [String: String] = [:],
    variables: [String: String] = [:],
    label: String? = "the label",
    scs: Bool = true
) -> SubstitutionScope {
    func table(_ strings: [String: String]) -> [Bytes: Bytes] {
        Dictionary(uniqueKeysWithValues: strings.map { (Bytes($0.key.utf8), Bytes($0.value.utf8)) })
    }
    return SubstitutionScope(
        variables: table(variables),
        names: table(names),
        instanceID: Bytes("0a1b2c3d".utf8),
        label: label.map { Bytes($0.utf8) },
        standardConformingStrings: scs
    )
}

/// The text after substitution, or `!SQLSTATE message` when it fails.
func substitute(_ template: String, _ scope: SubstitutionScope) -> String {
    substitute(template, .sql, scope)
}

func substitute(_ template: String, _ mode: SubstitutionMode, _ scope: SubstitutionScope) -> String {
    do throws(SubstitutionError) {
        return text(ofBytes: try Substitution.apply(Bytes(template.utf8), mode: mode, scope: scope).text)
    } catch {
        return "!" + text(ofBytes: error.sqlstate) + " " + text(ofBytes: error.message)
    }
}

/// The rule that the server's own scanner checks, with our lexer: outside of the placed values the tokens
/// of both texts are equal, and each value is made of whole tokens or lies inside one.
func haveSameStructure(_ result: Substituted, scs: Bool) -> Bool {
    guard let first = outline(result.text, result.placed, scs: scs),
        let second = outline(result.neutral, result.neutralPlaced, scs: scs)
    else { return false }
    return first == second && result.placed.count == result.neutralPlaced.count
}

// The tokens outside of placed values, with the places marked; nil when a value broke out of its place.
private func outline(_ text: Bytes, _ placed: [Placed], scs: Bool) -> [String]? {
    var lexer = SQLLexer(text, standardConformingStrings: scs)
    var out: [String] = []
    var next = 0
    while let token = lexer.next() {
        while next < placed.count, placed[next].range.upperBound <= token.range.lowerBound {
            if !placed[next].insideLiteral { out.append("<value>") }
            next += 1
        }
        if token.kind == .blank { continue }
        let touching = placed.filter { place in
            // An empty value at the end of a literal that is never closed counts too.
            place.range.overlaps(token.range) || token.range.contains(place.range.lowerBound)
                || (place.insideLiteral && place.range.isEmpty
                    && place.range.lowerBound == token.range.upperBound)
        }
        if touching.contains(where: { !$0.insideLiteral }) {
            guard touching.count == 1, let only = touching.first,
                only.range.lowerBound <= token.range.lowerBound,
                only.range.upperBound >= token.range.upperBound
            else { return nil }
            continue
        }
        let areWithin = touching.allSatisfy { place in
            token.range.lowerBound < place.range.lowerBound
                && place.range.upperBound <= token.range.upperBound
        }
        guard areWithin else { return nil }
        out.append(
            "\(token.kind)" + (touching.isEmpty ? String(decoding: text[token.range], as: UTF8.self) : "…")
        )
    }
    return out
}

/// What the literal that `token` is means to the server.
func meaning(of token: SQLToken, in text: Bytes, scs: Bool) -> Bytes? {
    guard case .literal(let style) = token.kind else { return nil }
    var out = Bytes()
    var i = token.body.lowerBound
    let escapes = style == .escape || (style == .plain && !scs)
    while i < token.body.upperBound {
        if text[i] == UInt8(ascii: "'") || (escapes && text[i] == UInt8(ascii: "\\")) { i += 1 }
        guard i < token.body.upperBound else { return nil }
        out.append(text[i])
        i += 1
    }
    return out
}

/// `{"rows":[{"v":…}],"row_count":1}` for a string value.
func row(ofString value: Bytes) -> Bytes {
    Bytes("{\"rows\":[{\"v\":".utf8) + JSONText.quote(value) + Bytes("}],\"row_count\":1}".utf8)
}
