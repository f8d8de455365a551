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
    /// How the journal is written, and what `options` may say.
    public var format: Int16 = StoredFormat.instance
    /// What only those need who run or replay the instance, or write the row anew.
    var details: Details?

    struct Details: Sendable {
        /// The variables' snapshot as a JSON object of strings.
        var variables: Bytes?
        /// What was fixed at the start beside the graph, as a JSON object.
        var options: Bytes?
    }

    /// Columns before the details.
    static let briefColumns = 11

    func columns() -> [Column] {
        [
            .int8(id.rawValue), .int8(graph), .int8(home), .time(createdAt), .oid(role),
            .oid(startedBy),
            .int2(format), .text(publicID), .text(roleName), .optionalText(label),
            .optionalText(database), .optionalText(details?.variables), .optionalText(details?.options),
        ]
    }

    /// Without the details, and read for that with `briefColumns`.
    static func decode(_ row: borrowing ScannedRow) -> InstanceRow {
        InstanceRow(
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
            format: Int16(truncatingIfNeeded: row.number(6))
        )
    }

    static func decodeWhole(_ row: borrowing ScannedRow) -> InstanceRow {
        var instance = decode(row)
        instance.details = Details(variables: row.optionalText(11), options: row.optionalText(12))
        return instance
    }
}

/// When and how an instance ended, without what came of it.
public struct InstanceEnd: Sendable {
    public var at: Timestamp
    public var status: InstanceStatus

    static let columns = 3

    static func decode(_ row: borrowing ScannedRow) throws(PostgresError) -> InstanceEnd {
        switch row.number(2) {
        case 1: return InstanceEnd(at: row.time(1), status: .completed)
        case 2: return InstanceEnd(at: row.time(1), status: .failed)
        case 3: return InstanceEnd(at: row.time(1), status: .cancelled)
        case let status: throw unknown(status, row.number(0))
        }
    }

    static func unknown(_ status: Int64, _ instance: Int64) -> PostgresError {
        .newerFormat("instance \(instance) has the end status \(status)")
    }
}

/// A row of `df_internal.ended`.
public struct EndedRow: Sendable {
    public var at: Timestamp
    public var outcome: Outcome

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
        case let status: throw InstanceEnd.unknown(status, row.number(0))
        }
    }
}

/// Options of an instance, as JSON; what is as usual is left out.
enum OptionCoding {
    private static let valueSize = Bytes("value_size".utf8)

    static func encode(valueSizeMax: Int) -> Bytes? {
        guard valueSizeMax != InstanceRecord.valueSizeUsual else { return nil }
        return Bytes(#"{"value_size":\#(valueSizeMax)}"#.utf8)
    }

    static func valueSizeMax(_ text: Bytes?) throws(PostgresError) -> Int {
        guard let text else { return InstanceRecord.valueSizeUsual }
        guard let root = (try? JSONDocument(text))?.root, root.kind == .object else {
            throw PostgresError(.dataCorrupted, "stored options are not readable")
        }
        let stored = root[valueSize].flatMap { Int(String(decoding: $0.raw, as: UTF8.self)) }
        return stored ?? InstanceRecord.valueSizeUsual
    }
}
