// SPDX-License-Identifier: PostgreSQL

public import CPostgres

/// One call of a function or procedure from SQL.
///
/// The corresponding C type is `FunctionCallInfo`.
///
/// Arguments are counted from 0. Every accessor throws 42804 when the argument is declared with another type, and
/// 22004 when it is NULL; those that begin with `optional` give nil for NULL.
public struct SQLCall: ~Copyable {
    // SAFETY: valid during the call; the type cannot be copied, and the body only borrows it.
    let fcinfo: UnsafeMutableRawPointer

    init(_ fcinfo: UnsafeMutableRawPointer) {
        self.fcinfo = fcinfo
    }

    public var argumentCount: Int { Int(pgs_call_argument_count(fcinfo)) }

    /// Whether the transaction must not be ended here; false only in a procedure called at top level.
    public var isAtomic: Bool { pgs_call_is_atomic(fcinfo) }

    /// The name of the relation whose trigger the function is called as; throws 39P01 when it is none.
    public borrowing func triggerRelation() throws(PostgresError) -> [UInt8] {
        var bytes: UnsafePointer<UInt8>?
        var length = 0
        try check(pgs_call_trigger_relation(fcinfo, &bytes, &length))
        return Array(UnsafeBufferPointer(start: bytes, count: length))
    }

    /// The function's own oid; 0 for a call without a call site.
    public var functionOID: UInt32 { pgs_call_function_oid(fcinfo) }

    /// The input collation.
    public var collationOID: UInt32 { pgs_call_collation(fcinfo) }

    private borrowing func argument(_ index: Int) throws(PostgresError) -> Datum {
        var argument = pgs_argument()
        try check(pgs_call_argument(fcinfo, Int32(clamping: index), &argument))
        return Datum(argument, "argument", index)
    }

    /// Whether the argument is NULL; an argument that does not exist is.
    public borrowing func isNull(_ index: Int) -> Bool {
        guard index >= 0, index < argumentCount else { return true }
        return (try? argument(index).isNull) ?? true
    }

    public borrowing func bool(_ index: Int) throws(PostgresError) -> Bool {
        try argument(index).bool()
    }
    public borrowing func int16(_ index: Int) throws(PostgresError) -> Int16 {
        try argument(index).int16()
    }
    public borrowing func int32(_ index: Int) throws(PostgresError) -> Int32 {
        try argument(index).int32()
    }
    public borrowing func int64(_ index: Int) throws(PostgresError) -> Int64 {
        try argument(index).int64()
    }
    public borrowing func float8(_ index: Int) throws(PostgresError) -> Double {
        try argument(index).float8()
    }

    /// An object's oid: of type `oid`, `regrole`, `regclass` and the like.
    public borrowing func oid(_ index: Int) throws(PostgresError) -> UInt32 {
        try argument(index).oid()
    }

    /// Microseconds since 2000-01-01 00:00 UTC; `Int64.max` and `.min` are infinity and its negative.
    public borrowing func timestamptz(_ index: Int) throws(PostgresError) -> Int64 {
        try argument(index).timestamptz()
    }

    /// An interval in microseconds; a month counts 30 days.
    public borrowing func interval(_ index: Int) throws(PostgresError) -> Int64 {
        try argument(index).interval()
    }

    /// 16 bytes.
    public borrowing func uuid(_ index: Int) throws(PostgresError) -> [UInt8] {
        try argument(index).uuid()
    }

    /// The size of a text argument in bytes of the server's encoding, without copying or detoasting it.
    public borrowing func textSize(_ index: Int) throws(PostgresError) -> Int {
        var argument = pgs_argument()
        try check(pgs_call_argument(fcinfo, Int32(clamping: index), &argument))
        return argument.is_null ? 0 : Int(pgs_datum_text_size(argument.value))
    }

    /// UTF-8; of type `text`, `varchar`, `char(n)` or `name`.
    public borrowing func text(_ index: Int) throws(PostgresError) -> [UInt8] {
        try argument(index).text()
    }

    /// The text of a `jsonb` or `json` value, UTF-8.
    public borrowing func jsonbText(_ index: Int) throws(PostgresError) -> [UInt8] {
        try argument(index).jsonText()
    }

    public borrowing func bytea(_ index: Int) throws(PostgresError) -> [UInt8] {
        try argument(index).bytea()
    }

    /// A value of any type as its output function prints it, UTF-8.
    public borrowing func printed(_ index: Int) throws(PostgresError) -> [UInt8] {
        try argument(index).printed()
    }

    /// The argument's type, domains resolved.
    public borrowing func type(_ index: Int) throws(PostgresError) -> SQLType {
        try argument(index).type
    }
}

extension SQLCall {
    public borrowing func optionalBool(_ index: Int) throws(PostgresError) -> Bool? {
        if isNull(index) { nil } else { try bool(index) }
    }
    public borrowing func optionalInt16(_ index: Int) throws(PostgresError) -> Int16? {
        if isNull(index) { nil } else { try int16(index) }
    }
    public borrowing func optionalInt32(_ index: Int) throws(PostgresError) -> Int32? {
        if isNull(index) { nil } else { try int32(index) }
    }
    public borrowing func optionalInt64(_ index: Int) throws(PostgresError) -> Int64? {
        if isNull(index) { nil } else { try int64(index) }
    }
    public borrowing func optionalFloat8(_ index: Int) throws(PostgresError) -> Double? {
        if isNull(index) { nil } else { try float8(index) }
    }
    public borrowing func optionalOID(_ index: Int) throws(PostgresError) -> UInt32? {
        if isNull(index) { nil } else { try oid(index) }
    }
    public borrowing func optionalTimestamptz(_ index: Int) throws(PostgresError) -> Int64? {
        if isNull(index) { nil } else { try timestamptz(index) }
    }
    public borrowing func optionalUUID(_ index: Int) throws(PostgresError) -> [UInt8]? {
        if isNull(index) { nil } else { try uuid(index) }
    }
    public borrowing func optionalText(_ index: Int) throws(PostgresError) -> [UInt8]? {
        if isNull(index) { nil } else { try text(index) }
    }
    public borrowing func optionalJSONBText(_ index: Int) throws(PostgresError) -> [UInt8]? {
        if isNull(index) { nil } else { try jsonbText(index) }
    }
    public borrowing func optionalBytea(_ index: Int) throws(PostgresError) -> [UInt8]? {
        if isNull(index) { nil } else { try bytea(index) }
    }
}

/// The outermost Swift frame of an SQL function: what it throws is raised by the C trampoline afterwards.
///
/// The result is checked against the declared result type.
public func sqlFunction(
    _ fcinfo: UnsafeMutableRawPointer,
    _ failure: UnsafeMutablePointer<pgs_failure>,
    _ body: (borrowing SQLCall) throws(PostgresError) -> SQLValue
) -> pgs_datum {
    do throws(PostgresError) {
        // First, because it also makes the types of the arguments known.
        var declared: pgs_oid = 0
        try check(pgs_call_result_type(fcinfo, &declared))
        let value = try body(SQLCall(fcinfo))
        let datum = try value.datum(as: SQLType(rawValue: declared))
        if datum.isNull {
            pgs_call_set_null(fcinfo)
        }
        return datum.word
    } catch {
        failure.pointee.error = error.intoC()
        return 0
    }
}

/// The Swift part of a library's init: what it throws is raised, and the library is not loaded.
public func sqlInit(
    _ failure: UnsafeMutablePointer<pgs_failure>,
    _ body: () throws(PostgresError) -> Void
) {
    do throws(PostgresError) {
        try body()
    } catch {
        failure.pointee.error = error.intoC()
    }
}

/// What an SQL function's Swift side gets from its trampoline: the call, and the place for an error.
public typealias FunctionCall = UnsafeMutableRawPointer
public typealias Failure = UnsafeMutablePointer<pgs_failure>
