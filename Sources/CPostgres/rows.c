/* SPDX-License-Identifier: PostgreSQL */
/*
 * Direct access to the extension's own tables; see pgs_rows.h for why it is direct. The model is how the server
 * writes its catalogs (access/genam.c, catalog/indexing.c).
 */
#include "guard.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation_d.h"
#include "catalog/pg_type_d.h"
#include "commands/extension.h"
#include "common/cryptohash.h"
#include "common/pg_prng.h"
#include "common/sha2.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "pgs_rows.h"

#define PGS_COLUMNS_MAX 24

/* SQL's advisory functions use the classes 1 and 2 of the fourth field: nobody's pg_advisory_lock reaches this. */
#define PGS_LOCK_CLASS 57

struct pgs_table
{
    Relation rel;
    CatalogIndexState indexes;
    bool writing;
    int count;
    pgs_kind kinds[PGS_COLUMNS_MAX];
};

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

/* Tables that were checked since their relcache entries last changed. */
static struct
{
    Oid relid;
    bool good;
} checked_tables[16];
static const char *extension_name = "";
static bool callback_registered = false;

static void
forget_checked(Datum arg, Oid relid)
{
    for (int i = 0; i < lengthof(checked_tables); i++)
        if (relid == InvalidOid || checked_tables[i].relid == relid)
            checked_tables[i].relid = InvalidOid;
}

void
pgs_rows_init(const char *extension)
{
    extension_name = extension;
}

static Oid
kind_type(pgs_kind kind)
{
    switch (kind)
    {
        case PGS_BOOL: return BOOLOID;
        case PGS_INT2: return INT2OID;
        case PGS_INT4: return INT4OID;
        case PGS_INT8: return INT8OID;
        case PGS_OID: return OIDOID;
        case PGS_TEXT: return TEXTOID;
        case PGS_BYTEA: return BYTEAOID;
        case PGS_TIMESTAMPTZ: return TIMESTAMPTZOID;
        case PGS_NAME: return NAMEOID;
        case PGS_NULL: break;
    }
    return InvalidOid;
}

/* A changed tuple descriptor would be a wild read: the table must look as it did when this library was built. */
static void
check_table(Relation rel, const pgs_kind *kinds, int count)
{
    TupleDesc desc = RelationGetDescr(rel);
    Oid relid = RelationGetRelid(rel);
    Oid extension;
    bool good;

    for (int i = 0; i < lengthof(checked_tables); i++)
        if (checked_tables[i].relid == relid)
            return;
    if (!callback_registered)
    {
        CacheRegisterRelcacheCallback(forget_checked, (Datum) 0);
        callback_registered = true;
    }
    extension = get_extension_oid(extension_name, true);
    good = OidIsValid(extension) && rel->rd_rel->relkind == RELKIND_RELATION &&
        rel->rd_rel->relam == HEAP_TABLE_AM_OID && desc->natts == count &&
        getExtensionOfObject(RelationRelationId, relid) == extension;
    for (int i = 0; good && i < count; i++)
        good = !TupleDescAttr(desc, i)->attisdropped && TupleDescAttr(desc, i)->atttypid == kind_type(kinds[i]);
    if (!good)
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                 errmsg("table \"%s\" does not match the loaded library of extension \"%s\"",
                        RelationGetRelationName(rel), extension_name),
                 errhint("Run ALTER EXTENSION %s UPDATE, or restart the server if the library was replaced.",
                         extension_name)));
    for (int i = 0; i < lengthof(checked_tables); i++)
        if (checked_tables[i].relid == InvalidOid)
        {
            checked_tables[i].relid = relid;
            break;
        }
}

static Relation
open_table(const char *schema, const char *name, LOCKMODE lock)
{
    Oid namespace = get_namespace_oid(schema, true);
    Oid relid = OidIsValid(namespace) ? get_relname_relid(name, namespace) : InvalidOid;
    Relation rel = OidIsValid(relid) ? try_table_open(relid, lock) : NULL;

    if (rel == NULL)
        ereport(ERROR,
                (errcode(ERRCODE_UNDEFINED_TABLE),
                 errmsg("extension \"%s\" is not installed in this database", extension_name),
                 errhint("Run CREATE EXTENSION %s.", extension_name)));
    return rel;
}

pgs_error *
pgs_table_open(const char *schema, const char *name, bool writing, const pgs_kind *kinds, int count, pgs_table **out)
PGS_GUARD_BEGIN
    pgs_table *table;

    if (count > PGS_COLUMNS_MAX)
        elog(ERROR, "too many columns");
    table = palloc0(sizeof(*table));
    table->rel = open_table(schema, name, writing ? RowExclusiveLock : AccessShareLock);
    check_table(table->rel, kinds, count);
    table->writing = writing;
    table->count = count;
    memcpy(table->kinds, kinds, count * sizeof(*kinds));
    *out = table;
PGS_GUARD_END

pgs_error *
pgs_table_close(pgs_table *table)
PGS_GUARD_BEGIN
    if (table->indexes)
        CatalogCloseIndexes(table->indexes);
    table_close(table->rel, table->writing ? NoLock : AccessShareLock);
    pfree(table);
PGS_GUARD_END

static Datum
datum_of(const pgs_value *value, pgs_kind kind)
{
    if (value->kind != kind)
        elog(ERROR, "value of kind %d for a column of kind %d", value->kind, kind);
    switch (kind)
    {
        case PGS_BOOL: return BoolGetDatum(value->number != 0);
        case PGS_INT2: return Int16GetDatum((int16) value->number);
        case PGS_INT4: return Int32GetDatum((int32) value->number);
        case PGS_INT8: return Int64GetDatum(value->number);
        case PGS_OID: return ObjectIdGetDatum((Oid) value->number);
        case PGS_TIMESTAMPTZ: return TimestampTzGetDatum(value->number);
        case PGS_TEXT:
            {
                char *utf8 = pnstrdup((const char *) (value->bytes ? value->bytes : (const uint8_t *) ""), value->length);

                if (strlen(utf8) != value->length)
                    ereport(ERROR,
                            (errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
                             errmsg("text must not contain a null character")));
                return PointerGetDatum(cstring_to_text(pg_any_to_server(utf8, value->length, PG_UTF8)));
            }
        case PGS_BYTEA:
            return PointerGetDatum(cstring_to_text_with_len((const char *) value->bytes, value->length));
        case PGS_NAME:
        case PGS_NULL:
            break;
    }
    elog(ERROR, "unsupported kind %d", kind);
}

static HeapTuple
form_tuple(pgs_table *table, const pgs_value *values, int count)
{
    Datum datums[PGS_COLUMNS_MAX];
    bool nulls[PGS_COLUMNS_MAX];

    if (count != table->count)
        elog(ERROR, "row of %d values for a table of %d columns", count, table->count);
    for (int i = 0; i < count; i++)
    {
        nulls[i] = values[i].kind == PGS_NULL;
        datums[i] = nulls[i] ? (Datum) 0 : datum_of(&values[i], table->kinds[i]);
    }
    return heap_form_tuple(RelationGetDescr(table->rel), datums, nulls);
}

pgs_error *
pgs_table_insert(pgs_table *table, const pgs_value *values, int count)
PGS_GUARD_BEGIN
    HeapTuple tuple = form_tuple(table, values, count);

    if (table->indexes == NULL)
        table->indexes = CatalogOpenIndexes(table->rel);
    CatalogTupleInsertWithInfo(table->rel, tuple, table->indexes);
    heap_freetuple(tuple);
PGS_GUARD_END

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
    ScanKeyEntryInitialize(key, 0, column, strategy, InvalidOid, collation, procedure, datum_of(value, kind));
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

pgs_error *
pgs_rows_begin(void)
PGS_GUARD_BEGIN
    PushActiveSnapshot(GetTransactionSnapshot());
PGS_GUARD_END

pgs_error *
pgs_rows_end(void)
PGS_GUARD_BEGIN
    PopActiveSnapshot();
    /* what was written is to be seen, and may be deleted, by what the same statement does next */
    CommandCounterIncrement();
PGS_GUARD_END

int64_t
pgs_unique_number(void)
{
    static int64 last = 0;
#if PG_VERSION_NUM >= 170000
    int64 place = MyProcNumber;
#else
    int64 place = MyProc->pgprocno;
#endif
    int64 now = GetCurrentTimestamp();

    last = Max(last + 1, now);
    return (last << 11) | (place & 0x7ff);
}

uint32_t
pgs_random32(void)
{
    return pg_prng_uint32(&pg_global_prng_state);
}

pgs_error *
pgs_sha256(const uint8_t *bytes, size_t length, uint8_t *out)
PGS_GUARD_BEGIN
    pg_cryptohash_ctx *context = pg_cryptohash_create(PG_SHA256);

    if (context == NULL || pg_cryptohash_init(context) < 0 || pg_cryptohash_update(context, bytes, length) < 0 ||
        pg_cryptohash_final(context, out, PG_SHA256_DIGEST_LENGTH) < 0)
        elog(ERROR, "could not compute a SHA-256 hash");
    pg_cryptohash_free(context);
PGS_GUARD_END

pgs_error *
pgs_item_lock(int64_t item)
PGS_GUARD_BEGIN
    LOCKTAG tag;

    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (item >> 32), (uint32) item, PGS_LOCK_CLASS);
    (void) LockAcquire(&tag, ExclusiveLock, false, false);
PGS_GUARD_END
