#include "proto/link_auth.h"

#include "proto/wire.h"

#include <assert.h>

#include <nettle/hmac.h>
#include <nettle/memops.h>

/* Each use of a key begins with its own label, so that no message can pass for another. */
static const char label_key[] = "ic-invocation-1";
static const char label_hello[] = "ic-hello-1";
static const char label_welcome[] = "ic-welcome-1";

static void begin(struct hmac_sha256_ctx *ctx, struct ic_slice key, const char *label)
{
    hmac_sha256_set_key(ctx, key.len, key.data);
    hmac_sha256_update(ctx, strlen(label), (const uint8_t *)label);
}

void ic_link_key(struct ic_slice secret, struct ic_slice function,
                 const uint8_t invocation[IC_INVOCATION_ID_BYTES], uint8_t out[IC_LINK_KEY_BYTES])
{
    static_assert(IC_LINK_KEY_BYTES == SHA256_DIGEST_SIZE, "a key is one digest");
    assert(function.len <= UINT16_MAX);
    uint8_t len[2];
    ic_put_u16(len, (uint16_t)function.len);
    struct hmac_sha256_ctx ctx;
    begin(&ctx, secret, label_key);
    hmac_sha256_update(&ctx, sizeof(len), len);
    hmac_sha256_update(&ctx, function.len, function.data);
    hmac_sha256_update(&ctx, IC_INVOCATION_ID_BYTES, invocation);
    hmac_sha256_digest(&ctx, IC_LINK_KEY_BYTES, out);
}

void ic_link_hello_mac(const uint8_t key[IC_LINK_KEY_BYTES], struct ic_slice signed_bytes,
                       uint8_t out[IC_LINK_MAC_BYTES])
{
    static_assert(IC_LINK_MAC_BYTES == SHA256_DIGEST_SIZE, "a MAC is one digest");
    struct hmac_sha256_ctx ctx;
    begin(&ctx, ic_slice(key, IC_LINK_KEY_BYTES), label_hello);
    hmac_sha256_update(&ctx, signed_bytes.len, signed_bytes.data);
    hmac_sha256_digest(&ctx, IC_LINK_MAC_BYTES, out);
}

void ic_link_welcome_mac(const uint8_t key[IC_LINK_KEY_BYTES], uint32_t epoch,
                         const uint8_t hello_mac[IC_LINK_MAC_BYTES], uint8_t out[IC_LINK_MAC_BYTES])
{
    uint8_t number[4];
    ic_put_u32(number, epoch);
    struct hmac_sha256_ctx ctx;
    begin(&ctx, ic_slice(key, IC_LINK_KEY_BYTES), label_welcome);
    hmac_sha256_update(&ctx, sizeof(number), number);
    hmac_sha256_update(&ctx, IC_LINK_MAC_BYTES, hello_mac);
    hmac_sha256_digest(&ctx, IC_LINK_MAC_BYTES, out);
}

bool ic_link_mac_equal(const uint8_t a[IC_LINK_MAC_BYTES], const uint8_t b[IC_LINK_MAC_BYTES])
{
    return memeql_sec(a, b, IC_LINK_MAC_BYTES) != 0;
}
