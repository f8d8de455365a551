/* SPDX-License-Identifier: PostgreSQL */
/* Limits on how often something happens, and how often it has; see pgs_rate.h. */
#include "guard.h"

#include "port/atomics.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"

#include "pgs_rate.h"

#define KEYS 1024
#define PROBES 16

/* Each event moves the instant on by its share of a second; it may be a second ahead of the clock. */
typedef struct rate_entry
{
    Oid key;
    TimestampTz used_until; /* in the past: as if there were no entry */
} rate_entry;

typedef struct rate_board
{
    rate_entry entries[KEYS];
    pg_atomic_uint64 tallies[KEYS];
} rate_board;

static pgs_region *region = NULL;

static void
initialise(void *memory)
{
    for (int i = 0; i < KEYS; i++)
        pg_atomic_init_u64(&((rate_board *) memory)->tallies[i], 0);
}

static rate_board *
board(void)
{
    return region != NULL ? pgs_region_memory(region) : NULL;
}

static uint32
place_of(Oid key)
{
    return (((uint32) key * 2654435769u) >> 8) % KEYS;
}

pgs_error *
pgs_rate_install(const char *name)
{
    return pgs_region_request(name, sizeof(rate_board), 1, initialise, &region);
}

/* The key's entry, or one that says nothing any more; NULL when all that it may have are in use. */
static rate_entry *
entry_of(rate_entry *entries, Oid key, TimestampTz now)
{
    uint32 start = place_of(key);
    rate_entry *stale = NULL;

    for (uint32 i = 0; i < PROBES; i++)
    {
        rate_entry *entry = &entries[(start + i) % KEYS];

        if (entry->key == key)
            return entry;
        if (stale == NULL && entry->used_until <= now)
            stale = entry;
    }
    if (stale != NULL)
        *stale = (rate_entry) {.key = key};
    return stale;
}

pgs_error *
pgs_rate_take(pgs_oid key, int32_t per_second, bool *out)
PGS_GUARD_BEGIN
    rate_board *at = board();

    *out = true;
    if (at != NULL && per_second > 0)
    {
        TimestampTz now = GetCurrentTimestamp();
        int64 share = Max(USECS_PER_SEC / per_second, 1);
        rate_entry *entry;

        LWLockAcquire(pgs_region_lock(region, 0), LW_EXCLUSIVE);
        entry = entry_of(at->entries, key, now);
        if (entry != NULL)
        {
            /* a clock that was set back must not lock anybody out */
            TimestampTz from = entry->used_until > now + USECS_PER_SEC ? now : Max(entry->used_until, now);

            *out = from + share <= now + USECS_PER_SEC;
            if (*out)
                entry->used_until = from + share;
        }
        LWLockRelease(pgs_region_lock(region, 0));
    }
PGS_GUARD_END

uint64_t
pgs_tally_add(pgs_oid key)
{
    rate_board *at = board();

    return at != NULL ? pg_atomic_add_fetch_u64(&at->tallies[place_of(key)], 1) : 0;
}

uint64_t
pgs_tally_read(pgs_oid key)
{
    rate_board *at = board();

    return at != NULL ? pg_atomic_read_u64(&at->tallies[place_of(key)]) : 0;
}
