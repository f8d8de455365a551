// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableModel
internal import PostgresExtension

/// The text form of jsonb, as the server prints it.
enum JSONBText {
    /// `json` through the server's jsonb: keys sorted, duplicates dropped.
    static func canonical(_ json: Bytes) throws(PostgresError) -> Bytes {
        var datum: pgs_datum = 0
        var bytes: UnsafePointer<UInt8>?
        var length = 0
        try check(
            json.withUnsafeBufferPointer { json in
                json.baseAddress.flatMap { pgs_datum_make_json($0, json.count, true, &datum) }
            }
        )
        guard datum != 0 else { return Bytes("null".utf8) }
        try check(pgs_datum_get_json(datum, SQLType.jsonb.rawValue, &bytes, &length))
        return Bytes(UnsafeBufferPointer(start: bytes, count: length))
    }

    static func canonical(_ json: Bytes?) throws(PostgresError) -> Bytes? {
        guard let json else { return nil }
        let text: Bytes = try canonical(json)
        return text
    }
}
