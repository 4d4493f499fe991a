/* info.h - what is in the reply to INFO: fields of a line each, under headings. */
#ifndef IC_CLI_INFO_H
#define IC_CLI_INFO_H

#include "base/slice.h"

/*
 * Takes the next field off *INFO: NAME and VALUE of a line "name:value"; of a heading, "# Memory",
 * the VALUE is empty. False: none is left.
 */
bool ic_info_next(struct ic_slice *info, struct ic_slice *name, struct ic_slice *value);

#endif
