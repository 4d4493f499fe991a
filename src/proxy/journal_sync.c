#include "proxy/journal_sync.h"

#include "base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

struct ic_journal_sync {
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    enum { SYNC_IDLE, SYNC_WANTED, SYNC_RUNNING, SYNC_DONE } state;
    bool stop;
    int result;
    int safe_fd;
    struct ic_safe_copy copy;
    int fd; /* the journal; only the thread uses it */
};

static int run_job(int fd, int safe_fd, const struct ic_safe_copy *copy)
{
    return fdatasync(fd) < 0 ? errno : ic_journal_safe_write(safe_fd, copy);
}

static void *work(void *arg)
{
    struct ic_journal_sync *s = arg;
    pthread_mutex_lock(&s->lock);
    while (!s->stop) {
        if (s->state != SYNC_WANTED) {
            pthread_cond_wait(&s->changed, &s->lock);
            continue;
        }
        s->state = SYNC_RUNNING;
        pthread_mutex_unlock(&s->lock);
        int result = run_job(s->fd, s->safe_fd, &s->copy);
        pthread_mutex_lock(&s->lock);
        s->result = result;
        s->state = SYNC_DONE;
        pthread_cond_broadcast(&s->changed);
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
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    close(s->fd);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    ic_free(s);
}

void ic_journal_sync_start(struct ic_journal_sync *s, int safe_fd, const struct ic_safe_copy *copy)
{
    pthread_mutex_lock(&s->lock);
    assert(s->state == SYNC_IDLE);
    s->safe_fd = safe_fd;
    s->copy = *copy;
    s->state = SYNC_WANTED;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* With the lock held. */
static bool collect(struct ic_journal_sync *s, int *result)
{
    if (s->state != SYNC_DONE) {
        return false;
    }
    s->state = SYNC_IDLE;
    *result = s->result;
    return true;
}

bool ic_journal_sync_finished(struct ic_journal_sync *s, int *result)
{
    pthread_mutex_lock(&s->lock);
    bool done = collect(s, result);
    pthread_mutex_unlock(&s->lock);
    return done;
}

bool ic_journal_sync_wait(struct ic_journal_sync *s, int *result)
{
    pthread_mutex_lock(&s->lock);
    while (s->state == SYNC_WANTED || s->state == SYNC_RUNNING) {
        pthread_cond_wait(&s->changed, &s->lock);
    }
    bool done = collect(s, result);
    pthread_mutex_unlock(&s->lock);
    return done;
}
