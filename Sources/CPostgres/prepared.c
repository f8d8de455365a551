/* SPDX-License-Identifier: PostgreSQL */
/*
 * Prepared transactions whose identifier names the transaction that decides about them, by its full number: what
 * becomes of one follows from the server's own record of that transaction, whoever asks, and whenever.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/twophase.h"
#include "access/xact.h"
#include "common/pg_prng.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"

#include "compat.h"
#include "guard.h"
#include "pgs_companion.h"
#include "pgs_step.h"
#include "step.h"
#include "workset.h"

/* Another process is finishing it: it is looked at again that often, a hundredth of a second apart. */
#define BUSY_PATIENCE 500

int32_t
pgs_prepared_max(void)
{
    return max_prepared_xacts;
}

/* ---- Names ---- */

pgs_error *
pgs_prepared_name(int64_t item, uint8_t *out, size_t *length)
PGS_GUARD_BEGIN
    *length = (size_t) snprintf(
        (char *) out, PGS_PREPARED_NAME_MAX, "%s:%llu:%u:%lld:%08x", pgs_config.name,
        (unsigned long long) U64FromFullTransactionId(GetTopFullTransactionId()), MyDatabaseId, (long long) item,
        pg_prng_uint32(&pg_global_prng_state));
PGS_GUARD_END

/* The transaction that decides about one of ours; false for everybody else's. */
static bool
parse_name(const char *name, FullTransactionId *decider)
{
    size_t prefix = strlen(pgs_config.name);
    char *end;
    uint64 number;

    if (strncmp(name, pgs_config.name, prefix) != 0 || name[prefix] != ':' || name[prefix + 1] < '0'
        || name[prefix + 1] > '9')
        return false;
    errno = 0;
    number = strtoull(name + prefix + 1, &end, 10);
    *decider = FullTransactionIdFromU64(number);
    return errno == 0 && *end == ':' && FullTransactionIdIsNormal(*decider);
}

/* ---- Verdicts ---- */

typedef enum verdict {
    VERDICT_UNDECIDED,
    VERDICT_COMMIT,
    VERDICT_ROLLBACK,
    VERDICT_UNKNOWN /* no transaction of this server, or one that it has forgotten */
} verdict;

static verdict
verdict_of(FullTransactionId decider)
{
    FullTransactionId next = ReadNextFullTransactionId();
    TransactionId xid = XidFromFullTransactionId(decider);
    verdict result = VERDICT_UNKNOWN;

    if (!FullTransactionIdPrecedes(decider, next)
        || U64FromFullTransactionId(next) - U64FromFullTransactionId(decider) >= (UINT64CONST(1) << 31))
        return VERDICT_UNKNOWN;
    /* Its record is not truncated while this is held. */
    LWLockAcquire(XactTruncationLock, LW_SHARED);
    if (!TransactionIdPrecedes(xid, pgs_oldest_known_transaction()))
    {
        if (TransactionIdIsInProgress(xid))
            result = VERDICT_UNDECIDED;
        else
            result = TransactionIdDidCommit(xid) ? VERDICT_COMMIT : VERDICT_ROLLBACK;
    }
    LWLockRelease(XactTruncationLock);
    return result;
}

/* ---- Finishing ---- */

static pgs_error *
finish(const char *name, bool commit)
PGS_GUARD_BEGIN
    SetCurrentStatementStartTimestamp();
    StartTransactionCommand();
    pgs_transaction_be_plain();
    FinishPreparedTransaction(name, commit);
    CommitTransactionCommand();
    workset_prepared_ended(commit);
PGS_GUARD_END

static pgs_error *
nap(void)
PGS_GUARD_BEGIN
    (void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 10, pgs_wait_event("PreparedBusy"));
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
PGS_GUARD_END

/* One that is not there, or not any more, is finished; one that somebody is at for long is an error. */
static pgs_error *
finish_named(const char *name, bool commit)
{
    for (int32 i = 0;; i++)
    {
        pgs_error *error = finish(name, commit);
        int32_t sqlstate;

        if (error == NULL)
            return NULL;
        pgs_step_abort();
        sqlstate = pgs_error_origin(error).sqlstate;
        if (sqlstate != ERRCODE_UNDEFINED_OBJECT
            && (sqlstate != ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE || i == BUSY_PATIENCE))
            return error;
        pgs_error_free(error);
        if (sqlstate == ERRCODE_UNDEFINED_OBJECT)
            return NULL;
        error = nap();
        if (error != NULL)
            return error;
    }
}

void
pgs_prepared_copy_name(char *copy, const uint8_t *name, size_t length)
{
    length = Min(length, PGS_PREPARED_NAME_MAX - 1);
    memcpy(copy, name, length);
    copy[length] = '\0';
}

pgs_error *
pgs_prepared_finish(const uint8_t *name, size_t length, bool commit)
{
    char copy[PGS_PREPARED_NAME_MAX];

    pgs_prepared_copy_name(copy, name, length);
    MemoryContextSwitchTo(TopMemoryContext);
    return finish_named(copy, commit);
}

/* ---- Settling ---- */

/* The first of ours here that can be finished, or none; called as the server calls it, without a query. */
static bool
next_to_settle(char *name, bool *commit, bool *undecided)
{
    LOCAL_FCINFO(fcinfo, 0);
    FmgrInfo function;
    ReturnSetInfo results = {.type = T_ReturnSetInfo, .allowedModes = SFRM_ValuePerCall};
    bool found = false;

    fmgr_info(F_PG_PREPARED_XACT, &function);
    results.econtext = CreateStandaloneExprContext();
    InitFunctionCallInfoData(*fcinfo, &function, 0, InvalidOid, NULL, (Node *) &results);
    while (!found)
    {
        HeapTupleHeader row;
        FullTransactionId decider;
        Datum value;
        bool is_null;
        verdict result;

        results.isDone = ExprSingleResult;
        value = FunctionCallInvoke(fcinfo);
        if (results.isDone != ExprMultipleResult)
            break;
        row = DatumGetHeapTupleHeader(value);
        text_to_cstring_buffer(DatumGetTextPP(GetAttributeByNum(row, 2, &is_null)), name, PGS_PREPARED_NAME_MAX);
        if (DatumGetObjectId(GetAttributeByNum(row, 5, &is_null)) != MyDatabaseId || !parse_name(name, &decider)
            || (DatumGetObjectId(GetAttributeByNum(row, 4, &is_null)) != GetUserId() && !superuser()))
            continue;
        result = verdict_of(decider);
        *undecided = *undecided || result == VERDICT_UNDECIDED;
        *commit = result == VERDICT_COMMIT;
        found = result == VERDICT_COMMIT || result == VERDICT_ROLLBACK;
    }
    FreeExprContext(results.econtext, true);
    return found;
}

static pgs_error *
look(char *name, bool *commit, bool *found, bool *undecided)
PGS_GUARD_BEGIN
    SetCurrentStatementStartTimestamp();
    StartTransactionCommand();
    pgs_transaction_be_plain();
    *undecided = false;
    *found = next_to_settle(name, commit, undecided);
    CommitTransactionCommand();
PGS_GUARD_END

pgs_error *
pgs_prepared_settle(bool *undecided)
{
    char name[PGS_PREPARED_NAME_MAX];
    bool found = true;

    *undecided = false;
    /* Each is finished once; whoever makes more than that meanwhile finishes them himself. */
    for (int32 i = 0; found && i <= max_prepared_xacts; i++)
    {
        bool commit = false;
        pgs_error *error;

        MemoryContextSwitchTo(TopMemoryContext);
        error = look(name, &commit, &found, undecided);
        if (error == NULL && found)
            error = finish_named(name, commit);
        if (error != NULL)
        {
            pgs_step_abort();
            if (pgs_error_origin(error).sqlstate != ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE)
                return error;
            /* Somebody is at it: whether he gets it done shows later. */
            pgs_error_free(error);
            *undecided = true;
            return NULL;
        }
    }
    return NULL;
}
