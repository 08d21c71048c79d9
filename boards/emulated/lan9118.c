// Driver of the LAN9118, the machine's Ethernet controller (SMSC data sheet LAN9118, chapter 5; QEMU's
// hw/net/lan9118.c). Frames wait in its receive FIFO of 10.5 KB, as they wait in a W5500's 16 KB.

#include "py/mphal.h"
#include "RP2040.h"
#include "board.h"

enum { // offsets in bytes
    RX_DATA = 0x00, TX_DATA = 0x20, RX_STATUS = 0x40, TX_STATUS = 0x48, IRQ_CFG = 0x54, INT_STS = 0x58,
    INT_EN = 0x5c, FIFO_INT = 0x68, RX_CFG = 0x6c, TX_CFG = 0x70, HW_CFG = 0x74, RX_FIFO_INF = 0x7c,
    TX_FIFO_INF = 0x80, MAC_CSR_CMD = 0xa4, MAC_CSR_DATA = 0xa8,
};
enum { MAC_CR = 1, ADDRH = 2, ADDRL = 3, MII_ACC = 6, MII_DATA = 7 };
#define REG(offset) LAN9118[(offset) / 4]
#define RSFL 8 // INT: the receive status FIFO holds more than FIFO_INT says
#define BUSY 0x80000000
#define MAC_CR_ON (0x00100000 | 0x8 | 0x4) // full duplex, transmit, receive
#define MAC_CR_ALL_MULTICAST 0x00080000

static void (*on_frame)(void);

static uint32_t mac_read(uint32_t reg) {
    REG(MAC_CSR_CMD) = BUSY | 0x40000000 | reg;
    while (REG(MAC_CSR_CMD) & BUSY) {
    }
    return REG(MAC_CSR_DATA);
}

static void mac_write(uint32_t reg, uint32_t value) {
    REG(MAC_CSR_DATA) = value;
    REG(MAC_CSR_CMD) = BUSY | reg;
    while (REG(MAC_CSR_CMD) & BUSY) {
    }
}

void lan9118_init(void) {
    on_frame = NULL;
    REG(HW_CFG) = 1; // soft reset
    while (REG(HW_CFG) & 1) {
    }
    REG(HW_CFG) = 0x00150000; // 5 KB to send from, the rest to receive into
    REG(FIFO_INT) = 0x48000000;
    REG(RX_CFG) = 0;
    REG(TX_CFG) = 2;
    mac_write(MAC_CR, MAC_CR_ON);
    REG(INT_STS) = 0xffffffff;
    REG(IRQ_CFG) = 0x111; // on, active high, push-pull
    NVIC_EnableIRQ(IRQ_LAN9118);
}

void lan9118_all_multicast(bool on) {
    mac_write(MAC_CR, MAC_CR_ON | (on ? MAC_CR_ALL_MULTICAST : 0));
}

void lan9118_mac(uint8_t mac[6]) {
    uint32_t low = mac_read(ADDRL), high = mac_read(ADDRH);
    for (int i = 0; i < 6; i++) {
        mac[i] = (i < 4 ? low >> 8 * i : high >> 8 * (i - 4)) & 0xff;
    }
}

bool lan9118_carrier(void) {
    mac_write(MII_ACC, 1 << 11 | 1 << 6 | 1); // PHY 1, register 1: basic mode status
    return mac_read(MII_DATA) >> 2 & 1;
}

void lan9118_send(const uint8_t *frame, size_t length) {
    REG(TX_DATA) = 0x3000 | length; // command A: first and last segment
    REG(TX_DATA) = length << 16 | length; // command B
    for (size_t at = 0; at < length; at += 4) {
        uint32_t word = 0;
        for (size_t i = 0; i < 4 && at + i < length; i++) {
            word |= (uint32_t)frame[at + i] << 8 * i;
        }
        REG(TX_DATA) = word;
    }
    while (REG(TX_FIFO_INF) >> 16 & 0xff) {
        (void)REG(TX_STATUS);
    }
}

size_t lan9118_waiting(void) {
    return REG(RX_FIFO_INF) >> 16 & 0xff;
}

size_t lan9118_receive(uint8_t *frame, size_t limit) {
    if (lan9118_waiting() == 0) {
        return 0;
    }
    size_t length = REG(RX_STATUS) >> 16 & 0x3fff; // with the CRC's four bytes
    for (size_t at = 0; at < length; at += 4) {
        uint32_t word = REG(RX_DATA);
        for (size_t i = 0; i < 4 && at + i < limit; i++) {
            frame[at + i] = word >> 8 * i;
        }
    }
    return length - 4 < limit ? length - 4 : limit;
}

// The interrupt is off from one frame to the next call of this function, which a driver makes when it has
// read what it wants. A frame that came in between makes none of its own: W5500's edge is lost in the same way.
void lan9118_on_frame(void (*handler)(void)) {
    on_frame = handler;
    REG(INT_STS) = RSFL;
    REG(INT_EN) = handler ? RSFL : 0;
}

void LAN9118_Handler(void) {
    REG(INT_EN) = 0;
    if (on_frame) {
        on_frame();
    }
}
