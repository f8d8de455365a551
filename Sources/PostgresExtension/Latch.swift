// SPDX-License-Identifier: PostgreSQL

import CPostgres

/// The process's latch: what others set to wake it.
///
/// The corresponding C type is `Latch`.
public enum Latch {
    public struct Events: OptionSet, Sendable {
        public let rawValue: Int32

        public init(rawValue: Int32) {
            self.rawValue = rawValue
        }

        public static let latch = Events(rawValue: 1)
        public static let timeout = Events(rawValue: 2)
    }

    /// Waits until the latch is set or the time is over, whichever is first; nil waits without limit.
    ///
    /// May come back early: look whether there is something to do, and wait again. Ends the process when the
    /// postmaster is gone. The latch stays set until `reset()`. The corresponding C function is `WaitLatch`.
    @discardableResult
    public static func wait(
        milliseconds: Int64?,
        event: StaticString = "Extension"
    ) throws(PostgresError) -> Events {
        var events: Int32 = 0
        let limit = milliseconds.map { max(0, $0) } ?? -1
        try check(pgs_latch_wait(limit, event.pointer, &events))
        return Events(rawValue: events)
    }

    /// Must come before the look whether there is something to do.
    public static func reset() {
        pgs_latch_reset()
    }

    /// Makes the next wait return at once.
    public static func setOwn() {
        pgs_latch_set_own()
    }

    /// This process's place in the server, to be left in shared memory for those who shall wake it.
    public static var ownNumber: Int32 { pgs_latch_own_number() }

    /// Sets the latch of whoever is at the place now: by then another process, which only wakes in vain.
    ///
    /// False when there is no such place. The corresponding C function is `SetLatch`.
    @discardableResult
    public static func set(at number: Int32) -> Bool { pgs_latch_set_number(number) }
}

/// What the server may ask of a process at any time.
public enum Interrupts {
    /// Throws when the statement was cancelled; ends the session when it was told to.
    ///
    /// Nearly free otherwise.
    ///
    /// Belongs in every loop that can last. The corresponding C macro is `CHECK_FOR_INTERRUPTS`.
    public static func check() throws(PostgresError) {
        try PostgresExtension.check(pgs_interrupts_check())
    }

    /// What an idle loop owes the server after each wait; outside a transaction, or between statements.
    ///
    /// Interrupts, reload of the configuration (then true), and catching up with catalog changes of others.
    @discardableResult
    public static func service() throws(PostgresError) -> Bool {
        var reloaded = false
        try PostgresExtension.check(pgs_interrupts_service(&reloaded))
        return reloaded
    }

    /// Throws 54001 when the stack is nearly full; for recursion that cannot be avoided.
    ///
    /// The corresponding C function is `check_stack_depth`.
    public static func checkStack() throws(PostgresError) {
        try PostgresExtension.check(pgs_stack_check())
    }
}
