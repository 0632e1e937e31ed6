/* SPDX-License-Identifier: MIT */
/* The ELF inside a bzImage; see image.h. Header fields: Linux/x86 boot protocol, 2.08 and later. */
#include <lzma.h>
#include <string.h>
#include <sys/mman.h>
#include "tools/lib/image.h"

enum { SETUP_SECTS = 0x1f1, VERSION = 0x206, PAYLOAD_OFFSET = 0x248, PAYLOAD_LENGTH = 0x24c };

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Where the compressed kernel lies; the last four bytes of it are the unpacked size. */
static int find_payload(const uint8_t *data, size_t size, const uint8_t **payload, size_t *len, struct err *e)
{
    uint64_t sects = data[SETUP_SECTS] ? data[SETUP_SECTS] : 4;
    uint64_t at = (sects + 1) * 512 + get32(data + PAYLOAD_OFFSET);
    uint64_t n = get32(data + PAYLOAD_LENGTH);
    if ((data[VERSION] | data[VERSION + 1] << 8) < 0x208)
        return err_set(e, "bzImage: boot protocol is older than 2.08");
    if (at > size || n > size - at || n < 16)
        return err_set(e, "bzImage: payload_offset and payload_length reach beyond the file");
    *payload = data + at;
    *len = n;
    return 0;
}

static int decode(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size, struct err *e)
{
    lzma_stream s = LZMA_STREAM_INIT;
    if (lzma_stream_decoder(&s, 256u << 20, 0) != LZMA_OK)
        return err_set(e, "bzImage: out of memory");
    s.next_in = in;
    s.avail_in = in_size;
    s.next_out = out;
    s.avail_out = out_size;
    lzma_ret r = lzma_code(&s, LZMA_FINISH);
    size_t got = s.total_out;
    lzma_end(&s);
    if (r != LZMA_STREAM_END || got != out_size)
        return err_set(e, "bzImage: XZ payload is damaged (%s)", r == LZMA_STREAM_END ? "wrong size" : "decoder error");
    return 0;
}

int image_unpack_bzimage(const uint8_t *data, size_t size, const uint8_t **out, size_t *out_size, struct err *e)
{
    static const uint8_t xz_magic[6] = {0xfd, '7', 'z', 'X', 'Z', 0};
    const uint8_t *payload = NULL;
    size_t len = 0;
    if (size < PAYLOAD_LENGTH + 4)
        return err_set(e, "bzImage: too short");
    if (find_payload(data, size, &payload, &len, e))
        return -1;
    if (memcmp(payload, xz_magic, sizeof(xz_magic)))
        return err_set(e, "bzImage: payload is not XZ; give the vmlinux ELF instead");
    size_t want = get32(payload + len - 4);
    if (want == 0 || want > IMAGE_MAX_BYTES)
        return err_set(e, "bzImage: unpacked size %zu is out of range", want);
    void *p = mmap(NULL, want, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return err_set(e, "bzImage: no memory for %zu bytes", want);
    if (decode(payload, len - 4, p, want, e)) {
        munmap(p, want);
        return -1;
    }
    *out = p;
    *out_size = want;
    return 0;
}
