// SPDX-License-Identifier: PostgreSQL

import DurableCore
public import DurableModel

extension Executor {
    /// Why a step is failed without being run again, or nil.
    ///
    /// `retries` are attempts that were asked for.
    func exhausted(_ attempts: Int32, allowing retries: Int32 = 0) -> StepFailure? {
        let (sum, overflow) = max(settings.stepAttemptsMax, 1).addingReportingOverflow(retries)
        guard attempts >= (overflow ? Int32.max : sum) else { return nil }
        return StepFailure(
            sqlstate: Bytes("57P02".utf8),
            message: Bytes("step was begun \(attempts) times and never came to an end".utf8),
            hint: Bytes(
                "The server or the step's process ended each time while the step was running.".utf8
            )
        )
    }

    /// Runs the SQL of a step; nil when it was interrupted and the tables must be looked at again.
    mutating func run(
        _ node: NodeIndex,
        of machine: Machine,
        _ branch: BranchID
    ) throws(Port.Failure) -> StepEnd.News? {
        let text: Substituted
        do throws(SubstitutionError) {
            let isStandard = port.standardConformingStrings(in: machine.record.database)
            guard let found = try machine.stepText(branch, standardConformingStrings: isStandard)
            else { return nil }
            text = found
        } catch {
            return .failed(error.failure)
        }
        switch try port.runStep(text, of: machine.record.id, node: node, in: machine.record.database) {
        case .completed(let result):
            return .completed(result)
        case .interrupted:
            return nil
        case .refused(let failure):
            return .failed(failure)
        case .failed(var failure):
            // An unknown name reaches the server as it is and is a syntax error there.
            if failure.hint == nil && failure.sqlstate == Bytes("42601".utf8) {
                failure.hint = text.hint
            }
            return .failed(failure.fromServer)
        }
    }
}

extension StepFailure {
    /// What the texts of all failures begin with that the server has reported about a step's statement.
    static let serverPrefix = Bytes("SQL execution failed: error returned from database: ".utf8)

    /// The server's own message, without the engine's prefix.
    public var serverMessage: Bytes {
        message.starts(with: StepFailure.serverPrefix)
            ? Bytes(message.dropFirst(StepFailure.serverPrefix.count)) : message
    }

    /// The failure as the journal keeps it: with the engine's prefix.
    var fromServer: StepFailure {
        var failure = self
        failure.message = StepFailure.serverPrefix + message
        return failure
    }
}
