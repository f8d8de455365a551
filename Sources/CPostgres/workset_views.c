/* SPDX-License-Identifier: PostgreSQL */
/* What the launcher sees of the workset, and the wishes it writes into it. */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "workset.h"

int32_t
pgs_launcher_slot_count(void)
{
    return pgs_set->slot_count;
}

int32_t
pgs_launcher_queue_count(void)
{
    return WORKSET_QUEUES;
}

int32_t
pgs_launcher_database_count(void)
{
    return pgs_set->database_count;
}

int32_t
pgs_worker_processes_max(void)
{
    return max_worker_processes;
}

int32_t
pgs_launcher_slots(pgs_slot_view *out, int32_t max)
{
    int32 count = 0;

    LWLockAcquire(pgs_set->lock, LW_SHARED);
    for (int32 i = 0; i < pgs_set->slot_count && count < max; i++)
    {
        const workset_slot *slot = &pgs_set->slots[i];

        if (slot->state == PGS_SLOT_FREE)
            continue;
        out[count++] = (pgs_slot_view) {
            .slot = i,
            .generation = slot->generation,
            .state = slot->state,
            .pid = slot->pid,
            .database = slot->database,
            .role = slot->role,
            .since = slot->since,
            .turn_since = slot->turn_since,
            .turn_steps = slot->turn_steps,
            .taken = slot->taken,
            .leave_asked = slot->leave,
            .gone = slot->gone,
            .failed_start = slot->failed_start,
            .died_at_work = slot->died_at_work,
            .gave_up = slot->gave_up,
        };
    }
    LWLockRelease(pgs_set->lock);
    return count;
}

int32_t
pgs_launcher_queues(pgs_queue_view *out, int32_t max)
{
    int32 count = 0;

    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    for (int32 i = 0; i < WORKSET_QUEUES && count < max; i++)
    {
        workset_queue *queue = &pgs_set->queues[i];

        queue->told = false;
        if (queue->database == InvalidOid || queue->count == 0)
            continue;
        out[count++] = (pgs_queue_view) {
            .database = queue->database,
            .role = queue->role,
            .waiting = queue->count,
            .served_at = queue->served_at,
        };
    }
    LWLockRelease(pgs_set->lock);
    return count;
}

int32_t
pgs_launcher_databases(pgs_database_view *out, int32_t max)
{
    int32 count = 0;

    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    for (int32 i = 0; i < pgs_set->database_count && count < max; i++)
    {
        workset_database *database = &pgs_databases[i];

        if (database->oid == InvalidOid)
            continue;
        out[count++] = (pgs_database_view) {
            .database = database->oid,
            .generation = database->generation,
            .scheduler = database->scheduler,
            .failed = database->failed,
            .gave_up = database->gave_up,
            .leave_asked = database->leave,
            .wants_scheduler = workset_is_asked(database),
            .is_vacated = database->vacate > 0 || database->quiesce > 0,
            .next_due = Min(database->next_due, database->upkeep_due),
            .since = database->since,
        };
        database->failed = false;
        database->gave_up = false;
    }
    LWLockRelease(pgs_set->lock);
    return count;
}

void
pgs_launcher_mute(pgs_oid database, pgs_oid role)
{
    workset_queue *queue;

    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    queue = workset_queue_find(database, role);
    if (queue != NULL)
        queue->told = true;
    LWLockRelease(pgs_set->lock);
}

void
pgs_launcher_bar(pgs_oid database, pgs_oid role)
{
    workset_queue *queue;

    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    queue = workset_queue_find(database, role);
    if (queue != NULL)
    {
        queue->told = true;
        queue->barred = true;
    }
    LWLockRelease(pgs_set->lock);
}

void
pgs_launcher_ask_leave(int32_t index, uint32_t generation)
{
    workset_wakes wakes = {0};
    workset_slot *slot;

    if (index < 0 || index >= WORKSET_PLACES)
        return;
    slot = &pgs_set->slots[index];
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    if (slot->state != PGS_SLOT_FREE && slot->state != PGS_SLOT_EXITED && slot->generation == generation)
    {
        slot->leave = true;
        workset_slot_set_idle(slot, false);
        workset_wake(&wakes, slot->procno);
    }
    LWLockRelease(pgs_set->lock);
    workset_wake_flush(&wakes);
}

void
pgs_launcher_ask_scheduler_leave(pgs_oid oid)
{
    workset_wakes wakes = {0};
    workset_database *database;

    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    database = workset_database_find(oid);
    if (database != NULL && database->scheduler != PGS_SCHEDULER_NONE)
    {
        database->leave = true;
        workset_wake(&wakes, database->procno);
    }
    LWLockRelease(pgs_set->lock);
    workset_wake_flush(&wakes);
}

void
pgs_launcher_stop(bool stopped)
{
    workset_wakes wakes = {0};

    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    if (stopped && !pgs_set->stopped)
        pgs_set->stopped_at = GetCurrentTimestamp();
    if (!stopped && pgs_set->stopped)
        workset_bar_lifted(InvalidOid);
    pgs_set->stopped = stopped;
    for (int32 i = 0; stopped && i < WORKSET_PLACES; i++)
    {
        workset_slot *slot = &pgs_set->slots[i];

        if (slot->pid == 0)
            continue;
        workset_wake(&wakes, slot->procno);
        if (slot->has_work)
            workset_terminate(slot);
    }
    for (int32 i = 0; stopped && i < pgs_set->database_count; i++)
    {
        if (pgs_databases[i].scheduler == PGS_SCHEDULER_RUNNING)
            workset_wake(&wakes, pgs_databases[i].procno);
    }
    LWLockRelease(pgs_set->lock);
    workset_wake_flush(&wakes);
}

bool
pgs_item_is_running(int64_t item)
{
    bool found = false;

    if (pgs_set == NULL)
        return false;
    LWLockAcquire(pgs_set->lock, LW_SHARED);
    for (int32 i = 0; i < pgs_set->slot_count && !found; i++)
    {
        workset_slot *slot = &pgs_set->slots[i];

        found = slot->has_work && slot->item == item && slot->database == MyDatabaseId;
    }
    LWLockRelease(pgs_set->lock);
    return found;
}
