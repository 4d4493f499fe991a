#include "cli/package.h"

#include "base/base64.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <zip.h>

enum {
    /* A fixed date (2020-02-25, of the paper), so that equal programs give equal zips. */
    PACKED_AT = 1582588800,
    UNIX_MODE = 0100755, /* a regular file, executable */
    READ_STEP_BYTES = 64 * 1024,
};

/* Adds the file at PATH to Z, which takes it in when it is closed. */
static int add_program(zip_t *z, const char *path)
{
    zip_source_t *program = zip_source_file(z, path, 0, -1);
    if (program == NULL) {
        return IC_ENOMEM;
    }
    zip_int64_t index = zip_file_add(z, "bootstrap", program, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
        zip_source_free(program);
        return IC_EIO;
    }
    zip_uint64_t i = (zip_uint64_t)index;
    if (zip_file_set_external_attributes(z, i, 0, ZIP_OPSYS_UNIX, (zip_uint32_t)UNIX_MODE << 16) <
            0 ||
        zip_file_set_mtime(z, i, PACKED_AT, 0) < 0) {
        return IC_EIO;
    }
    return 0;
}

/* The whole of SOURCE, appended to OUT. */
static int read_source(zip_source_t *source, struct ic_buf *out)
{
    if (zip_source_open(source) < 0) {
        return IC_EIO;
    }
    int result = 0;
    while (result == 0) {
        result = ic_buf_reserve(out, READ_STEP_BYTES);
        if (result < 0) {
            break;
        }
        zip_int64_t len = zip_source_read(source, out->data + out->len, READ_STEP_BYTES);
        if (len <= 0) {
            result = len < 0 ? IC_EIO : 0;
            break;
        }
        out->len += (size_t)len;
    }
    zip_source_close(source);
    return result;
}

static int make_zip(const char *path, struct ic_buf *out, char *why)
{
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *memory = zip_source_buffer_create(NULL, 0, 0, &error);
    zip_t *z = memory == NULL ? NULL : zip_open_from_source(memory, ZIP_TRUNCATE, &error);
    if (z == NULL) {
        snprintf(why, IC_PACKAGE_WHY_MAX, "cannot make a zip: %s", zip_error_strerror(&error));
        zip_source_free(memory);
        zip_error_fini(&error);
        return IC_ENOMEM;
    }
    zip_error_fini(&error);
    zip_source_keep(memory); /* closing Z drops its own reference */
    int result = add_program(z, path);
    if (result < 0 || zip_close(z) < 0) {
        snprintf(why, IC_PACKAGE_WHY_MAX, "cannot pack %.300s: %s", path, zip_strerror(z));
        zip_discard(z);
        zip_source_free(memory);
        return result < 0 ? result : IC_EIO;
    }
    result = read_source(memory, out);
    zip_source_free(memory);
    if (result < 0) {
        snprintf(why, IC_PACKAGE_WHY_MAX, "cannot pack %.300s: %s", path, ic_error_text(result));
    }
    return result;
}

int ic_package_init(struct ic_package *p, const char *path, char *why)
{
    ic_buf_init(&p->zip);
    int result = make_zip(path, &p->zip, why);
    if (result < 0) {
        ic_buf_deinit(&p->zip);
        return result;
    }
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256(p->zip.data, p->zip.len, digest);
    struct ic_buf text;
    ic_buf_init(&text);
    result = ic_base64_encode(ic_slice(digest, sizeof digest), &text);
    if (result == 0) {
        snprintf(p->sha256, sizeof p->sha256, "%.*s", (int)text.len, (const char *)text.data);
    } else {
        snprintf(why, IC_PACKAGE_WHY_MAX, "%s", ic_error_text(result));
        ic_buf_deinit(&p->zip);
    }
    ic_buf_deinit(&text);
    return result;
}

void ic_package_deinit(struct ic_package *p)
{
    ic_buf_deinit(&p->zip);
}
