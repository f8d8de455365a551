// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
public import DurableModel
public import PostgresExtension

/// The instances of one role or of several, in the order of the lists: newest first, those of one instant by id.
///
/// Reads a few rows at a time by the index of each role, so that a page costs what it shows and not what lies before
/// or behind it.
public struct InstancePages {
    /// Where a list stands: everything after this place is still to come.
    public struct Place: Sendable {
        public let createdAt: Timestamp
        public let publicID: Bytes

        public init(createdAt: Timestamp, publicID: Bytes) {
            self.createdAt = createdAt
            self.publicID = publicID
        }
    }

    /// What was read of one role and not given out.
    private struct Stream {
        let role: UInt32
        var place: Place?
        var rows: ArraySlice<InstanceRow> = []
        /// Doubles from reading to reading: short lists read little, long ones seldom.
        var chunk = 8
        var isAtEnd = false
    }

    private var streams: [Stream]
    private let visibility: Visibility

    /// Of `role`, or of every role that has an instance; as the statement sees them.
    public init(of role: UInt32?, after place: Place? = nil) throws(PostgresError) {
        let roles = if let role { [role] } else { try Storage.rolesWithInstances(.statement) }
        self.init(roles: roles, after: place, .statement)
    }

    init(roles: [UInt32], after place: Place? = nil, _ visibility: Visibility) {
        streams = roles.map { Stream(role: $0, place: place) }
        self.visibility = visibility
    }

    /// The next instance, nil at the end.
    public mutating func next() throws(PostgresError) -> InstanceRow? {
        var first: (stream: Int, row: InstanceRow)?
        for i in streams.indices {
            guard let row = try head(of: i) else { continue }
            if let found = first, !InstancePages.isBefore(row, found.row) { continue }
            first = (i, row)
        }
        guard let first else { return nil }
        streams[first.stream].rows.removeFirst()
        return first.row
    }

    private static func isBefore(_ a: InstanceRow, _ b: InstanceRow) -> Bool {
        if a.createdAt != b.createdAt { return a.createdAt > b.createdAt }
        return a.publicID.lexicographicallyPrecedes(b.publicID)
    }

    private mutating func head(of index: Int) throws(PostgresError) -> InstanceRow? {
        if streams[index].rows.isEmpty && !streams[index].isAtEnd {
            var stream = streams[index]
            let rows = try InstancePages.read(stream.role, stream.place, stream.chunk, visibility)
            stream.isAtEnd = rows.count < stream.chunk
            stream.chunk = min(stream.chunk * 2, 128)
            stream.rows = rows[...]
            stream.place = rows.last.map { Place(createdAt: $0.createdAt, publicID: $0.publicID) }
            streams[index] = stream
        }
        return streams[index].rows.first
    }

    private static func read(
        _ role: UInt32,
        _ place: Place?,
        _ count: Int,
        _ visibility: Visibility
    ) throws(PostgresError) -> [InstanceRow] {
        var rows: [InstanceRow] = []
        func take(_ row: borrowing ScannedRow) throws(PostgresError) -> Bool {
            rows.append(InstanceRow.decode(row))
            return rows.count < count
        }
        let index: StaticString = "instances_role_created"
        let brief = InstanceRow.briefColumns
        try Tables.instances.open(writing: false) { table throws(PostgresError) in
            guard let place else {
                try table.scan(index, visibility, keys: [.oid(role)], columns: brief, take)
                return
            }
            // The rest of that instant, and then what is older.
            let instant = Column.time(place.createdAt)
            let id = Column.text(place.publicID)
            let rest: [Column] = [.oid(role), instant]
            try table.scan(index, visibility, keys: rest, from: id, exclusive: true, columns: brief, take)
            guard rows.count < count else { return }
            let key = [Column.oid(role)]
            try table.scan(index, visibility, keys: key, from: instant, exclusive: true, columns: brief, take)
        }
        return rows
    }
}

extension Storage {
    /// Every role that has an instance; one probe of the index each.
    static func rolesWithInstances(_ visibility: Visibility) throws(PostgresError) -> [UInt32] {
        try roles(Tables.instances, index: "instances_role_created", column: 4, visibility)
    }

    /// The distinct roles of an index that begins with the role.
    static func roles(
        _ shape: TableShape,
        index: StaticString,
        column: Int,
        _ visibility: Visibility
    ) throws(PostgresError) -> [UInt32] {
        try shape.open(writing: false) { table throws(PostgresError) in
            var roles: [UInt32] = []
            var next: UInt32? = 0
            while let from = next {
                next = nil
                try table.scan(index, visibility, keys: [], from: .oid(from)) { row in
                    roles.append(row.oid(column))
                    next = row.oid(column) < UInt32.max ? row.oid(column) + 1 : nil
                    return false
                }
            }
            return roles
        }
    }
}
