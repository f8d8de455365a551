// SPDX-License-Identifier: PostgreSQL

import CPostgres

/// The rows of a statement, lent while the body of `SPI.query` runs.
///
/// The corresponding C type is `SPITupleTable`.
///
/// Rows and columns are counted from 0. Accessors throw as those of `SQLCall` do.
public struct SQLRows: ~Copyable {
    private let table: OpaquePointer?
    public let count: Int
    public let columnCount: Int

    private init(_ result: pgs_spi_result) {
        table = result.table
        count = result.table == nil ? 0 : Int(clamping: result.processed)
        columnCount = Int(result.column_count)
    }

    static func lend<R>(
        _ result: pgs_spi_result,
        _ body: (borrowing SQLRows, UInt64) throws(PostgresError) -> R
    ) throws(PostgresError) -> R {
        let value = try body(SQLRows(result), result.processed)
        pgs_spi_table_free(result.table)
        return value
    }

    private borrowing func datum(_ row: Int, _ column: Int) throws(PostgresError) -> Datum {
        guard let table, row >= 0, row < count else {
            throw PostgresError(.internalError, "row \(row) of a result of \(count)")
        }
        var value = pgs_argument()
        try check(pgs_spi_value(table, UInt64(row), Int32(clamping: column), &value))
        return Datum(value, "column", column)
    }

    public borrowing func isNull(_ row: Int, _ column: Int) throws(PostgresError) -> Bool {
        try datum(row, column).isNull
    }
    public borrowing func bool(_ row: Int, _ column: Int) throws(PostgresError) -> Bool {
        try datum(row, column).bool()
    }
    public borrowing func int16(_ row: Int, _ column: Int) throws(PostgresError) -> Int16 {
        try datum(row, column).int16()
    }
    public borrowing func int32(_ row: Int, _ column: Int) throws(PostgresError) -> Int32 {
        try datum(row, column).int32()
    }
    public borrowing func int64(_ row: Int, _ column: Int) throws(PostgresError) -> Int64 {
        try datum(row, column).int64()
    }
    public borrowing func float8(_ row: Int, _ column: Int) throws(PostgresError) -> Double {
        try datum(row, column).float8()
    }
    public borrowing func oid(_ row: Int, _ column: Int) throws(PostgresError) -> UInt32 {
        try datum(row, column).oid()
    }
    public borrowing func timestamptz(_ row: Int, _ column: Int) throws(PostgresError) -> Int64 {
        try datum(row, column).timestamptz()
    }
    public borrowing func uuid(_ row: Int, _ column: Int) throws(PostgresError) -> [UInt8] {
        try datum(row, column).uuid()
    }
    public borrowing func text(_ row: Int, _ column: Int) throws(PostgresError) -> [UInt8] {
        try datum(row, column).text()
    }
    public borrowing func jsonbText(_ row: Int, _ column: Int) throws(PostgresError) -> [UInt8] {
        try datum(row, column).jsonText()
    }
    public borrowing func bytea(_ row: Int, _ column: Int) throws(PostgresError) -> [UInt8] {
        try datum(row, column).bytea()
    }
    /// A value of any type as its output function prints it.
    public borrowing func printed(_ row: Int, _ column: Int) throws(PostgresError) -> [UInt8] {
        try datum(row, column).printed()
    }

    /// The column's name, UTF-8.
    public borrowing func columnName(_ column: Int) throws(PostgresError) -> [UInt8] {
        guard let table else { throw PostgresError(.internalError, "a result without columns") }
        var start: UnsafePointer<UInt8>?
        var length = 0
        try check(pgs_spi_column_name(table, Int32(clamping: column), &start, &length))
        guard let start else { return [] }
        return Array(UnsafeBufferPointer(start: start, count: length))
    }
}
