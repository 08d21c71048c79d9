# ports/esp32/modsocket.c of MicroPython and lwIP with its socket API, both as their authors wrote
# them; ours is what stands in this folder. lwIP's tree is $(TOP)/lib/lwip.

ESP32_OURS := $(USERMOD_DIR)
UNIXPORT := lib/lwip/contrib/ports/unix/port
LWIPDIR := lib/lwip/src
include $(TOP)/$(LWIPDIR)/Filelists.mk

SRC_USERMOD_C += ports/esp32/modsocket.c $(USERMOD_DIR)/modesp32netif.c
SRC_USERMOD_LIB_C += shared/netutils/netutils.c \
	$(COREFILES) $(CORE4FILES) $(CORE6FILES) $(APIFILES) \
	$(LWIPDIR)/netif/ethernet.c \
	$(UNIXPORT)/netif/tapif.c \
	$(USERMOD_DIR)/mailbox.c

CFLAGS_USERMOD += -I$(USERMOD_DIR) -I$(TOP)/$(LWIPDIR)/include -I$(TOP)/$(UNIXPORT)/include
# lwIP's authors compile with other warnings than MicroPython's.
CFLAGS_USERMOD += -Wno-sign-compare -Wno-unused-function -Wno-unused-variable -Wno-address
LDFLAGS_USERMOD += -lpthread

# These three name errors by ESP32's numbers (newlib); the rest talks to Linux.
ESP32_ERRNO := -include $(USERMOD_DIR)/errno_newlib.h
$(BUILD)/ports/esp32/modsocket.o: CFLAGS += $(ESP32_ERRNO) -include $(USERMOD_DIR)/posix_names.h
$(BUILD)/$(LWIPDIR)/api/sockets.o: CFLAGS += $(ESP32_ERRNO)
$(BUILD)/$(LWIPDIR)/api/err.o: CFLAGS += $(ESP32_ERRNO)
$(BUILD)/py/moderrno.o: CFLAGS += $(ESP32_ERRNO)
