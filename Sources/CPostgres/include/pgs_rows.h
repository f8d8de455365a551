/* SPDX-License-Identifier: PostgreSQL */
/*
 * Rows of the extension's own tables, straight to heap and indexes: no SQL text, no executor, no change of identity.
 * Nothing a user made (trigger, rule, policy, operator, cast, publication) runs or decides here. NOT NULL and CHECK
 * are not looked at: the typed encoders above fill every column.
 */
#ifndef PGS_ROWS_H
#define PGS_ROWS_H

#include "CPostgres.h"

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

typedef struct pgs_table pgs_table;
typedef struct pgs_scan pgs_scan;

/* One column of a row or one key of a scan. Text is in UTF-8 on the Swift side and converted here. */
typedef enum pgs_kind {
    PGS_NULL = 0,
    PGS_BOOL,
    PGS_INT2,
    PGS_INT4,
    PGS_INT8,
    PGS_OID,
    PGS_TEXT,
    PGS_BYTEA,
    PGS_TIMESTAMPTZ,
    PGS_NAME
} pgs_kind;

typedef struct pgs_value {
    pgs_kind kind;
    int64_t number;                     /* bool, int2, int4, int8, oid, timestamptz */
    const uint8_t *PGS_NULLABLE bytes;  /* text, bytea, name; not NUL-terminated */
    size_t length;
} pgs_value;

typedef enum pgs_snapshot {
    PGS_SNAPSHOT_ACTIVE,    /* what the caller's statement sees */
    PGS_SNAPSHOT_LATEST,    /* everything committed by now, and this transaction's own rows */
    PGS_SNAPSHOT_SELF,      /* the same without taking an MVCC snapshot; only under a lock that keeps writers out */
    PGS_SNAPSHOT_DIRTY      /* uncommitted rows of others too */
} pgs_snapshot;

/* The extension whose member every table must be; called once, from _PG_init. */
pgs_error *PGS_NULLABLE pgs_rows_init(const char *extension);

/*
 * Opens `schema.name`, checks that it is an ordinary heap table that belongs to the extension and that its columns
 * have exactly `kinds`. Closed by pgs_table_close (which keeps a writer's lock) or with the transaction.
 */
pgs_error *PGS_NULLABLE pgs_table_open(
    const char *schema, const char *name, bool writing, const pgs_kind *kinds, int count,
    pgs_table *PGS_NULLABLE *_Nonnull out);
pgs_error *PGS_NULLABLE pgs_table_close(pgs_table *table);
/* A reader's lock too stays to the end of the transaction. */
void pgs_table_keep_lock(pgs_table *table);

pgs_error *PGS_NULLABLE pgs_table_insert(pgs_table *table, const pgs_value *values, int count);

/* Index scan on the index `index` (unqualified name), equality on the first `count` columns; in the index's order. */
pgs_error *PGS_NULLABLE pgs_scan_begin(
    pgs_table *table, const char *index, pgs_snapshot snapshot, const pgs_value *keys, int count,
    pgs_scan *PGS_NULLABLE *_Nonnull out);
/* The same from `from` on in column `count + 1`, or after it when `exclusive`; <= where that column descends. */
pgs_error *PGS_NULLABLE pgs_scan_begin_from(
    pgs_table *table, const char *index, pgs_snapshot snapshot, const pgs_value *keys, int count,
    pgs_value from, bool exclusive, pgs_scan *PGS_NULLABLE *_Nonnull out);
/*
 * The first `count` columns of the next row into `values` (valid until the next call on this scan), the others are not
 * even looked at; *found = false at the end.
 */
pgs_error *PGS_NULLABLE pgs_scan_next(pgs_scan *scan, pgs_value *values, int count, bool *found);
/* All columns of the row that pgs_scan_next gave last; valid as long as what that gave. */
pgs_error *PGS_NULLABLE pgs_scan_whole(pgs_scan *scan, pgs_value *values);
/* How long text column `column` (from 0) of that row is as stored, found without reading it; 0 for NULL. */
pgs_error *PGS_NULLABLE pgs_scan_size(pgs_scan *scan, int column, int64_t *out);
/*
 * The first `length` bytes of text column `column` (from 0) of the row that pgs_scan_next gave last, as stored: not
 * converted, and perhaps cut within a character. Valid until the next call.
 */
pgs_error *PGS_NULLABLE pgs_scan_head(pgs_scan *scan, int column, int length, pgs_value *out);
/* How many rows follow, at most `limit`. */
pgs_error *PGS_NULLABLE pgs_scan_count(pgs_scan *scan, int64_t limit, int64_t *out);
/* From the last row to the first; before the first pgs_scan_next. */
void pgs_scan_backward(pgs_scan *scan);
/* Whether the row that pgs_scan_next gave last was written by this very transaction. */
bool pgs_scan_is_own(const pgs_scan *scan);
/*
 * Whether every statement that runs now began when that row was committed already, so that none can still act on its
 * absence. Errs towards no.
 */
bool pgs_scan_is_settled(const pgs_scan *scan);
/*
 * Deletes the row that pgs_scan_next gave last. With `wait`, waits for another transaction that is at it; without,
 * leaves the row alone. *deleted is false when somebody else has it, or had it first.
 */
pgs_error *PGS_NULLABLE pgs_scan_delete(pgs_scan *scan, bool wait, bool *deleted);
pgs_error *PGS_NULLABLE pgs_scan_end(pgs_scan *scan);

/*
 * Brackets engine work on rows: an active snapshot for toasted values, and the phase that tells an error of ours
 * from an error of the user's. On an error the transaction's abort undoes both.
 */
pgs_error *PGS_NULLABLE pgs_rows_begin(void);
pgs_error *PGS_NULLABLE pgs_rows_end(void);

/*
 * A number that no other session of this server gives, greater than all before: microseconds since 2000-01-01 in the
 * upper bits, 11 more below them. Needs no sequence, whose lastval() users see.
 */
int64_t pgs_unique_number(void);
/* 32 random bits, good enough for names that are checked for being free. */
uint32_t pgs_random32(void);

/* SHA-256 of `bytes` into `out` (32 bytes). */
pgs_error *PGS_NULLABLE pgs_sha256(const uint8_t *bytes, size_t length, uint8_t *out);

/*
 * The lock of an item: a heavyweight lock in the advisory lock space, of a class that no SQL function can reach, to
 * the end of the transaction. It is in pg_locks and seen by the deadlock detector.
 */
pgs_error *PGS_NULLABLE pgs_item_lock(int64_t item);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#endif
