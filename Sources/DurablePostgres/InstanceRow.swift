// SPDX-License-Identifier: PostgreSQL

internal import DurableCore
public import DurableModel
internal import PostgresExtension

/// A row of `df_internal.instances`.
public struct InstanceRow: Sendable {
    public var id: InstanceID
    public var graph: Int64
    /// The stamp of the place where this instance is at home.
    public var home: Int64
    public var createdAt: Timestamp
    /// The submitter; steps run as this role.
    public var role: UInt32
    /// The session user of the session that called df.start.
    public var startedBy: UInt32
    public var publicID: Bytes
    public var roleName: Bytes
    public var label: Bytes?
    public var database: Bytes?
    /// The variables' snapshot as a JSON object of strings.
    public var variables: Bytes?

    func columns() -> [Column] {
        [
            .int8(id.rawValue), .int8(graph), .int8(home), .time(createdAt), .oid(role),
            .oid(startedBy),
            .int2(StoredFormat.instance), .text(publicID), .text(roleName), .optionalText(label),
            .optionalText(database), .optionalText(variables), .null,
        ]
    }

    static func decode(_ row: borrowing ScannedRow) throws(PostgresError) -> InstanceRow {
        guard row.number(6) <= Int64(StoredFormat.instance) else {
            throw PostgresError(
                .objectNotInPrerequisiteState,
                "instance \(row.number(0)) was stored by a newer version of the extension",
                hint: "Install the library that belongs to it and restart the server."
            )
        }
        return InstanceRow(
            id: InstanceID(rawValue: row.number(0)),
            graph: row.number(1),
            home: row.number(2),
            createdAt: row.time(3),
            role: row.oid(4),
            startedBy: row.oid(5),
            publicID: row.bytes(7),
            roleName: row.bytes(8),
            label: row.optionalText(9),
            database: row.optionalText(10),
            variables: row.optionalText(11)
        )
    }
}

/// A row of `df_internal.ended`.
public struct EndedRow: Sendable {
    public var at: Timestamp
    public var outcome: Outcome

    public var status: InstanceStatus {
        switch outcome {
        case .completed: .completed
        case .failed: .failed
        case .cancelled: .cancelled
        }
    }

    func columns(_ instance: InstanceID) -> [Column] {
        switch outcome {
        case .completed(let value):
            [.int8(instance.rawValue), .time(at), .int2(1), .text(value), .null]
        case .failed(let text, let failure):
            [
                .int8(instance.rawValue), .time(at), .int2(2), .text(FailureCoding.storable(text)),
                .text(FailureCoding.encode(failure)),
            ]
        case .cancelled(let reason):
            [.int8(instance.rawValue), .time(at), .int2(3), .text(reason), .null]
        }
    }

    static func decode(_ row: borrowing ScannedRow) throws(PostgresError) -> EndedRow {
        let value = row.bytes(3)
        switch row.number(2) {
        case 1: return EndedRow(at: row.time(1), outcome: .completed(value: value))
        case 2:
            let failure = try FailureCoding.decode(row.bytes(4))
            return EndedRow(at: row.time(1), outcome: .failed(text: value, failure: failure))
        case 3: return EndedRow(at: row.time(1), outcome: .cancelled(reason: value))
        case let status:
            throw PostgresError(
                .dataCorrupted,
                "instance \(row.number(0)) has the unknown end status \(status)"
            )
        }
    }
}
