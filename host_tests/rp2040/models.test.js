'use strict';
// The models around rp2040js, by themselves: what the firmware relies on, and what it never shows.

const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const test = require('node:test');
const { RP2040 } = require('rp2040js');
const ours = path.resolve(__dirname, '../../boards/emulated/rp2040');
const { Flash, SIZE } = require(path.join(ours, 'flash.js'));
const { keepAlarms } = require(path.join(ours, 'machine.js'));
const { Serial } = require(path.join(ours, 'serial.js'));
const { W5500 } = require(path.join(ours, 'w5500.js'));

function emptyFlash(content = 0xff) {
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'flash-')), 'flash.img');
  fs.writeFileSync(file, Buffer.alloc(SIZE, content));
  const flash = new Flash(file, [1, 2, 3, 4, 5, 6, 7, 8]);
  const clock = { nanos: 0, tick: (nanos) => (clock.nanos += nanos) };
  flash.powerOn(clock);
  return { flash, clock, file };
}

function command(flash, ...bytes) {
  flash.select();
  const answers = bytes.map((byte) => flash.transfer(byte));
  flash.deselect();
  return answers;
}

test('a page is programmed only after write enable, and only from 1 to 0', () => {
  const { flash, file } = emptyFlash();
  command(flash, 0x02, 0, 0x10, 0, 0x12);
  assert.equal(flash.bytes[0x1000], 0xff);
  command(flash, 0x06);
  command(flash, 0x02, 0, 0x10, 0, 0xf0);
  command(flash, 0x05, 0);
  command(flash, 0x06);
  command(flash, 0x02, 0, 0x10, 0, 0x3c);
  assert.equal(flash.bytes[0x1000], 0x30);
  assert.equal(fs.readFileSync(file)[0x1000], 0x30);
});

test('a page that is written past its end goes on at its start', () => {
  const { flash } = emptyFlash();
  command(flash, 0x06);
  command(flash, 0x02, 0, 0x10, 0xff, 1, 2);
  assert.deepEqual([flash.bytes[0x10ff], flash.bytes[0x1000], flash.bytes[0x1100]], [1, 2, 0xff]);
});

test('an erase takes a whole sector and 45 ms, and no neighbour', () => {
  const { flash, clock } = emptyFlash(0);
  command(flash, 0x06);
  command(flash, 0x20, 0, 0x10, 0x80);
  command(flash, 0x05, 0);
  assert.equal(clock.nanos, 45e6);
  assert.ok(flash.bytes.subarray(0x1000, 0x2000).every((byte) => byte === 0xff));
  assert.deepEqual([flash.bytes[0xfff], flash.bytes[0x2000]], [0, 0]);
});

test('no alarm of the timer fires before its time', () => {
  // As rp2040js has it, this fails: the alarm comes at 1099.4 us.
  const chip = new RP2040();
  keepAlarms(chip);
  const timer = chip.peripherals[0x40054];
  timer.writeUint32(0x38, 1); // INTE
  chip.clock.tick(1000.4e3);
  timer.writeUint32(0x10, 1100); // ALARM0
  chip.clock.tick(99.1e3);
  assert.equal(timer.readUint32(0x34), 0);
  chip.clock.tick(0.5e3);
  assert.equal(timer.readUint32(0x34), 1);
});

function openChip() {
  const sent = [];
  const levels = [];
  const chip = new W5500((frame) => sent.push(frame), (low) => levels.push(low));
  const write = (block, offset, ...bytes) => {
    chip.select();
    [offset >> 8, offset & 0xff, (block << 3) | 4, ...bytes].forEach((b) => chip.transfer(b));
    chip.deselect();
  };
  const read = (block, offset, length) => {
    chip.select();
    [offset >> 8, offset & 0xff, block << 3].forEach((b) => chip.transfer(b));
    const bytes = Array.from({ length }, () => chip.transfer(0));
    chip.deselect();
    return bytes;
  };
  write(0, 0x09, 2, 0, 0, 0, 0, 1); // SHAR
  write(0, 0x18, 1); // SIMR
  write(1, 0x2c, 0x04); // Sn_IMR: RECV
  write(1, 0x00, 0x84); // Sn_MR: MACRAW, MFEN
  write(1, 0x01, 0x01); // OPEN
  return { chip, sent, levels, write, read };
}

function frame(target, length = 60) {
  const bytes = new Uint8Array(length);
  bytes.set(target);
  return bytes;
}

const MINE = [2, 0, 0, 0, 0, 1];
const ALL = [255, 255, 255, 255, 255, 255];

test('the MAC filter takes what is for the chip and for all, and nothing else', () => {
  const { chip, read } = openChip();
  chip.receive(frame([2, 0, 0, 0, 0, 2]));
  chip.receive(frame([0x33, 0x33, 0, 0, 0, 1]));
  assert.deepEqual(read(1, 0x26, 2), [0, 0]);
  chip.receive(frame(MINE));
  chip.receive(frame(ALL));
  assert.deepEqual(read(1, 0x26, 2), [0, 2 * 62]);
  assert.deepEqual(read(3, 0, 2), [0, 62]); // the length before a frame counts itself
});

test('INTN falls with a frame, rises when it is cleared, and falls again for what is left', () => {
  const { chip, levels, write } = openChip();
  chip.receive(frame(MINE));
  chip.receive(frame(MINE));
  assert.deepEqual(levels, [true]);
  write(1, 0x02, 0xff); // Sn_IR
  assert.deepEqual(levels, [true, false]);
  write(1, 0x28, 0, 62); // Sn_RX_RD: the first one is read
  write(1, 0x01, 0x40); // RECV
  assert.deepEqual(levels, [true, false, true]);
});

test('a frame that has no room in the 16 KiB is dropped whole', () => {
  const { chip, read } = openChip();
  for (let count = 0; count < 12; count++) {
    chip.receive(frame(MINE, 1514));
  }
  assert.equal(chip.dropped, 2);
  const [high, low] = read(1, 0x26, 2);
  assert.equal((high << 8) | low, 10 * 1516);
});

test('a frame is sent as it was written, across the end of the buffer', () => {
  const { sent, write } = openChip();
  write(1, 0x22, 0x3f, 0xff); // Sn_TX_RD
  write(2, 0x3fff, 1, 2, 3);
  write(1, 0x24, 0x40, 0x02); // Sn_TX_WR
  write(1, 0x01, 0x20); // SEND
  assert.equal(sent.length, 1);
  assert.deepEqual([...sent[0].subarray(0, 4)], [1, 2, 3, 0]);
  assert.equal(sent[0].length, 60);
});

test('the serial port loses nothing and sends no packet that is empty', () => {
  const packets = [];
  const usb = { endpointReadDone: (endpoint, packet) => packets.push(packet) };
  const port = new Serial(usb, () => {});
  port.outEndpoint = 2;
  usb.onEndpointRead(2, 64);
  assert.deepEqual(packets, []);
  const bytes = Uint8Array.from({ length: 3000 }, (_, index) => index);
  port.send(bytes.subarray(0, 1000));
  port.send(bytes.subarray(1000));
  for (let count = 0; count < 100; count++) {
    usb.onEndpointRead(2, 64);
  }
  assert.ok(packets.every((packet) => packet.length > 0 && packet.length <= 64));
  assert.deepEqual(Buffer.concat(packets), Buffer.from(bytes));
});
