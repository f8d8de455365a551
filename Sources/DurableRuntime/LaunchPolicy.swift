// SPDX-License-Identifier: PostgreSQL

/// Which processes the launcher starts and which it asks to leave: a pure function of what it sees.
///
/// Executors first go to places - a role in a database - that have work and none; then round robin to whoever has
/// the fewest. When all slots are taken and a place has none, somebody's executor leaves: an idle one, else one of the
/// role that has most, else one that has had its share of time. Schedulers go where timers are due or tables must
/// be swept; they too make room for each other.
///
/// Instants are microseconds of any one clock; identifiers are the server's object identifiers.
public struct LaunchPolicy: Sendable {
    /// A role in a database: what an executor serves.
    public struct Place: Hashable, Sendable {
        public var database: UInt32
        public var role: UInt32

        public init(database: UInt32, role: UInt32) {
            self.database = database
            self.role = role
        }
    }

    public struct Limits: Hashable, Sendable {
        public var executorsMax: Int
        /// Of one role, in all databases.
        public var executorsPerRoleMax: Int
        public var schedulersMax: Int
        /// How long an executor that is its role's only one works before it makes room.
        public var turnMicroseconds: Int64
        /// The same in steps.
        public var turnSteps: Int

        public init(
            executorsMax: Int,
            executorsPerRoleMax: Int,
            schedulersMax: Int,
            turnMicroseconds: Int64 = 200_000,
            turnSteps: Int = 50
        ) {
            self.executorsMax = executorsMax
            self.executorsPerRoleMax = executorsPerRoleMax
            self.schedulersMax = schedulersMax
            self.turnMicroseconds = turnMicroseconds
            self.turnSteps = turnSteps
        }
    }

    /// An executor's slot that is not free.
    public struct Executor: Hashable, Sendable {
        public enum State: Hashable, Sendable {
            case starting
            case idle
            case busy
            /// Its process is ending; the place is still taken.
            case leaving
        }

        public var slot: Int32
        public var place: Place
        public var state: State
        /// Since when it has been in this state.
        public var since: Int64
        /// Since when it has worked without a break; nil when it does not.
        public var turnSince: Int64?
        public var turnSteps: Int

        public init(
            slot: Int32,
            place: Place,
            state: State,
            since: Int64,
            turnSince: Int64? = nil,
            turnSteps: Int = 0
        ) {
            self.slot = slot
            self.place = place
            self.state = state
            self.since = since
            self.turnSince = turnSince
            self.turnSteps = turnSteps
        }
    }

    /// Work that waits in a place's queue.
    public struct Queue: Hashable, Sendable {
        public var place: Place
        public var waiting: Int
        /// When somebody last took from it; `Int64.min` for never.
        public var servedAt: Int64

        public init(place: Place, waiting: Int, servedAt: Int64 = .min) {
            self.place = place
            self.waiting = waiting
            self.servedAt = servedAt
        }
    }

    public struct Database: Hashable, Sendable {
        public enum Scheduler: Hashable, Sendable {
            case none
            case starting
            case running
            case leaving
        }

        public var id: UInt32
        public var scheduler: Scheduler
        /// Since when the scheduler has been in this state.
        public var since: Int64
        /// Its tables must be swept, or nobody knows whether the extension is there.
        public var wantsScheduler: Bool
        /// Somebody wants it for himself: nothing is started there.
        public var isVacated: Bool
        /// When its next timer is due; nil for never.
        public var nextDue: Int64?

        public init(
            id: UInt32,
            scheduler: Scheduler,
            since: Int64 = 0,
            wantsScheduler: Bool = false,
            isVacated: Bool = false,
            nextDue: Int64? = nil
        ) {
            self.id = id
            self.scheduler = scheduler
            self.since = since
            self.wantsScheduler = wantsScheduler
            self.isVacated = isVacated
            self.nextDue = nextDue
        }
    }

    /// An executor's second process, idle or on its way out.
    public struct Companion: Hashable, Sendable {
        public var slot: Int32
        public var isLeaving: Bool

        public init(slot: Int32, isLeaving: Bool) {
            self.slot = slot
            self.isLeaving = isLeaving
        }
    }

    /// All that the launcher sees at one moment.
    public struct View: Sendable {
        public var now: Int64
        public var executors: [Executor]
        public var queues: [Queue]
        public var databases: [Database]
        /// Databases that nobody has looked into since the server started, in turn.
        public var unprobed: [UInt32]
        /// Places whose last start failed, and until when they are left alone.
        public var placesHeld: [Place: Int64]
        /// The same for the schedulers of databases.
        public var databasesHeld: [UInt32: Int64]
        /// The server has no worker to give before this; nil when it has, as far as known.
        public var workersHeld: Int64?
        /// Companions that are idle or leaving.
        public var companions: [Companion]
        /// Executors that wait for a companion, for want of workers.
        public var companionsWaiting: Int
        /// Executors that a role may have, where that is less than what the settings allow.
        public var connectionLimits: [UInt32: Int]

        public init(
            now: Int64,
            executors: [Executor] = [],
            queues: [Queue] = [],
            databases: [Database] = [],
            unprobed: [UInt32] = [],
            placesHeld: [Place: Int64] = [:],
            databasesHeld: [UInt32: Int64] = [:],
            workersHeld: Int64? = nil,
            companions: [Companion] = [],
            companionsWaiting: Int = 0,
            connectionLimits: [UInt32: Int] = [:]
        ) {
            self.now = now
            self.executors = executors
            self.queues = queues
            self.databases = databases
            self.unprobed = unprobed
            self.placesHeld = placesHeld
            self.databasesHeld = databasesHeld
            self.workersHeld = workersHeld
            self.companions = companions
            self.companionsWaiting = companionsWaiting
            self.connectionLimits = connectionLimits
        }
    }

    public struct Decision: Equatable, Sendable {
        /// One entry per executor to start, in this order.
        public var executors: [Place] = []
        /// Databases to start a scheduler in, in this order.
        public var schedulers: [UInt32] = []
        /// Slots whose executor is asked to leave.
        public var leaving: [Int32] = []
        /// Databases whose scheduler is asked to leave.
        public var schedulersLeaving: [UInt32] = []
        /// Places that could not be served: more work there is no reason to look again.
        public var muted: [Place] = []
        /// When to look again although nobody asks; nil for never.
        public var lookAgain: Int64?

        public init() {}

        mutating func look(at instant: Int64?) {
            guard let instant else { return }
            lookAgain = lookAgain.map { min($0, instant) } ?? instant
        }
    }

    public var limits: Limits

    public init(limits: Limits) {
        self.limits = limits
    }

    /// What to do now.
    ///
    /// Takes time in proportion to queues plus executors started, times the executors there are.
    public func decide(_ view: View) -> Decision {
        var decision = Decision()
        // Schedulers come first: they recover work and fire timers, and there are few.
        let waiting = decideSchedulers(view, &decision)
        // Half of those that wait for a companion: else all could be asked to leave for each other.
        let others = view.companionsWaiting == 0 ? 0 : (view.companionsWaiting + 1) / 2
        decideExecutors(view, waitingOthers: view.workersHeld != nil ? waiting + others : 0, &decision)
        return decision
    }
}
