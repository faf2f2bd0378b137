/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _FILE_H
#define _FILE_H

#include <stddef.h>

/*
 * Writes @text to a temporary file, which takes the place of @file. A program that reads @file
 * sees the old text or the new one. The name of the temporary file has another end, so that
 * node_exporter (*.prom) and engines with CDI (*.json) do not read it. A device or a link is
 * not replaced.
 */
int replace_file(const char *file, const char *text, size_t length);

#endif
