'use strict';
// A W5500-EVB-Pico: the RP2040 of rp2040js, with what that lacks and what is soldered around it.
//
// Mended here, after the RP2040 data sheet: the SSI and the flash behind it (flash.js), random
// bits of the ROSC (2.17.5), a reset by the watchdog (4.7), alarms that do not fire before their
// time (4.6.3), SPI transfers that take time, and the level of an output pin in its input
// (2.19.6.1: the driver of the W5500 reads its own chip select).

const { randomInt } = require('crypto');
const { BasePeripheral, GPIOPinState, LogLevel, ConsoleLogger, RP2040 } = require('rp2040js');
const { speedUp } = require('./core.js');
const { IOQSPI, SSI } = require('./flash.js');
const { Serial } = require('./serial.js');
const { W5500 } = require('./w5500.js');

const SPI_CS = 17;
const SPI_RESET = 20;
const SPI_INTN = 21;
const FLASH_START = 0x10000000;

class Registers extends BasePeripheral {
  constructor(rp2040, name, values = {}) {
    super(rp2040, name);
    this.values = values;
  }

  readUint32(offset) {
    const value = this.values[offset] ?? 0;
    return typeof value === 'function' ? value() : value;
  }

  writeUint32(offset, value) {
    if (typeof this.values[offset] !== 'function') {
      this.values[offset] = value;
    }
  }
}

const ROSC_STATUS = 0x18;
const ROSC_RANDOMBIT = 0x1c;
const ROSC_IS_STABLE = 0x80001000;

class Machine {
  // flash: a Flash. onSerial(bytes), onFrame(bytes): what the board sends. bootrom: its words.
  // accelerated: with core.js. intn: whether the W5500's INTN is wired to the RP2040.
  constructor({ bootrom, flash, onSerial, onFrame, accelerated = true, intn = true }) {
    this.bootrom = bootrom;
    this.intn = intn;
    this.accelerated = accelerated;
    this.flash = flash;
    this.onSerial = onSerial;
    this.nic = new W5500(onFrame, (low) => this.setIntn(low));
    this.resets = 0;
    this.powerOn();
  }

  powerOn() {
    const chip = new RP2040();
    chip.logger = new ConsoleLogger(LogLevel.Error, false);
    chip.loadBootrom(this.bootrom);
    // After loadBootrom, which empties rp2040js' own flash.
    chip.flash = this.flash.bytes;
    chip.flash16 = new Uint16Array(chip.flash.buffer);
    chip.flashView = new DataView(chip.flash.buffer);
    this.flash.powerOn(chip.clock);
    const ssi = new SSI(chip, this.flash);
    chip.peripherals[0x18000] = ssi;
    chip.peripherals[0x14000] = new Registers(chip, 'XIP_CTRL');
    chip.peripherals[0x40018] = new IOQSPI(chip, ssi);
    chip.peripherals[0x40060] = new Registers(chip, 'ROSC', {
      [ROSC_STATUS]: () => ROSC_IS_STABLE,
      [ROSC_RANDOMBIT]: () => randomInt(2),
    });
    chip.peripherals[0x40064] = new Registers(chip, 'VREG_AND_CHIP_RESET');
    keepAlarms(chip);
    if (this.accelerated) {
      speedUp(chip);
    }
    this.chip = chip;
    this.resetWanted = false;
    const watchdog = chip.peripherals[0x40058];
    watchdog.onWatchdogTrigger = () => {
      this.resetWanted = true;
      watchdog.alarm.enable = false; // else rp2040js sets it again at once, without an end
    };
    this.connectNic();
    this.serial = new Serial(chip.usbCtrl, this.onSerial);
    // Boot stage 2 is the first thing in the flash; of the boot ROM only its functions are used.
    chip.core.PC = FLASH_START;
  }

  // Flash and W5500 keep what they hold; the watchdog's scratch registers and reason as well.
  reset() {
    const { scratchData, reason } = this.chip.peripherals[0x40058];
    const unsent = this.serial.waiting;
    this.powerOn();
    const watchdog = this.chip.peripherals[0x40058];
    watchdog.scratchData.set(scratchData);
    watchdog.reason = reason;
    this.serial.waiting = unsent;
    this.resets += 1;
  }

  connectNic() {
    const { chip, nic } = this;
    const spi = chip.spi[0];
    let answer = 0;
    const done = chip.clock.createAlarm(() => spi.completeTransmit(answer));
    spi.onTransmit = (byte) => {
      answer = nic.transfer(byte);
      done.schedule((spi.dataBits / spi.clockFrequency) * 1e9);
    };
    const cs = chip.gpio[SPI_CS];
    cs.addListener((state) => {
      const low = state === GPIOPinState.Low;
      cs.setInputValue(!low);
      if (low) {
        nic.select();
      } else {
        nic.deselect();
      }
    });
    chip.gpio[SPI_RESET].addListener((state) => nic.setReset(state === GPIOPinState.Low));
    nic.deselect();
    this.setIntn(nic.interruptLow);
  }

  setIntn(low) {
    this.chip?.gpio[SPI_INTN].setInputValue(!(low && this.intn));
  }
}

// rp2040js rounds the time left to an alarm down to whole microseconds, and it fires that much
// too early. The SDK's alarm pool, woken before the time, finds nothing to do, and does not set
// an alarm again that its register still holds: whoever waits for it sleeps on.
function keepAlarms(chip) {
  const { clock } = chip;
  for (const alarm of chip.peripherals[0x40054].alarms) {
    const { clockAlarm } = alarm;
    const schedule = clockAlarm.schedule.bind(clockAlarm);
    clockAlarm.schedule = () => {
      const now = Math.floor(clock.nanos / 1000);
      const left = (alarm.targetMicros - now) >>> 0;
      schedule(Math.max(0, (now + left) * 1000 - clock.nanos));
    };
  }
}

module.exports = { Machine, keepAlarms };
