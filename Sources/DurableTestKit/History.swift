// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// A journal as tests write it down: facts with the branch and node they belong to; sequence numbers are given by
/// position, times by second.
public struct Fact: Sendable {
    public var branch: Int32
    public var node: Int32
    public var event: Event
    public var second: Int64?

    public static func completed(
        _ node: Int32,
        _ result: String,
        branch: Int32 = 0,
        at second: Int64? = nil
    ) -> Fact {
        Fact(
            branch: branch,
            node: node,
            event: .stepCompleted(result: Bytes(result.utf8)),
            second: second
        )
    }

    public static func failed(
        _ node: Int32,
        _ message: String,
        branch: Int32 = 0,
        at second: Int64? = nil
    ) -> Fact {
        let failure = StepFailure(sqlstate: Bytes("22012".utf8), message: Bytes(message.utf8))
        return Fact(branch: branch, node: node, event: .stepFailed(failure), second: second)
    }

    public static func fact(
        _ node: Int32,
        _ event: Event,
        branch: Int32 = 0,
        at second: Int64? = nil
    ) -> Fact {
        Fact(branch: branch, node: node, event: event, second: second)
    }
}

/// The facts as a journal in the order they are given.
public func history(_ facts: Fact...) -> [JournalEntry] {
    var sequences: [Int32: Int64] = [:]
    var second: Int64 = 0
    return facts.map { fact in
        sequences[fact.branch, default: 0] += 1
        second = fact.second ?? second
        return JournalEntry(
            branch: BranchID(rawValue: fact.branch),
            sequence: sequences[fact.branch] ?? 1,
            node: NodeIndex(rawValue: fact.node),
            at: Timestamp(rawValue: second * 1_000_000),
            event: fact.event
        )
    }
}

extension [JournalEntry] {
    /// The entries as the journal's key orders them.
    public var byKey: [JournalEntry] {
        sorted { ($0.branch, $0.sequence) < ($1.branch, $1.sequence) }
    }
}
