/* SPDX-License-Identifier: PostgreSQL */
/* Index scans on the extension's own tables, and deletion of what they find; see pgs_rows.h. */
#include "guard.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_collation_d.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
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

static void
key_init(ScanKey key, AttrNumber column, pgs_kind kind, const pgs_value *value, bool lower_bound, bool exclusive)
{
    StrategyNumber strategy = !lower_bound ? BTEqualStrategyNumber :
        exclusive ? BTGreaterStrategyNumber : BTGreaterEqualStrategyNumber;
    RegProcedure procedure = InvalidOid;
    Oid collation = InvalidOid;

    switch (kind)
    {
        case PGS_INT4:
            procedure = !lower_bound ? F_INT4EQ : exclusive ? F_INT4GT : F_INT4GE;
            break;
        case PGS_INT8:
            procedure = !lower_bound ? F_INT8EQ : exclusive ? F_INT8GT : F_INT8GE;
            break;
        case PGS_OID:
            procedure = !lower_bound ? F_OIDEQ : exclusive ? F_OIDGT : F_OIDGE;
            break;
        case PGS_TIMESTAMPTZ:
            procedure = !lower_bound ? F_TIMESTAMPTZ_EQ : exclusive ? F_TIMESTAMPTZ_GT : F_TIMESTAMPTZ_GE;
            break;
        case PGS_BYTEA:
            procedure = F_BYTEAEQ;
            break;
        case PGS_TEXT:
            procedure = F_TEXTEQ;
            collation = C_COLLATION_OID;
            break;
        default:
            elog(ERROR, "column of kind %d cannot be a key", kind);
    }
    ScanKeyEntryInitialize(key, 0, column, strategy, InvalidOid, collation, procedure, rows_datum_of(value, kind));
}

static pgs_scan *
begin_scan(pgs_table *table, const char *index_name, pgs_snapshot kind, const pgs_value *keys, int count,
           const pgs_value *from, bool exclusive)
{
    pgs_scan *scan = palloc0(sizeof(*scan));
    Snapshot snapshot = NULL;
    ScanKeyData scan_keys[6];
    Oid index_oid = get_relname_relid(index_name, RelationGetNamespace(table->rel));

    if (!OidIsValid(index_oid) || count + (from ? 1 : 0) > (int) lengthof(scan_keys))
        elog(ERROR, "index \"%s\" is missing", index_name);
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

        key_init(&scan_keys[i], column, table->kinds[column - 1], i < count ? &keys[i] : from, i == count, exclusive);
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

pgs_error *
pgs_scan_next(pgs_scan *scan, pgs_value *values, int count, bool *found)
PGS_GUARD_BEGIN
    Datum datums[PGS_COLUMNS_MAX];
    bool nulls[PGS_COLUMNS_MAX];

    if (count != scan->table->count)
        elog(ERROR, "row of %d values from a table of %d columns", count, scan->table->count);
    MemoryContextReset(scan->row_context);
    scan->tuple = systable_getnext_ordered(scan->scan, scan->direction);
    *found = HeapTupleIsValid(scan->tuple);
    if (*found)
    {
        MemoryContext old = MemoryContextSwitchTo(scan->row_context);

        heap_deform_tuple(scan->tuple, RelationGetDescr(scan->table->rel), datums, nulls);
        for (int i = 0; i < count; i++)
            if (nulls[i])
                values[i] = (pgs_value) {.kind = PGS_NULL};
            else
                value_of(&values[i], scan->table->kinds[i], datums[i]);
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
