/* SPDX-License-Identifier: PostgreSQL */
/* Values: detoasting, encodings, and the types that are more than a machine word. */
#include "guard.h"

#include "access/detoast.h"
#include "catalog/namespace.h"
#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

size_t
pgs_datum_text_size(pgs_datum value)
{
    return toast_raw_datum_size(value) - VARHDRSZ;
}

pgs_error *
pgs_datum_get_text(pgs_datum value, pgs_oid type, const uint8_t **bytes, size_t *length)
PGS_GUARD_BEGIN
    if (type == NAMEOID)
    {
        const char *name = NameStr(*DatumGetName(value));

        *bytes = pgs_text_from_server(name, strlen(name), length);
    }
    else
    {
        text *packed = DatumGetTextPP(value);

        *bytes = pgs_text_from_server(VARDATA_ANY(packed), VARSIZE_ANY_EXHDR(packed), length);
    }
PGS_GUARD_END

/* Converted a piece at a time, so that a long text takes no multiple of its size. */
static bool
is_convertible(const uint8_t *bytes, size_t length, Oid conversion)
{
    enum { PIECE = 8192 };
    unsigned char converted[PIECE * MAX_CONVERSION_GROWTH + 1];
    size_t done = 0;

    while (done < length)
    {
        int rest = (int) Min(length - done, PIECE);
        int piece = pg_encoding_mbcliplen(PG_UTF8, (const char *) bytes + done, rest, rest);

        if (piece <= 0 || pg_do_encoding_conversion_buf(conversion, PG_UTF8, GetDatabaseEncoding(),
                                                        (unsigned char *) bytes + done, piece, converted,
                                                        sizeof(converted), true) < piece)
            return false;
        done += piece;
    }
    return true;
}

pgs_error *
pgs_text_is_storable(const uint8_t *bytes, size_t length, bool *out)
PGS_GUARD_BEGIN
    int encoding = GetDatabaseEncoding();

    *out = length <= MaxAllocSize && (length == 0 || memchr(bytes, 0, length) == NULL)
        && pg_verify_mbstr(PG_UTF8, (const char *) bytes, (int) length, true);
    if (*out && encoding != PG_UTF8 && encoding != PG_SQL_ASCII)
    {
        Oid conversion = FindDefaultConversionProc(PG_UTF8, encoding);

        *out = OidIsValid(conversion) && is_convertible(bytes, length, conversion);
    }
PGS_GUARD_END

pgs_error *
pgs_datum_get_json(pgs_datum value, pgs_oid type, const uint8_t **bytes, size_t *length)
PGS_GUARD_BEGIN
    if (type == JSONBOID)
    {
        Jsonb *json = DatumGetJsonbP(value);
        char *printed = JsonbToCString(NULL, &json->root, VARSIZE(json));

        *bytes = pgs_text_from_server(printed, strlen(printed), length);
    }
    else
    {
        text *packed = DatumGetTextPP(value);

        *bytes = pgs_text_from_server(VARDATA_ANY(packed), VARSIZE_ANY_EXHDR(packed), length);
    }
PGS_GUARD_END

pgs_error *
pgs_datum_get_bytea(pgs_datum value, const uint8_t **bytes, size_t *length)
PGS_GUARD_BEGIN
    bytea *packed = DatumGetByteaPP(value);

    *bytes = (const uint8_t *) VARDATA_ANY(packed);
    *length = VARSIZE_ANY_EXHDR(packed);
PGS_GUARD_END

void
pgs_datum_get_uuid(pgs_datum value, uint8_t *out)
{
    memcpy(out, DatumGetUUIDP(value)->data, UUID_LEN);
}

/* A month counts 30 days, as in the server's comparisons; saturated. */
int64_t
pgs_datum_get_interval(pgs_datum value)
{
    const Interval *interval = DatumGetIntervalP(value);
    int64 days = (int64) interval->month * DAYS_PER_MONTH + interval->day, total;

    if (pg_mul_s64_overflow(days, USECS_PER_DAY, &total) || pg_add_s64_overflow(total, interval->time, &total))
        return days < 0 ? PG_INT64_MIN : PG_INT64_MAX;
    return total;
}

pgs_error *
pgs_datum_print(pgs_datum value, pgs_oid type, const uint8_t **bytes, size_t *length)
PGS_GUARD_BEGIN
    Oid function;
    bool varlena;
    char *printed;

    getTypeOutputInfo(type, &function, &varlena);
    printed = OidOutputFunctionCall(function, value);
    *bytes = pgs_text_from_server(printed, strlen(printed), length);
PGS_GUARD_END

pgs_error *
pgs_datum_make_text(const uint8_t *bytes, size_t length, pgs_datum *out)
PGS_GUARD_BEGIN
    size_t converted_length;
    char *converted = pgs_text_to_server(bytes, length, &converted_length);

    *out = PointerGetDatum(cstring_to_text_with_len(converted, (int) converted_length));
    pfree(converted);
PGS_GUARD_END

pgs_error *
pgs_datum_make_json(const uint8_t *bytes, size_t length, bool binary, pgs_datum *out)
PGS_GUARD_BEGIN
    size_t converted_length;
    char *converted = pgs_text_to_server(bytes, length, &converted_length);

    *out = DirectFunctionCall1(binary ? jsonb_in : json_in, CStringGetDatum(converted));
    pfree(converted);
PGS_GUARD_END

pgs_error *
pgs_datum_make_bytea(const uint8_t *bytes, size_t length, pgs_datum *out)
PGS_GUARD_BEGIN
    bytea *value;

    if (length > MaxAllocSize - VARHDRSZ)
        ereport(ERROR,
                (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                 errmsg("binary string of %zu bytes is too long", length)));
    value = palloc(length + VARHDRSZ);
    SET_VARSIZE(value, length + VARHDRSZ);
    if (length > 0)
        memcpy(VARDATA(value), bytes, length);
    *out = PointerGetDatum(value);
PGS_GUARD_END

pgs_error *
pgs_datum_make_uuid(const uint8_t *bytes, pgs_datum *out)
PGS_GUARD_BEGIN
    pg_uuid_t *value = palloc(sizeof(pg_uuid_t));

    memcpy(value->data, bytes, UUID_LEN);
    *out = UUIDPGetDatum(value);
PGS_GUARD_END

pgs_error *
pgs_type_name(pgs_oid type, const uint8_t **bytes, size_t *length)
PGS_GUARD_BEGIN
    const char *name = format_type_be(type);

    *bytes = pgs_text_from_server(name, strlen(name), length);
PGS_GUARD_END
