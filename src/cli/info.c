#include "cli/info.h"

bool ic_info_next(struct ic_slice *info, struct ic_slice *name, struct ic_slice *value)
{
    struct ic_slice line;
    while (ic_slice_next_line(info, &line)) {
        const uint8_t *colon = line.len == 0 ? NULL : memchr(line.data, ':', line.len);
        if (colon != NULL) {
            *name = ic_slice(line.data, (size_t)(colon - line.data));
            *value = ic_slice(colon + 1, line.len - name->len - 1);
            return true;
        }
        if (line.len > 0 && line.data[0] == '#') {
            *name = line;
            *value = ic_slice(NULL, 0);
            return true;
        }
    }
    return false;
}
