/* SPDX-License-Identifier: MIT */
/* The state file: see statefile.h. */
#define _GNU_SOURCE
#include "xenstore/transport/statefile.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEP (256u << 10)   /* a file grows by at least that */
#define SLACK (1u << 20)    /* and is written anew at twice its first size and this */
#define RETRY_TURNS 100000u /* rounds until it is tried again, after it could not be written */

struct head {
    char magic[8]; /* "bhstore1" */
    uint32_t running, zero;
    uint64_t committed;
    uint64_t pad;
};

/* A mapped file; the records are behind the head. */
struct file {
    struct journal journal; /* first: the core knows it by this address */
    struct head *head;
    size_t size; /* mapped */
    size_t base; /* records when it was begun */
    int fd;
};

static const char magic[8] = "bhstore1";
static struct file *current;
static char *current_path;
static unsigned retry;

static void place(struct file *f, void *mem, size_t size)
{
    f->head = mem;
    f->size = size;
    f->journal.buf.bytes = (char *)mem + sizeof(*f->head);
    f->journal.buf.room = size - sizeof(*f->head);
    f->journal.committed = &f->head->committed;
    f->journal.running = &f->head->running;
}

static bool grow(struct sbuf *b, size_t room)
{
    struct file *f = (struct file *)b;
    size_t size = (sizeof(*f->head) + room + f->size / 4 + STEP) & ~(size_t)4095;
    void *mem;

    if (posix_fallocate(f->fd, 0, (off_t)size)) /* else a full filesystem would be a signal in the middle of a request */
        return false;
    mem = f->head ? mremap(f->head, f->size, size, MREMAP_MAYMOVE) : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
    if (mem == MAP_FAILED)
        return false;
    place(f, mem, size);
    return true;
}

static void file_free(struct file *f)
{
    if (!f)
        return;
    if (f->head)
        munmap(f->head, f->size);
    close(f->fd);
    free(f);
}

/* Takes over fd. NULL: no room. */
static struct file *file_new(struct store *s, int fd, bool live)
{
    struct file *f = calloc(1, sizeof(*f));

    if (!f) {
        close(fd);
        return NULL;
    }
    f->fd = fd;
    f->journal.buf.grow = grow;
    if (grow(&f->journal.buf, 0)) {
        state_dump(s, &f->journal.buf, live);
        if (!f->journal.buf.failed) {
            f->base = f->journal.buf.used;
            f->head->committed = f->base;
            memcpy(f->head->magic, magic, sizeof(magic)); /* last: until then it is no state */
            return f;
        }
    }
    file_free(f);
    errno = ENOSPC;
    return NULL;
}

static bool write_anew(struct store *s)
{
    char next[4096];
    struct file *f = NULL;
    int fd = -1;

    if (snprintf(next, sizeof(next), "%s.new", current_path) < (int)sizeof(next))
        fd = open(next, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0)
        f = file_new(s, fd, false);
    if (!f || rename(next, current_path)) {
        store_log(s, "state %s: %s; a crash would lose the registry", current_path, strerror(errno));
        file_free(f);
        unlink(next);
        return false;
    }
    file_free(current);
    current = f;
    s->journal = &f->journal;
    return true;
}

bool statefile_begin(struct store *s, const char *path)
{
    current_path = strdup(path);
    return current_path && write_anew(s);
}

void statefile_tend(struct store *s)
{
    const struct sbuf *b;

    if (!current_path)
        return;
    if (!current) {
        if (retry++ % RETRY_TURNS == 0)
            write_anew(s);
        return;
    }
    b = &current->journal.buf;
    if ((!b->failed && b->used <= 2 * current->base + SLACK) || write_anew(s))
        return;
    if (!b->failed) {
        current->base = b->used; /* keep what is there, and try later */
        return;
    }
    retry = 1;
    s->journal = NULL; /* what is there is not the state any more */
    file_free(current);
    current = NULL;
    unlink(current_path);
}

void statefile_end(struct store *s)
{
    s->journal = NULL;
    file_free(current);
    current = NULL;
    if (current_path)
        unlink(current_path);
    free(current_path);
    current_path = NULL;
}

int statefile_live(struct store *s)
{
    int fd = memfd_create("xenstored", MFD_CLOEXEC), copy = fd < 0 ? -1 : dup(fd);
    struct file *f = copy < 0 ? NULL : file_new(s, copy, true);

    if (!f && fd >= 0) {
        close(fd);
        fd = -1;
    }
    file_free(f);
    return fd;
}

static const char *check(const struct head *h, size_t size)
{
    if (size < sizeof(*h) || memcmp(h->magic, magic, sizeof(magic)))
        return "it is no state of this version";
    if (h->committed > size - sizeof(*h))
        return "it is cut";
    return NULL;
}

enum statefile statefile_load(struct store *s, const char *path, int fd)
{
    const char *wrong, *name = fd < 0 ? path : "handed over";
    struct stat st;
    struct head *h;

    if (fd < 0)
        fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return STATEFILE_NONE;
    if (fd < 0 || fstat(fd, &st) || (h = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0)) == MAP_FAILED) {
        store_log(s, "state %s: %s", name, strerror(errno));
        if (fd >= 0)
            close(fd);
        return STATEFILE_BAD;
    }
    close(fd);
    wrong = check(h, (size_t)st.st_size);
    if (!wrong)
        wrong = state_load(s, (const char *)(h + 1), h->committed, h->running);
    if (wrong)
        store_log(s, "state %s: %s", name, wrong);
    else
        store_log(s, "state %s: %llu bytes", name, (unsigned long long)h->committed);
    munmap(h, (size_t)st.st_size);
    return wrong ? STATEFILE_BAD : STATEFILE_LOADED;
}
