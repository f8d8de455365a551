// SPDX-License-Identifier: PostgreSQL

import DurableCore
public import DurableModel
import DurableRuntime

/// Peers of simulated HTTP steps: the URL says what they answer, as a step's text does for statements.
///
/// Requests live in memory only: a crash of the server forgets them.
public struct SimulatedNetwork: Sendable {
    private enum Standing {
        case held(HTTPRequest)
        case answered(HTTPAnswer)
    }

    private var requests: [RequestPlace: Standing] = [:]
    /// How often a request with this key has left.
    public private(set) var sent: [Bytes: Int] = [:]

    func state(of place: RequestPlace) -> RequestState {
        switch requests[place] {
        case nil: .unknown
        case .held: .waiting
        case .answered(let answer): .answered(answer)
        }
    }

    mutating func hold(_ request: HTTPRequest, at place: RequestPlace) {
        requests[place] = .held(request)
    }

    /// False when nothing was held there.
    mutating func send(_ place: RequestPlace) -> Bool {
        guard case .held(let request)? = requests[place] else { return false }
        let key = request.headers.first { $0.name == Bytes("Idempotency-Key".utf8) }?.value ?? []
        sent[key, default: 0] += 1
        var answer = HTTPAnswer(.answered)
        answer.status = request.url.suffix(5).elementsEqual("/fail".utf8) ? 503 : 200
        answer.body = Bytes("\(StepScript.number(String(decoding: request.url, as: UTF8.self)))".utf8)
        requests[place] = .answered(answer)
        return true
    }

    mutating func takeBack(_ instance: InstanceID, _ branch: BranchID?) {
        for place in requests.keys where place.instance == instance {
            if branch == nil || place.branch == branch { requests[place] = nil }
        }
    }

    mutating func forgetHeld(of instance: InstanceID) {
        for (place, standing) in requests where place.instance == instance {
            if case .held = standing { requests[place] = nil }
        }
    }

    mutating func forgetAll() { requests = [:] }
}
