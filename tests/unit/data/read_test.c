// Reading CSV and files: what is taken, how types are told, what is refused and how.
// SPDX-License-Identifier: Apache-2.0
#include "data/read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "base/files.h"
#include "base/mem.h"

static read_options options(void)
{
    return READ_OPTIONS_DEFAULT;
}

static frame *read_with(const char *text, const read_options *o)
{
    err e = ERR_NONE;
    frame *f;
    if (read_csv(&f, str_of(text), o, NULL, &e) < 0) fail_msg("%s", e.msg);
    return f;
}

static frame *read_text(const char *text)
{
    read_options o = options();
    return read_with(text, &o);
}

// A frame as text: "name:type=value|value;..." with missing values empty.
static void expect_frame(frame *f, const char *want)
{
    buf b;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < frame_n_columns(f); i++) {
        const column *c = frame_column(f, i);
        buf_format(&b, "%s%s:%s=", i ? ";" : "", c->name, column_type_name(c->type));
        for (size_t row = 0; row < frame_n_rows(f); row++) {
            char text[COLUMN_TEXT_SIZE];
            if (row) buf_add_char(&b, '|');
            buf_add_str(&b, column_text(c, row, text));
        }
    }
    buf_add_char(&b, '\0');
    assert_string_equal(b.data, want);
    buf_clear(&b);
    frame_free(f);
}

static void expect_error_with(const char *text, const read_options *o, int code, int64_t at, const char *message)
{
    err e = ERR_NONE;
    frame *f = NULL;
    int rc = read_csv(&f, str_of(text), o, NULL, &e);
    assert_string_equal(e.msg, message);
    assert_int_equal(rc, code);
    assert_int_equal(e.code, code);
    assert_int_equal(e.at, at);
    assert_null(f);
}

static void expect_error(const char *text, int code, int64_t at, const char *message)
{
    read_options o = options();
    expect_error_with(text, &o, code, at, message);
}

static void test_plain(void **state)
{
    (void)state;
    expect_frame(read_text("a,b\n1,x\n2,y\n"), "a:integer=1|2;b:category=x|y");
    expect_frame(read_text("a,b\n1,x\n2,y"), "a:integer=1|2;b:category=x|y");
    expect_frame(read_text("a,b\r\n1,x\r\n2,y\r\n"), "a:integer=1|2;b:category=x|y");
    expect_frame(read_text("a,b\r\n1,x\r\n2,y\r"), "a:integer=1|2;b:category=x|y");
    expect_frame(read_text("a,b\r1,x\r2,y\r"), "a:integer=1|2;b:category=x|y");
    expect_frame(read_text("\xEF\xBB\xBF"
                           "a,b\n1,x\n2,y\n"),
                 "a:integer=1|2;b:category=x|y");
    expect_frame(read_text("\n\na,b\n\n1,x\n\r\n2,y\n\n"), "a:integer=1|2;b:category=x|y");
    expect_frame(read_text("a;b\n1,5;x\n2,5;y\n"), "a:category=1,5|2,5;b:category=x|y");
    expect_frame(read_text("a\tb\n1\tx, y\n2\t\n"), "a:integer=1|2;b:category=x, y|");
    expect_frame(read_text("a|b\n1|x\n"), "a:integer=1;b:category=x");
    expect_frame(read_text("a\n1\n2\n"), "a:integer=1|2");
    expect_frame(read_text("a,b\n"), "a:real=;b:real=");
    expect_frame(read_text("a,\n1,2\n"), "a:integer=1;column_2:integer=2");
    expect_frame(read_text(" a , b \n 1 , x y \n"), "a:integer=1;b:category=x y");
    read_options o = options();
    o.delimiter = ' ';
    expect_frame(read_with("a b\n1 2\n", &o), "a:integer=1;b:integer=2");
}

static void test_quotes(void **state)
{
    (void)state;
    expect_frame(read_text("\"a\",\"b,c\"\n1,\"x \"\"y\"\" z\"\n\"2\",\"line\none\"\n"),
                 "a:integer=1|2;b,c:category=x \"y\" z|line\none");
    expect_frame(read_text("a,b\n1,\" x \"\n2,\"\"\n"), "a:integer=1|2;b:category= x |");
    expect_frame(read_text("a,b\n1,12\" pipe\n2,a\"b\"c\n"), "a:integer=1|2;b:category=12\" pipe|a\"b\"c"); // letters
    expect_frame(read_text("a,b\n1,\"\r\n\"\r\n2,\"y\"\r\n"), "a:integer=1|2;b:category=\r\n|y");
    expect_frame(read_text("a,b\n1,\"\"\"\"\n2,\"y\""), "a:integer=1|2;b:category=\"|y");
    expect_error("a,b\n1,x\n2,\"y\"z\n", ERR_FORMAT, 2,
                 "row 2, column \"b\": text after the closing quote (a quote inside is written twice)");
    expect_error("a,b\n1,x\n2,\"y\n3,z\n", ERR_FORMAT, 2, "row 2: a quote opens a cell that is never closed");
}

static void test_header(void **state)
{
    (void)state;
    read_options o = options();
    expect_frame(read_text("1,2\n3,4\n"), "column_1:integer=1|3;column_2:integer=2|4");
    expect_frame(read_text("x,1\ny,2\nx,3\n"), "column_1:category=x|y|x;column_2:integer=1|2|3");
    expect_frame(read_text("x,y\na,b\nc,d\n"), "x:category=a|c;y:category=b|d");
    expect_frame(read_text("a,b\na,c\nb,d\n"), "column_1:category=a|a|b;column_2:category=b|c|d");
    expect_frame(read_text("x,y\n0.5,1\n0.25,0\n"), "x:real=0.5|0.25;y:integer=1|0"); // "y" reads as a boolean
    expect_frame(read_text("yes,no\nno,yes\n"), "column_1:boolean=true|false;column_2:boolean=false|true");
    o.header = HEADER_NO;
    expect_frame(read_with("x,y\n1,2\n", &o), "column_1:category=x|1;column_2:category=y|2");
    o.header = HEADER_YES;
    expect_frame(read_with("1,2\n3,4\n", &o), "1:integer=3;2:integer=4");
    expect_error("a,b,a\n1,2,3\n", ERR_FORMAT, -1, "columns 1 and 3 are both called \"a\"");
    expect_error("column_2,\n1,2\n", ERR_FORMAT, -1, "columns 1 and 2 are both called \"column_2\"");
}

static void test_types(void **state)
{
    (void)state;
    expect_frame(read_text("a\n1\n-2\n+3\n007\n"), "a:integer=1|-2|3|7");
    expect_frame(read_text("a\n1\n2.5\n1e5\n.5\n-3.\n"), "a:real=1|2.5|100000|0.5|-3");
    expect_frame(read_text("a\n1\n9223372036854775808\n"), "a:real=1|9223372036854776000");
    expect_frame(read_text("a\n9223372036854775807\n-9223372036854775807\n"),
                 "a:integer=9223372036854775807|-9223372036854775807");
    expect_frame(read_text("a\n1\ninf\n-Infinity\n"), "a:real=1|inf|-inf");
    expect_frame(read_text("a\ntrue\nFalse\nyes\n"), "a:boolean=true|false|true");
    expect_frame(read_text("a\nt\nf\nt\n"), "a:boolean=true|false|true");
    expect_frame(read_text("a\nF\nF\n"), "a:category=F|F"); // one letter alone is no boolean
    expect_frame(read_text("a\nF\nM\n"), "a:category=F|M");
    expect_frame(read_text("a\n0\n1\n"), "a:integer=0|1");
    expect_frame(read_text("a\ntrue\n1\n"), "a:category=true|1");
    expect_frame(read_text("a,b\n2026-01-31,1\n2026-02-01T10:30:00+01:00,2\n"),
                 "a:datetime=2026-01-31T00:00:00Z|2026-02-01T09:30:00Z;b:integer=1|2");
    expect_frame(read_text("a,b\n1,\n2,NA\n"), "a:integer=1|2;b:real=|");
    expect_frame(read_text("a,b\n?,x\n2,N/A\nNaN,y\nnull,None\n"), "a:integer=|2||;b:category=x||y|");
    expect_frame(read_text("a\n1\nx\n"), "a:category=1|x");
}

static void test_overrides(void **state)
{
    (void)state;
    read_options o = options();
    type_override types[] = {{.column = "a", .type = COLUMN_CATEGORY},
                             {.column = "zz", .type = COLUMN_REAL, .if_there = true}};
    o.types = types;
    o.n_types = 2;
    expect_frame(read_with("a,b\n01,1\n2,2\n", &o), "a:category=01|2;b:integer=1|2");
    types[0].type = COLUMN_BOOLEAN;
    expect_frame(read_with("a,b\n0,1\nyes,2\n", &o), "a:boolean=false|true;b:integer=1|2");
    types[0].type = COLUMN_TEXT;
    expect_frame(read_with("a,b\n0,1\n0,2\n", &o), "a:text=0|0;b:integer=1|2");
    types[0].type = COLUMN_INTEGER;
    expect_error_with("a,b\n0,1\n1.5,2\n", &o, ERR_FORMAT, 2,
                      "row 2, column \"a\": \"1.5\" is not an integer (of 64 bits)");
    types[0] = (type_override){.column = "weihgt", .type = COLUMN_REAL};
    expect_error_with("a,weight\n0,1\n", &o, ERR_NOT_FOUND, -1,
                      "no column \"weihgt\" to give a type to; did you mean \"weight\"?");
    const char *const missing[] = {"-999", "none"};
    o = options();
    o.missing = missing;
    o.n_missing = 2;
    expect_frame(read_with("a,b\n-999,NA\n1,none\n", &o), "a:integer=|1;b:category=NA|");
}

static void test_texts(void **state)
{
    (void)state;
    buf b;
    buf_init(&b, 1 << 20);
    buf_add_text(&b, "id,code,user_id,note,name,city\n");
    for (int i = 0; i < 100; i++)
        buf_format(&b, "%d,K-%d,%d,the words of row %d are these,Nora %c%d,%s\n", i + 1, i * 7, (i * 37) % 101, i,
                   'A' + i % 26, i, i % 3 ? "Oslo" : "Bergen");
    read_options o = options();
    err e = ERR_NONE;
    frame *f;
    assert_int_equal(read_csv(&f, buf_str(&b), &o, NULL, &e), 0);
    static const column_type want[] = {COLUMN_IDENTIFIER, COLUMN_IDENTIFIER, COLUMN_IDENTIFIER,
                                       COLUMN_TEXT,       COLUMN_TEXT,       COLUMN_CATEGORY};
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(column_type_name(frame_column(f, i)->type), column_type_name(want[i]));
    assert_int_equal(frame_column(f, 3)->n_strings, 100);
    assert_int_equal(frame_column(f, 5)->n_strings, 2);
    frame_free(f);
    buf_clear(&b);
}

// What contradicts the sample stands where no sample is taken.
static void test_types_of_the_whole_file(void **state)
{
    (void)state;
    enum { N = 60000 };
    buf b;
    buf_init(&b, 16 << 20);
    buf_add_text(&b, "i,r,b,d,s,m\n");
    for (int i = 0; i < N; i++) {
        bool odd = i == 21111;
        buf_format(&b, "%s,%s,%s,%s,%s,%s\n", odd ? "1.5" : "7", odd ? "x" : "0.5", odd ? "2" : "yes",
                   odd ? "soon" : "2026-01-31", odd ? "abc" : "12", odd ? "3" : "");
    }
    read_options o = options();
    err e = ERR_NONE;
    frame *f;
    assert_int_equal(read_csv(&f, buf_str(&b), &o, NULL, &e), 0);
    static const column_type want[] = {COLUMN_REAL,     COLUMN_CATEGORY, COLUMN_CATEGORY,
                                       COLUMN_CATEGORY, COLUMN_CATEGORY, COLUMN_INTEGER};
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(column_type_name(frame_column(f, i)->type), column_type_name(want[i]));
    assert_true(frame_column(f, 0)->f64[21111] == 1.5 && frame_column(f, 0)->f64[0] == 7);
    assert_int_equal(frame_column(f, 4)->n_strings, 2);
    assert_int_equal(frame_column(f, 5)->n_missing, N - 1);
    frame_free(f);
    buf_clear(&b);
}

static void test_refused(void **state)
{
    (void)state;
    expect_error("", ERR_FORMAT, -1, "there is nothing in it");
    expect_error("\n\r\n\n", ERR_FORMAT, -1, "there is nothing in it");
    expect_error("a,b\n1,2\n3\n", ERR_FORMAT, 2, "row 2: 1 cell, 2 expected");
    expect_error("a,b\n1,2\n3,4,5\n6\n", ERR_FORMAT, 2, "row 2: 3 cells, 2 expected");
    expect_error("1,2\n3\n", ERR_FORMAT, 2, "row 2: 1 cell, 2 expected"); // without a header the first row is row 1
    expect_error("a,b\n1,caf\xE9\n", ERR_FORMAT, 1, "row 1, column \"b\": byte 0xE9 is not UTF-8");
    expect_error("\xFF\xFE"
                 "a",
                 ERR_FORMAT, 0, "this is UTF-16 text; save it as UTF-8");
    expect_error("PK\x03\x04zzz", ERR_FORMAT, 0, "this is a zip archive or a spreadsheet; save the table as CSV");
    read_options o = options();
    err e = ERR_NONE;
    frame *f = NULL;
    assert_int_equal(read_csv(&f, STR("a,b\n1,\0\n"), &o, NULL, &e), ERR_FORMAT);
    assert_string_equal(e.msg, "byte 6 is NUL: this is no text");
    o.cell_max = 10;
    expect_error_with("a,b\n1,12345678901\n", &o, ERR_LIMIT, 1, "row 1, column \"b\": a cell of more than 10 bytes");
    expect_error_with("a,12345678901\n", &o, ERR_LIMIT, -1,
                      "the first row has more than 65536 columns, or a cell of more than 10 bytes");
    o = options();
    o.columns_max = 2;
    expect_error_with("a,b,c\n1,2,3\n", &o, ERR_LIMIT, -1,
                      "the first row has more than 2 columns, or a cell of more than 1048576 bytes");
    o = options();
    o.delimiter = '"';
    expect_error_with("a\n", &o, ERR_INPUT, -1, "quotes and newlines cannot be delimiters");
}

static void test_memory(void **state)
{
    (void)state;
    enum { N = 100000 };
    buf b;
    buf_init(&b, 16 << 20);
    buf_add_text(&b, "a,b,c\n");
    for (int i = 0; i < N; i++) buf_format(&b, "%d,%d,word%d\n", i % 7, i, i);
    read_options o = options();
    o.memory_max = 3 << 20;
    err e = ERR_NONE;
    frame *f = NULL;
    assert_int_equal(read_csv(&f, buf_str(&b), &o, NULL, &e), ERR_LIMIT);
    assert_non_null(strstr(e.msg, "more than the limit of 3.15 MB"));
    o.memory_max = 6 << 20; // enough for the numbers, not for the texts
    assert_int_equal(read_csv(&f, buf_str(&b), &o, NULL, &e), ERR_LIMIT);
    assert_null(f);
    o.memory_max = 64 << 20;
    assert_int_equal(read_csv(&f, buf_str(&b), &o, NULL, &e), 0);
    frame_free(f);
    buf_clear(&b);
}

// ---- files ----

static char folder[] = "/tmp/slipway_read_XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static char *save(const char *name, str content)
{
    err e = ERR_NONE;
    char *path = path_join(folder, name);
    assert_non_null(path);
    assert_int_equal(file_write_atomic(path, content, 0600, &e), 0);
    return path;
}

static void drop(char *path)
{
    unlink(path);
    mem_free(path);
}

static size_t pack(char *to, size_t cap, const char *text)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)text;
    z.avail_in = (unsigned)strlen(text);
    z.next_out = (unsigned char *)to;
    z.avail_out = (unsigned)cap;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t n = cap - z.avail_out;
    deflateEnd(&z);
    return n;
}

static void test_files(void **state)
{
    (void)state;
    read_options o = options();
    err e = ERR_NONE;
    frame *f = NULL;
    char *path = save("a.csv", STR("a,b\n1,x\n2,y\n"));
    assert_int_equal(read_file(&f, path, &o, NULL, &e), 0);
    expect_frame(f, "a:integer=1|2;b:category=x|y");
    drop(path);

    path = save("ragged.csv", STR("a,b\n1,x\n2\n"));
    f = NULL;
    assert_int_equal(read_file(&f, path, &o, NULL, &e), ERR_FORMAT);
    char want[256];
    snprintf(want, sizeof want, "%s: row 2: 1 cell, 2 expected", path);
    assert_string_equal(e.msg, want);
    assert_int_equal(e.at, 2);
    drop(path);

    assert_int_equal(read_file(&f, folder, &o, NULL, &e), ERR_INPUT);
    assert_int_equal(read_file(&f, "/nonexistent/x.csv", &o, NULL, &e), ERR_NOT_FOUND);
    assert_string_equal(e.msg, "/nonexistent/x.csv: No such file or directory");
    path = save("empty.csv", (str){"", 0});
    assert_int_equal(read_file(&f, path, &o, NULL, &e), ERR_FORMAT);
    drop(path);
    path = save("rows", STR("{\"a\": 1}\n{\"a\": 2}\n")); // by its first byte
    assert_int_equal(read_file(&f, path, &o, NULL, &e), 0);
    expect_frame(f, "a:integer=1|2");
    drop(path);
}

static void test_gzip(void **state)
{
    (void)state;
    char packed[4096];
    size_t n = pack(packed, sizeof packed, "a,b\n1,x\n");
    n += pack(packed + n, sizeof packed - n, "2,y\n"); // two members make one file
    memset(packed + n, 0, 7);                          // zeros fill a block up
    read_options o = options();
    err e = ERR_NONE;
    frame *f = NULL;
    char *path = save("a.csv.gz", (str){packed, n + 7});
    assert_int_equal(read_file(&f, path, &o, NULL, &e), 0);
    expect_frame(f, "a:integer=1|2;b:category=x|y");
    drop(path);
    f = NULL;
    path = save("cut.gz", (str){packed, n - 3});
    assert_int_equal(read_file(&f, path, &o, NULL, &e), ERR_FORMAT);
    assert_non_null(strstr(e.msg, "the gzip data ends too early"));
    drop(path);
    packed[n / 2] ^= 0x55;
    path = save("damaged.gz", (str){packed, n});
    assert_int_equal(read_file(&f, path, &o, NULL, &e), ERR_FORMAT);
    drop(path);
    static char zeros[1 << 20];
    memset(zeros, '1', sizeof zeros - 1);
    n = pack(packed, sizeof packed, zeros);
    path = save("bomb.csv.gz", (str){packed, n});
    o.memory_max = 256 << 10;
    assert_int_equal(read_file(&f, path, &o, NULL, &e), ERR_LIMIT);
    assert_non_null(strstr(e.msg, "unpacked, it has more than 262144 bytes"));
    drop(path);
    assert_null(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_overrides),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_types_of_the_whole_file),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_gzip),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
