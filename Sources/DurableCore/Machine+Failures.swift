// SPDX-License-Identifier: PostgreSQL

import DurableModel

/// What constructs put before the text of a failure that passes through them.
enum FailurePrefix {
    static let loop = Bytes("Loop sub-orchestration failed: ".utf8)
    static let raceLeft = Bytes("RACE left branch failed: ".utf8)
    static let raceRight = Bytes("RACE right branch failed: ".utf8)
}

/// Something read from a node, or why that node fails.
enum Checked<Value> {
    case valid(Value)
    case invalid(StepFailure)

    func map<Other>(_ transform: (Value) -> Other) -> Checked<Other> {
        switch self {
        case .valid(let value): .valid(transform(value))
        case .invalid(let failure): .invalid(failure)
        }
    }
}

/// Failures that follow from the graph alone.
extension StepFailure {
    static func invalidParameter(_ message: Bytes) -> StepFailure {
        StepFailure(sqlstate: Bytes("22023".utf8), message: message)
    }

    static func invalidParameter(_ message: StaticString) -> StepFailure {
        invalidParameter(Bytes("\(message)".utf8))
    }

    static func missing(_ role: String, of kind: NodeKind) -> StepFailure {
        invalidParameter(Bytes("\(kind.rawValue) node missing \(role)".utf8))
    }

    static func corruptGraph(_ index: NodeIndex) -> StepFailure {
        StepFailure(
            sqlstate: Bytes("XX001".utf8),
            message: Bytes(
                "graph is corrupt: node \(index.rawValue) does not exist or is not below its parent"
                    .utf8
            )
        )
    }

    static func tooManyIterations(_ max: Int64) -> StepFailure {
        StepFailure(
            sqlstate: Bytes("54000".utf8),
            message: Bytes("Loop exceeded maximum iteration count of \(max)".utf8)
        )
    }

    /// An entry would take the journal beyond what it may hold.
    static func journalFull(_ max: Int) -> StepFailure {
        StepFailure(
            sqlstate: Bytes("54000".utf8),
            message: Bytes("journal of durable function exceeds the limit of \(max) bytes".utf8),
            hint: Bytes(
                "pg_durable.max_instance_size is the limit; large data belongs in tables, not in results."
                    .utf8
            )
        )
    }

    /// What a construct makes of values is larger than a value may be.
    static func tooLarge(_ what: String, _ max: Int) -> StepFailure {
        StepFailure(
            sqlstate: Bytes("54000".utf8),
            message: Bytes("value of \(what) exceeds the limit of \(max) bytes".utf8),
            hint: Bytes(
                "pg_durable.max_result_size was the limit when the instance was started; large data belongs in tables."
                    .utf8
            )
        )
    }

    static let breakOutsideLoop = StepFailure(
        sqlstate: Bytes("42601".utf8),
        message: Bytes(
            "df.break() was called outside of a loop. df.break() may only be used inside df.loop()."
                .utf8
        )
    )
}
