/* SPDX-License-Identifier: PostgreSQL */
/* Work that waited longer than the installation lets it, as its database's scheduler finds it. */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "workset.h"

/* Queues are in the order of their entries' age. */
static int64
late_at(const workset_queue *queue)
{
    return workset_waits_since(queue, &pgs_entries[queue->head]) + pgs_set->patience;
}

void
workset_bar_lifted(Oid database)
{
    TimestampTz now = GetCurrentTimestamp();

    for (int32 i = 0; i < WORKSET_QUEUES; i++)
    {
        if (database == InvalidOid || pgs_set->queues[i].database == database)
            pgs_set->queues[i].barred_until = now;
    }
}

/* Whether another process has the part in hand: that one looks at the tables again. */
static bool
is_in_hand(Oid database, int64 item, int32 part)
{
    workset_slot *holder = workset_holder_of(database, item, part);

    if (holder != NULL)
        holder->dirty = true;
    return holder != NULL;
}

/* Whether this process has a database, and its place there is still its own. */
static bool
is_looking(void)
{
    return pgs_my_database != NULL && pgs_my_database->pid == MyProcPid;
}

static bool
may_be_late(const workset_queue *queue)
{
    return queue->database == pgs_my_database->oid && queue->count > 0;
}

int64_t
pgs_scheduler_late_due(void)
{
    int64 due = PGS_DUE_NEVER;

    if (pgs_my_database == NULL || pgs_set->patience <= 0)
        return due;
    LWLockAcquire(pgs_set->lock, LW_SHARED);
    for (int32 i = 0; i < WORKSET_QUEUES && is_looking(); i++)
    {
        if (may_be_late(&pgs_set->queues[i]))
        {
            int64 at = late_at(&pgs_set->queues[i]);

            due = Min(due, at);
        }
    }
    LWLockRelease(pgs_set->lock);
    return due;
}

static bool
take_from(workset_queue *queue, int64 now, pgs_work *out)
{
    while (may_be_late(queue) && late_at(queue) <= now)
    {
        workset_entry entry = workset_entry_pop(queue);

        if (is_in_hand(queue->database, entry.item, entry.part))
            continue;
        *out = (pgs_work) {.item = entry.item, .part = entry.part, .deaths = entry.deaths,
                           .since = workset_waits_since(queue, &entry)};
        return true;
    }
    return false;
}

bool
pgs_scheduler_take_late(pgs_oid *role, pgs_work *out)
{
    workset_wakes wakes = {0};
    int64 now = GetCurrentTimestamp();
    bool found = false;

    if (pgs_my_database == NULL || pgs_set->patience <= 0)
        return false;
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    for (int32 i = 0; i < WORKSET_QUEUES && is_looking() && !found; i++)
    {
        workset_queue *queue = &pgs_set->queues[i];

        if (!may_be_late(queue))
            continue;
        found = take_from(queue, now, out);
        *role = queue->role;
        workset_queue_refill(queue, pgs_my_database, &wakes);
    }
    if (found)
        pgs_my_database->sweeping = true;
    LWLockRelease(pgs_set->lock);
    workset_wake_flush(&wakes);
    return found;
}

bool
pgs_scheduler_may_take(int64_t item, int32_t part)
{
    bool may = true;

    if (pgs_my_database == NULL)
        return true;
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    if (is_looking())
        may = !is_in_hand(pgs_my_database->oid, item, part);
    LWLockRelease(pgs_set->lock);
    return may;
}

bool
pgs_scheduler_spare(pgs_oid role, const pgs_work *work, bool may_work, int64_t tried_by)
{
    workset_wakes wakes = {0};
    bool is_spared = false;

    if (pgs_my_database == NULL)
        return false;
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    if (is_looking())
    {
        workset_queue *queue = workset_queue_get(pgs_my_database, role);

        is_spared = !may_work || (queue != NULL && queue->barred);
        if (is_spared)
            (void) workset_push(pgs_my_database, role, work->item, work->part, work->deaths, &wakes);
        if (is_spared && queue != NULL)
        {
            queue->barred = !may_work;
            queue->barred_until = may_work ? tried_by : GetCurrentTimestamp();
        }
    }
    LWLockRelease(pgs_set->lock);
    workset_wake_flush(&wakes);
    return is_spared;
}
