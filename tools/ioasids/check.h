/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of 'ioasidctl check' share.
 */
#ifndef _CHECK_H
#define _CHECK_H

#include <stdbool.h>

/* Prints one result. @advice is what to do about it, or why it is so. */
void tell(const char *verdict, const char *fact, const char *advice);

/* Prints @fact if @so is true, and otherwise @opposite with @advice. */
bool expect(bool so, const char *fact, const char *opposite, const char *advice);

bool exists(const char *path);

/* Which container engines are installed, and whether they put a limit into effect. */
void check_engines(void);

#endif
