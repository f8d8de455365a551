// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableCore
internal import DurableModel
internal import PostgresExtension

/// Whether the values put into a statement left the statement around them as it was, judged by the server's scanner.
enum TokenStructure {
    /// Refuses a step whose values changed it (22023); in the step's transaction, before it runs.
    static func check(_ step: Substituted) throws(PostgresError) {
        guard !step.placed.isEmpty else { return }
        var same = false
        let places = step.placed.map(pgs_placed.init)
        let neutralPlaces = step.neutralPlaced.map(pgs_placed.init)
        guard places.count == neutralPlaces.count else {
            throw PostgresError(.internalError, "places of a substitution do not match")
        }
        try step.text.withServerBytes { text, length in
            step.neutral.withUnsafeBufferPointer { neutral -> OpaquePointer? in
                places.withUnsafeBufferPointer { places -> OpaquePointer? in
                    neutralPlaces.withUnsafeBufferPointer { neutralPlaces -> OpaquePointer? in
                        guard let neutralStart = neutral.baseAddress,
                            let first = places.baseAddress,
                            let neutralFirst = neutralPlaces.baseAddress
                        else { return nil }
                        return pgs_same_structure(
                            text,
                            length,
                            first,
                            Int32(truncatingIfNeeded: places.count),
                            neutralStart,
                            neutral.count,
                            neutralFirst,
                            &same
                        )
                    }
                }
            }
        }
        guard same else {
            throw PostgresError(
                .invalidParameterValue,
                "substituting a result would change the statement",
                detail: "A value does not stay within its place in the SQL text.",
                hint:
                    "Do not put references inside quoted text, or cast and concatenate the value instead."
            )
        }
    }
}

extension pgs_placed {
    fileprivate init(_ placed: Placed) {
        self.init(
            start: placed.range.lowerBound,
            end: placed.range.upperBound,
            inside_literal: placed.insideLiteral
        )
    }
}
