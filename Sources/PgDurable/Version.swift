// SPDX-License-Identifier: PostgreSQL

internal import DurableModel

/// The version of the library, and how `df.version()` shows it.
enum Version {
    /// The only place in the code; `make check` compares it with pg_durable.control.
    static let number = "0.1.0"

    /// `<version> (built <when>)` in the original; a reproducible build has no date, so the toolchain is named.
    static var text: Bytes { Bytes("\(number) (built with Swift)".utf8) }
}
