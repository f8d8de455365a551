// SPDX-License-Identifier: PostgreSQL

import CPostgres

/// Memory of the server.
///
/// Swift values live outside; what the server allocates for a call lives in the current one.
public enum MemoryContext {
    /// Runs the body in a context of its own and deletes it: only Swift values come out.
    ///
    /// For loops in workers, where nothing else frees what the server allocates on the way. The corresponding C
    /// functions are `AllocSetContextCreate` and `MemoryContextDelete`.
    public static func withTemporary<R>(
        _ name: StaticString,
        _ body: () throws(PostgresError) -> R
    ) throws(PostgresError) -> R {
        var created: UnsafeMutableRawPointer?
        try check(pgs_memory_create(name.pointer, &created))
        guard let created else { throw PostgresError(.outOfMemory, "out of memory") }
        let previous = pgs_memory_switch(created)
        defer {
            _ = pgs_memory_switch(previous)
            pgs_memory_delete(created)
        }
        return try body()
    }

    /// Bytes that the process has allocated from the server in all.
    public static var allocatedInAll: Int { pgs_memory_allocated(pgs_memory_top()) }
}

extension StaticString {
    /// The text as a C string: constants of the source end with NUL.
    var pointer: UnsafePointer<CChar> {
        guard hasPointerRepresentation else { return StaticString("").pointer }
        return UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self)
    }
}
