/* SPDX-License-Identifier: PostgreSQL */
/* The entries of the exchange, and what each role and host has of it. */
#include "postgres.h"

#include "miscadmin.h"

#include "exchange.h"

static int32 *
bucket_of(exchange *ex, Oid database, int64 item)
{
    uint64 hash = ((uint64) item ^ ((uint64) database << 32)) * UINT64CONST(0x9E3779B97F4A7C15);

    return &exchange_at.buckets[(hash >> 32) & (uint64) (ex->bucket_count - 1)];
}

static int32 *
party_bucket_of(exchange *ex, uint32 key, bool is_host)
{
    uint64 hash = ((uint64) key + (is_host ? UINT64CONST(1) << 32 : 0)) * UINT64CONST(0x9E3779B97F4A7C15);

    return &exchange_at.party_buckets[(hash >> 32) & (uint64) (ex->bucket_count - 1)];
}

int32
exchange_next_of(exchange *ex, Oid database, int64 item, int32 from)
{
    int32 index =
        from == EXCHANGE_NONE ? *bucket_of(ex, database, item) : exchange_at.entries[from].bucket_next;

    while (index != EXCHANGE_NONE)
    {
        const question *of = &exchange_at.entries[index];

        if (of->item == item && of->database == database && of->state != QUESTION_WIPING)
            return index;
        index = of->bucket_next;
    }
    return EXCHANGE_NONE;
}

static void
join_round(exchange *ex, party *role)
{
    int32 index = (int32) (role - exchange_at.parties);

    if (ex->grant_turn == EXCHANGE_NONE)
    {
        role->next = role->previous = index;
        ex->grant_turn = ex->take_turn = index;
        return;
    }
    /* Before the one whose turn it is: at the end of the round. */
    role->next = ex->grant_turn;
    role->previous = exchange_at.parties[ex->grant_turn].previous;
    exchange_at.parties[role->previous].next = index;
    exchange_at.parties[role->next].previous = index;
}

static void
leave_round(exchange *ex, party *role)
{
    int32 index = (int32) (role - exchange_at.parties);

    if (role->next == index)
    {
        ex->grant_turn = ex->take_turn = EXCHANGE_NONE;
        return;
    }
    exchange_at.parties[role->previous].next = role->next;
    exchange_at.parties[role->next].previous = role->previous;
    if (ex->grant_turn == index)
        ex->grant_turn = role->next;
    if (ex->take_turn == index)
        ex->take_turn = role->next;
}

static int32
party_find(exchange *ex, uint32 key, bool is_host)
{
    int32 index = *party_bucket_of(ex, key, is_host);

    while (index != EXCHANGE_NONE
           && (exchange_at.parties[index].key != key || exchange_at.parties[index].is_host != is_host))
        index = exchange_at.parties[index].bucket_next;
    return index;
}

static int32
party_join(exchange *ex, uint32 key, bool is_host)
{
    int32 *bucket = party_bucket_of(ex, key, is_host);
    int32 index = party_find(ex, key, is_host);

    if (index == EXCHANGE_NONE)
    {
        party *of;

        index = ex->free_party;
        of = &exchange_at.parties[index];
        ex->free_party = of->next;
        memset(of, 0, sizeof(party));
        of->key = key;
        of->is_host = is_host;
        of->waiting = of->queued = (entry_list) {EXCHANGE_NONE, EXCHANGE_NONE};
        of->bucket_next = *bucket;
        *bucket = index;
        if (!is_host)
            join_round(ex, of);
    }
    exchange_at.parties[index].entries++;
    return index;
}

void
exchange_leave_party(exchange *ex, int32 index)
{
    party *of = &exchange_at.parties[index];
    int32 *link;

    if (index == EXCHANGE_NONE)
        return;
    of->entries--;
    if (of->overflow && of->entries <= of->refill_at)
    {
        of->overflow = false;
        ex->wants_sweep = true;
    }
    if (of->entries > 0)
        return;
    link = party_bucket_of(ex, of->key, of->is_host);
    while (*link != index)
        link = &exchange_at.parties[*link].bucket_next;
    *link = of->bucket_next;
    if (!of->is_host)
        leave_round(ex, of);
    of->next = ex->free_party;
    ex->free_party = index;
}

void
exchange_enlist(entry_list *list, question *of)
{
    of->next = EXCHANGE_NONE;
    of->previous = list->tail;
    if (list->tail == EXCHANGE_NONE)
        list->head = exchange_index(of);
    else
        exchange_at.entries[list->tail].next = exchange_index(of);
    list->tail = exchange_index(of);
}

void
exchange_delist(entry_list *list, question *of)
{
    if (of->previous == EXCHANGE_NONE)
        list->head = of->next;
    else
        exchange_at.entries[of->previous].next = of->next;
    if (of->next == EXCHANGE_NONE)
        list->tail = of->previous;
    else
        exchange_at.entries[of->next].previous = of->previous;
}

question *
exchange_wish(exchange *ex, Oid role, int64 item, int32 part, uint32 group, int32 blocks)
{
    int32 known = party_find(ex, role, false);
    int32 available = ex->entry_count - ex->used;
    question *of = &exchange_at.entries[ex->free_entry];
    int32 *bucket = bucket_of(ex, MyDatabaseId, item);
    uint32 generation;

    if (known != EXCHANGE_NONE && exchange_at.parties[known].entries >= available)
    {
        party *of_role = &exchange_at.parties[known];

        of_role->refill_at = of_role->overflow ? of_role->refill_at : of_role->entries / 2;
        of_role->overflow = true;
        return NULL;
    }
    if (available == 0)
    {
        ex->starved = true;
        return NULL;
    }
    generation = of->generation;
    ex->free_entry = of->next;
    ex->used++;
    memset(of, 0, sizeof(question));
    of->state = QUESTION_WAITING;
    of->generation = generation + 1;
    of->database = MyDatabaseId;
    of->role = role;
    of->item = item;
    of->part = part;
    of->group = group;
    of->wanted = blocks;
    of->first_block = EXCHANGE_NONE;
    of->role_party = party_join(ex, role, false);
    of->host_party = group == 0 ? EXCHANGE_NONE : party_join(ex, group, true);
    of->bucket_next = *bucket;
    *bucket = exchange_index(of);
    exchange_enlist(&exchange_at.parties[of->role_party].waiting, of);
    ex->waiting++;
    return of;
}

void
exchange_give_entry(exchange *ex, question *of)
{
    int32 *link = bucket_of(ex, of->database, of->item);

    while (*link != exchange_index(of))
        link = &exchange_at.entries[*link].bucket_next;
    *link = of->bucket_next;
    exchange_uncharge(ex, of);
    exchange_leave_party(ex, of->role_party);
    exchange_leave_party(ex, of->host_party);
    of->state = QUESTION_FREE;
    of->next = ex->free_entry;
    ex->free_entry = exchange_index(of);
    ex->used--;
    if (ex->starved && ex->entry_count - ex->used >= ex->entry_count / 16)
    {
        ex->starved = false;
        ex->wants_sweep = true;
    }
}
