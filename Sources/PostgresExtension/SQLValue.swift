// SPDX-License-Identifier: PostgreSQL

import CPostgres

/// A value on its way into the server: a result, a column of a result, a parameter.
///
/// Text is UTF-8 without NUL bytes; the server refuses anything else (22021).
public enum SQLValue: Sendable, Equatable {
    case null
    case bool(Bool)
    case int2(Int16)
    case int4(Int32)
    case int8(Int64)
    case float8(Double)
    case text([UInt8])
    /// The text of a JSON value; for `jsonb` and for `json`.
    case jsonb([UInt8])
    /// Microseconds since 2000-01-01 00:00 UTC.
    case timestamptz(Int64)
    case oid(UInt32)
    case regrole(UInt32)
    /// 16 bytes.
    case uuid([UInt8])
    case bytea([UInt8])
    /// What a function without a result returns.
    case void

    /// Text from a string of the source.
    public static func text(_ string: String) -> SQLValue { .text(Array(string.utf8)) }
}

/// A type by its `pg_type.oid`.
public struct SQLType: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    public static let bool = SQLType(rawValue: 16)
    public static let bytea = SQLType(rawValue: 17)
    public static let name = SQLType(rawValue: 19)
    public static let int8 = SQLType(rawValue: 20)
    public static let int2 = SQLType(rawValue: 21)
    public static let int4 = SQLType(rawValue: 23)
    public static let text = SQLType(rawValue: 25)
    public static let oid = SQLType(rawValue: 26)
    public static let json = SQLType(rawValue: 114)
    public static let float8 = SQLType(rawValue: 701)
    public static let unknown = SQLType(rawValue: 705)
    public static let bpchar = SQLType(rawValue: 1042)
    public static let varchar = SQLType(rawValue: 1043)
    public static let timestamptz = SQLType(rawValue: 1184)
    public static let void = SQLType(rawValue: 2278)
    public static let uuid = SQLType(rawValue: 2950)
    public static let jsonb = SQLType(rawValue: 3802)
    public static let interval = SQLType(rawValue: 1186)
    public static let regrole = SQLType(rawValue: 4096)
    /// Not known: a call without a call site, as from C.
    public static let undeclared = SQLType(rawValue: 0)

    /// Whether a datum of this type is an object's oid.
    var isObjectID: Bool {
        // regproc, regprocedure, regoper, regoperator, regclass, regtype, regnamespace.
        self == .oid || self == .regrole
            || [24, 2202, 2203, 2204, 2205, 2206, 4089].contains(rawValue)
    }
}

extension SQLValue {
    /// The type that the value is meant for; nil for NULL.
    public var type: SQLType? {
        switch self {
        case .null: nil
        case .bool: .bool
        case .int2: .int2
        case .int4: .int4
        case .int8: .int8
        case .float8: .float8
        case .text: .text
        case .jsonb: .jsonb
        case .timestamptz: .timestamptz
        case .oid: .oid
        case .regrole: .regrole
        case .uuid: .uuid
        case .bytea: .bytea
        case .void: .void
        }
    }

    /// Whether a datum made of the value may stand where `declared` is expected.
    func fits(_ declared: SQLType) -> Bool {
        switch self {
        case .null: true
        case .text: declared == .text || declared == .varchar || declared == .bpchar
        case .jsonb: declared == .jsonb || declared == .json
        case .oid, .regrole: declared.isObjectID
        case .bool, .int2, .int4, .int8, .float8, .timestamptz, .uuid, .bytea, .void:
            type == declared
        }
    }

    /// The value as a machine word; storage that it needs comes from the current memory context.
    func datum(as declared: SQLType) throws(PostgresError) -> (word: UInt, isNull: Bool) {
        guard declared == .undeclared || fits(declared) else { throw mismatch(with: declared) }
        var word: pgs_datum = 0
        switch self {
        case .null: return (0, true)
        case .void: return (0, false)
        case .bool(let value): return (value ? 1 : 0, false)
        case .int2(let value): return (UInt(bitPattern: Int(value)), false)
        case .int4(let value): return (UInt(bitPattern: Int(value)), false)
        case .int8(let value), .timestamptz(let value):
            return (UInt(truncatingIfNeeded: value), false)
        case .float8(let value): return (UInt(truncatingIfNeeded: value.bitPattern), false)
        case .oid(let value), .regrole(let value): return (UInt(value), false)
        case .text(let bytes):
            try check(withBytes(bytes) { pgs_datum_make_text($0, $1, &word) })
        case .jsonb(let bytes):
            try check(withBytes(bytes) { pgs_datum_make_json($0, $1, declared != .json, &word) })
        case .bytea(let bytes):
            try check(withBytes(bytes) { pgs_datum_make_bytea($0, $1, &word) })
        case .uuid(let bytes):
            guard bytes.count == 16 else {
                throw PostgresError(.internalError, "a uuid of \(bytes.count) bytes")
            }
            try check(withBytes(bytes) { start, _ in pgs_datum_make_uuid(start, &word) })
        }
        return (word, false)
    }

    private func mismatch(with declared: SQLType) -> PostgresError {
        let given = type ?? .undeclared
        return PostgresError(
            .datatypeMismatch,
            "a value of type \(typeName(given)) was given where \(typeName(declared)) is declared",
            hint: "The extension's library and its SQL script may be of different versions."
        )
    }
}

/// The bytes with an address even when there are none.
func withBytes<R>(_ bytes: [UInt8], _ body: (UnsafePointer<UInt8>, Int) -> R) -> R {
    bytes.withUnsafeBufferPointer { buffer in
        guard let start = buffer.baseAddress else {
            return withUnsafePointer(to: 0 as UInt8) { body($0, 0) }
        }
        return body(start, buffer.count)
    }
}

/// The name of a type for messages.
func typeName(_ type: SQLType) -> String {
    var start: UnsafePointer<UInt8>?
    var count = 0
    if let failure = pgs_type_name(type.rawValue, &start, &count) {
        pgs_error_free(failure)
        return "with oid \(type.rawValue)"
    }
    guard let start else { return "unknown" }
    return String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
}
