/*
 * route.c - the table of calls, matched segment by segment.
 */
#include "platform/local/route.h"

struct call {
    const char *method, *path;
    unsigned status;
    size_t body_max_bytes;
};

static const struct call calls[] = {
#define IC_API_CALL_ROW(call, method_, path_, status_, body_max_)                                  \
    [IC_API_##call] = {                                                                            \
        .method = method_, .path = path_, .status = status_, .body_max_bytes = body_max_},
    IC_API_CALLS(IC_API_CALL_ROW)
#undef IC_API_CALL_ROW
};

/* Takes "/segment" off TEXT. */
static struct ic_slice next_segment(struct ic_slice *text)
{
    size_t end = 1;
    while (end < text->len && text->data[end] != '/') {
        end++;
    }
    struct ic_slice segment = ic_slice(text->data, end < text->len ? end : text->len);
    *text = ic_slice(text->data + segment.len, text->len - segment.len);
    return segment;
}

/* Whether PATH has the form of PATTERN; ARGUMENT gets what stands for its {}. */
static bool matches(const char *pattern, struct ic_slice path, struct ic_slice *argument)
{
    struct ic_slice form = ic_slice_str(pattern);
    while (form.len > 0 && path.len > 0) {
        struct ic_slice want = next_segment(&form), have = next_segment(&path);
        if (ic_slice_equal(want, ic_slice_str("/{}"))) {
            *argument = ic_slice(have.data + 1, have.len - 1);
            if (have.data[0] != '/' || argument->len == 0) {
                return false;
            }
        } else if (!ic_slice_equal(want, have)) {
            return false;
        }
    }
    return form.len == 0 && path.len == 0;
}

int ic_route_find(struct ic_slice method, struct ic_slice path, struct ic_route *out)
{
    bool path_known = false;
    if (path.len > 1 && path.data[path.len - 1] == '/') {
        path.len--; /* AWS's own model writes some paths with a slash at the end */
    }
    for (size_t i = 0; i < IC_API_CALL_COUNT; i++) {
        struct ic_slice argument = ic_slice("", 0);
        if (!matches(calls[i].path, path, &argument)) {
            continue;
        }
        path_known = true;
        if (ic_slice_equal(method, ic_slice_str(calls[i].method))) {
            *out = (struct ic_route){.call = (enum ic_api_call)i, .argument = argument};
            return 0;
        }
    }
    return path_known ? IC_EINVAL : IC_ENOENT;
}

unsigned ic_api_success_status(enum ic_api_call call)
{
    return calls[call].status;
}

size_t ic_api_body_max_bytes(enum ic_api_call call)
{
    return calls[call].body_max_bytes;
}

bool ic_api_call_is_local(enum ic_api_call call)
{
    return call >= IC_API_LOCAL_INSTANCES;
}
