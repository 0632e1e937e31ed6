/* SPDX-License-Identifier: MIT */
/*
 * stubdoms/rt: fmt.c and string.c against the C library. The build renames rt's functions to rt_NAME (files.mk), so
 * both can stand in one program.
 */
#include <stdint.h>
#include "rt/rt.h"
#include "suite.h"
#undef snprintf
#undef strtoul
#undef memmove
#undef memcmp
#undef strncmp
int snprintf(char *buf, size_t n, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
unsigned long strtoul(const char *s, char **end, int base);
void *memmove(void *d, const void *s, size_t n);
int memcmp(const void *a, const void *b, size_t n);
int strncmp(const char *a, const char *b, size_t n);
void rt_crash(const char *fmt, ...)
{
    __builtin_trap();
}

#define SAME(...) do { \
        char a[128], b[128]; \
        for (size_t size = 0; size < sizeof(a); size = size * 2 + 1) { \
            __builtin_memset(a, 'x', sizeof(a)); \
            __builtin_memset(b, 'x', sizeof(b)); \
            int x = rt_snprintf(a, size, __VA_ARGS__), y = snprintf(b, size, __VA_ARGS__); \
            CU_ASSERT_EQUAL(x, y); \
            CU_ASSERT_EQUAL(memcmp(a, b, sizeof(a)), 0); \
        } \
    } while (0)

static void test_printf(void)
{
    const char *none = "";
    const int values[] = { 0, 1, -1, 42, -42, 2147483647, -2147483647 - 1, 255, 65536 };
    for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        int v = values[i];
        SAME("%d|%i|%u|%x|%X|%o", v, v, (unsigned)v, (unsigned)v, (unsigned)v, (unsigned)v);
        SAME("%8d|%-8d|%08d|%+d|% d|%.5d|%8.5d|%-8.5d|", v, v, v, v, v, v, v, v);
        SAME("%#x|%#10x|%-#10x|%#010x", (unsigned)v, (unsigned)v, (unsigned)v, (unsigned)v);
        SAME("%hhd|%hd|%ld|%lld|%zu", (signed char)v, (short)v, (long)v, (long long)v, (size_t)(unsigned)v);
        SAME("%*d|%-*d|%.*d", 7, v, 7, v, 4, v);
        SAME("%*d", -9, v);
    }
    SAME("%lx %lu %ld", ~0ul, ~0ul, (long)(1ul << 63));
    SAME("%s|%10s|%-10s|%.2s|%5.1s|%c%c", "text", "text", "text", "text", "text", 'a', 'b');
    SAME("100%% %s", none);
    SAME("%p", (void *)0x1234);
    SAME("%.0d|%.0x", 0, 0u);
}

static void test_strtoul(void)
{
    static const char *const text[] = { "0", "12", " 12", "+7", "-1", "0x1f", "0X1F", "0x", "0xg", "017", "08", "", "abc", "zz",
        "18446744073709551615", "18446744073709551616", "99999999999999999999999", "ffffffffffffffff", "12abc", "- 1", "\t5" };
    static const int bases[] = { 0, 8, 10, 16, 36 };
    for (unsigned i = 0; i < sizeof(text) / sizeof(text[0]); i++)
        for (unsigned b = 0; b < 5; b++) {
            char *e1, *e2;
            unsigned long x = rt_strtoul(text[i], &e1, bases[b]), y = strtoul(text[i], &e2, bases[b]);
            CU_ASSERT_EQUAL(x, y);
            CU_ASSERT_EQUAL(e1, e2);
        }
}

/* Long blocks, every overlap and odd length. */
static void test_blocks(void)
{
    static char a[400], b[400];
    for (int shift = -70; shift <= 70; shift++)
        for (size_t n = 0; n < 260; n += 13) {
            for (int i = 0; i < 400; i++)
                a[i] = b[i] = (char)(i * 7);
            CU_ASSERT(rt_memmove(a + 70 + shift, a + 70, n) == a + 70 + shift);
            memmove(b + 70 + shift, b + 70, n);
            CU_ASSERT_EQUAL(memcmp(a, b, 400), 0);
            rt_memset(a + 3, (int)n - 128, n);
            for (size_t i = 0; i < n; i++)
                b[3 + i] = (char)(n - 128);
            CU_ASSERT_EQUAL(memcmp(a, b, 400), 0);
            rt_memcpy(a + 1, a + 300 - n % 100, n % 100);
            memmove(b + 1, b + 300 - n % 100, n % 100);
            CU_ASSERT_EQUAL(memcmp(a, b, 400), 0);
        }
}

static void test_string(void)
{
    char a[64], b[64];
    for (int from = 0; from < 20; from++)
        for (int to = 0; to < 20; to++) {
            for (int i = 0; i < 64; i++)
                a[i] = b[i] = (char)i;
            rt_memmove(a + to, a + from, 30);
            memmove(b + to, b + from, 30);
            CU_ASSERT_EQUAL(memcmp(a, b, 64), 0);
        }
    CU_ASSERT(rt_memcmp("ab\0c", "ab\0d", 4) < 0 && rt_memcmp("\xff", "\x01", 1) > 0 && rt_memcmp("a", "b", 0) == 0);
    CU_ASSERT(rt_strncmp("abc", "abd", 2) == 0 && rt_strncmp("abc", "abd", 3) < 0 && rt_strncmp("a", "ab", 5) < 0);
    CU_ASSERT(rt_strcmp("a", "a") == 0 && rt_strcmp("a", "") > 0 && rt_strcmp("\x80", "a") > 0);
    CU_ASSERT(rt_strlen("") == 0 && rt_strlen("abc") == 3);
    const char *s = "a=b=c";
    CU_ASSERT(rt_strchr(s, '=') == s + 1 && rt_strchr(s, 'x') == NULL && rt_strchr(s, 0) == s + 5);
    rt_memset(a, 'z', 10);
    CU_ASSERT(a[0] == 'z' && a[9] == 'z' && rt_memcpy(b, a, 10) == b && b[9] == 'z');
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"snprintf is the C library's", test_printf},
        {"strtoul is the C library's", test_strtoul},
        {"memory and strings", test_string},
        {"long blocks", test_blocks},
        CU_TEST_INFO_NULL,
    };
    return suite_run("rt library", NULL, tests);
}
