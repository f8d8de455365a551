/* SPDX-License-Identifier: PostgreSQL */
/* Transactions of workers, subtransactions, and the way back from an error. */
#include "guard.h"

#include "access/xact.h"
#include "jit/jit.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "replication/slot.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"

pgs_error *
pgs_xact_start(void)
PGS_GUARD_BEGIN
    /* Without a client nobody else sets what now() shows. */
    SetCurrentStatementStartTimestamp();
    StartTransactionCommand();
PGS_GUARD_END

static pgs_error *
commit(void)
PGS_GUARD_BEGIN
    CommitTransactionCommand();
PGS_GUARD_END

static pgs_error *
report_statistics(void)
PGS_GUARD_BEGIN
    HOLD_INTERRUPTS();
    pgstat_report_stat(false);
    RESUME_INTERRUPTS();
PGS_GUARD_END

/* After the end of a transaction, of which an error is no part. */
void
pgs_statistics_report(void)
{
    pgs_error *error = report_statistics();

    if (error != NULL)
        pgs_error_free(error);
}

pgs_error *
pgs_xact_commit(void)
{
    pgs_error *error = commit();

    if (error == NULL)
        pgs_statistics_report();
    return error;
}

bool
pgs_xact_is_open(void)
{
    return IsTransactionState();
}

/* PostgresMain's error block, without the report: the error was taken already. */
static void
abort_all(void)
{
    error_context_stack = NULL;
    HOLD_INTERRUPTS();
    disable_all_timeouts(false);
    QueryCancelPending = false;
    debug_query_string = NULL;
    AbortCurrentTransaction();
    PortalErrorCleanup();
    if (MyReplicationSlot != NULL)
        ReplicationSlotRelease();
    if (MyProc != NULL)
        pgs_replication_slot_cleanup();
    jit_reset_after_error();
    MemoryContextSwitchTo(TopMemoryContext);
    FlushErrorState();
    RESUME_INTERRUPTS();
}

/* An error in here leaves nothing to go on with, and there are Swift frames to be jumped over: the process ends. */
void
pgs_xact_abort(void)
{
    int armed = pgs_trap_armed;

    pgs_trap_armed = 0;
    PG_TRY();
    {
        abort_all();
    }
    PG_CATCH();
    {
        EmitErrorReport();
        ereport(FATAL,
                errcode(ERRCODE_INTERNAL_ERROR),
                errmsg("terminating process because its transaction could not be rolled back"));
    }
    PG_END_TRY();
    pgs_error_settled();
    pgs_trap_armed = armed;
}

pgs_error *
pgs_snapshot_push(void)
PGS_GUARD_BEGIN
    PushActiveSnapshot(GetTransactionSnapshot());
PGS_GUARD_END

pgs_error *
pgs_snapshot_pop(void)
PGS_GUARD_BEGIN
    if (ActiveSnapshotSet())
        PopActiveSnapshot();
PGS_GUARD_END

pgs_error *
pgs_subxact_begin(pgs_subxact *out)
PGS_GUARD_BEGIN
    out->context = CurrentMemoryContext;
    out->owner = CurrentResourceOwner;
    BeginInternalSubTransaction(NULL);
    out->level = GetCurrentTransactionNestLevel();
PGS_GUARD_END_RESTORING

static void
require_level(const pgs_subxact *subxact)
{
    if (GetCurrentTransactionNestLevel() != subxact->level)
        elog(ERROR, "subtransaction of level %d ended at level %d", subxact->level, GetCurrentTransactionNestLevel());
}

pgs_error *
pgs_subxact_release(const pgs_subxact *subxact)
PGS_GUARD_BEGIN
    require_level(subxact);
    ReleaseCurrentSubTransaction();
    MemoryContextSwitchTo(subxact->context);
    CurrentResourceOwner = subxact->owner;
PGS_GUARD_END

/* Unchecked: this is the way back from a caught error. */
pgs_error *
pgs_subxact_rollback(const pgs_subxact *subxact)
PGS_GUARD_BEGIN_UNCHECKED
    require_level(subxact);
    RollbackAndReleaseCurrentSubTransaction();
    MemoryContextSwitchTo(subxact->context);
    CurrentResourceOwner = subxact->owner;
    pgs_error_settled();
PGS_GUARD_END_UNCHECKED
