// What MicroPython and rp2's files ask of the hardware. A pin is a number here, and only INTN does anything.

#include <stdbool.h>
#include <stdint.h>
#include "py/obj.h"
#include "py/ringbuf.h"

void pendsv_suspend(void);
void pendsv_resume(void);

static inline uint32_t save_and_disable_interrupts(void) {
    uint32_t state;
    __asm volatile ("mrs %0, primask\n cpsid i" : "=r" (state) :: "memory");
    return state;
}

static inline void restore_interrupts(uint32_t state) {
    __asm volatile ("msr primask, %0" :: "r" (state) : "memory");
}

#define MICROPY_BEGIN_ATOMIC_SECTION()     save_and_disable_interrupts()
#define MICROPY_END_ATOMIC_SECTION(state)  restore_interrupts(state)
#define MICROPY_PY_PENDSV_ENTER            pendsv_suspend()
#define MICROPY_PY_PENDSV_EXIT             pendsv_resume()
#define MICROPY_PY_LWIP_ENTER              lwip_lock_acquire();
#define MICROPY_PY_LWIP_REENTER            lwip_lock_acquire();
#define MICROPY_PY_LWIP_EXIT               lwip_lock_release();

// SysTick interrupts every millisecond: no wait can be missed, or last longer.
#define MICROPY_INTERNAL_WFE(TIMEOUT_MS)   board_wait()
void board_wait(void);

extern int mp_interrupt_char;
extern ringbuf_t stdin_ringbuf;
void mp_hal_set_interrupt_char(int c);

uint64_t time_us_64(void);
static inline mp_uint_t mp_hal_ticks_us(void) {
    return time_us_64();
}
static inline mp_uint_t mp_hal_ticks_ms(void) {
    return time_us_64() / 1000;
}
static inline mp_uint_t mp_hal_ticks_cpu(void) {
    return time_us_64();
}
static inline mp_uint_t mp_hal_get_cpu_freq(void) {
    return 25000000;
}
static inline void mp_hal_delay_us_fast(mp_uint_t us) {
    for (uint64_t end = time_us_64() + us; time_us_64() < end;) {
    }
}

enum { MP_HAL_MAC_WLAN0 = 0, MP_HAL_MAC_ETH0 };
void mp_hal_get_mac(int index, uint8_t mac[6]);

// Pins, for MicroPython's driver of the W5500.
#define mp_hal_pin_obj_t unsigned int
enum { MP_HAL_PIN_TRIGGER_NONE, MP_HAL_PIN_TRIGGER_FALL };
static inline mp_hal_pin_obj_t mp_hal_get_pin_obj(mp_obj_t pin) {
    return mp_obj_get_int(pin);
}
static inline void mp_hal_pin_input(mp_hal_pin_obj_t pin) {
}
static inline void mp_hal_pin_output(mp_hal_pin_obj_t pin) {
}
static inline void mp_hal_pin_low(mp_hal_pin_obj_t pin) {
}
static inline void mp_hal_pin_high(mp_hal_pin_obj_t pin) {
}
static inline int mp_hal_pin_read(mp_hal_pin_obj_t pin) {
    return 1; // CS: the bus is never busy
}
void mp_hal_pin_interrupt(mp_hal_pin_obj_t pin, mp_obj_t handler, mp_uint_t trigger, bool hard);
mp_obj_t mp_pin_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args);
mp_obj_base_t *mp_hal_get_spi_obj(mp_obj_t spi);
