/* SPDX-License-Identifier: PostgreSQL */
/* What the files share that register background workers. */
#ifndef PGS_WORKER_INTERNAL_H
#define PGS_WORKER_INTERNAL_H

#include "postgres.h"

#include "postmaster/bgworker.h"

#include "pgs_process.h"

extern void pgs_worker_fill(BackgroundWorker *out, const pgs_worker *worker);

#endif
