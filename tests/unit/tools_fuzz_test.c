/* SPDX-License-Identifier: MIT */
/* Short runs of tests/fuzz/tools.c: valid inputs with a few bytes changed, cut short or doubled. */
#include <elf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "suite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RUNS 20000
#define ROOM 4096u

static const char config[] =
    "name = \"disk\" # comment\nkernel='disk.elf'; memory=16\nvcpus = 0x2\nextra = \"a\\n\\x41\\101\"\n"
    "pci = [ '0000:00:04.0,permissive=0', \"00:05.1\", ]\ndriver_domain=1\non_crash=\"restart\"\ncpus=\"0-3,^2\"\n"
    "disk += [ 'backend=disk,vdev=xvda,target=nvme0n1p1,discard',\n 'phy,raw,xvdb,r' ]\nvif=['mac=00:16:3e:00:00:01']\n"
    "uuid=\"01234567-89ab-cdef-0123-456789abcdef\"\nfoo=[1,-2,3]\n";
static const char *const specs[] = {"backend=disk, vdev=xvda1,target=nvme0n1p1,access=r,no-discard",
                                    "mac=00:16:3e:01:02:03,bridge=br0,backend=net", "0000:00:04.0,unsafe", "0-3,^2,7,all"};

/* A small kernel with a note and two segments. */
static size_t make_elf(uint8_t *p)
{
    struct { uint32_t namesz, descsz, type; char name[4]; uint32_t desc; } note = {4, 4, 18, "Xen", 0x100000};
    Elf64_Ehdr eh = {.e_type = ET_EXEC, .e_machine = EM_X86_64, .e_phoff = sizeof(eh), .e_phnum = 3,
                     .e_phentsize = sizeof(Elf64_Phdr)};
    Elf64_Phdr ph[3] = {{.p_type = PT_LOAD, .p_offset = 0, .p_filesz = 512, .p_memsz = 4096, .p_paddr = 0x100000},
                        {.p_type = PT_LOAD, .p_offset = 256, .p_filesz = 256, .p_memsz = 256, .p_paddr = 0x102000},
                        {.p_type = PT_NOTE, .p_offset = 400, .p_filesz = sizeof(note), .p_memsz = sizeof(note)}};
    memset(p, 0, 512);
    memcpy(eh.e_ident, ELFMAG, SELFMAG);
    eh.e_ident[EI_CLASS] = ELFCLASS64;
    eh.e_ident[EI_DATA] = ELFDATA2LSB;
    memcpy(p, &eh, sizeof(eh));
    memcpy(p + sizeof(eh), ph, sizeof(ph));
    memcpy(p + 400, &note, sizeof(note));
    return 512;
}

static size_t make_bzimage(uint8_t *p)
{
    memset(p, 0, 2048);
    p[0x1f1] = 1;
    memcpy(p + 0x202, "HdrS", 4);
    p[0x206] = 0x0f;
    p[0x207] = 2;
    p[0x24d] = 1; /* payload of 256 bytes at 1024 */
    memcpy(p + 1024, "\xfd" "7zXZ", 6);
    p[1024 + 253] = 4;
    return 2048;
}

static size_t seed(unsigned kind, uint8_t *p)
{
    if (kind == 1)
        return make_elf(p);
    if (kind == 2)
        return make_bzimage(p);
    const char *text = kind == 0 ? config : specs[kind - 3];
    memcpy(p, text, strlen(text));
    return strlen(text);
}

static size_t mutate(uint8_t *p, size_t n)
{
    for (int i = rand() % 6; i > 0; i--) {
        size_t at = (size_t)rand() % n;
        switch (rand() % 5) {
        case 0: p[at] = (uint8_t)rand(); break;
        case 1: p[at] ^= (uint8_t)(1u << rand() % 8); break;
        case 2: p[at] = (uint8_t)"\"',=[]\\#\n;^-0\xff"[rand() % 14]; break;
        case 3: n = at + 1; break;
        default:
            if (n * 2 < ROOM) {
                memmove(p + at + n - at, p + at, n - at);
                n += n - at;
            }
            break;
        }
    }
    return n;
}

static void test_mutations(void)
{
    static uint8_t buf[ROOM + 1];
    srand(1);
    for (unsigned run = 0; run < RUNS; run++) {
        unsigned kind = run % 7;
        buf[0] = (uint8_t)kind;
        size_t n = seed(kind, buf + 1);
        uint8_t *exact = malloc(1 + (n = run < 7 ? n : mutate(buf + 1, n))); /* so that ASan sees the end */
        CU_ASSERT_PTR_NOT_NULL_FATAL(exact);
        memcpy(exact, buf, n + 1);
        CU_ASSERT_EQUAL(LLVMFuzzerTestOneInput(exact, n + 1), 0);
        free(exact);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"mutated inputs", test_mutations},
        CU_TEST_INFO_NULL,
    };
    return suite_run("tools fuzz", NULL, tests);
}
