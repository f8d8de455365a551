// SPDX-License-Identifier: PostgreSQL

/// Random graphs of every node type.
///
/// All of them end, if somebody sends the signals they wait for.
struct RandomGraph {
    var random: SplitMix64
    private var budget: Int
    private var number = 0

    init(seed: UInt64, budget: Int) {
        random = SplitMix64(seed: seed)
        self.budget = budget
    }

    mutating func make() -> Tree {
        let isRootLoop = random.chance(25)
        return isRootLoop ? loop(depth: 0) : tree(depth: 0, inLoop: false)
    }

    private mutating func tree(depth: Int, inLoop: Bool) -> Tree {
        budget -= 1
        guard budget > 0, depth < 7 else { return leaf(inLoop: inLoop) }
        switch random.below(100) {
        case 0..<30:
            return maybeNamed(
                .then(
                    tree(depth: depth + 1, inLoop: inLoop),
                    tree(depth: depth + 1, inLoop: inLoop)
                )
            )
        case 30..<40:
            let (left, right) = (
                tree(depth: depth + 1, inLoop: inLoop), tree(depth: depth + 1, inLoop: inLoop)
            )
            return maybeNamed(.if(condition(depth: depth + 1, inLoop: inLoop), left, else: right))
        case 40..<44:
            let (left, right) = (
                tree(depth: depth + 1, inLoop: inLoop), tree(depth: depth + 1, inLoop: inLoop)
            )
            return maybeNamed(.ifRows(random.pick(["a", "b", "p", "q"]), left, else: right))
        case 44..<54:
            let count = 2 + random.below(3)
            return maybeNamed(
                .join((0..<count).map { _ in tree(depth: depth + 1, inLoop: inLoop) })
            )
        case 54..<62:
            let left = tree(depth: depth + 1, inLoop: inLoop)
            let endless = Tree.loop(.then(.sleep("20"), step()), while: nil)
            let right = random.chance(15) ? endless : tree(depth: depth + 1, inLoop: inLoop)
            return maybeNamed(random.chance(50) ? .race(left, right) : .race(right, left))
        case 62..<72:
            return loop(depth: depth)
        default:
            return leaf(inLoop: inLoop)
        }
    }

    private mutating func loop(depth: Int) -> Tree {
        let body = tree(depth: depth + 1, inLoop: true)
        if random.chance(70) {
            return maybeNamed(.loop(body, while: condition(depth: depth + 1, inLoop: true)))
        }
        let way = Tree.if(every(), step(), else: .break(random.pick(["done", "7", nil])))
        return maybeNamed(.loop(.then(body, way), while: nil))
    }

    private mutating func condition(depth: Int, inLoop: Bool) -> Tree {
        random.chance(15) && budget > 0
            ? .then(tree(depth: depth + 1, inLoop: inLoop), every()) : every()
    }

    private mutating func every() -> Tree {
        number += 1
        let period = random.chance(15) ? 4 + random.below(9) : 1 + random.below(3)
        return .sql("every \(period) n\(number)")
    }

    private mutating func step() -> Tree {
        number += 1
        var text = "value n\(number)"
        if random.chance(50) { text += " $\(random.pick(["a", "b", "c"]))" }
        if random.chance(10) { text += " $h.status" }
        if random.chance(15) { text += " {x}" }
        let step = Tree.sql(text)
        return random.chance(50) ? .named(step, random.pick(["a", "b", "c"])) : step
    }

    private mutating func leaf(inLoop: Bool) -> Tree {
        switch random.below(100) {
        case 0..<3:
            number += 1
            return .sql("fail n\(number)")
        case 3..<5:
            number += 1
            return .sql("late n\(number)")
        case 5..<9:
            number += 1
            return .sql("empty n\(number)")
        case 9..<20:
            return maybeNamed(.sleep(random.pick(["0", "1", "1", "5", "60"])))
        case 20..<21:
            return .sleep("soon")
        case 21..<24:
            return maybeNamed(.schedule("*/5 * * * *"))
        case 33..<50:
            return request()
        case 24..<33:
            let timeout: Int64? = random.chance(60) ? Int64(random.below(20)) : nil
            return maybeNamed(.signal(random.pick(["go", "stop"]), timeout: timeout))
        case 50..<(inLoop ? 54 : 51):
            return .break(random.pick(["out", "1.50", nil]))
        default:
            return step()
        }
    }

    private mutating func request() -> Tree {
        number += 1
        let isMultipart = random.chance(25)
        let rest = random.pick(["", "/{x}", "/$h.status"]) + random.pick(["", "", "/fail"])
        var members = [
            #""url":"http://peer/n\#(number)\#(rest)""#,
            #""method":"\#(isMultipart ? "POST" : random.pick(["GET", "POST"]))""#,
        ]
        if isMultipart { members.append(#""parts":[{"name":"a","data_b64":"aGk="}]"#) }
        if random.chance(40) { members.append(#""retries":2,"backoff_milliseconds":1000"#) }
        if random.chance(40) { members.append(#""on_unknown":"fail""#) }
        let query = "{" + members.joined(separator: ",") + "}"
        let tree = isMultipart ? Tree.multipart(query) : .http(query)
        return random.chance(70) ? .named(tree, "h") : tree
    }

    private mutating func maybeNamed(_ tree: Tree) -> Tree {
        random.chance(20) ? .named(tree, random.pick(["p", "q"])) : tree
    }
}
