/* SPDX-License-Identifier: PostgreSQL */
/* Where the exchange is in shared memory, and its chains of blocks. */
#include "guard.h"

#include "port/pg_bitutils.h"

#include "exchange.h"
#include "pgs_entry.h"

exchange_arrays exchange_at;

static pgs_region *region = NULL;
static int32 wanted_places = 0;
static int32 wanted_blocks = 0;

/* A question has its entry before it has a place: so many may wait. */
static int32
entry_count(void)
{
    return Max(4 * wanted_places, 1024);
}

/* An entry refers to one role and one host at most. */
static int32
party_count(void)
{
    return 2 * entry_count();
}

static int32
bucket_count(void)
{
    return (int32) pg_nextpower2_32((uint32) entry_count());
}

/* The size of it all; sets the addresses when there is a `base`. The counts are far from what could overflow. */
static Size
lay_out(char *base)
{
    Size entries = MAXALIGN(sizeof(exchange));
    Size buckets = entries + MAXALIGN(entry_count() * sizeof(question));
    Size parties = buckets + MAXALIGN(bucket_count() * sizeof(int32));
    Size party_buckets = parties + MAXALIGN(party_count() * sizeof(party));
    Size block_next = party_buckets + MAXALIGN(bucket_count() * sizeof(int32));
    Size blocks = block_next + MAXALIGN(wanted_blocks * sizeof(int32));

    if (base != NULL)
        exchange_at = (exchange_arrays) {
            .entries = (question *) (base + entries),
            .buckets = (int32 *) (base + buckets),
            .parties = (party *) (base + parties),
            .party_buckets = (int32 *) (base + party_buckets),
            .block_next = (int32 *) (base + block_next),
            .blocks = base + blocks,
        };
    return blocks + (Size) wanted_blocks * EXCHANGE_BLOCK;
}

/* Once per start of the server; the memory is zero, and its blocks stay untouched until they are used. */
static void
initialise(void *memory)
{
    exchange *ex = memory;

    lay_out(memory);
    ex->entry_count = entry_count();
    ex->place_count = wanted_places;
    ex->pool_blocks = wanted_blocks / EXCHANGE_POOLS;
    ex->bucket_count = bucket_count();
    ex->grant_turn = ex->take_turn = EXCHANGE_NONE;
    ex->taken_back = (entry_list) {EXCHANGE_NONE, EXCHANGE_NONE};
    for (int32 i = 0; i < ex->bucket_count; i++)
        exchange_at.buckets[i] = exchange_at.party_buckets[i] = EXCHANGE_NONE;
    for (int32 i = 0; i < ex->entry_count; i++)
        exchange_at.entries[i].next = i + 1 < ex->entry_count ? i + 1 : EXCHANGE_NONE;
    for (int32 i = 0; i < party_count(); i++)
        exchange_at.parties[i].next = i + 1 < party_count() ? i + 1 : EXCHANGE_NONE;
    for (int32 i = 0; i < wanted_blocks; i++)
        exchange_at.block_next[i] = i + 1 < wanted_blocks ? i + 1 : EXCHANGE_NONE;
}

exchange *
exchange_shared(void)
{
    exchange *found = region == NULL ? NULL : pgs_region_memory(region);

    if (found != NULL && found->lock == NULL)
        found->lock = pgs_region_lock(region, 0); /* the same value from whoever comes first */
    if (found != NULL && exchange_at.entries == NULL)
        lay_out((char *) found);
    return found;
}

pgs_error *
pgs_exchange_request(int32_t places, int64_t memory)
{
    wanted_places = Min(Max(places, 1), 1000000);
    wanted_blocks = (int32) Min(Max(memory / EXCHANGE_BLOCK, EXCHANGE_POOLS), INT32_MAX - EXCHANGE_POOLS);
    wanted_blocks -= wanted_blocks % EXCHANGE_POOLS;
    return pgs_region_request("message_exchange", lay_out(NULL), 1, initialise, &region);
}

/* ---------------------------------------------------------------- chains of blocks */

static char *
block(int32 index)
{
    return exchange_at.blocks + (Size) index * EXCHANGE_BLOCK;
}

bool
exchange_has_blocks(exchange *ex, const party *role, exchange_pool pool, int32 blocks)
{
    int32 available = ex->pool_blocks - ex->pool_used[pool];

    return blocks <= available && role->blocks[pool] < available;
}

void
exchange_charge(exchange *ex, question *of, exchange_pool pool, int32 blocks)
{
    of->pool = pool;
    of->blocks = blocks;
    of->first_block = EXCHANGE_NONE;
    ex->pool_used[pool] += blocks;
    exchange_at.parties[of->role_party].blocks[pool] += blocks;
}

void
exchange_uncharge(exchange *ex, question *of)
{
    int32 last = of->first_block;

    if (last != EXCHANGE_NONE)
    {
        while (exchange_at.block_next[last] != EXCHANGE_NONE)
            last = exchange_at.block_next[last];
        exchange_at.block_next[last] = ex->free_block;
        ex->free_block = of->first_block;
    }
    ex->pool_used[of->pool] -= of->blocks;
    exchange_at.parties[of->role_party].blocks[of->pool] -= of->blocks;
    of->blocks = 0;
    of->first_block = EXCHANGE_NONE;
    of->length = 0;
}

/* Both pools' charges are never more than the blocks there are. */
void
exchange_link_blocks(exchange *ex, question *of, Size length)
{
    int32 *link = &of->first_block;

    for (int32 i = 0; i < of->blocks; i++)
    {
        *link = ex->free_block;
        ex->free_block = exchange_at.block_next[ex->free_block];
        link = &exchange_at.block_next[*link];
    }
    *link = EXCHANGE_NONE;
    of->length = length;
}

void
exchange_write(const question *of, Size at, const uint8_t *bytes, Size length)
{
    int32 index = of->first_block;

    for (; at >= EXCHANGE_BLOCK; at -= EXCHANGE_BLOCK)
        index = exchange_at.block_next[index];
    while (length > 0)
    {
        Size part = Min(length, EXCHANGE_BLOCK - at);

        memcpy(block(index) + at, bytes, part);
        bytes += part;
        length -= part;
        at = 0;
        index = exchange_at.block_next[index];
    }
}

void
exchange_read(const question *of, uint8_t *bytes)
{
    Size left = of->length;

    for (int32 index = of->first_block; left > 0; index = exchange_at.block_next[index])
    {
        Size part = Min(left, EXCHANGE_BLOCK);

        memcpy(bytes, block(index), part);
        bytes += part;
        left -= part;
    }
}

/* What is asked and answered may hold secrets. */
void
exchange_wipe(const question *of)
{
    Size left = of->length;

    for (int32 index = of->first_block; left > 0; index = exchange_at.block_next[index])
    {
        Size part = Min(left, EXCHANGE_BLOCK);

        memset(block(index), 0, part);
        left -= part;
    }
}
