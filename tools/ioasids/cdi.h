/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The description of /dev/ioasid for container engines that know CDI, the Container Device
 * Interface.
 */
#ifndef _CDI_H
#define _CDI_H

#define DEVICE		"/dev/ioasid"

#define CDI_KIND	"ioasids/ioasid"
#define CDI_NAME	"all"
#define CDI_DEVICE	CDI_KIND "=" CDI_NAME
#define CDI_FILE	"ioasids.json"

#define OCI_HOOK	LIBEXECDIR "/oci-hook"

#endif
