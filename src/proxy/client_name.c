/*
 * client_name.c - see client_name.h.
 */
#include "proxy/client_name.h"

#include "base/alloc.h"

const char *ic_client_name_fault(struct ic_slice name)
{
    if (name.len > IC_CLIENT_NAME_MAX) {
        return "cannot be longer than 1024 bytes.";
    }
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] < '!' || name.data[i] > '~') {
            return "cannot contain spaces, newlines or special characters.";
        }
    }
    return NULL;
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
