/* SPDX-License-Identifier: PostgreSQL */
/*
 * The layout of the exchange in shared memory; see pgs_exchange.h for what it means. Everything is of fixed size and in
 * plain arrays, so that nothing here can raise, wait or fail, also not after a commit.
 *
 * An entry is a question on its way, or a wish to ask one:
 *
 *     WAITING ─▶ RESERVED ─▶ FILLING ─▶ HELD ─▶ QUEUED ─▶ RUNNING ─▶ ANSWERING ─▶ ANSWERED
 *        ▲           │                                       │
 *        └ no room   └ until it expires                      └▶ TAKEN_BACK, until the worker knows
 *
 * From RESERVED on it has a place. Whoever moves an entry to FILLING, ANSWERING or WIPING owns its blocks until he
 * moves it on, without the lock; the others are changed under the lock only. Bytes are kept in chains of blocks of one
 * size, half of them for questions and half for answers: neither kind can keep the other out.
 */
#ifndef PGS_EXCHANGE_INTERNAL_H
#define PGS_EXCHANGE_INTERNAL_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/lwlock.h"

#include "pgs_exchange.h"

#define EXCHANGE_NONE (-1)
#define EXCHANGE_BLOCK 2048
#define EXCHANGE_BATCH 64
/* Blocks that are overwritten while the lock is held; longer chains are when it is not. */
#define EXCHANGE_WIPE_MAX 16
/* How long a place is kept for somebody who was told that it is his. */
#define EXCHANGE_RESERVED_MICROSECONDS INT64CONST(10000000)

typedef enum question_state {
    QUESTION_FREE = 0,
    QUESTION_WAITING,   /* for a place, in its role's list */
    QUESTION_RESERVED,  /* has one, and whoever wants to ask was told */
    QUESTION_FILLING,   /* its bytes are being written */
    QUESTION_HELD,      /* not released yet by the process that asked */
    QUESTION_QUEUED,    /* in its role's list */
    QUESTION_RUNNING,   /* the worker has it */
    QUESTION_TAKEN_BACK, /* the worker has it and is still to be told, in a list of its own */
    QUESTION_ANSWERING, /* the answer's bytes are being written */
    QUESTION_ANSWERED,
    QUESTION_WIPING     /* its bytes are being overwritten; nobody finds it any more */
} question_state;

typedef enum exchange_pool { EXCHANGE_QUESTIONS = 0, EXCHANGE_ANSWERS, EXCHANGE_POOLS } exchange_pool;

typedef struct question {
    question_state state;
    uint32 generation;   /* of the entry's use */
    Oid database;
    Oid role;
    int64 item;
    int32 part;
    int32 holder_pid;    /* of a held one */
    int64 number;
    uint64 ticket;       /* rises with each question that is held */
    uint32 group;
    int32 role_party;
    int32 host_party;    /* EXCHANGE_NONE: none, or not counted any more */
    int32 readers;       /* processes that copy the answer */
    bool unwanted;       /* to be freed by whoever owns it now */
    bool is_stuck;       /* its answer found no room */
    exchange_pool pool;  /* of `blocks` */
    int32 wanted;        /* blocks, of a waiting or reserved one */
    int32 blocks;        /* charged */
    int32 first_block;   /* EXCHANGE_NONE: charged only */
    Size length;
    TimestampTz until;   /* of a reserved one */
    int32 next;          /* in a list, or among the free */
    int32 previous;
    int32 bucket_next;
} question;

typedef struct entry_list {
    int32 head;
    int32 tail;
} entry_list;

/* What a role, or a host, has of the exchange; in use while an entry refers to it. */
typedef struct party {
    uint32 key;
    bool is_host;
    int32 entries;
    int32 places;
    int32 blocks[EXCHANGE_POOLS];
    int32 stuck;
    int32 refill_at;     /* entries; those who got none may try again then */
    bool overflow;       /* somebody got none */
    entry_list waiting;
    entry_list queued;
    int32 next;          /* in the round of roles, or among the free */
    int32 previous;
    int32 bucket_next;
} party;

typedef struct exchange {
    LWLock *lock;
    int32 worker_pid; /* 0: none */
    int32 worker_procno;
    int32 limit_per_role;
    int32 limit_per_host;
    int32 entry_count;
    int32 place_count;
    int32 pool_blocks; /* of each pool */
    int32 bucket_count;
    int32 used;        /* entries; peeked */
    int32 places;      /* those that have one */
    int32 waiting;
    int32 queued;
    int32 reserved;
    int32 stuck;
    int32 pool_used[EXCHANGE_POOLS];
    int32 free_entry;
    int32 free_party;
    int32 free_block;
    int32 grant_turn;  /* the role whose turn it is; EXCHANGE_NONE: no role has anything */
    int32 take_turn;
    entry_list taken_back; /* peeked */
    bool starved;      /* a role that has no entry at all got none */
    bool wants_sweep;  /* those who got none may try again */
    uint64 ticket;
    TimestampTz expires; /* not later than the first of the reserved */
} exchange;

/* Where the arrays are, in this process. */
typedef struct exchange_arrays {
    question *entries;
    int32 *buckets;       /* entries by database and item */
    party *parties;
    int32 *party_buckets;
    int32 *block_next;
    char *blocks;
} exchange_arrays;

extern exchange_arrays exchange_at;

/* What is left to do when the lock is released. */
typedef struct exchange_after {
    int32 wipe_count;
    int32 wipes[EXCHANGE_BATCH];
    int32 push_count;
    struct {
        Oid database;
        Oid role;
        int64 item;
        int32 part;
    } pushes[EXCHANGE_BATCH];
    bool wake_worker;
    bool sweep;
} exchange_after;

/* NULL when the library was not preloaded. */
extern exchange *exchange_shared(void);

/* ---- All of these with the lock held. ---- */

/* The next entry of the item after `from` (EXCHANGE_NONE: the first); EXCHANGE_NONE at the end. */
extern int32 exchange_next_of(exchange *ex, Oid database, int64 item, int32 from);
/* A new entry that waits; NULL when the role has its share of them. */
extern question *exchange_wish(exchange *ex, Oid role, int64 item, int32 part, uint32 group, int32 blocks);
/* Takes the entry out of its item's; its blocks are overwritten. */
extern void exchange_give_entry(exchange *ex, question *of);
extern void exchange_leave_party(exchange *ex, int32 index);
extern void exchange_enlist(entry_list *list, question *of);
extern void exchange_delist(entry_list *list, question *of);
/* Whether a role may have `blocks` more of a pool: they are there, and it holds fewer than are free. */
extern bool exchange_has_blocks(exchange *ex, const party *role, exchange_pool pool, int32 blocks);
extern void exchange_charge(exchange *ex, question *of, exchange_pool pool, int32 blocks);
/* Gives the blocks back, overwritten already. */
extern void exchange_uncharge(exchange *ex, question *of);
/* Makes the chain for what was charged; it is there. */
extern void exchange_link_blocks(exchange *ex, question *of, Size length);
/* The entry is not wanted any more: it goes, at once or when whoever owns it is done, or when the worker knows. */
extern void exchange_drop(exchange *ex, question *of, exchange_after *after);
/* Nobody owns it: it goes. */
extern void exchange_free(exchange *ex, question *of, exchange_after *after);
/* Gives free places to those who wait, as many as `after` can hold. */
extern void exchange_grant(exchange *ex, const question *silent, exchange_after *after);
/* It is answered: the host is free for another. */
extern void exchange_leave_host(exchange *ex, question *of);
extern void exchange_push_later(exchange_after *after, const question *of);

/* ---- Without it. ---- */

/* Releases the lock and does what is left, until nothing is. */
extern void exchange_leave(exchange *ex, exchange_after *after);
/* Copies into or out of an owned entry's chain. `at` is where in it; all of the bytes fit. */
extern void exchange_write(const question *of, Size at, const uint8_t *bytes, Size length);
extern void exchange_read(const question *of, uint8_t *bytes);
extern void exchange_wipe(const question *of);

static inline int32
exchange_blocks_for(Size length)
{
    return (int32) ((Max(length, 1) + EXCHANGE_BLOCK - 1) / EXCHANGE_BLOCK);
}

static inline int32
exchange_index(const question *of)
{
    return (int32) (of - exchange_at.entries);
}

/*
 * After a commit: what was asked for (item, part), or with part -1 for the item, up to a ticket, is not wanted. By this
 * role, or with InvalidOid by any.
 */
extern void exchange_drop_work(Oid database, Oid role, int64 item, int32 part, uint64 ticket);
/* The database is gone, or the extension in it. The workset's lock is not held. */
extern void exchange_forget_database(Oid database);
/* Whether anything is asked for (item, part), and the last ticket. */
extern bool exchange_knows(int64 item, int32 part, uint64 *ticket);

#endif
