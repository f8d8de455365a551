// SPDX-License-Identifier: PostgreSQL

/// Why a step failed, with the fields of the server's error report.
public struct StepFailure: Hashable, Sendable {
    /// Five characters.
    public var sqlstate: Bytes
    public var message: Bytes
    public var detail: Bytes?
    public var hint: Bytes?
    public var context: Bytes?

    public init(
        sqlstate: Bytes,
        message: Bytes,
        detail: Bytes? = nil,
        hint: Bytes? = nil,
        context: Bytes? = nil
    ) {
        self.sqlstate = sqlstate
        self.message = message
        self.detail = detail
        self.hint = hint
        self.context = context
    }
}

/// One fact that cannot be derived from the graph and the facts before it.
///
/// Everything else (which arm an IF took, what a name holds, when a JOIN is done) follows from these by folding.
public enum Event: Hashable, Sendable {
    /// A step (SQL, HTTP) finished; `result` is its value as JSON text, key order and number spelling kept.
    case stepCompleted(result: Bytes)
    /// A step failed for good.
    case stepFailed(StepFailure)
    /// Attempt `number` (from 1) of a step begins: written before a request leaves, and in probation before any step.
    case attemptStarted(number: Int32)
    /// SLEEP, WAIT_SCHEDULE, SIGNAL with a timeout, or a LOOP's pause: wakes at `due`.
    case timerSet(due: Timestamp)
    /// The timer set last on this branch is due. For SIGNAL: the wait timed out.
    case timerFired
    /// A SIGNAL node took a signal; `data` is its payload as JSON text.
    case signalReceived(data: Bytes)
    /// A JOIN or RACE started its arms on the branches `first ..< first + count`.
    case forked(first: BranchID, count: Int32)
    /// The arm that decided a RACE, counted from 0.
    case raceDecided(winner: Int32)
    /// The pause of a LOOP is over and its next iteration begins, as after `timerFired`; who has not seen the
    /// iterations before goes on from here.
    case iterated(LoopMark)
}

/// An event at its place: the primary key of the journal is (instance, branch, sequence).
public struct JournalEntry: Hashable, Sendable {
    public var branch: BranchID
    /// Rising within the branch by 1, from 1; after compaction with gaps before loop marks.
    public var sequence: Int64
    public var node: NodeIndex
    public var at: Timestamp
    public var event: Event
    /// Bytes of the event's payload that were not read, because nothing ever looks at them.
    public var omitted = 0

    public init(
        branch: BranchID,
        sequence: Int64,
        node: NodeIndex,
        at: Timestamp,
        event: Event,
        omitted: Int = 0
    ) {
        self.omitted = omitted
        self.branch = branch
        self.sequence = sequence
        self.node = node
        self.at = at
        self.event = event
    }
}

/// How an instance ended.
public enum Outcome: Hashable, Sendable {
    /// The root's value as JSON text.
    case completed(value: Bytes)
    /// `text` is the whole message with the prefixes of the constructs it passed; `failure` the innermost report.
    case failed(text: Bytes, failure: StepFailure)
    case cancelled(reason: Bytes)
}

/// The status words of instances, as SQL shows them.
public enum InstanceStatus: String, Hashable, Sendable {
    case pending, running, completed, failed, cancelled
}

/// A signal that is stored and not yet consumed.
public struct PendingSignal: Hashable, Sendable {
    /// Orders signals; assigned when the signal was sent.
    public var number: Int64
    public var name: Bytes
    /// JSON text.
    public var data: Bytes

    public init(number: Int64, name: Bytes, data: Bytes) {
        self.number = number
        self.name = name
        self.data = data
    }
}
