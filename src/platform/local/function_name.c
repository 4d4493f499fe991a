/*
 * function_name.c - splits at colons, from the left, form by form.
 */
#include "platform/local/function_name.h"

enum { PARTS_MAX = 8 }; /* of an ARN with a qualifier */

static bool is_name_char(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

static bool all_name_chars(struct ic_slice text, size_t max)
{
    if (text.len == 0 || text.len > max) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (!is_name_char(text.data[i])) {
            return false;
        }
    }
    return true;
}

bool ic_function_name_valid(struct ic_slice name)
{
    return all_name_chars(name, IC_FUNCTION_NAME_MAX);
}

bool ic_qualifier_valid(struct ic_slice qualifier)
{
    return ic_slice_equal(qualifier, ic_slice_str("$LATEST")) ||
           all_name_chars(qualifier, IC_QUALIFIER_MAX);
}

static size_t split(struct ic_slice text, struct ic_slice part[PARTS_MAX + 1])
{
    size_t count = 0, from = 0;
    for (size_t i = 0; i <= text.len && count <= PARTS_MAX; i++) {
        if (i == text.len || text.data[i] == ':') {
            part[count++] = ic_slice(text.data + from, i - from);
            from = i + 1;
        }
    }
    return count;
}

static bool is_account(struct ic_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
    }
    return text.len == IC_ACCOUNT_LEN;
}

static bool equals(struct ic_slice part, const char *text)
{
    return ic_slice_equal(part, ic_slice_str(text));
}

/* NAME or NAME:QUALIFIER. */
static int take_name(const struct ic_slice *part, size_t count, struct ic_function_ref *out)
{
    if (count < 1 || count > 2 || !ic_function_name_valid(part[0]) ||
        (count == 2 && !ic_qualifier_valid(part[1]))) {
        return IC_EINVAL;
    }
    memcpy(out->name, part[0].data, part[0].len);
    out->name[part[0].len] = '\0';
    out->qualifier[0] = '\0';
    if (count == 2) {
        memcpy(out->qualifier, part[1].data, part[1].len);
        out->qualifier[part[1].len] = '\0';
    }
    return 0;
}

int ic_function_ref_parse(struct ic_slice text, const char *region, const char *account,
                          struct ic_function_ref *out)
{
    struct ic_slice part[PARTS_MAX + 1];
    if (text.len == 0 || text.len > IC_FUNCTION_REF_MAX) {
        return IC_EINVAL;
    }
    size_t count = split(text, part);
    if (count >= 7 && equals(part[0], "arn")) {
        bool form = part[1].len >= 3 && memcmp(part[1].data, "aws", 3) == 0 &&
                    equals(part[2], "lambda") && is_account(part[4]) && equals(part[5], "function");
        int result = form ? take_name(part + 6, count - 6, out) : IC_EINVAL;
        bool ours = equals(part[3], region) && equals(part[4], account);
        return result == 0 && !ours ? IC_ENOENT : result;
    }
    if (count >= 3 && is_account(part[0]) && equals(part[1], "function")) {
        int result = take_name(part + 2, count - 2, out);
        return result == 0 && !equals(part[0], account) ? IC_ENOENT : result;
    }
    return take_name(part, count, out);
}
