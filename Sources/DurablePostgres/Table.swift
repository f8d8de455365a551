// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableModel
internal import PostgresExtension

/// The value of one column; the case says the column's type.
enum Column {
    case null
    case int2(Int16)
    case int4(Int32)
    case int8(Int64)
    case oid(UInt32)
    case text(Bytes)
    case bytea(Bytes)
    case time(Timestamp)

    /// `.text`, or `.null` for nil.
    static func optionalText(_ text: Bytes?) -> Column { text.map(Column.text) ?? .null }
}

/// One of the engine's tables: its name and its columns as this library was built for them.
struct TableShape {
    let name: StaticString
    let kinds: [pgs_kind]

    init(_ name: StaticString, _ kinds: [pgs_kind]) {
        self.name = name
        self.kinds = kinds
    }

    static let schema: StaticString = "df_internal"

    /// Opens the table, hands it to `body`, closes it.
    ///
    /// Its lock stays to the end of the transaction when writing.
    func open<R>(
        writing: Bool,
        _ body: (OpenTable) throws(PostgresError) -> R
    ) throws(PostgresError) -> R {
        var handle: OpaquePointer?
        let error = kinds.withUnsafeBufferPointer { kinds -> OpaquePointer? in
            guard let first = kinds.baseAddress else { return nil }
            return pgs_table_open(
                TableShape.schema.cString,
                name.cString,
                writing,
                first,
                Int32(truncatingIfNeeded: kinds.count),
                &handle
            )
        }
        try check(error)
        guard let handle else { throw PostgresError(.internalError, "table was not opened") }
        let result: R
        do throws(PostgresError) {
            result = try body(OpenTable(handle: handle, columns: kinds.count))
        } catch {
            // After an error of the server's the transaction's abort closes it; after one of ours it may go on.
            if !error.isFromServer { try check(pgs_table_close(handle)) }
            throw error
        }
        try check(pgs_table_close(handle))
        return result
    }
}

/// What rows a scan sees.
enum Visibility {
    /// What the caller's statement sees.
    case statement
    /// Everything committed by now; for a moment under a lock that keeps other writers out, or where that is enough.
    case latest
    /// Uncommitted rows of others too: for looking whether a key is free.
    case uncommitted

    fileprivate var raw: pgs_snapshot {
        switch self {
        case .statement: PGS_SNAPSHOT_ACTIVE
        case .latest: PGS_SNAPSHOT_SELF
        case .uncommitted: PGS_SNAPSHOT_DIRTY
        }
    }
}

/// An open table.
///
/// Valid inside the closure it was given to.
struct OpenTable {
    fileprivate let handle: OpaquePointer
    fileprivate let columns: Int

    /// Keeps the lock to the end of the transaction although nothing is written.
    func keepLock() { pgs_table_keep_lock(handle) }

    func insert(_ row: [Column]) throws(PostgresError) {
        let error = withValues(row) { values, count in pgs_table_insert(handle, values, count) }
        try check(error)
    }

    /// Calls `body` for each row whose first index columns equal `keys`, in the index's order, until it says `false`.
    ///
    /// From `from` on in the index column after `keys`, or, with `exclusive`, after it. With `columns`, only so many
    /// are read, which spares large values.
    func scan(
        _ index: StaticString,
        _ visibility: Visibility,
        keys: [Column],
        from: Column? = nil,
        exclusive: Bool = false,
        backward: Bool = false,
        columns wanted: Int? = nil,
        _ body: (borrowing ScannedRow) throws(PostgresError) -> Bool
    ) throws(PostgresError) {
        let scan = try begin(index, visibility, keys: keys, from: from, exclusive: exclusive)
        if backward { pgs_scan_backward(scan) }
        let all = columns
        let columns = min(wanted ?? all, all)
        let values = UnsafeMutablePointer<pgs_value>.allocate(capacity: columns)
        defer { values.deallocate() }
        var found = false
        repeat {
            try check(pgs_scan_next(scan, values, Int32(truncatingIfNeeded: columns), &found))
            guard found else { break }
            do throws(PostgresError) {
                found = try body(
                    ScannedRow(
                        scan: scan,
                        values: UnsafeBufferPointer(start: values, count: columns),
                        columns: all
                    )
                )
            } catch {
                if !error.isFromServer { try check(pgs_scan_end(scan)) }
                throw error
            }
        } while found
        try check(pgs_scan_end(scan))
    }

    /// How many rows have these keys; it stops at `limit`.
    func count(
        _ index: StaticString,
        _ visibility: Visibility,
        keys: [Column],
        atMost limit: Int
    ) throws(PostgresError) -> Int {
        let scan = try begin(index, visibility, keys: keys, from: nil)
        var count: Int64 = 0
        try check(pgs_scan_count(scan, Int64(limit), &count))
        try check(pgs_scan_end(scan))
        return Int(count)
    }

    private func begin(
        _ index: StaticString,
        _ visibility: Visibility,
        keys: [Column],
        from: Column?,
        exclusive: Bool = false
    ) throws(PostgresError) -> OpaquePointer {
        var scan: OpaquePointer?
        let all = from.map { keys + [$0] } ?? keys
        let error = withValues(all) { values, _ in
            let keyCount = Int32(truncatingIfNeeded: keys.count)
            if from != nil {
                return pgs_scan_begin_from(
                    handle,
                    index.cString,
                    visibility.raw,
                    values,
                    keyCount,
                    values[keys.count],
                    exclusive,
                    &scan
                )
            }
            return pgs_scan_begin(handle, index.cString, visibility.raw, values, keyCount, &scan)
        }
        try check(error)
        guard let scan else { throw PostgresError(.internalError, "scan was not begun") }
        return scan
    }

    /// The first row with these keys, decoded.
    func first<R>(
        _ index: StaticString,
        _ visibility: Visibility,
        keys: [Column],
        columns wanted: Int? = nil,
        _ decode: (borrowing ScannedRow) throws(PostgresError) -> R
    ) throws(PostgresError) -> R? {
        var result: R?
        try scan(index, visibility, keys: keys, columns: wanted) { row throws(PostgresError) in
            result = try decode(row)
            return false
        }
        return result
    }

    /// The last row with these keys, decoded.
    func last<R>(
        _ index: StaticString,
        _ visibility: Visibility,
        keys: [Column],
        columns wanted: Int? = nil,
        _ decode: (borrowing ScannedRow) throws(PostgresError) -> R
    ) throws(PostgresError) -> R? {
        var result: R?
        try scan(index, visibility, keys: keys, backward: true, columns: wanted) {
            row throws(PostgresError) in
            result = try decode(row)
            return false
        }
        return result
    }

    /// Deletes all rows with these keys, waiting for nobody; what another transaction has already deleted is skipped.
    func delete(_ index: StaticString, keys: [Column]) throws(PostgresError) {
        try scan(index, .latest, keys: keys, columns: 1) { row throws(PostgresError) in
            _ = try row.delete(wait: false)
            return true
        }
    }
}

/// A row that a scan stands on; its bytes live until the scan goes on.
struct ScannedRow: ~Copyable {
    fileprivate let scan: OpaquePointer
    fileprivate let values: UnsafeBufferPointer<pgs_value>
    /// All that the table has.
    fileprivate let columns: Int

    private func value(_ column: Int) -> pgs_value? {
        values.indices.contains(column) ? values[column] : nil
    }

    func isNull(_ column: Int) -> Bool { (value(column)?.kind ?? PGS_NULL) == PGS_NULL }
    func number(_ column: Int) -> Int64 { value(column)?.number ?? 0 }
    func int32(_ column: Int) -> Int32 { Int32(truncatingIfNeeded: number(column)) }
    func oid(_ column: Int) -> UInt32 { UInt32(truncatingIfNeeded: number(column)) }
    func time(_ column: Int) -> Timestamp { Timestamp(rawValue: number(column)) }

    func bytes(_ column: Int) -> Bytes {
        guard let value = value(column), let start = value.bytes else { return [] }
        return Bytes(UnsafeBufferPointer(start: start, count: value.length))
    }

    /// Hands out the row with all of its columns, when a scan of few has found one that matters.
    func whole<R>(
        _ body: (borrowing ScannedRow) throws(PostgresError) -> R
    ) throws(PostgresError) -> R {
        let values = UnsafeMutablePointer<pgs_value>.allocate(capacity: columns)
        defer { values.deallocate() }
        try check(pgs_scan_whole(scan, values))
        return try body(
            ScannedRow(
                scan: scan,
                values: UnsafeBufferPointer(start: values, count: columns),
                columns: columns
            )
        )
    }

    /// The length of a text, as stored; it is not read for it.
    func size(_ column: Int) throws(PostgresError) -> Int {
        var size: Int64 = 0
        try check(pgs_scan_size(scan, Int32(truncatingIfNeeded: column), &size))
        return Int(size)
    }

    /// The first bytes of a text, as stored; a large one is not read for it.
    func head(_ column: Int, _ length: Int) throws(PostgresError) -> Bytes {
        var value = pgs_value()
        try check(
            pgs_scan_head(scan, Int32(truncatingIfNeeded: column), Int32(truncatingIfNeeded: length), &value)
        )
        return value.bytes.map { Bytes(UnsafeBufferPointer(start: $0, count: value.length)) } ?? []
    }

    func optionalText(_ column: Int) -> Bytes? { isNull(column) ? nil : bytes(column) }

    /// Whether the current transaction wrote this row itself.
    var isOwn: Bool { pgs_scan_is_own(scan) }

    /// Whether every statement that runs now began when this row was committed already.
    var isSettled: Bool { pgs_scan_is_settled(scan) }

    /// Deletes this row; false when another transaction has it or had it first.
    func delete(wait: Bool) throws(PostgresError) -> Bool {
        var deleted = false
        try check(pgs_scan_delete(scan, wait, &deleted))
        return deleted
    }
}

/// Lays the row out as C values; their bytes are copied into one buffer that lives for the call.
private func withValues(
    _ row: [Column],
    _ body: (UnsafePointer<pgs_value>, Int32) -> OpaquePointer?
) -> OpaquePointer? {
    var bytes: Bytes = []
    var values: [pgs_value] = []
    values.reserveCapacity(row.count + 1)
    for column in row { values.append(layOut(column, into: &bytes)) }
    values.append(pgs_value())  // never empty, so that there is an address
    return bytes.withUnsafeBufferPointer { buffer in
        var offset = 0
        for i in values.indices where values[i].kind == PGS_TEXT || values[i].kind == PGS_BYTEA {
            values[i].bytes = buffer.baseAddress.map { $0 + offset }
            offset += values[i].length
        }
        return values.withUnsafeBufferPointer { values in
            guard let start = values.baseAddress else { return nil }
            return body(start, Int32(truncatingIfNeeded: row.count))
        }
    }
}

private func layOut(_ column: Column, into bytes: inout Bytes) -> pgs_value {
    var value = pgs_value()
    switch column {
    case .null: value.kind = PGS_NULL
    case .int2(let number): (value.kind, value.number) = (PGS_INT2, Int64(number))
    case .int4(let number): (value.kind, value.number) = (PGS_INT4, Int64(number))
    case .int8(let number): (value.kind, value.number) = (PGS_INT8, number)
    case .oid(let number): (value.kind, value.number) = (PGS_OID, Int64(number))
    case .time(let time): (value.kind, value.number) = (PGS_TIMESTAMPTZ, time.rawValue)
    case .text(let text):
        (value.kind, value.length) = (PGS_TEXT, text.count)
        bytes += text
    case .bytea(let data):
        (value.kind, value.length) = (PGS_BYTEA, data.count)
        bytes += data
    }
    return value
}
