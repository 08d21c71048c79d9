// pico-sdk's alarms, for rp2's machine_timer.c, over MicroPython's soft timer: milliseconds are fine enough here.

#include "py/mphal.h"
#include "py/runtime.h"
#include "shared/runtime/softtimer.h"
#include "pico/time.h"

typedef struct {
    soft_timer_entry_t timer;
    int64_t (*callback)(alarm_id_t id, void *data);
    void *data;
    bool used;
} alarm_t;

static alarm_t alarms[16]; // as many as pico-sdk's default pool

struct alarm_pool *alarm_pool_get_default(void) {
    return NULL;
}

static void fire(soft_timer_entry_t *timer) {
    alarm_t *alarm = (alarm_t *)timer;
    int64_t again_us = alarm->callback(alarm - alarms + 1, alarm->data);
    timer->mode = again_us ? SOFT_TIMER_MODE_PERIODIC : SOFT_TIMER_MODE_ONE_SHOT;
    alarm->used = again_us != 0;
}

alarm_id_t alarm_pool_add_alarm_in_us(struct alarm_pool *pool, uint64_t us,
    int64_t (*callback)(alarm_id_t id, void *data), void *data, bool fire_if_past) {
    uint32_t ms = (us + 999) / 1000;
    for (size_t i = 0; i < MP_ARRAY_SIZE(alarms); i++) {
        if (!alarms[i].used) {
            alarms[i].used = true;
            alarms[i].callback = callback;
            alarms[i].data = data;
            soft_timer_static_init(&alarms[i].timer, SOFT_TIMER_MODE_ONE_SHOT, ms, fire);
            soft_timer_insert(&alarms[i].timer, ms);
            return i + 1;
        }
    }
    return -1;
}

bool alarm_pool_cancel_alarm(struct alarm_pool *pool, alarm_id_t id) {
    alarm_t *alarm = &alarms[id - 1];
    if (alarm->used) {
        soft_timer_remove(&alarm->timer);
        alarm->used = false;
    }
    return true;
}
