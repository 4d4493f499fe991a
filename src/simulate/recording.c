#include "simulate/recording.h"

#include "base/alloc.h"
#include "base/list.h"

enum { FIRST_CAP = 1024 };

struct player {
    struct ic_sim_source source; /* first: released by its address */
    const struct ic_recording *recording;
    size_t at;
};

void ic_recording_deinit(struct ic_recording *r)
{
    ic_free(r->request);
    *r = (struct ic_recording){.request = NULL};
}

int ic_recording_append(struct ic_recording *r, const struct ic_sim_request *request)
{
    if (r->count == IC_RECORDING_MAX) {
        return IC_ETOOBIG;
    }
    if (r->count == r->cap) {
        size_t cap = r->cap == 0 ? FIRST_CAP : 2 * r->cap;
        void *more = ic_realloc(r->request, cap * sizeof *r->request);
        if (more == NULL) {
            return IC_ENOMEM;
        }
        r->request = more;
        r->cap = cap;
    }
    r->request[r->count++] = *request;
    return 0;
}

static int next(struct ic_sim_source *source, struct ic_sim_request *out)
{
    struct player *p = IC_CONTAINER(source, struct player, source);
    if (p->at == p->recording->count) {
        return 0;
    }
    *out = p->recording->request[p->at++];
    return 1;
}

struct ic_sim_source *ic_recording_play(const struct ic_recording *r)
{
    struct player *p = ic_malloc(sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    *p = (struct player){.source.next = next, .recording = r};
    return &p->source;
}
