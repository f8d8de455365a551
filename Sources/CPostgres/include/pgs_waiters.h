/* SPDX-License-Identifier: PostgreSQL */
/* Waiting for an item's end without polling, and without a snapshot. */
#ifndef PGS_WAITERS_H
#define PGS_WAITERS_H

#include "CPostgres.h"

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

/* In _PG_init: asks for the shared memory that the waiters' board needs. Nothing when not preloading. */
void pgs_waiters_install(void);

/* From now on this session's latch is set when somebody ends `item`; a full board is no error. */
pgs_error *PGS_NULLABLE pgs_waiter_enter(int64_t item);
void pgs_waiter_leave(void);
/* After the commit that ended `item`, in its database. */
void pgs_waiters_wake(int64_t item);

/* Whether a step of `item` that is running waits for a lock that this session holds. */
pgs_error *PGS_NULLABLE pgs_item_waits_for_me(int64_t item, bool *out);

/* A procedure outside of a transaction block: may end its transaction between looks, so that it holds no snapshot. */
pgs_error *PGS_NULLABLE pgs_nonatomic_begin(void);
pgs_error *PGS_NULLABLE pgs_nonatomic_release(void);
pgs_error *PGS_NULLABLE pgs_nonatomic_end(void);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#endif
