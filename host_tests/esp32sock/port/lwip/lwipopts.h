// lwIP's options as ESP-IDF sets them for MicroPython's ESP32 firmware, as far as UDP shows them.
//
// Each value says where it is from: "lwipopts" is ESP-IDF's components/lwip/port/include/lwipopts.h,
// a CONFIG_ name is a default of its components/lwip/Kconfig (both at commit 199d416bc56). Of
// these, MicroPython 1.25's ports/esp32/boards/sdkconfig.base changes only TCP's and PPP's. What
// is not ESP32's stands last.
#pragma once

// --- Threads and memory ---
#define LWIP_TCPIP_CORE_LOCKING 0           // CONFIG_LWIP_TCPIP_CORE_LOCKING n
#define SYS_LIGHTWEIGHT_PROT 1              // lwipopts
#define MEM_LIBC_MALLOC 1                   // lwipopts
#define MEMP_MEM_MALLOC 1                   // lwipopts
#define MEMP_NUM_NETCONN 10                 // CONFIG_LWIP_MAX_SOCKETS 10
#define MEMP_NUM_UDP_PCB 16                 // CONFIG_LWIP_MAX_UDP_PCBS 16
#define MEMP_NUM_RAW_PCB 16                 // CONFIG_LWIP_MAX_RAW_PCBS 16
#define MEMP_NUM_TCP_PCB 12                 // sdkconfig.base: CONFIG_LWIP_MAX_ACTIVE_TCP 12
#define MEMP_NUM_TCP_PCB_LISTEN 16          // CONFIG_LWIP_MAX_LISTENING_TCP 16
#define TCPIP_MBOX_SIZE 32                  // CONFIG_LWIP_TCPIP_RECVMBOX_SIZE 32
#define DEFAULT_UDP_RECVMBOX_SIZE 6         // CONFIG_LWIP_UDP_RECVMBOX_SIZE 6
#define DEFAULT_TCP_RECVMBOX_SIZE 6         // CONFIG_LWIP_TCP_RECVMBOX_SIZE 6
#define DEFAULT_ACCEPTMBOX_SIZE 6           // CONFIG_LWIP_TCP_ACCEPTMBOX_SIZE 6
#define DEFAULT_RAW_RECVMBOX_SIZE 6         // lwipopts

// --- ARP, IP, ICMP ---
#define ARP_QUEUEING 1                      // lwipopts
#define IP_REASSEMBLY 0                     // CONFIG_LWIP_IP4_REASSEMBLY n
#define IP_FRAG 1                           // CONFIG_LWIP_IP4_FRAG y
#define IP_FORWARD 0                        // CONFIG_LWIP_IP_FORWARD n
#define IP_DEFAULT_TTL 64                   // CONFIG_LWIP_IP_DEFAULT_TTL 64
#define LWIP_ICMP 1                         // CONFIG_LWIP_ICMP y
#define LWIP_RAW 1                          // lwipopts
#define LWIP_IGMP 1                         // lwipopts
#define LWIP_IPV6 1                         // CONFIG_LWIP_IPV6 y
#define LWIP_IPV6_REASS 0                   // CONFIG_LWIP_IP6_REASSEMBLY n
#define LWIP_IPV6_DHCP6 0                   // CONFIG_LWIP_IPV6_DHCP6 n
#define CHECKSUM_CHECK_IP 0                 // CONFIG_LWIP_CHECKSUM_CHECK_IP n
#define CHECKSUM_CHECK_UDP 0                // CONFIG_LWIP_CHECKSUM_CHECK_UDP n
#define CHECKSUM_CHECK_ICMP 1               // CONFIG_LWIP_CHECKSUM_CHECK_ICMP y

// --- DHCP, DNS, UDP, TCP ---
#define LWIP_DHCP 1                         // lwipopts
#define LWIP_DNS 1                          // lwipopts
#define LWIP_UDP 1                          // lwipopts
#define LWIP_TCP 1                          // lwipopts
#define TCP_MSS 1440                        // CONFIG_LWIP_TCP_MSS 1440
#define TCP_WND 5760                        // CONFIG_LWIP_TCP_WND_DEFAULT 5760
#define TCP_SND_BUF 5760                    // CONFIG_LWIP_TCP_SND_BUF_DEFAULT 5760
#define LWIP_NETBUF_RECVINFO 0              // CONFIG_LWIP_NETBUF_RECVINFO n

// --- Sockets ---
#define LWIP_NETCONN 1                      // lwipopts
#define LWIP_NETCONN_SEM_PER_THREAD 1       // lwipopts
#define LWIP_NETCONN_FULLDUPLEX 1           // lwipopts
#define LWIP_SOCKET 1                       // lwipopts
#define LWIP_POSIX_SOCKETS_IO_NAMES 0       // lwipopts
#define LWIP_SOCKET_OFFSET (64 - 10)        // lwipopts: FD_SETSIZE of newlib less the sockets
#define LWIP_SO_SNDTIMEO 1                  // lwipopts
#define LWIP_SO_RCVTIMEO 1                  // lwipopts
#define LWIP_SO_RCVBUF 0                    // CONFIG_LWIP_SO_RCVBUF n
#define LWIP_SO_LINGER 0                    // CONFIG_LWIP_SO_LINGER n
#define SO_REUSE 1                          // CONFIG_LWIP_SO_REUSE y
#define SO_REUSE_RXTOALL 1                  // CONFIG_LWIP_SO_REUSE_RXTOALL y
#define LWIP_TIMEVAL_PRIVATE 0              // lwipopts

// --- Interfaces ---
#define LWIP_NETIF_HOSTNAME 1               // lwipopts
#define LWIP_NETIF_TX_SINGLE_PBUF 1         // lwipopts
#define LWIP_HAVE_LOOPIF 1                  // CONFIG_LWIP_NETIF_LOOPBACK y
#define LWIP_NETIF_LOOPBACK 1               // CONFIG_LWIP_NETIF_LOOPBACK y
#define LWIP_LOOPBACK_MAX_PBUFS 8           // CONFIG_LWIP_LOOPBACK_MAX_PBUFS 8
#define LWIP_STATS 0                        // CONFIG_LWIP_STATS n

// --- Not ESP32's ---
// There it is 0, and select() comes to lwIP by way of ESP-IDF's VFS.
#define LWIP_COMPAT_SOCKETS 1
// Our interface is told what to do from another thread; ESP-IDF's esp_netif has calls of its own.
#define LWIP_NETIF_API 1
// Espressif's fork asks for the offered address once; lwIP's ACD takes nine seconds over it.
#define LWIP_DHCP_DOES_ACD_CHECK 0
// Words of 64 bits: lwIP's fragments of IPv6 keep their pointers in the header otherwise.
#define MEM_ALIGNMENT 8
#define IPV6_FRAG_COPYHEADER 1
