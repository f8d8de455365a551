// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableModel
internal import PostgresExtension

/// Catches `df.setvar(…) ~> …`: the `OK` that a helper returned in this very statement is no step.
///
/// The helper's own answer is what cannot be a step, so only that text is refused: setting a variable and starting a
/// function side by side in one statement is fine.
enum SameStatementGuard {
    // SAFETY: a server process has one thread.
    nonisolated(unsafe) private static var marked: (function: StaticString, answer: Bytes, statement: Int64)?

    /// Remembers that `function` ("df.setvar()") gave this answer in the current statement.
    static func mark(_ function: StaticString, answer: String = "OK") {
        marked = (function, Bytes(answer.utf8), pgs_now_statement())
    }

    /// Refuses `text` as a step when it is what a helper of this statement returned.
    static func check(_ text: Bytes, prefix: String = "") throws(PostgresError) {
        guard let marked, marked.statement == pgs_now_statement(), text == marked.answer else {
            return
        }
        let name = "\(marked.function)".replacingSuffix("()")
        throw PostgresError(
            .invalidParameterValue,
            "\(prefix)\(name) cannot be used as a workflow step. Call \(name) before df.start()."
        )
    }
}

extension String {
    fileprivate func replacingSuffix(_ suffix: String) -> String {
        hasSuffix(suffix) ? String(dropLast(suffix.count)) : self
    }
}
