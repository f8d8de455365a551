// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableModel
internal import PostgresExtension

// What a newer version of the extension has stored is left alone: nobody runs it, ends it or fails because of it.

extension PostgresError {
    /// Something stored that this library does not know; `what` is the whole statement of the finding.
    static func newerFormat(_ what: String) -> PostgresError {
        PostgresError(
            .featureNotSupported,
            what,
            detail: "It was stored by a newer version of the extension.",
            hint: "Install the library that belongs to it and restart the server."
        )
    }

    /// Only `newerFormat` makes such an error of our own.
    var isNewerFormat: Bool { state == .featureNotSupported && !isFromServer }

    /// What is stored cannot be read, now or ever.
    var isUnreadable: Bool { isNewerFormat || (state == .dataCorrupted && !isFromServer) }
}

/// Says in the server's log which instances are left alone, each once.
enum NewerFormat {
    private static let notedMax = 1000
    // SAFETY: a server process has one thread.
    nonisolated(unsafe) private static var noted: Set<InstanceID> = []

    static func note(_ error: PostgresError, _ instance: InstanceID) {
        guard noted.count < notedMax, noted.insert(instance).inserted else { return }
        Log.report(error, doing: "durable function is left alone")
    }
}
