/* SPDX-License-Identifier: PostgreSQL */
/* The layout of the exchange in shared memory; see pgs_exchange.h for what it means. */
#ifndef PGS_EXCHANGE_INTERNAL_H
#define PGS_EXCHANGE_INTERNAL_H

#include "postgres.h"

#include "storage/lwlock.h"
#include "utils/dsa.h"

typedef enum question_state {
    QUESTION_FREE = 0,
    QUESTION_FILLING, /* its bytes are being written, nobody else touches it */
    QUESTION_HELD,    /* not released yet by the process that asked */
    QUESTION_QUEUED,
    QUESTION_RUNNING,
    QUESTION_ANSWERED,
    QUESTION_TAKEN_BACK /* the worker has it in hand and has still to be told */
} question_state;

typedef struct question {
    question_state state;
    uint32 generation;
    Oid database;
    Oid role;
    int32 holder_pid; /* of a held one */
    int64 item;
    int32 part;
    int64 number;
    uint32 group;
    dsa_pointer bytes; /* the question, then the answer */
    Size length;
    uint64 order;
} question;

typedef struct exchange {
    LWLock *lock;
    dsa_handle area;
    int tranche;
    int32 count;
    int32 worker_pid; /* 0: none */
    int32 worker_procno;
    int32 taken_back; /* how many are QUESTION_TAKEN_BACK */
    int32 queued;
    uint64 order;
    question questions[FLEXIBLE_ARRAY_MEMBER];
} exchange;

/* NULL when the library was not preloaded. */
extern exchange *exchange_shared(void);
/* This process's map of the area; made by the first who needs it. Raises. The exchange's lock is not held. */
extern dsa_area *exchange_area(exchange *ex);
/* Overwrites and frees the bytes, and the place with them; the lock is held and the area mapped. */
extern void exchange_free(question *of);

#endif
