/* SPDX-License-Identifier: MIT */
/* The state file: see statefile.h. */
#define _GNU_SOURCE
#include "xenstore/transport/statefile.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAPPED ((size_t)1 << 36) /* addresses for a file: it is never mapped anew, which would take its size's time */
#define STEP (128u << 10)   /* a file grows by that, beyond what is wanted */
#define PART_NODES 250u     /* written in a turn: a tenth of a millisecond */
#define PART_BYTES (1u << 20) /* copied or given back in a turn */
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
    size_t size; /* of what is mapped, what is there */
    size_t base; /* records when it was begun */
    int fd;
    struct snapshot part; /* while it is being written */
    size_t copied;        /* of the current file's records: those before are in the snapshot, or behind it */
    size_t seen;          /* of them at the last look */
};

static const char magic[8] = "bhstore1";
static struct file *current;
static struct file *next; /* takes its place when it is complete */
static struct file *old;  /* had its place: given back by and by */
static char *current_path;
static unsigned retry;

static bool grow(struct sbuf *b, size_t room)
{
    struct file *f = (struct file *)b;
    size_t size = (sizeof(*f->head) + room + STEP) & ~(size_t)4095;

    if (size > MAPPED || posix_fallocate(f->fd, (off_t)f->size, (off_t)(size - f->size)))
        return false; /* else a full filesystem would be a signal in the middle of a request */
    f->size = size;
    b->room = size - sizeof(*f->head);
    return true;
}

static bool map(struct file *f)
{
    void *mem = mmap(NULL, MAPPED, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);

    if (mem == MAP_FAILED)
        return false;
    f->head = mem;
    f->journal.buf.bytes = (char *)mem + sizeof(*f->head);
    f->journal.committed = &f->head->committed;
    f->journal.running = &f->head->running;
    return true;
}

static void file_free(struct file *f)
{
    if (!f)
        return;
    state_end(&f->part);
    if (f->head)
        munmap(f->head, MAPPED);
    close(f->fd);
    free(f);
}

/* An empty one. Takes over fd. NULL: no room. */
static struct file *file_new(int fd)
{
    struct file *f = calloc(1, sizeof(*f));

    if (!f) {
        close(fd);
        return NULL;
    }
    f->fd = fd;
    f->journal.buf.grow = grow;
    if (map(f) && grow(&f->journal.buf, 0))
        return f;
    file_free(f);
    errno = ENOSPC;
    return NULL;
}

/* All records are in it: it is a state from now on. */
static bool complete(struct file *f)
{
    if (f->journal.buf.failed) {
        errno = ENOSPC;
        return false;
    }
    f->base = f->journal.buf.used;
    f->head->committed = f->base;
    memcpy(f->head->magic, magic, sizeof(magic)); /* last: until then it is no state */
    return true;
}

static void next_path(char path[4096])
{
    if (snprintf(path, 4096, "%s.new", current_path) >= 4096)
        path[0] = 0;
}

static void give_up(struct store *s)
{
    char path[4096];

    store_log(s, "state %s: %s; %s", current_path, strerror(errno),
              current ? "it is not written anew for now" : "a crash would lose the registry");
    next_path(path);
    file_free(next);
    next = NULL;
    unlink(path);
}

/* Begin a file that will take the current one's place. */
static bool begin_anew(struct store *s)
{
    char path[4096];
    int fd;

    next_path(path);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    next = fd >= 0 ? file_new(fd) : NULL;
    if (!next) {
        give_up(s);
        return false;
    }
    next->copied = next->seen = current ? current->journal.buf.used : 0;
    state_begin(s, &next->journal.buf, &next->part);
    return true;
}

/* Behind the snapshot comes what has changed since, a part and as much as has come in this turn. Returns whether that is all. */
static bool catch_up(void)
{
    const struct sbuf *b = &current->journal.buf;
    size_t n = b->used - next->copied, most = PART_BYTES + b->used - next->seen; /* so it ends, whatever comes in a turn */

    if (n > most)
        n = most;
    state_append(&next->journal.buf, b->bytes + next->copied, n);
    next->copied += n;
    next->seen = b->used;
    return next->copied == b->used || next->journal.buf.failed;
}

/* Go on with it. Returns false as long as it is not in its place; then `next` is NULL if it could not be written. */
static bool go_on(struct store *s, unsigned nodes)
{
    char path[4096];

    if (!state_more(&next->part, &next->journal.buf, nodes)) {
        next->seen = current ? current->journal.buf.used : 0;
        return false;
    }
    if ((current && !catch_up()) || !state_rings(s, &next->part, &next->journal.buf, nodes))
        return false;
    next_path(path);
    if (!complete(next) || rename(path, current_path)) {
        give_up(s);
        return false;
    }
    state_end(&next->part);
    old = current;
    current = next;
    next = NULL;
    s->journal = &current->journal;
    return true;
}

/* All of it at once: at the start, or when there is no good file. */
static bool write_anew(struct store *s)
{
    file_free(old);
    old = NULL;
    file_free(next);
    next = NULL;
    if (!begin_anew(s))
        return false;
    while (next)
        if (go_on(s, UINT_MAX))
            return true;
    return false;
}

/* A file's memory is given back in parts too. */
static void shrink(struct file *f)
{
    size_t size = f->size > PART_BYTES ? f->size - PART_BYTES : 0;

    if (!size || ftruncate(f->fd, (off_t)size)) {
        file_free(f);
        old = NULL;
        return;
    }
    f->size = size;
}

bool statefile_begin(struct store *s, const char *path)
{
    current_path = strdup(path);
    return current_path && write_anew(s);
}

/* The current one's last record found no room: it is not the state any more. */
static void replace_failed(struct store *s)
{
    struct file *failed = current;

    current = NULL;
    s->journal = NULL;
    if (!write_anew(s)) {
        retry = 1;
        unlink(current_path);
    }
    file_free(failed);
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
    if (b->failed)
        replace_failed(s);
    else if (old)
        shrink(old);
    else if (next ? !go_on(s, PART_NODES) && !next : b->used > 2 * current->base + SLACK && !begin_anew(s))
        current->base = b->used; /* keep what is there, and try later */
}

void statefile_end(struct store *s)
{
    char path[4096];

    s->journal = NULL;
    file_free(old);
    file_free(next);
    file_free(current);
    if (current_path) {
        next_path(path);
        unlink(path);
        unlink(current_path);
    }
    free(current_path);
    old = next = current = NULL;
    current_path = NULL;
}

int statefile_live(struct store *s)
{
    int fd = memfd_create("xenstored", MFD_CLOEXEC), copy = fd < 0 ? -1 : dup(fd);
    struct file *f = copy < 0 ? NULL : file_new(copy);
    bool ok = f;

    if (ok)
        state_dump(s, &f->journal.buf, true);
    ok = ok && complete(f);
    if (!ok && fd >= 0) {
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
