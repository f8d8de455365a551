// SPDX-License-Identifier: PostgreSQL

/// What `df.start` fixed about an instance; it never changes afterwards.
public struct InstanceRecord: Hashable, Sendable {
    public var id: InstanceID
    /// The id users see: lower-case hex digits.
    public var publicID: Bytes
    public var label: Bytes?
    public var graph: Graph
    /// The submitter's variables when the instance was started.
    public var variables: [Bytes: Bytes]
    public var createdAt: Timestamp
    /// Where its steps run, by name; nil is where the instance is at home.
    public var database: Bytes?
    /// How its journal is written: what facts amount to may depend on it.
    public var format: Int16
    /// Largest value that a construct may make of others, in bytes; fixed at the start, so that each replay agrees.
    public var valueSizeMax: Int

    /// `valueSizeMax` of an instance that was started without saying otherwise.
    public static let valueSizeUsual = 16 << 20

    public init(
        id: InstanceID,
        publicID: Bytes,
        label: Bytes?,
        graph: Graph,
        variables: [Bytes: Bytes],
        createdAt: Timestamp,
        database: Bytes? = nil,
        format: Int16 = 1,
        valueSizeMax: Int = valueSizeUsual
    ) {
        self.id = id
        self.publicID = publicID
        self.label = label
        self.graph = graph
        self.variables = variables
        self.createdAt = createdAt
        self.database = database
        self.format = format
        self.valueSizeMax = valueSizeMax
    }
}
