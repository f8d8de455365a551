/* SPDX-License-Identifier: PostgreSQL */
/* Slots: the executors' places, and what each has in hand. */
#include "postgres.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"

#include "workset.h"

workset_slot *pgs_my_slot = NULL;

/*
 * Takes the lock. NULL, and not locked: this process has no place, or a launcher has given it away that took us for
 * gone.
 */
workset_slot *
workset_slot_lock_own(void)
{
    workset_slot *slot = pgs_my_slot;

    if (slot == NULL)
        return NULL;
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    if (slot->pid == MyProcPid)
        return slot;
    LWLockRelease(pgs_set->lock);
    return NULL;
}

/* Keeps the queue's number of idle executors that a push may wake. */
void
workset_slot_set_idle(workset_slot *slot, bool idle)
{
    workset_queue *queue = &pgs_set->queues[slot->queue];

    if (workset_is_companion(slot))
        return;
    if (slot->counted_idle != idle)
        queue->idle += idle ? 1 : -1;
    slot->counted_idle = idle;
}

/* Gives the work in hand back, if there is any. */
static void
put_back(workset_slot *slot, int32 deaths, workset_wakes *wakes)
{
    workset_database *database = &pgs_databases[slot->database_index];

    if (!slot->has_work)
        return;
    slot->has_work = false;
    slot->dirty = false;
    (void) workset_push(database, slot->role, slot->item, slot->part, deaths, wakes);
}

static void
executor_exited(workset_slot *slot, workset_wakes *wakes)
{
    workset_slot_set_idle(slot, false);
    if (slot->state == PGS_SLOT_STARTING)
        slot->failed_start = true;
    workset_companion_dismiss(slot, wakes);
    if (slot->has_work)
    {
        put_back(slot, slot->deaths + (slot->died_at_work && !slot->blameless ? 1 : 0), wakes);
        /* The hint that it began with may have been for a part that it left since. */
        workset_want_sweep(&pgs_databases[slot->database_index], wakes);
    }
    pgs_set->queues[slot->queue].told = false;
}

void
workset_slot_exited(workset_slot *slot, workset_wakes *wakes)
{
    if (workset_is_companion(slot))
        workset_companion_exited(slot, wakes);
    else
        executor_exited(slot, wakes);
    slot->state = PGS_SLOT_EXITED;
    slot->since = GetCurrentTimestamp();
    slot->pid = 0;
    slot->procno = WORKSET_NONE;
    workset_step_forget(slot);
    workset_wake_launcher(wakes);
}

/*
 * The process ends, in whatever way: after its transaction was rolled back, and in plain C, since the frames of
 * another language may still be on the stack below.
 */
static void
detach(int code, Datum argument)
{
    workset_slot *slot = workset_slot_lock_own();
    workset_wakes wakes = {0};
    bool was_asked;

    if (slot == NULL)
        return;
    was_asked = pgs_slot_must_leave();
    slot->died_at_work = slot->has_work && !was_asked && slot->interrupts < WORKSET_INTERRUPTS_MAX;
    /* It may not work there, or cannot: another one started at once would do no better. */
    slot->failed_start = !slot->has_looked && !was_asked
        && (workset_is_companion(slot) || pgs_set->queues[slot->queue].count > 0);
    pgs_my_slot = NULL;
    workset_slot_exited(slot, &wakes);
    LWLockRelease(pgs_set->lock);
    workset_wake_flush(&wakes);
}

bool
pgs_executor_attach(uint64_t main_arg, pgs_oid *database, pgs_oid *role)
{
    workset_ticket ticket;
    workset_slot *slot;
    workset_wakes wakes = {0};
    bool attached = false;

    if (pgs_set == NULL || MyBgworkerEntry == NULL || main_arg >= (uint64) WORKSET_PLACES)
        return false;
    memcpy(&ticket, MyBgworkerEntry->bgw_extra, sizeof(ticket));
    if (ticket.boot != pgs_set->boot)
        return false;
    slot = &pgs_set->slots[main_arg];
    before_shmem_exit(detach, (Datum) 0);
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    if (slot->state == PGS_SLOT_STARTING && slot->generation == ticket.generation)
    {
        slot->state = PGS_SLOT_IDLE;
        slot->since = GetCurrentTimestamp();
        slot->pid = MyProcPid;
        slot->procno = pgs_latch_own_number();
        slot->settings = workset_settings(slot->database, slot->role);
        *database = slot->database;
        *role = slot->role;
        pgs_my_slot = slot;
        attached = true;
        if (workset_is_companion(slot))
            workset_companion_is_free(slot, &wakes);
    }
    LWLockRelease(pgs_set->lock);
    workset_wake_flush(&wakes);
    return attached;
}

bool
pgs_work_finish(void)
{
    workset_slot *slot = workset_slot_lock_own();
    bool again;

    if (slot == NULL)
        return false;
    again = slot->dirty;
    slot->dirty = false;
    if (!again)
        slot->has_work = false;
    pgs_databases[slot->database_index].stale = true;
    workset_step_forget(slot);
    LWLockRelease(pgs_set->lock);
    return again;
}

void
pgs_work_yield(int32_t part)
{
    workset_slot *slot = workset_slot_lock_own();
    workset_wakes wakes = {0};

    if (slot == NULL)
        return;
    if (slot->has_work && slot->part != part)
    {
        if (slot->dirty)
            put_back(slot, 0, &wakes);
        slot->has_work = true;
        slot->part = part;
        slot->deaths = 0;
    }
    put_back(slot, slot->deaths, &wakes);
    pgs_databases[slot->database_index].stale = true;
    workset_step_forget(slot);
    LWLockRelease(pgs_set->lock);
    workset_wake_flush(&wakes);
}

bool
pgs_work_switch(int32_t part)
{
    workset_slot *slot = pgs_my_slot;
    workset_wakes wakes = {0};
    workset_slot *holder;

    /* The owner alone changes these. */
    if (slot == NULL || !slot->has_work || slot->part == part)
        return true;
    if (workset_slot_lock_own() == NULL)
        return false;
    holder = workset_holder_of(slot->database, slot->item, part);
    if (holder != NULL)
        holder->dirty = true;
    else
    {
        /* It was left because it got on: who died of it before did so at an earlier step. */
        if (slot->dirty)
            put_back(slot, 0, &wakes);
        slot->has_work = true;
        slot->part = part;
        slot->deaths = 0;
        LWLockAcquire(slot->step_lock, LW_EXCLUSIVE);
        slot->interrupt_next = slot->interrupt_next || slot->interrupt_on_switch;
        slot->interrupt_on_switch = false;
        LWLockRelease(slot->step_lock);
    }
    LWLockRelease(pgs_set->lock);
    workset_wake_flush(&wakes);
    return holder == NULL;
}

int32_t
pgs_work_part(void)
{
    return pgs_my_slot != NULL && pgs_my_slot->has_work ? pgs_my_slot->part : -1;
}

void
pgs_work_blameless(void)
{
    if (pgs_my_slot != NULL)
        pgs_my_slot->blameless = true;
}

void
pgs_work_progressed(void)
{
    if (pgs_my_slot != NULL)
        pgs_my_slot->deaths = 0;
}

void
pgs_executor_gives_up(void)
{
    if (pgs_my_slot != NULL)
        pgs_my_slot->gave_up = true;
}

uint32
workset_settings(Oid database, Oid role)
{
    return pg_atomic_read_u32(&pgs_set->settings_generations[0])
        + pg_atomic_read_u32(&pgs_set->settings_generations[workset_settings_bucket(database)])
        + pg_atomic_read_u32(&pgs_set->settings_generations[workset_settings_bucket(role)]);
}

uint32_t
pgs_role_settings(pgs_oid role)
{
    return workset_settings(InvalidOid, role);
}

void
workset_settings_changed(uint64 buckets, workset_wakes *wakes)
{
    if (buckets == 0)
        return;
    for (int32 i = 0; i < WORKSET_SETTINGS; i++)
    {
        if (buckets & (UINT64CONST(1) << i))
            pg_atomic_fetch_add_u32(&pgs_set->settings_generations[i], 1);
    }
    for (int32 i = 0; i < WORKSET_PLACES; i++)
        workset_wake(wakes, ((volatile workset_slot *) &pgs_set->slots[i])->procno);
    workset_wake_launcher(wakes);
}

bool
pgs_slot_must_leave(void)
{
    volatile workset_slot *slot = pgs_my_slot;
    volatile workset_database *database;

    if (slot == NULL)
        return false;
    database = &pgs_databases[slot->database_index];
    return slot->pid != MyProcPid || slot->leave || ((volatile workset *) pgs_set)->stopped || database->vacate > 0
        || database->quiesce > 0
        || slot->settings != workset_settings(slot->database, slot->role);
}

bool
pgs_slot_should_yield(void)
{
    volatile workset_slot *slot = pgs_my_slot;

    if (slot == NULL)
        return false;
    if (pgs_slot_must_leave())
        return true;
    if (((volatile workset_queue *) &pgs_set->queues[slot->queue])->count == 0)
        return false;
    return slot->work_steps >= WORKSET_TURN_STEPS
        || GetCurrentTimestamp() - slot->work_since >= WORKSET_TURN_MICROSECONDS;
}
