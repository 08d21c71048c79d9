// What ports/esp32/mpconfigport.h sets, as far as a program notices: the features, floats of 32
// bits (settimeout computes with them), the platform's name.
#define MICROPY_CONFIG_ROM_LEVEL (MICROPY_CONFIG_ROM_LEVEL_EXTRA_FEATURES)
#define MICROPY_FLOAT_IMPL (MICROPY_FLOAT_IMPL_FLOAT)
#define MICROPY_PY_SYS_PLATFORM "esp32"

#include "ports/unix/variants/mpconfigvariant_common.h"

// Ctrl-C is noticed between two waits of 100 ms, as on the board. The unix port's way, a jump out
// of the signal handler, would leave lwIP's mutexes locked.
#undef MICROPY_ASYNC_KBD_INTR
#define MICROPY_ASYNC_KBD_INTR (0)

// MICROPY_PY_SOCKET_LISTEN_BACKLOG_DEFAULT is made of it; lwIP has none.
#define SOMAXCONN 2
