// SPDX-License-Identifier: PostgreSQL

import CPostgres

/// State in shared memory that can only be reached under its lock. Meant for a `static let`.
///
/// `request()` runs in the library's init; when the server has started, every process sees the same state, zeroed
/// first. The state should be a C struct: its layout is what all processes agree on.
///
/// The body cannot throw, must be short, and must not call into the server: such a call is refused. A trap in it
/// stops the server. The corresponding C functions are `ShmemInitStruct` and `LWLockAcquire`.
// SAFETY: the region is set once while the server starts; a server process has one thread.
public final class Locked<State: BitwiseCopyable>: @unchecked Sendable {
    private let name: StaticString
    private var region: OpaquePointer?

    /// The name is that of the shared memory and of the lock in `pg_stat_activity`.
    public init(_ name: StaticString) {
        self.name = name
    }

    /// Asks for the memory; only while the server loads `shared_preload_libraries` does it come to exist.
    public func request() throws(PostgresError) {
        try check(pgs_region_request(name.pointer, MemoryLayout<State>.stride, 1, nil, &region))
    }

    /// Whether the library was preloaded.
    public var isAvailable: Bool { region.flatMap { pgs_region_memory($0) } != nil }

    /// Reads and writes the state; interrupts wait until the end.
    public func withExclusive<R>(_ body: (inout State) -> R) throws(PostgresError) -> R {
        let (memory, lock) = try place()
        try check(pgs_lwlock_acquire(lock, true))
        defer { pgs_lwlock_release(lock) }
        return body(&memory.pointee)
    }

    /// Reads the state beside other readers.
    public func withShared<R>(_ body: (borrowing State) -> R) throws(PostgresError) -> R {
        let (memory, lock) = try place()
        try check(pgs_lwlock_acquire(lock, false))
        defer { pgs_lwlock_release(lock) }
        return body(memory.pointee)
    }

    private func place() throws(PostgresError) -> (
        UnsafeMutablePointer<State>, UnsafeMutableRawPointer
    ) {
        guard let region, let memory = pgs_region_memory(region),
            let lock = pgs_region_lock(region, 0)
        else {
            throw PostgresError(
                .objectNotInPrerequisiteState,
                "shared memory \"\(name)\" is not available",
                hint:
                    "Add the extension's library to shared_preload_libraries and restart the server."
            )
        }
        return (memory.assumingMemoryBound(to: State.self), lock)
    }
}
