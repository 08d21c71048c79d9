// The W5500 as extmod/network_wiznet5k.c wants it: callbacks to its SPI, registers, PHY, interrupts.
// After the W5500 data sheet v1.1.0; names are those of WIZnet's ioLibrary, the code is not.
#ifndef PXEROM_WIZCHIP_CONF_H
#define PXEROM_WIZCHIP_CONF_H

#include <stdint.h>

#define W5100   5100
#define W5100S  5105
#define W5200   5200
#define W5500   5500

#define WIZCHIP_EXPORT(name) wizchip_##name

typedef uint8_t byte;

// An address is what goes over the wire first (data sheet 2.2): offset, then block and mode.
#define _W5500_IO_BASE_             0
#define WIZCHIP_SREG_BLOCK(sn)      (1 + 4 * (sn))
#define WIZCHIP_TXBUF_BLOCK(sn)     (2 + 4 * (sn))
#define WIZCHIP_RXBUF_BLOCK(sn)     (3 + 4 * (sn))
#define WIZCHIP_SREG(sn, offset)    ((uint32_t)(offset) << 8 | WIZCHIP_SREG_BLOCK(sn) << 3)
#define WIZCHIP_CREG(offset)        ((uint32_t)(offset) << 8)

void wizchip_read_buf(uint32_t address, uint8_t *buf, uint16_t len);
void wizchip_write_buf(uint32_t address, const uint8_t *buf, uint16_t len);
uint8_t WIZCHIP_READ(uint32_t address);
void WIZCHIP_WRITE(uint32_t address, uint8_t value);

void reg_wizchip_cris_cbfunc(void (*enter)(void), void (*exit)(void));
void reg_wizchip_cs_cbfunc(void (*select)(void), void (*deselect)(void));
void reg_wizchip_spi_cbfunc(uint8_t (*read)(void), void (*write)(const uint8_t value));
void reg_wizchip_spiburst_cbfunc(void (*read)(uint8_t *buf, uint16_t len),
    void (*write)(const uint8_t *buf, uint16_t len));

// Common registers (data sheet 4.1) and socket registers (4.2).
#define REG_MR          0x0000
#define REG_SHAR        0x0009
#define REG_IR          0x0015
#define REG_IMR         0x0016
#define REG_SIMR        0x0018
#define REG_PHYCFGR     0x002e
#define REG_Sn_MR       0x0000
#define REG_Sn_CR       0x0001
#define REG_Sn_IR       0x0002
#define REG_Sn_SR       0x0003
#define REG_Sn_RXBUF_SIZE 0x001e
#define REG_Sn_TXBUF_SIZE 0x001f
#define REG_Sn_TX_FSR   0x0020
#define REG_Sn_TX_WR    0x0024
#define REG_Sn_RX_RSR   0x0026
#define REG_Sn_RX_RD    0x0028
#define REG_Sn_IMR      0x002c

#define MR_RST          0x80
#define PHYCFGR_LNK     0x01

#define Sn_MR_MACRAW    0x04
#define Sn_MR_MIP6B     0x10
#define Sn_MR_MFEN      0x80
#define Sn_CR_OPEN      0x01
#define Sn_CR_CLOSE     0x10
#define Sn_CR_SEND      0x20
#define Sn_CR_RECV      0x40
#define Sn_IR_RECV      0x04
#define Sn_IR_SENDOK    0x10
#define SOCK_MACRAW     0x42

void getSHAR(uint8_t *mac);
void setSHAR(const uint8_t *mac);
uint8_t getSn_MR(uint8_t sn);
void setSn_MR(uint8_t sn, uint8_t value);
void setSn_IMR(uint8_t sn, uint8_t value);
uint16_t getSn_RX_RSR(uint8_t sn);

// One bit for each interrupt: 0-7 as in IR, 8-15 the sockets 0-7.
#define IK_SOCK_0       (1 << 8)
void wizchip_setinterruptmask(uint16_t mask);
void wizchip_clrinterrupt(uint16_t which);

#define PHY_LINK_OFF    0
#define PHY_LINK_ON     1
int8_t wizphy_getphylink(void);

// sizes: KiB of the eight sockets' TX buffers, then of their RX buffers. Resets the chip.
#define CW_INIT_WIZCHIP 0
int8_t ctlwizchip(int what, void *sizes);

#endif
