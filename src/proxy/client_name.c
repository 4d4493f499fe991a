/*
 * client_name.c - see client_name.h.
 */
#include "proxy/client_name.h"

#include "base/alloc.h"

bool ic_client_name_valid(struct ic_slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] < '!' || name.data[i] > '~') {
            return false;
        }
    }
    return true;
}

bool ic_client_name_set(char **name, struct ic_slice text)
{
    char *copy = NULL;
    if (text.len > 0) {
        copy = ic_malloc(text.len + 1);
        if (copy == NULL) {
            return false;
        }
        memcpy(copy, text.data, text.len);
        copy[text.len] = '\0';
    }
    ic_free(*name);
    *name = copy;
    return true;
}
