// SPDX-License-Identifier: PostgreSQL

/// The ids that users see: lowercase hexadecimal digits, drawn at random until one is free.
///
/// Eight digits, as long as a few draws find a free id; when the space fills, longer ones, so that a start never looks
/// for long: with 100 million instances one draw in 43 is in vain.
public enum PublicID {
    /// The digits of each draw.
    static let lengths = [8, 8, 8, 8, 12, 12, 12, 12, 16, 16, 16, 16]

    public static var drawsMax: Int { lengths.count }

    /// An id made of the numbers that `number` gives, which `isTaken` does not know; nil when all draws were in vain.
    public static func draw<Failure: Error>(
        number: () -> UInt32,
        isTaken: (Bytes) throws(Failure) -> Bool
    ) throws(Failure) -> Bytes? {
        for length in lengths {
            var id: Bytes = []
            while id.count < length { append(number(), digits: min(length - id.count, 8), to: &id) }
            if try !isTaken(id) { return id }
        }
        return nil
    }

    /// Whether a text has the shape of an id, in either case.
    public static func isShaped(_ text: Bytes) -> Bool {
        lengths.contains(text.count)
            && text.allSatisfy {
                ($0 >= 0x30 && $0 <= 0x39) || ($0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x66)
            }
    }

    private static func append(_ number: UInt32, digits: Int, to id: inout Bytes) {
        for i in 0..<digits {
            let nibble = UInt8(truncatingIfNeeded: number >> UInt32(4 * (digits - 1 - i))) & 15
            id.append(nibble < 10 ? 0x30 + nibble : 0x57 + nibble)
        }
    }
}
