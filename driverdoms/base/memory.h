/* SPDX-License-Identifier: MIT */
/*
 * How much memory a driver domain uses, for whoever wants to know: writing "?" to its node `control/memory` gets "USED of ALL, at most MOST" there a moment
 * later, in KiB. Nothing is written unasked.
 */
#ifndef DRIVERDOMS_MEMORY_H
#define DRIVERDOMS_MEMORY_H
void memory_tell(void); /* from now on */
#endif
