// lwIP's own layer over pthreads, with mailboxes that keep to the size they are made with.
//
// contrib's sys_arch.c gives every mailbox 127 places; ESP-IDF's (port/freertos/sys_arch.c) makes
// FreeRTOS queues of the size that is asked for: a socket keeps six datagrams. So a mailbox is
// made by contrib's code and then given a size, which only a post that may not wait looks at:
// only tcpip's thread posts into a socket's mailbox, hence a place that is free stays free.
#define _GNU_SOURCE // contrib's file wants it before the first header
#include "lwip/sys.h"

#define sys_mbox_new contrib_mbox_new
#define sys_mbox_trypost contrib_mbox_trypost
#undef _GNU_SOURCE
#include "lib/lwip/contrib/ports/unix/port/sys_arch.c"
#undef sys_mbox_new
#undef sys_mbox_trypost

struct sized_mbox {
    struct sys_mbox mbox; // first: contrib's code sees nothing but it
    int size;
};

err_t sys_mbox_new(sys_mbox_t *mb, int size) {
    err_t err = contrib_mbox_new(mb, size);
    if (err != ERR_OK) {
        return err;
    }
    struct sized_mbox *sized = realloc(*mb, sizeof(*sized));
    if (sized == NULL) {
        sys_mbox_free(mb);
        return ERR_MEM;
    }
    sized->size = size;
    *mb = &sized->mbox;
    return ERR_OK;
}

err_t sys_mbox_trypost(sys_mbox_t *mb, void *msg) {
    struct sized_mbox *sized = (struct sized_mbox *)*mb;
    sys_arch_sem_wait(&sized->mbox.mutex, 0);
    int full = sized->mbox.last - sized->mbox.first >= sized->size;
    sys_sem_signal(&sized->mbox.mutex);
    return full ? ERR_MEM : contrib_mbox_trypost(mb, msg);
}
