#include "platform/local/faults.h"

#include "base/alloc.h"
#include "base/list.h"

#include <string.h>

struct fault {
    struct ic_list node;
    char function[IC_FAULT_FUNCTION_MAX + 1]; /* "": all */
    unsigned status;
    uint64_t left; /* > 0 */
};

struct ic_faults {
    struct ic_list all;
    size_t count;
};

struct ic_faults *ic_faults_new(void)
{
    struct ic_faults *f = ic_calloc(1, sizeof *f);
    if (f != NULL) {
        ic_list_init(&f->all);
    }
    return f;
}

static void drop(struct ic_faults *f, struct fault *fault)
{
    ic_list_remove(&fault->node);
    ic_free(fault);
    f->count--;
}

void ic_faults_free(struct ic_faults *f)
{
    if (f == NULL) {
        return;
    }
    while (!ic_list_empty(&f->all)) {
        drop(f, IC_CONTAINER(f->all.next, struct fault, node));
    }
    ic_free(f);
}

static struct fault *find(const struct ic_faults *f, const char *function)
{
    IC_LIST_EACH (node, &f->all) {
        struct fault *fault = IC_CONTAINER(node, struct fault, node);
        if (strcmp(fault->function, function) == 0) {
            return fault;
        }
    }
    return NULL;
}

int ic_faults_set(struct ic_faults *f, const char *function, unsigned status, uint64_t count)
{
    const char *name = function == NULL ? "" : function;
    if (count > IC_FAULT_COUNT_MAX || strlen(name) > IC_FAULT_FUNCTION_MAX) {
        return IC_ERANGE;
    }
    struct fault *fault = find(f, name);
    if (count == 0) {
        if (fault != NULL) {
            drop(f, fault);
        }
        return 0;
    }
    if (fault == NULL) {
        if (f->count == IC_FAULTS_MAX) {
            return IC_ENOSPC;
        }
        fault = ic_calloc(1, sizeof *fault);
        if (fault == NULL) {
            return IC_ENOMEM;
        }
        strcpy(fault->function, name);
        ic_list_push_back(&f->all, &fault->node);
        f->count++;
    }
    fault->status = status;
    fault->left = count;
    return 0;
}

unsigned ic_faults_take(struct ic_faults *f, const char *function)
{
    struct fault *fault = find(f, function);
    if (fault == NULL) {
        fault = find(f, "");
    }
    if (fault == NULL) {
        return 0;
    }
    unsigned status = fault->status;
    if (--fault->left == 0) {
        drop(f, fault);
    }
    return status;
}

uint64_t ic_faults_left(const struct ic_faults *f)
{
    uint64_t left = 0;
    IC_LIST_EACH (node, &f->all) {
        left += IC_CONTAINER(node, struct fault, node)->left;
    }
    return left;
}
