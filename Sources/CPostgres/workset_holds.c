/* SPDX-License-Identifier: PostgreSQL */
/* Databases that a transaction keeps free of our workers: to drop, rename or copy them, or to drop the extension. */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "exchange.h"
#include "workset.h"

#define LEAVE_PATIENCE_MILLISECONDS 4000
#define LEAVE_LOOK_MILLISECONDS 20

/* A database that this transaction keeps free of our workers, to its end. */
typedef struct hold {
    Oid database;
    SubTransactionId subtransaction;
    bool is_quiesce;
    bool forget; /* what was held is gone when this commits */
} hold;

static hold *holds = NULL;
static int32 hold_count = 0;
static int32 hold_room = 0;

/* ---- The release runs in commit and abort: it must not fail. ---- */

static void
count_hold(workset_database *database, bool is_quiesce, int32 by)
{
    if (is_quiesce)
        database->quiesce = Max(0, database->quiesce + by);
    else
        database->vacate = Max(0, database->vacate + by);
}

static void
release_last_hold(bool is_commit)
{
    hold held = holds[--hold_count];
    workset_wakes wakes = {0};
    workset_database *database;

    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    database = workset_database_find(held.database);
    if (database != NULL)
    {
        count_hold(database, held.is_quiesce, -1);
        workset_bar_lifted(held.database);
        if (is_commit && held.forget)
            workset_database_forget(database, &wakes);
    }
    workset_wake_launcher(&wakes);
    LWLockRelease(pgs_set->lock);
    workset_wake_flush(&wakes);
    if (is_commit && held.forget)
        exchange_forget_database(held.database);
}

static void
at_transaction_event(pgs_xact_event event, void *argument)
{
    if (event != PGS_XACT_COMMIT && event != PGS_XACT_ABORT && event != PGS_XACT_PREPARE)
        return;
    while (hold_count > 0)
        release_last_hold(event == PGS_XACT_COMMIT);
}

static void
at_subtransaction_event(pgs_subxact_event event, uint32_t mine, uint32_t parent, void *argument)
{
    while (event == PGS_SUBXACT_ABORT && hold_count > 0 && holds[hold_count - 1].subtransaction >= mine)
        release_last_hold(false);
}

/* Whether this transaction holds it already, to an end that is no earlier. */
static bool
is_held(Oid oid, bool is_quiesce, bool forget)
{
    for (int32 i = 0; i < hold_count; i++)
    {
        if (holds[i].database == oid && holds[i].is_quiesce == is_quiesce && holds[i].forget == forget)
            return true;
    }
    return false;
}

/* Before anything is counted in shared memory, since it may raise. */
static void
make_room(void)
{
    if (hold_count < hold_room)
        return;
    hold_room += 8;
    if (holds == NULL)
        holds = MemoryContextAlloc(TopMemoryContext, (Size) hold_room * sizeof(hold));
    else
        holds = repalloc(holds, (Size) hold_room * sizeof(hold));
}

bool
workset_hold_take(Oid oid, bool is_quiesce, bool forget)
{
    workset_wakes wakes = {0};
    workset_database *database;
    bool held = false;

    if (is_held(oid, is_quiesce, forget))
        return true;
    make_room();
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    /* A scheduler may look for the extension as long as nothing is known: it must not begin before the end either. */
    database = is_quiesce ? workset_database_get(oid) : workset_database_find(oid);
    if (database != NULL)
    {
        count_hold(database, is_quiesce, 1);
        held = true;
        holds[hold_count++] = (hold) {
            .database = oid,
            .subtransaction = GetCurrentSubTransactionId(),
            .is_quiesce = is_quiesce,
            .forget = forget,
        };
        for (int32 i = 0; is_quiesce && i < WORKSET_PLACES; i++)
        {
            workset_slot *slot = &pgs_set->slots[i];

            if (slot->has_work && slot->database == oid)
                (void) workset_interrupt(slot);
        }
        workset_database_wake_all(database, &wakes);
    }
    LWLockRelease(pgs_set->lock);
    workset_wake_flush(&wakes);
    return held;
}

static bool
have_left(Oid oid, bool idle_only)
{
    workset_database *database;
    bool is_empty;

    LWLockAcquire(pgs_set->lock, LW_SHARED);
    database = workset_database_find(oid);
    is_empty = database == NULL || workset_database_is_empty(database, idle_only);
    LWLockRelease(pgs_set->lock);
    return is_empty;
}

void
workset_hold_wait(Oid oid, bool idle_only)
{
    TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LEAVE_PATIENCE_MILLISECONDS);
    while (!have_left(oid, idle_only) && GetCurrentTimestamp() < end)
    {
        (void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LEAVE_LOOK_MILLISECONDS,
                         pgs_wait_event("WorkersLeave"));
        ResetLatch(MyLatch);
        CHECK_FOR_INTERRUPTS();
    }
}

pgs_error *
workset_holds_install(void)
{
    pgs_error *error = pgs_on_xact(at_transaction_event, NULL);

    return error != NULL ? error : pgs_on_subxact(at_subtransaction_event, NULL);
}
