// SPDX-License-Identifier: PostgreSQL

public import DurableModel

extension Compose {
    /// `df.if`: one of two branches, as the condition's value tells.
    public static func ifElse(
        _ condition: Bytes,
        then: Bytes,
        else otherwise: Bytes
    ) throws(EnvelopeError) -> Bytes {
        let condition = try child(condition)
        let left = try child(then)
        return EnvelopeNode(
            kind: .if,
            left: left,
            right: try child(otherwise),
            condition: condition
        ).print()
    }

    /// `df.if_rows`: the condition is that the result called `name` has rows; the name is not checked here.
    public static func ifRows(
        _ name: Bytes,
        then: Bytes,
        else otherwise: Bytes
    ) throws(EnvelopeError) -> Bytes {
        let name = try checked(name)
        var config = JSONObjectWriter()
        config.member("condition_type", string: Bytes("result_has_rows".utf8))
        config.member("result_name", string: name)
        let left = try child(then)
        return EnvelopeNode(
            kind: .if,
            left: left,
            right: try child(otherwise),
            query: config.finish()
        ).print()
    }

    /// `?>`: a conditional that still lacks its else part, spelled as the server prints jsonb.
    ///
    /// It names no node type. SQL null operands become JSON null.
    public static func partial(_ condition: Bytes?, then: Bytes?) throws(EnvelopeError) -> Bytes {
        func member(_ value: Bytes?) throws(EnvelopeError) -> Bytes {
            guard let value else { return Bytes("null".utf8) }
            return JSONText.quote(try checked(value))
        }
        let condition = try member(condition)
        let then = try member(then)
        return ByteText(
            "{\"condition\": \(condition), \"_partial_if\": true, \"then_branch\": \(then)}"
        ).bytes
    }

    /// What `!>` finds on its left: the condition and the then part of `?>`, nil when one of them is null.
    ///
    /// Parts may be texts or, as earlier versions wrote them, embedded objects. Throws 22P02 for a left side
    /// that is not JSON and P0001 for one that is no partial conditional.
    public static func parts(
        ofPartial partial: Bytes?
    ) throws(EnvelopeError) -> (condition: Bytes, then: Bytes)? {
        let notPartial = EnvelopeError(
            .raiseException,
            "Invalid if-then-else: left side of !> must be a ?> expression"
        )
        guard let partial else { throw notPartial }
        let document: JSONDocument
        do throws(JSONError) {
            document = try JSONDocument(partial, depthMax: .max)
        } catch {
            throw EnvelopeError(
                .invalidTextRepresentation,
                "invalid input syntax for type json",
                detail: "The left side of !> is not JSON: \(error.description).",
                hint: "The left side of !> must be a ?> expression."
            )
        }
        if document.containsNUL { throw .nulEscape(prefix: "Invalid if-then-else: ") }
        guard document.root[Bytes("_partial_if".utf8)] != nil else { throw notPartial }
        guard let condition = part("condition", of: document.root),
            let then = part("then_branch", of: document.root)
        else { return nil }
        return (condition, then)
    }

    // As the server's `->>`: a string's characters, the JSON text of anything else, nothing for null.
    private static func part(_ key: String, of partial: JSONValue) -> Bytes? {
        guard let value = partial[Bytes(key.utf8)], !value.isNull else { return nil }
        return value.string ?? value.raw
    }
}
