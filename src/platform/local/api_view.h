/*
 * api_view.h - configurations as replies show them.
 */
#ifndef IC_PLATFORM_LOCAL_API_VIEW_H
#define IC_PLATFORM_LOCAL_API_VIEW_H

#include <jansson.h>

struct ic_api;

enum { IC_ARN_SIZE = 256 };

/* The ARN of function NAME, with QUALIFIER if that is not NULL. */
void ic_api_arn(const struct ic_api *api, const char *name, const char *qualifier,
                char out[IC_ARN_SIZE]);

/*
 * Copies of CONFIG; NULL: out of memory. A new function is shown Pending and a changed one
 * InProgress, as on AWS, so that clients wait the same way; here the next question finds it ready.
 */
json_t *ic_api_view_pending(const json_t *config);
json_t *ic_api_view_updating(const json_t *config);
/* Of $LATEST, with the qualifier in its ARN, as lists and qualified questions show it. */
json_t *ic_api_view_qualified(const struct ic_api *api, const json_t *config);

#endif
