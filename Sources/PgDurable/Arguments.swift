// SPDX-License-Identifier: PostgreSQL

internal import DurableModel
internal import DurablePostgres
internal import PostgresExtension

extension SQLCall {
    /// A text argument of at most `limit` bytes; refused before a byte of a larger one is copied.
    borrowing func text(
        _ index: Int,
        atMost limit: Int,
        _ name: StaticString
    ) throws(PostgresError) -> Bytes {
        guard try textSize(index) <= limit else {
            throw PostgresError(
                .programLimitExceeded,
                "\(name) exceeds the limit of \(limit) bytes"
            )
        }
        return try text(index)
    }

    /// The id of an instance; nothing longer is one.
    borrowing func instanceID(_ index: Int) throws(PostgresError) -> Bytes {
        try text(index, atMost: Limits.idSize, "instance id")
    }

    /// A graph, or the text of a step.
    borrowing func graph(_ index: Int) throws(PostgresError) -> Bytes {
        guard try textSize(index) <= Limits.graphSize else {
            throw PostgresError(
                .programLimitExceeded,
                "durable function graph exceeds the limit of 4 MB",
                hint: "Simplify the workflow or break it into multiple instances."
            )
        }
        return try text(index)
    }
}
