/* SPDX-License-Identifier: PostgreSQL */
/*
 * Errors as values. A server error becomes a malloc'ed pgs_error with every field of ErrorData; an error that left
 * Swift becomes a raise again. Memory contexts come and go under an error, so nothing here lives in one.
 */
#include "guard.h"

#include <stdlib.h>

#include "access/xact.h"
#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

struct pgs_error
{
    pgs_origin origin;
    bool is_static;
    struct
    {
        uint8_t *bytes;         /* NUL-terminated */
        size_t length;
    } fields[PGS_FIELD_COUNT];
};

/* A longer text of a message is cut here. */
#define PGS_MESSAGE_MAX (1024 * 1024)

bool pgs_error_pending = false;
static SubTransactionId pending_subxact = InvalidSubTransactionId;
/* Where CopyErrorData works: it must not depend on any context that an error could take away. */
static MemoryContext capture_context = NULL;

static uint8_t no_memory_text[] = "out of memory";
static pgs_error no_memory = {
    .origin = {.sqlstate = ERRCODE_OUT_OF_MEMORY},
    .is_static = true,
    .fields = {[PGS_FIELD_MESSAGE] = {no_memory_text, sizeof(no_memory_text) - 1}},
};

pgs_error *
pgs_error_new(pgs_origin origin)
{
    pgs_error *error = calloc(1, sizeof(pgs_error));

    if (error == NULL)
        return &no_memory;
    error->origin = origin;
    return error;
}

void
pgs_error_set(pgs_error *error, pgs_field field, const uint8_t *bytes, size_t length)
{
    uint8_t *copy;

    if (error->is_static || (unsigned) field >= PGS_FIELD_COUNT)
        return;
    copy = malloc(length + 1);
    if (copy == NULL)
        return;
    if (length > 0)
        memcpy(copy, bytes, length);
    copy[length] = 0;
    free(error->fields[field].bytes);
    error->fields[field].bytes = copy;
    error->fields[field].length = length;
}

pgs_origin
pgs_error_origin(const pgs_error *error)
{
    return error->origin;
}

const uint8_t *
pgs_error_field(const pgs_error *error, pgs_field field, size_t *length)
{
    *length = 0;
    if ((unsigned) field >= PGS_FIELD_COUNT)
        return NULL;
    *length = error->fields[field].length;
    return error->fields[field].bytes;
}

void
pgs_error_free(pgs_error *error)
{
    if (error->is_static)
        return;
    for (int i = 0; i < PGS_FIELD_COUNT; i++)
        free(error->fields[i].bytes);
    free(error);
}

bool
pgs_error_is_pending(void)
{
    return pgs_error_pending;
}

static void
set_string(pgs_error *error, pgs_field field, const char *string)
{
    if (string != NULL)
        pgs_error_set(error, field, (const uint8_t *) string, strlen(string));
}

static pgs_error *
error_from(const ErrorData *data)
{
    pgs_error *error = pgs_error_new((pgs_origin) {
        .sqlstate = data->sqlerrcode,
        .cursor_position = data->cursorpos,
        .internal_position = data->internalpos,
        .saved_errno = data->saved_errno,
        .line = data->lineno,
        .from_server = true,
        .hide_statement = data->hide_stmt,
        .hide_context = data->hide_ctx,
        .to_log = data->output_to_server,
        .to_client = data->output_to_client,
        .file = (uintptr_t) data->filename,
        .function = (uintptr_t) data->funcname,
        .domain = (uintptr_t) data->domain,
        .context_domain = (uintptr_t) data->context_domain,
    });

    set_string(error, PGS_FIELD_MESSAGE, data->message);
    set_string(error, PGS_FIELD_DETAIL, data->detail);
    set_string(error, PGS_FIELD_DETAIL_LOG, data->detail_log);
    set_string(error, PGS_FIELD_HINT, data->hint);
    set_string(error, PGS_FIELD_CONTEXT, data->context);
    set_string(error, PGS_FIELD_MESSAGE_ID, data->message_id);
    set_string(error, PGS_FIELD_SCHEMA, data->schema_name);
    set_string(error, PGS_FIELD_TABLE, data->table_name);
    set_string(error, PGS_FIELD_COLUMN, data->column_name);
    set_string(error, PGS_FIELD_DATA_TYPE, data->datatype_name);
    set_string(error, PGS_FIELD_CONSTRAINT, data->constraint_name);
    set_string(error, PGS_FIELD_INTERNAL_QUERY, data->internalquery);
    set_string(error, PGS_FIELD_BACKTRACE, data->backtrace);
    return error;
}

pgs_error *
pgs_error_capture(MemoryContext caller)
{
    pgs_error *volatile captured = &no_memory;

    /* Copying may run out of memory again: that error must not get past here either. */
    PG_TRY();
    {
        ErrorData *data;

        if (capture_context == NULL)
        {
            MemoryContextSwitchTo(TopMemoryContext);
            capture_context = AllocSetContextCreate(TopMemoryContext, "caught errors", ALLOCSET_SMALL_SIZES);
        }
        MemoryContextSwitchTo(capture_context);
        data = CopyErrorData();
        captured = error_from(data);
    }
    PG_CATCH();
    {
        captured = &no_memory;
    }
    PG_END_TRY();
    FlushErrorState();
    if (capture_context != NULL)
        MemoryContextReset(capture_context);
    MemoryContextSwitchTo(caller);
    if (IsTransactionState())
    {
        pgs_error_pending = true;
        pending_subxact = GetCurrentSubTransactionId();
    }
    return captured;
}

pgs_error *
pgs_guard_refusal(void)
{
    static const char locked[] = "server called while a lightweight lock is held";
    static const char pending[] = "server called after an error that was neither passed on nor rolled back";
    pgs_error *error;

    /* The transaction that the error belongs to may have ended without our hearing of it. */
    if (pgs_locks_held == 0 && (!IsTransactionState() || pending_subxact > GetCurrentSubTransactionId()))
    {
        pgs_error_settled();
        return NULL;
    }
    error = pgs_error_new((pgs_origin) {.sqlstate = ERRCODE_INTERNAL_ERROR, .to_log = true, .to_client = true});
    set_string(error, PGS_FIELD_MESSAGE, pgs_locks_held != 0 ? locked : pending);
    return error;
}

void
pgs_error_settled(void)
{
    pgs_error_pending = false;
    pending_subxact = InvalidSubTransactionId;
}

static char *
copy_field(const pgs_error *error, pgs_field field)
{
    if (error->fields[field].bytes == NULL)
        return NULL;
    if (error->origin.from_server)
        return pstrdup((const char *) error->fields[field].bytes);
    return pgs_text_for_message(error->fields[field].bytes, error->fields[field].length);
}

static const char *
constant_or(uintptr_t address, const char *otherwise)
{
    return address != 0 ? (const char *) address : otherwise;
}

void
pgs_raise(pgs_failure *failure)
{
    pgs_error *error = failure->error;
    pgs_origin origin = error->origin;
    ErrorData *data = palloc0(sizeof(ErrorData));

    data->elevel = ERROR;
    data->sqlerrcode = origin.sqlstate;
    data->message = copy_field(error, PGS_FIELD_MESSAGE);
    data->detail = copy_field(error, PGS_FIELD_DETAIL);
    data->detail_log = copy_field(error, PGS_FIELD_DETAIL_LOG);
    data->hint = copy_field(error, PGS_FIELD_HINT);
    data->context = copy_field(error, PGS_FIELD_CONTEXT);
    data->message_id = copy_field(error, PGS_FIELD_MESSAGE_ID);
    data->schema_name = copy_field(error, PGS_FIELD_SCHEMA);
    data->table_name = copy_field(error, PGS_FIELD_TABLE);
    data->column_name = copy_field(error, PGS_FIELD_COLUMN);
    data->datatype_name = copy_field(error, PGS_FIELD_DATA_TYPE);
    data->constraint_name = copy_field(error, PGS_FIELD_CONSTRAINT);
    data->internalquery = copy_field(error, PGS_FIELD_INTERNAL_QUERY);
    data->backtrace = copy_field(error, PGS_FIELD_BACKTRACE);
    failure->error = NULL;
    pgs_error_free(error);
    pgs_error_settled();
    if (data->message == NULL)
        data->message = pstrdup("missing error text");

    if (origin.from_server)
    {
        /* Its context callbacks have run, and it may have been marked for whom it is: thrown on as it is. */
        data->cursorpos = origin.cursor_position;
        data->internalpos = origin.internal_position;
        data->saved_errno = origin.saved_errno;
        data->lineno = origin.line;
        data->hide_stmt = origin.hide_statement;
        data->hide_ctx = origin.hide_context;
        data->output_to_server = origin.to_log;
        data->output_to_client = origin.to_client;
        data->filename = constant_or(origin.file, __FILE__);
        data->funcname = constant_or(origin.function, __func__);
        data->domain = constant_or(origin.domain, PG_TEXTDOMAIN("postgres"));
        data->context_domain = constant_or(origin.context_domain, data->domain);
        data->assoc_context = CurrentMemoryContext;
        ReThrowError(data);
    }
    ereport(ERROR,
            (errcode(data->sqlerrcode),
             errmsg_internal("%s", data->message),
             data->detail ? errdetail_internal("%s", data->detail) : 0,
             data->detail_log ? errdetail_log("%s", data->detail_log) : 0,
             data->hint ? errhint("%s", data->hint) : 0,
             data->context ? errcontext_msg("%s", data->context) : 0,
             data->schema_name ? err_generic_string(PG_DIAG_SCHEMA_NAME, data->schema_name) : 0,
             data->table_name ? err_generic_string(PG_DIAG_TABLE_NAME, data->table_name) : 0,
             data->column_name ? err_generic_string(PG_DIAG_COLUMN_NAME, data->column_name) : 0,
             data->datatype_name ? err_generic_string(PG_DIAG_DATATYPE_NAME, data->datatype_name) : 0,
             data->constraint_name ? err_generic_string(PG_DIAG_CONSTRAINT_NAME, data->constraint_name) : 0,
             data->internalquery ? internalerrquery(data->internalquery) : 0,
             origin.cursor_position > 0 ? errposition(origin.cursor_position) : 0,
             origin.internal_position > 0 ? internalerrposition(origin.internal_position) : 0));
    pg_unreachable();
}

/* ---------------------------------------------------------------- encodings */

static char *
plain_ascii(const uint8_t *bytes, size_t length)
{
    char *out = palloc(length + 1);

    for (size_t i = 0; i < length; i++)
        out[i] = bytes[i] < 0x80 ? (char) bytes[i] : '?';
    out[length] = '\0';
    return out;
}

char *
pgs_text_for_message(const uint8_t *bytes, size_t length)
{
    int given = (int) Min(strnlen((const char *) bytes, length), MaxAllocSize);
    int end = pg_encoding_mbcliplen(PG_UTF8, (const char *) bytes, given, PGS_MESSAGE_MAX);
    int encoding = GetDatabaseEncoding();
    Oid conversion;
    unsigned char *converted;

    if (!pg_verify_mbstr(PG_UTF8, (const char *) bytes, end, true))
        return plain_ascii(bytes, end);
    if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII)
        return pnstrdup((const char *) bytes, end);
    /* Finding the conversion reads the catalogs, which is no good after an error or outside a transaction. */
    if (pgs_error_pending || !IsTransactionState())
        return plain_ascii(bytes, end);
    conversion = FindDefaultConversionProc(PG_UTF8, encoding);
    if (!OidIsValid(conversion))
        return plain_ascii(bytes, end);
    converted = palloc((Size) end * MAX_CONVERSION_GROWTH + 1);
    if (pg_do_encoding_conversion_buf(conversion, PG_UTF8, encoding, (unsigned char *) bytes, end, converted,
                                      end * MAX_CONVERSION_GROWTH + 1, true) < end)
        return plain_ascii(bytes, end);
    return (char *) converted;
}

char *
pgs_text_to_server(const uint8_t *bytes, size_t length, size_t *out_length)
{
    char *converted;
    char *copy;

    if (length > MaxAllocSize - VARHDRSZ - 1)
        ereport(ERROR,
                (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                 errmsg("text of %zu bytes is too long", length)));
    if (length > 0 && memchr(bytes, 0, length) != NULL)
        ereport(ERROR,
                (errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
                 errmsg("invalid byte sequence for encoding \"%s\": 0x00", "UTF8")));
    converted = pg_any_to_server((const char *) bytes, (int) length, PG_UTF8);
    if (converted != (const char *) bytes)
    {
        *out_length = strlen(converted);
        return converted;
    }
    copy = palloc(length + 1);
    if (length > 0)
        memcpy(copy, bytes, length);
    copy[length] = '\0';
    *out_length = length;
    return copy;
}

const uint8_t *
pgs_text_from_server(const char *bytes, size_t length, size_t *out_length)
{
    char *converted = pg_server_to_any(bytes, (int) length, PG_UTF8);

    *out_length = converted == bytes ? length : strlen(converted);
    return (const uint8_t *) converted;
}

/* For texts of messages, which must not fail: what cannot be converted keeps its ASCII. */
pgs_error *
pgs_utf8_from_server(const uint8_t *bytes, size_t length, const uint8_t **out, size_t *out_length)
PGS_GUARD_BEGIN
    int end = (int) Min(length, PGS_MESSAGE_MAX);
    int encoding = GetDatabaseEncoding();
    Oid conversion = InvalidOid;
    unsigned char *converted;

    if (encoding != PG_UTF8 && encoding != PG_SQL_ASCII && IsTransactionState())
        conversion = FindDefaultConversionProc(encoding, PG_UTF8);
    if (OidIsValid(conversion))
    {
        converted = palloc((Size) end * MAX_CONVERSION_GROWTH + 1);
        if (pg_do_encoding_conversion_buf(conversion, encoding, PG_UTF8, (unsigned char *) bytes, end, converted,
                                          end * MAX_CONVERSION_GROWTH + 1, true) < end)
            converted = (unsigned char *) plain_ascii(bytes, end);
        *out = converted;
        *out_length = strlen((char *) converted);
    }
    else if (pg_verify_mbstr(PG_UTF8, (const char *) bytes, (int) length, true))
    {
        *out = bytes;
        *out_length = length;
    }
    else
    {
        *out = (const uint8_t *) plain_ascii(bytes, length);
        *out_length = length;
    }
PGS_GUARD_END
