/* SPDX-License-Identifier: PostgreSQL */
/* Companions in shared memory: who wants one where, what was handed over, and what happens when one side ends. */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "guard.h"
#include "pgs_companion.h"
#include "workset.h"
#include "workset_companion.h"

static workset_slot *
companion_of(workset_slot *slot)
{
    return slot + pgs_set->slot_count;
}

static workset_slot *
executor_of(workset_slot *companion)
{
    return companion - pgs_set->slot_count;
}

static bool
is_alive(const workset_slot *slot)
{
    return slot->state != PGS_SLOT_FREE && slot->state != PGS_SLOT_EXITED;
}

bool
pgs_companion_is_self(void)
{
    return pgs_my_slot != NULL && workset_is_companion(pgs_my_slot);
}

/* ---- The executor's side ---- */

static bool
fits(const workset_slot *companion, const workset_slot *slot, Oid database)
{
    return companion->database == database && companion->role == slot->role
        && companion->owner == slot->generation && !companion->leave;
}

workset_handover
workset_hand_over(Oid database, uint32 segment, uint32 *generation)
{
    workset_slot *slot = pgs_my_slot;
    workset_slot *companion = companion_of(slot);
    workset_handover outcome = WORKSET_HANDOVER_WAIT;
    workset_wakes wakes = {0};

    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    if (slot->refused)
    {
        slot->refused = false;
        slot->wanted = InvalidOid;
        outcome = WORKSET_HANDOVER_REFUSED;
    }
    else if (companion->state == PGS_SLOT_IDLE && companion->request == 0 && fits(companion, slot, database))
    {
        slot->wanted = InvalidOid;
        companion->request = segment;
        *generation = companion->generation;
        workset_wake(&wakes, companion->procno);
        outcome = WORKSET_HANDOVER_DONE;
    }
    else
    {
        if (is_alive(companion) && !fits(companion, slot, database))
        {
            companion->leave = true;
            workset_wake(&wakes, companion->procno);
        }
        if (slot->wanted != database)
            workset_wake_launcher(&wakes);
        slot->wanted = database;
    }
    LWLockRelease(pgs_set->lock);
    workset_wake_flush(&wakes);
    return outcome;
}

void
workset_take_back(void)
{
    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    pgs_my_slot->wanted = InvalidOid;
    pgs_my_slot->refused = false;
    LWLockRelease(pgs_set->lock);
}

bool
workset_companion_is_there(uint32 generation)
{
    workset_slot *companion = companion_of(pgs_my_slot);
    bool is_there;

    LWLockAcquire(pgs_set->lock, LW_SHARED);
    is_there = companion->generation == generation && is_alive(companion);
    LWLockRelease(pgs_set->lock);
    return is_there;
}

/* One of ours is repeated by the launcher; of a cancel by hand there is one, as for any session. */
void
workset_pass_interrupt(uint32 generation)
{
    workset_slot *slot = pgs_my_slot;
    workset_slot *companion = companion_of(slot);

    LWLockAcquire(pgs_set->lock, LW_SHARED);
    if (companion->generation == generation && is_alive(companion))
    {
        if (pgs_slot_was_interrupted())
            (void) workset_interrupt(companion);
        else
        {
            LWLockAcquire(companion->step_lock, LW_EXCLUSIVE);
            if (companion->phase == WORKSET_PHASE_RUNNING && companion->pid != 0)
                kill(companion->pid, SIGINT);
            LWLockRelease(companion->step_lock);
        }
    }
    LWLockRelease(pgs_set->lock);
}

void
workset_companion_dismiss(workset_slot *slot, workset_wakes *wakes)
{
    workset_slot *companion = companion_of(slot);

    slot->wanted = InvalidOid;
    if (!is_alive(companion) || companion->owner != slot->generation)
        return;
    companion->leave = true;
    companion->request = 0;
    if (companion->has_work)
        (void) workset_interrupt(companion);
    workset_wake(wakes, companion->procno);
}

/* ---- The companion's side ---- */

void
workset_companion_is_free(workset_slot *slot, workset_wakes *wakes)
{
    if (executor_of(slot)->generation == slot->owner)
        workset_wake(wakes, executor_of(slot)->procno);
}

uint32
workset_request_take(void)
{
    workset_slot *slot = workset_slot_lock_own();
    uint32 request;

    if (slot == NULL)
        return 0;
    slot->has_looked = true;
    request = slot->request;
    slot->request = 0;
    if (request != 0)
    {
        slot->state = PGS_SLOT_BUSY;
        slot->since = GetCurrentTimestamp();
        slot->has_work = true;
        slot->item = executor_of(slot)->item;
        slot->taken++;
    }
    LWLockRelease(pgs_set->lock);
    return request;
}

void
workset_request_done(void)
{
    workset_slot *slot = workset_slot_lock_own();
    workset_wakes wakes = {0};

    if (slot == NULL)
        return;
    slot->state = PGS_SLOT_IDLE;
    slot->since = GetCurrentTimestamp();
    slot->has_work = false;
    workset_step_forget(slot);
    workset_companion_is_free(slot, &wakes);
    LWLockRelease(pgs_set->lock);
    workset_wake_flush(&wakes);
}

void
workset_companion_exited(workset_slot *slot, workset_wakes *wakes)
{
    workset_slot *executor = executor_of(slot);

    if (executor->generation == slot->owner && is_alive(executor))
    {
        /* It may have turned to another database meanwhile, for which this one was told to leave. */
        if ((slot->state == PGS_SLOT_STARTING || slot->failed_start) && executor->wanted == slot->database)
        {
            executor->refused = true;
            executor->wanted = InvalidOid;
        }
        workset_wake(wakes, executor->procno);
    }
    slot->has_work = false;
    slot->request = 0;
    if (slot->unsettled)
        workset_want_sweep(&pgs_databases[slot->database_index], wakes);
    slot->unsettled = false;
}

void
pgs_prepared_expect(bool is_expected)
{
    /* Its own process alone writes it while it lives. */
    if (pgs_my_slot != NULL)
        ((volatile workset_slot *) pgs_my_slot)->unsettled = is_expected;
}

/* ---- The launcher's side ---- */

int32_t
pgs_launcher_companions(pgs_companion_view *out, int32_t max)
{
    int32 count = 0;

    LWLockAcquire(pgs_set->lock, LW_SHARED);
    for (int32 i = 0; i < pgs_set->slot_count && count < max; i++)
    {
        workset_slot *slot = &pgs_set->slots[i];
        workset_slot *companion = companion_of(slot);
        Oid wanted = is_alive(slot) && !is_alive(companion) ? slot->wanted : InvalidOid;
        workset_database *database = OidIsValid(wanted) ? workset_database_find(wanted) : NULL;

        if (companion->state == PGS_SLOT_FREE && !OidIsValid(wanted))
            continue;
        out[count++] = (pgs_companion_view) {
            .executor = i,
            .executor_generation = slot->generation,
            .role = slot->role,
            .wanted = wanted,
            .is_vacated = database != NULL && (database->vacate > 0 || database->quiesce > 0),
            .slot = (int32) (companion - pgs_set->slots),
            .generation = companion->generation,
            .state = companion->state,
            .leave_asked = companion->leave,
            .gone = companion->gone,
        };
    }
    LWLockRelease(pgs_set->lock);
    return count;
}

/* The row of the database; a new one is not looked into for that: nobody has work there. */
static workset_database *
get_database(Oid oid)
{
    bool is_new = workset_database_find(oid) == NULL;
    workset_database *database = workset_database_make(oid);

    if (database != NULL && is_new)
    {
        database->sweep = false;
        /* Whether the row is of use for more than that, is found out when it is needed for another database. */
        database->stale = true;
    }
    return database;
}

static pgs_start
reserve(int32 executor, uint32 executor_generation, workset_slot **out)
{
    workset_slot *slot = &pgs_set->slots[executor];
    workset_slot *companion = companion_of(slot);
    LWLock *step_lock = companion->step_lock;
    workset_database *database;

    if (slot->generation != executor_generation || !is_alive(slot) || !OidIsValid(slot->wanted)
        || companion->state != PGS_SLOT_FREE)
        return PGS_START_NOT_WANTED;
    database = get_database(slot->wanted);
    if (database == NULL)
        return PGS_START_NO_DATABASE;
    memset(companion, 0, sizeof(workset_slot));
    companion->step_lock = step_lock;
    companion->state = PGS_SLOT_STARTING;
    companion->generation = ++pgs_set->next_generation;
    companion->owner = slot->generation;
    companion->procno = WORKSET_NONE;
    companion->database = slot->wanted;
    companion->role = slot->role;
    companion->database_index = (int32) (database - pgs_databases);
    companion->since = GetCurrentTimestamp();
    database->slots++;
    *out = companion;
    return PGS_START_DONE;
}

pgs_error *
pgs_launcher_start_companion(int32_t executor, uint32_t executor_generation, pgs_start *out)
PGS_GUARD_BEGIN
    workset_slot *companion = NULL;

    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    *out = reserve(executor, executor_generation, &companion);
    LWLockRelease(pgs_set->lock);
    if (companion != NULL)
        *out = workset_start_worker(companion);
PGS_GUARD_END

void
pgs_launcher_refuse_companion(int32_t index, uint32_t generation)
{
    workset_wakes wakes = {0};
    workset_slot *slot = &pgs_set->slots[index];

    LWLockAcquire(pgs_set->lock, LW_EXCLUSIVE);
    if (slot->generation == generation && is_alive(slot) && OidIsValid(slot->wanted))
    {
        slot->refused = true;
        slot->wanted = InvalidOid;
        workset_wake(&wakes, slot->procno);
    }
    LWLockRelease(pgs_set->lock);
    workset_wake_flush(&wakes);
}
