# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
#
# Which source kernels are built from ($source, which tree.sh fetches), and names for
# what is built from it and from this checkout. Needs no lock: what is built already
# is found while others build.

. lab/lib.sh

package=linux-source-$KERNEL
# Asked once: what this script starts knows it from here.
: "${LAB_SOURCE_VERSION:=$({ alone apt-cache show --no-all-versions "$package" 2>/dev/null || true; } | sed -n 's/^Version: //p')}"
export LAB_SOURCE_VERSION
version=$LAB_SOURCE_VERSION
source=$CACHE/source/${package}_$version

# A name for what is built from these files and directories.
key_of() {
	{
		echo "$version $ARCH"
		"${CROSS}gcc" --version
		find "$@" -type f | sort | xargs sha256sum
	} | sha256sum | cut -c1-16
}
