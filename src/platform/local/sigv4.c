/*
 * sigv4.c - canonicalisation, the derived key, and the judgement with AWS's own messages.
 */
#include "platform/local/sigv4.h"

#include "platform/local/uri.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char algorithm[] = "AWS4-HMAC-SHA256";
enum { DATE_TIME_LEN = 16, DATE_LEN = 8, SIGNATURE_LEN = 64 };

/* ---- canonical request ---------------------------------------------------------------- */

/*
 * Appends PATH without empty, "." and ".." segments, each byte encoded once more (every service
 * but S3 signs the encoded path encoded again).
 */
static int append_path(struct ic_slice path, struct ic_buf *out)
{
    struct ic_buf plain;
    ic_buf_init(&plain);
    int result = ic_buf_reserve(&plain, path.len + 1);
    bool open = true; /* the last segment ended without a slash behind it */
    for (size_t i = 0; result == 0 && i < path.len;) {
        size_t end = i;
        while (end < path.len && path.data[end] != '/') {
            end++;
        }
        struct ic_slice segment = ic_slice(path.data + i, end - i);
        i = end + 1;
        open = end == path.len;
        if (segment.len == 0 || ic_slice_equal(segment, ic_slice_str("."))) {
            open = false;
        } else if (ic_slice_equal(segment, ic_slice_str(".."))) {
            while (plain.len > 0 && plain.data[--plain.len] != '/') {
            }
            open = false;
        } else {
            plain.data[plain.len++] = '/'; /* segments and slashes fit: they came from PATH */
            memcpy(plain.data + plain.len, segment.data, segment.len);
            plain.len += segment.len;
        }
    }
    if (result == 0 && (!open || plain.len == 0)) {
        plain.data[plain.len++] = '/';
    }
    if (result == 0) {
        result = ic_uri_encode(ic_buf_slice(&plain), true, out);
    }
    ic_buf_deinit(&plain);
    return result;
}

struct param { /* encoded anew, places in one buffer */
    size_t name, name_len, value, value_len;
    const uint8_t *base;
};

static int compare_part(struct ic_slice a, struct ic_slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.data, b.data, len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_params(const void *left, const void *right)
{
    const struct param *a = left, *b = right;
    int order = compare_part(ic_slice(a->base + a->name, a->name_len),
                             ic_slice(b->base + b->name, b->name_len));
    return order != 0 ? order
                      : compare_part(ic_slice(a->base + a->value, a->value_len),
                                     ic_slice(b->base + b->value, b->value_len));
}

/* Appends TEXT decoded and encoded again, so that every spelling of it becomes the one signed. */
static int append_respelled(struct ic_slice text, struct ic_buf *out, size_t *at, size_t *len)
{
    struct ic_buf plain;
    ic_buf_init(&plain);
    int result = ic_uri_decode(text, &plain);
    *at = out->len;
    if (result == 0) {
        result = ic_uri_encode(ic_buf_slice(&plain), false, out);
    }
    *len = out->len - *at;
    ic_buf_deinit(&plain);
    return result;
}

static int append_query(struct ic_slice query, struct ic_buf *out)
{
    struct param params[IC_SIGV4_QUERY_MAX];
    struct ic_buf spelled;
    struct ic_uri_param raw;
    size_t count = 0;
    ic_buf_init(&spelled);
    int result = ic_buf_reserve(&spelled, 1); /* so that empty parts have an address, too */
    while (result == 0 && ic_uri_next_param(&query, &raw)) {
        if (count == IC_SIGV4_QUERY_MAX) {
            result = IC_EPROTO;
            break;
        }
        struct param *p = &params[count++];
        result = append_respelled(raw.name, &spelled, &p->name, &p->name_len);
        if (result == 0) {
            result = append_respelled(raw.value, &spelled, &p->value, &p->value_len);
        }
    }
    for (size_t i = 0; i < count; i++) {
        params[i].base = spelled.data;
    }
    if (result == 0) {
        qsort(params, count, sizeof params[0], compare_params);
    }
    for (size_t i = 0; result == 0 && i < count; i++) {
        const struct param *p = &params[i];
        result = ic_buf_printf(out, "%s%.*s=%.*s", i == 0 ? "" : "&", (int)p->name_len,
                               spelled.data + p->name, (int)p->value_len, spelled.data + p->value);
    }
    ic_buf_deinit(&spelled);
    return result;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Appends TEXT without blanks at its ends, runs of blanks inside as one. */
static int append_trimmed(struct ic_slice text, struct ic_buf *out)
{
    int result = ic_buf_reserve(out, text.len);
    bool gap = false, some = false;
    for (size_t i = 0; result == 0 && i < text.len; i++) {
        if (is_blank(text.data[i])) {
            gap = true;
            continue;
        }
        if (gap && some) {
            out->data[out->len++] = ' ';
        }
        gap = false;
        some = true;
        out->data[out->len++] = text.data[i];
    }
    return result;
}

static bool same_name(struct ic_slice header, struct ic_slice lower)
{
    if (header.len != lower.len) {
        return false;
    }
    for (size_t i = 0; i < header.len; i++) {
        uint8_t c = header.data[i];
        c = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
        if (c != lower.data[i]) {
            return false;
        }
    }
    return true;
}

/* "name:value,value\n" of one signed header. */
static int append_header(const struct ic_sigv4_request *r, struct ic_slice name, struct ic_buf *out)
{
    bool found = false;
    int result = ic_buf_append_slice(out, name);
    for (size_t i = 0; result == 0 && i < r->header_count; i++) {
        if (same_name(r->header[i].name, name)) {
            result = ic_buf_append_str(out, found ? "," : ":");
            if (result == 0) {
                result = append_trimmed(r->header[i].value, out);
            }
            found = true;
        }
    }
    if (result == 0) {
        result = ic_buf_append_str(out, "\n");
    }
    return result == 0 && !found ? IC_ENOENT : result;
}

/* Takes the next name off a list "a;b;c". */
static bool next_name(struct ic_slice *list, struct ic_slice *name)
{
    if (list->len == 0) {
        return false;
    }
    const uint8_t *end = memchr(list->data, ';', list->len);
    size_t len = end == NULL ? list->len : (size_t)(end - list->data);
    *name = ic_slice(list->data, len);
    size_t skip = len + (end != NULL);
    *list = ic_slice(list->data + skip, list->len - skip);
    return true;
}

static void to_hex(const uint8_t *bytes, size_t len, char *out)
{
    for (size_t i = 0; i < len; i++) {
        sprintf(out + 2 * i, "%02x", bytes[i]);
    }
}

int ic_sigv4_canonical(const struct ic_sigv4_request *r, struct ic_slice signed_headers,
                       struct ic_buf *out)
{
    struct ic_slice list = signed_headers, name;
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char hash[2 * SHA256_DIGEST_LENGTH + 1];
    size_t count = 0;
    int result = ic_buf_printf(out, "%.*s\n", (int)r->method.len, r->method.data);
    if (result == 0) {
        result = append_path(r->path, out);
    }
    if (result == 0) {
        result = ic_buf_append_str(out, "\n");
    }
    if (result == 0) {
        result = append_query(r->query, out);
    }
    if (result == 0) {
        result = ic_buf_append_str(out, "\n");
    }
    while (result == 0 && next_name(&list, &name)) {
        result = ++count > IC_SIGV4_SIGNED_MAX ? IC_EPROTO : append_header(r, name, out);
    }
    if (result < 0) {
        return result;
    }
    SHA256(r->body.len == 0 ? (const uint8_t *)"" : r->body.data, r->body.len, digest);
    to_hex(digest, sizeof digest, hash);
    return ic_buf_printf(out, "\n%.*s\n%s", (int)signed_headers.len, signed_headers.data, hash);
}

/* ---- signature ------------------------------------------------------------------------- */

static bool hmac(const uint8_t *key, size_t key_len, struct ic_slice text, uint8_t *out)
{
    return HMAC(EVP_sha256(), key, (int)key_len, text.data, text.len, out, NULL) != NULL;
}

/* key of the day = HMAC(HMAC(HMAC(HMAC("AWS4" secret, date), region), service), "aws4_request") */
static int derive_key(const struct ic_sigv4_keys *keys, struct ic_slice date, uint8_t *key)
{
    struct ic_buf first;
    ic_buf_init(&first);
    int result = ic_buf_printf(&first, "AWS4%s", keys->secret);
    if (result == 0 && !(hmac(first.data, first.len, date, key) &&
                         hmac(key, SHA256_DIGEST_LENGTH, ic_slice_str(keys->region), key) &&
                         hmac(key, SHA256_DIGEST_LENGTH, ic_slice_str(keys->service), key) &&
                         hmac(key, SHA256_DIGEST_LENGTH, ic_slice_str("aws4_request"), key))) {
        result = IC_ENOMEM;
    }
    if (first.data != NULL) {
        OPENSSL_cleanse(first.data, first.len);
    }
    ic_buf_deinit(&first);
    return result;
}

int ic_sigv4_sign(const struct ic_sigv4_keys *keys, struct ic_slice date_time,
                  struct ic_slice canonical, char out[65])
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char hash[2 * SHA256_DIGEST_LENGTH + 1];
    struct ic_buf text;
    if (date_time.len != DATE_TIME_LEN) {
        return IC_EINVAL;
    }
    SHA256(canonical.data, canonical.len, digest);
    to_hex(digest, sizeof digest, hash);
    ic_buf_init(&text);
    int result =
        ic_buf_printf(&text, "%s\n%.*s\n%.*s/%s/%s/aws4_request\n%s", algorithm, DATE_TIME_LEN,
                      date_time.data, DATE_LEN, date_time.data, keys->region, keys->service, hash);
    if (result == 0) {
        result = derive_key(keys, ic_slice(date_time.data, DATE_LEN), digest);
    }
    if (result == 0 && !hmac(digest, sizeof digest, ic_buf_slice(&text), digest)) {
        result = IC_ENOMEM;
    }
    if (result == 0) {
        to_hex(digest, sizeof digest, out);
    }
    ic_buf_deinit(&text);
    return result;
}

/* ---- the Authorization header -------------------------------------------------------------- */

struct authorization {
    struct ic_slice credential, signed_headers, signature;
    struct ic_slice key_id, date, region, service, terminator; /* of the credential */
    struct ic_slice date_time;
};

static struct ic_slice find_header(const struct ic_sigv4_request *r, const char *name)
{
    for (size_t i = 0; i < r->header_count; i++) {
        if (ic_slice_equal_nocase(r->header[i].name, name)) {
            return r->header[i].value;
        }
    }
    return ic_slice(NULL, 0);
}

static struct ic_slice take_until(struct ic_slice *text, const char *ends)
{
    size_t len = 0;
    while (len < text->len && strchr(ends, text->data[len]) == NULL) {
        len++;
    }
    struct ic_slice head = ic_slice(text->data, len);
    size_t skip = len < text->len ? len + 1 : len;
    *text = ic_slice(text->data + skip, text->len - skip);
    return head;
}

/* "KEY/DATE/REGION/SERVICE/aws4_request": the key id may hold slashes, so from the end. */
static bool split_credential(struct authorization *a)
{
    struct ic_slice *const parts[] = {&a->terminator, &a->service, &a->region, &a->date};
    struct ic_slice rest = a->credential;
    for (size_t i = 0; i < 4; i++) {
        size_t at = rest.len;
        while (at > 0 && rest.data[at - 1] != '/') {
            at--;
        }
        if (at == 0) {
            return false;
        }
        *parts[i] = ic_slice(rest.data + at, rest.len - at);
        rest.len = at - 1;
    }
    a->key_id = rest;
    return true;
}

static void put_pair(struct authorization *a, struct ic_slice name, struct ic_slice value)
{
    if (ic_slice_equal(name, ic_slice_str("Credential"))) {
        a->credential = value;
    } else if (ic_slice_equal(name, ic_slice_str("SignedHeaders"))) {
        a->signed_headers = value;
    } else if (ic_slice_equal(name, ic_slice_str("Signature"))) {
        a->signature = value;
    }
}

/* Appends to the text of LEN bytes in WHY, cut at IC_SIGV4_WHY_MAX. */
__attribute__((format(printf, 2, 3))) static void explain(char *why, const char *format, ...)
{
    size_t len = strlen(why);
    va_list args;
    va_start(args, format);
    vsnprintf(why + len, IC_SIGV4_WHY_MAX - len, format, args);
    va_end(args);
}

static bool split_pairs(struct ic_slice rest, struct authorization *a, char *why)
{
    while (rest.len > 0) {
        struct ic_slice pair = take_until(&rest, ", ");
        if (pair.len == 0) {
            continue;
        }
        struct ic_slice value = pair;
        struct ic_slice name = take_until(&value, "=");
        if (name.len == pair.len) {
            explain(why,
                    "'%.*s' not a valid key=value pair (missing equal-sign) in Authorization "
                    "header.",
                    (int)pair.len, pair.data);
            return false;
        }
        put_pair(a, name, value);
    }
    return true;
}

static enum ic_sigv4_verdict parse(const struct ic_sigv4_request *r, struct authorization *a,
                                   char *why)
{
    struct ic_slice rest = find_header(r, "Authorization");
    if (rest.len == 0) {
        explain(why, "Missing Authentication Token");
        return IC_SIGV4_MISSING;
    }
    struct ic_slice scheme = take_until(&rest, " ,");
    if (!ic_slice_equal(scheme, ic_slice_str(algorithm))) {
        explain(why, "Unsupported AWS 'algorithm': '%.*s'.", (int)scheme.len, scheme.data);
        return IC_SIGV4_INCOMPLETE;
    }
    if (!split_pairs(rest, a, why)) {
        return IC_SIGV4_INCOMPLETE;
    }
    if (a->credential.len == 0) {
        explain(why, "Authorization header requires 'Credential' parameter. ");
    }
    if (a->signature.len == 0) {
        explain(why, "Authorization header requires 'Signature' parameter. ");
    }
    if (a->signed_headers.len == 0) {
        explain(why, "Authorization header requires 'SignedHeaders' parameter. ");
    }
    a->date_time = find_header(r, "X-Amz-Date");
    if (a->date_time.len == 0) {
        a->date_time = find_header(r, "Date");
    }
    if (a->date_time.len == 0) {
        explain(why, "Authorization header requires existence of either a 'X-Amz-Date' or a "
                     "'Date' header. ");
    }
    if (why[0] == '\0' && !split_credential(a)) {
        explain(why,
                "Credential must have exactly 5 slash-delimited elements, e.g. "
                "keyid/date/region/service/term, got '%.*s'",
                (int)a->credential.len, a->credential.data);
    }
    return why[0] == '\0' ? IC_SIGV4_OK : IC_SIGV4_INCOMPLETE;
}

/* ---- judgement --------------------------------------------------------------------------- */

/* "20150830T123600Z" as Unix time; false: not in that form. */
static bool parse_time(struct ic_slice text, int64_t *out)
{
    static const char form[] = "ddddddddTddddddZ";
    int field[6] = {0};
    static const int width[6] = {4, 2, 2, 2, 2, 2};
    size_t at = 0;
    if (text.len != DATE_TIME_LEN) {
        return false;
    }
    for (size_t i = 0; i < DATE_TIME_LEN; i++) {
        bool digit = text.data[i] >= '0' && text.data[i] <= '9';
        if (form[i] == 'd' ? !digit : text.data[i] != (uint8_t)form[i]) {
            return false;
        }
    }
    for (size_t i = 0; i < 6; i++) {
        at += i == 3; /* the T */
        for (int k = 0; k < width[i]; k++) {
            field[i] = field[i] * 10 + (text.data[at++] - '0');
        }
    }
    struct tm tm = {.tm_year = field[0] - 1900,
                    .tm_mon = field[1] - 1,
                    .tm_mday = field[2],
                    .tm_hour = field[3],
                    .tm_min = field[4],
                    .tm_sec = field[5]};
    *out = (int64_t)timegm(&tm);
    return true;
}

static void print_time(int64_t time_s, char out[DATE_TIME_LEN + 1])
{
    time_t t = (time_t)time_s;
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(out, DATE_TIME_LEN + 1, "%Y%m%dT%H%M%SZ", &tm);
}

static bool check_time(struct ic_slice date_time, int64_t now_s, char *why)
{
    int64_t signed_s;
    char now[DATE_TIME_LEN + 1], bound[DATE_TIME_LEN + 1];
    if (!parse_time(date_time, &signed_s)) {
        explain(why,
                "Date must be in ISO-8601 'basic format'. Got '%.*s'. See "
                "http://en.wikipedia.org/wiki/ISO_8601",
                (int)date_time.len, date_time.data);
        return false;
    }
    print_time(now_s, now);
    if (signed_s < now_s - IC_SIGV4_SKEW_MAX_S) {
        print_time(now_s - IC_SIGV4_SKEW_MAX_S, bound);
        explain(why, "Signature expired: %.*s is now earlier than %s (%s - 5 min.)", DATE_TIME_LEN,
                date_time.data, bound, now);
        return false;
    }
    if (signed_s > now_s + IC_SIGV4_SKEW_MAX_S) {
        print_time(now_s + IC_SIGV4_SKEW_MAX_S, bound);
        explain(why, "Signature not yet current: %.*s is still later than %s (%s + 5 min.)",
                DATE_TIME_LEN, date_time.data, bound, now);
        return false;
    }
    return true;
}

static bool check_scope(const struct authorization *a, const struct ic_sigv4_keys *keys, char *why)
{
    if (!ic_slice_equal(a->terminator, ic_slice_str("aws4_request"))) {
        explain(why,
                "Credential should be scoped with a valid terminator: 'aws4_request', not "
                "'%.*s'.",
                (int)a->terminator.len, a->terminator.data);
    } else if (!ic_slice_equal(a->region, ic_slice_str(keys->region))) {
        explain(why, "Credential should be scoped to a valid region, not '%.*s'.",
                (int)a->region.len, a->region.data);
    } else if (!ic_slice_equal(a->service, ic_slice_str(keys->service))) {
        explain(why, "Credential should be scoped to correct service: '%s'.", keys->service);
    } else if (!ic_slice_equal(a->date, ic_slice(a->date_time.data, DATE_LEN))) {
        explain(why,
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of "
                "date from HTTP: '%.*s' != '%.*s'.",
                (int)a->date.len, a->date.data, DATE_LEN, a->date_time.data);
    }
    return why[0] == '\0';
}

/* Whether LIST names the host: a signature that does not is good for any server. */
static bool signs_host(struct ic_slice list)
{
    struct ic_slice name;
    while (next_name(&list, &name)) {
        if (ic_slice_equal(name, ic_slice_str("host"))) {
            return true;
        }
    }
    return false;
}

static enum ic_sigv4_verdict check_signature(const struct ic_sigv4_request *r,
                                             const struct ic_sigv4_keys *keys,
                                             const struct authorization *a, char *why)
{
    char expected[SIGNATURE_LEN + 1];
    struct ic_buf canonical;
    ic_buf_init(&canonical);
    int result = ic_sigv4_canonical(r, a->signed_headers, &canonical);
    if (result == 0) {
        result = ic_sigv4_sign(keys, a->date_time, ic_buf_slice(&canonical), expected);
    }
    ic_buf_deinit(&canonical);
    if (result == IC_ENOMEM) {
        explain(why, "Service is unable to handle request.");
        return IC_SIGV4_NO_MEMORY;
    }
    if (result == 0 && a->signature.len == SIGNATURE_LEN &&
        CRYPTO_memcmp(expected, a->signature.data, SIGNATURE_LEN) == 0) {
        return IC_SIGV4_OK;
    }
    explain(why, "The request signature we calculated does not match the signature you provided. "
                 "Check your AWS Secret Access Key and signing method. Consult the service "
                 "documentation for details.");
    return IC_SIGV4_INVALID;
}

enum ic_sigv4_verdict ic_sigv4_verify(const struct ic_sigv4_request *r,
                                      const struct ic_sigv4_keys *keys, int64_t now_s, char *why)
{
    struct authorization a = {0};
    why[0] = '\0';
    enum ic_sigv4_verdict verdict = parse(r, &a, why);
    if (verdict != IC_SIGV4_OK) {
        return verdict;
    }
    if (!ic_slice_equal(a.key_id, ic_slice_str(keys->key_id))) {
        explain(why, "The security token included in the request is invalid.");
        return IC_SIGV4_UNKNOWN;
    }
    if (!check_time(a.date_time, now_s, why) || !check_scope(&a, keys, why)) {
        return IC_SIGV4_INVALID;
    }
    if (!signs_host(a.signed_headers)) {
        explain(why, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.");
        return IC_SIGV4_INVALID;
    }
    return check_signature(r, keys, &a, why);
}

const char *ic_sigv4_error_type(enum ic_sigv4_verdict verdict)
{
    switch (verdict) {
    case IC_SIGV4_OK:
        return NULL;
    case IC_SIGV4_MISSING:
        return "MissingAuthenticationTokenException";
    case IC_SIGV4_INCOMPLETE:
        return "IncompleteSignatureException";
    case IC_SIGV4_UNKNOWN:
        return "UnrecognizedClientException";
    case IC_SIGV4_INVALID:
        return "InvalidSignatureException";
    case IC_SIGV4_NO_MEMORY:
        return "ServiceException";
    }
    return NULL;
}
