/* SPDX-License-Identifier: PostgreSQL */
/*
 * Companions: an executor may have one, a session of the same role in another database, which serves its requests.
 * A conversation is a segment of dynamic shared memory with a queue each way; it begins with the executor's request
 * and ends when either side closes it or ends. And transactions that a companion prepares: each names, in its
 * identifier, the executor's transaction that decides about it, so that everybody can tell what is to become of it.
 */
#ifndef PGS_COMPANION_H
#define PGS_COMPANION_H

#include "pgs_launch.h"

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

/* ---- The executor's side ---- */

typedef enum pgs_call {
    PGS_CALL_MADE = 0,   /* the conversation is open, and the request is on its way */
    PGS_CALL_REFUSED,    /* a companion could not be started there */
    PGS_CALL_WITHDRAWN   /* this process was interrupted, or must leave */
} pgs_call;

/* Waits for a companion in `database`, as long as it takes, and sends it the request. Outside of transactions. */
pgs_error *PGS_NULLABLE pgs_companion_call(
    pgs_oid database, const uint8_t *request, size_t length, pgs_call *out);
/* Whether the companion has taken the request, which it may have carried out in part. */
bool pgs_companion_has_taken(void);

/* ---- The companion's side ---- */

bool pgs_companion_is_self(void);
/* Takes the request that was handed over, and opens its conversation. Outside of transactions. */
pgs_error *PGS_NULLABLE pgs_companion_accept(bool *found);

/* ---- Both ---- */

/* Waits until the other side has room; false: it is gone. */
pgs_error *PGS_NULLABLE pgs_companion_tell(const uint8_t *message, size_t length, bool *delivered);
/*
 * Waits for the next message, valid until the next call; NULL: the other side has closed, or is gone. An interrupt of
 * the executor's step is passed on to the companion's meanwhile, and answered by its reply; only the end of the process
 * is answered here.
 */
pgs_error *PGS_NULLABLE pgs_companion_hear(const uint8_t *PGS_NULLABLE *PGS_NONNULL message, size_t *length);
/* Ends the conversation, if there is one; a companion is free for the next request then. */
void pgs_companion_close(void);

/* ---- The launcher's side ---- */

typedef struct pgs_companion_view {
    int32_t executor;         /* the slot of the executor */
    uint32_t executor_generation;
    pgs_oid role;
    pgs_oid wanted;           /* the database in which it wants a companion it does not have; 0: none */
    bool is_vacated;          /* start nothing there now */
    int32_t slot;             /* of the companion */
    uint32_t generation;
    pgs_slot_state state;
    bool leave_asked;
    bool gone;                /* EXITED, and the postmaster has reaped it: the slot can be released */
} pgs_companion_view;

/* Of executors that want a companion or have one; returns how many were filled. */
int32_t pgs_launcher_companions(pgs_companion_view *out, int32_t max);
/* Reserves the companion's slot and registers its worker. */
pgs_error *PGS_NULLABLE pgs_launcher_start_companion(int32_t executor, uint32_t executor_generation, pgs_start *out);
/* There can be none: the executor is told. */
void pgs_launcher_refuse_companion(int32_t executor, uint32_t executor_generation);

/* ---- Prepared transactions (prepared.c) ---- */

/* At most so many bytes, NUL included. */
#define PGS_PREPARED_NAME_MAX 200

/* An identifier that names the open transaction, which gets a number if it has none, as the one that decides. */
pgs_error *PGS_NULLABLE pgs_prepared_name(int64_t item, uint8_t *out, size_t *length);
/* In the step's transaction, in place of pgs_step_commit(). An error means that nothing was prepared. */
pgs_error *PGS_NULLABLE pgs_step_prepare(const uint8_t *name, size_t length);
/* Outside of transactions. One that is not there, or not any more, is no error; one that another process is at is. */
pgs_error *PGS_NULLABLE pgs_prepared_finish(const uint8_t *name, size_t length, bool commit);
/*
 * Finishes all of this database that are ours and may be finished by this process: committed if the transaction that
 * decides was, rolled back if it was not. *undecided: it is still running for some. Outside of transactions.
 */
pgs_error *PGS_NULLABLE pgs_prepared_settle(bool *undecided);
/* Whether there are any in this database, of anybody. Never raises. */
bool pgs_prepared_may_exist(void);
/* From the preparation to the end: if this process ends in between, the database is swept, which settles it. */
void pgs_prepared_expect(bool is_expected);
/* max_prepared_transactions. */
int32_t pgs_prepared_max(void);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#endif
