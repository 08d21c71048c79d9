'use strict';
// node run.js BOOTROM FLASH SERIAL_FD FRAMES_FD: runs a W5500-EVB-Pico until it is ended.
//
// BOOTROM: the RP2040's boot ROM, little-endian words. FLASH: the file that is the flash, firmware
// included. SERIAL_FD: a stream socket, the bytes of the board's serial port. FRAMES_FD: a
// datagram socket or a TAP, one Ethernet frame a read. Prints "ready" when the board runs.
//
// The board's time is the PC's: idle time passes as it does here; where the processor cannot keep
// up, time on the board is late, and is not made up for.

const fs = require('fs');
const net = require('net');
const { Flash } = require('./flash.js');
const { Machine } = require('./machine.js');

const SLICE = 20000; // instructions between two looks at what came in
const LATE = 20e6; // ns that the board may be behind before it stops trying to catch up
const AHEAD = 1e6; // ns that it may be ahead before it waits
const UNIQUE_ID = [0xe6, 0x61, 0x38, 0x52, 0x83, 0x2b, 0x17, 0x2c];

const [bootromFile, flashFile, serialFd, framesFd] = process.argv.slice(2);
const rom = fs.readFileSync(bootromFile);
const words = new Uint32Array(rom.buffer.slice(rom.byteOffset, rom.byteOffset + rom.length));

const serial = new net.Socket({ fd: Number(serialFd) });
const frames = Number(framesFd);
const machine = new Machine({
  bootrom: words,
  flash: new Flash(flashFile, UNIQUE_ID),
  onSerial: (bytes) => serial.write(Buffer.from(bytes)),
  onFrame: (frame) => sendFrame(frame),
});

let sleeping = null; // the timer that ends an idle time
let wallStart = process.hrtime.bigint();
let boardStart = 0; // the board's time at wallStart

function wallNanos() {
  return Number(process.hrtime.bigint() - wallStart);
}

function run() {
  sleeping = null;
  const { chip } = machine;
  const { core, clock } = chip;
  let allowed = boardStart + wallNanos();
  if (clock.nanos < allowed - LATE) {
    allowed = clock.nanos;
    boardStart = clock.nanos;
    wallStart = process.hrtime.bigint();
  }
  const cycle = 1e9 / chip.clkSys;
  for (let left = SLICE; left > 0 && !machine.resetWanted; left--) {
    if (!core.waiting) {
      clock.tick(core.executeInstruction() * cycle);
    } else {
      const idle = Math.min(clock.nanosToNextAlarm, allowed - clock.nanos);
      if (idle > 0) {
        clock.tick(idle);
      } else if (clock.nanosToNextAlarm > 0 || !clock.nextAlarm) {
        break; // nothing to do until the time has come
      } else {
        clock.tick(0);
      }
    }
  }
  if (machine.resetWanted) {
    machine.reset();
    boardStart = 0;
    wallStart = process.hrtime.bigint();
    allowed = 0;
  }
  const ahead = machine.chip.clock.nanos - boardStart - wallNanos();
  if (machine.chip.core.waiting || ahead > AHEAD) {
    const next = machine.chip.core.waiting ? machine.chip.clock.nanosToNextAlarm : 0;
    sleeping = setTimeout(run, Math.max(0, Math.floor((ahead + next) / 1e6)));
  } else {
    setImmediate(run);
  }
}

// Something came in: an idle board looks at it now.
function wake() {
  if (sleeping !== null && machine.chip.core.waiting) {
    clearTimeout(sleeping);
    run();
  }
}

function sendFrame(frame) {
  try {
    fs.writeSync(frames, frame);
  } catch (error) {
    // A full queue or a wire without another end loses frames, and no one is told.
    if (!['EAGAIN', 'ENOBUFS', 'ECONNREFUSED', 'EIO', 'ENOTCONN'].includes(error.code)) {
      throw error;
    }
  }
}

function readFrames() {
  const buffer = Buffer.alloc(2048);
  fs.read(frames, buffer, 0, buffer.length, null, (error, length) => {
    if (error && error.code !== 'EAGAIN' && error.code !== 'EIO') {
      throw error;
    }
    if (length) {
      machine.nic.receive(buffer.subarray(0, length));
      wake();
    }
    readFrames();
  });
}

serial.on('data', (bytes) => {
  machine.serial.send(bytes);
  wake();
});
serial.on('close', () => process.exit(0));
readFrames();
process.stdout.write('ready\n');
run();
