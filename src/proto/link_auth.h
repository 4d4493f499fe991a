/*
 * link_auth.h - who is who on the node link. HMAC-SHA-256 (RFC 2104, FIPS 180-4) throughout:
 *
 *   key     = HMAC(secret,  "ic-invocation-1" | u16 len | function name | invocation id)
 *   hello   = HMAC(key,     "ic-hello-1"      | the HELLO's body before its MAC)
 *   welcome = HMAC(key,     "ic-welcome-1"    | epoch u32 | that HELLO's MAC)
 *
 * The secret stays in the proxy's directory; a function is handed the key of one invocation, in its
 * payload. The HELLO's MAC covers the dial counter, so each dial has a WELCOME of its own.
 */
#ifndef IC_PROTO_LINK_AUTH_H
#define IC_PROTO_LINK_AUTH_H

#include "base/slice.h"
#include "proto/link_body.h"

enum { IC_LINK_KEY_BYTES = 32 };

void ic_link_key(struct ic_slice secret, struct ic_slice function,
                 const uint8_t invocation[IC_INVOCATION_ID_BYTES], uint8_t out[IC_LINK_KEY_BYTES]);

/* SIGNED: the HELLO's body before its MAC. */
void ic_link_hello_mac(const uint8_t key[IC_LINK_KEY_BYTES], struct ic_slice signed_bytes,
                       uint8_t out[IC_LINK_MAC_BYTES]);

void ic_link_welcome_mac(const uint8_t key[IC_LINK_KEY_BYTES], uint32_t epoch,
                         const uint8_t hello_mac[IC_LINK_MAC_BYTES],
                         uint8_t out[IC_LINK_MAC_BYTES]);

/* In a time that does not depend on the bytes. */
bool ic_link_mac_equal(const uint8_t a[IC_LINK_MAC_BYTES], const uint8_t b[IC_LINK_MAC_BYTES]);

#endif
