/*
 * json_check.c - the grammar as a loop over values with a bit per open bracket.
 *
 *   expect a value --literal, number, string--> after a value --','--> expect a value
 *     |    ^                                      |
 *     +'[' +--- '{' "name" ':'                    +-- ']' '}' --> after a value
 */
#include "platform/local/json_check.h"

struct scan {
    const uint8_t *at, *end;
    size_t values;
    size_t depth;
    uint8_t is_object[IC_JSON_DEPTH_MAX / 8]; /* one bit per open bracket */
};

static void skip_blanks(struct scan *s)
{
    while (s->at < s->end &&
           (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r')) {
        s->at++;
    }
}

static bool take(struct scan *s, uint8_t c)
{
    if (s->at < s->end && *s->at == c) {
        s->at++;
        return true;
    }
    return false;
}

static bool take_word(struct scan *s, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0) {
        return false;
    }
    s->at += len;
    return true;
}

static bool take_digits(struct scan *s)
{
    const uint8_t *from = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9') {
        s->at++;
    }
    return s->at > from;
}

static bool take_number(struct scan *s)
{
    (void)take(s, '-');
    if (!take(s, '0') && !take_digits(s)) {
        return false;
    }
    if (take(s, '.') && !take_digits(s)) {
        return false;
    }
    if (take(s, 'e') || take(s, 'E')) {
        if (!take(s, '+')) {
            (void)take(s, '-');
        }
        return take_digits(s);
    }
    return true;
}

static bool is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool take_escape(struct scan *s)
{
    if (s->at == s->end) {
        return false;
    }
    uint8_t c = *s->at++;
    if (c != 'u') {
        return strchr("\"\\/bfnrt", c) != NULL && c != '\0';
    }
    for (int i = 0; i < 4; i++) {
        if (s->at == s->end || !is_hex(*s->at++)) {
            return false;
        }
    }
    return true;
}

/* The length of the UTF-8 sequence at S (RFC 3629: shortest forms, no surrogates); 0: none. */
static size_t utf8_len(const struct scan *s)
{
    const uint8_t *p = s->at;
    size_t left = (size_t)(s->end - p);
    uint8_t a = p[0];
    if (a < 0x80) {
        return 1;
    }
    size_t len = a >= 0xc2 && a <= 0xdf   ? 2
                 : (a & 0xf0) == 0xe0     ? 3
                 : a >= 0xf0 && a <= 0xf4 ? 4
                                          : 0;
    if (len == 0 || left < len) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (a == 0xe0 && p[1] < 0xa0) || (a == 0xf0 && p[1] < 0x90);
    bool beyond = (a == 0xed && p[1] > 0x9f) || (a == 0xf4 && p[1] > 0x8f);
    return overlong || beyond ? 0 : len;
}

static bool take_string(struct scan *s)
{
    if (!take(s, '"')) {
        return false;
    }
    while (s->at < s->end) {
        if (take(s, '"')) {
            return true;
        }
        if (take(s, '\\')) {
            if (!take_escape(s)) {
                return false;
            }
            continue;
        }
        size_t len = *s->at < 0x20 ? 0 : utf8_len(s);
        if (len == 0) {
            return false;
        }
        s->at += len;
    }
    return false;
}

/* `"name" :` before a member's value. */
static bool take_name(struct scan *s)
{
    skip_blanks(s);
    bool good = take_string(s);
    skip_blanks(s);
    return good && take(s, ':');
}

static bool in_object(const struct scan *s)
{
    size_t top = s->depth - 1;
    return (s->is_object[top / 8] >> (top % 8) & 1) != 0;
}

static int open_bracket(struct scan *s, bool object)
{
    if (s->depth == IC_JSON_DEPTH_MAX) {
        return IC_ETOOBIG;
    }
    uint8_t bit = (uint8_t)(1u << (s->depth % 8));
    uint8_t *byte = &s->is_object[s->depth / 8];
    *byte = (uint8_t)(object ? *byte | bit : *byte & ~bit);
    s->depth++;
    return 0;
}

/* Begins a value. Returns 1 when it is complete, 0 when another one follows inside it. */
static int begin_value(struct scan *s)
{
    skip_blanks(s);
    if (s->at == s->end) {
        return IC_EPROTO;
    }
    uint8_t c = *s->at;
    bool good;
    if (c == '{' || c == '[') {
        s->at++;
        int result = open_bracket(s, c == '{');
        if (result < 0) {
            return result;
        }
        skip_blanks(s);
        if (take(s, c == '{' ? '}' : ']')) {
            s->depth--;
            return 1;
        }
        return c == '{' && !take_name(s) ? IC_EPROTO : 0;
    }
    switch (c) {
    case '"':
        good = take_string(s);
        break;
    case 't':
        good = take_word(s, "true");
        break;
    case 'f':
        good = take_word(s, "false");
        break;
    case 'n':
        good = take_word(s, "null");
        break;
    default:
        good = take_number(s);
    }
    return good ? 1 : IC_EPROTO;
}

/* A value is complete: closes what ends here. 1: the text is complete; 0: a value follows. */
static int after_value(struct scan *s)
{
    while (s->depth > 0) {
        skip_blanks(s);
        if (take(s, ',')) {
            return in_object(s) && !take_name(s) ? IC_EPROTO : 0;
        }
        if (!take(s, in_object(s) ? '}' : ']')) {
            return IC_EPROTO;
        }
        s->depth--;
    }
    skip_blanks(s);
    return s->at == s->end ? 1 : IC_EPROTO;
}

int ic_json_check(struct ic_slice text, size_t values_max)
{
    if (text.len == 0) {
        return IC_EPROTO;
    }
    struct scan s = {.at = text.data, .end = text.data + text.len};
    int result = 0;
    while (result == 0) {
        if (++s.values > values_max) {
            return IC_ETOOBIG;
        }
        result = begin_value(&s);
        if (result == 1) {
            result = after_value(&s);
        }
    }
    return result < 0 ? result : 0;
}
