// SPDX-License-Identifier: PostgreSQL

import CPostgres

/// A connection to the server's own SQL.
///
/// Not copyable: it is borrowed while it is open.
///
/// Statements see and change what the current user may. In a worker it needs `Transaction.run` around it.
public struct SPI: ~Copyable {
    private let isNonatomic: Bool

    private init(isNonatomic: Bool) {
        self.isNonatomic = isNonatomic
    }

    /// Connects, runs the body, finishes.
    ///
    /// After a server error the rollback finishes.
    ///
    /// `nonatomic` is for procedures that end transactions (`SQLCall.isAtomic` must be false). The corresponding C
    /// functions are `SPI_connect_ext` and `SPI_finish`.
    public static func connect<R>(
        nonatomic: Bool = false,
        _ body: (borrowing SPI) throws(PostgresError) -> R
    ) throws(PostgresError) -> R {
        var session = pgs_spi_session()
        try check(pgs_spi_connect(nonatomic, &session))
        do throws(PostgresError) {
            let result = try body(SPI(isNonatomic: nonatomic))
            try check(pgs_spi_finish(&session))
            return result
        } catch {
            if !pgs_error_is_pending() {
                try check(pgs_spi_finish(&session))
            }
            throw error
        }
    }

    /// Runs one statement; `$1` and so on are the parameters.
    ///
    /// Returns the number of rows processed.
    @discardableResult
    public borrowing func execute(
        _ sql: String,
        _ parameters: [SQLValue] = [],
        readOnly: Bool = false
    ) throws(PostgresError) -> UInt64 {
        try query(sql, parameters, readOnly: readOnly) { (_, processed) throws(PostgresError) in
            processed
        }
    }

    /// Runs one statement and lends its rows to the body.
    public borrowing func query<R>(
        _ sql: String,
        _ parameters: [SQLValue] = [],
        readOnly: Bool = false,
        rowsMax: Int = 0,
        _ body: (borrowing SQLRows, UInt64) throws(PostgresError) -> R
    ) throws(PostgresError) -> R {
        let types = parameters.map { ($0.type ?? .unknown).rawValue }
        let arguments = try Arguments(parameters, types.map { SQLType(rawValue: $0) })
        var result = pgs_spi_result()
        try check(
            withBytes(Array(sql.utf8)) { text, count in
                pgs_spi_execute(
                    text,
                    count,
                    types,
                    arguments.words,
                    arguments.nulls,
                    Int32(clamping: types.count),
                    readOnly,
                    Int64(rowsMax),
                    &result
                )
            }
        )
        return try SQLRows.lend(result, body)
    }

    /// Runs what must be exactly one statement, given as UTF-8, and lends its first rows to the body.
    ///
    /// Throws 42601 when the text is several statements; none of them has run then.
    public borrowing func queryOne<R>(
        _ sql: [UInt8],
        rowsMax: Int = 0,
        _ body: (borrowing SQLRows, UInt64) throws(PostgresError) -> R
    ) throws(PostgresError) -> R {
        var result = pgs_spi_result()
        try check(withBytes(sql) { pgs_spi_execute_one($0, $1, Int64(rowsMax), &result) })
        return try SQLRows.lend(result, body)
    }

    /// Runs a prepared statement.
    ///
    /// Returns the number of rows processed.
    @discardableResult
    public borrowing func execute(
        _ statement: PreparedStatement,
        _ parameters: [SQLValue] = [],
        readOnly: Bool = false
    ) throws(PostgresError) -> UInt64 {
        try query(statement, parameters, readOnly: readOnly) {
            (_, processed) throws(PostgresError) in processed
        }
    }

    /// Runs a prepared statement and lends its rows to the body.
    public borrowing func query<R>(
        _ statement: PreparedStatement,
        _ parameters: [SQLValue] = [],
        readOnly: Bool = false,
        rowsMax: Int = 0,
        _ body: (borrowing SQLRows, UInt64) throws(PostgresError) -> R
    ) throws(PostgresError) -> R {
        guard parameters.count == statement.types.count else {
            throw PostgresError(
                .internalError,
                "a statement with \(statement.types.count) parameters was given \(parameters.count)"
            )
        }
        let plan = try statement.plan()
        let arguments = try Arguments(parameters, statement.types)
        var result = pgs_spi_result()
        try check(
            pgs_plan_execute(
                plan,
                arguments.words,
                arguments.nulls,
                Int32(clamping: parameters.count),
                readOnly,
                Int64(rowsMax),
                &result
            )
        )
        return try SQLRows.lend(result, body)
    }

    /// Commits and begins the next transaction; only in a nonatomic connection.
    public borrowing func commit() throws(PostgresError) {
        try requireNonatomic()
        try check(pgs_spi_commit())
    }

    /// Rolls back and begins the next transaction; only in a nonatomic connection.
    public borrowing func rollback() throws(PostgresError) {
        try requireNonatomic()
        try check(pgs_spi_rollback())
    }

    private borrowing func requireNonatomic() throws(PostgresError) {
        guard isNonatomic else {
            throw PostgresError(.invalidTransactionTermination, "invalid transaction termination")
        }
    }
}

@available(*, unavailable)
extension SPI: Sendable {}

/// Parameters as the server takes them.
private struct Arguments {
    var words: [pgs_datum] = []
    var nulls: [Bool] = []

    init(_ values: [SQLValue], _ types: [SQLType]) throws(PostgresError) {
        for (value, type) in zip(values, types) {
            let datum = try value.datum(as: type)
            words.append(datum.word)
            nulls.append(datum.isNull)
        }
    }
}

/// A statement whose plan is made at first use and kept for the session.
///
/// Meant for a `static let`. The corresponding C functions are `SPI_prepare` and `SPI_keepplan`.
// SAFETY: a server process has one thread; nothing else touches the plan.
public final class PreparedStatement: @unchecked Sendable {
    let types: [SQLType]
    private let sql: StaticString
    private var made: OpaquePointer?

    /// The statement with the types of its parameters.
    public init(_ sql: StaticString, _ types: SQLType...) {
        self.sql = sql
        self.types = types
    }

    /// Must run while SPI is connected.
    func plan() throws(PostgresError) -> OpaquePointer {
        if let made { return made }
        var plan: OpaquePointer?
        let oids = types.map(\.rawValue)
        try check(
            sql.withUTF8Buffer { text in
                withBytes(Array(text)) {
                    pgs_plan_make($0, $1, oids, Int32(clamping: oids.count), &plan)
                }
            }
        )
        guard let plan else { throw PostgresError(.internalError, "a plan that was not made") }
        made = plan
        return plan
    }
}
