/*
 * deploy.h - makes the functions of a pool what they should be, through the Lambda API.
 * Each is looked at and changed until nothing differs, several at a time:
 *
 *   LOOK --not there--> create --> LOOK        LOOK --busy with a change--> wait --> LOOK
 *        --other code--> update code --> LOOK  LOOK --as it should be--> done
 *        --other memory, timeout--> update configuration --> LOOK
 */
#ifndef IC_CLI_DEPLOY_H
#define IC_CLI_DEPLOY_H

#include "base/config.h"
#include "base/error.h"
#include "cli/package.h"

enum { IC_DEPLOY_WHY_MAX = 1024 };

/* Of every function that is made here. */
#define IC_DEPLOY_DESCRIPTION "InfiniCache node"

enum ic_deploy_mode {
    IC_DEPLOY_ALL,     /* changes those that differ */
    IC_DEPLOY_MISSING, /* makes those that are not there and leaves the others alone */
};

/* C's functions run P afterwards. Errors of lambda.h, IC_ETIMEOUT after WITHIN_MS; WHY
 * (IC_DEPLOY_WHY_MAX bytes) names the function and the reason. */
int ic_deploy_functions(const struct ic_config *c, const struct ic_package *p,
                        enum ic_deploy_mode mode, uint64_t within_ms, char *why) IC_MUST_USE;

/* Invokes each function INDEX of C for which NEEDED[INDEX], with an empty payload: it then
 * has an instance. Errors as above. */
int ic_deploy_invoke(const struct ic_config *c, const bool *needed, uint64_t within_ms,
                     char *why) IC_MUST_USE;

#endif
