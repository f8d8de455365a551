// SPDX-License-Identifier: PostgreSQL

internal import CPgDurable
internal import DurableModel

/// The version of the library, and how `df.version()` shows it.
enum Version {
    /// The only place in the code; a test compares it with pg_durable.control.
    static let number = "0.1.0"

    /// `<version> (built <UTC timestamp>)`.
    static var text: Bytes { Bytes("\(number) (built \(String(cString: pg_durable_build_time())))".utf8) }
}
