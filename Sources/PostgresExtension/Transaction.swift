// SPDX-License-Identifier: PostgreSQL

import CPostgres

/// Proof that a transaction is open.
///
/// Not copyable: it is borrowed while the transaction lasts.
public struct Transaction: ~Copyable {
    private init() {}

    /// Runs the body in a transaction of its own and commits it; on an error rolls back and throws on.
    ///
    /// For background workers, outside any transaction (25001 otherwise). The error is over when it arrives here: the
    /// session is usable. Takes no snapshot; SPI does that when it needs one. The corresponding C functions are
    /// `StartTransactionCommand`, `CommitTransactionCommand` and, after an error, all that `PostgresMain` does.
    public static func run<R>(
        _ body: (borrowing Transaction) throws(PostgresError) -> R
    ) throws(PostgresError) -> R {
        guard !pgs_xact_is_open() else {
            throw PostgresError(.activeTransaction, "there is already a transaction in progress")
        }
        let outside = pgs_memory_current()
        defer { _ = pgs_memory_switch(outside) }
        do throws(PostgresError) {
            try check(pgs_xact_start())
            let result = try body(Transaction())
            try check(pgs_xact_commit())
            return result
        } catch {
            pgs_xact_abort()
            throw error
        }
    }

    /// Whether one is open now.
    public static var isOpen: Bool { pgs_xact_is_open() }
}

@available(*, unavailable)
extension Transaction: Sendable {}

/// A part of a transaction that can be undone alone, as PL/pgSQL does for a block with EXCEPTION.
public enum Subtransaction {
    /// Runs the body; on an error rolls back what it did and throws on.
    ///
    /// The session is usable then.
    public static func run<R>(_ body: () throws(PostgresError) -> R) throws(PostgresError) -> R {
        var subtransaction = pgs_subxact()
        try check(pgs_subxact_begin(&subtransaction))
        do throws(PostgresError) {
            let result = try body()
            try check(pgs_subxact_release(&subtransaction))
            return result
        } catch {
            // A rollback that fails leaves nothing to go on with: that error is the one to pass on.
            try check(pgs_subxact_rollback(&subtransaction))
            throw error
        }
    }

    /// Runs the body and rolls back what it did, whether it throws or not; what it returns stays.
    ///
    /// As with ROLLBACK TO SAVEPOINT, sequences, session-level advisory locks and whatever is not the database's
    /// keep what happened to them.
    public static func undo<R>(_ body: () throws(PostgresError) -> R) throws(PostgresError) -> R {
        var subtransaction = pgs_subxact()
        try check(pgs_subxact_begin(&subtransaction))
        let result: Result<R, PostgresError>
        do throws(PostgresError) {
            result = .success(try body())
        } catch {
            result = .failure(error)
        }
        // A rollback that fails leaves nothing to go on with: that error is the one to pass on.
        try check(pgs_subxact_rollback(&subtransaction))
        return try result.get()
    }

    /// Runs the body; an error is rolled back and becomes a value: the one place that absorbs a server error.
    ///
    /// Cancel and shutdown always travel on.
    public static func attempt<R>(
        _ body: () throws(PostgresError) -> R
    ) throws(PostgresError) -> Result<R, PostgresError> {
        do throws(PostgresError) {
            return .success(try run(body))
        } catch {
            guard !pgs_error_is_pending(), !error.state.mustTravel else { throw error }
            return .failure(error)
        }
    }
}

extension SQLState {
    /// Cancel and the end of the session: not to be swallowed.
    var mustTravel: Bool {
        self == .queryCanceled || self == .adminShutdown || self == .crashShutdown
            || self == .databaseDropped || self == .idleSessionTimeout
    }
}
