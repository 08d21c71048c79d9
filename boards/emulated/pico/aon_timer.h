// For rp2's modtime.c: the time of day, which begins in 2021 when the power comes, as on an RP2.
#include <time.h>

void aon_timer_get_time(struct timespec *now);
