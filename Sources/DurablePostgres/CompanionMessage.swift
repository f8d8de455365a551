// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableCore
internal import DurableModel
internal import PostgresExtension

/// What an executor and its companion say to each other: a letter, then what belongs to it.
///
///     executor    run ─────────────▶ (at least once)   committed, failed, interrupted …
///     executor    run ─▶ ran  prepare ─▶ prepared  commit ─▶ done      (exactly once)
///
/// Whoever closes the conversation instead of answering wants nothing of it to remain.
enum CompanionMessage {
    /// Run this; string literals were written for `conforming`.
    case run(Substituted, prepares: Bool, conforming: Bool)
    /// It ran, and waits to be prepared.
    case ran(Bytes)
    /// It ran and is committed.
    case committed(Bytes)
    case failed(StepFailure)
    case interrupted
    /// Not begun: here `standard_conforming_strings` is this.
    case reads(conforming: Bool)
    /// Not begun: the role may not work here any more.
    case barred
    case prepare(name: Bytes)
    case prepared
    case commit
    case done

    var encoded: Bytes {
        switch self {
        case .run(let step, let prepares, let conforming):
            var out: Bytes = [UInt8(ascii: "R"), prepares ? 1 : 0, conforming ? 1 : 0]
            out.append(length: step.text.count)
            out += step.text
            out.append(places: step.placed)
            // Without places there is nothing to compare.
            guard !step.placed.isEmpty else { return out }
            out.append(length: step.neutral.count)
            out += step.neutral
            out.append(places: step.neutralPlaced)
            return out
        case .ran(let json): return [UInt8(ascii: "O")] + json
        case .committed(let json): return [UInt8(ascii: "C")] + json
        case .failed(let failure): return [UInt8(ascii: "F")] + FailureCoding.encode(failure)
        case .interrupted: return [UInt8(ascii: "I")]
        case .reads(let conforming): return [UInt8(ascii: "S"), conforming ? 1 : 0]
        case .barred: return [UInt8(ascii: "B")]
        case .prepare(let name): return [UInt8(ascii: "P")] + name
        case .prepared: return [UInt8(ascii: "p")]
        case .commit: return [UInt8(ascii: "c")]
        case .done: return [UInt8(ascii: "d")]
        }
    }

    /// Nil when it is none.
    init?(_ bytes: Bytes) throws(PostgresError) {
        guard let kind = bytes.first else { return nil }
        let rest = bytes.dropFirst()
        switch kind {
        case UInt8(ascii: "R"):
            var reader = MessageReader(rest: rest)
            guard let prepares = reader.byte(), let conforming = reader.byte(), let step = reader.step()
            else { return nil }
            self = .run(step, prepares: prepares == 1, conforming: conforming == 1)
        case UInt8(ascii: "O"): self = .ran(Bytes(rest))
        case UInt8(ascii: "C"): self = .committed(Bytes(rest))
        case UInt8(ascii: "F"): self = .failed(try FailureCoding.decode(Bytes(rest)))
        case UInt8(ascii: "I"): self = .interrupted
        case UInt8(ascii: "S"): self = .reads(conforming: rest.first == 1)
        case UInt8(ascii: "B"): self = .barred
        case UInt8(ascii: "P"): self = .prepare(name: Bytes(rest))
        case UInt8(ascii: "p"): self = .prepared
        case UInt8(ascii: "c"): self = .commit
        case UInt8(ascii: "d"): self = .done
        default: return nil
        }
    }
}

extension CompanionMessage {
    /// Says it to the other side; false when that is gone.
    @discardableResult
    func tell() throws(PostgresError) -> Bool {
        var delivered = false
        try encoded.withServerBytes { pgs_companion_tell($0, $1, &delivered) }
        return delivered
    }

    /// The next from the other side; nil when that has closed, or is gone.
    static func hear() throws(PostgresError) -> CompanionMessage? {
        var bytes: UnsafePointer<UInt8>?
        var length = 0
        try check(pgs_companion_hear(&bytes, &length))
        guard let bytes else { return nil }
        return try CompanionMessage(Bytes(UnsafeBufferPointer(start: bytes, count: length)))
    }
}

private struct MessageReader {
    var rest: ArraySlice<UInt8>

    mutating func byte() -> UInt8? { rest.popFirst() }

    mutating func length() -> Int? {
        var value: UInt64 = 0
        for _ in 0..<8 {
            guard let next = byte() else { return nil }
            value = value << 8 | UInt64(next)
        }
        return Int(exactly: value)
    }

    mutating func bytes() -> Bytes? {
        guard let count = length(), count <= rest.count else { return nil }
        let found = Bytes(rest.prefix(count))
        rest = rest.dropFirst(count)
        return found
    }

    mutating func places() -> [Placed]? {
        // Each takes 17 bytes, so that no count beyond the message is believed.
        guard let count = length(), count <= rest.count / 17 else { return nil }
        var found: [Placed] = []
        for _ in 0..<count {
            guard let start = length(), let end = length(), let inside = byte(), start <= end else {
                return nil
            }
            found.append(Placed(range: start..<end, insideLiteral: inside == 1))
        }
        return found
    }

    mutating func step() -> Substituted? {
        guard let text = bytes(), let placed = places() else { return nil }
        guard !placed.isEmpty else { return .finished(text, [], neutral: [], []) }
        guard let neutral = bytes(), let neutralPlaced = places() else { return nil }
        return .finished(text, placed, neutral: neutral, neutralPlaced)
    }
}

extension Array where Element == UInt8 {
    fileprivate mutating func append(length: Int) {
        let value = UInt64(length)
        for shift in stride(from: 56, through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: value >> UInt64(shift)))
        }
    }

    fileprivate mutating func append(places: [Placed]) {
        append(length: places.count)
        for place in places {
            append(length: place.range.lowerBound)
            append(length: place.range.upperBound)
            append(place.insideLiteral ? 1 : 0)
        }
    }
}
