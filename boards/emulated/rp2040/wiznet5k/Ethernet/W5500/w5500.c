// See wizchip_conf.h and socket.h. Written from the W5500 data sheet v1.1.0.
#include <string.h>

#include "../socket.h"

static void none(void) {
}

static void read_nothing(uint8_t *buf, uint16_t len) {
    memset(buf, 0, len);
}

static void write_nothing(const uint8_t *buf, uint16_t len) {
    (void)buf;
    (void)len;
}

// The port's 64 ms tick asks the chip from the start on, before anyone has registered a bus.
static struct {
    void (*enter)(void);
    void (*exit)(void);
    void (*select)(void);
    void (*deselect)(void);
    void (*read)(uint8_t *buf, uint16_t len);
    void (*write)(const uint8_t *buf, uint16_t len);
} bus = {none, none, none, none, read_nothing, write_nothing};

void reg_wizchip_cris_cbfunc(void (*enter)(void), void (*exit)(void)) {
    bus.enter = enter;
    bus.exit = exit;
}

void reg_wizchip_cs_cbfunc(void (*select)(void), void (*deselect)(void)) {
    bus.select = select;
    bus.deselect = deselect;
}

void reg_wizchip_spi_cbfunc(uint8_t (*read)(void), void (*write)(const uint8_t value)) {
    // Every access here is a burst.
    (void)read;
    (void)write;
}

void reg_wizchip_spiburst_cbfunc(void (*read)(uint8_t *buf, uint16_t len),
    void (*write)(const uint8_t *buf, uint16_t len)) {
    bus.read = read;
    bus.write = write;
}

// Data sheet 2.3: 16 bits of offset, 5 of block, read or write, mode 00 (as long as CS is low).
static void start(uint32_t address, uint8_t is_write) {
    uint8_t head[3] = {address >> 16, address >> 8, (address & 0xf8) | is_write << 2};
    bus.enter();
    bus.select();
    bus.write(head, sizeof(head));
}

static void end(void) {
    bus.deselect();
    bus.exit();
}

void wizchip_read_buf(uint32_t address, uint8_t *buf, uint16_t len) {
    start(address, 0);
    bus.read(buf, len);
    end();
}

void wizchip_write_buf(uint32_t address, const uint8_t *buf, uint16_t len) {
    start(address, 1);
    bus.write(buf, len);
    end();
}

uint8_t WIZCHIP_READ(uint32_t address) {
    uint8_t value = 0;
    wizchip_read_buf(address, &value, 1);
    return value;
}

void WIZCHIP_WRITE(uint32_t address, uint8_t value) {
    wizchip_write_buf(address, &value, 1);
}

static uint16_t read_word(uint32_t address) {
    uint8_t word[2] = {0, 0};
    wizchip_read_buf(address, word, 2);
    return word[0] << 8 | word[1];
}

static void write_word(uint32_t address, uint16_t value) {
    uint8_t word[2] = {value >> 8, value};
    wizchip_write_buf(address, word, 2);
}

// A register that the chip may change between its two bytes: read until two reads agree (4.2).
static uint16_t read_moving_word(uint32_t address) {
    uint16_t last, word = read_word(address);
    do {
        last = word;
        word = read_word(address);
    } while (word != last);
    return word;
}

void getSHAR(uint8_t *mac) {
    wizchip_read_buf(WIZCHIP_CREG(REG_SHAR), mac, 6);
}

void setSHAR(const uint8_t *mac) {
    wizchip_write_buf(WIZCHIP_CREG(REG_SHAR), mac, 6);
}

uint8_t getSn_MR(uint8_t sn) {
    return WIZCHIP_READ(WIZCHIP_SREG(sn, REG_Sn_MR));
}

void setSn_MR(uint8_t sn, uint8_t value) {
    WIZCHIP_WRITE(WIZCHIP_SREG(sn, REG_Sn_MR), value);
}

void setSn_IMR(uint8_t sn, uint8_t value) {
    WIZCHIP_WRITE(WIZCHIP_SREG(sn, REG_Sn_IMR), value);
}

uint16_t getSn_RX_RSR(uint8_t sn) {
    return read_moving_word(WIZCHIP_SREG(sn, REG_Sn_RX_RSR));
}

void wizchip_setinterruptmask(uint16_t mask) {
    WIZCHIP_WRITE(WIZCHIP_CREG(REG_IMR), mask);
    WIZCHIP_WRITE(WIZCHIP_CREG(REG_SIMR), mask >> 8);
}

void wizchip_clrinterrupt(uint16_t which) {
    // Writing 1 clears a bit (4.1, IR; 4.2, Sn_IR); a socket's bit in SIR falls with its Sn_IR.
    WIZCHIP_WRITE(WIZCHIP_CREG(REG_IR), which);
    for (uint8_t sn = 0; sn < 8; sn++) {
        if (which & IK_SOCK_0 << sn) {
            WIZCHIP_WRITE(WIZCHIP_SREG(sn, REG_Sn_IR), 0xff);
        }
    }
}

int8_t wizphy_getphylink(void) {
    uint8_t up = WIZCHIP_READ(WIZCHIP_CREG(REG_PHYCFGR)) & PHYCFGR_LNK;
    return up ? PHY_LINK_ON : PHY_LINK_OFF;
}

int8_t ctlwizchip(int what, void *sizes) {
    const uint8_t *kib = sizes;
    if (what != CW_INIT_WIZCHIP) {
        return -1;
    }
    WIZCHIP_WRITE(WIZCHIP_CREG(REG_MR), MR_RST);
    while (WIZCHIP_READ(WIZCHIP_CREG(REG_MR)) & MR_RST) {
    }
    for (uint8_t sn = 0; sn < 8; sn++) {
        WIZCHIP_WRITE(WIZCHIP_SREG(sn, REG_Sn_TXBUF_SIZE), kib[sn]);
        WIZCHIP_WRITE(WIZCHIP_SREG(sn, REG_Sn_RXBUF_SIZE), kib[sn + 8]);
    }
    return 0;
}

static void command(uint8_t sn, uint8_t which) {
    WIZCHIP_WRITE(WIZCHIP_SREG(sn, REG_Sn_CR), which);
    // The chip clears it as soon as it has taken it.
    while (WIZCHIP_READ(WIZCHIP_SREG(sn, REG_Sn_CR))) {
    }
}

int8_t wizchip_socket(uint8_t sn, uint8_t protocol, uint16_t port, uint8_t flags) {
    (void)port;
    if (sn != 0 || protocol != Sn_MR_MACRAW) {
        return SOCKERR_SOCKMODE;
    }
    command(sn, Sn_CR_CLOSE);
    setSn_MR(sn, protocol | flags);
    command(sn, Sn_CR_OPEN);
    return WIZCHIP_READ(WIZCHIP_SREG(sn, REG_Sn_SR)) == SOCK_MACRAW ? sn : SOCKERR_SOCKSTATUS;
}

int32_t wizchip_sendto(uint8_t sn, uint8_t *frame, uint16_t len, uint8_t *ip, uint16_t port) {
    (void)ip;
    (void)port;
    if (len == 0 || len > 1514) {
        return SOCKERR_DATALEN;
    }
    if (WIZCHIP_READ(WIZCHIP_SREG(sn, REG_Sn_SR)) != SOCK_MACRAW) {
        return SOCKERR_SOCKSTATUS;
    }
    while (read_moving_word(WIZCHIP_SREG(sn, REG_Sn_TX_FSR)) < len) {
    }
    uint16_t at = read_word(WIZCHIP_SREG(sn, REG_Sn_TX_WR));
    wizchip_write_buf((uint32_t)at << 8 | WIZCHIP_TXBUF_BLOCK(sn) << 3, frame, len);
    write_word(WIZCHIP_SREG(sn, REG_Sn_TX_WR), at + len);
    command(sn, Sn_CR_SEND);
    while (!(WIZCHIP_READ(WIZCHIP_SREG(sn, REG_Sn_IR)) & Sn_IR_SENDOK)) {
    }
    WIZCHIP_WRITE(WIZCHIP_SREG(sn, REG_Sn_IR), Sn_IR_SENDOK);
    return len;
}

int32_t wizchip_recvfrom(uint8_t sn, uint8_t *frame, uint16_t len, uint8_t *ip, uint16_t *port) {
    (void)ip;
    (void)port;
    uint8_t head[2];
    uint16_t at = read_word(WIZCHIP_SREG(sn, REG_Sn_RX_RD));
    wizchip_read_buf((uint32_t)at << 8 | WIZCHIP_RXBUF_BLOCK(sn) << 3, head, 2);
    // In MACRAW a frame has two bytes before it: its length, these two included.
    uint16_t size = (head[0] << 8 | head[1]) - 2;
    if (size > len) {
        return SOCKFATAL_PACKLEN;
    }
    at += 2;
    wizchip_read_buf((uint32_t)at << 8 | WIZCHIP_RXBUF_BLOCK(sn) << 3, frame, size);
    write_word(WIZCHIP_SREG(sn, REG_Sn_RX_RD), at + size);
    command(sn, Sn_CR_RECV);
    return size;
}
