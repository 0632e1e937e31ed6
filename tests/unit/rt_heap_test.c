/* SPDX-License-Identifier: MIT */
/*
 * stubdoms/rt/heap.c over pages of the host: alignment, zeroing, no overlap in a long random run, exhaustion, and
 * the misuse it must catch.
 */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include "rt/rt.h"
#include "suite.h"

static jmp_buf crash;
static unsigned pages_left = 4096, pages_out;

void rt_crash(const char *fmt, ...)
{
    longjmp(crash, 1);
}

void *rt_alloc_pages(unsigned n)
{
    if (n > pages_left)
        return NULL;
    void *p = aligned_alloc(RT_PAGE, (size_t)n * RT_PAGE);
    memset(p, 0, (size_t)n * RT_PAGE);
    pages_left -= n;
    pages_out += n;
    return p;
}

void rt_free_pages(void *p, unsigned n)
{
    free(p);
    pages_left += n;
    pages_out -= n;
}

#define CRASHES(statement) do { \
        volatile bool crashed = true; \
        if (!setjmp(crash)) { \
            statement; \
            crashed = false; \
        } \
        CU_ASSERT(crashed); \
    } while (0)

static void test_random(void)
{
    enum { N = 300 };
    static struct { unsigned char *p; size_t size; unsigned char fill; } a[N];
    srand(7);
    for (unsigned round = 0; round < 20000; round++) {
        unsigned i = (unsigned)rand() % N;
        if (a[i].p) {
            for (size_t k = 0; k < a[i].size; k++)
                if (a[i].p[k] != a[i].fill) {
                    CU_FAIL_FATAL("a block was written by somebody else");
                }
            rt_free(a[i].p);
            a[i].p = NULL;
            continue;
        }
        a[i].size = (size_t)rand() % (rand() % 10 ? 600 : 9000);
        a[i].fill = (unsigned char)rand();
        a[i].p = rt_alloc(a[i].size);
        CU_ASSERT_PTR_NOT_NULL_FATAL(a[i].p);
        CU_ASSERT_EQUAL((uintptr_t)a[i].p % 16, 0);
        for (size_t k = 0; k < a[i].size; k++)
            if (a[i].p[k])
                CU_FAIL_FATAL("not zeroed");
        memset(a[i].p, a[i].fill, a[i].size);
    }
    for (unsigned i = 0; i < N; i++)
        rt_free(a[i].p);
}

static void test_exhaustion(void)
{
    void *big = rt_alloc(100 * RT_PAGE);
    CU_ASSERT_PTR_NOT_NULL(big);
    unsigned out = pages_out;
    rt_free(big);
    CU_ASSERT(pages_out < out);
    CU_ASSERT_PTR_NULL(rt_alloc(SIZE_MAX));
    CU_ASSERT_PTR_NULL(rt_alloc(SIZE_MAX - 16));
    CU_ASSERT_PTR_NULL(rt_alloc(1ull << 50));
    unsigned keep = pages_left;
    pages_left = 0;
    CU_ASSERT_PTR_NULL(rt_alloc(5000));
    unsigned got = 0;
    static void *small[100000];
    while (got < 100000 && (small[got] = rt_alloc(2000)))
        got++;
    CU_ASSERT(got < 100000);
    while (got)
        rt_free(small[--got]);
    pages_left = keep;
    rt_free(NULL);
}

static void test_misuse(void)
{
    char *a = rt_alloc(40), *b = rt_alloc(40);
    CRASHES(rt_free(a + 16));
    CRASHES(rt_free(a + 1));
    rt_free(a);
    CRASHES(rt_free(a));
    memset(b - 16, 0, 4); /* somebody ran over the header */
    CRASHES(rt_free(b));
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"20000 random blocks", test_random},
        {"exhaustion", test_exhaustion},
        {"misuse ends the domain", test_misuse},
        CU_TEST_INFO_NULL,
    };
    return suite_run("rt heap", NULL, tests);
}
