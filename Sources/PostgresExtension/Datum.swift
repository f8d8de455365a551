// SPDX-License-Identifier: PostgreSQL

import CPostgres

/// A value that the server lends: good until the call that gave it is over.
///
/// The corresponding C type is `NullableDatum`, with the type beside it. Decoding checks the type, so that a script
/// and a library of different versions give an error instead of a wild pointer.
struct Datum: ~Copyable {
    let word: UInt
    let type: SQLType
    let isNull: Bool
    /// What it is, for messages: "argument 1", "column 2".
    let role: StaticString
    let position: Int

    init(_ argument: pgs_argument, _ role: StaticString, _ position: Int) {
        word = argument.value
        type = SQLType(rawValue: argument.type)
        isNull = argument.is_null
        self.role = role
        self.position = position
    }

    private borrowing func expect(
        _ expected: SQLType,
        _ alsoFine: Bool = false
    ) throws(PostgresError) {
        if isNull {
            throw PostgresError(.nullValueNotAllowed, "\(role) \(position + 1) must not be null")
        }
        if type != expected && type != .undeclared && !alsoFine {
            throw PostgresError(
                .datatypeMismatch,
                "\(role) \(position + 1) is of type \(typeName(type)), not \(typeName(expected))",
                hint: "The extension's library and its SQL script may be of different versions."
            )
        }
    }

    borrowing func bool() throws(PostgresError) -> Bool {
        try expect(.bool)
        return word & 0xFF != 0
    }

    borrowing func int16() throws(PostgresError) -> Int16 {
        try expect(.int2)
        return Int16(truncatingIfNeeded: word)
    }

    borrowing func int32() throws(PostgresError) -> Int32 {
        try expect(.int4)
        return Int32(truncatingIfNeeded: word)
    }

    borrowing func int64() throws(PostgresError) -> Int64 {
        try expect(.int8)
        return Int64(truncatingIfNeeded: word)
    }

    borrowing func float8() throws(PostgresError) -> Double {
        try expect(.float8)
        return Double(bitPattern: UInt64(word))
    }

    borrowing func oid() throws(PostgresError) -> UInt32 {
        try expect(.oid, type.isObjectID)
        return UInt32(truncatingIfNeeded: word)
    }

    borrowing func timestamptz() throws(PostgresError) -> Int64 {
        try expect(.timestamptz)
        return Int64(truncatingIfNeeded: word)
    }

    borrowing func interval() throws(PostgresError) -> Int64 {
        try expect(.interval)
        return pgs_datum_get_interval(word)
    }

    borrowing func uuid() throws(PostgresError) -> [UInt8] {
        try expect(.uuid)
        let word = word
        return [UInt8](unsafeUninitializedCapacity: 16) { buffer, count in
            if let start = buffer.baseAddress {
                pgs_datum_get_uuid(word, start)
                count = 16
            }
        }
    }

    borrowing func text() throws(PostgresError) -> [UInt8] {
        try expect(.text, type == .varchar || type == .bpchar || type == .name || type == .unknown)
        return try copied { pgs_datum_get_text(word, type.rawValue, &$0, &$1) }
    }

    borrowing func jsonText() throws(PostgresError) -> [UInt8] {
        try expect(.jsonb, type == .json)
        let type = type == .undeclared ? SQLType.jsonb : type
        return try copied { pgs_datum_get_json(word, type.rawValue, &$0, &$1) }
    }

    borrowing func bytea() throws(PostgresError) -> [UInt8] {
        try expect(.bytea)
        return try copied { pgs_datum_get_bytea(word, &$0, &$1) }
    }

    /// Any value as its type's output function prints it.
    borrowing func printed() throws(PostgresError) -> [UInt8] {
        try expect(type)
        return try copied { pgs_datum_print(word, type.rawValue, &$0, &$1) }
    }

    private borrowing func copied(
        _ get: (inout UnsafePointer<UInt8>?, inout Int) -> OpaquePointer?
    ) throws(PostgresError) -> [UInt8] {
        var start: UnsafePointer<UInt8>?
        var count = 0
        try check(get(&start, &count))
        guard let start else { return [] }
        return Array(UnsafeBufferPointer(start: start, count: count))
    }
}
