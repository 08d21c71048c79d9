// Serial port, waits, random numbers and the time of day.

#include <string.h>
#include "py/mphal.h"
#include "py/runtime.h"
#include "py/stream.h"
#include "shared/runtime/interrupt_char.h"
#include "shared/timeutils/timeutils.h"
#include "pico/aon_timer.h"
#include "RP2040.h"
#include "board.h"

// ---- UART0: registers DATA, STATE, CTRL, INT, BAUDDIV

#define TX_FULL 1
#define RX_FULL 2
#define ENABLE_TX_RX_AND_RX_INTERRUPT 11
#define TX_TIMEOUT_MS 500 // as rp2's USB serial port: then nobody is listening

static uint8_t stdin_bytes[512];
ringbuf_t stdin_ringbuf = { stdin_bytes, sizeof(stdin_bytes) };

void uart_init(void) {
    UART0[4] = 16;
    UART0[2] = ENABLE_TX_RX_AND_RX_INTERRUPT;
    NVIC_EnableIRQ(IRQ_UART0_RX);
}

void UART0_RX_Handler(void) {
    UART0[3] = 2; // INTCLEAR: RX
    while (UART0[1] & RX_FULL) {
        if (ringbuf_free(&stdin_ringbuf) == 0) {
            NVIC_DisableIRQ(IRQ_UART0_RX); // the sender waits, as on USB, until somebody reads
            return;
        }
        int c = UART0[0] & 0xff;
        if (c == mp_interrupt_char) {
            mp_sched_keyboard_interrupt();
        } else {
            ringbuf_put(&stdin_ringbuf, c);
        }
    }
}

static int stdin_get(void) {
    int c = ringbuf_get(&stdin_ringbuf);
    if (c != -1 && !NVIC_GetEnableIRQ(IRQ_UART0_RX)) {
        NVIC_EnableIRQ(IRQ_UART0_RX);
        NVIC_SetPendingIRQ(IRQ_UART0_RX);
    }
    return c;
}

int mp_hal_stdin_rx_chr(void) {
    for (;;) {
        int c = stdin_get();
        if (c != -1) {
            return c;
        }
        mp_event_wait_indefinite();
    }
}

mp_uint_t mp_hal_stdout_tx_strn(const char *str, mp_uint_t len) {
    for (mp_uint_t i = 0; i < len; i++) {
        uint32_t start = mp_hal_ticks_ms();
        while (UART0[1] & TX_FULL) {
            if (mp_hal_ticks_ms() - start > TX_TIMEOUT_MS) {
                return i;
            }
        }
        UART0[0] = str[i];
    }
    return len;
}

uintptr_t mp_hal_stdio_poll(uintptr_t flags) {
    uintptr_t ready = flags & MP_STREAM_POLL_WR;
    if ((flags & MP_STREAM_POLL_RD) && ringbuf_peek(&stdin_ringbuf) != -1) {
        ready |= MP_STREAM_POLL_RD;
    }
    return ready;
}

// ---- waits

// Interrupts are off meanwhile, and still end it: what they have to do is no waiting.
void board_wait(void) {
    uint32_t state = save_and_disable_interrupts();
    uint64_t began = time_us_64();
    __asm volatile ("wfi");
    SETTINGS->idle_us += time_us_64() - began;
    restore_interrupts(state);
}

void mp_hal_delay_us(mp_uint_t us) {
    uint64_t end = time_us_64() + us;
    if (us > 1000) {
        mp_hal_delay_ms(us / 1000);
    }
    while (time_us_64() < end) {
    }
}

void mp_hal_delay_ms(mp_uint_t ms) {
    mp_uint_t start = mp_hal_ticks_ms();
    for (mp_uint_t passed = 0; passed < ms; passed = mp_hal_ticks_ms() - start) {
        mp_event_wait_ms(ms - passed);
    }
}

// ---- the time of day, as on an RP2: it begins in 2021

uint64_t mp_hal_time_ns(void) {
    return (timeutils_seconds_since_epoch(2021, 1, 1, 0, 0, 0) * 1000000ULL + time_us_64()) * 1000;
}

void aon_timer_get_time(struct timespec *now) {
    uint64_t ns = mp_hal_time_ns();
    now->tv_sec = ns / 1000000000;
    now->tv_nsec = ns % 1000000000;
}

// ---- random numbers (xorshift32): the machine has no source of its own, so the seed comes with the settings

static uint32_t random_state;

uint32_t rosc_random_u32(void) {
    if (random_state == 0) {
        random_state = SETTINGS->seed ^ SETTINGS->boots * 0x9e3779b9;
        random_state += random_state == 0;
    }
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

uint8_t rosc_random_u8(size_t cycles) {
    return rosc_random_u32() >> 24;
}

void mp_hal_get_mac(int index, uint8_t mac[6]) {
    lan9118_mac(mac);
}

// ---- settings

void board_settings(void) {
    volatile settings_t *s = SETTINGS;
    if (s->magic != SETTINGS_MAGIC) {
        memset((void *)s, 0, sizeof(*s));
        s->magic = SETTINGS_MAGIC;
        s->heap_bytes = 194560;
        s->blocks = 352; // as W5500_EVB_PICO: 1408 KiB
        strcpy((char *)s->wifi_ssid, "bench");
        strcpy((char *)s->wifi_key, "correct horse");
    }
    s->boots++;
}
