/* SPDX-License-Identifier: PostgreSQL */
/* Shared memory by name, with LWLocks: asked for in the library's init, made when the server starts. */
#include "guard.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "pgs_entry.h"

struct pgs_region
{
    const char *name;
    Size size;
    int32_t lock_count;
    void (*init)(void *memory);
    void *memory;
    LWLockPadded *locks;
    pgs_region *next;
};

int pgs_locks_held = 0;

static pgs_region *regions = NULL;
static shmem_request_hook_type previous_request = NULL;
static shmem_startup_hook_type previous_startup = NULL;

bool
pgs_is_preloading(void)
{
    return process_shared_preload_libraries_in_progress;
}

bool
pgs_is_binary_upgrade(void)
{
    return IsBinaryUpgrade;
}

static void
request_all(void)
{
    if (previous_request != NULL)
        previous_request();
    for (pgs_region *region = regions; region != NULL; region = region->next)
    {
        RequestAddinShmemSpace(region->size);
        if (region->lock_count > 0)
            RequestNamedLWLockTranche(region->name, region->lock_count);
    }
}

static void
start_all(void)
{
    if (previous_startup != NULL)
        previous_startup();
    LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
    for (pgs_region *region = regions; region != NULL; region = region->next)
    {
        bool found;

        region->memory = ShmemInitStruct(region->name, region->size, &found);
        region->locks = region->lock_count > 0 ? GetNamedLWLockTranche(region->name) : NULL;
        if (found)
            continue;
        memset(region->memory, 0, region->size);
        if (region->init != NULL)
            region->init(region->memory);
    }
    LWLockRelease(AddinShmemInitLock);
}

pgs_error *
pgs_region_request(const char *name, size_t size, int32_t locks, void (*init)(void *memory), pgs_region **out)
PGS_GUARD_BEGIN
    pgs_region *region = MemoryContextAllocZero(TopMemoryContext, sizeof(pgs_region));

    region->name = MemoryContextStrdup(TopMemoryContext, name);
    region->size = size;
    region->lock_count = locks;
    region->init = init;
    *out = region;
    if (process_shared_preload_libraries_in_progress)
    {
        if (regions == NULL)
        {
            previous_request = shmem_request_hook;
            shmem_request_hook = request_all;
            previous_startup = shmem_startup_hook;
            shmem_startup_hook = start_all;
        }
        region->next = regions;
        regions = region;
    }
PGS_GUARD_END

void *
pgs_region_memory(const pgs_region *region)
{
    return region->memory;
}

void *
pgs_region_lock(const pgs_region *region, int32_t index)
{
    if (region->locks == NULL || index < 0 || index >= region->lock_count)
        return NULL;
    return &region->locks[index].lock;
}

/* The trap guard looks at pgs_locks_held: a trap under a lock must stop the server. */
pgs_error *
pgs_lwlock_acquire(void *lock, bool exclusive)
PGS_GUARD_BEGIN
    LWLockAcquire(lock, exclusive ? LW_EXCLUSIVE : LW_SHARED);
    pgs_locks_held = 1;
PGS_GUARD_END

void
pgs_lwlock_release(void *lock)
{
    pgs_locks_held = 0;
    LWLockRelease(lock);
}
