// The machine: addresses of QEMU's mps2-an385, and what one file of this folder offers the others.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UART0       ((volatile uint32_t *)0x40004000) // CMSDK APB UART
#define DUALTIMER   ((volatile uint32_t *)0x40002000) // CMSDK APB dual timer
#define WATCHDOG    ((volatile uint32_t *)0x40008000) // CMSDK APB watchdog
#define LAN9118     ((volatile uint32_t *)0x40200000)
#define PSRAM       ((uint8_t *)0x21000000)
#define PSRAM_BYTES (16 * 1024 * 1024)
#define HZ          25000000

enum { IRQ_UART0_RX = 0, IRQ_LAN9118 = 13 };

// The last page of the PSRAM belongs to whoever started the machine, and so to the file behind it: what
// the board is to be, and what became of its flash. Little-endian words.
typedef struct {
    uint32_t magic;         // SETTINGS_MAGIC, or all of it is as by default
    uint32_t heap_bytes;    // of MicroPython's heap
    uint32_t blocks;        // of the file system, 4096 bytes each
    uint32_t erase_us;      // how long interrupts are off for each block that is erased ...
    uint32_t program_us;    // ... and for each page of 256 bytes that is programmed
    uint32_t fail_at;       // the power fails in the middle of this write (0: never)
    uint32_t writes;        // erased blocks and programmed pages so far
    uint32_t power_lost;    // 1: it did
    uint32_t journal;       // 1: every write is noted from JOURNAL on
    uint32_t journal_bytes; // so far
    uint32_t seed;          // of the random numbers
    uint32_t boots;         // resets and power-ups so far
    char wifi_ssid[36];     // the one Wi-Fi network in reach; none when empty
    char wifi_key[68];      // its password; empty: an open network
    uint32_t idle_us;       // how long the processor has waited for interrupts
} settings_t;

#define SETTINGS        ((volatile settings_t *)(PSRAM + PSRAM_BYTES - 4096))
#define SETTINGS_MAGIC  0x31455850 // "PXE1"
#define JOURNAL         (PSRAM + 4 * 1024 * 1024)
#define JOURNAL_LIMIT   (12 * 1024 * 1024 - 4096)

void board_settings(void);
void board_reset(void) __attribute__((noreturn));
bool board_was_watchdog(void);

// lan9118.c: whole frames, without checksum.
void lan9118_init(void);
void lan9118_send(const uint8_t *frame, size_t length);
size_t lan9118_receive(uint8_t *frame, size_t limit); // 0: there is none
size_t lan9118_waiting(void);
bool lan9118_carrier(void);
void lan9118_mac(uint8_t mac[6]);
void lan9118_all_multicast(bool on);
void lan9118_on_frame(void (*handler)(void)); // called by the interrupt
