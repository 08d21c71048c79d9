// From the reset to main(): vectors, clock, watchdog, faults.

#include "py/mphal.h"
#include "py/runtime.h"
#include "hardware/watchdog.h"
#include "shared/runtime/softtimer.h"
#include "ports/rp2/pendsv.h"
#include "RP2040.h"
#include "board.h"

extern uint32_t _sidata, _sdata, _edata, _sbss, _ebss, _stack_top;
extern int main(void);
void PendSV_Handler(void);
void UART0_RX_Handler(void);
void LAN9118_Handler(void);

// ---- time: a 32-bit counter of the dual timer, which goes on while interrupts are off

static uint64_t ticks;
static uint32_t last;

static void clock_init(void) {
    DUALTIMER[0] = 0xffffffff; // Timer1Load
    DUALTIMER[2] = 0x82;       // Timer1Control: enabled, free-running, 32 bits
    last = DUALTIMER[1];
    SysTick_Config(HZ / 1000);
    NVIC_SetPriority(SysTick_IRQn, 0x40);
    NVIC_SetPriority(PendSV_IRQn, 0xff); // the lowest: lwIP runs there
    NVIC_SetPriority(IRQ_UART0_RX, 0x80);
    NVIC_SetPriority(IRQ_LAN9118, 0x80);
}

uint64_t time_us_64(void) {
    uint32_t state = save_and_disable_interrupts();
    uint32_t now = DUALTIMER[1]; // it counts down
    ticks += last - now;
    last = now;
    uint64_t us = ticks / (HZ / 1000000);
    restore_interrupts(state);
    return us;
}

// ---- soft timers, at PendSV as on rp2

static volatile bool timer_set;
static volatile uint32_t timer_ms;

uint32_t soft_timer_get_ms(void) {
    return mp_hal_ticks_ms();
}

void soft_timer_schedule_at_ms(uint32_t ms) {
    timer_ms = ms;
    timer_set = true;
}

static void SysTick_Handler(void) {
    if (timer_set && soft_timer_ticks_diff(timer_ms, mp_hal_ticks_ms()) <= 0) {
        timer_set = false;
        pendsv_schedule_dispatch(PENDSV_DISPATCH_SOFT_TIMER, soft_timer_handler);
    }
}

// ---- watchdog: it resets at its second time-out in a row

#define WATCHDOG_RAN 0x57415443 // in a word that a reset leaves alone
static uint32_t watchdog_word __attribute__((section(".noinit")));
static bool was_watchdog;

void watchdog_enable(uint32_t timeout_ms, bool pause_on_debug) {
    watchdog_word = WATCHDOG_RAN;
    WATCHDOG[0xc00 / 4] = 0x1acce551; // WDOGLOCK: open
    WATCHDOG[0] = HZ / 1000 / 2 * timeout_ms;
    WATCHDOG[2] = 3; // WDOGCONTROL: counts, and resets
}

void watchdog_update(void) {
    WATCHDOG[3] = 1; // WDOGINTCLR: from the beginning
}

bool board_was_watchdog(void) {
    return was_watchdog;
}

void board_reset(void) {
    watchdog_word = 0;
    NVIC_SystemReset();
}

static void NMI_Handler(void) {
    // The watchdog's first time-out; nobody fed it, so the second one will reset.
}

// ---- vectors

static void Fault_Handler(void) {
    static const char said[] = "\r\nHardFault\r\n";
    mp_hal_stdout_tx_strn(said, sizeof(said) - 1);
    for (;;) {
    }
}

__attribute__((naked)) void Reset_Handler(void) {
    __asm volatile ("ldr r0, =_stack_top\n mov sp, r0\n b reset_in_c");
}

__attribute__((used)) static void reset_in_c(void) {
    for (uint32_t *from = &_sidata, *to = &_sdata; to < &_edata;) {
        *to++ = *from++;
    }
    for (uint32_t *to = &_sbss; to < &_ebss;) {
        *to++ = 0;
    }
    was_watchdog = watchdog_word == WATCHDOG_RAN;
    watchdog_word = 0;
    clock_init();
    board_settings();
    main();
}

typedef void (*vector_t)(void);
__attribute__((section(".isr_vector"), used)) static const vector_t vectors[16 + 32] = {
    (vector_t)&_stack_top,
    Reset_Handler,
    NMI_Handler,
    Fault_Handler, Fault_Handler, Fault_Handler, Fault_Handler,
    [14] = PendSV_Handler,
    SysTick_Handler,
    [16 + IRQ_UART0_RX] = UART0_RX_Handler,
    [16 + IRQ_LAN9118] = LAN9118_Handler,
};
