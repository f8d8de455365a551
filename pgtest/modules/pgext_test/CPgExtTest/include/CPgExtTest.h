/* SPDX-License-Identifier: PostgreSQL */
/* What the Swift side shares with entry.c: the layout of shared memory, and counters that only C may write. */
#ifndef CPGEXTTEST_H
#define CPGEXTTEST_H

#include <stdbool.h>
#include <stdint.h>

typedef struct pgext_shared {
    int64_t counter;
    int32_t static_worker_pid;
    int32_t static_worker_latch;
    int32_t static_worker_starts;
    int64_t static_worker_wakes;
    int64_t dynamic_worker_counted;
} pgext_shared;

typedef struct pgext_counts {
    int64_t pre_commits, commits, aborts, rollbacks_to_savepoint, locks_released;
} pgext_counts;

pgext_counts transaction_counts(void);
/* Registers the callbacks that count; they are C because they run at commit. */
void count_transactions(void);

/* Makes the end of this session hang. */
void hang_at_exit(void);

#endif
