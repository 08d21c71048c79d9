'use strict';
// The instructions that a firmware spends its time with, decoded by their upper five bits, with
// RAM and flash at hand: three times as fast as rp2040js, which asks for each instruction in turn
// and for each address. Everything else, and every other address, is left to rp2040js.
//
// The results are rp2040js' own: registers, flags and cycles are the same after every instruction
// (host_tests/rp2040/lockstep.test.js). After the ARMv6-M Architecture Reference Manual, A5 and A6.

const RAM = 0x20000000;

function speedUp(chip) {
  const { core } = chip;
  const slow = core.executeInstruction.bind(core);
  const R = new Int32Array(core.registers.buffer);
  const ram8 = chip.sram;
  const ram16 = new Uint16Array(ram8.buffer);
  const ram32 = new Int32Array(ram8.buffer);
  const flash8 = chip.flash;
  const flash16 = new Uint16Array(flash8.buffer);
  const flash32 = new Int32Array(flash8.buffer);
  const ramSize = ram8.length;
  let cycles = 0;

  function load32(address) {
    const at = (address - RAM) >>> 0;
    if (at < ramSize && (at & 3) === 0) {
      cycles += 1;
      return ram32[at >>> 2];
    }
    if (address >>> 24 === 0x10 && (address & 3) === 0) {
      cycles += 1;
      return flash32[(address & 0xffffff) >>> 2];
    }
    cycles += core.cyclesIO(address);
    return core.readUint32(address >>> 0);
  }

  function load16(address) {
    const at = (address - RAM) >>> 0;
    if (at < ramSize && (at & 1) === 0) {
      cycles += 1;
      return ram16[at >>> 1];
    }
    if (address >>> 24 === 0x10 && (address & 1) === 0) {
      cycles += 1;
      return flash16[(address & 0xffffff) >>> 1];
    }
    cycles += core.cyclesIO(address);
    return core.readUint16(address >>> 0);
  }

  function load8(address) {
    const at = (address - RAM) >>> 0;
    if (at < ramSize) {
      cycles += 1;
      return ram8[at];
    }
    if (address >>> 24 === 0x10) {
      cycles += 1;
      return flash8[address & 0xffffff];
    }
    cycles += core.cyclesIO(address);
    return core.readUint8(address >>> 0);
  }

  function store32(address, value) {
    const at = (address - RAM) >>> 0;
    if (at < ramSize && (at & 3) === 0) {
      cycles += 1;
      ram32[at >>> 2] = value;
      return;
    }
    cycles += core.cyclesIO(address, true);
    core.writeUint32(address >>> 0, value >>> 0);
  }

  function store16(address, value) {
    const at = (address - RAM) >>> 0;
    if (at < ramSize && (at & 1) === 0) {
      cycles += 1;
      ram16[at >>> 1] = value;
      return;
    }
    cycles += core.cyclesIO(address, true);
    core.writeUint16(address >>> 0, value >>> 0);
  }

  function store8(address, value) {
    const at = (address - RAM) >>> 0;
    if (at < ramSize) {
      cycles += 1;
      ram8[at] = value;
      return;
    }
    cycles += core.cyclesIO(address, true);
    core.writeUint8(address >>> 0, value >>> 0);
  }

  function logical(result) {
    core.N = result < 0;
    core.Z = result === 0;
    return result;
  }

  function add(a, b) {
    const result = (a + b) | 0;
    core.N = result < 0;
    core.Z = result === 0;
    core.C = result >>> 0 < a >>> 0;
    core.V = (~(a ^ b) & (a ^ result)) < 0;
    return result;
  }

  function subtract(a, b) {
    const result = (a - b) | 0;
    core.N = result < 0;
    core.Z = result === 0;
    core.C = a >>> 0 >= b >>> 0;
    core.V = ((a ^ b) & (a ^ result)) < 0;
    return result;
  }

  function holds(condition) {
    switch (condition) {
      case 0:
        return core.Z;
      case 1:
        return !core.Z;
      case 2:
        return core.C;
      case 3:
        return !core.C;
      case 4:
        return core.N;
      case 5:
        return !core.N;
      case 6:
        return core.V;
      case 7:
        return !core.V;
      case 8:
        return core.C && !core.Z;
      case 9:
        return !core.C || core.Z;
      case 10:
        return core.N === core.V;
      case 11:
        return core.N !== core.V;
      case 12:
        return !core.Z && core.N === core.V;
      default:
        return core.Z || core.N !== core.V;
    }
  }

  // PUSH and POP have a list of their own; in both, and in LDM and STM, a register is one cycle.
  function push(list, withLr) {
    let count = withLr ? 1 : 0;
    for (let bits = list; bits; bits &= bits - 1) {
      count += 1;
    }
    const start = (R[13] - 4 * count) | 0;
    const at = (start - RAM) >>> 0;
    if (at + 4 * count > ramSize || at & 3) {
      return false;
    }
    let index = at >>> 2;
    for (let number = 0; number < 8; number++) {
      if (list & (1 << number)) {
        ram32[index++] = R[number];
        cycles += 1;
      }
    }
    if (withLr) {
      ram32[index] = R[14];
    }
    R[13] = start;
    return true;
  }

  function pop(list, withPc) {
    const at = (R[13] - RAM) >>> 0;
    if (at + 36 > ramSize || at & 3) {
      return false;
    }
    let index = at >>> 2;
    for (let number = 0; number < 8; number++) {
      if (list & (1 << number)) {
        R[number] = ram32[index++];
        cycles += 1;
      }
    }
    if (withPc) {
      R[13] = RAM + 4 * (index + 1);
      core.BXWritePC(ram32[index] >>> 0);
      cycles += 2;
    } else {
      R[13] = RAM + 4 * index;
    }
    return true;
  }

  // One instruction; returns its cycles.
  core.executeInstruction = () => {
    if (core.interruptsUpdated && core.checkForInterrupts()) {
      core.waiting = false;
    }
    const pc = R[15] & ~1;
    let opcode;
    if (pc >>> 24 === 0x10) {
      opcode = flash16[(pc & 0xffffff) >>> 1];
    } else if ((pc - RAM) >>> 0 < ramSize) {
      opcode = ram16[(pc - RAM) >>> 1];
    } else {
      return slow();
    }
    const low = opcode & 7;
    const middle = (opcode >>> 3) & 7;
    const imm5 = (opcode >>> 6) & 31;
    const imm8 = opcode & 255;
    const high = (opcode >>> 8) & 7;
    cycles = 1;
    switch (opcode >>> 11) {
      case 0b00000: {
        // LSLS (immediate), and MOVS between registers
        const value = R[middle];
        if (imm5) {
          core.C = ((value >>> (32 - imm5)) & 1) === 1;
        }
        R[low] = logical(value << imm5);
        break;
      }
      case 0b00001: {
        // LSRS (immediate); 0 stands for 32
        const value = R[middle];
        core.C = ((value >>> (imm5 ? imm5 - 1 : 31)) & 1) === 1;
        R[low] = logical(imm5 ? (value >>> imm5) | 0 : 0);
        break;
      }
      case 0b00010: {
        // ASRS (immediate); 0 stands for 32
        const value = R[middle];
        core.C = ((value >>> (imm5 ? imm5 - 1 : 31)) & 1) === 1;
        R[low] = logical(value >> (imm5 || 31));
        break;
      }
      case 0b00011: {
        // ADDS and SUBS of a register or three bits
        const other = opcode & 0x400 ? imm5 & 7 : R[imm5 & 7];
        R[low] = opcode & 0x200 ? subtract(R[middle], other) : add(R[middle], other);
        break;
      }
      case 0b00100: // MOVS (immediate)
        R[high] = logical(imm8);
        break;
      case 0b00101: // CMP (immediate)
        subtract(R[high], imm8);
        break;
      case 0b00110: // ADDS (immediate)
        R[high] = add(R[high], imm8);
        break;
      case 0b00111: // SUBS (immediate)
        R[high] = subtract(R[high], imm8);
        break;
      case 0b01000: {
        if (opcode & 0x400) {
          const from = (opcode >>> 3) & 15;
          const to = ((opcode >>> 4) & 8) | low;
          const value = from === 15 ? pc + 4 : R[from];
          const what = (opcode >>> 8) & 3;
          if (what === 2 && to < 13) {
            R[to] = value; // MOV
          } else if (what === 0 && to < 13) {
            R[to] += value; // ADD (register)
          } else if (what === 1 && from !== 15 && to !== 15) {
            subtract(R[to], value); // CMP (register)
          } else if (what === 3 && low === 0 && from !== 15) {
            if (opcode & 0x80) {
              R[14] = (pc + 2) | 1; // BLX
              R[15] = value & ~1;
            } else {
              R[15] = pc + 2;
              core.BXWritePC(value >>> 0); // BX
            }
            return 2;
          } else {
            return slow();
          }
          break;
        }
        switch (imm5 & 15) {
          case 0: // ANDS
            R[low] = logical(R[low] & R[middle]);
            break;
          case 1: // EORS
            R[low] = logical(R[low] ^ R[middle]);
            break;
          case 8: // TST
            logical(R[low] & R[middle]);
            break;
          case 9: // RSBS
            R[low] = subtract(0, R[middle]);
            break;
          case 10: // CMP
            subtract(R[low], R[middle]);
            break;
          case 12: // ORRS
            R[low] = logical(R[low] | R[middle]);
            break;
          case 13: // MULS
            R[low] = logical(Math.imul(R[low], R[middle]));
            break;
          case 14: // BICS
            R[low] = logical(R[low] & ~R[middle]);
            break;
          case 15: // MVNS
            R[low] = logical(~R[middle]);
            break;
          default:
            return slow();
        }
        break;
      }
      case 0b01001: // LDR (literal)
        R[high] = load32(((pc + 4) & ~3) + (imm8 << 2));
        break;
      case 0b01010:
      case 0b01011: {
        const address = (R[middle] + R[imm5 & 7]) | 0;
        R[15] = pc + 2;
        switch ((opcode >>> 9) & 7) {
          case 0:
            store32(address, R[low]);
            break;
          case 1:
            store16(address, R[low]);
            break;
          case 2:
            store8(address, R[low]);
            break;
          case 3:
            R[low] = (load8(address) << 24) >> 24;
            break;
          case 4:
            R[low] = load32(address);
            break;
          case 5:
            R[low] = load16(address);
            break;
          case 6:
            R[low] = load8(address);
            break;
          default:
            R[low] = (load16(address) << 16) >> 16;
        }
        return cycles;
      }
      case 0b01100: // STR
        R[15] = pc + 2;
        store32((R[middle] + (imm5 << 2)) | 0, R[low]);
        return cycles;
      case 0b01101: // LDR
        R[15] = pc + 2;
        R[low] = load32((R[middle] + (imm5 << 2)) | 0);
        return cycles;
      case 0b01110: // STRB
        R[15] = pc + 2;
        store8((R[middle] + imm5) | 0, R[low]);
        return cycles;
      case 0b01111: // LDRB
        R[15] = pc + 2;
        R[low] = load8((R[middle] + imm5) | 0);
        return cycles;
      case 0b10000: // STRH
        R[15] = pc + 2;
        store16((R[middle] + (imm5 << 1)) | 0, R[low]);
        return cycles;
      case 0b10001: // LDRH
        R[15] = pc + 2;
        R[low] = load16((R[middle] + (imm5 << 1)) | 0);
        return cycles;
      case 0b10010: // STR, by SP
        R[15] = pc + 2;
        store32((R[13] + (imm8 << 2)) | 0, R[high]);
        return cycles;
      case 0b10011: // LDR, by SP
        R[15] = pc + 2;
        R[high] = load32((R[13] + (imm8 << 2)) | 0);
        return cycles;
      case 0b10100: // ADR
        R[high] = (pc & ~3) + 4 + (imm8 << 2);
        break;
      case 0b10101: // ADD, of SP
        R[high] = R[13] + (imm8 << 2);
        break;
      case 0b10110:
      case 0b10111:
        switch ((opcode >>> 8) & 15) {
          case 0: // ADD and SUB, to SP
            R[13] += (opcode & 0x80 ? -4 : 4) * (opcode & 0x7f);
            break;
          case 2:
            switch ((opcode >>> 6) & 3) {
              case 0: // SXTH
                R[low] = (R[middle] << 16) >> 16;
                break;
              case 1: // SXTB
                R[low] = (R[middle] << 24) >> 24;
                break;
              case 2: // UXTH
                R[low] = R[middle] & 0xffff;
                break;
              default: // UXTB
                R[low] = R[middle] & 0xff;
            }
            break;
          case 4:
          case 5:
            if (!push(imm8, opcode & 0x100)) {
              return slow();
            }
            break;
          case 12:
            if (!pop(imm8, false)) {
              return slow();
            }
            break;
          case 13:
            return pop(imm8, true) ? cycles : slow();
          default:
            return slow();
        }
        break;
      case 0b11010:
      case 0b11011: {
        const condition = (opcode >>> 8) & 15;
        if (condition > 13) {
          return slow();
        }
        if (holds(condition)) {
          R[15] = pc + 4 + ((opcode << 24) >> 23);
          return 2;
        }
        break;
      }
      case 0b11100: // B
        R[15] = pc + 4 + ((opcode << 21) >> 20);
        return 2;
      case 0b11110: {
        const next = pc >>> 24 === 0x10 ? flash16[((pc & 0xffffff) >>> 1) + 1] : 0;
        if (next >>> 12 !== 0b1111 && next >>> 12 !== 0b1101) {
          return slow();
        }
        // BL: S:I1:I2:imm10:imm11:0, with I = not (J xor S)
        const sign = (opcode >>> 10) & 1;
        const i1 = ~((next >>> 13) ^ sign) & 1;
        const i2 = ~((next >>> 11) ^ sign) & 1;
        const offset = (-sign << 24) | (i1 << 23) | (i2 << 22);
        R[14] = (pc + 4) | 1;
        R[15] = pc + 4 + (offset | ((opcode & 0x3ff) << 12) | ((next & 0x7ff) << 1));
        return 3;
      }
      default:
        return slow();
    }
    R[15] = pc + 2;
    return cycles;
  };
}

module.exports = { speedUp };
