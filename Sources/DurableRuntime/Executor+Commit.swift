// SPDX-License-Identifier: PostgreSQL

import DurableCore
import DurableModel

extension Executor {
    /// What is to be stored about a step, and the place it is meant for.
    struct StepEnd {
        enum News {
            case completed(Bytes)
            case failed(StepFailure)
            case attempted
            case delayed(until: Timestamp)
        }

        var branch: BranchID
        var place: Machine.Place?
        var news = News.attempted

        init(_ branch: BranchID, _ machine: Machine) {
            self.branch = branch
            place = machine.place(of: branch)
        }
    }

    /// What a commit has changed.
    struct Stored {
        var activated: [BranchID] = []
        var deactivated: [BranchID] = []
        var hasEnded = false
        var isUnfinished = false
    }

    enum CommitEnd {
        case committed(Stored)
        /// The instance has ended, or is not there.
        case gone
        /// By what others stored, the step is not wanted any more; the machine knows it now.
        case outdated
        /// The tables refused; the machine is wrong.
        case superseded
        /// The step's result may not be stored: everything was rolled back, and this is what is to be stored instead.
        case refused(StepFailure)
        /// The step's own transaction could not commit; the machine is wrong.
        case failed(StepFailure)
        case corrupt(ReplayError)
    }

    /// Reads the news, adds what is known of a step, decides all that can be decided, and commits.
    mutating func commit(
        _ machine: inout Machine,
        _ step: StepEnd?
    ) throws(Port.Failure) -> CommitEnd {
        let now = port.now()
        let settings = settings
        let zones = port.zones
        var request = NewsRequest(known: machine.knownSequences, firstUnknown: machine.nextBranch)
        request.isJournalShort = machine.isJournalShort
        var end = CommitEnd.superseded
        let result = try port.commit(machine.record.id, reading: request) { news in
            do throws(ReplayError) {
                switch try machine.advance(news, step, now, settings, zones, &end) {
                case .write(let checkpoint): return .write(checkpoint)
                case .readAll: return .readAll
                case .supersede: break
                }
            } catch {
                end = .corrupt(error)
            }
            return .supersede
        }
        switch result {
        case .committed: return end
        case .failed(let failure): return .failed(failure)
        case .superseded:
            if case .committed = end { return .superseded }
            guard case .refused(let failure) = end, var step else { return end }
            step.news = .failed(failure)
            return try commit(&machine, step)
        }
    }

    /// What `load` came to.
    enum Loaded {
        case machine(Machine, isAsked: Bool)
        case end(TurnEnd)
    }

    /// Rebuilds the machine from the tables.
    mutating func load(_ instance: InstanceID) throws(Port.Failure) -> Loaded {
        guard let stored = try port.load(instance) else {
            port.dropRequests(of: instance)
            return .end(.dropped)
        }
        var machine = Machine(record: stored.record)
        do throws(ReplayError) {
            try machine.fold(all: stored.journal)
        } catch {
            return .end(try quarantine(instance, error))
        }
        return .machine(machine, isAsked: stored.isAsked)
    }

    /// Ends an instance whose journal does not fit.
    mutating func quarantine(
        _ instance: InstanceID,
        _ error: ReplayError
    ) throws(Port.Failure) -> TurnEnd {
        let isExhausted = error.reason == .numbersExhausted
        let subject = isExhausted ? "instance" : "journal of instance"
        let verdict = isExhausted ? "cannot go on" : "is corrupt"
        let text = Bytes("\(subject) \(instance.rawValue) \(verdict): \(error.description)".utf8)
        let failure = StepFailure(
            sqlstate: Bytes((isExhausted ? "54000" : "XX001").utf8),
            message: text
        )
        let nothing = NewsRequest(known: [], firstUnknown: BranchID(rawValue: .max))
        let result = try port.commit(instance, reading: nothing) { news in
            guard !news.hasEnded else { return .supersede }
            var checkpoint = Checkpoint()
            checkpoint.outcome = .failed(text: text, failure: failure)
            return .write(checkpoint)
        }
        return result == .committed ? .quarantined(text) : .dropped
    }
}

extension Machine {
    /// Brings the machine up to date and takes the step in; supersedes when it must not be stored, and `end` says why.
    fileprivate mutating func advance<Port>(
        _ news: News,
        _ step: Executor<Port>.StepEnd?,
        _ now: Timestamp,
        _ settings: ExecutorSettings,
        _ zones: any TimeZones,
        _ end: inout Executor<Port>.CommitEnd
    ) throws(ReplayError) -> Decision {
        if news.hasEnded {
            end = .gone
            return .supersede
        }
        if news.isWhole {
            self = Machine(record: record)
            try fold(all: news.entries)
        } else {
            do throws(ReplayError) {
                try fold(news: news.entries)
            } catch {
                // Compacted meanwhile, or corrupt: the whole journal tells, and the step need not be lost for it.
                return .readAll
            }
        }
        var checkpoint = Checkpoint()
        if let step {
            guard news.cancelReason == nil || news.cancelIsOwn, outcome == nil,
                case .step? = pending(step.branch),
                place(of: step.branch) == step.place
            else {
                end = .outdated
                return .supersede
            }
            switch step.news {
            case .completed(let result):
                let event = Event.stepCompleted(result: result)
                if let full = overflow(adding: event, max: settings.instanceSizeMax) {
                    end = .refused(full)
                    return .supersede
                }
                checkpoint.entries.append(try completeStep(step.branch, result: result, at: now))
            case .failed(let failure):
                checkpoint.entries.append(try failStep(step.branch, failure, at: now))
            case .attempted:
                checkpoint.entries.append(try startAttempt(step.branch, at: now))
            case .delayed(let due):
                checkpoint.entries.append(try delayStep(step.branch, until: due, at: now))
            }
        }
        if news.cancelIsOwn, let reason = news.cancelReason, step != nil {
            checkpoint.outcome = .cancelled(reason: reason)
            end = .committed(Executor<Port>.Stored(hasEnded: true))
            return .write(checkpoint)
        }
        let decided = try decide(
            DecisionContext(
                now: now,
                cancelReason: news.cancelReason,
                loopIntervalMin: settings.loopIntervalMin,
                loopIterationsMax: settings.loopIterationsMax,
                zones: zones,
                compactionWeight: settings.compactionWeight,
                branchesMax: settings.branchesMax,
                instanceSizeMax: settings.instanceSizeMax
            ),
            signals: news.signals
        )
        let own = checkpoint.entries.count
        checkpoint.entries += decided.entries
        checkpoint.erasures = decided.erasures.map { ($0.erasure, $0.after + own) }
        checkpoint.timersSet = decided.timersSet
        checkpoint.timersCleared = decided.timersCleared
        checkpoint.activated = decided.activated
        checkpoint.deactivated = decided.deactivated
        checkpoint.signalsConsumed = decided.signalsConsumed
        checkpoint.outcome = outcome
        end = .committed(
            Executor<Port>.Stored(
                activated: decided.activated,
                deactivated: decided.deactivated,
                hasEnded: outcome != nil,
                isUnfinished: decided.isUnfinished
            )
        )
        return .write(checkpoint)
    }
}
