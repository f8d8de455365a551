/* SPDX-License-Identifier: PostgreSQL */
/* A statement run at top level, the way the server runs a client's query, and the session around it. */
#ifndef PGS_STEP_H
#define PGS_STEP_H

#include "CPostgres.h"

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

typedef struct pgs_step_result {
    const uint8_t *PGS_NULLABLE json; /* {"rows":[...],"row_count":n}, UTF-8, see pgs_step_run */
    size_t length;
    /* The statement ended its transaction itself (COMMIT inside CALL, VACUUM): what it did is committed already. */
    bool committed_inside;
    /*
     * The statement must be committed before anything else is written (CREATE DATABASE and the like): cancels are held
     * from its end on, and the caller releases them after the commit.
     */
    bool needs_immediate_commit;
} pgs_step_result;

/* What the error names when a result is too large; a literal. */
void pgs_name_result_limit(const char *name);

/*
 * Starts a transaction for a step: now() moves, statement_timeout is armed, activity is shown. The functions that
 * begin leave the transaction's memory context current, those that end leave TopMemoryContext.
 */
pgs_error *PGS_NULLABLE pgs_step_begin(const uint8_t *sql, size_t length);

/*
 * Parses and runs `sql` (UTF-8), every statement of it, in one implicit block. Transaction statements and COPY from
 * or to the client are refused (0A000) before anything runs. A result beyond `max_result_size` bytes is refused
 * (54000).
 * The result is valid until the next pgs_step_begin, pgs_step_abort or pgs_session_reset. `committed_inside` is set
 * after an error too: part of the work may be committed.
 */
pgs_error *PGS_NULLABLE pgs_step_run(
    const uint8_t *sql, size_t length, int64_t max_result_size, pgs_step_result *out);

/*
 * Lets what the user queued for commit happen now: deferred triggers, open cursors. Checks the identity after it
 * (FATAL), and lifts the timeouts, lock_timeout included, for what the caller writes until the commit.
 */
pgs_error *PGS_NULLABLE pgs_step_finish_user_code(void);

/*
 * Disarms the timeouts, commits, and logs the duration if the log's settings ask for it. An error means that nothing
 * was committed.
 */
pgs_error *PGS_NULLABLE pgs_step_commit(void);

/*
 * Between these no cancel is answered; an error, too, ends the hold. Holding twice is holding once.
 */
void pgs_cancels_hold(void);
void pgs_cancels_release(void);

/* The server's whole error path: rolls back, whatever state the transaction is in. Never fails (FATAL at worst). */
void pgs_step_abort(void);

/* A transaction of the engine's own: READ COMMITTED, read-write, no timeouts, whatever the role's defaults are. */
pgs_error *PGS_NULLABLE pgs_engine_begin(void);
pgs_error *PGS_NULLABLE pgs_engine_commit(void);
/* The open transaction's commit waits for the disk, and for synchronous standbys, whatever the role has set. */
pgs_error *PGS_NULLABLE pgs_commit_must_last(void);

/* Puts the session back to what a new connection of this role finds. After an error the process must leave. */
pgs_error *PGS_NULLABLE pgs_session_reset(void);
/* Whether something survives a reset (a library was loaded): the process should leave. */
bool pgs_session_is_soiled(void);

/* What pg_stat_activity and the log see; NULL for idle. */
void pgs_activity(const uint8_t *PGS_NULLABLE sql, size_t length);
/* Gives the counters to the statistics system. Before a wait, outside transactions; commits do it once a second. */
pgs_error *PGS_NULLABLE pgs_statistics_flush(void);

/* A place where a value was put into a statement, in bytes of the result. */
typedef struct pgs_placed {
    size_t start, end;
    /* Within a literal, a dollar quote or a quoted name of the template, or at the end of a name: must stay a part of
       that one token. */
    bool inside_literal;
} pgs_placed;

/*
 * Lexes `result` with the server's own scanner and this session's settings, and `neutral` (the same text with every
 * placed value replaced by a harmless one of the same kind); *same is whether the tokens outside the placed values
 * are equal and every placed value is made of whole tokens of its own (no `;`, brackets balanced, blanks around them
 * allowed): of exactly one of the same kind where the neutral value is one token, a number with its sign or without.
 * Places are in ascending order. Texts that the scanner refuses both count as the same. In a database whose
 * encoding is not UTF8 it needs a transaction.
 */
pgs_error *PGS_NULLABLE pgs_same_structure(
    const uint8_t *result, size_t result_length, const pgs_placed *placed, int count,
    const uint8_t *neutral, size_t neutral_length, const pgs_placed *neutral_placed, bool *same);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#endif
