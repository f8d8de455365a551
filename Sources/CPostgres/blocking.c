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

#include "pgs_waiters.h"
#include "workset.h"

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
    {
        ArrayType *blockers = DatumGetArrayTypeP(DirectFunctionCall1(pg_blocking_pids, Int32GetDatum(pids[i])));
        Datum *elements;
        int length;

        deconstruct_array(blockers, INT4OID, sizeof(int32), true, TYPALIGN_INT, &elements, NULL, &length);
        for (int j = 0; j < length; j++)
            *out = *out || DatumGetInt32(elements[j]) == MyProcPid;
    }
PGS_GUARD_END
