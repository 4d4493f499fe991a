#include "core/rebuild_claim.h"

#include "base/alloc.h"
#include "code/layout.h"
#include "proto/frame.h"
#include "proto/link_body.h"

#include <assert.h>

enum { EPOCH_SHIFT = 40 }; /* ids and versions: epoch (24 bits) | counter (40 bits) */
#define OBJECT_BYTES_MAX (UINT64_C(1) << 50)

struct ic_rebuild_claim_name {
    struct ic_rebuild_claim_name *next;
    int64_t expires_ms;
    uint8_t tag;
    uint8_t key[]; /* as long as the claim's */
};

struct votes { /* by tag */
    uint16_t of[IC_REBUILD_NAMES_MAX];
};

/* ---- life ------------------------------------------------------------------- */

struct ic_rebuild_claim *ic_rebuild_claim_new(const struct ic_seal *seal, struct ic_slice key)
{
    size_t chunks = (size_t)seal->data + seal->parity;
    struct ic_rebuild_claim *c = ic_calloc(1, sizeof *c + chunks * sizeof c->place[0]);
    if (c == NULL) {
        return NULL;
    }
    c->version = seal->version;
    c->size = seal->object_size;
    c->chunk_length = seal->chunk_length;
    c->key = key;
    c->expires_ms = seal->expires_ms;
    c->unit = seal->unit;
    c->data = seal->data;
    c->parity = seal->parity;
    ic_list_init(&c->same_id);
    ic_list_init(&c->same_key);
    return c;
}

void ic_rebuild_claim_free(struct ic_rebuild_claim *c)
{
    while (c->others != NULL) {
        struct ic_rebuild_claim_name *name = c->others;
        c->others = name->next;
        ic_free(name);
    }
    ic_free(c);
}

bool ic_rebuild_claim_is_possible(const struct ic_item *item, uint32_t epoch)
{
    const struct ic_seal *s = &item->seal;
    if (!item->sealed || s->data == 0 || (size_t)s->data + s->parity > IC_PLACEMENT_MAX ||
        item->chunk >= s->data + s->parity || s->unit == 0 || s->unit % IC_LAYOUT_ALIGN != 0 ||
        s->unit > IC_FRAME_DATA_MAX || s->object_size > OBJECT_BYTES_MAX ||
        item->object_id >> EPOCH_SHIFT >= epoch || s->version >> EPOCH_SHIFT >= epoch ||
        s->version == 0) {
        return false;
    }
    struct ic_layout layout;
    ic_layout_init(&layout, s->object_size, s->data, s->parity, s->unit);
    return layout.chunk_length == s->chunk_length;
}

/* Chunk length and cost follow from the rest. */
bool ic_rebuild_claim_agrees(const struct ic_rebuild_claim *c, const struct ic_seal *seal)
{
    return c->version == seal->version && c->size == seal->object_size && c->unit == seal->unit &&
           c->data == seal->data && c->parity == seal->parity && c->key.len == seal->key.len;
}

uint64_t ic_rebuild_claim_chunk_cost(const struct ic_rebuild_claim *c)
{
    return ic_chunk_cost(c->chunk_length, c->unit, c->key.len);
}

uint64_t ic_rebuild_claim_memory(const struct ic_rebuild_claim *c)
{
    uint64_t bytes = sizeof *c + ic_rebuild_claim_chunks(c) * sizeof c->place[0];
    for (const struct ic_rebuild_claim_name *name = c->others; name != NULL; name = name->next) {
        bytes += sizeof *name + c->key.len;
    }
    return bytes;
}

/* ---- names ------------------------------------------------------------------ */

/* A place of FUNCTION, or NULL. */
static struct ic_rebuild_place *find_place(struct ic_rebuild_claim *c, uint16_t function)
{
    for (size_t i = 0; i < ic_rebuild_claim_chunks(c); i++) {
        if (c->place[i].serial != 0 && c->place[i].function == function) {
            return &c->place[i];
        }
    }
    return NULL;
}

static struct votes count_votes(const struct ic_rebuild_claim *c)
{
    struct votes votes = {0};
    for (size_t i = 0; i < ic_rebuild_claim_chunks(c); i++) {
        if (c->place[i].serial != 0 && c->place[i].votes) {
            votes.of[c->place[i].name]++;
        }
    }
    return votes;
}

static struct ic_slice key_of(const struct ic_rebuild_claim *c,
                              const struct ic_rebuild_claim_name *name)
{
    return ic_slice(name->key, c->key.len);
}

static bool is_later(int64_t a_ms, int64_t b_ms)
{
    return b_ms != 0 && (a_ms == 0 || a_ms > b_ms);
}

/* The name that SEAL says, if it is known: *TAG. */
static bool find_name(const struct ic_rebuild_claim *c, const struct ic_seal *seal, uint8_t *tag)
{
    if (c->expires_ms == seal->expires_ms && ic_slice_equal(c->key, seal->key)) {
        *tag = c->tag;
        return true;
    }
    for (const struct ic_rebuild_claim_name *name = c->others; name != NULL; name = name->next) {
        if (name->expires_ms == seal->expires_ms && ic_slice_equal(key_of(c, name), seal->key)) {
            *tag = name->tag;
            return true;
        }
    }
    return false;
}

static uint8_t unused_tag(const struct ic_rebuild_claim *c)
{
    struct votes used = {0};
    used.of[c->tag] = 1;
    for (const struct ic_rebuild_claim_name *name = c->others; name != NULL; name = name->next) {
        used.of[name->tag] = 1;
    }
    uint8_t tag = 0;
    while (used.of[tag] != 0) {
        tag++;
    }
    return tag;
}

/* What nobody says any more. */
static void forget_names(struct ic_rebuild_claim *c)
{
    struct votes votes = count_votes(c);
    struct ic_rebuild_claim_name **at = &c->others;
    while (*at != NULL) {
        struct ic_rebuild_claim_name *name = *at;
        if (votes.of[name->tag] == 0) {
            *at = name->next;
            ic_free(name);
        } else {
            at = &name->next;
        }
    }
}

static int need_name(struct ic_rebuild_claim *c, const struct ic_seal *seal, uint8_t *tag)
{
    if (find_name(c, seal, tag)) {
        return 0;
    }
    forget_names(c);
    struct ic_rebuild_claim_name *name = ic_malloc(sizeof *name + c->key.len);
    if (name == NULL) {
        return IC_ENOMEM;
    }
    *name = (struct ic_rebuild_claim_name){
        .next = c->others, .expires_ms = seal->expires_ms, .tag = unused_tag(c)};
    if (c->key.len > 0) {
        memcpy(name->key, seal->key.data, c->key.len);
    }
    c->others = name;
    *tag = name->tag;
    return 0;
}

/* ---- places ----------------------------------------------------------------- */

uint32_t ic_rebuild_claim_places_on(const struct ic_rebuild_claim *c, uint16_t function)
{
    uint32_t count = 0;
    for (size_t i = 0; i < ic_rebuild_claim_chunks(c); i++) {
        count += c->place[i].serial != 0 && c->place[i].function == function;
    }
    return count;
}

bool ic_rebuild_claim_is_of(const struct ic_rebuild_claim *c, uint16_t function)
{
    return c->functions == 1 && c->lone == function;
}

/* The name with TAG is the key that is believed, perhaps with another expiry. */
static bool says_key(const struct ic_rebuild_claim *c, uint8_t tag)
{
    const struct ic_rebuild_claim_name *name = c->others;
    while (tag != c->tag && name->tag != tag) {
        name = name->next;
    }
    return tag == c->tag || ic_slice_equal(key_of(c, name), c->key);
}

int ic_rebuild_claim_set(struct ic_rebuild_claim *c, uint16_t chunk, uint16_t function,
                         uint32_t serial, const struct ic_seal *seal)
{
    assert(c->place[chunk].serial == 0 && serial != 0);
    const struct ic_rebuild_place *before = find_place(c, function);
    struct ic_rebuild_place place = {.serial = serial, .function = function};
    if (before != NULL) {
        place.name = before->name;
    } else {
        int result = need_name(c, seal, &place.name);
        if (result < 0) {
            return result;
        }
        place.votes = true;
        c->votes = (uint16_t)(c->votes + says_key(c, place.name));
        c->lone = function;
        c->functions++;
    }
    c->place[chunk] = place;
    c->seen++;
    return 0;
}

/* The function of PLACE, which voted and is cleared, has another place that votes, or none. */
static void pass_vote_on(struct ic_rebuild_claim *c, const struct ic_rebuild_place *place)
{
    struct ic_rebuild_place *other = find_place(c, place->function);
    if (other != NULL) {
        other->votes = true;
        return;
    }
    c->functions--;
    if (says_key(c, place->name)) {
        c->votes--;
    }
}

void ic_rebuild_claim_clear(struct ic_rebuild_claim *c, size_t chunk)
{
    c->place[chunk].serial = 0;
    c->seen--;
    if (c->place[chunk].votes) {
        pass_vote_on(c, &c->place[chunk]);
    }
    for (size_t i = 0; c->functions == 1 && i < ic_rebuild_claim_chunks(c); i++) {
        c->lone = c->place[i].serial != 0 ? c->place[i].function : c->lone;
    }
}

/* ---- votes ------------------------------------------------------------------ */

/* For KEY, with whatever expiry. */
static uint32_t votes_for(const struct ic_rebuild_claim *c, const struct votes *votes,
                          struct ic_slice key)
{
    uint32_t count = ic_slice_equal(c->key, key) ? votes->of[c->tag] : 0;
    for (const struct ic_rebuild_claim_name *name = c->others; name != NULL; name = name->next) {
        count += ic_slice_equal(key_of(c, name), key) ? votes->of[name->tag] : 0;
    }
    return count;
}

/* KEY is put into the COUNT that are sorted, unless it is there. */
static size_t sort_in(struct ic_rebuild_claim_key *out, size_t count,
                      struct ic_rebuild_claim_key key)
{
    size_t at = count;
    for (size_t i = 0; i < count; i++) {
        if (ic_slice_equal(out[i].key, key.key)) {
            return count;
        }
    }
    for (; at > 0 && out[at - 1].votes < key.votes; at--) {
        out[at] = out[at - 1];
    }
    out[at] = key;
    return count + 1;
}

size_t ic_rebuild_claim_keys(const struct ic_rebuild_claim *c,
                             struct ic_rebuild_claim_key out[IC_REBUILD_NAMES_MAX])
{
    struct votes votes = count_votes(c);
    out[0] = (struct ic_rebuild_claim_key){.key = c->key, .votes = votes_for(c, &votes, c->key)};
    size_t count = 1;
    for (const struct ic_rebuild_claim_name *name = c->others; name != NULL; name = name->next) {
        struct ic_slice key = key_of(c, name);
        uint32_t said = votes_for(c, &votes, key);
        count = said == 0 ? count : sort_in(out, count, (struct ic_rebuild_claim_key){key, said});
    }
    return count;
}

/* NAME and the one that is believed change places; their keys are another matter. */
static void exchange(struct ic_rebuild_claim *c, struct ic_rebuild_claim_name *name)
{
    int64_t expires_ms = c->expires_ms;
    uint8_t tag = c->tag;
    c->expires_ms = name->expires_ms;
    c->tag = name->tag;
    name->expires_ms = expires_ms;
    name->tag = tag;
}

static void choose_expiry(struct ic_rebuild_claim *c)
{
    struct votes votes = count_votes(c);
    for (struct ic_rebuild_claim_name *name = c->others; name != NULL; name = name->next) {
        uint16_t more = votes.of[name->tag], now = votes.of[c->tag];
        if (ic_slice_equal(key_of(c, name), c->key) &&
            (more > now || (more == now && is_later(name->expires_ms, c->expires_ms)))) {
            exchange(c, name);
        }
    }
}

void ic_rebuild_claim_believe(struct ic_rebuild_claim *c, struct ic_slice key)
{
    if (!ic_slice_equal(c->key, key)) {
        struct ic_rebuild_claim_name *name = c->others;
        while (!ic_slice_equal(key_of(c, name), key)) {
            name = name->next;
        }
        exchange(c, name);
        memcpy(name->key, c->key.data, key.len);
    }
    c->key = key;
    choose_expiry(c);
    struct votes votes = count_votes(c);
    c->votes = (uint16_t)votes_for(c, &votes, key);
}
