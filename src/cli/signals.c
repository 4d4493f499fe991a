#include "cli/signals.h"

#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>

static const int held[] = {SIGINT, SIGTERM, SIGHUP};

enum { HELD = sizeof held / sizeof held[0] };

static sigset_t all_held(void)
{
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < HELD; i++) {
        struct sigaction action;
        if (sigaction(held[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN) {
            sigaddset(&set, held[i]); /* one that is ignored (nohup) would end nothing later */
        }
    }
    return set;
}

static void change(int how)
{
    sigset_t set = all_held();
    sigprocmask(how, &set, NULL);
}

void ic_signals_hold(void)
{
    change(SIG_BLOCK);
}

bool ic_signals_arrived(void)
{
    sigset_t pending;
    sigpending(&pending);
    for (int i = 0; i < HELD; i++) {
        if (sigismember(&pending, held[i]) == 1) {
            return true;
        }
    }
    return false;
}

int ic_signals_descriptor(void)
{
    sigset_t set = all_held();
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

void ic_signals_release(void)
{
    change(SIG_UNBLOCK);
}
