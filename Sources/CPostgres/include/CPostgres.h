/* SPDX-License-Identifier: PostgreSQL */
/*
 * The server as Swift sees it: plain types and opaque pointers, never postgres.h.
 *
 * A function that returns `pgs_error *` may have raised in the server: NULL means success, anything else is the
 * error, owned by the caller until pgs_error_free(). Text goes in and out as UTF-8 unless said otherwise.
 */
#ifndef CPOSTGRES_H
#define CPOSTGRES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__clang__)
#pragma clang assume_nonnull begin
#define PGS_NULLABLE _Nullable
#define PGS_NONNULL _Nonnull
#else
#define PGS_NULLABLE
#define PGS_NONNULL
#endif

typedef struct pgs_error pgs_error;
typedef uintptr_t pgs_datum;
typedef uint32_t pgs_oid;

/* ---------------------------------------------------------------- errors (guard.c) */

typedef enum pgs_field {
    PGS_FIELD_MESSAGE = 0,
    PGS_FIELD_DETAIL,
    PGS_FIELD_DETAIL_LOG,
    PGS_FIELD_HINT,
    PGS_FIELD_CONTEXT,
    PGS_FIELD_MESSAGE_ID, /* the untranslated format of the message */
    PGS_FIELD_SCHEMA,
    PGS_FIELD_TABLE,
    PGS_FIELD_COLUMN,
    PGS_FIELD_DATA_TYPE,
    PGS_FIELD_CONSTRAINT,
    PGS_FIELD_INTERNAL_QUERY,
    PGS_FIELD_BACKTRACE, /* of the server (backtrace_functions) */
    PGS_FIELD_COUNT
} pgs_field;

/* What else an error carries. The addresses are of constants in the server or a loaded library. */
typedef struct pgs_origin {
    int32_t sqlstate;
    int32_t cursor_position;
    int32_t internal_position;
    int32_t saved_errno;
    int32_t line;
    bool from_server; /* raised there: its context is complete */
    bool hide_statement, hide_context, to_log, to_client;
    uintptr_t file, function, domain, context_domain;
} pgs_origin;

/* Where a Swift entry point leaves its error for the trampoline, which raises it when no Swift frame is left. */
typedef struct pgs_failure {
    pgs_error *PGS_NULLABLE error;
} pgs_failure;

pgs_origin pgs_error_origin(const pgs_error *error);
/* Bytes of a field in the server's encoding, NUL-terminated; NULL when absent. Live as long as the error. */
const uint8_t *PGS_NULLABLE pgs_error_field(const pgs_error *error, pgs_field field, size_t *length);
void pgs_error_free(pgs_error *error);
/* Never fails: without memory it is a static error that says so. */
pgs_error *pgs_error_new(pgs_origin origin);
void pgs_error_set(pgs_error *error, pgs_field field, const uint8_t *PGS_NULLABLE bytes, size_t length);
/* A caught server error that was neither thrown on nor rolled back; every guarded call refuses until then. */
bool pgs_error_is_pending(void);
/*
 * Whether a text (UTF-8) could be stored: it is well formed, has no NUL, and every character of it exists in the
 * server's encoding. Needs a healthy transaction unless that is UTF8 or SQL_ASCII.
 */
pgs_error *PGS_NULLABLE pgs_text_is_storable(const uint8_t *bytes, size_t length, bool *out);

/* The server's text as UTF-8 (palloc'ed or `bytes` itself). Needs a healthy transaction unless encodings agree. */
pgs_error *PGS_NULLABLE pgs_utf8_from_server(
    const uint8_t *bytes, size_t length, const uint8_t *PGS_NULLABLE *PGS_NONNULL out, size_t *out_length);

/* ---------------------------------------------------------------- calls and values (fmgr.c, datum.c) */

typedef struct pgs_argument {
    pgs_datum value;
    pgs_oid type; /* of domains the base type; 0 when unknown */
    bool is_null;
} pgs_argument;

int32_t pgs_call_argument_count(const void *fcinfo);
pgs_error *PGS_NULLABLE pgs_call_argument(void *fcinfo, int32_t index, pgs_argument *out);
/* The declared result type, domains resolved; 0 when unknown. */
pgs_error *PGS_NULLABLE pgs_call_result_type(void *fcinfo, pgs_oid *out);
void pgs_call_set_null(void *fcinfo);
/* The name, in UTF-8, of the relation whose trigger this call is; an error when it is none. */
pgs_error *PGS_NULLABLE pgs_call_trigger_relation(
    void *fcinfo, const uint8_t *PGS_NULLABLE *PGS_NONNULL bytes, size_t *length);
/* Whether a procedure was called where it must not end the transaction. True for functions. */
bool pgs_call_is_atomic(const void *fcinfo);
pgs_oid pgs_call_function_oid(const void *fcinfo);
pgs_oid pgs_call_collation(const void *fcinfo);

/* text, varchar, bpchar, json as UTF-8; name, too. */
pgs_error *PGS_NULLABLE pgs_datum_get_text(
    pgs_datum value, pgs_oid type, const uint8_t *PGS_NULLABLE *PGS_NONNULL bytes, size_t *length);
/* Bytes of a text's content, compressed or not, without reading it. */
size_t pgs_datum_text_size(pgs_datum value);
/* jsonb or json in text form, UTF-8. */
pgs_error *PGS_NULLABLE pgs_datum_get_json(
    pgs_datum value, pgs_oid type, const uint8_t *PGS_NULLABLE *PGS_NONNULL bytes, size_t *length);
pgs_error *PGS_NULLABLE pgs_datum_get_bytea(
    pgs_datum value, const uint8_t *PGS_NULLABLE *PGS_NONNULL bytes, size_t *length);
/* 16 bytes. */
void pgs_datum_get_uuid(pgs_datum value, uint8_t *out);
int64_t pgs_datum_get_interval(pgs_datum value);
/* Any value as its type's output function prints it, UTF-8. */
pgs_error *PGS_NULLABLE pgs_datum_print(
    pgs_datum value, pgs_oid type, const uint8_t *PGS_NULLABLE *PGS_NONNULL bytes, size_t *length);

/* Refuse NUL bytes and invalid UTF-8 (22021). */
pgs_error *PGS_NULLABLE pgs_datum_make_text(const uint8_t *bytes, size_t length, pgs_datum *out);
pgs_error *PGS_NULLABLE pgs_datum_make_json(const uint8_t *bytes, size_t length, bool binary, pgs_datum *out);
pgs_error *PGS_NULLABLE pgs_datum_make_bytea(const uint8_t *bytes, size_t length, pgs_datum *out);
pgs_error *PGS_NULLABLE pgs_datum_make_uuid(const uint8_t *bytes, pgs_datum *out);
/* Name of a type for messages, NUL-terminated, palloc'ed. */
pgs_error *PGS_NULLABLE pgs_type_name(pgs_oid type, const uint8_t *PGS_NULLABLE *PGS_NONNULL bytes, size_t *length);

/* A result of several rows, materialised. */
typedef struct pgs_row_sink pgs_row_sink;
pgs_error *PGS_NULLABLE pgs_rows_open(void *fcinfo, pgs_row_sink *PGS_NULLABLE *PGS_NONNULL out);
int32_t pgs_rows_column_count(const pgs_row_sink *sink);
pgs_oid pgs_rows_column_type(const pgs_row_sink *sink, int32_t column);
/* Between enter and put the current memory context is the row's; put copies the row and leaves it. */
void *pgs_rows_enter(pgs_row_sink *sink);
pgs_error *PGS_NULLABLE pgs_rows_put(pgs_row_sink *sink, void *previous, const pgs_datum *values, const bool *nulls);
/* Gives the row up after an error. */
void pgs_rows_leave(void *previous);
pgs_error *PGS_NULLABLE pgs_rows_close(pgs_row_sink *sink);

/* ---------------------------------------------------------------- memory contexts (memory.c) */

pgs_error *PGS_NULLABLE pgs_memory_create(const char *name, void *PGS_NULLABLE *PGS_NONNULL out);
void *pgs_memory_current(void);
/* The context that lives as long as the process. */
void *pgs_memory_top(void);
void *pgs_memory_switch(void *context);
void pgs_memory_delete(void *context);
/* Bytes allocated in the context and its children. */
size_t pgs_memory_allocated(void *context);
/* Memory that only this process has, whoever allocated it; 0 where the system does not say. */
size_t pgs_memory_private(void);

/* ---------------------------------------------------------------- transactions (xact.c) */

/* For workers. Start sets now(); the transaction's memory context becomes current. */
pgs_error *PGS_NULLABLE pgs_xact_start(void);
pgs_error *PGS_NULLABLE pgs_xact_commit(void);
/* The server's whole error path, from any state. Does not return on a failure that ends the session. */
void pgs_xact_abort(void);
bool pgs_xact_is_open(void);
pgs_error *PGS_NULLABLE pgs_snapshot_push(void);
pgs_error *PGS_NULLABLE pgs_snapshot_pop(void);

typedef struct pgs_subxact {
    void *PGS_NULLABLE context;
    void *PGS_NULLABLE owner;
    int32_t level;
} pgs_subxact;
pgs_error *PGS_NULLABLE pgs_subxact_begin(pgs_subxact *out);
pgs_error *PGS_NULLABLE pgs_subxact_release(const pgs_subxact *subxact);
/* Also makes the session usable after a caught error. */
pgs_error *PGS_NULLABLE pgs_subxact_rollback(const pgs_subxact *subxact);

/* ---------------------------------------------------------------- callbacks (callbacks.c) */

/*
 * Callbacks are C over plain C structs: those at and after commit may neither raise nor allocate, because an error
 * there is a PANIC. They are never armed for the trap guard. Swift may register a C function of its entry library,
 * never a closure.
 */
typedef enum pgs_xact_event {
    PGS_XACT_PRE_COMMIT,  /* after deferred triggers; may raise */
    PGS_XACT_COMMIT,      /* locks are still held, invalidations not yet sent */
    PGS_XACT_ABORT,
    PGS_XACT_PRE_PREPARE, /* may raise */
    PGS_XACT_PREPARE
} pgs_xact_event;
typedef void (*pgs_xact_callback)(pgs_xact_event event, void *PGS_NULLABLE argument);

typedef enum pgs_subxact_event { PGS_SUBXACT_START, PGS_SUBXACT_COMMIT, PGS_SUBXACT_ABORT } pgs_subxact_event;
typedef void (*pgs_subxact_callback)(
    pgs_subxact_event event, uint32_t subxact, uint32_t parent, void *PGS_NULLABLE argument);

/* Called once each from the library's init; they stay for the life of the process. */
pgs_error *PGS_NULLABLE pgs_on_xact(pgs_xact_callback callback, void *PGS_NULLABLE argument);
pgs_error *PGS_NULLABLE pgs_on_subxact(pgs_subxact_callback callback, void *PGS_NULLABLE argument);
/*
 * Once per top-level commit, when everybody can see it and its locks are gone: the place to wake others. Also at
 * PREPARE TRANSACTION, which PGS_XACT_PREPARE announces.
 */
pgs_error *PGS_NULLABLE pgs_on_locks_released(void (*callback)(void *PGS_NULLABLE), void *PGS_NULLABLE argument);
/* While shared memory is still there; runs on top of whatever was running. Register before connecting. */
pgs_error *PGS_NULLABLE pgs_before_exit(void (*callback)(int32_t code, uintptr_t argument), uintptr_t argument);

/* ---------------------------------------------------------------- SPI (spi.c) */

typedef struct pgs_spi_session {
    bool nonatomic;
    bool pushed_snapshot;
} pgs_spi_session;
typedef struct pgs_plan pgs_plan;
typedef struct pgs_spi_table pgs_spi_table;
typedef struct pgs_spi_result {
    pgs_spi_table *PGS_NULLABLE table; /* rows, when the statement returns any */
    uint64_t processed;
    int32_t column_count;
} pgs_spi_result;

pgs_error *PGS_NULLABLE pgs_spi_connect(bool nonatomic, pgs_spi_session *out);
pgs_error *PGS_NULLABLE pgs_spi_finish(const pgs_spi_session *session);
/* A plan that stays as long as the process. */
pgs_error *PGS_NULLABLE pgs_plan_make(
    const uint8_t *sql, size_t length, const pgs_oid *types, int32_t count, pgs_plan *PGS_NULLABLE *PGS_NONNULL out);
pgs_error *PGS_NULLABLE pgs_plan_execute(
    pgs_plan *plan, const pgs_datum *values, const bool *nulls, int32_t count, bool read_only, int64_t rows_max,
    pgs_spi_result *out);
pgs_error *PGS_NULLABLE pgs_spi_execute(
    const uint8_t *sql, size_t length, const pgs_oid *types, const pgs_datum *values, const bool *nulls, int32_t count,
    bool read_only, int64_t rows_max, pgs_spi_result *out);
/* The same without parameters, refusing more or less than one statement (42601). */
pgs_error *PGS_NULLABLE pgs_spi_execute_one(const uint8_t *sql, size_t length, int64_t rows_max, pgs_spi_result *out);
pgs_error *PGS_NULLABLE pgs_spi_value(pgs_spi_table *table, uint64_t row, int32_t column, pgs_argument *out);
pgs_error *PGS_NULLABLE pgs_spi_column_name(
    pgs_spi_table *table, int32_t column, const uint8_t *PGS_NULLABLE *PGS_NONNULL bytes, size_t *length);
void pgs_spi_table_free(pgs_spi_table *PGS_NULLABLE table);
/* In a nonatomic session only: ends the transaction and begins the next. */
pgs_error *PGS_NULLABLE pgs_spi_commit(void);
pgs_error *PGS_NULLABLE pgs_spi_rollback(void);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#include "pgs_process.h"

#endif
