// For rp2's machine_timer.c: alarms, see alarms.c.
#include <stdbool.h>
#include <stdint.h>

typedef int32_t alarm_id_t;
struct alarm_pool;

struct alarm_pool *alarm_pool_get_default(void);
alarm_id_t alarm_pool_add_alarm_in_us(struct alarm_pool *pool, uint64_t us,
    int64_t (*callback)(alarm_id_t id, void *data), void *data, bool fire_if_past);
bool alarm_pool_cancel_alarm(struct alarm_pool *pool, alarm_id_t id);
