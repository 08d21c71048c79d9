// Socket 0 in MACRAW: whole Ethernet frames (W5500 data sheet v1.1.0, Sn_MR, Sn_CR, Sn_RX_RSR).
#ifndef PXEROM_WIZCHIP_SOCKET_H
#define PXEROM_WIZCHIP_SOCKET_H

#include "wizchip_conf.h"

#define SOCKERR_SOCKMODE   (-5)
#define SOCKERR_SOCKSTATUS (-7)
#define SOCKERR_DATALEN    (-14)
#define SOCKFATAL_PACKLEN  (-1001)

int8_t wizchip_socket(uint8_t sn, uint8_t protocol, uint16_t port, uint8_t flags);
// The frame's length, or an error below 0. Address and port are for the chip's own UDP only.
int32_t wizchip_sendto(uint8_t sn, uint8_t *frame, uint16_t len, uint8_t *ip, uint16_t port);
int32_t wizchip_recvfrom(uint8_t sn, uint8_t *frame, uint16_t len, uint8_t *ip, uint16_t *port);

#endif
