// SPDX-License-Identifier: PostgreSQL

import DurableModel

// HTTP steps as the reference sees them: what a peer answers follows from the URL; whether an answer was lost on its
// way is chance, and in the journal.
extension ReferenceInterpreter {
    /// The answer of a peer as `$h` keeps it, by its text.
    static func status(_ scope: Scope) -> String? {
        scope.names["h"].map { $0.components(between: "\"status\":", and: ",") }
    }

    mutating func walkRequest(
        _ index: Int32,
        _ node: Node,
        _ branch: BranchID,
        _ scope: Scope,
        _ mayBeCut: Bool
    ) -> Result {
        let query = text(node.query)
        var url = query.components(between: "\"url\":\"", and: "\"")
        url = ReferenceInterpreter.replace("{x}", in: url, by: variables["x"])
        url = ReferenceInterpreter.replace("$h.status", in: url, by: ReferenceInterpreter.status(scope))
        let fails = url.hasSuffix("/fail")
        let retries = query.components(between: "\"retries\":", and: ",") == "2" ? 2 : 0
        let repeatsUnknown = query.components(between: "\"on_unknown\":\"", and: "\"") != "fail"
        let attempts = countAttempts(
            index,
            branch,
            mayBeCut,
            retries: fails ? retries : 0,
            repeatsUnknown: repeatsUnknown
        )
        let expected = expectedEnd(url, node, fails: fails)
        switch next(branch, index, mayBeCut)?.event {
        case .stepCompleted?:
            if fails || attempts == 0 { mismatch = mismatch ?? "node \(index) completed without an answer" }
            return expected
        case .stepFailed(let failure)?:
            if failure.sqlstate == Bytes("08007".utf8) {
                if repeatsUnknown || attempts == 0 {
                    mismatch = mismatch ?? "node \(index) gave up too early"
                }
                return .failed("HTTP request was sent, and its outcome is unknown")
            }
            if !fails || attempts <= retries { mismatch = mismatch ?? "node \(index) failed too early" }
            return expected
        default:
            return .cut
        }
    }

    /// Takes the entries of attempts and of the pauses between them.
    ///
    /// `retries` is how many answers are worth another attempt.
    private mutating func countAttempts(
        _ index: Int32,
        _ branch: BranchID,
        _ mayBeCut: Bool,
        retries: Int,
        repeatsUnknown: Bool
    ) -> Int {
        var attempts = 0
        var isUnanswered = false
        while let event = peek(branch, index) {
            switch event {
            case .attemptStarted:
                if isUnanswered && !repeatsUnknown {
                    mismatch = mismatch ?? "node \(index) repeats what may have arrived"
                }
                attempts += 1
                isUnanswered = true
            case .timerSet:
                if !isUnanswered || attempts > retries {
                    mismatch = mismatch ?? "node \(index) pauses without a reason"
                }
                isUnanswered = false
            case .timerFired:
                break
            default:
                return attempts
            }
            _ = next(branch, index, mayBeCut)
        }
        return attempts
    }

    private func expectedEnd(_ url: String, _ node: Node, fails: Bool) -> Result {
        let number = StepScript.number(url)
        if !fails {
            return .value(
                #"{"status":200,"body":"\#(number)","encoding":"text","headers":{},"ok":true,"duration_ms":0}"#
            )
        }
        let kind = node.kind == .http ? "HTTP" : "HTTP_MULTIPART"
        let method = text(node.query).components(between: "\"method\":\"", and: "\"")
        return .failed("\(kind) \(method) \(url) returned 503: \(number)")
    }

    private static func replace(_ word: String, in text: String, by value: String?) -> String {
        guard let value, let at = text.firstRange(of: word) else { return text }
        return text[..<at.lowerBound] + value + text[at.upperBound...]
    }
}
