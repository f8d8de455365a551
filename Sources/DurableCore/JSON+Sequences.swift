// SPDX-License-Identifier: PostgreSQL

public import DurableModel

extension JSONValue {
    /// The elements of an array, read on demand.
    public struct Elements: Sequence, Sendable {
        let container: JSONValue

        public struct Iterator: IteratorProtocol {
            let document: JSONDocument
            var cursor: Int
            var left: Int

            public mutating func next() -> JSONValue? {
                guard left > 0 else { return nil }
                left -= 1
                let value = JSONValue(document: document, index: cursor)
                cursor = Int(document.entry(cursor).next)
                return value
            }
        }

        public func makeIterator() -> Iterator {
            Iterator(
                document: container.document,
                cursor: container.index + 1,
                left: container.kind == .array ? container.count : 0
            )
        }

        public var underestimatedCount: Int { container.kind == .array ? container.count : 0 }
    }

    /// The members of an object, read on demand.
    public struct Members: Sequence, Sendable {
        let container: JSONValue

        public struct Iterator: IteratorProtocol {
            let document: JSONDocument
            var cursor: Int
            var left: Int

            /// The index of the next key; its value follows it.
            mutating func nextKey() -> Int? {
                guard left > 0 else { return nil }
                left -= 1
                let key = cursor
                cursor = Int(document.entry(key + 1).next)
                return key
            }

            public mutating func next() -> (key: Bytes, value: JSONValue)? {
                guard let index = nextKey() else { return nil }
                let key = JSONValue(document: document, index: index)
                return (key.string ?? [], JSONValue(document: document, index: index + 1))
            }
        }

        public func makeIterator() -> Iterator {
            Iterator(
                document: container.document,
                cursor: container.index + 1,
                left: container.kind == .object ? container.count : 0
            )
        }

        public var underestimatedCount: Int { container.kind == .object ? container.count : 0 }
    }

    /// Whether this is a string with exactly these characters; does not allocate for one without escapes.
    func isString(_ text: Bytes) -> Bool {
        let entry = document.entry(index)
        guard entry.kind == .string else { return false }
        if entry.hasEscape { return string == text }
        return document.text[(Int(entry.start) + 1)..<(Int(entry.end) - 1)].elementsEqual(text)
    }
}
