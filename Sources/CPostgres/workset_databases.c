/* SPDX-License-Identifier: PostgreSQL */
/* Databases that hold the extension, or may: their rows, timers and sweeps. */
#include "postgres.h"

#include "access/twophase.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "exchange.h"
#include "workset.h"

workset_database *
workset_database_find(Oid oid)
{
    for (int32 i = 0; i < pgs_set->database_count; i++)
    {
        if (pgs_databases[i].oid == oid)
            return &pgs_databases[i];
    }
    return NULL;
}

/* Drops its queues that nobody uses. */
static void
drop_queues(workset_database *database)
{
    for (int32 i = 0; i < WORKSET_QUEUES; i++)
    {
        workset_queue *queue = &pgs_set->queues[i];

        if (queue->database == database->oid && queue->slots == 0 && queue->count == 0 && !queue->overflow)
            workset_queue_drop(queue);
    }
}

/* Gives the row back if nothing would be lost with it. */
void
workset_database_reclaim(workset_database *database)
{
    if (database->oid == InvalidOid || database->scheduler != PGS_SCHEDULER_NONE || database->slots > 0
        || database->vacate > 0 || database->quiesce > 0)
        return;
    drop_queues(database);
    if (database->queues > 0 || workset_is_asked(database) || database->overflow || database->prepared > 0
        || database->next_due != PGS_DUE_NEVER)
        return;
    pgs_set->forgotten = pgs_set->forgotten || database->known;
    memset(database, 0, sizeof(workset_database));
}

/* A row that is not in use; if need be, one of a database that has nothing to do and is known again when it has. */
static workset_database *
unused_row(void)
{
    workset_database *database = workset_database_find(InvalidOid);

    for (int32 i = 0; database == NULL && i < pgs_set->database_count; i++)
    {
        workset_database_reclaim(&pgs_databases[i]);
        if (pgs_databases[i].oid == InvalidOid)
            database = &pgs_databases[i];
    }
    return database;
}

/* Something is to be done in a database that has no row: the launcher, which is woken for it, looks into it later. */
static void
note_lost(Oid oid)
{
    for (int32 i = 0; i < pgs_set->lost_count; i++)
    {
        if (pgs_set->lost[i] == oid)
            return;
    }
    if (pgs_set->lost_count < WORKSET_LOST_MAX)
        pgs_set->lost[pgs_set->lost_count++] = oid;
    else
        pgs_set->lost_more = true;
}

workset_database *
workset_database_make(Oid oid)
{
    workset_database *database = workset_database_find(oid);

    if (database != NULL)
        return database;
    database = unused_row();
    if (database == NULL)
        return NULL;
    memset(database, 0, sizeof(workset_database));
    database->oid = oid;
    database->procno = WORKSET_NONE;
    /* Nobody knows what was prepared before; its scheduler finds out. */
    database->prepared = max_prepared_xacts > 0 ? 1 : 0;
    database->sweep = true;
    database->next_due = PGS_DUE_NEVER;
    database->hinted = PGS_DUE_NEVER;
    database->upkeep_due = PGS_DUE_NEVER;
    return database;
}

workset_database *
workset_database_get(Oid oid)
{
    workset_database *database = workset_database_make(oid);

    if (database == NULL)
        note_lost(oid);
    return database;
}

/* Whether those that wait for nothing but a timer still do, is for their schedulers to find out. */
static void
doubt_timers(workset_wakes *wakes)
{
    for (int32 i = 0; i < pgs_set->database_count; i++)
    {
        if (pgs_databases[i].scheduler == PGS_SCHEDULER_NONE && pgs_databases[i].stale)
        {
            pgs_databases[i].stale = false;
            workset_want_sweep(&pgs_databases[i], wakes);
        }
    }
}

bool
pgs_launcher_has_room(void)
{
    workset_wakes wakes = {0};
    bool has_room;

    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    has_room = unused_row() != NULL;
    if (!has_room)
        doubt_timers(&wakes);
    LWLockRelease(pgs_set->lock);
    workset_wake_flush(&wakes);
    return has_room;
}

int32_t
pgs_launcher_take_lost(pgs_oid *out, int32_t max, bool *more)
{
    int32 count;

    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    count = Min(pgs_set->lost_count, max);
    memcpy(out, pgs_set->lost, (Size) count * sizeof(Oid));
    *more = pgs_set->lost_more || count < pgs_set->lost_count;
    pgs_set->lost_count = 0;
    pgs_set->lost_more = false;
    LWLockRelease(pgs_set->lock);
    return count;
}

/* The extension or the database is gone: nothing of it is to be done. */
void
workset_database_forget(workset_database *database, workset_wakes *wakes)
{
    for (int32 i = 0; i < WORKSET_QUEUES; i++)
    {
        if (pgs_set->queues[i].database == database->oid)
            workset_queue_clear(&pgs_set->queues[i]);
    }
    database->known = false;
    database->sweep = false;
    database->roleless = false;
    database->sweeping = false;
    database->overflow = false;
    database->next_due = PGS_DUE_NEVER;
    database->hinted = PGS_DUE_NEVER;
    database->upkeep_due = PGS_DUE_NEVER;
    database->prepared = 0;
    workset_database_reclaim(database);
    workset_starved_retry(wakes);
}

void
pgs_database_forget(pgs_oid oid)
{
    workset_wakes wakes = {0};
    workset_database *database;

    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    database = workset_database_find(oid);
    if (database != NULL)
        workset_database_forget(database, &wakes);
    LWLockRelease(pgs_set->lock);
    workset_wake_flush(&wakes);
    exchange_forget_database(oid);
}

void
pgs_launcher_forget_queue(pgs_oid database, pgs_oid role)
{
    workset_wakes wakes = {0};
    workset_queue *queue;
    workset_database *row;

    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    queue = workset_queue_find(database, role);
    row = workset_database_find(database);
    if (queue != NULL)
        workset_queue_clear(queue);
    /* Not swept: that could find the same work again, where the tables are a copy of another cluster's. */
    if (row != NULL && !row->roleless)
    {
        row->roleless = true;
        workset_wake_scheduler(&wakes, row);
    }
    workset_starved_retry(&wakes);
    LWLockRelease(pgs_set->lock);
    workset_wake_flush(&wakes);
}

void
workset_want_sweep(workset_database *database, workset_wakes *wakes)
{
    if (database->sweep && database->scheduler == PGS_SCHEDULER_STARTING)
        return;
    database->sweep = true;
    workset_wake_scheduler(wakes, database);
}

void
workset_sweep_everywhere(workset_wakes *wakes)
{
    for (int32 i = 0; i < pgs_set->database_count; i++)
    {
        if (OidIsValid(pgs_databases[i].oid) && pgs_databases[i].known)
            workset_want_sweep(&pgs_databases[i], wakes);
    }
    if (pgs_set->forgotten)
    {
        pgs_set->lost_more = true;
        workset_wake_launcher(wakes);
    }
}

/* A timer that is due at `due` was committed. */
void
workset_hint_due(workset_database *database, TimestampTz due, workset_wakes *wakes)
{
    database->hinted = Min(database->hinted, due);
    /* Whoever is looking for the extension there has to look again. */
    if (!database->known)
        database->sweep = true;
    if (due >= database->next_due)
        return;
    database->next_due = due;
    workset_wake_scheduler(wakes, database);
}

void
pgs_timer_push(int64_t due)
{
    workset_wakes wakes = {0};
    workset_database *database;

    if (pgs_set == NULL)
        return;
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    database = workset_database_get(MyDatabaseId);
    if (database != NULL)
        workset_hint_due(database, due, &wakes);
    else
        workset_wake_launcher(&wakes);
    LWLockRelease(pgs_set->lock);
    workset_wake_flush(&wakes);
}

bool
workset_database_is_empty(workset_database *database, bool idle_only)
{
    int32 index = (int32) (database - pgs_databases);

    if (database->scheduler != PGS_SCHEDULER_NONE && database->pid != MyProcPid)
        return false;
    for (int32 i = 0; i < WORKSET_PLACES; i++)
    {
        workset_slot *slot = &pgs_set->slots[i];

        if (slot->state != PGS_SLOT_FREE && slot->database_index == index && slot != pgs_my_slot
            && slot->state != PGS_SLOT_EXITED && !(idle_only && slot->state == PGS_SLOT_BUSY && slot->has_work))
            return false;
    }
    return true;
}

void
workset_database_wake_all(workset_database *database, workset_wakes *wakes)
{
    int32 index = (int32) (database - pgs_databases);

    workset_wake(wakes, database->procno);
    for (int32 i = 0; i < WORKSET_PLACES; i++)
    {
        workset_slot *slot = &pgs_set->slots[i];

        if (slot->state != PGS_SLOT_FREE && slot->database_index == index)
            workset_wake(wakes, slot->procno);
    }
    workset_wake_launcher(wakes);
}
