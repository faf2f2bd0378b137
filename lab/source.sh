# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
#
# Sets the kernel source to build from ($source, which tree.sh fetches), and names the
# results that are built from it and from this checkout. It takes no lock, so that an
# existing result is found while others build.

. lab/lib.sh

package=linux-source-$KERNEL
# Asked once: the scripts that this one starts inherit the answer.
: "${LAB_SOURCE_VERSION:=$({ alone apt-cache show --no-all-versions "$package" 2>/dev/null || true; } |
	awk -v name="$package" '$1 == "Package:" { ours = $2 == name } $1 == "Version:" && ours { print $2 }')}"
export LAB_SOURCE_VERSION
version=$LAB_SOURCE_VERSION
source=$CACHE/source/${package}_$version

# Sources of the project that are built into a kernel, and the two files that
# lab/coverage.sh measures.
parts=("patches/$KERNEL" drivers include kernel)
measured=(drivers/iommu/ioasid.c kernel/cgroup/ioasids.c)

# key_of PATH...: a key for a result that is built from these files and directories.
key_of() {
	{
		echo "$version $ARCH"
		"${CROSS}gcc" --version
		find "$@" -type f -print0 | sort -z | xargs -0 sha256sum
	} | sha256sum | cut -c1-16
}
