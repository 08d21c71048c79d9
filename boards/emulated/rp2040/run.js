'use strict';
// node run.js BOOTROM FLASH SERIAL_FD FRAMES_FD [no-intn]: runs a W5500-EVB-Pico until it is ended.
//
// BOOTROM: the RP2040's boot ROM, little-endian words. FLASH: the file that is the flash, firmware
// included. SERIAL_FD: a stream socket, the bytes of the board's serial port. FRAMES_FD: a
// datagram socket or a TAP, one Ethernet frame a read. no-intn: the W5500's interrupt line is cut.
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

const [bootromFile, flashFile, serialFd, framesFd, wiring] = process.argv.slice(2);
const rom = fs.readFileSync(bootromFile);
const words = new Uint32Array(rom.buffer.slice(rom.byteOffset, rom.byteOffset + rom.length));

const serial = new net.Socket({ fd: Number(serialFd) });
const frames = Number(framesFd);
const machine = new Machine({
  bootrom: words,
  flash: new Flash(flashFile, UNIQUE_ID),
  onSerial: (bytes) => serial.write(Buffer.from(bytes)),
  onFrame: (frame) => sendFrame(frame),
  intn: wiring !== 'no-intn',
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
  const allowed = boardStart + wallNanos();
  const cycle = 1e9 / chip.clkSys;
  for (let left = SLICE; left > 0 && !machine.resetWanted; left--) {
    if (!core.waiting) {
      const nanos = core.executeInstruction() * cycle;
      // As tick() does, which is too much to ask after every instruction.
      if (clock.nextAlarm !== null && clock.nextAlarm.nanos <= clock.nanosCounter + nanos) {
        clock.tick(nanos);
      } else {
        clock.nanosCounter += nanos;
      }
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
    keepTime(0);
  }
  rest();
}

// The board's time is `nanos` now, and goes on from there with the PC's.
function keepTime(nanos) {
  boardStart = nanos;
  wallStart = process.hrtime.bigint();
}

function rest() {
  const { core, clock } = machine.chip;
  const ahead = clock.nanos - boardStart - wallNanos();
  if (core.waiting) {
    sleeping = setTimeout(run, Math.max(0, Math.floor((ahead + clock.nanosToNextAlarm) / 1e6)));
  } else if (ahead > AHEAD) {
    sleeping = setTimeout(run, Math.floor(ahead / 1e6));
  } else {
    if (ahead < -LATE) {
      keepTime(clock.nanos);
    }
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
// Whoever holds the other end is gone. exit() would wait for the read of a frame that never comes.
serial.on('close', () => process.kill(process.pid, 'SIGKILL'));
// For whoever asks why a board says nothing.
process.on('SIGUSR2', () => {
  const { core, clock } = machine.chip;
  const { asked, waiting } = machine.serial;
  const state = {
    pc: core.PC.toString(16),
    lr: core.LR.toString(16),
    exception: core.IPSR,
    sleeps: core.waiting,
    boardMs: clock.nanos / 1e6,
    toAlarmMs: clock.nextAlarm ? clock.nanosToNextAlarm / 1e6 : null,
    serialAsked: asked,
    serialWaiting: waiting.reduce((sum, bytes) => sum + bytes.length, 0),
    resets: machine.resets,
    framesDropped: machine.nic.dropped,
  };
  process.stderr.write(`${JSON.stringify(state)}\n`);
});
readFrames();
run();
