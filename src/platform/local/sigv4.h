/*
 * sigv4.h - checks AWS Signature Version 4 of a request, as a service does. Pure: the
 * request, the keys and the time are arguments.
 *
 *   Authorization: AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request,
 *                  SignedHeaders=a;b, Signature=HEX
 *
 *   canonical request --SHA-256--> string to sign --HMAC, key of the day--> signature
 *
 * Source: "Signature Version 4 signing process", AWS IAM user guide.
 */
#ifndef IC_PLATFORM_LOCAL_SIGV4_H
#define IC_PLATFORM_LOCAL_SIGV4_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

enum {
    IC_SIGV4_QUERY_MAX = 64,   /* parameters in a query; more are refused */
    IC_SIGV4_SIGNED_MAX = 64,  /* signed headers; more are refused */
    IC_SIGV4_SKEW_MAX_S = 300, /* a signature is good for so long, both ways */
    IC_SIGV4_WHY_MAX = 1024,   /* bytes of an explanation, the zero included */
};

struct ic_sigv4_header {
    struct ic_slice name, value;
};

struct ic_sigv4_request {
    struct ic_slice method;
    struct ic_slice path;  /* as sent */
    struct ic_slice query; /* as sent, without '?' */
    const struct ic_sigv4_header *header;
    size_t header_count;
    struct ic_slice body;
};

struct ic_sigv4_keys {
    const char *key_id, *secret;
    const char *region, *service; /* what the credential's scope must name */
};

enum ic_sigv4_verdict {
    IC_SIGV4_OK,
    IC_SIGV4_MISSING,    /* no signature: MissingAuthenticationTokenException */
    IC_SIGV4_INCOMPLETE, /* malformed: IncompleteSignatureException */
    IC_SIGV4_UNKNOWN,    /* not our key id: UnrecognizedClientException */
    IC_SIGV4_INVALID,    /* wrong, expired, other scope: InvalidSignatureException */
    IC_SIGV4_NO_MEMORY,
};

/* Judges R at NOW_S (Unix time). WHY (IC_SIGV4_WHY_MAX bytes) gets the message AWS sends. */
enum ic_sigv4_verdict ic_sigv4_verify(const struct ic_sigv4_request *r,
                                      const struct ic_sigv4_keys *keys, int64_t now_s, char *why);
/* "InvalidSignatureException", ...; NULL for OK. */
const char *ic_sigv4_error_type(enum ic_sigv4_verdict verdict);

/* ---- the steps, for tests ---- */

/*
 * Appends the canonical request for SIGNED_HEADERS ("a;b"). IC_EPROTO: malformed escape
 * in the query or too many parameters; IC_ENOENT: a signed header is not there.
 */
int ic_sigv4_canonical(const struct ic_sigv4_request *r, struct ic_slice signed_headers,
                       struct ic_buf *out) IC_MUST_USE;
/* The signature, 64 hex digits and a zero. DATE_TIME is "20150830T123600Z". */
int ic_sigv4_sign(const struct ic_sigv4_keys *keys, struct ic_slice date_time,
                  struct ic_slice canonical, char out[65]) IC_MUST_USE;

#endif
