#include "platform/local/uuid.h"

#include "base/random.h"

#include <ctype.h>
#include <stdio.h>

void ic_uuid(char out[IC_UUID_SIZE])
{
    uint8_t b[16];
    ic_random_fill(b, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* version 4, */
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80); /* variant 1 */
    snprintf(out, IC_UUID_SIZE,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}

bool ic_is_uuid(struct ic_slice text)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    if (text.len != sizeof form - 1) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (form[i] == '-' ? text.data[i] != '-' : !isxdigit(text.data[i])) {
            return false;
        }
    }
    return true;
}
