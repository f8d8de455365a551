// SPDX-License-Identifier: PostgreSQL

import DurableCore
public import DurableModel
import DurableRuntime

/// Requests of simulated HTTP steps on their way: places that run out, a worker that may die, peers whose URL says what
/// they answer.
///
/// It lives in memory only: a crash of the server forgets it. Nothing in it moves by itself; the world lets it.
public struct SimulatedNetwork: Sendable {
    /// Which executor holds a request that it has not sent.
    typealias Holder = Int

    enum Standing {
        /// For a place.
        case waiting
        /// Has one, and somebody was told.
        case reserved
        case held(Holder)
        case queued
        case running
        case answered(HTTPAnswer)

        var hasPlace: Bool { if case .waiting = self { false } else { true } }
    }

    struct Request {
        var place: RequestPlace
        var request: HTTPRequest
        var standing: Standing
        /// Rises with each hold.
        var ticket: Int

        var ready: Ready { Ready(instance: place.instance, branch: place.branch) }

        fileprivate var key: Bytes {
            request.headers.first { $0.name == Bytes("Idempotency-Key".utf8) }?.value ?? []
        }
    }

    var placesMax = Int.max
    /// Beyond these nobody is noted down who waits.
    var waitersMax = Int.max
    private(set) var hasWorker = true
    private(set) var requests: [Request] = []
    private(set) var ticket = 0
    /// How often a request with this key has left.
    public private(set) var sent: [Bytes: Int] = [:]
    private var lostPlaces: Set<RequestPlace> = []
    private(set) var lost = 0
    private(set) var waited = 0

    var isEmpty: Bool { requests.isEmpty }
    private var places: Int { requests.count { $0.standing.hasPlace } }
    private var waiters: Int { requests.count - places }

    /// Whether anything can happen in it.
    var isBusy: Bool {
        requests.contains {
            switch $0.standing {
            case .queued, .running: true
            case .waiting: !hasWorker || places < placesMax
            default: false
            }
        }
    }

    // MARK: What executors ask

    func state(of place: RequestPlace) -> RequestState {
        var found = RequestState.unknown
        for request in requests where request.place == place {
            switch request.standing {
            case .answered(let answer): return .answered(answer)
            case .held, .queued, .running: found = .waiting
            case .waiting, .reserved: break
            }
        }
        return found
    }

    /// False when it must wait; nil when it is not even noted that it waits.
    mutating func hold(_ request: HTTPRequest, at place: RequestPlace, by holder: Holder) -> Bool? {
        let i = requests.firstIndex {
            guard $0.place.instance == place.instance, $0.place.branch == place.branch else { return false }
            switch $0.standing {
            case .waiting, .reserved: return true
            default: return false
            }
        }
        ticket += 1
        var own = Request(place: place, request: request, standing: .held(holder), ticket: ticket)
        if let i {
            if case .waiting = requests[i].standing, !hasWorker || places >= placesMax { return false }
            requests[i] = own
            return true
        }
        if hasWorker, places < placesMax {
            requests.append(own)
            return true
        }
        waited += 1
        guard waiters < waitersMax else { return nil }
        own.standing = .waiting
        requests.append(own)
        return false
    }

    mutating func send(_ place: RequestPlace, by holder: Holder) {
        change(place, heldBy: holder) { $0.standing = .queued }
    }

    /// Whom to tell: somebody may have seen the request meanwhile, and wait for its answer.
    mutating func giveBack(_ place: RequestPlace, by holder: Holder) -> Ready? {
        var ready: Ready?
        change(place, heldBy: holder) { ready = $0.ready }
        requests.removeAll { $0.place == place && $0.isHeld(by: holder) }
        return ready
    }

    private mutating func change(
        _ place: RequestPlace,
        heldBy holder: Holder,
        _ body: (inout Request) -> Void
    ) {
        for i in requests.indices where requests[i].place == place && requests[i].isHeld(by: holder) {
            body(&requests[i])
        }
    }

    /// Drops what was asked for a branch, or an instance, up to a ticket.
    mutating func drop(_ instance: InstanceID, _ branch: BranchID?, upTo last: Int = .max) {
        requests.removeAll {
            $0.place.instance == instance && (branch == nil || $0.place.branch == branch) && $0.ticket <= last
        }
    }

    /// The executor is gone: whom to tell.
    mutating func forgetHeld(by holder: Holder) -> [Ready] {
        let held = requests.filter { $0.isHeld(by: holder) }
        requests.removeAll { $0.isHeld(by: holder) }
        lostPlaces.formUnion(held.map(\.place))
        return held.map(\.ready)
    }

    mutating func forgetAll() {
        lostPlaces.formUnion(requests.map(\.place))
        requests = []
    }

    /// Whether something has happened to the request of which its executor cannot know; nothing else may make it ask
    /// once more, or give up.
    func isLost(_ place: RequestPlace) -> Bool { lostPlaces.contains(place) }

    // MARK: What happens by and by

    /// Gives free places to those who wait; whom to tell.
    mutating func grant() -> [Ready] {
        var told: [Ready] = []
        for i in requests.indices where hasWorker && places < placesMax {
            guard case .waiting = requests[i].standing else { continue }
            requests[i].standing = .reserved
            told.append(requests[i].ready)
        }
        return told
    }

    /// Takes places back from those who did not come; false when there are none.
    mutating func expire() -> Bool {
        let before = requests.count
        requests.removeAll { if case .reserved = $0.standing { true } else { false } }
        return requests.count < before
    }

    /// The worker dies, and what it had in hand is lost; whom to tell.
    mutating func loseWorker() -> [Ready] {
        func isRunning(_ request: Request) -> Bool {
            if case .running = request.standing { true } else { false }
        }
        let running = requests.filter(isRunning)
        requests.removeAll(where: isRunning)
        hasWorker = false
        lostPlaces.formUnion(running.map(\.place))
        lost += running.count
        return running.map(\.ready)
    }

    mutating func startWorker() { hasWorker = true }

    /// One request goes a step further: it leaves, or its answer comes; nil when there is none.
    ///
    /// `choose` picks one of so many.
    mutating func move(_ choose: (Int) -> Int) -> Request? {
        let moving = requests.indices.filter {
            switch requests[$0].standing {
            case .queued, .running: hasWorker
            default: false
            }
        }
        guard !moving.isEmpty else { return nil }
        let i = moving[choose(moving.count)]
        if case .running = requests[i].standing {
            requests[i].standing = .answered(SimulatedNetwork.answer(to: requests[i].request))
        } else {
            sent[requests[i].key, default: 0] += 1
            requests[i].standing = .running
        }
        return requests[i]
    }

    /// …/fail is 503, everything else 200 with a number that depends on the URL.
    static func answer(to request: HTTPRequest) -> HTTPAnswer {
        var answer = HTTPAnswer(.answered)
        answer.status = request.url.suffix(5).elementsEqual("/fail".utf8) ? 503 : 200
        answer.body = Bytes("\(StepScript.number(String(decoding: request.url, as: UTF8.self)))".utf8)
        return answer
    }
}

extension SimulatedNetwork.Request {
    fileprivate func isHeld(by holder: SimulatedNetwork.Holder) -> Bool {
        if case .held(holder) = standing { true } else { false }
    }
}
