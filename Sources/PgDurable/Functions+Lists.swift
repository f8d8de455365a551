// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurableCore
internal import DurableModel
internal import DurablePostgres
internal import PostgresExtension

/// The names that the original shows for its one orchestration; scripts print them.
enum OriginalNames {
    static let function = "pg_durable::orchestration::execute-function-graph"
    static let functionVersion = "1.0.0"
}

@c(df_list_instances_swift)
func dfListInstances(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlQueryRows(fcinfo, failure) { call, rows throws(PostgresError) in
        try Access.check()
        let status = try call.optionalText(0)
        // The default of the argument works whatever the maximum is, and asks for no more than that.
        let limit = try pageLimit(call, whateverTheMaximum: 100)
        var list = try InstanceList(status: status, label: nil, after: nil)
        while list.count < limit, let item = try list.next() {
            try rows.append(try item.columns())
        }
    }
}

@c(df_list_instances_page_swift)
func dfListInstancesPage(_ fcinfo: FunctionCall, _ failure: Failure) -> pgs_datum {
    sqlQueryRows(fcinfo, failure) { call, rows throws(PostgresError) in
        try Access.check()
        let status = try call.optionalText(0)
        let limit = try pageLimit(call, whateverTheMaximum: nil)
        let label = try call.optionalText(2)
        let after = try cursor(call)
        // The cursor is the same on every row, so the end of the page is looked for first; outputs may be large.
        var ahead = try InstanceList(status: status, label: label, after: after)
        var last: InstanceRow?
        while ahead.count < limit, let item = try ahead.next() { last = item.row }
        var next = SQLValue.null
        if let last, ahead.count == limit, try ahead.next() != nil {
            next = .text(PageCursor(createdAt: last.createdAt, id: last.publicID).token)
        }
        var list = try InstanceList(status: status, label: label, after: after)
        while list.count < limit, let item = try list.next() {
            let completed: SQLValue =
                if item.status == .completed, let end = try Storage.end(of: item.row.id, current: false) {
                    .timestamptz(end.at.rawValue)
                } else {
                    .null
                }
            try rows.append(
                try item.columns() + [.timestamptz(item.row.createdAt.rawValue), completed, next]
            )
        }
    }
}

private func pageLimit(
    _ call: borrowing SQLCall,
    whateverTheMaximum modest: Int32?
) throws(PostgresError) -> Int {
    guard let limit = try call.optionalInt32(1) else {
        throw nullArgument(1, "limit_count")
    }
    guard limit >= 1 else {
        throw PostgresError(.invalidParameterValue, "limit_count must be at least 1")
    }
    let most = Settings.listInstancesMax
    guard limit <= most || limit == modest else {
        throw PostgresError(
            .invalidParameterValue,
            "df.list_instances: limit_count (\(limit)) exceeds pg_durable.list_instances_max_limit (\(most)); "
                + "request fewer rows, or use the paginated df.list_instances overload "
                + "(after_cursor/next_cursor) for large result sets"
        )
    }
    return Int(min(limit, most))
}

private func cursor(_ call: borrowing SQLCall) throws(PostgresError) -> InstancePages.Place? {
    guard !call.isNull(3) else { return nil }
    guard try call.textSize(3) <= PageCursor.digitsMax, let cursor = PageCursor(token: try call.text(3))
    else {
        throw PostgresError(.invalidParameterValue, "df.list_instances: invalid after_cursor")
    }
    return InstancePages.Place(createdAt: cursor.createdAt, publicID: cursor.id)
}

/// The instances that the caller sees and that pass the filters, newest first.
private struct InstanceList {
    struct Item {
        let row: InstanceRow
        let status: InstanceStatus

        /// The columns that both lists show.
        func columns() throws(PostgresError) -> [SQLValue] {
            let ended = try Storage.ended(row.id, current: false)
            let cancel = ended == nil ? try Storage.cancelReason(row.id, current: false) : nil
            return [
                .text(row.publicID), optional(row.label), .text(OriginalNames.function),
                .text(status.rawValue),
                .int8(try InstanceReport.generation(of: row)),
                optional(InstanceReport.output(ended, cancelReason: cancel)),
            ]
        }
    }

    private var pages: InstancePages
    private let seesAll: Bool
    private let status: Bytes?
    private let label: Bytes?
    private(set) var count = 0

    init(status: Bytes?, label: Bytes?, after place: InstancePages.Place?) throws(PostgresError) {
        seesAll = try Access.seesAll()
        pages = try InstancePages(of: seesAll ? nil : pgs_user_current(), after: place)
        self.status = status
        self.label = label
    }

    mutating func next() throws(PostgresError) -> Item? {
        while let row = try pages.next() {
            try check(pgs_interrupts_check())
            guard label == nil || label == row.label else { continue }
            if !seesAll, try !Access.isAtHome(row.home, roleName: row.roleName) { continue }
            guard let status = try InstanceState.statusIfReadable(of: row) else { continue }
            guard self.status == nil || self.status == Bytes(status.rawValue.utf8) else { continue }
            count += 1
            return Item(row: row, status: status)
        }
        return nil
    }
}

/// Text or NULL.
func optional(_ text: Bytes?) -> SQLValue { text.map(SQLValue.text) ?? .null }
