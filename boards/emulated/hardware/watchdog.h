// For rp2's machine_wdt.c: see start.c.
#include <stdbool.h>
#include <stdint.h>

void watchdog_enable(uint32_t timeout_ms, bool pause_on_debug);
void watchdog_update(void);
