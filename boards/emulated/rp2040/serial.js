'use strict';
// The PC's end of the board's USB: it enumerates the device and carries the bytes of its serial
// port (CDC). A PC sends a packet only when it has data, and the device says NAK until it has
// room: rp2040js' own sends empty packets all the time, and loses what does not fit in 512 bytes.

const { USBCDC } = require('rp2040js');

class Serial extends USBCDC {
  constructor(usb, onData) {
    super(usb);
    this.onSerialData = onData;
    this.waiting = []; // for the device to take
    this.asked = 0; // bytes of the packet that the device is ready for; 0: it says NAK
    usb.onEndpointRead = (endpoint, size) => {
      if (endpoint === this.outEndpoint) {
        this.asked = size;
        this.deliver();
      }
    };
  }

  send(bytes) {
    this.waiting.push(bytes);
    this.deliver();
  }

  deliver() {
    if (!this.asked || !this.waiting.length) {
      return;
    }
    const first = this.waiting[0];
    const packet = first.subarray(0, this.asked);
    if (packet.length < first.length) {
      this.waiting[0] = first.subarray(packet.length);
    } else {
      this.waiting.shift();
    }
    this.asked = 0;
    this.usb.endpointReadDone(this.outEndpoint, packet);
  }
}

module.exports = { Serial };
