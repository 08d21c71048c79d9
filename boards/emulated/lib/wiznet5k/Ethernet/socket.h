// See wizchip_conf.h: the one socket of MACRAW mode.
#pragma once

#include <stdint.h>

int8_t wizchip_socket(uint8_t socket, uint8_t mode, uint16_t port, uint8_t flags);
int32_t wizchip_sendto(uint8_t socket, uint8_t *frame, uint16_t length, uint8_t *ip, uint16_t port);
int32_t wizchip_recvfrom(uint8_t socket, uint8_t *frame, uint16_t limit, uint8_t *ip, uint16_t *port);
