// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurablePostgres
internal import PostgresExtension

/// df.start with `transaction_mode => 'new'`.
///
/// What can be refused without another process is refused here, in the words that the other process would use. Only
/// whether the role may log in at all is this session's own question.
func startInNewTransaction(_ call: borrowing SQLCall) throws(PostgresError) -> SQLValue {
    guard try !Access.isInWorkflow() else {
        throw PostgresError(
            .objectNotInPrerequisiteState,
            "df.start() with transaction_mode => 'new' cannot be called inside a workflow",
            hint: "Leave transaction_mode out: the start then is part of the step's transaction."
        )
    }
    try Access.check()
    try TrialRun.refuse("df.start()")
    try check(pgs_prevent_write_elsewhere("df.start()"))
    try Submitter.requireLogin(pgs_user_current())
    let request: StartRequest
    do throws(PostgresError) {
        request = try validated(call)
    } catch {
        throw error.isFromServer ? error : NewTransaction.wrapped(error)
    }
    return .text(try NewTransaction.start(request, Settings.newTransactions))
}

private func validated(_ call: borrowing SQLCall) throws(PostgresError) -> StartRequest {
    let envelope = try StartText(try call.graph(0), guarded: false).envelope()
    let label = call.isNull(1) ? nil : try call.text(1, atMost: Limits.labelSize, "label")
    let database = call.isNull(2) ? nil : try call.text(2, atMost: Limits.nameSize, "database")
    try checkDatabase(database)
    _ = try Submitter.name(of: pgs_user_current(), allowsSuperusers: Settings.allowsSuperusers)
    return StartRequest(envelope: envelope, label: label, database: database)
}
