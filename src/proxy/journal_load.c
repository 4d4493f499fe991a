#include "proxy/journal_internal.h"
#include "proxy/journal_record.h"

struct load {
    struct ic_journal *j;
    const struct ic_journal_loader *loader;
    void *ctx;
    char *why;
};

static int damaged(const struct load *l, const char *what, uint64_t id)
{
    ic_journal_say(l->why, "journal %s is damaged: record of %s %llu", l->j->path, what,
                   (unsigned long long)id);
    return IC_ECORRUPT;
}

static int load_object(const struct load *l, uint64_t id, struct ic_slice record)
{
    struct ic_journal_object o;
    struct ic_journal_place place[IC_JOURNAL_PLACES_MAX];
    if (ic_journal_decode_object(record, id, &o, place) < 0) {
        return damaged(l, "object", id);
    }
    int result = l->loader->object(l->ctx, &o);
    return result == IC_ECORRUPT ? damaged(l, "object", id) : result;
}

static int load_entry(const struct load *l, uint64_t id, struct ic_slice record)
{
    struct ic_journal_entry e;
    if (ic_journal_decode_entry(record, id, &e) < 0) {
        return damaged(l, "entry", id);
    }
    int result = l->loader->entry(l->ctx, &e);
    return result == IC_ECORRUPT ? damaged(l, "entry", id) : result;
}

static int load_database(const struct load *l, MDB_txn *txn, MDB_dbi dbi,
                         int (*load_one)(const struct load *l, uint64_t id, struct ic_slice record))
{
    MDB_cursor *cursor;
    MDB_val key, value;
    int result = 0;
    int rc = mdb_cursor_open(txn, dbi, &cursor);
    if (rc != 0) {
        return ic_journal_explain(l->j, rc, l->why);
    }
    while (result >= 0 && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        size_t id;
        if (key.mv_size != sizeof id) {
            rc = MDB_CORRUPTED;
            break;
        }
        memcpy(&id, key.mv_data, sizeof id);
        result = load_one(l, id, ic_slice(value.mv_data, value.mv_size));
    }
    mdb_cursor_close(cursor);
    if (result >= 0 && rc != MDB_NOTFOUND) {
        result = ic_journal_explain(l->j, rc, l->why);
    }
    return result;
}

int ic_journal_load(struct ic_journal *j, const struct ic_journal_loader *loader, void *ctx,
                    char *why)
{
    if (j->memory_only) {
        return 0;
    }
    struct load l = {.j = j, .loader = loader, .ctx = ctx, .why = why};
    MDB_txn *txn;
    int rc = mdb_txn_begin(j->env, NULL, MDB_RDONLY, &txn);
    if (rc != 0) {
        return ic_journal_explain(j, rc, why);
    }
    ic_journal_say(why, "journal %s: out of memory while loading", j->path);
    int result = load_database(&l, txn, j->objects, load_object);
    if (result >= 0) {
        result = load_database(&l, txn, j->entries, load_entry);
    }
    mdb_txn_abort(txn);
    return result < 0 ? result : 0;
}

struct ledger_load {
    int (*each)(void *ctx, uint64_t key, struct ic_slice record);
    void *ctx;
};

static int load_ledger(const struct load *l, uint64_t key, struct ic_slice record)
{
    const struct ledger_load *ledger = l->ctx;
    return ledger->each(ledger->ctx, key, record);
}

int ic_journal_load_ledger(struct ic_journal *j,
                           int (*each)(void *ctx, uint64_t key, struct ic_slice record), void *ctx,
                           char *why)
{
    if (j->memory_only) {
        return 0;
    }
    struct ledger_load ledger = {.each = each, .ctx = ctx};
    struct load l = {.j = j, .ctx = &ledger, .why = why};
    MDB_txn *txn;
    int rc = mdb_txn_begin(j->env, NULL, MDB_RDONLY, &txn);
    if (rc != 0) {
        return ic_journal_explain(j, rc, why);
    }
    int result = load_database(&l, txn, j->ledger, load_ledger);
    mdb_txn_abort(txn);
    return result < 0 ? result : 0;
}
