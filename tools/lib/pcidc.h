/* SPDX-License-Identifier: MIT */
/* Client of pcid's socket (docs/interfaces.md): one request a line, one answer line. */
#ifndef TOOLS_PCIDC_H
#define TOOLS_PCIDC_H
#include <stddef.h>
#include "tools/lib/err.h"

#define PCID_SOCKET "/run/bulkhead/pcid"

/* Sends a line without its newline; answer gets what follows "ok ". 0, or -1 with pcid's error in e. Waits at most 30 s. */
int pcid_request(const char *line, char *answer, size_t size, struct err *e);
/* A stream socket connected to a Unix path, or -1 with errno. */
int unix_connect(const char *path);
/* Listening socket at path (an old one is removed), mode 0600, non-blocking, or -1 with errno. */
int unix_listen(const char *path);
#endif
