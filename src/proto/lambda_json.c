#define _GNU_SOURCE /* memmem, memrchr */
#include "proto/lambda_json.h"

#include "base/alloc.h"
#include "base/base64.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- helpers ---------------------------------------------------------------- */

static void to_hex(const uint8_t *bytes, size_t len, char *out)
{
    static const char digit[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digit[bytes[i] >> 4];
        out[2 * i + 1] = digit[bytes[i] & 15];
    }
    out[2 * len] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool from_hex(const char *text, uint8_t *out, size_t len)
{
    if (text == NULL || strlen(text) != 2 * len) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        int high = hex_digit(text[2 * i]);
        int low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* The object BODY holds, or NULL. */
static json_t *load(struct ic_slice body)
{
    if (body.len == 0 || body.len > IC_LAMBDA_JSON_MAX) {
        return NULL;
    }
    json_t *root = json_loadb((const char *)body.data, body.len, 0, NULL);
    if (root != NULL && !json_is_object(root)) {
        json_decref(root);
        return NULL;
    }
    return root;
}

/* Appends ROOT's text and drops ROOT; NULL means that building it had no memory. */
static int dump(json_t *root, struct ic_buf *out)
{
    char *text = root == NULL ? NULL : json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (text == NULL) {
        return IC_ENOMEM;
    }
    int result = ic_buf_append_str(out, text);
    free(text);
    return result;
}

static const char cut_mark[] = " ...";

/* How many bytes of TEXT, which is too long for SIZE, have room before the mark: whole words or, of
 * a text without blanks, whole characters. */
static int cut(const char *text, size_t size)
{
    size_t room = size - sizeof cut_mark, len = room;
    while (len > 0 && text[len] != ' ') {
        len--;
    }
    if (len == 0) {
        len = room;
        while (len > 0 &&
               ((uint8_t)text[len] & 0xc0) == 0x80) { /* in the middle of one, in UTF-8 */
            len--;
        }
    }
    return (int)len;
}

/* A copy of member NAME, cut to fit OUT; empty if it is not a string. */
static void copy_text(const json_t *root, const char *name, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(root, name));
    if (text == NULL || strlen(text) < size) {
        snprintf(out, size, "%s", text == NULL ? "" : text);
    } else {
        snprintf(out, size, "%.*s%s", cut(text, size), text, cut_mark);
    }
}

/* False: not a number, or negative. */
static bool get_u64(const json_t *root, const char *name, uint64_t *out)
{
    const json_t *value = json_object_get(root, name);
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        return false;
    }
    *out = (uint64_t)json_integer_value(value);
    return true;
}

/* ---- an invocation ---- */

int ic_invoke_payload_encode(const struct ic_invoke_payload *payload, struct ic_buf *out)
{
    char invocation[2 * sizeof payload->invocation + 1];
    char key[2 * sizeof payload->key + 1];
    to_hex(payload->invocation, sizeof payload->invocation, invocation);
    to_hex(payload->key, sizeof payload->key, key);
    json_t *root = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "infinicache", 1, "kind",
                             payload->kind, "function", payload->function, "invocation", invocation,
                             "proxy", payload->proxy, "key", key, "epoch",
                             (json_int_t)payload->epoch, "lease_ms", (json_int_t)payload->lease_ms);
    return dump(root, out);
}

int ic_invoke_reply_decode(struct ic_slice body, struct ic_invoke_reply *out)
{
    json_t *root = load(body);
    if (root == NULL) {
        return IC_EPROTO;
    }
    uint64_t epoch = 0;
    const char *instance = json_string_value(json_object_get(root, "instance"));
    bool fine = from_hex(instance, out->instance, sizeof out->instance) &&
                get_u64(root, "position", &out->position) && get_u64(root, "held", &out->held) &&
                get_u64(root, "capacity", &out->capacity) &&
                get_u64(root, "chunks", &out->chunks) && get_u64(root, "epoch", &epoch) &&
                epoch <= UINT32_MAX;
    out->epoch = (uint32_t)epoch;
    out->served = json_is_true(json_object_get(root, "served"));
    json_decref(root);
    return fine ? 0 : IC_EPROTO;
}

void ic_lambda_function_error_decode(struct ic_slice body, struct ic_lambda_error *out)
{
    json_t *root = load(body);
    copy_text(root, "errorType", out->type, sizeof out->type);
    copy_text(root, "errorMessage", out->message, sizeof out->message);
    json_decref(root);
}

void ic_lambda_api_error_decode(struct ic_slice body, struct ic_lambda_error *out)
{
    json_t *root = load(body);
    copy_text(root, "Type", out->type, sizeof out->type);
    copy_text(root, "Message", out->message, sizeof out->message);
    if (out->message[0] == '\0') {
        copy_text(root, "message", out->message, sizeof out->message);
    }
    json_decref(root);
}

/* ---- REPORT ----------------------------------------------------------------- */

/* The number after LABEL in LINE, in thousandths (12.5 -> 12500). False: none. */
static bool find_number(struct ic_slice line, const char *label, uint64_t *thousandths)
{
    const uint8_t *at = memmem(line.data, line.len, label, strlen(label));
    if (at == NULL) {
        return false;
    }
    const uint8_t *end = line.data + line.len;
    uint64_t value = 0;
    int digits = 0;
    int decimals = -1;
    for (at += strlen(label); at < end && digits < 15 && decimals < 3; at++) {
        if (*at == '.' && decimals < 0 && digits > 0) {
            decimals = 0;
        } else if (*at >= '0' && *at <= '9') {
            value = value * 10 + (uint64_t)(*at - '0');
            digits++;
            decimals += decimals >= 0;
        } else {
            break;
        }
    }
    for (int i = decimals < 0 ? 0 : decimals; i < 3; i++) {
        value *= 10;
    }
    *thousandths = value;
    return digits > 0;
}

/* The last line of LOG that starts with REPORT; empty if there is none. */
static struct ic_slice report_line(struct ic_slice log)
{
    static const char start[] = "REPORT RequestId:";
    size_t start_len = sizeof start - 1;
    size_t end = log.len;
    while (end > 0) {
        const uint8_t *newline = memrchr(log.data, '\n', end - 1);
        size_t from = newline == NULL ? 0 : (size_t)(newline - log.data) + 1;
        if (end - from >= start_len && memcmp(log.data + from, start, start_len) == 0) {
            return ic_slice(log.data + from, end - from);
        }
        end = from;
    }
    return ic_slice(NULL, 0);
}

int ic_lambda_report_decode(struct ic_slice log, struct ic_lambda_report *out)
{
    struct ic_slice line = report_line(log);
    *out = (struct ic_lambda_report){0};
    if (line.len == 0) {
        return IC_ENOENT;
    }
    uint64_t value = 0;
    if (!find_number(line, "\tBilled Duration: ", &value)) {
        return IC_EPROTO;
    }
    out->billed_ms = (value + 999) / 1000;
    if (find_number(line, "\tDuration: ", &value)) {
        out->duration_us = value;
    }
    if (find_number(line, "\tInit Duration: ", &value)) {
        out->init_us = value;
    }
    if (find_number(line, "\tMemory Size: ", &value)) {
        out->memory_mb = (uint32_t)(value / 1000);
    }
    if (find_number(line, "\tMax Memory Used: ", &value)) {
        out->max_memory_mb = (uint32_t)(value / 1000);
    }
    return 0;
}

int ic_lambda_log_result_decode(struct ic_slice base64, struct ic_lambda_report *out)
{
    struct ic_buf log;
    ic_buf_init(&log);
    int result = ic_base64_decode(base64, &log);
    if (result == IC_EINVAL) {
        result = IC_EPROTO;
    }
    if (result == 0) {
        result = ic_lambda_report_decode(ic_buf_slice(&log), out);
    }
    ic_buf_deinit(&log);
    return result;
}

/* ---- functions ---- */

static int decode_function(const json_t *config, struct ic_lambda_function *out)
{
    *out = (struct ic_lambda_function){0};
    const char *name = json_string_value(json_object_get(config, "FunctionName"));
    if (name == NULL || name[0] == '\0' || strlen(name) > IC_LAMBDA_NAME_MAX) {
        return IC_EPROTO;
    }
    snprintf(out->name, sizeof out->name, "%s", name);
    copy_text(config, "State", out->state, sizeof out->state);
    copy_text(config, "LastUpdateStatus", out->last_update_status, sizeof out->last_update_status);
    copy_text(config, "Runtime", out->runtime, sizeof out->runtime);
    copy_text(config, "Description", out->description, sizeof out->description);
    copy_text(config, "CodeSha256", out->code_sha256, sizeof out->code_sha256);
    bool fine = get_u64(config, "MemorySize", &out->memory_mb) &&
                get_u64(config, "Timeout", &out->timeout_s) &&
                get_u64(config, "CodeSize", &out->code_bytes);
    return fine ? 0 : IC_EPROTO;
}

int ic_lambda_function_decode(struct ic_slice body, struct ic_lambda_function *out)
{
    json_t *root = load(body);
    if (root == NULL) {
        return IC_EPROTO;
    }
    const json_t *inner = json_object_get(root, "Configuration");
    int result = decode_function(inner == NULL ? root : inner, out);
    json_decref(root);
    return result;
}

int ic_lambda_list_decode(struct ic_slice body,
                          void (*each)(void *ctx, const struct ic_lambda_function *f), void *ctx,
                          char **marker)
{
    *marker = NULL;
    json_t *root = load(body);
    const json_t *functions = json_object_get(root, "Functions");
    int result = json_is_array(functions) ? 0 : IC_EPROTO;
    for (size_t i = 0; result == 0 && i < json_array_size(functions); i++) {
        struct ic_lambda_function f;
        result = decode_function(json_array_get(functions, i), &f);
        if (result == 0) {
            each(ctx, &f);
        }
    }
    const char *next = json_string_value(json_object_get(root, "NextMarker"));
    if (result == 0 && next != NULL && next[0] != '\0') {
        *marker = ic_strdup(next);
        result = *marker == NULL ? IC_ENOMEM : 0;
    }
    json_decref(root);
    return result;
}

/* SPEC's configuration; with WITH_NAME as CreateFunction wants it. NULL: out of memory. */
static json_t *spec_json(const struct ic_lambda_spec *spec, bool with_name)
{
    json_t *root =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "Runtime", spec->runtime, "Handler",
                  spec->handler, "Role", spec->role, "Description", spec->description, "MemorySize",
                  (json_int_t)spec->memory_mb, "Timeout", (json_int_t)spec->timeout_s);
    if (root != NULL && with_name &&
        json_object_set_new(root, "FunctionName", json_string(spec->name)) != 0) {
        json_decref(root);
        return NULL;
    }
    return root;
}

/* Base64 as a JSON string. NULL: out of memory. */
static json_t *zip_json(struct ic_slice zip)
{
    struct ic_buf text;
    ic_buf_init(&text);
    json_t *value = NULL;
    if (ic_base64_encode(zip, &text) == 0) {
        value = json_stringn_nocheck((const char *)text.data, text.len);
    }
    ic_buf_deinit(&text);
    return value;
}

int ic_lambda_create_encode(const struct ic_lambda_spec *spec, struct ic_buf *out)
{
    json_t *root = spec_json(spec, true);
    json_t *zip = zip_json(spec->zip);
    json_t *code = zip == NULL ? NULL : json_pack("{s:o}", "ZipFile", zip);
    if (root == NULL || code == NULL || json_object_set_new(root, "Code", code) != 0) {
        json_decref(root);
        return IC_ENOMEM;
    }
    return dump(root, out);
}

int ic_lambda_update_code_encode(const struct ic_lambda_spec *spec, struct ic_buf *out)
{
    json_t *zip = zip_json(spec->zip);
    return dump(zip == NULL ? NULL : json_pack("{s:o}", "ZipFile", zip), out);
}

int ic_lambda_update_config_encode(const struct ic_lambda_spec *spec, struct ic_buf *out)
{
    return dump(spec_json(spec, false), out);
}
