'use strict';
// A model of the W5500 as far as MicroPython drives it: SPI frames, common and socket registers,
// socket 0 in MACRAW with the chip's 16 KiB of buffer each way, the MAC filter, INTN.
//
// After the W5500 data sheet v1.1.0. The chip's own TCP/IP, its other sockets, and the PHY (there
// is a carrier as soon as the chip is out of reset) are not here.

const BUFFER = 16 * 1024;
const SHORTEST_FRAME = 60; // without the checksum, which the chip makes and takes away

const MR = 0x00;
const SHAR = 0x09;
const IR = 0x15;
const SIR = 0x17;
const SIMR = 0x18;
const PHYCFGR = 0x2e;
const VERSIONR = 0x39;
const SN_MR = 0x00;
const SN_CR = 0x01;
const SN_IR = 0x02;
const SN_SR = 0x03;
const SN_TX_FSR = 0x20;
const SN_TX_RD = 0x22;
const SN_TX_WR = 0x24;
const SN_RX_RSR = 0x26;
const SN_RX_RD = 0x28;
const SN_RX_WR = 0x2a;
const SN_IMR = 0x2c;

const MR_RST = 0x80;
const PHY_UP = 0xbf; // no reset, all modes, 100 Mbit/s full duplex, link
const PHY_DOWN = 0xb8;
const MACRAW = 0x04;
const MIP6B = 0x10;
const MFEN = 0x80;
const OPEN = 0x01;
const CLOSE = 0x10;
const SEND = 0x20;
const RECV = 0x40;
const IR_RECV = 0x04;
const IR_SENDOK = 0x10;
const SOCK_CLOSED = 0x00;
const SOCK_MACRAW = 0x42;

// Blocks of the address space (2.2.2): the rest belongs to sockets 1 to 7.
const COMMON = 0;
const SOCKET_0 = 1;
const TX_0 = 2;
const RX_0 = 3;

class W5500 {
  // onFrame(bytes): the chip sends a frame. onInterrupt(low): INTN's new level.
  constructor(onFrame, onInterrupt) {
    this.onFrame = onFrame;
    this.onInterrupt = onInterrupt;
    this.carrier = true;
    this.head = null;
    this.inReset = false;
    this.interruptLow = false;
    this.dropped = 0;
    this.reset();
  }

  reset() {
    this.common = new Uint8Array(0x40);
    this.common[PHYCFGR] = this.carrier ? PHY_UP : PHY_DOWN;
    this.common[VERSIONR] = 0x04;
    this.socket = new Uint8Array(0x30);
    this.socket[SN_IMR] = 0xff;
    this.tx = new Uint8Array(BUFFER);
    this.rx = new Uint8Array(BUFFER);
    this.setWord(SN_TX_FSR, BUFFER);
    this.updateInterrupt();
  }

  setReset(low) {
    if (low && !this.inReset) {
      this.reset();
    }
    this.inReset = low;
  }

  setCarrier(up) {
    this.carrier = up;
    this.common[PHYCFGR] = up ? PHY_UP : PHY_DOWN;
  }

  word(offset) {
    return (this.socket[offset] << 8) | this.socket[offset + 1];
  }

  setWord(offset, value) {
    this.socket[offset] = value >> 8;
    this.socket[offset + 1] = value;
  }

  // 2.2: two bytes of offset, one of block, direction and mode, then data at rising offsets.
  select() {
    this.head = [];
  }

  deselect() {
    this.head = null;
  }

  transfer(byte) {
    if (this.head === null || this.inReset) {
      return 0;
    }
    if (this.head.length < 3) {
      this.head.push(byte);
      if (this.head.length === 3) {
        this.offset = (this.head[0] << 8) | this.head[1];
        this.block = byte >> 3;
        this.writing = !!(byte & 4);
      }
      return 0;
    }
    const offset = this.offset;
    this.offset = (offset + 1) & 0xffff;
    if (this.writing) {
      this.write(this.block, offset, byte);
      return 0;
    }
    return this.read(this.block, offset);
  }

  read(block, offset) {
    switch (block) {
      case COMMON:
        return this.common[offset] ?? 0;
      case SOCKET_0:
        return this.socket[offset] ?? 0;
      case TX_0:
        return this.tx[offset % BUFFER];
      case RX_0:
        return this.rx[offset % BUFFER];
    }
    return 0;
  }

  write(block, offset, byte) {
    if (block === TX_0) {
      this.tx[offset % BUFFER] = byte;
    } else if (block === COMMON) {
      if (offset === MR && byte & MR_RST) {
        this.reset();
      } else if (offset === IR) {
        this.common[IR] &= ~byte;
      } else if (offset !== SIR && offset !== VERSIONR && offset !== PHYCFGR) {
        this.common[offset] = byte;
      }
      this.updateInterrupt();
    } else if (block === SOCKET_0) {
      if (offset === SN_CR) {
        this.command(byte);
      } else if (offset === SN_IR) {
        this.socket[SN_IR] &= ~byte;
      } else if (offset !== SN_SR) {
        this.socket[offset] = byte;
      }
      this.updateInterrupt();
    }
  }

  command(which) {
    if (which === OPEN) {
      this.socket[SN_SR] = (this.socket[SN_MR] & 0x0f) === MACRAW ? SOCK_MACRAW : SOCK_CLOSED;
      for (const pointer of [SN_TX_RD, SN_TX_WR, SN_RX_RSR, SN_RX_RD, SN_RX_WR]) {
        this.setWord(pointer, 0);
      }
    } else if (which === CLOSE) {
      this.socket[SN_SR] = SOCK_CLOSED;
    } else if (which === SEND && this.socket[SN_SR] === SOCK_MACRAW) {
      this.send();
    } else if (which === RECV) {
      this.setWord(SN_RX_RSR, (this.word(SN_RX_WR) - this.word(SN_RX_RD)) & 0xffff);
      if (this.word(SN_RX_RSR)) {
        this.socket[SN_IR] |= IR_RECV; // what is left is told again
      }
    }
  }

  send() {
    const start = this.word(SN_TX_RD);
    const length = (this.word(SN_TX_WR) - start) & 0xffff;
    const frame = new Uint8Array(Math.max(length, SHORTEST_FRAME));
    for (let index = 0; index < length; index++) {
      frame[index] = this.tx[(start + index) % BUFFER];
    }
    this.setWord(SN_TX_RD, (start + length) & 0xffff);
    this.socket[SN_IR] |= IR_SENDOK;
    if (this.carrier) {
      this.onFrame(frame);
    }
  }

  // A frame from the wire, without its checksum.
  receive(frame) {
    if (this.inReset || !this.carrier || this.socket[SN_SR] !== SOCK_MACRAW) {
      return;
    }
    if (!this.accepts(frame)) {
      return;
    }
    const waiting = (this.word(SN_RX_WR) - this.word(SN_RX_RD)) & 0xffff;
    if (waiting + frame.length + 2 > BUFFER) {
      this.dropped += 1;
      return;
    }
    let at = this.word(SN_RX_WR);
    const length = frame.length + 2;
    for (const byte of [length >> 8, length & 0xff]) {
      this.rx[at++ % BUFFER] = byte;
    }
    for (const byte of frame) {
      this.rx[at++ % BUFFER] = byte;
    }
    this.setWord(SN_RX_WR, at & 0xffff);
    this.setWord(SN_RX_RSR, waiting + length);
    this.socket[SN_IR] |= IR_RECV;
    this.updateInterrupt();
  }

  // Sn_MR: with MFEN only what is sent to all or to SHAR; with MIP6B no IPv6.
  accepts(frame) {
    const mode = this.socket[SN_MR];
    if (mode & MIP6B && frame[12] === 0x86 && frame[13] === 0xdd) {
      return false;
    }
    if (!(mode & MFEN)) {
      return true;
    }
    const target = frame.subarray(0, 6);
    return (
      target.every((byte) => byte === 0xff) ||
      target.every((byte, index) => byte === this.common[SHAR + index])
    );
  }

  updateInterrupt() {
    this.common[SIR] = this.socket[SN_IR] & this.socket[SN_IMR] ? 1 : 0;
    const low = !!(this.common[SIR] & this.common[SIMR]);
    if (low !== this.interruptLow) {
      this.interruptLow = low;
      this.onInterrupt(low);
    }
  }
}

module.exports = { W5500 };
