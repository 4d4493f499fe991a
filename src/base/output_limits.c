#include "base/output_limits.h"

#include "base/quantity.h"

#include <inttypes.h>

enum { WORDS_PER_CLASS = 4 };

/* The next word of *TEXT, taken off its front; empty at its end. */
static struct ic_slice next_word(struct ic_slice *text)
{
    size_t start = 0;
    while (start < text->len && text->data[start] == ' ') {
        start++;
    }
    size_t end = start;
    while (end < text->len && text->data[end] != ' ') {
        end++;
    }
    struct ic_slice word = ic_slice(text->data + start, end - start);
    *text = ic_slice(text->data + end, text->len - end);
    return word;
}

static int parse_class(struct ic_slice word)
{
    static const struct {
        const char *name;
        enum ic_client_class class;
    } names[] = {{"normal", IC_CLIENT_NORMAL},
                 {"replica", IC_CLIENT_REPLICA},
                 {"slave", IC_CLIENT_REPLICA},
                 {"pubsub", IC_CLIENT_PUBSUB}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (ic_slice_equal_nocase(word, names[i].name)) {
            return (int)names[i].class;
        }
    }
    return IC_EINVAL;
}

static int parse_limit(const struct ic_slice *words, struct ic_output_limit *out)
{
    if (ic_quantity_bytes(words[0], &out->hard) < 0 ||
        ic_quantity_bytes(words[1], &out->soft) < 0 ||
        ic_slice_to_i64(words[2], &out->soft_s) < 0 || out->hard < 0 || out->soft < 0 ||
        out->soft_s < 0) {
        return IC_EINVAL;
    }
    return 0;
}

int ic_output_limits_set(struct ic_output_limits *limits, struct ic_slice text)
{
    struct ic_output_limits new = *limits;
    struct ic_slice word[WORDS_PER_CLASS];
    for (word[0] = next_word(&text); word[0].len > 0; word[0] = next_word(&text)) {
        for (size_t i = 1; i < WORDS_PER_CLASS; i++) {
            word[i] = next_word(&text);
        }
        int class = parse_class(word[0]);
        if (class < 0 || parse_limit(word + 1, &new.of[class]) < 0) {
            return IC_EINVAL;
        }
    }
    *limits = new;
    return 0;
}

static int64_t at_least_free(int64_t bytes)
{
    return bytes == 0 || bytes > IC_OUTPUT_FREE ? bytes : IC_OUTPUT_FREE;
}

struct ic_output_limit ic_output_limits_of(const struct ic_output_limits *limits,
                                           enum ic_client_class class)
{
    struct ic_output_limit limit = limits->of[class];
    limit.hard = at_least_free(limit.hard);
    limit.soft = at_least_free(limit.soft);
    return limit;
}

int ic_output_limits_print(const struct ic_output_limits *limits, struct ic_buf *out)
{
    static const char *const names[IC_CLIENT_CLASSES] = {"normal", "slave", "pubsub"};
    int result = 0;
    for (size_t i = 0; i < IC_CLIENT_CLASSES && result == 0; i++) {
        const struct ic_output_limit *l = &limits->of[i];
        result = ic_buf_printf(out, "%s%s %" PRId64 " %" PRId64 " %" PRId64, i == 0 ? "" : " ",
                               names[i], l->hard, l->soft, l->soft_s);
    }
    return result;
}
