// How MicroPython is built here: what `ports/rp2/mpconfigport.h` and its board W5500_EVB_PICO say, as far as
// the machine has it. Without a second core, USB, GPIO and TLS.

#include <stdbool.h>
#include <stdint.h>

#define MICROPY_CONFIG_ROM_LEVEL                (MICROPY_CONFIG_ROM_LEVEL_EXTRA_FEATURES)

#define MICROPY_HW_BOARD_NAME                   "Emulated board (QEMU mps2-an385)"
#define MICROPY_HW_MCU_NAME                     "Cortex-M3"
// What a program sees is rp2's network stack, flash and limits: it is to behave as on an RP2.
#define MICROPY_PY_SYS_PLATFORM                 "rp2"

#define MICROPY_GC_STACK_ENTRY_TYPE             uint16_t
#define MICROPY_ALLOC_PATH_MAX                  (128)
#define MICROPY_QSTR_BYTES_IN_HASH              (1)
#define MICROPY_PERSISTENT_CODE_LOAD            (1)
#define MICROPY_EMIT_THUMB                      (1)
#define MICROPY_EMIT_THUMB_ARMV7M               (0)
#define MICROPY_EMIT_INLINE_THUMB               (1)
#define MICROPY_EMIT_INLINE_THUMB_FLOAT         (0)
#define MICROPY_MAKE_POINTER_CALLABLE(p)        ((void *)((mp_uint_t)(p) | 1))
#define MICROPY_OPT_COMPUTED_GOTO               (1)
#define MICROPY_READER_VFS                      (1)
#define MICROPY_ENABLE_GC                       (1)
#define MICROPY_STACK_CHECK_MARGIN              (256)
#define MICROPY_ENABLE_EMERGENCY_EXCEPTION_BUF  (1)
#define MICROPY_LONGINT_IMPL                    (MICROPY_LONGINT_IMPL_MPZ)
#define MICROPY_FLOAT_IMPL                      (MICROPY_FLOAT_IMPL_FLOAT)
#define MICROPY_SCHEDULER_DEPTH                 (8)
#define MICROPY_SCHEDULER_STATIC_NODES          (1)
#define MICROPY_USE_INTERNAL_ERRNO              (1)
#define MICROPY_ENABLE_SCHEDULER                (1)
#define MP_NEED_LOG2                            (1)

#define MICROPY_EPOCH_IS_1970                   (1)
#define MICROPY_PY_OS_INCLUDEFILE               "ports/rp2/modos.c"
#define MICROPY_PY_OS_DUPTERM                   (0)
#define MICROPY_PY_OS_SYNC                      (1)
#define MICROPY_PY_OS_UNAME                     (1)
#define MICROPY_PY_OS_URANDOM                   (1)
#define MICROPY_PY_RE_MATCH_GROUPS              (1)
#define MICROPY_PY_RE_MATCH_SPAN_START_END      (1)
#define MICROPY_PY_TIME_GMTIME_LOCALTIME_MKTIME (1)
#define MICROPY_PY_TIME_TIME_TIME_NS            (1)
#define MICROPY_PY_TIME_INCLUDEFILE             "ports/rp2/modtime.c"
#define MICROPY_PY_RANDOM_SEED_INIT_FUNC        (rosc_random_u32())
#define MICROPY_PY_ASYNCIO                      (0)
#define MICROPY_PY_MACHINE                      (1)
#define MICROPY_PY_MACHINE_INCLUDEFILE          "board_machine.c"
#define MICROPY_PY_MACHINE_RESET                (1)
#define MICROPY_PY_MACHINE_BARE_METAL_FUNCS     (1)
#define MICROPY_PY_MACHINE_DISABLE_IRQ_ENABLE_IRQ (1)
#define MICROPY_PY_MACHINE_SPI                  (1)
#define MICROPY_PY_MACHINE_SPI_MSB              (0)
#define MICROPY_PY_MACHINE_SPI_LSB              (1)
#define MICROPY_PY_MACHINE_WDT                  (1)
#define MICROPY_PY_MACHINE_WDT_INCLUDEFILE      "ports/rp2/machine_wdt.c"
#define MICROPY_PY_NETWORK                      (1)
#define MICROPY_PY_NETWORK_HOSTNAME_DEFAULT     "mpy-w5500-evb-pico"
#define MICROPY_PY_SOCKET                       (1)
#define MICROPY_PY_WEBSOCKET                    (1)
#define MICROPY_PY_WEBREPL                      (0)
#define MICROPY_PY_LWIP_SOCK_RAW                (1)
#define MICROPY_VFS                             (1)

// The W5500 where W5500_EVB_PICO has it: `network.WIZNET5K()` needs no arguments.
#define MICROPY_HW_WIZNET_SPI_ID                (0)
#define MICROPY_HW_WIZNET_SPI_BAUDRATE          (20 * 1000 * 1000)
#define MICROPY_HW_WIZNET_SPI_SCK               (18)
#define MICROPY_HW_WIZNET_SPI_MOSI              (19)
#define MICROPY_HW_WIZNET_SPI_MISO              (16)
#define MICROPY_HW_WIZNET_PIN_CS                (17)
#define MICROPY_HW_WIZNET_PIN_RST               (20)
#define MICROPY_HW_WIZNET_PIN_INTN              (21)

// `network.WLAN` is a second way to the same Ethernet controller (cyw43.c); the names as of a Pico W.
#if MICROPY_VERSION_MINOR < 26 // later ones name it themselves
#define BOARD_W5500 { MP_ROM_QSTR(MP_QSTR_WIZNET5K), MP_ROM_PTR(&mod_network_nic_type_wiznet5k) },
#else
#define BOARD_W5500
#endif
#define MICROPY_PORT_NETWORK_INTERFACES \
    BOARD_W5500 \
    { MP_ROM_QSTR(MP_QSTR_WLAN), MP_ROM_PTR(&mp_network_cyw43_type) }, \
    { MP_ROM_QSTR(MP_QSTR_STAT_IDLE), MP_ROM_INT(0) }, \
    { MP_ROM_QSTR(MP_QSTR_STAT_CONNECTING), MP_ROM_INT(1) }, \
    { MP_ROM_QSTR(MP_QSTR_STAT_WRONG_PASSWORD), MP_ROM_INT(-3) }, \
    { MP_ROM_QSTR(MP_QSTR_STAT_NO_AP_FOUND), MP_ROM_INT(-2) }, \
    { MP_ROM_QSTR(MP_QSTR_STAT_CONNECT_FAIL), MP_ROM_INT(-1) }, \
    { MP_ROM_QSTR(MP_QSTR_STAT_GOT_IP), MP_ROM_INT(3) },
extern const struct _mp_obj_type_t mp_network_cyw43_type;
extern const struct _mp_obj_type_t mod_network_nic_type_wiznet5k;

#define MICROPY_BOARD_PENDSV_ENTRIES            PENDSV_DISPATCH_WLAN,

#define MP_STATE_PORT MP_STATE_VM
#define MP_SSIZE_MAX (0x7fffffff)
typedef intptr_t mp_int_t;
typedef uintptr_t mp_uint_t;
typedef intptr_t mp_off_t;

#include <alloca.h>

// MicroPython 1.25 spells it without its prefix.
#ifndef MP_NORETURN
#define MP_NORETURN __attribute__((noreturn))
#endif

extern uint32_t rosc_random_u32(void);
extern void lwip_lock_acquire(void);
extern void lwip_lock_release(void);
