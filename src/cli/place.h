/*
 * place.h - where things lie: the folder `up` works in, this program, the node.
 */
#ifndef IC_CLI_PLACE_H
#define IC_CLI_PLACE_H

#include "base/error.h"

enum { IC_PLACE_MAX = 4096, IC_PLACE_WHY_MAX = 512 };

/* How --help says the default of --dir. */
#define IC_PLACE_DEFAULT_TEXT "$XDG_STATE_HOME/infinicache, or ~/.local/state/infinicache"

/*
 * OUT (IC_PLACE_MAX bytes) becomes the absolute path of DIR, which need not exist; of the default
 * folder if DIR is empty or NULL. IC_EINVAL, with WHY: no home, too long, or a control character.
 */
int ic_place_dir(const char *dir, char *out, char *why) IC_MUST_USE;
/* Makes DIR and its parents, mode 0700 where new. IC_EIO with WHY. */
int ic_place_make(const char *dir, char *why) IC_MUST_USE;
/* The path of this program. IC_EIO with WHY. */
int ic_place_self(char *out, char *why) IC_MUST_USE;
/* The node: `bootstrap` beside this program, else in libexec. IC_ENOENT: WHY says where it looked.
 */
int ic_place_bootstrap(char *out, char *why) IC_MUST_USE;

#endif
