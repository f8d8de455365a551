/* SPDX-License-Identifier: PostgreSQL */
/*
 * Questions that sessions hand to one worker without a database, and its answers, in shared memory.
 *
 * A question belongs to work of the workset, (database, role, item, part), and carries a number, so that a later one of
 * the same work is told from it. When it is answered, or when the worker that had it is gone, the work is pushed: the
 * asking side looks again. Only a hint, as the workset: whoever asked must be able to find out from tables that a
 * question was asked and is not known here any more.
 *
 * The bytes live in a dynamic shared memory area of limited size; they are overwritten before it is given back.
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
    PGS_QUESTION_FULL,     /* no place: of all, of the role, of the group, or of memory */
    PGS_QUESTION_NO_WORKER /* nobody is there to answer just now */
} pgs_question_result;

/* In the library's init: shared memory for `questions` at a time. */
pgs_error *PGS_NULLABLE pgs_exchange_request(int32_t questions);
/* Where the limits are read from; -1 or 0 is none. To be called again when settings change. */
void pgs_exchange_limit(int32_t per_role, int32_t per_group, int64_t memory);

/* ---- Whoever asks: connected to a database ---- */

/*
 * Keeps a place with the question, which the worker does not see before pgs_question_release; it goes with this
 * process. `group` is any number that questions of one destination share; 0 is no group. May raise.
 */
pgs_error *PGS_NULLABLE pgs_question_hold(
    pgs_oid role, int64_t item, int32_t part, int64_t number, uint32_t group, const uint8_t *bytes, size_t length,
    pgs_question_result *result);
/* Asks what is held. */
void pgs_question_release(int64_t item, int32_t part, int64_t number);
/* The answer is malloc'ed, the caller's; NULL unless answered. The question stays until it is taken back. */
pgs_error *PGS_NULLABLE pgs_question_look(
    int64_t item, int32_t part, int64_t number, pgs_question_state *state,
    uint8_t *PGS_NULLABLE *PGS_NONNULL answer, size_t *length);
/* Frees what this header's functions returned as the caller's; NULL is fine. */
void pgs_bytes_free(uint8_t *PGS_NULLABLE bytes);
/* Takes back what was asked for (item, part), or with part -1 for the item: unanswered questions end at once. */
pgs_error *PGS_NULLABLE pgs_question_take_back(int64_t item, int32_t part);

/* ---- The worker ---- */

/* Takes the worker's place; false when another process has it. Registers what gives it up when the process ends. */
bool pgs_exchange_attach(void);
/* The next question; `handle` 0: none. The bytes are malloc'ed, the caller's. */
pgs_error *PGS_NULLABLE pgs_question_take(
    uint64_t *handle, pgs_oid *role, uint8_t *PGS_NULLABLE *PGS_NONNULL bytes, size_t *length);
/* A question that this worker has in hand and that was taken back; 0: none. It is forgotten with this call. */
uint64_t pgs_question_next_taken_back(void);
/* True without anything done when the question is not known any more. */
pgs_error *PGS_NULLABLE pgs_question_answer(uint64_t handle, const uint8_t *bytes, size_t length);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#endif
