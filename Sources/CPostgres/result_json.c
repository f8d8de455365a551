/* SPDX-License-Identifier: PostgreSQL */
#include "postgres.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "compat.h"
#include "pgs_step.h"
#include "result_json.h"
#include "result_values.h"

const char *pgs_result_limit_name = "max_result_size";

void
pgs_name_result_limit(const char *name)
{
    pgs_result_limit_name = name;
}

/* One key of the row objects. */
typedef struct Column
{
    char *key;                  /* "name": in UTF-8, with its colon */
    int key_length;
    int attribute;              /* the last column of that name, from 0 */
    Oid type;                   /* base type */
    int16 type_length;
    bool is_other;              /* has no form of its own here */
    FmgrInfo to_json;           /* for those */
} Column;

typedef struct JsonReceiver
{
    DestReceiver pub;
    PgsJson json;
    MemoryContext context;      /* of the text and the columns */
    MemoryContext row;          /* emptied after each row */
    Column *columns;
    int count;
    bool has_others;
    bool started;
    uint64 rows;
} JsonReceiver;

/* ---------------------------------------------------------------- columns */

/* to_json() learns the type of its argument from the call's expression. */
static void
prepare_to_json(FmgrInfo *function, Oid type, MemoryContext context)
{
    fmgr_info_cxt(F_TO_JSON, function, context);
    function->fn_expr = (Node *) makeFuncExpr(F_TO_JSON, JSONOID, list_make1(makeNullConst(type, -1, InvalidOid)),
                                              InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

/* The types that append_value() prints itself, whatever the settings are. */
static bool
has_own_form(Oid type)
{
    switch (type)
    {
        case VOIDOID:
        case BOOLOID:
        case INT2OID:
        case INT4OID:
        case INT8OID:
        case FLOAT4OID:
        case FLOAT8OID:
        case NUMERICOID:
        case UUIDOID:
        case TEXTOID:
        case VARCHAROID:
        case BPCHAROID:
        case NAMEOID:
        case UNKNOWNOID:
        case DATEOID:
        case TIMESTAMPOID:
        case TIMESTAMPTZOID:
        case JSONOID:
        case JSONBOID:
            return true;
        default:
            return false;
    }
}

static void
describe_column(JsonReceiver *receiver, Column *column, const char *name)
{
    PgsJson key = {.limit = MaxAllocSize / 2};

    initStringInfo(&key.text);
    pgs_json_string(&key, name, (int) strlen(name));
    pgs_json_raw(&key, ":", 1);
    column->key = key.text.data;
    column->key_length = key.text.len;
}

static void
start(DestReceiver *self, int operation, TupleDesc descriptor)
{
    JsonReceiver *receiver = (JsonReceiver *) self;
    MemoryContext caller = MemoryContextSwitchTo(receiver->context);

    receiver->started = true;
    receiver->count = 0;
    receiver->has_others = false;
    receiver->columns = palloc0(sizeof(Column) * Max(descriptor->natts, 1));
    for (int i = 0; i < descriptor->natts; i++)
    {
        Form_pg_attribute attribute = TupleDescAttr(descriptor, i);
        Column *column = NULL;

        if (attribute->attisdropped)
            continue;
        /* A name that is there already keeps its place and gets this later column. */
        for (int j = 0; j < receiver->count && column == NULL; j++)
        {
            int other = receiver->columns[j].attribute;

            if (strcmp(NameStr(TupleDescAttr(descriptor, other)->attname), NameStr(attribute->attname)) == 0)
                column = &receiver->columns[j];
        }
        if (column == NULL)
        {
            column = &receiver->columns[receiver->count++];
            describe_column(receiver, column, NameStr(attribute->attname));
        }
        column->attribute = i;
        column->type = getBaseType(attribute->atttypid);
        column->type_length = attribute->attlen;
        column->is_other = !has_own_form(column->type);
        if (column->is_other)
            prepare_to_json(&column->to_json, column->type, receiver->context);
    }
    for (int i = 0; i < receiver->count; i++)
        receiver->has_others = receiver->has_others || receiver->columns[i].is_other;
    MemoryContextSwitchTo(caller);
}

/* ---------------------------------------------------------------- values */

/*
 * Refuses a value that cannot fit before it is brought into memory. For types other than text the stored size says
 * little: eight times is beyond what any of them can shrink by.
 */
static void
check_stored_size(JsonReceiver *receiver, const Column *column, Datum value)
{
    int64 room = receiver->json.limit - receiver->json.text.len;
    int64 size;

    if (column->type_length != -1 || !VARATT_IS_EXTENDED(DatumGetPointer(value)))
        return;
    size = (int64) toast_raw_datum_size(value) - VARHDRSZ;
    switch (column->type)
    {
        case TEXTOID:
        case VARCHAROID:
        case BPCHAROID:
            break;
        default:
            size /= 8;
            break;
    }
    if (size > room)
        pgs_json_too_large();
}

static void
append_text(PgsJson *json, Datum value)
{
    text *plain = DatumGetTextPP(value);

    pgs_json_string(json, VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain));
}

/* json holds what jsonb refuses (a number beyond numeric's range): it could be stored, and never be shown. */
static void
append_document(PgsJson *json, Datum value)
{
    text *document = DatumGetTextPP(value);

    (void) DirectFunctionCall1(jsonb_in, CStringGetDatum(text_to_cstring(document)));
    pgs_json_document(json, VARDATA_ANY(document), VARSIZE_ANY_EXHDR(document));
}

static void
append_output(PgsJson *json, PGFunction output, Datum value)
{
    char *shown = DatumGetCString(DirectFunctionCall1(output, value));

    pgs_json_string(json, shown, (int) strlen(shown));
}

static void
append_value(JsonReceiver *receiver, Column *column, Datum value)
{
    PgsJson *json = &receiver->json;

    check_stored_size(receiver, column, value);
    switch (column->type)
    {
        case VOIDOID:
            pgs_json_raw(json, "null", 4);
            break;
        case BOOLOID:
            if (DatumGetBool(value))
                pgs_json_raw(json, "true", 4);
            else
                pgs_json_raw(json, "false", 5);
            break;
        case INT2OID:
            pgs_json_integer(json, DatumGetInt16(value));
            break;
        case INT4OID:
            pgs_json_integer(json, DatumGetInt32(value));
            break;
        case INT8OID:
            pgs_json_integer(json, DatumGetInt64(value));
            break;
        case FLOAT4OID:
            pgs_json_double(json, (double) DatumGetFloat4(value));
            break;
        case FLOAT8OID:
            pgs_json_double(json, DatumGetFloat8(value));
            break;
        case NUMERICOID:
            append_output(json, numeric_out, value);
            break;
        case UUIDOID:
            append_output(json, uuid_out, value);
            break;
        case TEXTOID:
        case VARCHAROID:
        case BPCHAROID:
            append_text(json, value);
            break;
        case NAMEOID:
            pgs_json_string(json, NameStr(*DatumGetName(value)), (int) strlen(NameStr(*DatumGetName(value))));
            break;
        case UNKNOWNOID:
            pgs_json_string(json, DatumGetCString(value), (int) strlen(DatumGetCString(value)));
            break;
        case DATEOID:
            pgs_json_date(json, DatumGetDateADT(value));
            break;
        case TIMESTAMPOID:
            pgs_json_timestamp(json, DatumGetTimestamp(value), false);
            break;
        case TIMESTAMPTZOID:
            pgs_json_timestamp(json, DatumGetTimestampTz(value), true);
            break;
        case JSONOID:
            append_document(json, value);
            break;
        case JSONBOID:
            {
                Jsonb *document = DatumGetJsonbP(value);
                char *shown = JsonbToCString(NULL, &document->root, VARSIZE(document));

                pgs_json_document(json, shown, (int) strlen(shown));
            }
            break;
        default:
            append_document(json, FunctionCall1(&column->to_json, value));
            break;
    }
}

static bool
receive(TupleTableSlot *slot, DestReceiver *self)
{
    JsonReceiver *receiver = (JsonReceiver *) self;
    MemoryContext caller = MemoryContextSwitchTo(receiver->row);
    int level = receiver->has_others ? pgs_result_pin_settings() : 0;

    slot_getallattrs(slot);
    pgs_json_raw(&receiver->json, receiver->rows == 0 ? "{" : ",{", receiver->rows == 0 ? 1 : 2);
    for (int i = 0; i < receiver->count; i++)
    {
        Column *column = &receiver->columns[i];

        if (i > 0)
            pgs_json_raw(&receiver->json, ",", 1);
        pgs_json_raw(&receiver->json, column->key, column->key_length);
        if (slot->tts_isnull[column->attribute])
            pgs_json_raw(&receiver->json, "null", 4);
        else
            append_value(receiver, column, slot->tts_values[column->attribute]);
    }
    pgs_json_raw(&receiver->json, "}", 1);
    receiver->rows++;
    if (receiver->has_others)
        AtEOXact_GUC(true, level);

    MemoryContextSwitchTo(caller);
    MemoryContextReset(receiver->row);
    return true;
}

/* ---------------------------------------------------------------- receivers */

static void
shut_down(DestReceiver *self)
{
}

static void
destroy(DestReceiver *self)
{
}

DestReceiver *
pgs_result_receiver(MemoryContext context, int64 limit)
{
    MemoryContext caller = MemoryContextSwitchTo(context);
    JsonReceiver *receiver = palloc0(sizeof(JsonReceiver));

    receiver->pub.receiveSlot = receive;
    receiver->pub.rStartup = start;
    receiver->pub.rShutdown = shut_down;
    receiver->pub.rDestroy = destroy;
    /* Not DestNone: FETCH treats that one as MOVE. */
    receiver->pub.mydest = DestRemoteSimple;
    receiver->context = context;
    receiver->row = AllocSetContextCreate(context, "result row", ALLOCSET_DEFAULT_SIZES);
    receiver->json.limit = Min(Max(limit, 0), (int64) MaxAllocSize - 1024);
    initStringInfo(&receiver->json.text);
    pgs_json_raw(&receiver->json, "{\"rows\":[", 9);
    MemoryContextSwitchTo(caller);
    return &receiver->pub;
}

static void
start_nothing(DestReceiver *self, int operation, TupleDesc descriptor)
{
}

static bool
receive_nothing(TupleTableSlot *slot, DestReceiver *self)
{
    return true;
}

DestReceiver *
pgs_result_discard(void)
{
    static DestReceiver discard = {
        .receiveSlot = receive_nothing,
        .rStartup = start_nothing,
        .rShutdown = shut_down,
        .rDestroy = destroy,
        .mydest = DestRemoteSimple,
    };

    return &discard;
}

/* The rows that a data-modifying statement changed, when it gave none. What others count is nobody's result. */
static uint64
affected_rows(const QueryCompletion *completion)
{
    switch (completion->commandTag)
    {
        case CMDTAG_INSERT:
        case CMDTAG_UPDATE:
        case CMDTAG_DELETE:
        case CMDTAG_MERGE:
            return completion->nprocessed;
        default:
            return 0;
    }
}

void
pgs_result_finish(DestReceiver *self, const QueryCompletion *completion, const uint8_t **json, size_t *length)
{
    JsonReceiver *receiver = (JsonReceiver *) self;
    char tail[64];
    uint64 count = receiver->started ? receiver->rows : affected_rows(completion);

    pgs_json_raw(&receiver->json, tail, snprintf(tail, sizeof(tail), "],\"row_count\":" UINT64_FORMAT "}", count));
    *json = (const uint8_t *) receiver->json.text.data;
    *length = (size_t) receiver->json.text.len;
}
