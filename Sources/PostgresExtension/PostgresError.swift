// SPDX-License-Identifier: PostgreSQL

import CPostgres

/// An error as the server reports it, with every field.
///
/// Texts of an error made in Swift are UTF-8. Texts of an error that the server raised are in the database's
/// encoding, byte for byte, so that throwing it on changes nothing; `inUTF8()` converts them.
///
/// A caught server error is not over: throw it on, or let `Subtransaction.attempt` absorb it. Every later call into
/// the server refuses until one of the two has happened, or the transaction has been rolled back.
public struct PostgresError: Error, Sendable {
    public var state: SQLState
    public var message: [UInt8]
    public var detail: [UInt8]?
    /// A detail for the server's log only.
    public var logDetail: [UInt8]?
    public var hint: [UInt8]?
    public var context: [UInt8]?
    public var schemaName: [UInt8]?
    public var tableName: [UInt8]?
    public var columnName: [UInt8]?
    public var dataTypeName: [UInt8]?
    public var constraintName: [UInt8]?
    /// The untranslated format of the message: the one text of a server error that may be compared.
    public var messageID: [UInt8]?
    /// Where in the statement, in characters from 1; 0 for none.
    public var cursorPosition: Int32 = 0
    public var internalPosition: Int32 = 0
    public var internalQuery: [UInt8]?
    private var origin: pgs_origin

    /// Whether the server raised it, as opposed to Swift code.
    public var isFromServer: Bool { origin.from_server }

    public init(
        state: SQLState,
        message: [UInt8],
        detail: [UInt8]? = nil,
        hint: [UInt8]? = nil
    ) {
        self.state = state
        self.message = message
        self.detail = detail
        self.hint = hint
        origin = pgs_origin()
    }

    /// An error in the server's style: a message without capital and full stop, detail and hint in sentences.
    public init(
        _ state: SQLState,
        _ message: String,
        detail: String? = nil,
        hint: String? = nil
    ) {
        self.init(
            state: state,
            message: Array(message.utf8),
            detail: detail.map { Array($0.utf8) },
            hint: hint.map { Array($0.utf8) }
        )
    }

    /// Takes over an error that C returned.
    init(consuming error: OpaquePointer) {
        origin = pgs_error_origin(error)
        state = SQLState(rawValue: origin.sqlstate)
        message = PostgresError.field(error, PGS_FIELD_MESSAGE) ?? []
        detail = PostgresError.field(error, PGS_FIELD_DETAIL)
        logDetail = PostgresError.field(error, PGS_FIELD_DETAIL_LOG)
        hint = PostgresError.field(error, PGS_FIELD_HINT)
        context = PostgresError.field(error, PGS_FIELD_CONTEXT)
        schemaName = PostgresError.field(error, PGS_FIELD_SCHEMA)
        tableName = PostgresError.field(error, PGS_FIELD_TABLE)
        columnName = PostgresError.field(error, PGS_FIELD_COLUMN)
        dataTypeName = PostgresError.field(error, PGS_FIELD_DATA_TYPE)
        constraintName = PostgresError.field(error, PGS_FIELD_CONSTRAINT)
        messageID = PostgresError.field(error, PGS_FIELD_MESSAGE_ID)
        cursorPosition = origin.cursor_position
        internalPosition = origin.internal_position
        internalQuery = PostgresError.field(error, PGS_FIELD_INTERNAL_QUERY)
        pgs_error_free(error)
    }

    private static func field(_ error: OpaquePointer, _ field: pgs_field) -> [UInt8]? {
        var count = 0
        guard let start = pgs_error_field(error, field, &count) else { return nil }
        return Array(UnsafeBufferPointer(start: start, count: count))
    }

    /// The same error as a C value, for the trampoline that raises it.
    func intoC() -> OpaquePointer {
        var origin = origin
        origin.sqlstate = state.rawValue
        origin.cursor_position = cursorPosition
        origin.internal_position = internalPosition
        let error = pgs_error_new(origin)
        let fields: [(pgs_field, [UInt8]?)] = [
            (PGS_FIELD_MESSAGE, message), (PGS_FIELD_DETAIL, detail),
            (PGS_FIELD_DETAIL_LOG, logDetail),
            (PGS_FIELD_HINT, hint), (PGS_FIELD_CONTEXT, context), (PGS_FIELD_SCHEMA, schemaName),
            (PGS_FIELD_TABLE, tableName), (PGS_FIELD_COLUMN, columnName),
            (PGS_FIELD_DATA_TYPE, dataTypeName), (PGS_FIELD_CONSTRAINT, constraintName),
            (PGS_FIELD_MESSAGE_ID, messageID), (PGS_FIELD_INTERNAL_QUERY, internalQuery),
        ]
        for (field, bytes) in fields {
            if let bytes {
                bytes.withUnsafeBufferPointer {
                    pgs_error_set(error, field, $0.baseAddress, $0.count)
                }
            }
        }
        return error
    }

    /// The same error with its texts in UTF-8, to be stored or logged; raised again it is an error of Swift's.
    ///
    /// Needs a transaction that is not in error unless the database's encoding is UTF-8. A text that cannot be
    /// converted keeps its ASCII.
    public func inUTF8() -> PostgresError {
        guard isFromServer else { return self }
        var converted = self
        converted.origin = pgs_origin()
        for path in PostgresError.texts {
            guard let bytes = self[keyPath: path] else { continue }
            converted[keyPath: path] = utf8FromServer(bytes)
        }
        converted.message = utf8FromServer(message)
        return converted
    }

    private static var texts: [WritableKeyPath<PostgresError, [UInt8]?>] {
        [
            \.detail, \.logDetail, \.hint, \.context, \.schemaName, \.tableName, \.columnName,
            \.dataTypeName, \.constraintName, \.internalQuery,
        ]
    }
}

/// Throws the error that a C function returned, if it returned one.
@inline(__always)
public func check(_ error: OpaquePointer?) throws(PostgresError) {
    if let error {
        throw takeOver(error)
    }
}

@inline(never)
private func takeOver(_ error: OpaquePointer) -> PostgresError {
    PostgresError(consuming: error)
}

private func utf8FromServer(_ bytes: [UInt8]) -> [UInt8] {
    var out: UnsafePointer<UInt8>?
    var count = 0
    let failure = bytes.withUnsafeBufferPointer { buffer -> OpaquePointer? in
        guard let start = buffer.baseAddress else { return nil }
        return pgs_utf8_from_server(start, buffer.count, &out, &count)
    }
    if let failure {
        pgs_error_free(failure)
        return bytes.map { $0 < 0x80 ? $0 : UInt8(ascii: "?") }
    }
    guard let out else { return bytes }
    return Array(UnsafeBufferPointer(start: out, count: count))
}
