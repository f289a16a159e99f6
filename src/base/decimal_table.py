#!/usr/bin/env python3
"""Writes decimal_table.h: the leading 128 bits of 10^q, rounded down, for q = -342 .. 324."""
# SPDX-License-Identifier: Apache-2.0

FIRST, LAST = -342, 324


def leading_bits(q):
    power = 5 ** abs(q)
    if q < 0:
        # floor(2^b / 5^-q) with b such that the quotient has exactly 128 bits
        bits = power.bit_length() + 127
        value = (1 << bits) // power
        return value >> (value.bit_length() - 128)
    shift = 128 - power.bit_length()
    return power << shift if shift >= 0 else power >> -shift


def main():
    print("// Leading 128 bits of 10^q, rounded down; written by decimal_table.py.")
    print("// SPDX-License-Identifier: Apache-2.0")
    print("#ifndef SLIPWAY_BASE_DECIMAL_TABLE_H")
    print("#define SLIPWAY_BASE_DECIMAL_TABLE_H")
    print()
    print("#include <stdint.h>")
    print()
    print(f"enum {{ POWER_FIRST = {FIRST}, POWER_LAST = {LAST} }};")
    print()
    print("// clang-format off")
    print("static const uint64_t decimal_powers[POWER_LAST - POWER_FIRST + 1][2] = { // high, low")
    for q in range(FIRST, LAST + 1):
        value = leading_bits(q)
        assert value.bit_length() == 128
        low = value & (2**64 - 1)
        assert low != 2**64 - 1 or q >= 0  # one may be added without a carry (q in 0..55 is exact)
        print(f"    {{0x{value >> 64:016x}u, 0x{low:016x}u}}, // {q}")
    print("};")
    print("// clang-format on")
    print()
    print("#endif")


main()
