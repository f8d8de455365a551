/* SPDX-License-Identifier: PostgreSQL */
/* A statement run the way exec_simple_query() runs a client's, split where the caller puts its own writes. */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/ps_status.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"

#include "guard.h"
#include "pgs_companion.h"
#include "pgs_step.h"
#include "result_json.h"
#include "step.h"

static struct
{
    MemoryContext text;         /* statement text and result, to the next step; CALL and VACUUM outlive transactions */
    MemoryContext trees;        /* parse and plan trees */
    const char *statement;      /* what debug_query_string points to */
    bool watching;              /* the user's statements run: a commit now is theirs */
    bool committed_inside;
    bool was_logged;
} step;

static void
watch_commits(XactEvent event, void *arg)
{
    if (step.watching && event == XACT_EVENT_COMMIT)
        step.committed_inside = true;
}

static void
set_up(void)
{
    if (step.text == NULL)
    {
        step.trees = AllocSetContextCreate(TopMemoryContext, "step trees", ALLOCSET_DEFAULT_SIZES);
        RegisterXactCallback(watch_commits, NULL);
        step.text = AllocSetContextCreate(TopMemoryContext, "step text", ALLOCSET_DEFAULT_SIZES);
        pgs_session_note_libraries();
    }
    pgs_step_release();
}

void
pgs_step_release(void)
{
    step.watching = false;
    step.committed_inside = false;
    step.was_logged = false;
    step.statement = NULL;
    if (step.text == NULL)
        return;
    debug_query_string = NULL;
    MemoryContextReset(step.trees);
    MemoryContextReset(step.text);
}

/* ---------------------------------------------------------------- timeouts */

/* A simple query's timeout. transaction_timeout would be FATAL, so that it ends the statement here instead. */
static void
arm_timeout(void)
{
    int milliseconds = StatementTimeout;
    int of_transaction = pgs_transaction_timeout();

    pgs_transaction_timeout_disarm();
    if (of_transaction > 0 && (milliseconds <= 0 || of_transaction < milliseconds))
        milliseconds = of_transaction;
    if (milliseconds > 0 && !get_timeout_active(STATEMENT_TIMEOUT))
        enable_timeout_after(STATEMENT_TIMEOUT, milliseconds);
}

static void
disarm_timeout(void)
{
    if (get_timeout_active(STATEMENT_TIMEOUT))
        disable_timeout(STATEMENT_TIMEOUT, false);
    pgs_transaction_timeout_disarm();
}

/* The caller's own writes follow: how long they wait for a lock is not the role's to set. */
static void
lift_lock_timeout(void)
{
    if (LockTimeout > 0)
        (void) set_config_option("lock_timeout", "0", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

/* ---------------------------------------------------------------- begin */

static pgs_error *
begin(const uint8_t *sql, size_t length)
PGS_GUARD_BEGIN
    MemoryContext transaction;
    size_t server_length;

    set_up();
    SetCurrentStatementStartTimestamp();
    StartTransactionCommand();
    transaction = MemoryContextSwitchTo(step.text);
    step.statement = pgs_text_to_server(sql, length, &server_length);
    MemoryContextSwitchTo(transaction);
    debug_query_string = step.statement;
    pgstat_report_activity(STATE_RUNNING, step.statement);
    arm_timeout();
PGS_GUARD_END

pgs_error *
pgs_step_begin(const uint8_t *sql, size_t length)
{
    MemoryContextSwitchTo(TopMemoryContext);
    return begin(sql, length);
}

/* ---------------------------------------------------------------- run */

static void
run_statement(RawStmt *raw, const char *text, bool block, bool last, DestReceiver *receiver,
              QueryCompletion *completion)
{
    MemoryContext trees = step.trees;

    pgstat_report_query_id(0, true);
    set_ps_display(GetCommandTagName(CreateCommandTag(raw->stmt)));
    arm_timeout();
    if (block)
        BeginImplicitTransactionBlock();
    CHECK_FOR_INTERRUPTS();
    InitializeQueryCompletion(completion);

    /* A background process cannot listen. What is heard after the end is nobody's, so that this does nothing. */
    if (!IsA(raw->stmt, ListenStmt))
    {
        if (!last)
            trees = AllocSetContextCreate(step.trees, "step tree", ALLOCSET_DEFAULT_SIZES);
        MemoryContextSwitchTo(trees);
        pgs_step_portal(raw, text, receiver, completion);
        /* Rolled back, only a part of what it did would be undone: it is committed, whoever wants to cancel it. */
        if ((MyXactFlags & XACT_FLAGS_NEEDIMMEDIATECOMMIT) != 0)
            pgs_cancels_hold();
    }

    MemoryContextSwitchTo(TopTransactionContext);
    if (!last)
    {
        CommandCounterIncrement();
        disarm_timeout();
        if (trees != step.trees)
            MemoryContextDelete(trees);
    }
    else if (block)
        EndImplicitTransactionBlock();
}

static pgs_error *
run(const uint8_t *sql, size_t length, int64_t max_result_size, pgs_step_result *out)
PGS_GUARD_BEGIN
    List *statements;
    ListCell *cell;
    const char *text;
    size_t server_length;
    DestReceiver *receiver;
    QueryCompletion completion;

    MemoryContextSwitchTo(step.text);
    text = pgs_text_to_server(sql, length, &server_length);
    step.statement = text;
    debug_query_string = text;
    receiver = pgs_result_receiver(step.text, max_result_size);
    InitializeQueryCompletion(&completion);

    MemoryContextSwitchTo(step.trees);
    statements = pg_parse_query(text);
    step.was_logged = pgs_log_statement(statements, text);
    foreach(cell, statements)
        pgs_step_refuse(lfirst_node(RawStmt, cell));

    step.watching = true;
    foreach(cell, statements)
    {
        bool last = lnext(statements, cell) == NULL;

        run_statement(lfirst_node(RawStmt, cell), text, list_length(statements) > 1, last,
                      last ? receiver : pgs_result_discard(), &completion);
    }
    step.watching = false;

    pgs_result_finish(receiver, &completion, &out->json, &out->length);
    MemoryContextReset(step.trees);
PGS_GUARD_END

pgs_error *
pgs_step_run(const uint8_t *sql, size_t length, int64_t max_result_size, pgs_step_result *out)
{
    pgs_error *error;

    memset(out, 0, sizeof(*out));
    /* The guard comes back to this context: the transaction's own is gone after a COMMIT inside. */
    MemoryContextSwitchTo(TopMemoryContext);
    error = run(sql, length, max_result_size, out);
    step.watching = false;
    out->committed_inside = step.committed_inside;
    if (error == NULL)
    {
        out->needs_immediate_commit = (MyXactFlags & XACT_FLAGS_NEEDIMMEDIATECOMMIT) != 0;
        MemoryContextSwitchTo(TopTransactionContext);
    }
    return error;
}

/* ---------------------------------------------------------------- end */

/*
 * Goes round until a round has written nothing: then nothing is queued any more, and CommitTransaction() will find
 * neither triggers nor cursors. A client's triggers are not under statement_timeout at commit either.
 */
pgs_error *
pgs_step_finish_user_code(void)
PGS_GUARD_BEGIN
    disarm_timeout();
    for (;;)
    {
        CommandId before;

        CommandCounterIncrement();
        before = GetCurrentCommandId(false);
        AfterTriggerFireDeferred();
        PortalHashTableDeleteAll();
        CommandCounterIncrement();
        if (GetCurrentCommandId(false) == before)
            break;
        CHECK_FOR_INTERRUPTS();
    }
    pgs_identity_check();
    lift_lock_timeout();
PGS_GUARD_END

static pgs_error *
commit(void)
PGS_GUARD_BEGIN
    disarm_timeout();
    pgs_identity_check();
    if (step.committed_inside || (MyXactFlags & XACT_FLAGS_ACCESSEDTEMPNAMESPACE) != 0)
        pgs_session_note_temporary();
    CommitTransactionCommand();
PGS_GUARD_END

static pgs_error *
prepare(const char *name)
PGS_GUARD_BEGIN
    disarm_timeout();
    pgs_identity_check();
    /* PREPARE TRANSACTION ends a block only. */
    BeginTransactionBlock();
    CommitTransactionCommand();
    if (!PrepareTransactionBlock(name))
        elog(ERROR, "transaction could not be prepared");
    CommitTransactionCommand();
PGS_GUARD_END

static pgs_error *
report_duration(void)
PGS_GUARD_BEGIN
    /* A message is a place where cancels are answered, and this one must not be: there is nothing left to cancel. */
    HOLD_INTERRUPTS();
    pgs_log_duration(step.statement, step.was_logged);
    RESUME_INTERRUPTS();
PGS_GUARD_END

/* The commit is made: an error in what still belongs to the step is not the commit's, and goes nowhere. */
static void
wind_up(void)
{
    pgs_error *error = step.statement != NULL ? report_duration() : NULL;

    if (error != NULL)
        pgs_error_free(error);
    debug_query_string = NULL;
    step.statement = NULL;
    pgs_statistics_report();
}

pgs_error *
pgs_step_commit(void)
{
    pgs_error *error;

    step.watching = false;
    MemoryContextSwitchTo(TopMemoryContext);
    error = commit();
    if (error == NULL)
        wind_up();
    return error;
}

pgs_error *
pgs_step_prepare(const uint8_t *name, size_t length)
{
    char copy[PGS_PREPARED_NAME_MAX];
    pgs_error *error;

    step.watching = false;
    pgs_prepared_copy_name(copy, name, length);
    MemoryContextSwitchTo(TopMemoryContext);
    error = prepare(copy);
    if (error == NULL)
        wind_up();
    return error;
}

void
pgs_step_abort(void)
{
    bool committed_inside = step.committed_inside;

    step.watching = false;
    pgs_xact_abort();
    if (committed_inside)
        pgs_session_note_temporary();
    pgs_step_release();
    pgs_statistics_report();
}

/* ---------------------------------------------------------------- the engine's own transactions */

void
pgs_transaction_be_plain(void)
{
    if (!RecoveryInProgress())
        XactReadOnly = false;
    XactIsoLevel = XACT_READ_COMMITTED;
    XactDeferrable = false;
    disarm_timeout();
    lift_lock_timeout();
}

static pgs_error *
engine_begin(void)
PGS_GUARD_BEGIN
    SetCurrentStatementStartTimestamp();
    StartTransactionCommand();
    pgs_transaction_be_plain();
PGS_GUARD_END

pgs_error *
pgs_engine_begin(void)
{
    MemoryContextSwitchTo(TopMemoryContext);
    return engine_begin();
}

static pgs_error *
engine_commit(void)
PGS_GUARD_BEGIN
    pgs_identity_check();
    CommitTransactionCommand();
PGS_GUARD_END

pgs_error *
pgs_engine_commit(void)
{
    pgs_error *error;

    MemoryContextSwitchTo(TopMemoryContext);
    error = engine_commit();
    if (error == NULL)
        pgs_statistics_report();
    return error;
}
