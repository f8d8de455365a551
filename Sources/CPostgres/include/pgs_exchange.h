/* SPDX-License-Identifier: PostgreSQL */
/*
 * Questions that sessions hand to one worker without a database, and its answers, in shared memory.
 *
 * A question belongs to work of the workset, (database, role, item, part), and carries a number, so that a later one of
 * the same work is told from it. When it is answered, when the worker that had it is gone, or when it gets the place
 * that it had to wait for, the work is pushed: the asking side looks again. Only a hint, as the workset: whoever asked
 * must be able to find out from tables that a question was asked and is not known here any more.
 *
 * Places and memory are limited, in all and by fair share: a role gets a place, or bytes, while it holds less than is
 * free. Who finds none waits in his role's list, roles take turns, and whoever frees a place gives it to the next.
 * Answers are never dropped: the worker keeps one for which there is no room. Bytes are overwritten before they are
 * given back.
 */
#ifndef PGS_EXCHANGE_H
#define PGS_EXCHANGE_H

#include "CPostgres.h"

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

typedef enum pgs_question_state {
    PGS_QUESTION_UNKNOWN = 0, /* never asked, taken back, or lost with the worker */
    PGS_QUESTION_WAITING,     /* asked; the answer will push the work */
    PGS_QUESTION_ANSWERED
} pgs_question_state;

typedef enum pgs_question_result {
    PGS_QUESTION_ASKED = 0,
    PGS_QUESTION_MUST_WAIT, /* for a place, for memory, or for a worker: the work will be pushed */
    PGS_QUESTION_TOO_LARGE  /* for the memory there is */
} pgs_question_result;

typedef enum pgs_answer_result {
    PGS_ANSWER_TAKEN = 0,   /* or nobody wants it */
    PGS_ANSWER_MUST_WAIT,   /* there is no room for it now; this worker is woken when there is */
    PGS_ANSWER_TOO_LARGE    /* for the memory there is */
} pgs_answer_result;

/* Bytes with a length. */
typedef struct pgs_bytes {
    const uint8_t *PGS_NULLABLE data;
    size_t length;
} pgs_bytes;

/* In the library's init: shared memory for `places` questions at a time and `memory` bytes of them and of answers. */
pgs_error *PGS_NULLABLE pgs_exchange_request(int32_t places, int64_t memory);

/* ---- Whoever asks: connected to a database; never raise unless they return an error ---- */

/*
 * Keeps a place with the question, which the worker does not see before pgs_question_release; it goes with this
 * process. `group` is any number that questions of one destination share; 0 is no group.
 */
pgs_error *PGS_NULLABLE pgs_question_hold(
    pgs_oid role, int64_t item, int32_t part, int64_t number, uint32_t group, const uint8_t *bytes, size_t length,
    pgs_question_result *result);
/* Asks what this process holds. */
void pgs_question_release(int64_t item, int32_t part, int64_t number);
/* Gives it up: it was not asked. */
void pgs_question_give_back(int64_t item, int32_t part, int64_t number);
/* The answer is malloc'ed, the caller's; NULL unless answered. The question stays until it is dropped. May raise. */
pgs_error *PGS_NULLABLE pgs_question_look(
    int64_t item, int32_t part, int64_t number, pgs_question_state *state,
    uint8_t *PGS_NULLABLE *PGS_NONNULL answer, size_t *length);
/* Frees what this header's functions returned as the caller's; NULL is fine. */
void pgs_bytes_free(uint8_t *PGS_NULLABLE bytes);
/* Drops whatever the role has asked for `item`, at once: nobody will look at it any more. */
void pgs_question_drop(pgs_oid role, int64_t item);
/*
 * In a transaction that makes earlier questions of (item, part), or with part -1 of the item, superfluous: they are
 * dropped when it has committed, those that are asked from now on are not. The caller holds what keeps others from
 * asking for the same work meanwhile. Interrupts at commit (pgs_workset.h) drop what they are about, too. May raise.
 */
pgs_error *PGS_NULLABLE pgs_question_drop_at_commit(int64_t item, int32_t part);

/* ---- The worker ---- */

/* Takes the worker's place; false when another process has it. Registers what gives it up when the process ends. */
pgs_error *PGS_NULLABLE pgs_exchange_attach(bool *attached);
/* Most questions under way of one role and of one group; 0 is no limit. Again whenever they change. */
void pgs_exchange_limit(int32_t per_role, int32_t per_group);
/* Whether any question waits to be taken; only a hint. */
bool pgs_question_is_queued(void);
/*
 * The next question, roles in turn; `handle` 0: none. The bytes are malloc'ed, the caller's. A role for whose question
 * `has_room` says no is passed over, and so is one that has an answer waiting for room. `has_room` must not raise.
 */
void pgs_question_take(
    bool (*has_room)(void *PGS_NULLABLE context, uint32_t role, size_t length), void *PGS_NULLABLE context,
    uint64_t *handle, pgs_oid *role, uint8_t *PGS_NULLABLE *PGS_NONNULL bytes, size_t *length);
/* A question that this worker has in hand and that was taken back; 0: none. It is forgotten with this call. */
uint64_t pgs_question_next_taken_back(void);
/* The answer is the pieces one after the other. */
pgs_answer_result pgs_question_answer(uint64_t handle, const pgs_bytes *pieces, int32_t count);
/*
 * Lets places go that were kept for somebody who did not come, and gives free ones to those who wait; milliseconds
 * until it is due again, negative for never.
 */
int64_t pgs_exchange_upkeep(void);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#endif
