// SPDX-License-Identifier: PostgreSQL

public import DurableModel

extension StepFailure {
    /// The failure with "?" for every character that cannot be stored; the texts of a peer can hold any.
    public func storable<E: Error>(where canStore: (Bytes) throws(E) -> Bool) throws(E) -> StepFailure {
        var failure = self
        failure.message = try StepFailure.storable(message, canStore)
        if let detail { failure.detail = try StepFailure.storable(detail, canStore) }
        if let hint { failure.hint = try StepFailure.storable(hint, canStore) }
        if let context { failure.context = try StepFailure.storable(context, canStore) }
        return failure
    }

    /// Most of a text that is looked at character by character.
    private static let replacedMax = 8192

    private static func storable<E: Error>(
        _ text: Bytes,
        _ canStore: (Bytes) throws(E) -> Bool
    ) throws(E) -> Bytes {
        if UTF8Bytes.malformedOffset(text) == nil, try canStore(text) { return text }
        let text = UTF8Bytes.cut(text, above: replacedMax, keeping: replacedMax - 3)
        var out = Bytes()
        var known: [Bytes: Bool] = [:]
        var i = 0
        while i < text.count {
            let length = UTF8Bytes.sequenceLength(text, at: i)
            let character = Bytes(text[i..<(i + max(length, 1))])
            i += character.count
            let isKept: Bool
            if length <= 1 {
                isKept = length == 1 && character != [0]
            } else if let seen = known[character] {
                isKept = seen
            } else {
                isKept = try canStore(character)
                known[character] = isKept
            }
            out += isKept ? character : [UInt8(ascii: "?")]
        }
        return out
    }
}
