// SPDX-License-Identifier: PostgreSQL

public import DurableModel

/// What the executor says about steps.
extension Machine {
    /// Why the event must not be stored: the journal would hold more than `max`; nil without a limit or below it.
    public func overflow(adding event: Event, max: Int) -> StepFailure? {
        guard max > 0, journalSize &+ event.weight > max else { return nil }
        return .journalFull(max)
    }

    /// Folds the completion of the step that `branch` waits for; returns the entry to store.
    ///
    /// `result` is JSON text. What follows beside the journal is part of the next `decide`'s answer.
    public mutating func completeStep(
        _ branch: BranchID,
        result: Bytes,
        at: Timestamp
    ) throws(ReplayError) -> JournalEntry {
        try append(.stepCompleted(result: result), to: branch, at: at)
    }

    /// Folds the final failure of the step that `branch` waits for; returns the entry to store.
    public mutating func failStep(
        _ branch: BranchID,
        _ failure: StepFailure,
        at: Timestamp
    ) throws(ReplayError) -> JournalEntry {
        try append(.stepFailed(failure), to: branch, at: at)
    }

    /// Folds the beginning of another attempt, in probation or of a request; returns the entry to store before it.
    public mutating func startAttempt(
        _ branch: BranchID,
        at: Timestamp
    ) throws(ReplayError) -> JournalEntry {
        let attempts = attempts(of: branch)
        return try append(
            .attemptStarted(number: attempts < Int32.max ? attempts + 1 : attempts),
            to: branch,
            at: at
        )
    }

    /// Folds that the step `branch` waits for is to be tried again at `due`; returns the entry to store.
    public mutating func delayStep(
        _ branch: BranchID,
        until due: Timestamp,
        at: Timestamp
    ) throws(ReplayError) -> JournalEntry {
        try append(.timerSet(due: due), to: branch, at: at)
    }

    /// The text of the SQL step that `branch` waits for, with variables and names replaced; nil when it waits for
    /// no SQL step.
    ///
    /// `standardConformingStrings` is the setting under which the server will read the text.
    public func stepText(
        _ branch: BranchID,
        standardConformingStrings: Bool = true
    ) throws(SubstitutionError) -> Substituted? {
        guard let found = branches[branch], case .step(let index) = found.waiting,
            let node = record.graph.node(index), node.kind == .sql, let query = node.query
        else { return nil }
        var scope = scope(of: found)
        scope.standardConformingStrings = standardConformingStrings
        // A text without references needs no names; there may be thousands of them.
        if !query.contains(where: { $0 == UInt8(ascii: "$") || $0 == UInt8(ascii: "{") }) {
            scope.names = [:]
        }
        return try Substitution.apply(query, mode: .sql, scope: scope)
    }

    func scope(of branch: Branch) -> SubstitutionScope {
        SubstitutionScope(
            variables: record.variables,
            names: branch.names,
            instanceID: record.publicID,
            label: record.label
        )
    }
}
