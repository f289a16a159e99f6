// What json_parse() takes, json_format() writes so that it is read back as the same; json_quote() gives a JSON text.
// SPDX-License-Identifier: Apache-2.0
#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool sound)
{
    if (!sound) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str text = {(const char *)data, size};
    err e = ERR_NONE;
    buf first, second;
    buf_init(&first, 64 << 20);
    buf_init(&second, 64 << 20);

    json_t *value;
    if (json_parse(&value, text, &e) == 0) {
        json_t *again;
        check(json_format(value, true, &first, &e) == 0);
        check(json_parse(&again, buf_str(&first), &e) == 0);
        check(json_equal(value, again));
        check(json_format(again, true, &second, &e) == 0);
        check(str_equal(buf_str(&first), buf_str(&second)));
        json_decref(value);
        json_decref(again);
    } else {
        check(e.code != 0 && e.msg[0] != '\0');
    }

    buf_reset(&first);
    json_quote(&first, text);
    if (size > 0 && memchr(data, 0, size)) goto done; // \u0000 is written, but refused by json_parse()
    check(json_parse(&value, buf_str(&first), &e) == 0);
    check(json_is_string(value));
    json_decref(value);
done:
    buf_clear(&first);
    buf_clear(&second);
    return 0;
}
