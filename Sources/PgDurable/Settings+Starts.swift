// SPDX-License-Identifier: PostgreSQL

internal import DurablePostgres
internal import PostgresExtension

/// What limits starts.
extension Settings {
    static let maxNewTransactionStarts = Setting(
        SettingInfo(
            "pg_durable.max_new_transaction_starts",
            .postmaster,
            "Most starts with transaction_mode => 'new' at the same time, in the whole cluster."
        ),
        initial: 2,
        in: 1...1000
    )
    static let newTransactionStartTimeout = Setting(
        SettingInfo(
            "pg_durable.new_transaction_start_timeout",
            .postmaster,
            "Seconds that such a start waits for its turn before it fails."
        ),
        initial: 5,
        in: 1...3600
    )

    static func defineStarts() throws(PostgresError) {
        try maxNewTransactionStarts.define()
        try newTransactionStartTimeout.define()
    }

    static var newTransactions: NewTransaction.Settings {
        NewTransaction.Settings(
            placesMax: Int32(clamping: maxNewTransactionStarts.value),
            patienceSeconds: Int64(newTransactionStartTimeout.value)
        )
    }
}
