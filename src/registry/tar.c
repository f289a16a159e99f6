// ustar, as POSIX.1-1988 has it, with the base-256 sizes of GNU tar for files of 8 GiB and more.
// SPDX-License-Identifier: Apache-2.0
#include "registry/tar_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

// Offsets of a header's fields.
enum {
    NAME = 0,
    MODE = 100,
    UID = 108,
    GID = 116,
    SIZE = 124,
    TIME = 136,
    SUM = 148,
    TYPE = 156,
    MAGIC = 257,
    PREFIX = 345,
    SUM_SIZE = 8,
    SIZE_SIZE = 12,
};
#define OCTAL_MAX (((uint64_t)1 << 33) - 1) // eleven digits

static void put_octal(char *field, size_t size, uint64_t value)
{
    field[size - 1] = '\0';
    for (size_t i = size - 1; i-- > 0; value >>= 3) field[i] = (char)('0' + (value & 7));
}

static unsigned sum_of(const char block[TAR_BLOCK])
{
    unsigned sum = 0;
    for (size_t i = 0; i < TAR_BLOCK; i++)
        sum += i >= SUM && i < SUM + SUM_SIZE ? (unsigned)' ' : (unsigned char)block[i];
    return sum;
}

void tar_format_header(char block[TAR_BLOCK], const char *name, uint64_t size, unsigned mode, int64_t time_s)
{
    memset(block, 0, TAR_BLOCK);
    snprintf(block + NAME, TAR_NAME_MAX + 1, "%s", name);
    put_octal(block + MODE, 8, mode);
    put_octal(block + UID, 8, 0);
    put_octal(block + GID, 8, 0);
    if (size <= OCTAL_MAX) {
        put_octal(block + SIZE, SIZE_SIZE, size);
    } else {
        block[SIZE] = (char)0x80;
        for (size_t i = 0; i < 8; i++) block[SIZE + SIZE_SIZE - 1 - i] = (char)(size >> 8 * i & 0xFF);
    }
    put_octal(block + TIME, 12, time_s > 0 && (uint64_t)time_s <= OCTAL_MAX ? (uint64_t)time_s : 0);
    block[TYPE] = '0';
    memcpy(block + MAGIC, "ustar\00000", 8);
    put_octal(block + SUM, SUM_SIZE - 1, sum_of(block));
    block[SUM + SUM_SIZE - 1] = ' ';
}

static size_t padding_of(uint64_t size)
{
    return (size_t)((TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK);
}

static const char zeros[2 * TAR_BLOCK];

int tar_write(file_out *out, const char *name, str content, unsigned mode, int64_t time_s, err *e)
{
    char block[TAR_BLOCK];
    tar_format_header(block, name, content.len, mode, time_s);
    TRY(file_out_write(out, (str){block, TAR_BLOCK}, e));
    TRY(file_out_write(out, content, e));
    return file_out_write(out, (str){zeros, padding_of(content.len)}, e);
}

int tar_end(file_out *out, err *e)
{
    return file_out_write(out, (str){zeros, sizeof zeros}, e);
}

// ---- reading ----

static bool take_octal(const char *field, size_t size, uint64_t *out)
{
    uint64_t value = 0;
    size_t i = 0;
    for (; i < size && field[i] >= '0' && field[i] <= '7'; i++) {
        if (value >> 60) return false;
        value = value << 3 | (uint64_t)(field[i] - '0');
    }
    *out = value;
    return i > 0 && (i == size || field[i] == '\0' || field[i] == ' ');
}

static bool take_size(const char *field, uint64_t *out)
{
    if ((unsigned char)field[0] != 0x80) return take_octal(field, SIZE_SIZE, out);
    uint64_t value = 0;
    for (size_t i = 1; i < SIZE_SIZE; i++) {
        if (value >> 56) return false;
        value = value << 8 | (unsigned char)field[i];
    }
    *out = value;
    return true;
}

int tar_next(str whole, str *rest, char name[TAR_NAME_MAX + 1], str *content, err *e)
{
    int64_t at = (int64_t)(whole.len - rest->len);
    if (rest->len < TAR_BLOCK) return err_set_at(e, ERR_FORMAT, at, "byte %" PRId64 ": the archive is cut off", at);
    const char *block = rest->data;
    if (memcmp(block, zeros, TAR_BLOCK) == 0) {
        if (rest->len != sizeof zeros || memcmp(block, zeros, sizeof zeros) != 0)
            return err_set_at(e, ERR_FORMAT, at, "byte %" PRId64 ": the archive does not end as it should", at);
        *rest = (str){block + sizeof zeros, 0};
        return 0;
    }
    uint64_t sum, size;
    if (memcmp(block + MAGIC, "ustar", 5) != 0 || !take_octal(block + SUM, SUM_SIZE, &sum) || sum != sum_of(block))
        return err_set_at(e, ERR_FORMAT, at, "byte %" PRId64 ": no header of a ustar archive", at);
    if (block[TYPE] != '0' || block[PREFIX] != '\0' || !memchr(block + NAME, '\0', TAR_NAME_MAX + 1) ||
        block[NAME] == '\0')
        return err_set_at(e, ERR_FORMAT, at, "byte %" PRId64 ": not a plain file with a short name", at);
    if (!take_size(block + SIZE, &size)) return err_set_at(e, ERR_FORMAT, at, "byte %" PRId64 ": no size", at);
    size_t left = rest->len - TAR_BLOCK;
    if (size > left || padding_of(size) > left - size)
        return err_set_at(e, ERR_FORMAT, at, "byte %" PRId64 ": the archive is cut off within a file", at);
    snprintf(name, TAR_NAME_MAX + 1, "%s", block + NAME);
    *content = (str){block + TAR_BLOCK, (size_t)size};
    size_t used = TAR_BLOCK + (size_t)size + padding_of(size);
    *rest = (str){rest->data + used, rest->len - used};
    return 1;
}
