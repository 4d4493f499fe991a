/*
 * api_error.c - the table, and its JSON.
 */
#include "platform/local/api_error.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *name;
    unsigned status;
    const char *fault, *key;
} errors[IC_API_ERROR_COUNT] = {
    [IC_API_OK] = {.name = "", .status = 200, .fault = "", .key = "message"},
#define IC_API_ERROR_ROW(name_, status_, fault_, key_)                                             \
    [IC_API_##name_] = {.name = #name_, .status = status_, .fault = fault_, .key = key_},
    IC_API_ERRORS(IC_API_ERROR_ROW)
#undef IC_API_ERROR_ROW
};

int ic_api_fail(struct ic_api_error *e, enum ic_api_error_type type, const char *format, ...)
{
    if (e->type != IC_API_OK) {
        return IC_EINVAL;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(e->message, sizeof e->message, format, args);
    va_end(args);
    /* Parts of it may have come from outside in any encoding. */
    for (char *c = e->message; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f) {
            *c = '?';
        }
    }
    e->type = type;
    return IC_EINVAL;
}

const char *ic_api_error_name(enum ic_api_error_type type)
{
    return errors[type].name;
}

unsigned ic_api_error_status(enum ic_api_error_type type)
{
    return errors[type].status;
}

int ic_api_error_body(const struct ic_api_error *e, struct ic_buf *out)
{
    json_t *body = json_object();
    int failed = body == NULL;
    if (!failed && e->reason != NULL) {
        failed |= json_object_set_new(body, "Reason", json_string(e->reason));
    }
    if (!failed && errors[e->type].fault[0] != '\0') {
        failed |= json_object_set_new(body, "Type", json_string(errors[e->type].fault));
    }
    failed = failed || json_object_set_new(body, errors[e->type].key, json_string(e->message));
    char *text = failed ? NULL : json_dumps(body, JSON_COMPACT);
    json_decref(body);
    int result = text == NULL ? IC_ENOMEM : ic_buf_append_str(out, text);
    free(text);
    return result;
}

enum ic_api_error_type ic_api_error_find(const char *name)
{
    for (enum ic_api_error_type i = IC_API_OK; i < IC_API_ERROR_COUNT; i++) {
        if (strcmp(errors[i].name, name) == 0) {
            return i;
        }
    }
    return IC_API_ServiceException;
}
