/* SPDX-License-Identifier: MIT */
/* Guest kernel images; see image.h. ELF-64 object file format; PHYS32_ENTRY: xen/elfnote.h. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xen/elfnote.h>
#include "tools/lib/image.h"

int file_map(const char *path, const char *what, const uint8_t **data, size_t *size, struct err *e)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(e, "%s: %s: %s", what, path, strerror(errno));
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size <= 0) {
        close(fd);
        return err_set(e, "%s: %s: %s", what, path, S_ISREG(st.st_mode) ? "empty file" : "not a regular file");
    }
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    int error = errno;
    close(fd);
    if (p == MAP_FAILED)
        return err_set(e, "%s: %s: %s", what, path, strerror(error));
    *data = p;
    *size = (size_t)st.st_size;
    return 0;
}

void file_unmap(const uint8_t *data, size_t size)
{
    if (data)
        munmap((void *)(uintptr_t)data, size);
}

/* [offset, offset + len) lies within size. */
static bool within(uint64_t offset, uint64_t len, uint64_t size)
{
    return offset <= size && len <= size - offset;
}

/* Looks for the entry note in one PT_NOTE area; 1 found, 0 not, -1 malformed. */
static int find_entry(const uint8_t *notes, uint64_t size, uint64_t *entry)
{
    uint64_t at = 0;
    while (size - at >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr n;
        memcpy(&n, notes + at, sizeof(n));
        at += sizeof(n);
        uint64_t name = at, desc = name + (((uint64_t)n.n_namesz + 3) & ~3ull);
        uint64_t next = desc + (((uint64_t)n.n_descsz + 3) & ~3ull);
        if (!within(name, n.n_namesz, size) || !within(desc, n.n_descsz, size))
            return -1;
        if (n.n_type == XEN_ELFNOTE_PHYS32_ENTRY && n.n_namesz == 4 && !memcmp(notes + name, "Xen", 4)) {
            if (n.n_descsz != 4 && n.n_descsz != 8)
                return -1;
            *entry = 0;
            memcpy(entry, notes + desc, n.n_descsz);
            return 1;
        }
        if (next > size)
            break;
        at = next;
    }
    return 0;
}

static int add_segment(struct image *image, const Elf64_Phdr *ph, struct err *e)
{
    if (ph->p_memsz == 0)
        return 0;
    if (!within(ph->p_offset, ph->p_filesz, image->size))
        return err_set(e, "ELF segment at paddr %#llx: p_offset/p_filesz reach beyond the file",
                       (unsigned long long)ph->p_paddr);
    if (ph->p_filesz > ph->p_memsz)
        return err_set(e, "ELF segment at paddr %#llx: p_filesz is larger than p_memsz", (unsigned long long)ph->p_paddr);
    if (!within(ph->p_paddr, ph->p_memsz, 1ull << 32))
        return err_set(e, "ELF segment: p_paddr %#llx with p_memsz %#llx does not lie below 4 GiB",
                       (unsigned long long)ph->p_paddr, (unsigned long long)ph->p_memsz);
    if (image->nr_segments == IMAGE_MAX_SEGMENTS)
        return err_set(e, "ELF: more than %u segments to load", IMAGE_MAX_SEGMENTS);
    struct image_segment *s = &image->segment[image->nr_segments++];
    *s = (struct image_segment){ph->p_offset, ph->p_filesz, ph->p_paddr, ph->p_memsz};
    if (s->paddr < image->low)
        image->low = s->paddr;
    if (s->paddr + s->mem_size > image->high)
        image->high = s->paddr + s->mem_size;
    return 0;
}

static int check_header(const Elf64_Ehdr *eh, size_t size, struct err *e)
{
    if (memcmp(eh->e_ident, ELFMAG, SELFMAG))
        return err_set(e, "neither an ELF file nor a bzImage");
    if (eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_ident[EI_DATA] != ELFDATA2LSB || eh->e_machine != EM_X86_64)
        return err_set(e, "not a 64-bit x86 ELF file");
    if (eh->e_type != ET_EXEC && eh->e_type != ET_DYN)
        return err_set(e, "ELF: e_type %u is not an executable", eh->e_type);
    if (eh->e_phentsize != sizeof(Elf64_Phdr) || eh->e_phnum == 0 ||
        !within(eh->e_phoff, (uint64_t)eh->e_phnum * sizeof(Elf64_Phdr), size))
        return err_set(e, "ELF: program headers (e_phoff, e_phnum) reach beyond the file");
    return 0;
}

static int check_entry(struct image *image, uint64_t entry, struct err *e)
{
    for (unsigned i = 0; i < image->nr_segments; i++) {
        const struct image_segment *s = &image->segment[i];
        if (entry >= s->paddr && entry - s->paddr < s->file_size) {
            image->entry = (uint32_t)entry;
            return 0;
        }
    }
    return err_set(e, "ELF: PHYS32_ENTRY %#llx lies in no loaded segment", (unsigned long long)entry);
}

int image_parse_elf(const uint8_t *data, size_t size, struct image *image, struct err *e)
{
    Elf64_Ehdr eh;
    uint64_t entry = 0;
    int found = 0;
    memset(image, 0, sizeof(*image));
    image->data = data;
    image->size = size;
    image->low = UINT64_MAX;
    if (size < sizeof(eh))
        return err_set(e, "too short for an ELF header");
    memcpy(&eh, data, sizeof(eh));
    if (check_header(&eh, size, e))
        return -1;
    for (unsigned i = 0; i < eh.e_phnum; i++) {
        Elf64_Phdr ph;
        memcpy(&ph, data + eh.e_phoff + i * sizeof(ph), sizeof(ph));
        if (ph.p_type == PT_LOAD && add_segment(image, &ph, e))
            return -1;
        if (ph.p_type != PT_NOTE || found)
            continue;
        if (!within(ph.p_offset, ph.p_filesz, size))
            return err_set(e, "ELF: a note segment reaches beyond the file");
        found = find_entry(data + ph.p_offset, ph.p_filesz, &entry);
        if (found < 0)
            return err_set(e, "ELF: malformed note");
    }
    if (!image->nr_segments)
        return err_set(e, "ELF: nothing to load");
    if (!found)
        return err_set(e, "ELF: no note XEN_ELFNOTE_PHYS32_ENTRY, not a PVH kernel");
    return check_entry(image, entry, e);
}

int image_open(const char *path, struct image *image, struct err *e)
{
    const uint8_t *data, *elf;
    size_t size, elf_size;
    memset(image, 0, sizeof(*image));
    if (file_map(path, "kernel", &data, &size, e))
        return -1;
    if (size >= 0x264 && !memcmp(data + 0x202, "HdrS", 4)) {
        int rc = image_unpack_bzimage(data, size, &elf, &elf_size, e);
        file_unmap(data, size);
        if (rc)
            return err_prefix(e, "kernel: %s", path);
        data = elf;
        size = elf_size;
    }
    if (image_parse_elf(data, size, image, e)) {
        file_unmap(data, size);
        return err_prefix(e, "kernel: %s", path);
    }
    image->mapped = true;
    return 0;
}

void image_close(struct image *image)
{
    if (image->mapped)
        file_unmap(image->data, image->size);
    memset(image, 0, sizeof(*image));
}
