// What MicroPython's extmod/network_wiznet5k.c calls in WIZnet's ioLibrary, which Debian leaves out. It is
// answered by the LAN9118 (wizchip.c): a W5500 in MACRAW mode sends and receives whole frames, and so does that.
// Names and meanings: W5500 data sheet, chapter 4.
#pragma once

#include <stdint.h>

typedef uint8_t byte;

#define WIZCHIP_EXPORT(name) wizchip_##name
#define _W5500_IO_BASE_ 0
#define WIZCHIP_SREG_BLOCK(n) (1 + 4 * (n))
#define WIZCHIP_READ(address) ((void)(address), 0)

enum { CW_INIT_WIZCHIP };
enum { IK_SOCK_0 = 1 << 8 };
enum { Sn_IR_RECV = 4 };
enum { Sn_MR_MACRAW = 4, Sn_MR_MFEN = 0x80, Sn_MR_MIP6B = 0x10 };
enum { PHY_LINK_OFF, PHY_LINK_ON };

void getSHAR(uint8_t mac[6]);
void setSHAR(const uint8_t mac[6]);
int8_t ctlwizchip(int what, void *argument);
void wizchip_setinterruptmask(int mask);
void wizchip_clrinterrupt(int mask);
int8_t wizphy_getphylink(void);
void setSn_IMR(uint8_t socket, uint8_t mask);
uint8_t getSn_MR(uint8_t socket);
void setSn_MR(uint8_t socket, uint8_t mode);
uint16_t getSn_RX_RSR(uint8_t socket);

void reg_wizchip_cris_cbfunc(void (*enter)(void), void (*leave)(void));
void reg_wizchip_cs_cbfunc(void (*select)(void), void (*deselect)(void));
void reg_wizchip_spi_cbfunc(uint8_t (*read)(void), void (*write)(uint8_t));
void reg_wizchip_spiburst_cbfunc(void (*read)(uint8_t *, uint16_t), void (*write)(const uint8_t *, uint16_t));
