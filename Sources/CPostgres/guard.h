/* SPDX-License-Identifier: PostgreSQL */
/*
 * The wall between longjmp and Swift. Every function of this library that can raise has the shape
 *
 *     pgs_error *pgs_something(...)
 *     PGS_GUARD_BEGIN
 *         ... calls into the server; no return ...
 *     PGS_GUARD_END
 *
 * and returns the server's error as a value, or NULL. The caller's memory context is current again after an error.
 * A caught error leaves the server's state as errfinish() left it: it may only be thrown on to the SQL function's
 * trampoline, absorbed by a wrapper that began a subtransaction, or handed to the turn's abort. Until one of these
 * has happened, and while one of our LWLocks is held, the guard refuses to enter the server.
 *
 * Inside the guard the trap guard is off: it is for Swift code, and Swift is not running there.
 */
#ifndef PGS_GUARD_H
#define PGS_GUARD_H

#include "postgres.h"

#include <signal.h>

#include "utils/elog.h"
#include "utils/palloc.h"

#include "CPostgres.h"
#include "compat.h"

/* Copies the current error into a malloc'ed value and clears the error stack. */
extern pgs_error *pgs_error_capture(MemoryContext caller);
/* Why the server may not be entered, or NULL. */
extern pgs_error *pgs_guard_refusal(void);
/* The session is healthy again: the transaction or subtransaction of the caught error is rolled back. */
extern void pgs_error_settled(void);
/* Gives the counters to the statistics system, after the end of a transaction. Never fails. */
extern void pgs_statistics_report(void);
/* The error raised for good; frees the failure. */
extern void pgs_raise(pgs_failure *failure) __attribute__((noreturn));
/* UTF-8 as a palloc'ed string of the server, whatever it holds: cut at NUL, doubtful bytes become '?'. */
extern char *pgs_text_for_message(const uint8_t *bytes, size_t length);
/* UTF-8 as a palloc'ed string of the server, exactly; raises 22021. */
extern char *pgs_text_to_server(const uint8_t *bytes, size_t length, size_t *out_length);
/* The server's text as UTF-8; the input itself when nothing had to be converted. Raises. */
extern const uint8_t *pgs_text_from_server(const char *bytes, size_t length, size_t *out_length);

/* Whether a trap of Swift code ends the session (1) or the server (0). */
extern volatile sig_atomic_t pgs_trap_armed;
/* Set while an LWLock of ours is held. */
extern int pgs_locks_held;
extern bool pgs_error_pending;

#define PGS_GUARD_BEGIN_UNCHECKED \
    { \
        pgs_error *volatile pgs_caught = NULL; \
        MemoryContext pgs_caller = CurrentMemoryContext; \
        const int pgs_armed = pgs_trap_armed; \
        pgs_trap_armed = 0; \
        PG_TRY(); \
        {

#define PGS_GUARD_BEGIN \
    { \
        if (unlikely(pgs_error_pending || pgs_locks_held != 0)) \
        { \
            pgs_error *pgs_refusal = pgs_guard_refusal(); \
            if (pgs_refusal != NULL) \
                return pgs_refusal; \
        } \
        PGS_GUARD_BEGIN_UNCHECKED

#define PGS_GUARD_END_UNCHECKED \
        } \
        PG_CATCH(); \
        { \
            pgs_caught = pgs_error_capture(pgs_caller); \
        } \
        PG_END_TRY(); \
        pgs_trap_armed = pgs_armed; \
        return pgs_caught; \
    }

#define PGS_GUARD_END \
        PGS_GUARD_END_UNCHECKED \
    }

/* Like PGS_GUARD_END, for bodies that switched memory contexts: puts the caller's back on success too. */
#define PGS_GUARD_END_RESTORING \
        MemoryContextSwitchTo(pgs_caller); \
        PGS_GUARD_END

#endif
