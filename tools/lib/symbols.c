/* SPDX-License-Identifier: MIT */
/* See symbols.h. An ELF file is read as the ELF-64 specification has it; every offset in it is checked against its size. */
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "tools/lib/symbols.h"

#define LONGEST 0x100000u /* no function has more bytes */

int symbols_add(struct symbols *t, uint64_t address, const char *name)
{
    if (t->n == t->room) {
        size_t room = t->room ? 2 * t->room : 1024;
        struct symbol *more = realloc(t->s, room * sizeof(*more));
        if (!more)
            return -1;
        t->s = more;
        t->room = room;
    }
    struct symbol *s = &t->s[t->n];
    s->address = address;
    s->name = strdup(name);
    if (!s->name)
        return -1;
    t->n++;
    return 0;
}

static int by_address(const void *a, const void *b)
{
    const struct symbol *x = a, *y = b;
    return x->address < y->address ? -1 : x->address > y->address;
}

void symbols_sort(struct symbols *t)
{
    if (t->n)
        qsort(t->s, t->n, sizeof(*t->s), by_address);
}

const char *symbols_find(const struct symbols *t, uint64_t address, uint64_t *offset)
{
    size_t lo = 0, hi = t->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (t->s[mid].address <= address)
            lo = mid + 1;
        else
            hi = mid;
    }
    *offset = lo ? address - t->s[lo - 1].address : 0;
    return lo && *offset < LONGEST ? t->s[lo - 1].name : NULL;
}

void symbols_free(struct symbols *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->s[i].name);
    free(t->s);
    *t = (struct symbols){0};
}

/* --- files --- */

static int load_map(struct symbols *t, FILE *f, struct err *e)
{
    char line[1024], type, name[512];
    unsigned long long address;
    while (fgets(line, sizeof(line), f)) {
        if (sscanf(line, "%llx %c %511s", &address, &type, name) != 3)
            return err_set(e, "no line \"address type name\": %.40s", line);
        if (strchr("TtWw", type) && address && symbols_add(t, address, name))
            return err_set(e, "no memory");
    }
    return ferror(f) ? err_set(e, "%s", strerror(errno)) : 0;
}

static bool within(size_t size, uint64_t at, uint64_t n) { return at <= size && n <= size - at; }

static int load_table(struct symbols *t, const char *file, size_t size, const Elf64_Shdr *table, const Elf64_Shdr *names, struct err *e)
{
    if (!within(size, table->sh_offset, table->sh_size) || !within(size, names->sh_offset, names->sh_size) || !names->sh_size ||
        file[names->sh_offset + names->sh_size - 1])
        return err_set(e, "its symbol table lies beyond its end");
    for (uint64_t i = 0; i < table->sh_size / sizeof(Elf64_Sym); i++) {
        Elf64_Sym s;
        memcpy(&s, file + table->sh_offset + i * sizeof(s), sizeof(s));
        unsigned type = ELF64_ST_TYPE(s.st_info);
        bool code = (type == STT_FUNC || type == STT_NOTYPE) && s.st_shndx != SHN_UNDEF && s.st_shndx < SHN_LORESERVE;
        if (code && s.st_name < names->sh_size && file[names->sh_offset + s.st_name] &&
            symbols_add(t, s.st_value, file + names->sh_offset + s.st_name))
            return err_set(e, "no memory");
    }
    return 0;
}

static int load_elf(struct symbols *t, const char *file, size_t size, struct err *e)
{
    Elf64_Ehdr h;
    if (size < sizeof(h))
        return err_set(e, "it ends within its head");
    memcpy(&h, file, sizeof(h));
    if (h.e_ident[EI_CLASS] != ELFCLASS64 || h.e_ident[EI_DATA] != ELFDATA2LSB || h.e_shentsize != sizeof(Elf64_Shdr) ||
        !within(size, h.e_shoff, (uint64_t)h.e_shnum * sizeof(Elf64_Shdr)))
        return err_set(e, "not a 64-bit ELF file with sections");
    for (unsigned i = 0; i < h.e_shnum; i++) {
        Elf64_Shdr s, names;
        memcpy(&s, file + h.e_shoff + i * sizeof(s), sizeof(s));
        if (s.sh_type != SHT_SYMTAB)
            continue;
        if (s.sh_link >= h.e_shnum)
            return err_set(e, "its symbols' names are in no section");
        memcpy(&names, file + h.e_shoff + s.sh_link * sizeof(names), sizeof(names));
        return load_table(t, file, size, &s, &names, e);
    }
    return err_set(e, "it has no symbol table (stripped)");
}

static int map_elf(struct symbols *t, FILE *f, struct err *e)
{
    struct stat st;
    if (fstat(fileno(f), &st) || st.st_size <= 0)
        return err_set(e, "%s", "its size is not known");
    size_t size = (size_t)st.st_size;
    void *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fileno(f), 0);
    if (p == MAP_FAILED)
        return err_set(e, "%s", strerror(errno));
    int rc = load_elf(t, p, size, e);
    munmap(p, size);
    return rc;
}

int symbols_load(struct symbols *t, const char *path, struct err *e)
{
    char magic[SELFMAG] = "";
    struct err why;
    size_t before = t->n;
    FILE *f = fopen(path, "r");
    if (!f)
        return err_set(e, "%s: %s", path, strerror(errno));
    bool elf = fread(magic, 1, sizeof(magic), f) == sizeof(magic) && memcmp(magic, ELFMAG, SELFMAG) == 0;
    rewind(f);
    int rc = elf ? map_elf(t, f, &why) : load_map(t, f, &why);
    fclose(f);
    if (rc)
        return err_set(e, "%s: %s", path, why.text);
    return t->n > before ? 0 : err_set(e, "%s: no function's address in it", path);
}
