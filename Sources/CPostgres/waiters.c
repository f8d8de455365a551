/* SPDX-License-Identifier: PostgreSQL */
/*
 * Sessions that wait for an item to end: who ends it sets their latches after its commit. A place in the array is
 * only a way to hear of it early; a waiter looks at the tables once a second anyway.
 */
#include "guard.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"

#include "pgs_process.h"
#include "pgs_waiters.h"

#define WAITERS_MAX 256

typedef struct waiter
{
    int64 item; /* 0: free */
    Oid database;
    int32 process; /* pgs_latch_own_number() */
} waiter;

typedef struct waiter_board
{
    int count; /* also read without the lock, by who has just committed: who comes later has seen that */
    waiter waiters[WAITERS_MAX];
} waiter_board;

static pgs_region *region = NULL;
static int my_place = -1;

static waiter_board *
board(void)
{
    return region != NULL ? pgs_region_memory(region) : NULL;
}

static LWLock *
board_lock(void)
{
    return pgs_region_lock(region, 0);
}

pgs_error *
pgs_waiters_install(const char *name)
{
    return pgs_region_request(name, sizeof(waiter_board), 1, NULL, &region);
}

static void
leave(int code, Datum arg)
{
    pgs_waiter_leave();
}

pgs_error *
pgs_waiter_enter(int64_t item)
PGS_GUARD_BEGIN
    static bool registered = false;
    waiter_board *at = board();

    if (!registered)
    {
        before_shmem_exit(leave, (Datum) 0);
        registered = true;
    }
    pgs_waiter_leave();
    if (at != NULL)
    {
        LWLockAcquire(board_lock(), LW_EXCLUSIVE);
        for (int i = 0; i < WAITERS_MAX && my_place < 0; i++)
        {
            if (at->waiters[i].item != 0)
                continue;
            at->waiters[i] = (waiter) {.item = item, .database = MyDatabaseId, .process = pgs_latch_own_number()};
            at->count++;
            my_place = i;
        }
        LWLockRelease(board_lock());
    }
PGS_GUARD_END

void
pgs_waiter_leave(void)
{
    waiter_board *at = board();

    if (my_place < 0 || at == NULL)
        return;
    LWLockAcquire(board_lock(), LW_EXCLUSIVE);
    at->waiters[my_place].item = 0;
    at->count--;
    LWLockRelease(board_lock());
    my_place = -1;
}

void
pgs_waiters_wake(int64_t item)
{
    waiter_board *at = board();
    int32 processes[WAITERS_MAX];
    int count = 0;

    if (at == NULL || ((volatile waiter_board *) at)->count == 0)
        return;
    LWLockAcquire(board_lock(), LW_SHARED);
    for (int i = 0; i < WAITERS_MAX; i++)
    {
        if (at->waiters[i].item == item && at->waiters[i].database == MyDatabaseId)
            processes[count++] = at->waiters[i].process;
    }
    LWLockRelease(board_lock());
    for (int i = 0; i < count; i++)
        (void) pgs_latch_set_number(processes[i]);
}
