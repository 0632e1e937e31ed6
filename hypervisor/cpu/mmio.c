/* SPDX-License-Identifier: MIT */
/*
 * The few instructions that 64-bit kernels reach device registers with: 32-bit MOV and XCHG between memory and a register, MOV of
 * an immediate, MOV between EAX and an absolute address (Intel SDM vol. 2: 2.1 formats, 2.2.1 REX, MOV, XCHG). Everything else is refused. Where the access goes is
 * known from the exit; an instruction is looked at for its length, its register and its value only.
 */
#include "cpu/cpu.h"

#define OP_XCHG 0x87
#define OP_STORE 0x89
#define OP_LOAD 0x8b
#define OP_LOAD_ABS 0xa1 /* an address of 8 bytes follows, no ModRM */
#define OP_STORE_ABS 0xa3
#define OP_STORE_IMM 0xc7
#define REX_MASK 0xf0
#define REX 0x40
#define REX_W 0x08
#define REX_R 0x04

/* Bytes from ModRM to the end of the displacement; 0: the operand is no memory, or insn is cut off. */
static unsigned operand_length(const uint8_t *modrm, unsigned n)
{
    unsigned mod = modrm[0] >> 6, rm = modrm[0] & 7, sib = rm == 4 && n > 1 ? 1 : 0;
    bool no_base = rm == 5 || (sib && (modrm[1] & 7) == 5);
    unsigned disp = mod == 1 ? 1 : mod == 2 || (mod == 0 && no_base) ? 4 : 0;
    return mod == 3 || (rm == 4 && !sib) || 1 + sib + disp > n ? 0 : 1 + sib + disp;
}

int mmio_decode(const uint8_t *insn, unsigned n, struct mmio_access *a)
{
    unsigned i = n && (insn[0] & REX_MASK) == REX ? 1 : 0;
    uint8_t rex = i ? insn[0] : 0;
    if (n < i + 2 || rex & REX_W)
        return -EINVAL;
    uint8_t op = insn[i++];
    bool absolute = op == OP_LOAD_ABS || op == OP_STORE_ABS, load = op == OP_LOAD || op == OP_LOAD_ABS;
    uint8_t field = absolute ? 0 : insn[i] >> 3 & 7;
    unsigned operand = absolute ? 8 : operand_length(insn + i, n - i), imm = op == OP_STORE_IMM ? 4 : 0;
    if (!operand || i + operand + imm > n || (imm && field))
        return -EINVAL;
    if (!load && !absolute && !imm && op != OP_STORE && op != OP_XCHG)
        return -EINVAL;
    i += operand;
    *a = (struct mmio_access){
        .read = load || op == OP_XCHG, .write = !load, .immediate = imm,
        .reg = (uint8_t)(absolute ? 0 : field | (rex & REX_R) << 1), .len = (uint8_t)(i + imm),
    };
    for (unsigned b = 0; b < imm; b++)
        a->value |= (uint32_t)insn[i + b] << 8 * b;
    return 0;
}
