// SPDX-License-Identifier: PostgreSQL

public import DurableCore
public import DurableModel

/// What a process of ours is told to look at: a branch that can go on, or (`branch == nil`) the
/// instance as a whole because of a cancel request, a signal or a due timer.
///
/// Only a hint: the tables decide.
public struct Ready: Hashable, Sendable {
    public var instance: InstanceID
    public var branch: BranchID?

    public init(instance: InstanceID, branch: BranchID?) {
        self.instance = instance
        self.branch = branch
    }
}

/// An instance as stored: its record and all of its journal.
public struct StoredInstance: Sendable {
    public var record: InstanceRecord
    /// Ordered by (branch, sequence).
    public var journal: [JournalEntry]
    /// Something is asked of the instance (a cancel) that must be looked at before another step runs.
    public var isAsked: Bool

    public init(record: InstanceRecord, journal: [JournalEntry], isAsked: Bool = false) {
        self.record = record
        self.journal = journal
        self.isAsked = isAsked
    }
}

/// What happened to an instance since a machine last looked, read under the instance's lock.
public struct News {
    /// The instance has ended (or is gone): nothing may be written for it any more.
    public var hasEnded: Bool
    /// Entries beyond what the machine knew, of every branch asked for; ordered by (branch, sequence).
    public var entries: [JournalEntry]
    /// The entries are the whole journal, as `Decision.readAll` has asked for.
    public var isWhole = false
    /// The reason of the oldest cancel request, if there is one.
    public var cancelReason: Bytes?
    /// The step that is being committed asked for the cancel itself: both are committed, or neither.
    public var cancelIsOwn = false
    /// Signals that no wait has consumed, to be asked for while the instance's lock is held.
    public var signals: any PendingSignals

    public init(
        hasEnded: Bool,
        entries: [JournalEntry] = [],
        cancelReason: Bytes? = nil,
        signals: any PendingSignals = NoSignals()
    ) {
        self.hasEnded = hasEnded
        self.entries = entries
        self.cancelReason = cancelReason
        self.signals = signals
    }
}

/// All that one commit writes about one instance.
public struct Checkpoint: Sendable {
    /// In the order in which they came about.
    public var entries: [JournalEntry] = []
    /// Entries that go with this commit: stored ones, and of its own the first `after`.
    public var erasures: [(erasure: Erasure, after: Int)] = []
    public var timersSet: [TimerChange] = []
    public var timersCleared: [TimerChange] = []
    /// Branches that became runnable and were not when the machine last looked: rows to add to `active`, after
    /// those of `deactivated` are gone.
    public var activated: [BranchID] = []
    /// Branches that are runnable no more: rows to take from `active`.
    ///
    /// The root's may be missing already.
    public var deactivated: [BranchID] = []
    /// `PendingSignal.number` of the signals that a wait took.
    public var signalsConsumed: [Int64] = []
    /// Set when the instance ends with this commit.
    ///
    /// The store then also clears whatever is left of the instance in `active` and among the
    /// timers.
    public var outcome: Outcome?

    public init() {}

    /// The entries to store: those that this very commit erases are not.
    public var entriesToStore: [JournalEntry] {
        guard !erasures.isEmpty else { return entries }
        return entries.enumerated().filter { i, entry in
            !erasures.contains { $0.after > i && $0.erasure.covers(entry) }
        }.map(\.element)
    }

    /// Whether there is nothing to write.
    public var isEmpty: Bool {
        entries.isEmpty && timersSet.isEmpty && timersCleared.isEmpty && activated.isEmpty
            && deactivated.isEmpty && signalsConsumed.isEmpty && outcome == nil
    }
}

/// What a machine asks the store to read for it under the lock.
public struct NewsRequest: Sendable {
    /// Last sequence known of each branch that may have got more (live branches of the machine), by branch.
    public var known: [(branch: BranchID, sequence: Int64)]
    /// From this branch on the machine knows none: entries of all of them are news, too (an arm started by
    /// somebody else may have journalled something already).
    public var firstUnknown: BranchID
    /// The journal is so short that one look at all of it costs less than one at each branch.
    public var isJournalShort = false

    public init(known: [(branch: BranchID, sequence: Int64)], firstUnknown: BranchID) {
        self.known = known
        self.firstUnknown = firstUnknown
    }
}

/// How the SQL of a step ended.
public enum StepRun: Sendable {
    /// The statement is done, the user's deferred work included; its transaction is open and waits for `commit`.
    case completed(result: Bytes)
    /// It failed and is rolled back; no transaction is open.
    case failed(StepFailure)
    /// It could not begin, for a reason that trying again does not change; the message is complete.
    case refused(StepFailure)
    /// It was interrupted on our own behalf (cancel, lost race) and is rolled back: look at the tables again.
    case interrupted
}

/// What the body given to `commit` decides.
public enum Decision: Sendable {
    /// Write this and commit.
    ///
    /// An empty checkpoint commits the open transaction without a row.
    case write(Checkpoint)
    /// The news leave a gap: read the whole journal and ask again.
    case readAll
    /// Somebody else decided otherwise: roll everything back, the step included.
    case supersede
}

public enum CommitResult: Hashable, Sendable {
    case committed
    /// The body said so, or the journal's primary key did: everything was rolled back; reload.
    case superseded
    /// The transaction of a *step* could not commit (a deferred constraint, a serialization failure): rolled back.
    case failed(StepFailure)
}

/// The attempt of a step that a request belongs to.
public struct RequestPlace: Hashable, Sendable {
    public var instance: InstanceID
    public var branch: BranchID
    /// Of the journal's entry about the attempt.
    public var sequence: Int64

    public init(instance: InstanceID, branch: BranchID, sequence: Int64) {
        self.instance = instance
        self.branch = branch
        self.sequence = sequence
    }
}

/// What is known of a request; only a hint: what was lost with a process is unknown.
public enum RequestState: Hashable, Sendable {
    case unknown
    case waiting
    case answered(HTTPAnswer)
}

/// Whether a request may leave.
public enum RequestHold: Hashable, Sendable {
    case held
    /// Not now: as many are under way as may be, or nobody is there to send it.
    ///
    /// The branch is made ready when it can.
    case mustWait
    /// The role may not, or not there.
    case refused(StepFailure)
}

/// The executor's hold on the outside world.
///
/// One adapter stands on the server, one in memory for the simulator.
///
/// Errors thrown end the turn (the process leaves, or goes back to its queue): they are never a step's failure.
public protocol ExecutorPort {
    associatedtype Failure: Error

    /// Reads an instance this executor may run; nil when there is none (gone, ended, of another role or home).
    mutating func load(_ instance: InstanceID) throws(Failure) -> StoredInstance?

    /// Runs the text of a step in a new transaction, in the database that the instance names, or in this one.
    ///
    /// The text comes with the places where values were put, so that the adapter can refuse one whose values
    /// changed the statement around them. A failure carries the server's own message; the executor adds the
    /// engine's prefix, and the hint about unknown names.
    mutating func runStep(
        _ text: Substituted,
        of instance: InstanceID,
        node: NodeIndex,
        in database: Bytes?
    ) throws(Failure) -> StepRun

    /// Takes the instance's lock in the open transaction (of the step, or a new one), reads the
    /// news, lets `body` decide, writes and commits.
    ///
    /// `body` is called once, or, if it answers `.readAll`, once more with the whole journal. With `.supersede`,
    /// and whenever the result is not `.committed`, nothing of the transaction remains, and none is open. A commit
    /// that begins an attempt is on disk when this returns, and drops nothing; one that ends a step, a branch or the
    /// instance drops what was asked for it, once it is committed and not before.
    mutating func commit(
        _ instance: InstanceID,
        reading request: NewsRequest,
        _ body: (News) -> Decision
    ) throws(Failure) -> CommitResult

    /// Hands branches to whoever is free.
    mutating func makeReady(_ ready: [Ready])

    /// Makes this executor the one that carries `branch` on, before it runs a step of it.
    ///
    /// False when another executor has it in hand; that one will look at the tables again.
    mutating func take(_ branch: BranchID, of instance: InstanceID) -> Bool

    /// Waits until no other step runs that was running at a crash, for a bounded time; to the end of the next step.
    mutating func isolate() throws(Failure)

    /// Says that a stored timer is due at `due`, in case whoever watches the timers believes it has passed.
    mutating func announce(_ due: Timestamp)

    /// Whether the executor should give its place to somebody else between two steps.
    mutating func shouldYield() -> Bool

    /// What is known of a request that was handed over.
    mutating func requestState(_ place: RequestPlace) throws(Failure) -> RequestState

    /// Checks that the role may send the request now, and keeps a place for it.
    ///
    /// Nothing leaves before `sendRequest`; a place that is neither sent nor given back goes with the process.
    mutating func holdRequest(
        _ request: HTTPRequest,
        isMultipart: Bool,
        _ place: RequestPlace
    ) throws(Failure) -> RequestHold

    /// Hands the request over that `holdRequest` has kept; its answer makes the branch ready.
    ///
    /// The attempt is committed, and nothing can lose it any more.
    mutating func sendRequest(_ place: RequestPlace)

    /// Gives the place back that `holdRequest` has kept: the attempt is not stored.
    mutating func giveBackRequest(_ place: RequestPlace)

    /// Drops whatever was asked for an instance that is gone.
    mutating func dropRequests(of instance: InstanceID)

    /// Whether a text can be stored as it is: the database's encoding has all of its characters.
    mutating func canStore(_ text: Bytes) throws(Failure) -> Bool

    /// Any number, for jitter.
    mutating func random() -> UInt64

    /// The wall clock.
    func now() -> Timestamp

    /// The time zones that schedules may name.
    var zones: any TimeZones { get }

    /// Whether steps are tried under probation: a written and flushed `attemptStarted` goes before each.
    var isInProbation: Bool { get }

    /// How string literals of a step will be read there (`standard_conforming_strings` of a fresh session).
    ///
    /// When it was wrong the step ends as interrupted, and this has become right.
    func standardConformingStrings(in database: Bytes?) -> Bool
}
