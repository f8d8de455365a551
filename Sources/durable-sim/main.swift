// SPDX-License-Identifier: PostgreSQL

import DurableTestKit

// durable-sim --seed N [--verbose]  one run
// durable-sim --count N [--from S]  N runs, from seed S on (a random one by default)
// durable-sim --seconds S         random runs for S seconds

func number(after option: String) -> UInt64? {
    let arguments = CommandLine.arguments
    guard let i = arguments.firstIndex(of: option), i + 1 < arguments.count else { return nil }
    return UInt64(arguments[i + 1])
}

func fail(_ seed: UInt64, _ wrong: String) -> Never {
    print("seed \(seed): \(wrong)")
    print("reproduce with: durable-sim --seed \(seed)")
    exitWithFailure()
}

if let seed = number(after: "--seed") {
    var simulation = Simulation(seed: seed)
    if CommandLine.arguments.contains("--verbose") { simulation.log = { print($0) } }
    if let wrong = simulation.run() { fail(seed, wrong) }
    print("seed \(seed): as expected")
} else {
    let seconds = number(after: "--seconds")
    let count = number(after: "--count") ?? (seconds == nil ? 1_000 : .max)
    let first = number(after: "--from") ?? UInt64.random(in: 0..<1_000_000_000)
    let clock = ContinuousClock()
    let start = clock.now
    var done: UInt64 = 0
    var coverage = Coverage()
    while done < count, seconds.map({ clock.now - start < .seconds(Int64(clamping: $0)) }) ?? true {
        if let wrong = Simulation(seed: first &+ done).run(&coverage) { fail(first &+ done, wrong) }
        done += 1
    }
    print("\(done) runs from seed \(first): all as expected, \(clock.now - start)")
    print(
        "\(coverage.compactions) compactions, \(coverage.rebuilds) machines rebuilt, \(coverage.reuses) numbers reused"
    )
    print(
        "\(coverage.requests) requests, \(coverage.waits) waits for a place, \(coverage.losses) lost on their way"
    )
}
