/* SPDX-License-Identifier: PostgreSQL */
/* Queues of ready work: entries from a shared pool, each known by (database, item, part) once. */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "workset.h"

static int32
bucket_of(Oid database, int64 item, int32 part)
{
    uint64 hash = ((uint64) item ^ ((uint64) database << 32)) * UINT64CONST(0x9E3779B97F4A7C15);

    hash = (hash ^ (hash >> 29) ^ (uint64) (uint32) part) * UINT64CONST(0xBF58476D1CE4E5B9);
    return (int32) ((hash >> 32) & (uint64) (pgs_set->bucket_count - 1));
}

static int32
entry_find(Oid database, int64 item, int32 part)
{
    int32 index = pgs_buckets[bucket_of(database, item, part)];

    while (index != WORKSET_NONE)
    {
        workset_entry *entry = &pgs_entries[index];

        if (entry->item == item && entry->part == part && pgs_set->queues[entry->queue].database == database)
            return index;
        index = entry->bucket_next;
    }
    return WORKSET_NONE;
}

static void
entry_link(workset_queue *queue, int32 index)
{
    workset_entry *entry = &pgs_entries[index];
    int32 *bucket = &pgs_buckets[bucket_of(queue->database, entry->item, entry->part)];

    entry->queue = (int32) (queue - pgs_set->queues);
    entry->bucket_next = *bucket;
    *bucket = index;
    entry->next = WORKSET_NONE;
    if (queue->tail == WORKSET_NONE)
        queue->head = index;
    else
        pgs_entries[queue->tail].next = index;
    queue->tail = index;
    queue->count++;
}

workset_entry
workset_entry_pop(workset_queue *queue)
{
    int32 index = queue->head;
    workset_entry *entry = &pgs_entries[index], copy = *entry;
    int32 *link = &pgs_buckets[bucket_of(queue->database, entry->item, entry->part)];

    while (*link != index)
        link = &pgs_entries[*link].bucket_next;
    *link = entry->bucket_next;
    queue->head = entry->next;
    if (queue->head == WORKSET_NONE)
        queue->tail = WORKSET_NONE;
    queue->count--;
    entry->next = pgs_set->free_head;
    pgs_set->free_head = index;
    pgs_set->free_count++;
    return copy;
}

workset_queue *
workset_queue_find(Oid database, Oid role)
{
    for (int32 i = 0; i < WORKSET_QUEUES; i++)
    {
        if (pgs_set->queues[i].role == role && pgs_set->queues[i].database == database)
            return &pgs_set->queues[i];
    }
    return NULL;
}

bool
workset_queue_is_unused(const workset_queue *queue)
{
    return queue->count == 0 && queue->slots == 0 && !queue->overflow;
}

/* The queue of (database, role), made when there is none; NULL when all are in use. */
workset_queue *
workset_queue_get(workset_database *database, Oid role)
{
    workset_queue *queue = workset_queue_find(database->oid, role);

    if (queue != NULL)
        return queue;
    queue = workset_queue_find(InvalidOid, InvalidOid);
    for (int32 i = 0; queue == NULL && i < WORKSET_QUEUES; i++)
    {
        if (workset_queue_is_unused(&pgs_set->queues[i]))
            queue = &pgs_set->queues[i];
    }
    if (queue == NULL)
        return NULL;
    workset_queue_drop(queue);
    queue->database = database->oid;
    queue->role = role;
    queue->head = WORKSET_NONE;
    queue->tail = WORKSET_NONE;
    database->queues++;
    return queue;
}

void
workset_queue_clear(workset_queue *queue)
{
    while (queue->count > 0)
        (void) workset_entry_pop(queue);
    queue->overflow = false;
}

/* Forgets a queue that no slot uses, with its entries. */
void
workset_queue_drop(workset_queue *queue)
{
    workset_database *database;

    if (queue->database == InvalidOid)
        return;
    workset_queue_clear(queue);
    database = workset_database_find(queue->database);
    if (database != NULL)
        database->queues--;
    memset(queue, 0, sizeof(workset_queue));
}

/* Wakes an idle executor of the queue, the one that worked last, or the launcher. */
static void
wake_for(workset_queue *queue, workset_wakes *wakes)
{
    int32 queue_index = (int32) (queue - pgs_set->queues);
    workset_slot *best = NULL;

    for (int32 i = 0; queue->idle > 0 && i < pgs_set->slot_count; i++)
    {
        workset_slot *slot = &pgs_set->slots[i];

        if (slot->state == PGS_SLOT_IDLE && slot->queue == queue_index && !slot->woken && !slot->leave
            && (best == NULL || slot->since > best->since))
            best = slot;
    }
    if (best != NULL)
    {
        workset_slot_set_idle(best, false);
        best->woken = true;
        workset_wake(wakes, best->procno);
    }
    else if (!queue->told)
    {
        queue->told = true;
        workset_wake_launcher(wakes);
    }
}

/* False when there is no place; the overflow is noted then, and a sweep will come when there is room. */
bool
workset_push(workset_database *database, Oid role, int64 item, int32 part, int32 deaths, workset_wakes *wakes)
{
    workset_queue *queue = workset_queue_get(database, role);
    int32 index;

    /* Whoever is looking for the extension there has to look again. */
    if (!database->known)
        database->sweep = true;
    if (queue == NULL)
    {
        database->overflow = true;
        pgs_set->queueless = true;
        return false;
    }
    index = entry_find(database->oid, item, part);
    if (index != WORKSET_NONE)
    {
        pgs_entries[index].deaths = Max(pgs_entries[index].deaths, deaths);
        return true;
    }
    if (queue->count >= pgs_set->free_count)
    {
        if (!queue->overflow)
        {
            queue->overflow = true;
            queue->refill_at = queue->count / 2;
        }
        if (queue->count == 0)
            pgs_set->starved = true;
        return false;
    }
    index = pgs_set->free_head;
    pgs_set->free_head = pgs_entries[index].next;
    pgs_set->free_count--;
    pgs_entries[index].item = item;
    pgs_entries[index].part = part;
    pgs_entries[index].deaths = deaths;
    pgs_entries[index].since = GetCurrentTimestamp();
    entry_link(queue, index);
    /* Nobody is there to take it: the scheduler looks whether somebody has come in time. */
    if (pgs_set->patience > 0 && queue->idle == 0)
        workset_hint_due(database, pgs_entries[index].since + pgs_set->patience, wakes);
    wake_for(queue, wakes);
    return true;
}

void
workset_queue_refill(workset_queue *queue, workset_database *database, workset_wakes *wakes)
{
    if (queue->overflow && queue->count <= queue->refill_at && queue->count < pgs_set->free_count)
    {
        queue->overflow = false;
        workset_want_sweep(database, wakes);
    }
    workset_starved_retry(wakes);
}

bool
pgs_work_push(pgs_oid role, int64_t item, int32_t part)
{
    workset_wakes wakes = {0};
    workset_database *database;
    bool pushed = false;

    if (pgs_set == NULL)
        return false;
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    database = workset_database_get(MyDatabaseId);
    if (database != NULL)
        pushed = workset_push(database, role, item, part, 0, &wakes);
    else
        workset_wake_launcher(&wakes);
    LWLockRelease(pgs_set->lock);
    workset_wake_flush(&wakes);
    return pushed;
}

workset_slot *
workset_holder_of(Oid database, int64 item, int32 part)
{
    for (int32 i = 0; i < pgs_set->slot_count; i++)
    {
        workset_slot *slot = &pgs_set->slots[i];

        if (slot->has_work && slot->item == item && slot->part == part
            && slot->database == database && slot != pgs_my_slot)
            return slot;
    }
    return NULL;
}

static bool
take_locked(workset_slot *slot, workset_queue *queue, pgs_work *out)
{
    while (queue->count > 0)
    {
        workset_entry entry = workset_entry_pop(queue);
        workset_slot *holder = workset_holder_of(slot->database, entry.item, entry.part);

        if (holder != NULL)
        {
            holder->dirty = true;
            continue;
        }
        *out = (pgs_work) {.item = entry.item, .part = entry.part, .deaths = entry.deaths,
                           .since = workset_waits_since(queue, &entry)};
        return true;
    }
    return false;
}

static void
begin_work(workset_slot *slot, workset_queue *queue, const pgs_work *work)
{
    TimestampTz now = GetCurrentTimestamp();

    workset_slot_set_idle(slot, false);
    if (slot->state != PGS_SLOT_BUSY)
    {
        slot->since = now;
        slot->state = PGS_SLOT_BUSY;
    }
    if (slot->turn_since == 0)
        slot->turn_since = now;
    slot->taken++;
    slot->work_since = now;
    slot->work_steps = 0;
    slot->has_work = true;
    slot->dirty = false;
    slot->blameless = false;
    slot->item = work->item;
    slot->part = work->part;
    slot->deaths = work->deaths;
    queue->served_at = now;

    /* What was asked of earlier work is answered by reading this one's tables. */
    workset_step_forget(slot);
}

bool
pgs_work_take(pgs_work *out)
{
    workset_slot *slot;
    workset_wakes wakes = {0};
    workset_queue *queue;
    bool found;

    if (pgs_slot_must_leave())
        return false;
    slot = workset_slot_lock_own();
    if (slot == NULL)
        return false;
    /* Again, now that nobody can begin to want the database without seeing what is in hand. */
    if (pgs_slot_must_leave())
    {
        LWLockRelease(pgs_set->lock);
        return false;
    }
    queue = &pgs_set->queues[slot->queue];
    slot->woken = false;
    slot->has_looked = true;
    if (queue->barred)
    {
        queue->barred = false;
        queue->barred_until = GetCurrentTimestamp();
    }
    found = take_locked(slot, queue, out);
    if (found)
        begin_work(slot, queue, out);
    else
    {
        if (slot->state != PGS_SLOT_IDLE)
        {
            slot->state = PGS_SLOT_IDLE;
            slot->since = GetCurrentTimestamp();
        }
        slot->turn_since = 0;
        slot->turn_steps = 0;
        workset_slot_set_idle(slot, true);
    }
    workset_queue_refill(queue, &pgs_databases[slot->database_index], &wakes);
    LWLockRelease(pgs_set->lock);
    workset_wake_flush(&wakes);
    return found;
}

int32_t
pgs_work_deaths(void)
{
    return pgs_my_slot != NULL ? pgs_my_slot->deaths : 0;
}

int32_t
pgs_work_count_death(void)
{
    workset_slot *slot = workset_slot_lock_own();

    if (slot != NULL)
    {
        slot->deaths++;
        LWLockRelease(pgs_set->lock);
    }
    return pgs_work_deaths();
}
