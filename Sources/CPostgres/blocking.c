/* SPDX-License-Identifier: PostgreSQL */
/*
 * Who waits for whom, where the server's deadlock detector cannot see it: a session that waits for an item holds
 * locks that the step of that item wants.
 */
#include "guard.h"

#include "catalog/pg_type_d.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "blocking.h"
#include "pgs_waiters.h"
#include "workset.h"

/* Processes looked at in one search; who waits behind more than these is found by the server or by a time limit. */
#define SEARCH_MAX 64

/* Adds to `pids` those for whom `waiting` waits and that are not there yet; returns how many there are now. */
static int
add_blockers(int32 *pids, int count, int32 waiting)
{
    ArrayType *blockers = DatumGetArrayTypeP(DirectFunctionCall1(pg_blocking_pids, Int32GetDatum(waiting)));
    Datum *elements;
    int length;

    deconstruct_array(blockers, INT4OID, sizeof(int32), true, TYPALIGN_INT, &elements, NULL, &length);
    for (int i = 0; i < length && count < SEARCH_MAX; i++)
    {
        int32 pid = DatumGetInt32(elements[i]);
        int at = 0;

        while (at < count && pids[at] != pid)
            at++;
        /* 0 is a prepared transaction, which waits for nobody */
        if (at == count && pid != 0)
            pids[count++] = pid;
    }
    return count;
}

bool
pgs_blocks(int32 holder, int32 waiting)
{
    int32 pids[SEARCH_MAX] = {waiting};
    int count = 1;
    bool found = false;
    /* A session looks once a second for as long as it waits, in one and the same context. */
    MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "blocking processes", ALLOCSET_SMALL_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(work);

    for (int i = 0; i < count && !found; i++)
    {
        int known = count;

        count = add_blockers(pids, count, pids[i]);
        for (int j = known; j < count; j++)
            found = found || pids[j] == holder;
        MemoryContextReset(work);
    }
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(work);
    return found;
}

pgs_error *
pgs_item_waits_for_me(int64_t item, bool *out)
PGS_GUARD_BEGIN
    int pids[WORKSET_SLOTS_MAX];
    int count = 0;

    *out = false;
    if (pgs_set != NULL)
    {
        LWLockAcquire(pgs_set->lock, LW_SHARED);
        for (int i = 0; i < pgs_set->slot_count; i++)
        {
            const workset_slot *slot = &pgs_set->slots[i];

            if (slot->state == PGS_SLOT_BUSY && slot->database == MyDatabaseId && slot->item == item)
                pids[count++] = slot->pid;
        }
        LWLockRelease(pgs_set->lock);
    }
    for (int i = 0; i < count && !*out; i++)
        *out = pgs_blocks(MyProcPid, pids[i]);
PGS_GUARD_END
