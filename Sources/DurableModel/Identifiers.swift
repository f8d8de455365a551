// SPDX-License-Identifier: PostgreSQL

/// Text as UTF-8 bytes: never normalised, compared byte by byte.
///
/// Everything that comes from SQL or JSON is handled in this form, because Swift's `Character` and `String`
/// equality follow Unicode and the server's scanner does not.
public typealias Bytes = [UInt8]

/// The engine's own number of an instance: assigned once, never reused.
public struct InstanceID: RawRepresentable, Hashable, Comparable, Sendable {
    public var rawValue: Int64
    public init(rawValue: Int64) { self.rawValue = rawValue }
    public static func < (a: InstanceID, b: InstanceID) -> Bool { a.rawValue < b.rawValue }
}

/// One thread of control of an instance: 0 is the root, every arm of a JOIN or RACE gets one of its own.
public struct BranchID: RawRepresentable, Hashable, Comparable, Sendable {
    public var rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }
    public static let root = BranchID(rawValue: 0)
    public static func < (a: BranchID, b: BranchID) -> Bool { a.rawValue < b.rawValue }
}

/// The position of a node in its graph, in pre-order (node, left, right, condition, extras); 0 is the root.
public struct NodeIndex: RawRepresentable, Hashable, Comparable, Sendable {
    public var rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }
    public static let root = NodeIndex(rawValue: 0)
    public static func < (a: NodeIndex, b: NodeIndex) -> Bool { a.rawValue < b.rawValue }
}

/// Microseconds since 2000-01-01 00:00:00 UTC, the server's `TimestampTz`.
public struct Timestamp: RawRepresentable, Hashable, Comparable, Sendable {
    public var rawValue: Int64
    public init(rawValue: Int64) { self.rawValue = rawValue }
    public static func < (a: Timestamp, b: Timestamp) -> Bool { a.rawValue < b.rawValue }

    /// This instant plus `microseconds`, saturated at the largest finite timestamp.
    public func advanced(byMicroseconds microseconds: Int64) -> Timestamp {
        let (sum, overflow) = rawValue.addingReportingOverflow(microseconds)
        if overflow { return microseconds > 0 ? .latest : .earliest }
        return Timestamp(
            rawValue: min(max(sum, Timestamp.earliest.rawValue), Timestamp.latest.rawValue)
        )
    }

    /// The last instant the server can print (294276-12-31), a little below infinity.
    public static let latest = Timestamp(rawValue: 9_223_371_331_199_999_999)
    /// The first instant the server can print (4714-11-24 BC).
    public static let earliest = Timestamp(rawValue: -211_813_488_000_000_000)
}
