// In ESP-IDF a socket is a file descriptor of its VFS, by which fcntl() and select() find lwIP.
// modsocket.c calls them by these names, fcntl() with two arguments or three. lwipopts.h has lwIP
// define select(); of fcntl()'s flags only this one is used, with lwIP's own number.
#include <fcntl.h>
#undef O_NONBLOCK
#define O_NONBLOCK 1
#define fcntl(fd, ...) fcntl_of_lwip(fd, __VA_ARGS__, 0, 0)
#define fcntl_of_lwip(fd, command, value, ...) lwip_fcntl(fd, command, value)
