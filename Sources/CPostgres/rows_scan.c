/* SPDX-License-Identifier: PostgreSQL */
/* Index scans on the extension's own tables, and deletion of what they find; see pgs_rows.h. */
#include "guard.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_collation_d.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/procarray.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "rows.h"

struct pgs_scan
{
    pgs_table *table;
    Relation index;
    SysScanDesc scan;
    Snapshot registered;
    SnapshotData dirty;
    MemoryContext row_context;
    HeapTuple tuple;
    ScanDirection direction;
};

/* The comparison of two values of a kind that `strategy` stands for; kinds that no bound needs have equality only. */
static RegProcedure
key_procedure(pgs_kind kind, StrategyNumber strategy)
{
    static const RegProcedure of_int4[] = {F_INT4LT, F_INT4LE, F_INT4EQ, F_INT4GE, F_INT4GT};
    static const RegProcedure of_int8[] = {F_INT8LT, F_INT8LE, F_INT8EQ, F_INT8GE, F_INT8GT};
    static const RegProcedure of_oid[] = {F_OIDLT, F_OIDLE, F_OIDEQ, F_OIDGE, F_OIDGT};
    static const RegProcedure of_time[] = {
        F_TIMESTAMPTZ_LT, F_TIMESTAMPTZ_LE, F_TIMESTAMPTZ_EQ, F_TIMESTAMPTZ_GE, F_TIMESTAMPTZ_GT};
    static const RegProcedure of_text[] = {F_TEXT_LT, F_TEXT_LE, F_TEXTEQ, F_TEXT_GE, F_TEXT_GT};

    switch (kind)
    {
        case PGS_INT4: return of_int4[strategy - 1];
        case PGS_INT8: return of_int8[strategy - 1];
        case PGS_OID: return of_oid[strategy - 1];
        case PGS_TIMESTAMPTZ: return of_time[strategy - 1];
        case PGS_TEXT: return of_text[strategy - 1];
        case PGS_BYTEA:
            if (strategy == BTEqualStrategyNumber)
                return F_BYTEAEQ;
            break;
        default:
            break;
    }
    elog(ERROR, "column of kind %d cannot be a key", kind);
}

static void
key_init(ScanKey key, AttrNumber column, pgs_kind kind, const pgs_value *value, StrategyNumber strategy)
{
    ScanKeyEntryInitialize(key, 0, column, strategy, InvalidOid, kind == PGS_TEXT ? C_COLLATION_OID : InvalidOid,
                           key_procedure(kind, strategy), rows_datum_of(value, kind));
}

/* The strategy of a lower bound in the order of the index, which descends in some columns. */
static StrategyNumber
bound_strategy(Relation index, int column, bool exclusive)
{
    if (index->rd_indoption[column] & INDOPTION_DESC)
        return exclusive ? BTLessStrategyNumber : BTLessEqualStrategyNumber;
    return exclusive ? BTGreaterStrategyNumber : BTGreaterEqualStrategyNumber;
}

static pgs_scan *
begin_scan(pgs_table *table, const char *index_name, pgs_snapshot kind, const pgs_value *keys, int count,
           const pgs_value *from, bool exclusive)
{
    pgs_scan *scan = palloc0(sizeof(*scan));
    Snapshot snapshot = NULL;
    ScanKeyData scan_keys[6];
    Oid index_oid = get_relname_relid(index_name, RelationGetNamespace(table->rel));

    if (count + (from ? 1 : 0) > (int) lengthof(scan_keys))
        elog(ERROR, "scan of \"%s\" with more than %d keys", index_name, (int) lengthof(scan_keys));
    if (!OidIsValid(index_oid))
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                 errmsg("index \"%s\" of table \"%s\" is missing", index_name,
                        RelationGetRelationName(table->rel)),
                 errhint("It belongs to the extension; what has dropped it has damaged the extension's tables.")));
    scan->table = table;
    scan->index = index_open(index_oid, AccessShareLock);
    if (scan->index->rd_index->indrelid != RelationGetRelid(table->rel))
        elog(ERROR, "index \"%s\" belongs to another table", index_name);
    switch (kind)
    {
        case PGS_SNAPSHOT_ACTIVE:
            snapshot = GetActiveSnapshot();
            break;
        case PGS_SNAPSHOT_LATEST:
            snapshot = scan->registered = RegisterSnapshot(GetLatestSnapshot());
            break;
        case PGS_SNAPSHOT_SELF:
            snapshot = SnapshotSelf;
            break;
        case PGS_SNAPSHOT_DIRTY:
            InitDirtySnapshot(scan->dirty);
            snapshot = &scan->dirty;
            break;
    }
    for (int i = 0; i < count + (from ? 1 : 0); i++)
    {
        AttrNumber column = scan->index->rd_index->indkey.values[i];

        key_init(&scan_keys[i], column, table->kinds[column - 1], i < count ? &keys[i] : from,
                 i < count ? BTEqualStrategyNumber : bound_strategy(scan->index, i, exclusive));
    }
    scan->scan = systable_beginscan_ordered(table->rel, scan->index, snapshot, count + (from ? 1 : 0), scan_keys);
    scan->direction = ForwardScanDirection;
    scan->row_context = AllocSetContextCreate(CurrentMemoryContext, "row", ALLOCSET_SMALL_SIZES);
    return scan;
}

pgs_error *
pgs_scan_begin(pgs_table *table, const char *index, pgs_snapshot snapshot, const pgs_value *keys, int count,
               pgs_scan **out)
PGS_GUARD_BEGIN
    *out = begin_scan(table, index, snapshot, keys, count, NULL, false);
PGS_GUARD_END

pgs_error *
pgs_scan_begin_from(pgs_table *table, const char *index, pgs_snapshot snapshot, const pgs_value *keys, int count,
                    pgs_value from, bool exclusive, pgs_scan **out)
PGS_GUARD_BEGIN
    *out = begin_scan(table, index, snapshot, keys, count, &from, exclusive);
PGS_GUARD_END

static void
value_of(pgs_value *out, pgs_kind kind, Datum datum)
{
    out->kind = kind;
    out->bytes = NULL;
    out->length = 0;
    switch (kind)
    {
        case PGS_BOOL: out->number = DatumGetBool(datum); break;
        case PGS_INT2: out->number = DatumGetInt16(datum); break;
        case PGS_INT4: out->number = DatumGetInt32(datum); break;
        case PGS_INT8: out->number = DatumGetInt64(datum); break;
        case PGS_OID: out->number = DatumGetObjectId(datum); break;
        case PGS_TIMESTAMPTZ: out->number = DatumGetTimestampTz(datum); break;
        case PGS_NAME:
            out->bytes = (const uint8_t *) NameStr(*DatumGetName(datum));
            out->length = strlen((const char *) out->bytes);
            break;
        case PGS_BYTEA:
        case PGS_TEXT:
            {
                text *value = DatumGetTextPP(datum);

                out->bytes = (const uint8_t *) VARDATA_ANY(value);
                out->length = VARSIZE_ANY_EXHDR(value);
                if (kind == PGS_TEXT && GetDatabaseEncoding() != PG_UTF8)
                {
                    char *utf8 = pg_server_to_any((const char *) out->bytes, out->length, PG_UTF8);

                    if (utf8 != (const char *) out->bytes)
                    {
                        out->bytes = (const uint8_t *) utf8;
                        out->length = strlen(utf8);
                    }
                }
                break;
            }
        case PGS_NULL:
            break;
    }
}

/* The first `count` columns of the row that the scan stands on. */
static void
read_row(pgs_scan *scan, pgs_value *values, int count)
{
    Datum datums[PGS_COLUMNS_MAX];
    bool nulls[PGS_COLUMNS_MAX];
    MemoryContext old = MemoryContextSwitchTo(scan->row_context);

    if (count > scan->table->count)
        elog(ERROR, "row of %d values from a table of %d columns", count, scan->table->count);
    heap_deform_tuple(scan->tuple, RelationGetDescr(scan->table->rel), datums, nulls);
    for (int i = 0; i < count; i++)
        if (nulls[i])
            values[i] = (pgs_value) {.kind = PGS_NULL};
        else
            value_of(&values[i], scan->table->kinds[i], datums[i]);
    MemoryContextSwitchTo(old);
}

pgs_error *
pgs_scan_next(pgs_scan *scan, pgs_value *values, int count, bool *found)
PGS_GUARD_BEGIN
    CHECK_FOR_INTERRUPTS();
    MemoryContextReset(scan->row_context);
    scan->tuple = systable_getnext_ordered(scan->scan, scan->direction);
    *found = HeapTupleIsValid(scan->tuple);
    if (*found)
        read_row(scan, values, count);
PGS_GUARD_END

pgs_error *
pgs_scan_whole(pgs_scan *scan, pgs_value *values)
PGS_GUARD_BEGIN
    if (!HeapTupleIsValid(scan->tuple))
        elog(ERROR, "scan stands on no row");
    read_row(scan, values, scan->table->count);
PGS_GUARD_END

/* Whether the row has a text in that column, and the text, as it is stored: toasted or not. */
static bool
stored_text(pgs_scan *scan, int column, Datum *datum)
{
    bool is_null = true;

    if (HeapTupleIsValid(scan->tuple) && column < scan->table->count && scan->table->kinds[column] == PGS_TEXT)
        *datum = heap_getattr(scan->tuple, column + 1, RelationGetDescr(scan->table->rel), &is_null);
    return !is_null;
}

pgs_error *
pgs_scan_size(pgs_scan *scan, int column, int64_t *out)
PGS_GUARD_BEGIN
    Datum datum;

    *out = 0;
    if (stored_text(scan, column, &datum))
        *out = toast_raw_datum_size(datum) - VARHDRSZ;
PGS_GUARD_END

pgs_error *
pgs_scan_head(pgs_scan *scan, int column, int length, pgs_value *out)
PGS_GUARD_BEGIN
    Datum datum;

    *out = (pgs_value) {.kind = PGS_NULL};
    if (stored_text(scan, column, &datum))
    {
        MemoryContext old = MemoryContextSwitchTo(scan->row_context);
        text *head = DatumGetTextPSlice(datum, 0, length);

        *out = (pgs_value) {.kind = PGS_TEXT, .bytes = (const uint8_t *) VARDATA_ANY(head)};
        out->length = VARSIZE_ANY_EXHDR(head);
        MemoryContextSwitchTo(old);
    }
PGS_GUARD_END

pgs_error *
pgs_scan_count(pgs_scan *scan, int64_t limit, int64_t *out)
PGS_GUARD_BEGIN
    *out = 0;
    while (*out < limit && HeapTupleIsValid(systable_getnext_ordered(scan->scan, scan->direction)))
    {
        CHECK_FOR_INTERRUPTS();
        ++*out;
    }
    scan->tuple = NULL;
PGS_GUARD_END

void
pgs_scan_backward(pgs_scan *scan)
{
    scan->direction = BackwardScanDirection;
}

bool
pgs_scan_is_own(const pgs_scan *scan)
{
    return HeapTupleIsValid(scan->tuple) &&
        TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(scan->tuple->t_data));
}

bool
pgs_scan_is_settled(const pgs_scan *scan)
{
    HeapTupleHeader header;

    if (!HeapTupleIsValid(scan->tuple))
        return false;
    header = scan->tuple->t_data;
    return HeapTupleHeaderXminFrozen(header) ||
        TransactionIdPrecedes(HeapTupleHeaderGetXmin(header), GetOldestNonRemovableTransactionId(scan->table->rel));
}

pgs_error *
pgs_scan_delete(pgs_scan *scan, bool wait, bool *deleted)
PGS_GUARD_BEGIN
    TM_FailureData failure;
    TM_Result result;

    *deleted = false;
    if (HeapTupleIsValid(scan->tuple))
    {
        result = heap_delete(scan->table->rel, &scan->tuple->t_self, GetCurrentCommandId(true), InvalidSnapshot, wait,
                             &failure, false);
        *deleted = result == TM_Ok;
    }
PGS_GUARD_END

pgs_error *
pgs_scan_end(pgs_scan *scan)
PGS_GUARD_BEGIN
    systable_endscan_ordered(scan->scan);
    if (scan->registered)
        UnregisterSnapshot(scan->registered);
    index_close(scan->index, AccessShareLock);
    MemoryContextDelete(scan->row_context);
    pfree(scan);
PGS_GUARD_END
