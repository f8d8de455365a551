// SPDX-License-Identifier: PostgreSQL

import DurableModel

/// A multipart/form-data body (RFC 7578), written the same for every attempt of a step.
struct MultipartBody {
    struct Part {
        var name: Bytes
        var filename: Bytes?
        var contentType: Bytes?
        var data: Bytes
    }

    let boundary: Bytes
    let bytes: Bytes

    /// `key` is the step's; the boundary begins with it and goes on with what no part's data has after it.
    init(_ parts: [Part], key: Bytes) {
        let stem =
            Bytes("pg_durable-".utf8) + Bytes(key.prefix(MultipartBody.keyMax).map(MultipartBody.plain))
        let boundary = stem + MultipartBody.ending(absentFrom: parts, after: stem)
        var bytes = Bytes()
        bytes.reserveCapacity(parts.reduce(64) { $0 + $1.data.count + boundary.count + 256 })
        for part in parts {
            bytes += "--".utf8
            bytes += boundary
            bytes += "\r\nContent-Disposition: form-data; ".utf8
            bytes += MultipartBody.parameter("name", part.name)
            if let filename = part.filename {
                bytes += "; filename=\"".utf8
                bytes += MultipartBody.quoted(filename)
                bytes += "\"".utf8
            }
            if let type = part.contentType {
                bytes += "\r\nContent-Type: ".utf8
                bytes += type
            }
            bytes += "\r\n\r\n".utf8
            bytes += part.data
            bytes += "\r\n".utf8
        }
        bytes += "--".utf8
        bytes += boundary
        bytes += "--\r\n".utf8
        self.boundary = boundary
        self.bytes = bytes
    }

    var contentType: Bytes { Bytes("multipart/form-data; boundary=".utf8) + boundary }

    /// A boundary has 70 bytes at most, stem and ending included.
    private static let keyMax = 50
    private static let endingLength = 6

    private static func plain(_ byte: UInt8) -> UInt8 {
        HTTPHost.isNameByte(byte) ? byte : UInt8(ascii: "-")
    }

    /// The first of the endings, counted in decimal, that stands behind no occurrence of the stem in any data.
    ///
    /// One look at the data tells all that are taken, however many occurrences somebody has put there.
    private static func ending(absentFrom parts: [Part], after stem: Bytes) -> Bytes {
        var taken: Set<Int> = []
        for part in parts where part.data.count >= stem.count {
            let data = part.data
            var i = 0
            while i + stem.count + endingLength <= data.count {
                if data[i] == stem.first, data[i..<(i + stem.count)].elementsEqual(stem) {
                    let digits = data[(i + stem.count)..<(i + stem.count + endingLength)]
                    if digits.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) {
                        taken.insert(digits.reduce(0) { $0 * 10 + Int($1 - 0x30) })
                    }
                }
                i += 1
            }
        }
        // A million occurrences would be more bytes than a request may have.
        let free = (0..<1_000_000).first { !taken.contains($0) } ?? 0
        let digits = Bytes("\(free)".utf8)
        return Bytes(repeating: 0x30, count: endingLength - digits.count) + digits
    }

    /// `name="value"`, or `name*=utf-8''…` when the value has anything but plain characters.
    private static func parameter(_ name: String, _ value: Bytes) -> Bytes {
        let special = Bytes(" \"#<>`?{}/%\\".utf8)
        let isPlain: (UInt8) -> Bool = { $0 >= 0x20 && $0 < 0x7F && !special.contains($0) }
        if value.allSatisfy(isPlain) {
            return Bytes("\(name)=\"".utf8) + value + Bytes("\"".utf8)
        }
        var coded = Bytes("\(name)*=utf-8''".utf8)
        for byte in value {
            if isPlain(byte) { coded.append(byte) } else { appendPercent(byte, to: &coded) }
        }
        return coded
    }

    /// The inside of a quoted `filename`, which must not be percent-encoded as a whole (RFC 7578, 4.2).
    private static func quoted(_ text: Bytes) -> Bytes {
        var out = Bytes()
        for byte in text {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): out += [UInt8(ascii: "\\"), byte]
            case 0..<0x20, 0x7F: appendPercent(byte, to: &out)
            default: out.append(byte)
            }
        }
        return out
    }

    private static func appendPercent(_ byte: UInt8, to out: inout Bytes) {
        let digits = Bytes("0123456789ABCDEF".utf8)
        out += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }
}
