# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
#
# Sets the kernel source to build from ($source, which tree.sh fetches), and names the
# results that are built from it and from this checkout. It takes no lock, so that an
# existing result is found while others build.

. lab/lib.sh

[ -e "patches/$KERNEL/series" ] || die "There are no patches for Linux $KERNEL, but for $(cd patches && echo *)"
# Asked once: the scripts that this one starts inherit the answer.
[[ ${LAB_PACKAGE-} = "linux-source-$KERNEL "* ]] || LAB_PACKAGE=$(lab/package.sh)
export LAB_PACKAGE
name_source() {
	read -r package version apt <<<"$LAB_PACKAGE"
	source=$CACHE/source/${package}_$version
}
name_source

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
