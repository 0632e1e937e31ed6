/* SPDX-License-Identifier: MIT */
#ifndef FAKE_HV_H
#define FAKE_HV_H
#include <stdint.h>
extern unsigned fake_locks_held;
void fake_memory(uint64_t bytes); /* `bytes` of fake RAM given to the frame allocator, the first MiB left out */
#endif
