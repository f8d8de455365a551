// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableModel
internal import PostgresExtension

/// The evaluation of a user's expression just to see what comes out: nothing of what it did stays.
///
/// It runs as the caller, in a subtransaction that is always rolled back. What writes for the engine, or waits, is
/// refused meanwhile, wherever in the expression it is called from.
enum TrialRun {
    // SAFETY: a server process has one thread.
    /// How many evaluations are under way, one inside the other.
    ///
    /// No Swift frame is ever jumped over, so that every way out passes where it is counted down.
    nonisolated(unsafe) private static var depth = 0

    /// Refuses `function` while an expression is being evaluated.
    static func refuse(_ function: StaticString) throws(PostgresError) {
        guard depth > 0 else { return }
        throw PostgresError(
            .objectNotInPrerequisiteState,
            "\(function) cannot be called in an expression that df.explain() evaluates",
            detail: "An explained expression has no effect.",
            hint: "Explain the graph that is given to df.start(), or call \(function) itself."
        )
    }

    /// The first column of the first row of `SELECT <expression>`, as text; nil for NULL, no row or no column.
    static func firstValue(of expression: Bytes) throws(PostgresError) -> Bytes? {
        depth += 1
        defer { depth -= 1 }
        return try Subtransaction.undo { () throws(PostgresError) in
            try SPI.connect { spi throws(PostgresError) in
                try spi.queryOne(Bytes("SELECT ".utf8) + expression, rowsMax: 1) {
                    rows,
                    _ throws(PostgresError) -> Bytes? in
                    guard rows.count > 0, rows.columnCount > 0, try !rows.isNull(0, 0) else { return nil }
                    return try rows.printed(0, 0)
                }
            }
        }
    }
}
