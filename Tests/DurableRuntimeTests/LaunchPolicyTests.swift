// SPDX-License-Identifier: PostgreSQL

import DurableRuntime
import Testing

private typealias Policy = LaunchPolicy

private let a = Policy.Place(database: 1, role: 10)
private let b = Policy.Place(database: 1, role: 20)
private let c = Policy.Place(database: 2, role: 30)
private let now: Int64 = 1_000_000_000

private func policy(_ executorsMax: Int, perRole: Int? = nil, schedulers: Int = 2) -> Policy {
    Policy(
        limits: .init(
            executorsMax: executorsMax,
            executorsPerRoleMax: perRole ?? max(1, executorsMax - 1),
            schedulersMax: schedulers
        )
    )
}

private func busy(
    _ slot: Int32,
    _ place: Policy.Place,
    for worked: Int64,
    steps: Int = 1
) -> Policy.Executor {
    .init(
        slot: slot,
        place: place,
        state: .busy,
        since: now - worked,
        turnSince: now - worked,
        turnSteps: steps
    )
}

private func idle(_ slot: Int32, _ place: Policy.Place, for rested: Int64 = 0) -> Policy.Executor {
    .init(slot: slot, place: place, state: .idle, since: now - rested)
}

@Suite struct LaunchPolicyExecutorTests {
    /// Without workers idle companions leave first; of executors that wait for one, half make room.
    @Test func companionsMakeRoom() {
        var view = Policy.View(
            now: now,
            executors: [busy(0, a, for: 10), busy(1, a, for: 20), busy(2, a, for: 30)],
            workersHeld: now + 1000,
            companions: [.init(slot: 7, isLeaving: false)],
            companionsWaiting: 2
        )
        #expect(policy(4).decide(view).leaving == [7])
        view.companions = [.init(slot: 7, isLeaving: true)]
        #expect(policy(4).decide(view).leaving.isEmpty)
        view.companions = []
        #expect(policy(4).decide(view).leaving == [2])
        view.workersHeld = nil
        view.companions = [.init(slot: 7, isLeaving: false)]
        #expect(policy(4).decide(view).leaving.isEmpty)
    }

    /// A queue gets as many executors as it has work for, idle and starting ones counted, within the limits.
    @Test func startsWhatIsMissing() {
        let cases: [(waiting: Int, ready: Int, max: Int, perRole: Int, started: Int)] = [
            (0, 0, 4, 3, 0), (1, 0, 4, 3, 1), (2, 0, 4, 3, 2), (9, 0, 4, 3, 3), (9, 0, 4, 4, 4),
            (2, 2, 4, 3, 0), (3, 2, 4, 3, 1), (9, 3, 4, 3, 0), (9, 0, 1, 1, 1),
        ]
        for (waiting, ready, max, perRole, started) in cases {
            let decision = policy(max, perRole: perRole).decide(
                .init(
                    now: now,
                    executors: (0..<Int32(ready)).map { idle($0, a) },
                    queues: [.init(place: a, waiting: waiting)]
                )
            )
            let expected = Array(repeating: a, count: started)
            #expect(
                decision.executors == expected,
                "waiting \(waiting), ready \(ready), max \(max)"
            )
            #expect(decision.leaving.isEmpty)
        }
    }

    /// A role at its limit, with executors that idle in another database, parts with the longest idle one.
    @Test func roleMovesBetweenDatabases() {
        let elsewhere = Policy.Place(database: 2, role: a.role)
        let rest = Policy.restMicroseconds
        func decide(_ executors: [Policy.Executor]) -> Policy.Decision {
            policy(8, perRole: 2).decide(
                .init(now: now, executors: executors, queues: [.init(place: a, waiting: 1)])
            )
        }
        #expect(decide([idle(0, elsewhere, for: rest), idle(1, elsewhere, for: 2 * rest)]).leaving == [1])
        #expect(decide([idle(0, elsewhere), idle(1, elsewhere)]).leaving.isEmpty)
        #expect(decide([busy(0, elsewhere, for: rest), busy(1, elsewhere, for: rest)]).leaving.isEmpty)
        #expect(decide([busy(0, a, for: rest), idle(1, elsewhere, for: rest)]).leaving.isEmpty)
    }

    /// A role's connection limit is its limit where that is lower, in all databases together.
    @Test func connectionLimits() {
        let elsewhere = Policy.Place(database: 2, role: a.role)
        func decide(_ limit: Int?, _ executors: [Policy.Executor]) -> Policy.Decision {
            var view = Policy.View(
                now: now,
                executors: executors,
                queues: [.init(place: a, waiting: 9), .init(place: b, waiting: 1)]
            )
            view.connectionLimits = limit.map { [a.role: $0] } ?? [:]
            return policy(8, perRole: 3).decide(view)
        }
        #expect(decide(nil, []).executors.count { $0 == a } == 3)
        #expect(decide(2, []).executors.count { $0 == a } == 2)
        #expect(decide(9, []).executors.count { $0 == a } == 3)
        #expect(decide(1, [busy(0, elsewhere, for: 10)]).executors == [b])
        #expect(decide(1, [busy(0, elsewhere, for: 10)]).muted == [a])
        #expect(decide(1, [idle(0, elsewhere, for: Policy.restMicroseconds)]).leaving == [0])
    }

    /// So it does when all slots are taken, which is no reason to look at nothing.
    @Test func roleAtItsLimitWithAllSlotsTaken() {
        let elsewhere = Policy.Place(database: 2, role: a.role)
        func leaving(restingFor rested: Int64) -> Policy.Decision {
            policy(2, perRole: 1).decide(
                .init(
                    now: now,
                    executors: [idle(0, elsewhere, for: rested), busy(1, b, for: 10)],
                    queues: [.init(place: a, waiting: 1)]
                )
            )
        }
        #expect(leaving(restingFor: Policy.restMicroseconds).leaving == [0])
        #expect(leaving(restingFor: 0).lookAgain == now + Policy.restMicroseconds)
    }

    /// Whoever has no executor comes first, then whoever has fewest, then whoever was not served for longest.
    @Test func servesRoundRobin() {
        let decision = policy(6, perRole: 5).decide(
            .init(
                now: now,
                executors: [busy(0, a, for: 10)],
                queues: [
                    .init(place: a, waiting: 100, servedAt: now - 900),
                    .init(place: b, waiting: 100, servedAt: now - 5),
                    .init(place: c, waiting: 100, servedAt: now - 7),
                ]
            )
        )
        #expect(decision.executors == [c, b, a, c, b])
    }

    /// One role with endless work leaves the last slot to others, and a newcomer gets it at once.
    @Test func keepsOneSlotForNewcomers() {
        var view = Policy.View(
            now: now,
            executors: (0..<3).map { busy($0, a, for: 10) },
            queues: [.init(place: a, waiting: 100_000)]
        )
        #expect(policy(4).decide(view).executors.isEmpty)
        #expect(policy(4).decide(view).muted == [a])
        view.queues.append(.init(place: b, waiting: 1))
        #expect(policy(4).decide(view).executors == [b])
        #expect(policy(4).decide(view).leaving.isEmpty)
    }

    /// When all slots are taken and somebody has none, one leaves: idle before busy, the role that has most, the one
    /// that worked longest, and the only one of a role after its turn.
    @Test func makesRoom() {
        let queues = [Policy.Queue(place: c, waiting: 1)]
        let cases: [(executors: [Policy.Executor], leaving: [Int32], lookAgain: Int64?)] = [
            ([busy(0, a, for: 900_000), idle(1, b)], [1], nil),
            ([idle(0, a, for: 5), idle(1, b, for: 9)], [1], nil),
            ([busy(0, a, for: 5), busy(1, a, for: 50)], [1], nil),
            ([busy(0, a, for: 5), busy(1, b, for: 900_000)], [1], nil),
            ([busy(0, a, for: 5), busy(1, b, for: 50_000)], [], now + 150_000),
            ([busy(0, a, for: 5, steps: 50), busy(1, b, for: 50_000)], [0], nil),
        ]
        for (executors, leaving, lookAgain) in cases {
            let decision = policy(2, perRole: 2).decide(
                .init(now: now, executors: executors, queues: queues)
            )
            #expect(decision.executors.isEmpty)
            #expect(decision.leaving == leaving, "\(executors)")
            #expect(decision.lookAgain == lookAgain, "\(executors)")
        }
    }

    /// An executor on its way out is not doubled by another one, and its slot counts until it is gone.
    @Test func waitsForWhoeverLeaves() {
        let leaving = Policy.Executor(slot: 0, place: a, state: .leaving, since: now)
        let decision = policy(2, perRole: 2).decide(
            .init(
                now: now,
                executors: [leaving, busy(1, b, for: 900_000)],
                queues: [.init(place: c, waiting: 1), .init(place: a, waiting: 1)]
            )
        )
        #expect(decision.executors.isEmpty)
        #expect(decision.leaving == [1])
    }

    /// A place that has an executor gets the slots of idle ones, once these have rested, and nobody's work is
    /// disturbed for it.
    @Test func takesSlotsOfTheIdle() {
        func view(rested: Int64) -> Policy.View {
            .init(
                now: now,
                executors: [
                    busy(0, a, for: 900_000), idle(1, b, for: rested), busy(2, c, for: 900_000),
                ],
                queues: [.init(place: a, waiting: 9)]
            )
        }
        #expect(policy(3).decide(view(rested: 100_000)).leaving == [1])
        #expect(policy(3).decide(view(rested: 40_000)).leaving.isEmpty)
        #expect(policy(3).decide(view(rested: 40_000)).lookAgain == now + 60_000)
    }

    /// Nothing is started for places that are held back, in vacated databases, or while the server has no worker;
    /// the look is repeated when the hold ends and not before.
    @Test func holdsBack() {
        let queues = [Policy.Queue(place: a, waiting: 1)]
        let held = policy(4).decide(.init(now: now, queues: queues, placesHeld: [a: now + 7]))
        #expect(held.executors.isEmpty && held.muted == [a] && held.lookAgain == now + 7)
        let over = policy(4).decide(.init(now: now, queues: queues, placesHeld: [a: now]))
        #expect(over.executors == [a])
        let vacated = policy(4).decide(
            .init(
                now: now,
                queues: queues,
                databases: [.init(id: 1, scheduler: .none, wantsScheduler: true, isVacated: true)]
            )
        )
        #expect(vacated.executors.isEmpty && vacated.schedulers.isEmpty && vacated.lookAgain == nil)
        let exhausted = policy(4).decide(
            .init(now: now, executors: [idle(3, b)], queues: queues, workersHeld: now + 100_000)
        )
        #expect(exhausted.executors.isEmpty && exhausted.leaving == [3])
        #expect(exhausted.lookAgain == now + 100_000)
    }

    /// With nothing to do the launcher sleeps for ever.
    @Test func sleepsAtRest() {
        let view = Policy.View(
            now: now,
            executors: [idle(0, a)],
            databases: [.init(id: 1, scheduler: .running), .init(id: 2, scheduler: .none)]
        )
        #expect(policy(4).decide(view) == Policy.Decision())
    }
}

@Suite struct LaunchPolicySchedulerTests {
    /// A scheduler goes where a sweep is wanted or a timer is due, the longest due first, and nowhere else.
    @Test func startsWhereDue() {
        let decision = policy(4, schedulers: 9).decide(
            .init(
                now: now,
                databases: [
                    .init(id: 1, scheduler: .none, nextDue: now - 5),
                    .init(id: 2, scheduler: .none, nextDue: now + 50),
                    .init(id: 3, scheduler: .none, since: now - 9, wantsScheduler: true),
                    .init(id: 4, scheduler: .running, wantsScheduler: true),
                    .init(id: 5, scheduler: .none, nextDue: .min),
                    .init(id: 6, scheduler: .none),
                ]
            )
        )
        #expect(decision.schedulers == [5, 3, 1])
        #expect(decision.lookAgain == now + 50)
    }

    /// Databases are probed one after the other.
    @Test func probesInTurn() {
        let view = Policy.View(now: now, unprobed: [7, 8, 9])
        #expect(policy(4).decide(view).schedulers == [7])
        var during = view
        during.unprobed = [8, 9]
        during.databases = [.init(id: 7, scheduler: .starting)]
        #expect(policy(4).decide(during).schedulers.isEmpty)
        during.databases = [.init(id: 7, scheduler: .running, since: now - 1)]
        #expect(policy(4).decide(during).schedulers == [8])
        during.databasesHeld = [8: now + 3]
        #expect(policy(4).decide(during).schedulers.isEmpty)
        #expect(policy(4).decide(during).lookAgain == now + 3)
    }

    /// When many are looked for again, the turn goes on after the one that had it last; those that are known wait.
    @Test func goesOnInTurn() {
        let known = [Policy.Database(id: 3, scheduler: .none)]
        #expect(Policy.turns(of: [5, 1, 3, 9], without: known, after: 4) == [5, 9, 1])
        #expect(Policy.turns(of: [5, 1, 3, 9], without: known, after: 9) == [1, 5, 9])
        #expect(Policy.turns(of: [3], without: known, after: 0).isEmpty)
    }

    /// A scheduler that has stayed a while makes room for another database; the longest there goes first.
    @Test func takesTurns() {
        func view(_ since: Int64...) -> Policy.View {
            let running = since.enumerated().map {
                Policy.Database(
                    id: UInt32($0.offset + 1),
                    scheduler: .running,
                    since: now - $0.element
                )
            }
            return .init(
                now: now,
                databases: running + [.init(id: 9, scheduler: .none, nextDue: now)]
            )
        }
        #expect(policy(4).decide(view(600_000, 900_000)).schedulersLeaving == [2])
        #expect(policy(4).decide(view(100_000, 400_000)).schedulersLeaving.isEmpty)
        #expect(policy(4).decide(view(100_000, 400_000)).lookAgain == now + 100_000)
        #expect(policy(4).decide(view(900_000)).schedulers == [9])
    }
}

/// Whatever the launcher sees, its decisions keep the limits, and work is never left alone without a reason.
@Test func launchPolicyInvariants() {
    for seed in UInt64(1)...400 {
        var state = seed &* 0x9E37_79B9_7F4A_7C15
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        var places: [Policy.Place] = []
        for number: UInt32 in 0..<6 {
            places.append(Policy.Place(database: 1 + number % 2, role: 10 + number / 2))
        }
        let limit = 1 + random(6)
        let limited: Policy = policy(limit, perRole: 1 + random(limit))
        var executors: [Policy.Executor] = []
        for slot in 0..<Int32(random(limit + 1)) {
            let place = places[random(places.count)]
            let worked = Int64(random(1_000_000))
            switch random(4) {
            case 0:
                executors.append(
                    Policy.Executor(slot: slot, place: place, state: .starting, since: now)
                )
            case 1:
                executors.append(
                    Policy.Executor(slot: slot, place: place, state: .leaving, since: now)
                )
            case 2: executors.append(idle(slot, place, for: worked))
            default: executors.append(busy(slot, place, for: worked, steps: random(60)))
            }
        }
        var queues: [Policy.Queue] = []
        for place in places where random(2) == 0 {
            queues.append(Policy.Queue(place: place, waiting: 1 + random(4)))
        }
        let decision = limited.decide(.init(now: now, executors: executors, queues: queues))

        #expect(executors.count + decision.executors.count <= limit, "seed \(seed)")
        var staying = decision.executors
        for executor in executors where executor.state != .leaving {
            staying.append(executor.place)
        }
        for role in Set(decision.executors.map(\.role)) {
            let count = staying.count { $0.role == role }
            #expect(count <= limited.limits.executorsPerRoleMax, "seed \(seed)")
        }
        #expect(Set(decision.leaving).count == decision.leaving.count, "seed \(seed)")
        let isChanging = executors.contains { $0.state == .leaving || $0.state == .starting }
        let acts =
            !decision.leaving.isEmpty || !decision.executors.isEmpty || decision.lookAgain != nil
        for queue in queues where !staying.contains(queue.place) {
            let count = staying.count { $0.role == queue.place.role }
            let roleIsFull = count >= limited.limits.executorsPerRoleMax
            #expect(roleIsFull || isChanging || acts, "seed \(seed)")
        }
    }
}

/// Delays double from failure to failure up to the longest, end with a success, and start anew after a quiet time.
@Test func startBackoffDoubles() {
    var backoff = StartBackoff<Int>(delayMin: 10, delayMax: 50, forgetAfter: 1000)
    var at: Int64 = 0
    for delay: Int64 in [10, 20, 40, 50, 50] {
        #expect(backoff.failed(1, at: at) == at + delay)
        #expect(backoff.held(at: at) == [1: at + delay])
        at += delay
        #expect(backoff.held(at: at).isEmpty)
    }
    #expect(backoff.failed(1, at: at + 1000) == at + 1010)
    backoff.succeeded(1)
    #expect(backoff.failed(1, at: at + 1011) == at + 1021)
}

/// An end with a limit of its own doubles up to that only, and also ends a longer delay.
@Test func startBackoffWithLimit() {
    var backoff = StartBackoff<Int>(delayMin: 10, delayMax: 500, forgetAfter: 1000)
    for delay: Int64 in [10, 20, 30, 30] {
        #expect(backoff.failed(1, at: 0, atMost: 30) == delay)
    }
    for delay: Int64 in [60, 120, 240] { #expect(backoff.failed(1, at: 0) == delay) }
    #expect(backoff.failed(1, at: 0, atMost: 30) == 30)
}
