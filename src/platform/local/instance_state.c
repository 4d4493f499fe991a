#include "platform/local/instance_state.h"

#include <stdbool.h>

int ic_instance_next_state(enum ic_instance_state state, enum ic_instance_event event)
{
    if (event == IC_INSTANCE_REAPED) {
        return state == IC_INSTANCE_GONE ? IC_EINVAL : (int)IC_INSTANCE_GONE;
    }
    if (event == IC_INSTANCE_AGAIN) {
        bool may = state == IC_INSTANCE_STARTING || state == IC_INSTANCE_STOPPING;
        return may ? (int)IC_INSTANCE_STARTING : IC_EINVAL;
    }
    bool runs =
        state == IC_INSTANCE_STARTING || state == IC_INSTANCE_BUSY || state == IC_INSTANCE_IDLE;
    if (event == IC_INSTANCE_TERMINATE) {
        return runs ? (int)IC_INSTANCE_ENDING : IC_EINVAL;
    }
    switch (state) {
    case IC_INSTANCE_STARTING:
    case IC_INSTANCE_BUSY:
        if (event == IC_INSTANCE_ASSIGN) {
            return state == IC_INSTANCE_BUSY ? IC_EINVAL : (int)IC_INSTANCE_BUSY;
        }
        return event == IC_INSTANCE_SETTLE ? (int)IC_INSTANCE_IDLE : (int)IC_INSTANCE_STOPPING;
    case IC_INSTANCE_IDLE:
        if (event == IC_INSTANCE_SETTLE) {
            return IC_EINVAL;
        }
        return event == IC_INSTANCE_ASSIGN ? (int)IC_INSTANCE_BUSY : (int)IC_INSTANCE_STOPPING;
    case IC_INSTANCE_ENDING:
        return event == IC_INSTANCE_END ? (int)IC_INSTANCE_STOPPING : IC_EINVAL;
    case IC_INSTANCE_STOPPING:
    case IC_INSTANCE_GONE:
        return IC_EINVAL;
    }
    return IC_EINVAL;
}

const char *ic_instance_state_name(enum ic_instance_state state)
{
    switch (state) {
    case IC_INSTANCE_STARTING:
        return "starting";
    case IC_INSTANCE_IDLE:
        return "idle";
    case IC_INSTANCE_BUSY:
        return "busy";
    case IC_INSTANCE_ENDING:
        return "ending";
    case IC_INSTANCE_STOPPING:
        return "stopping";
    case IC_INSTANCE_GONE:
        return "gone";
    }
    return "?";
}
