/* SPDX-License-Identifier: PostgreSQL */
/*
 * Handing a piece of work over to a process of its own: a background worker that is a session of the caller's role in
 * the caller's database, with transactions that have nothing to do with the caller's. Request and answer go through a
 * segment of shared memory that lives as long as the call.
 *
 * Who the caller is, is taken from the state of its process here, never from what it sends.
 *
 *     caller                                    worker
 *     enter: one of the places, or wait
 *     send ───────────────────────────────────▶ attach (and connect, as the role)
 *     wait, look for deadlocks                  work; begin_commit; commit
 *     answer ◀───────────────────────────────── answer
 *     leave
 */
#ifndef PGS_HANDOVER_H
#define PGS_HANDOVER_H

#include "CPostgres.h"

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

#define PGS_HANDOVER_PLACES_MAX 1000
/* The longest answer. */
#define PGS_HANDOVER_ANSWER_MAX 65536

/* Strings must live as long as the process. */
typedef struct pgs_handover_config {
    const char *name;     /* of the shared memory and its lock */
    const char *library;
    const char *function; /* the worker's main function; its argument is for pgs_handover_attach */
    const char *title;    /* bgw_name and bgw_type */
} pgs_handover_config;

/* In _PG_init, while the library is being preloaded. */
pgs_error *PGS_NULLABLE pgs_handover_install(const pgs_handover_config *config);

/* ---- The caller. Between enter and leave nothing else may be handed over. */

/*
 * Takes one of `places` places of the cluster, waiting `milliseconds` at most; *out is false when none became free.
 * While others wait, a role leaves one place to them.
 */
pgs_error *PGS_NULLABLE pgs_handover_enter(int32_t places, int64_t milliseconds, bool *out);
/* Starts the worker; *out is false when the server has no process left for it. */
pgs_error *PGS_NULLABLE pgs_handover_send(const uint8_t *request, size_t length, bool *out);

typedef enum pgs_handover_state {
    PGS_HANDOVER_WAITING = 0, /* the answer is not there yet */
    PGS_HANDOVER_COMMITTING,  /* nor is it, and giving up would leave the outcome open */
    PGS_HANDOVER_ANSWERED,
    PGS_HANDOVER_DIED         /* the process has ended without an answer */
} pgs_handover_state;
/* How it stands, after a wait of at most `milliseconds`. Does not look for interrupts. */
pgs_error *PGS_NULLABLE pgs_handover_wait(int64_t milliseconds, pgs_handover_state *out);
/* Whether the worker waits, be it through others, for a lock that this session holds. */
pgs_error *PGS_NULLABLE pgs_handover_is_blocked(bool *out);
const uint8_t *PGS_NULLABLE pgs_handover_answer(size_t *length);
/* Gives everything back, also after an error, and calls a worker off that has not begun to commit. Never raises. */
void pgs_handover_leave(void);

/* ---- The worker. */

typedef struct pgs_handover_call {
    pgs_oid database;
    pgs_oid role;         /* the caller's current user */
    pgs_oid session_user; /* its session user */
    const uint8_t *PGS_NULLABLE request; /* lives as long as the process */
    size_t length;
} pgs_handover_call;

/* Before connecting. False when the caller has gone. */
pgs_error *PGS_NULLABLE pgs_handover_attach(uint64_t argument, pgs_handover_call *call, bool *out);
/* The last thing before the commit. False when the caller has given up: then roll back. */
bool pgs_handover_begin_commit(void);
void pgs_handover_reply(const uint8_t *answer, size_t length);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#endif
