#include "proto/link_auth.h"
#include "unit.h"

#include <openssl/hmac.h>

/* OpenSSL's HMAC over the parts in a row: the other opinion. */
static void expect_hmac(const uint8_t *key, size_t key_len, const void *bytes, size_t len,
                        const uint8_t *actual)
{
    uint8_t mac[32];
    unsigned mac_len = 0;
    assert_non_null(HMAC(EVP_sha256(), key, (int)key_len, bytes, len, mac, &mac_len));
    assert_int_equal(mac_len, 32);
    assert_memory_equal(mac, actual, 32);
}

static void equals_openssl(void **state)
{
    (void)state;
    uint8_t secret[32], invocation[16], key[32], mac[32];
    memset(secret, 7, sizeof(secret));
    memset(invocation, 'v', sizeof(invocation));
    ic_link_key(ic_slice(secret, 32), ic_slice_str("cache-3"), invocation, key);
    static const char derived[] = "ic-invocation-1\x07\x00"
                                  "cache-3vvvvvvvvvvvvvvvv";
    expect_hmac(secret, 32, derived, sizeof(derived) - 1, key);

    ic_link_hello_mac(key, ic_slice_str("body"), mac);
    expect_hmac(key, 32, "ic-hello-1body", 14, mac);

    uint8_t hello[32], welcome[14 - 2 + 4 + 32] = "ic-welcome-1\x04\x03\x02\x01";
    memset(hello, 9, sizeof(hello));
    memset(welcome + 16, 9, 32);
    ic_link_welcome_mac(key, 0x01020304, hello, mac);
    expect_hmac(key, 32, welcome, sizeof(welcome), mac);
}

static void every_input_counts(void **state)
{
    (void)state;
    uint8_t invocation[16] = {1}, key[32], other[32];
    ic_link_key(ic_slice_str("secret"), ic_slice_str("f"), invocation, key);
    ic_link_key(ic_slice_str("secres"), ic_slice_str("f"), invocation, other);
    assert_false(ic_link_mac_equal(key, other));
    ic_link_key(ic_slice_str("secret"), ic_slice_str("g"), invocation, other);
    assert_false(ic_link_mac_equal(key, other));
    invocation[15] = 1;
    ic_link_key(ic_slice_str("secret"), ic_slice_str("f"), invocation, other);
    assert_false(ic_link_mac_equal(key, other));
    uint8_t hello[32] = {0}, a[32], b[32];
    ic_link_welcome_mac(key, 1, hello, a);
    ic_link_welcome_mac(key, 2, hello, b);
    assert_false(ic_link_mac_equal(a, b));
    ic_link_welcome_mac(key, 1, hello, b);
    assert_true(ic_link_mac_equal(a, b));
    hello[31] = 1;
    ic_link_welcome_mac(key, 1, hello, b);
    assert_false(ic_link_mac_equal(a, b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(equals_openssl),
        leak_test(every_input_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
