/* SPDX-License-Identifier: PostgreSQL */
/*
 * Sessions that wait for an item to end: who ends it sets their latches after its commit. A place in the array is
 * only a way to hear of it early; a waiter looks at the tables once a second anyway.
 */
#include "guard.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/snapmgr.h"

#include "pgs_waiters.h"

#define WAITERS_MAX 256

typedef struct waiter
{
    int64 item; /* 0: free */
    Oid database;
    Latch *latch;
} waiter;

typedef struct waiter_board
{
    slock_t lock;
    int count;
    waiter waiters[WAITERS_MAX];
} waiter_board;

static waiter_board *board = NULL;
static int my_place = -1;

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static void
request(void)
{
    if (previous_request_hook)
        previous_request_hook();
    RequestAddinShmemSpace(sizeof(waiter_board));
}

static void
startup(void)
{
    bool found;

    if (previous_startup_hook)
        previous_startup_hook();
    LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
    board = ShmemInitStruct("pgs waiters", sizeof(waiter_board), &found);
    if (!found)
    {
        memset(board, 0, sizeof(waiter_board));
        SpinLockInit(&board->lock);
    }
    LWLockRelease(AddinShmemInitLock);
}

void
pgs_waiters_install(void)
{
    if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
        return;
    previous_request_hook = shmem_request_hook;
    shmem_request_hook = request;
    previous_startup_hook = shmem_startup_hook;
    shmem_startup_hook = startup;
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

    if (!registered)
    {
        before_shmem_exit(leave, (Datum) 0);
        registered = true;
    }
    pgs_waiter_leave();
    if (board != NULL)
    {
        SpinLockAcquire(&board->lock);
        for (int i = 0; i < WAITERS_MAX; i++)
            if (board->waiters[i].item == 0)
            {
                board->waiters[i] = (waiter) {.item = item, .database = MyDatabaseId, .latch = MyLatch};
                board->count++;
                my_place = i;
                break;
            }
        SpinLockRelease(&board->lock);
    }
PGS_GUARD_END

void
pgs_waiter_leave(void)
{
    if (my_place < 0)
        return;
    SpinLockAcquire(&board->lock);
    board->waiters[my_place].item = 0;
    board->count--;
    SpinLockRelease(&board->lock);
    my_place = -1;
}

void
pgs_waiters_wake(int64_t item)
{
    Latch *latches[WAITERS_MAX];
    int count = 0;

    if (board == NULL || board->count == 0)
        return;
    SpinLockAcquire(&board->lock);
    for (int i = 0; i < WAITERS_MAX; i++)
        if (board->waiters[i].item == item && board->waiters[i].database == MyDatabaseId)
            latches[count++] = board->waiters[i].latch;
    SpinLockRelease(&board->lock);
    /* a process that has left meanwhile, or its successor in the same place, is woken for nothing */
    for (int i = 0; i < count; i++)
        SetLatch(latches[i]);
}

pgs_error *
pgs_nonatomic_begin(void)
PGS_GUARD_BEGIN
    if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
        elog(ERROR, "SPI_connect failed");
PGS_GUARD_END

pgs_error *
pgs_nonatomic_release(void)
PGS_GUARD_BEGIN
    SPI_commit();
    InvalidateCatalogSnapshotConditionally();
PGS_GUARD_END

pgs_error *
pgs_nonatomic_end(void)
PGS_GUARD_BEGIN
    SPI_finish();
PGS_GUARD_END
