/*
 * fuzz_journal_record.c - arbitrary bytes as a record of the journal, under a check that is right
 * for one of its formats (the first byte chooses) or as they come.
 */
#include "proxy/journal_record.h"

#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static const uint64_t ID = 5;
static const uint64_t SEEDS[] = {5, 5 ^ UINT64_C(0x9e3779b97f4a7c15)};

static void check_object(struct ic_slice record)
{
    struct ic_journal_place place[IC_JOURNAL_PLACES_MAX], again[IC_JOURNAL_PLACES_MAX];
    struct ic_journal_object o, back;
    struct ic_buf out;
    if (ic_journal_decode_object(record, ID, &o, place) != 0) {
        return;
    }
    ic_buf_init(&out);
    if (ic_journal_encode_object(&out, &o) != 0 ||
        ic_journal_decode_object(ic_buf_slice(&out), ID, &back, again) != 0 ||
        back.version != o.version || back.size != o.size || back.parity != o.parity ||
        memcmp(place, again, sizeof place[0] * (size_t)(o.data + o.parity)) != 0) {
        abort();
    }
    ic_buf_deinit(&out);
}

static void check_entry(struct ic_slice record)
{
    struct ic_journal_entry e, back;
    struct ic_buf out;
    if (ic_journal_decode_entry(record, ID, &e) != 0) {
        return;
    }
    ic_buf_init(&out);
    if (ic_journal_encode_entry(&out, &e) != 0 ||
        ic_journal_decode_entry(ic_buf_slice(&out), ID, &back) != 0 ||
        back.object_id != e.object_id || back.expires_ms != e.expires_ms ||
        back.accessed_ms != e.accessed_ms || !ic_slice_equal(back.key, e.key)) {
        abort();
    }
    ic_buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    size_t len = size - 1, all = data[0] < 2 ? len + 4 : len;
    uint8_t *copy = malloc(all); /* its own block: reading beyond it shows */
    memcpy(copy, data + 1, len);
    if (data[0] < 2) {
        uint32_t check = (uint32_t)XXH3_64bits_withSeed(copy, len, SEEDS[data[0]]);
        memcpy(copy + len, &check, sizeof check);
    }
    check_object(ic_slice(copy, all));
    check_entry(ic_slice(copy, all));
    free(copy);
    return 0;
}
