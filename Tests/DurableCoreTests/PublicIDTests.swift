// SPDX-License-Identifier: PostgreSQL

import DurableModel
import Testing

struct PublicIDTests {
    private struct Trouble: Error, Equatable {}

    /// The ids that are asked about when the first `taken` of them have somebody.
    private func draws(taken: Int) -> (id: Bytes?, asked: [String]) {
        var asked: [String] = []
        var next: UInt32 = 0x89AB_CDEF
        let id = PublicID.draw {
            next = next &* 1_664_525 &+ 1_013_904_223
            return next
        } isTaken: { (id: Bytes) in
            asked.append(String(decoding: id, as: UTF8.self))
            return asked.count <= taken
        }
        return (id, asked)
    }

    @Test func firstFreeOneIsTaken() {
        var numbers: [UInt32] = [0x0000_00AB, 0xFFFF_FFFF]
        let id = PublicID.draw {
            numbers.removeFirst()
        } isTaken: {
            $0 == Bytes("000000ab".utf8)
        }
        #expect(id == Bytes("ffffffff".utf8))
        #expect(numbers.isEmpty)
    }

    @Test func longerWhenTheSpaceFills() {
        for taken in 0..<PublicID.drawsMax {
            let (id, asked) = draws(taken: taken)
            #expect(asked.count == taken + 1)
            #expect(id.map { String(decoding: $0, as: UTF8.self) } == asked.last)
            let wanted = taken < 4 ? 8 : taken < 8 ? 12 : 16
            #expect(id?.count == wanted)
            #expect(Set(asked).count == asked.count)
            #expect(asked.allSatisfy { $0.allSatisfy { "0123456789abcdef".contains($0) } })
        }
    }

    @Test func everythingTaken() {
        let (id, asked) = draws(taken: .max)
        #expect(id == nil)
        #expect(asked.count == PublicID.drawsMax)
    }

    @Test func errorsEndTheSearch() {
        var asked = 0
        #expect(throws: Trouble()) {
            try PublicID.draw(number: { 7 }) { (_: Bytes) throws(Trouble) in
                asked += 1
                throw Trouble()
            }
        }
        #expect(asked == 1)
    }

    @Test func shapes() {
        for id in ["00000000", "deadbeef", "DEADBEEF", "0123456789ab", "0123456789abcdef"] {
            #expect(PublicID.isShaped(Bytes(id.utf8)), "\(id)")
        }
        for other in ["", "0000000", "000000000", "deadbeeg", "0123456789abc", " deadbee", "déadbee"] {
            #expect(!PublicID.isShaped(Bytes(other.utf8)), "\(other)")
        }
    }
}
