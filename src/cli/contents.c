#include "cli/contents.h"

#include "base/random.h"

int ic_contents_init(struct ic_contents *c, uint64_t seed)
{
    c->seed = seed;
    c->block = ic_buf_new(IC_CONTENTS_BLOCK_BYTES + sizeof(uint64_t));
    if (c->block == NULL) {
        return IC_ENOMEM;
    }
    struct ic_rng rng;
    ic_rng_init(&rng, seed);
    for (size_t at = 0; at < IC_CONTENTS_BLOCK_BYTES; at += sizeof(uint64_t)) {
        uint64_t word = ic_rng_next(&rng);
        memcpy(c->block->data + at, &word, sizeof word);
    }
    c->block->len = IC_CONTENTS_BLOCK_BYTES;
    return 0;
}

void ic_contents_deinit(struct ic_contents *c)
{
    ic_buf_unref(c->block);
    c->block = NULL;
}

static uint64_t start_of(const struct ic_contents *c, uint64_t key)
{
    struct ic_rng rng;
    ic_rng_init(&rng, c->seed ^ key * UINT64_C(0x9e3779b97f4a7c15));
    return ic_rng_next(&rng) % IC_CONTENTS_BLOCK_BYTES;
}

struct ic_slice ic_contents_piece(const struct ic_contents *c, uint64_t key, uint64_t offset,
                                  uint64_t len)
{
    uint64_t at = (start_of(c, key) + offset) % IC_CONTENTS_BLOCK_BYTES;
    uint64_t row = IC_CONTENTS_BLOCK_BYTES - at;
    return ic_slice(c->block->data + at, (size_t)(len < row ? len : row));
}

bool ic_contents_equal(const struct ic_contents *c, uint64_t key, uint64_t offset,
                       struct ic_slice bytes)
{
    while (bytes.len > 0) {
        struct ic_slice piece = ic_contents_piece(c, key, offset, bytes.len);
        if (memcmp(piece.data, bytes.data, piece.len) != 0) {
            return false;
        }
        bytes.data += piece.len;
        bytes.len -= piece.len;
        offset += piece.len;
    }
    return true;
}
