// SPDX-License-Identifier: PostgreSQL

import DurableCore
import DurableModel

// Steps that ask a peer over the network. The executor does not wait for the answer: the attempt is journalled, the
// request handed over, and whoever has the answer makes the branch ready again.

extension Executor {
    /// As `carryOut`, for a step that is a request.
    mutating func carryOutRequest(
        of machine: inout Machine,
        _ current: BranchID,
        _ branch: inout BranchID?
    ) throws(Port.Failure) -> Progress? {
        // Its answer, or a place for it, is still to come, and will make the branch ready.
        guard var end = try request(machine, current) else { return .end(.idle) }
        if case .failed(let failure) = end.news {
            let storable = try failure.storable { (text) throws(Port.Failure) in try port.canStore(text) }
            end.news = .failed(storable)
        }
        let instance = machine.record.id
        let sequence = machine.nextSequence(of: current)
        let result = try commit(&machine, end)
        if case .attempted = end.news, let sequence {
            let place = RequestPlace(instance: instance, branch: current, sequence: sequence)
            if case .committed(let stored) = result, !stored.hasEnded {
                port.sendRequest(place)
            } else {
                port.giveBackRequest(place)
            }
        }
        guard case .committed(let stored) = result else { return try leave(result, instance) }
        if stored.hasEnded { return .end(.ended) }
        branch = handOut(stored, of: machine, current: current)
        return nil
    }

    /// One look at a step that is a request: hand it over, leave it alone, or take the answer in.
    ///
    /// What is to be stored about it, or nil when there is nothing to do here now.
    mutating func request(
        _ machine: Machine,
        _ branch: BranchID
    ) throws(Port.Failure) -> StepEnd? {
        var end = StepEnd(branch, machine)
        guard let next = machine.nextSequence(of: branch),
            let (built, delivery) = machine.httpRequest(branch, settings.http)
        else { return nil }
        var asked: HTTPRequest
        switch built {
        case .success(let request): asked = request
        case .failure(let error):
            end.news = .failed(error.failure)
            return end
        }
        let instance = machine.record.id
        if machine.isUnanswered(branch) {
            let place = RequestPlace(instance: instance, branch: branch, sequence: next - 1)
            switch try port.requestState(place) {
            case .waiting:
                return nil
            case .answered(let answer):
                end.news = try news(answer, of: asked, delivery, attempt: machine.attempts(of: branch))
                return end
            case .unknown:
                guard delivery.repeatsUnknown else {
                    end.news = .failed(.outcomeUnknown)
                    return end
                }
            }
        }
        if let failure = exhausted(machine.attempts(of: branch), allowing: delivery.retries) {
            end.news = .failed(failure)
            return end
        }
        asked.mayRepeat = delivery.repeatsUnknown
        let place = RequestPlace(instance: instance, branch: branch, sequence: next)
        switch try port.holdRequest(asked, isMultipart: asked.isMultipart, place) {
        case .held:
            end.news = .attempted
        case .mustWait:
            return nil
        case .refused(let failure):
            end.news = .failed(failure)
        }
        return end
    }

    /// What an answer means: the step's end, or another attempt later.
    private mutating func news(
        _ answer: HTTPAnswer,
        of request: HTTPRequest,
        _ delivery: HTTPDelivery,
        attempt: Int32
    ) throws(Port.Failure) -> StepEnd.News {
        let isRetried = answer.isWorthRetrying && attempt <= delivery.retries
        if isRetried, delivery.repeatsUnknown || !answer.mayHaveActed {
            let now = port.now()
            let pause = answer.pause(after: attempt, delivery, jitter: port.random(), now: now)
            return .delayed(until: now.advanced(byMicroseconds: max(pause, 1)))
        }
        let result = try answer.result(of: request, settings.http) { (text) throws(Port.Failure) in
            try port.canStore(text)
        }
        switch result {
        case .completed(let envelope): return .completed(envelope)
        case .failed(var failure):
            if isRetried, failure.hint == nil { failure.hint = StepFailure.outcomeUnknown.hint }
            return .failed(failure)
        }
    }
}

extension StepFailure {
    fileprivate static var outcomeUnknown: StepFailure {
        StepFailure(
            sqlstate: Bytes("08007".utf8),
            message: Bytes("HTTP request was sent, and its outcome is unknown".utf8),
            detail: Bytes("The process that waited for the answer ended before it came.".utf8),
            hint: Bytes("With on_unknown => 'retry' it would be sent again.".utf8)
        )
    }
}
