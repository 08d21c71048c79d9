'use strict';
// The board's flash chip, a W25Q16JV of 2 MiB, and what stands between it and the processor: the
// SSI and the chip select in IO_QSPI, which rp2040js does not have.
//
// After the data sheets: W25Q16JV 8.1 (commands) and 9.6 (times), RP2040 4.10 and 2.19.6.2.
// The content is the file's: every erased sector and programmed page is written to it at once.

const fs = require('fs');
const { BasePeripheral } = require('rp2040js');

const SIZE = 2 * 1024 * 1024;
const PAGE = 256;

// Commands that are answered with bytes, by number.
const READ_STATUS_1 = 0x05;
const READ_STATUS_2 = 0x35;
const READ_DATA = 0x03;
const READ_UNIQUE_ID = 0x4b;
const READ_JEDEC_ID = 0x9f;
const WRITE_ENABLE = 0x06;
const WRITE_DISABLE = 0x04;
const PAGE_PROGRAM = 0x02;
// What an erase takes away, and its typical time.
const ERASES = {
  0x20: { bytes: 4096, nanos: 45e6 },
  0x52: { bytes: 32768, nanos: 120e6 },
  0xd8: { bytes: 65536, nanos: 150e6 },
};
const PROGRAM_NANOS = 0.4e6;

const WRITE_ENABLED = 1 << 1;
const QUAD_ENABLE = 1 << 1; // in the second status register: set when the chip is made for it

class Flash {
  // uniqueId: eight bytes; a board's MAC address comes from them.
  constructor(file, uniqueId) {
    this.fd = fs.openSync(file, 'r+');
    this.uniqueId = uniqueId;
    // rp2040js maps 16 MiB; the chip answers again and again in them.
    this.bytes = new Uint8Array(16 * 1024 * 1024);
    const content = fs.readFileSync(this.fd);
    if (content.length !== SIZE) {
      throw new Error(`${file} holds ${content.length} bytes, the flash ${SIZE}`);
    }
    for (let at = 0; at < this.bytes.length; at += SIZE) {
      this.bytes.set(content, at);
    }
    this.clock = null;
    this.selected = false;
    this.powerOn(null);
  }

  powerOn(clock) {
    this.clock = clock;
    this.writeEnabled = false;
    this.busyUntil = 0;
    this.deselect();
  }

  select() {
    this.selected = true;
    this.taken = [];
  }

  // A write begins when the chip is deselected.
  deselect() {
    if (this.selected && this.writeEnabled && this.taken.length >= 4) {
      const [command, high, middle, low, ...data] = this.taken;
      const at = ((high << 16) | (middle << 8) | low) % SIZE;
      if (ERASES[command]) {
        const { bytes, nanos } = ERASES[command];
        this.erase(at - (at % bytes), bytes);
        this.start(nanos);
      } else if (command === PAGE_PROGRAM) {
        this.program(at, data);
        this.start(PROGRAM_NANOS);
      }
    }
    this.selected = false;
    this.taken = [];
  }

  start(nanos) {
    this.writeEnabled = false;
    this.busyUntil = this.clock.nanos + nanos;
  }

  erase(at, length) {
    this.store(at, new Uint8Array(length).fill(0xff));
  }

  // Bits go from 1 to 0 only; past the end of its page a write goes on at the page's start.
  program(at, data) {
    const start = at - (at % PAGE);
    const page = this.bytes.slice(start, start + PAGE);
    data.forEach((byte, index) => (page[(at - start + index) % PAGE] &= byte));
    this.store(start, page);
  }

  store(at, bytes) {
    fs.writeSync(this.fd, bytes, 0, bytes.length, at);
    for (let copy = at; copy < this.bytes.length; copy += SIZE) {
      this.bytes.set(bytes, copy);
    }
  }

  // One byte in, one byte out.
  transfer(byte) {
    const index = this.taken.length;
    this.taken.push(byte);
    const command = this.taken[0];
    if (index === 0) {
      if (byte === WRITE_ENABLE) {
        this.writeEnabled = true;
      } else if (byte === WRITE_DISABLE) {
        this.writeEnabled = false;
      }
      return 0xff;
    }
    switch (command) {
      case READ_STATUS_1:
        return this.status();
      case READ_STATUS_2:
        return QUAD_ENABLE;
      case READ_JEDEC_ID:
        return [0xef, 0x40, 0x15][index - 1] ?? 0xff;
      case READ_UNIQUE_ID:
        return this.uniqueId[index - 5] ?? 0xff;
      case READ_DATA:
        if (index >= 4) {
          const start = (this.taken[1] << 16) | (this.taken[2] << 8) | this.taken[3];
          return this.bytes[(start + index - 4) % SIZE];
        }
    }
    return 0xff;
  }

  // The code that waits for the end of a write does nothing but ask for this, with interrupts
  // off: the time passes at its first question, and the millions of others are spared.
  status() {
    const left = this.busyUntil - this.clock.nanos;
    if (left > 0) {
      this.clock.tick(left);
    }
    return this.writeEnabled ? WRITE_ENABLED : 0;
  }
}

const SSI_SSIENR = 0x08;
const SSI_TXFLR = 0x20;
const SSI_RXFLR = 0x24;
const SSI_SR = 0x28;
const SSI_DR0 = 0x60;
const SR_TFNF = 1 << 1;
const SR_TFE = 1 << 2;
const SR_RFNE = 1 << 3;

// The SSI while it is not reading by itself (XIP): bytes of DR0 go to the chip, its answers back.
class SSI extends BasePeripheral {
  constructor(rp2040, flash) {
    super(rp2040, 'SSI');
    this.flash = flash;
    this.registers = new Map();
    this.answers = [];
    this.chipSelectForced = false;
  }

  forceChipSelect(low, high) {
    this.chipSelectForced = low || high;
    if (low) {
      this.flash.select();
    } else {
      this.flash.deselect();
    }
  }

  readUint32(offset) {
    switch (offset) {
      case SSI_TXFLR:
        return 0;
      case SSI_RXFLR:
        return this.answers.length;
      case SSI_SR:
        // Not forced, chip select is low as long as there is something to send: who waits for the
        // end of that ends the command.
        if (!this.chipSelectForced) {
          this.flash.deselect();
        }
        return SR_TFE | SR_TFNF | (this.answers.length ? SR_RFNE : 0);
      case SSI_DR0:
        return this.answers.shift() ?? 0;
    }
    return this.registers.get(offset) ?? 0;
  }

  writeUint32(offset, value) {
    if (offset === SSI_DR0) {
      if (!this.flash.selected) {
        this.flash.select();
      }
      this.answers.push(this.flash.transfer(value & 0xff));
      return;
    }
    if (offset === SSI_SSIENR) {
      this.answers = [];
    }
    this.registers.set(offset, value);
  }
}

const QSPI_SS_CTRL = 0x0c;
const OUTOVER_SHIFT = 8;
const OUTOVER_LOW = 2;
const OUTOVER_HIGH = 3;

// IO_QSPI: the boot ROM drives the chip select by the output override of its pin.
class IOQSPI extends BasePeripheral {
  constructor(rp2040, ssi) {
    super(rp2040, 'IO_QSPI');
    this.ssi = ssi;
    this.registers = new Map();
  }

  readUint32(offset) {
    return this.registers.get(offset) ?? 0;
  }

  writeUint32(offset, value) {
    this.registers.set(offset, value);
    if (offset === QSPI_SS_CTRL) {
      const override = (value >> OUTOVER_SHIFT) & 3;
      this.ssi.forceChipSelect(override === OUTOVER_LOW, override === OUTOVER_HIGH);
    }
  }
}

module.exports = { Flash, IOQSPI, SSI, SIZE };
