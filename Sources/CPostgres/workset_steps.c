/* SPDX-License-Identifier: PostgreSQL */
/* The step that runs in a slot: when it may be interrupted, and that the interrupt hits no other. */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "workset.h"

/* What was asked of this work is answered by whoever reads its tables next. */
void
workset_step_forget(workset_slot *slot)
{
    LWLockAcquire(slot->step_lock, LW_EXCLUSIVE);
    slot->phase = WORKSET_PHASE_NONE;
    slot->interrupted = false;
    slot->interrupt_next = false;
    slot->interrupt_on_switch = false;
    LWLockRelease(slot->step_lock);
    slot->isolated = false;
}

void
pgs_slot_begin_step(void)
{
    workset_slot *slot = pgs_my_slot;

    if (slot == NULL)
        return;
    slot->turn_steps++;
    slot->work_steps++;
    LWLockAcquire(slot->step_lock, LW_EXCLUSIVE);
    QueryCancelPending = false;
    slot->phase = WORKSET_PHASE_RUNNING;
    slot->interrupted = slot->interrupt_next;
    slot->interrupts = 0;
    slot->interrupted_at = 0;
    slot->interrupt_next = false;
    if (slot->interrupted)
    {
        slot->interrupts = 1;
        slot->interrupted_at = GetCurrentTimestamp();
        QueryCancelPending = true;
        InterruptPending = true;
    }
    LWLockRelease(slot->step_lock);
}

bool
pgs_slot_begin_commit(void)
{
    workset_slot *slot = pgs_my_slot;
    bool clear;

    if (slot == NULL)
        return true;
    LWLockAcquire(slot->step_lock, LW_EXCLUSIVE);
    clear = !slot->interrupted && slot->pid == MyProcPid;
    slot->phase = clear ? WORKSET_PHASE_COMMITTING : WORKSET_PHASE_NONE;
    LWLockRelease(slot->step_lock);
    return clear;
}

void
pgs_slot_end_step(void)
{
    workset_slot *slot = pgs_my_slot;

    if (slot == NULL)
        return;
    LWLockAcquire(slot->step_lock, LW_EXCLUSIVE);
    slot->phase = WORKSET_PHASE_NONE;
    LWLockRelease(slot->step_lock);
    /* Its own process alone sets it. */
    slot->isolated = false;
}

bool
pgs_slot_isolate(void)
{
    workset_slot *slot = workset_slot_lock_own();
    bool is_alone = true;

    if (slot == NULL)
        return true;
    for (int32 i = 0; i < pgs_set->slot_count; i++)
    {
        volatile workset_slot *other = &pgs_set->slots[i];

        if (other != slot && other->isolated && other->database == slot->database && other->pid != 0)
            is_alone = false;
    }
    slot->isolated = is_alone;
    LWLockRelease(pgs_set->lock);
    return is_alone;
}

bool
pgs_slot_was_interrupted(void)
{
    return pgs_my_slot != NULL && ((volatile workset_slot *) pgs_my_slot)->interrupted;
}

/* `kill` under the step lock: the process cannot have begun another step, nor have left. */
bool
workset_interrupt(workset_slot *slot)
{
    bool was_running;

    if (slot == pgs_my_slot)
        return false;
    LWLockAcquire(slot->step_lock, LW_EXCLUSIVE);
    was_running = slot->phase == WORKSET_PHASE_RUNNING && slot->pid != 0;
    if (was_running)
    {
        slot->interrupted = true;
        if (slot->interrupts == 0)
        {
            slot->interrupts = 1;
            slot->interrupted_at = GetCurrentTimestamp();
        }
        kill(slot->pid, SIGINT);
    }
    else
        slot->interrupt_next = true;
    LWLockRelease(slot->step_lock);
    return was_running;
}

bool
workset_interrupt_part(workset_slot *slot, int32 part)
{
    if (part < 0 || slot->part < 0 || slot->part == part)
        return workset_interrupt(slot);
    if (slot == pgs_my_slot)
        return false;
    LWLockAcquire(slot->step_lock, LW_EXCLUSIVE);
    slot->interrupt_on_switch = true;
    LWLockRelease(slot->step_lock);
    return false;
}

void
workset_terminate(workset_slot *slot)
{
    LWLockAcquire(slot->step_lock, LW_EXCLUSIVE);
    if (slot->phase != WORKSET_PHASE_COMMITTING && slot->pid != 0)
        kill(slot->pid, SIGTERM);
    LWLockRelease(slot->step_lock);
}
