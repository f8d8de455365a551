// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// A journal that cannot have been written for this graph: the instance must not go on.
public struct ReplayError: Error, Hashable, Sendable {
    public enum Reason: String, Hashable, Sendable {
        /// The entry's branch was never started, or has ended.
        case unknownBranch = "its branch is not alive"
        /// A hole or a repetition within the branch.
        case wrongSequence = "its sequence number is not the next one"
        /// The branch waits at another node.
        case wrongNode = "its branch waits at another node"
        /// The node waits for another kind of event.
        case unexpectedEvent = "nothing waits for such an event"
        /// Entries follow the end of the instance.
        case afterEnd = "the instance has ended before it"
        /// A number in the event is impossible (arms of a fork, winner of a race).
        case impossibleNumber = "a number in it is impossible"
        /// The journal was compacted beyond what the machine knows: it must be read from its beginning.
        case missed = "what came before it is gone"
        /// No sequence or branch numbers are left.
        case numbersExhausted = "the instance has used up its numbers"
    }

    public var reason: Reason
    public var branch: BranchID
    public var sequence: Int64
    public var node: NodeIndex

    public init(_ reason: Reason, branch: BranchID, sequence: Int64, node: NodeIndex) {
        self.reason = reason
        self.branch = branch
        self.sequence = sequence
        self.node = node
    }

    init(_ reason: Reason, at entry: JournalEntry) {
        self.init(reason, branch: entry.branch, sequence: entry.sequence, node: entry.node)
    }

    /// One line for people, without the instance.
    public var description: String {
        "entry \(sequence) of branch \(branch.rawValue) at node \(node.rawValue): \(reason.rawValue)"
    }
}
