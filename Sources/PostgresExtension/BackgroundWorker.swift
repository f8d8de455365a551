// SPDX-License-Identifier: PostgreSQL

import CPostgres

/// A process of the server that runs the extension's code.
///
/// The corresponding C type is `BackgroundWorker`.
///
/// Its main function is a line `PGS_SWIFT_WORKER(function)` in the entry file.
public struct BackgroundWorker: Sendable {
    /// What `pg_stat_activity` and `ps` show; at most 95 bytes.
    public var name: [UInt8]
    /// `pg_stat_activity.backend_type`.
    public var type: StaticString
    public var library: StaticString
    public var function: StaticString
    /// Seconds after which it is started again when it ends with code 1; nil for never.
    public var restartSeconds: Int?
    /// Whether it will call `connect`.
    public var usesDatabase: Bool
    /// Whether it runs on a hot standby too.
    public var startsOnStandby: Bool
    public var argument: UInt64
    /// At most 128 bytes.
    public var extra: [UInt8]

    public init(
        name: String,
        type: StaticString,
        library: StaticString,
        function: StaticString,
        restartSeconds: Int? = nil,
        usesDatabase: Bool = true,
        startsOnStandby: Bool = false,
        argument: UInt64 = 0,
        extra: [UInt8] = []
    ) {
        self.name = Array(name.utf8)
        self.type = type
        self.library = library
        self.function = function
        self.restartSeconds = restartSeconds
        self.usesDatabase = usesDatabase
        self.startsOnStandby = startsOnStandby
        self.argument = argument
        self.extra = extra
    }

    /// Lets the server start it; only in the init of a preloaded library.
    ///
    /// The corresponding C function is `RegisterBackgroundWorker`.
    public func register() throws(PostgresError) {
        try withC { (worker) throws(PostgresError) in try check(pgs_worker_register(&worker)) }
    }

    /// Starts it now; nil when `max_worker_processes` are running.
    ///
    /// This process's latch is set when the worker starts and when it stops. The corresponding C function is
    /// `RegisterDynamicBackgroundWorker`.
    public func start() throws(PostgresError) -> Handle? {
        var handle: UnsafeMutableRawPointer?
        try withC { (worker) throws(PostgresError) in try check(pgs_worker_start(&worker, &handle))
        }
        return handle.map { Handle($0) }
    }

    private func withC(
        _ body: (inout pgs_worker) throws(PostgresError) -> Void
    ) throws(PostgresError) {
        guard extra.count <= 128 else {
            throw PostgresError(
                .internalError,
                "a background worker with \(extra.count) bytes of data"
            )
        }
        let terminated = name.prefix { $0 != 0 }.map { CChar(bitPattern: $0) } + [0]
        let restart = restartSeconds.map { Int32(clamping: max(0, $0)) } ?? -1
        var failure: PostgresError?
        terminated.withUnsafeBufferPointer { nameBuffer in
            extra.withUnsafeBufferPointer { extraBuffer in
                guard let nameStart = nameBuffer.baseAddress else { return }
                var worker = pgs_worker(
                    name: nameStart,
                    type: type.pointer,
                    library: library.pointer,
                    function: function.pointer,
                    restart_seconds: restart,
                    database: usesDatabase,
                    at_consistency: startsOnStandby,
                    argument: argument,
                    extra: extraBuffer.baseAddress,
                    extra_length: extraBuffer.count
                )
                do throws(PostgresError) { try body(&worker) } catch { failure = error }
            }
        }
        if let failure { throw failure }
    }
}

extension BackgroundWorker {
    public enum Status: Hashable, Sendable {
        case notYetStarted
        case running(pid: Int32)
        case stopped
        case postmasterDied
    }

    /// A worker that this process started.
    ///
    /// The corresponding C type is `BackgroundWorkerHandle`.
    public final class Handle {
        // SAFETY: palloc'ed in the context that lives as long as the process, freed once.
        private let handle: UnsafeMutableRawPointer

        init(_ handle: UnsafeMutableRawPointer) {
            self.handle = handle
        }

        deinit {
            pgs_worker_forget(handle)
        }

        /// The corresponding C function is `GetBackgroundWorkerPid`.
        public func status() throws(PostgresError) -> Status {
            var status = PGS_WORKER_STOPPED
            var pid: Int32 = 0
            try check(pgs_worker_get_status(handle, &status, &pid))
            switch status {
            case PGS_WORKER_STARTED: return .running(pid: pid)
            case PGS_WORKER_NOT_YET_STARTED: return .notYetStarted
            case PGS_WORKER_POSTMASTER_DIED: return .postmasterDied
            default: return .stopped
            }
        }

        /// Asks it to end; returns at once.
        ///
        /// The corresponding C function is `TerminateBackgroundWorker`.
        public func terminate() throws(PostgresError) {
            try check(pgs_worker_terminate(handle))
        }
    }
}

/// What a worker's main function may do to its own process.
public enum WorkerProcess {
    /// The outermost Swift frame of a worker: logs what is thrown and gives the exit code.
    ///
    /// 0 tells the server to forget the worker, 1 to start it again if it has a restart time.
    public static func run(_ body: () throws(PostgresError) -> Int32) -> Int32 {
        do throws(PostgresError) {
            return try body()
        } catch {
            if Transaction.isOpen || pgs_error_is_pending() {
                pgs_xact_abort()
            }
            Log.report(error)
            return 1
        }
    }

    /// Becomes a session of the role in the database, without authentication; a failure may end the process.
    ///
    /// Role 0 is the bootstrap superuser; database 0 is none, with the shared catalogs only. The corresponding C
    /// function is `BackgroundWorkerInitializeConnectionByOid`.
    public static func connect(database: UInt32, role: UInt32) throws(PostgresError) {
        try check(pgs_worker_connect(database, role))
    }

    /// The same by names; nil as above.
    public static func connect(
        database: StaticString?,
        role: StaticString?
    ) throws(PostgresError) {
        try check(pgs_worker_connect_by_name(database?.pointer, role?.pointer))
    }

    /// The 128 bytes that the starter gave.
    public static var extra: [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 128) { buffer, count in
            if let start = buffer.baseAddress {
                pgs_worker_extra(start, 128)
                count = 128
            }
        }
    }

    /// Ends the process.
    ///
    /// The corresponding C function is `proc_exit`.
    public static func exit(_ code: Int32) -> Never {
        pgs_proc_exit(code)
    }
}
