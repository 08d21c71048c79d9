// `network.WLAN` is MicroPython's own file for the CYW43. It is compiled from here, because the switch that
// turns it on would also turn on the radio's pins and interrupts in rp2's files.

#include "py/mpconfig.h"

#undef MICROPY_PY_NETWORK_CYW43
#define MICROPY_PY_NETWORK_CYW43 (1)
#include "extmod/network_cyw43.c"
