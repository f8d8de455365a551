/* SPDX-License-Identifier: PostgreSQL */
/* What the files behind pgs_step.h share. May raise: only called under a guard. */
#ifndef PGS_STEP_INTERNAL_H
#define PGS_STEP_INTERNAL_H

#include "postgres.h"

#include "nodes/parsenodes.h"
#include "tcop/dest.h"

/* Refuses what only a client can do: transaction statements, COPY from or to it. */
extern void pgs_step_refuse(const RawStmt *raw);

/* Analyses, plans and runs a statement at top level. The current memory context keeps its trees. */
extern void pgs_step_portal(RawStmt *raw, const char *text, DestReceiver *receiver, QueryCompletion *completion);

/* Notes which libraries a new session of this process has; later ones make it soiled. */
extern void pgs_session_note_libraries(void);

/* A statement may have left something in the temporary schema. */
extern void pgs_session_note_temporary(void);

/* `copy` has PGS_PREPARED_NAME_MAX bytes. */
extern void pgs_prepared_copy_name(char *copy, const uint8_t *name, size_t length);

/* Forgets the texts and the result of the last step. */
extern void pgs_step_release(void);

/* Makes the present transaction the engine's own, whatever defaults the role has. Before its first snapshot. */
extern void pgs_transaction_be_plain(void);

/* What the log's setting for statements asks for, as exec_simple_query does it. */
extern bool pgs_log_statement(List *raw_statements, const char *text);
extern void pgs_log_duration(const char *text, bool was_logged);

/* Ends the process unless nothing but its own role is in effect. */
extern void pgs_identity_check(void);

#endif
