/* SPDX-License-Identifier: MIT */
/*
 * A short run of tests/fuzz/xenstore.c: on its corpus (a file for each operation and each oddity), on what is near to that, and on random
 * steps, mostly near to what is valid.
 */
#include "xenstore_fake.h"
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include "suite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RUNS 6000
#define CORPUS "tests/fuzz/corpus/xenstore" /* tests run at the top of the tree */
#define FILES 64
#define CHANGED 40 /* runs of each file with something changed */

static struct input {
    uint8_t bytes[2000];
    size_t len;
} inputs[FILES];
static int files;

static void read_corpus(void)
{
    DIR *dir = opendir(CORPUS);
    struct dirent *e;

    files = 0;
    CU_ASSERT_FATAL(dir != NULL);
    while ((e = readdir(dir)) && files < FILES) {
        char path[400];
        FILE *f;

        snprintf(path, sizeof(path), CORPUS "/%s", e->d_name);
        f = e->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (!f)
            continue;
        inputs[files].len = fread(inputs[files].bytes, 1, sizeof(inputs[files].bytes), f);
        CU_ASSERT(inputs[files].len > 0 && feof(f));
        files++;
        fclose(f);
    }
    closedir(dir);
}

/* Bytes become others, and the end another file's. */
static size_t near(const struct input *in, uint8_t *out)
{
    const struct input *other = &inputs[rand() % files];
    size_t len = in->len, cut = (size_t)rand() % in->len, more = (size_t)rand() % other->len;

    memcpy(out, in->bytes, len);
    for (int i = rand() % 4; i > 0; i--)
        out[(size_t)rand() % len] = (uint8_t)(rand() % 3 ? rand() : "\0\xff/0"[rand() % 4]);
    if (rand() % 2)
        return len;
    memcpy(out + cut, other->bytes + more, other->len - more);
    return cut + other->len - more;
}

static void test_corpus(void)
{
    static uint8_t data[4000];

    read_corpus();
    CU_ASSERT_FATAL(files >= 30);
    srand(7);
    for (int i = 0; i < files; i++) {
        CU_ASSERT_EQUAL(LLVMFuzzerTestOneInput(inputs[i].bytes, inputs[i].len), 0);
        for (int run = 0; run < CHANGED; run++)
            CU_ASSERT_EQUAL(LLVMFuzzerTestOneInput(data, near(&inputs[i], data)), 0);
    }
}

/* A step that is nearly right: a known operation on one of few paths. */
static size_t sane(uint8_t *p)
{
    static const char *const words[] = { "/a", "/a/b", "/local/domain/5", "x", "x/y", "@releaseDomain", "T", "F", "n5", "b0",
                                         "5", "7", "/", "tok", "domains", "quota", "set", "nodes", "3", "" };
    size_t n = 2;

    p[2] = (uint8_t)(rand() % 28);
    p[3] = (uint8_t)(rand() % 4);
    for (int i = rand() % 4; i >= 0; i--) {
        const char *w = words[(size_t)rand() % (sizeof(words) / sizeof(words[0]))];

        strcpy((char *)p + 2 + n, w);
        n += strlen(w) + 1;
    }
    p[0] = (uint8_t)(1 + 4 * (rand() % 3));
    p[1] = (uint8_t)n;
    return n + 2;
}

static size_t wild(uint8_t *p)
{
    p[0] = (uint8_t)rand();
    p[1] = (uint8_t)(rand() % 40);
    for (int i = 0; i < p[1]; i++)
        p[2 + i] = (uint8_t)rand();
    return p[1] + 2u;
}

static void test_random(void)
{
    static uint8_t data[8000];

    srand(5);
    for (int run = 0; run < RUNS; run++) {
        size_t n = 0;

        while (n < 1500 && rand() % 100)
            n += rand() % 8 ? sane(data + n) : wild(data + n);
        CU_ASSERT_EQUAL(LLVMFuzzerTestOneInput(data, n), 0);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"the corpus, and near it", test_corpus},
        {"random steps", test_random},
        CU_TEST_INFO_NULL,
    };
    return suite_run("xenstore random bytes", NULL, tests);
}
