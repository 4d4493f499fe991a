#include "proxy/journal_sync.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

struct ic_journal_sync {
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    bool wanted, running, stop;
    int result;
    int fd; /* the file; only the thread uses it */
};

static void *work(void *arg)
{
    struct ic_journal_sync *s = arg;
    pthread_mutex_lock(&s->lock);
    while (!s->stop) {
        if (!s->wanted) {
            pthread_cond_wait(&s->changed, &s->lock);
            continue;
        }
        s->wanted = false;
        s->running = true;
        pthread_mutex_unlock(&s->lock);
        int result = fdatasync(s->fd) < 0 ? errno : 0;
        pthread_mutex_lock(&s->lock);
        s->running = false;
        if (result != 0) {
            s->result = result;
        }
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* Signals are the loop's: none is taken by this thread. */
static int start_thread(struct ic_journal_sync *s)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&s->thread, NULL, work, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error == 0 ? 0 : IC_EUNAVAIL;
}

int ic_journal_sync_new(const char *path, struct ic_journal_sync **out)
{
    struct ic_journal_sync *s = ic_calloc(1, sizeof *s);
    *out = NULL;
    if (s == NULL) {
        return IC_ENOMEM;
    }
    s->fd = open(path, O_RDWR | O_CLOEXEC);
    int result = s->fd < 0 ? IC_EIO : 0;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    if (result >= 0) {
        result = start_thread(s);
    }
    if (result < 0) {
        if (s->fd >= 0) {
            close(s->fd);
        }
        pthread_cond_destroy(&s->changed);
        pthread_mutex_destroy(&s->lock);
        ic_free(s);
        return result;
    }
    *out = s;
    return 0;
}

void ic_journal_sync_free(struct ic_journal_sync *s)
{
    if (s == NULL) {
        return;
    }
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    close(s->fd);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    ic_free(s);
}

bool ic_journal_sync_start(struct ic_journal_sync *s)
{
    pthread_mutex_lock(&s->lock);
    bool idle = !s->wanted && !s->running;
    if (idle) {
        s->wanted = true;
        pthread_cond_signal(&s->changed);
    }
    pthread_mutex_unlock(&s->lock);
    return idle;
}

int ic_journal_sync_result(struct ic_journal_sync *s)
{
    pthread_mutex_lock(&s->lock);
    int result = s->result;
    s->result = 0;
    pthread_mutex_unlock(&s->lock);
    return result;
}
