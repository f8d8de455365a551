// SPDX-License-Identifier: PostgreSQL

import DurableModel

extension Machine {
    /// One thread of control: where it stands in the graph, what it waits for, what it can see.
    struct Branch: Hashable, Sendable {
        struct Parent: Hashable, Sendable {
            var branch: BranchID
            /// Counted from 0.
            var arm: Int
        }

        let parent: Parent?
        /// The node at which the branch began.
        let entry: NodeIndex
        /// The constructs around the place where control is, outermost first.
        var frames: [Frame] = []
        var waiting: Waiting = .entered
        /// The arms that it waits for, when `waiting` is `.arms`.
        var arms: Arms?
        /// Values by result name.
        var names: [Bytes: Bytes]
        /// When the branch began.
        let born: Timestamp
        /// The names that the branch has set itself (of an arm's, only these flow back into the parent), with its
        /// last entry at that time.
        var written: [Bytes: Int64] = [:]
        /// The numbers that arms below it have got, in the order in which it started them.
        var forks: [Forked] = []
        /// What its entries in the journal and those of its ended arms amount to, about in bytes.
        var weight = 0
        /// Of the last entry folded.
        var sequence: Int64 = 0
        /// Journalled attempts of the step it waits for.
        var attempts: Int32 = 0
        /// The last of these attempts has neither an answer nor a failure in the journal.
        var isUnanswered = false
        /// `sequence` when control came to where it waits: the same for all attempts of a step.
        var arrived: Int64 = 0

        init(parent: Parent?, entry: NodeIndex, names: [Bytes: Bytes], born: Timestamp) {
            self.born = born
            self.parent = parent
            self.entry = entry
            self.names = names
        }

        /// Whether a decision can be made about it at once, whatever the time is.
        var isUndecided: Bool {
            switch waiting {
            case .entered, .step, .backoff: false
            case .timer(_, let due), .pause(_, let due): due == nil
            case .signal(_, let wait): wait.needsTimer
            case .fork: true
            case .arms: arms.map { $0.isRace && $0.firstEnded != nil } ?? false
            }
        }
    }

    /// A construct that control has entered and not left.
    enum Frame: Hashable, Sendable {
        case thenLeft(NodeIndex)
        case thenRight(NodeIndex)
        case ifCondition(NodeIndex)
        case ifArm(NodeIndex)
        case loop(NodeIndex, Loop)

        var node: NodeIndex {
            switch self {
            case .thenLeft(let node), .thenRight(let node), .ifCondition(let node),
                .ifArm(let node):
                node
            case .loop(let node, _): node
            }
        }
    }

    struct Loop: Hashable, Sendable {
        enum Phase: Hashable, Sendable { case body, condition, pause }

        var phase: Phase = .body
        /// Counted from 1.
        var iteration: Int64 = 1
        /// When this iteration began.
        var began: Timestamp
        /// What the body of this iteration returned, once the condition is under way.
        var value = Bytes()
        /// The branch's last entry when the loop was entered.
        let base: Int64
        /// Between `base` and this entry of the branch, none is left.
        var keptFrom: Int64
        /// The entry of the last loop mark.
        var marked: Int64?
        /// The branch's weight at the last mark, or when the loop was entered.
        var weighed: Int
        /// The branch's weight before the entry `keptFrom`.
        var weightBeforeKept: Int
        /// The branch's weight before the entry `marked`.
        var weightBeforeMark: Int

        init(began: Timestamp, in branch: Branch) {
            self.began = began
            base = branch.sequence
            keptFrom = branch.sequence &+ 1
            weighed = branch.weight
            weightBeforeKept = branch.weight
            weightBeforeMark = branch.weight
        }
    }

    /// Branch numbers that were given out, and after which entry of the branch that still lives.
    struct Forked: Hashable, Sendable {
        var sequence: Int64
        var first: BranchID
        var count: Int32
    }

    enum Waiting: Hashable, Sendable {
        /// Control is on its way; never seen between two calls.
        case entered
        case step(NodeIndex)
        /// The step is to be tried again, later.
        case backoff(NodeIndex, due: Timestamp)
        case timer(NodeIndex, due: Timestamp?)
        case pause(NodeIndex, due: Timestamp?)
        case signal(NodeIndex, SignalWait)
        case fork(NodeIndex)
        case arms(NodeIndex)

        /// The node it waits at.
        var node: NodeIndex? {
            switch self {
            case .entered: nil
            case .step(let node), .fork(let node), .arms(let node): node
            case .timer(let node, _), .pause(let node, _), .backoff(let node, _): node
            case .signal(let node, _): node
            }
        }

        var due: Timestamp? {
            switch self {
            case .timer(_, let due), .pause(_, let due): due
            case .backoff(_, let due): due
            case .signal(_, let wait): wait.due
            case .entered, .step, .fork, .arms: nil
            }
        }

        var isStep: Bool {
            if case .step = self { true } else { false }
        }

        var isSignal: Bool {
            if case .signal = self { true } else { false }
        }
    }

    struct SignalWait: Hashable, Sendable {
        var name: Bytes
        var timeoutSeconds: Int64?
        var due: Timestamp?
        /// When the node was reached: of several waits the oldest is served first.
        var since: Timestamp

        var needsTimer: Bool { timeoutSeconds != nil && due == nil }
    }

    struct Arms: Hashable, Sendable {
        var first: BranchID
        var isRace: Bool
        /// How each arm ended; nil while it runs.
        var ends: [ArmEnd?]
        var running: Int
        /// The arm that ended before the others.
        var firstEnded: Int?

        init(first: BranchID, count: Int, isRace: Bool) {
            self.first = first
            self.isRace = isRace
            ends = Array(repeating: nil, count: count)
            running = count
        }

        func branch(_ arm: Int) -> BranchID {
            BranchID(rawValue: first.rawValue &+ Int32(truncatingIfNeeded: arm))
        }
    }

    struct ArmEnd: Hashable, Sendable {
        var flow: Flow
        /// The names that the arm set.
        var names: [Bytes: Bytes]
        var at: Timestamp
    }

    /// Where control goes next.
    enum Flow: Hashable, Sendable {
        case enter(NodeIndex)
        /// The node below has returned.
        case value(Bytes)
        /// A BREAK is on its way to its loop.
        case broke(Bytes)
        /// A failure is on its way to the root; `text` has the prefixes of what it passed.
        case failed(text: Bytes, StepFailure)

        /// A failure at its place, without prefix yet.
        static func failed(_ failure: StepFailure) -> Flow {
            .failed(text: failure.message, failure)
        }
    }
}
