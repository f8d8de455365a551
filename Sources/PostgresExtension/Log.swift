// SPDX-License-Identifier: PostgreSQL

import CPostgres

/// Messages in the server's style: lower case and no full stop in the message, sentences in detail and hint.
///
/// Never a payload of the user's. Nothing here fails. The corresponding C macro is `ereport`.
public enum Log {
    public enum Level: Sendable {
        case debug2
        case debug1
        /// For the server's log.
        case log
        /// For the client, whatever it asked for.
        case info
        case notice
        case warning

        fileprivate var inC: pgs_level {
            switch self {
            case .debug2: PGS_DEBUG2
            case .debug1: PGS_DEBUG1
            case .log: PGS_LOG
            case .info: PGS_INFO
            case .notice: PGS_NOTICE
            case .warning: PGS_WARNING
            }
        }
    }

    /// Whether a message of the level would reach anybody.
    public static func isOn(_ level: Level) -> Bool { pgs_log_is_on(level.inC) }

    public static func log(_ message: String, detail: String? = nil, hint: String? = nil) {
        emit(.log, message, detail: detail, hint: hint)
    }

    public static func warning(
        _ message: String,
        state: SQLState? = nil,
        detail: String? = nil,
        hint: String? = nil
    ) {
        emit(.warning, message, state: state, detail: detail, hint: hint)
    }

    public static func notice(_ message: String, detail: String? = nil, hint: String? = nil) {
        emit(.notice, message, detail: detail, hint: hint)
    }

    /// The message is not made unless somebody listens.
    public static func debug(_ message: @autoclosure () -> String) {
        if isOn(.debug1) {
            emit(.debug1, message())
        }
    }

    public static func emit(
        _ level: Level,
        _ message: String,
        state: SQLState? = nil,
        detail: String? = nil,
        hint: String? = nil
    ) {
        emit(
            level,
            Array(message.utf8),
            state: state,
            detail: detail.map { Array($0.utf8) },
            hint: hint.map { Array($0.utf8) }
        )
    }

    /// The same with texts that are bytes already, UTF-8.
    public static func emit(
        _ level: Level,
        _ message: [UInt8],
        state: SQLState? = nil,
        detail: [UInt8]? = nil,
        hint: [UInt8]? = nil
    ) {
        withBytes(message) { text, count in
            withOptionalBytes(detail) { detailStart, detailCount in
                withOptionalBytes(hint) { hintStart, hintCount in
                    pgs_log(
                        level.inC,
                        state?.rawValue ?? 0,
                        text,
                        count,
                        detailStart,
                        detailCount,
                        hintStart,
                        hintCount
                    )
                }
            }
        }
    }

    /// An error that ends here: to the log, with its SQLSTATE.
    public static func report(_ error: PostgresError, doing what: StaticString = "") {
        let prefix =
            what.utf8CodeUnitCount == 0 ? [] : what.withUTF8Buffer { Array($0) } + Array(": ".utf8)
        emit(
            .log,
            prefix + error.message,
            state: error.state,
            detail: error.detail,
            hint: error.hint
        )
    }
}

private func withOptionalBytes(_ bytes: [UInt8]?, _ body: (UnsafePointer<UInt8>?, Int) -> Void) {
    guard let bytes else { return body(nil, 0) }
    withBytes(bytes) { body($0, $1) }
}
