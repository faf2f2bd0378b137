# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Makes $tree: the kernel's source ($source, never changed) with the files that this
# checkout changes or adds ($ours). The cache stays locked until the script that
# sourced this ends.

. lab/source.sh

mkdir -p "$CACHE"/{source,tree,build,kernel,initramfs}
exec 9>"$CACHE/lock"
flock -n 9 || { say "Waiting for another make to leave $CACHE"; flock 9; }

fetch() {
	say "Fetching $package $version"
	want_space 3000
	new=$CACHE/source/new
	rm -rf "$new"
	mkdir -p "$new/tree"
	(cd "$new" && apt-get -c "$apt" -o APT::Sandbox::User=root download "$package=$version" >&2) || return
	say "Unpacking it"
	# The graphics drivers, a third of the source, are not configured anywhere.
	dpkg-deb --fsys-tarfile "$new"/*.deb | tar -xO "./usr/src/$package.tar.xz" |
		XZ_DEFAULTS=-T0 tar -xJ --strip-components=1 --exclude='*/drivers/gpu/*.[ch]' -C "$new/tree" || return
	rm -rf "$CACHE"/{source/"$package"_,tree/"$KERNEL".,build/"$KERNEL".}*
	mv "$new/tree" "$source"
	rm -r "$new"
}

# Lists from the day before may have a version that no longer exists.
if [ ! -d "$source" ] && ! { [ "$version" ] && fetch; } &&
	! { rm -f "$CACHE/suites/asked"; LAB_PACKAGE=$(lab/package.sh); name_source; [ "$version" ] && fetch; }; then
	source=$(find "$CACHE/source" -maxdepth 1 -name "${package}_*" | sort -V | tail -n 1)
	[ "$source" ] || die "No $package, neither from apt-get nor in $CACHE; there are: $(lab/package.sh list)"
	version=${source##*_}
	say "Using $package $version, which is in the cache"
fi
# A newer minor version will do, if the patches apply.
tried=$(cat "patches/$KERNEL/version")
[ "${version%%-*}" = "$tried" ] || say "$package is $version now; the patches were made for $tried"

ours=$CACHE/ours
rm -rf "$ours"
mkdir "$ours"
mapfile -t patches < <(sed "s,^,patches/$KERNEL/," "patches/$KERNEL/series")
sed -nE 's,^--- a/([^[:space:]]+).*,\1,p' "${patches[@]}" | sort -u | (cd "$source" && xargs cp --parents -t "$ours")
for patch in "${patches[@]}"; do
	patch -s -p1 -F0 --no-backup-if-mismatch -d "$ours" <"$patch" >&2 || die "$patch does not apply to $package $version"
done
cp -r --parents Documentation drivers include kernel tools/testing "$ours"
# The checkout may be read-only.
chmod -R u+w "$ours"

# $tree consists of hard links, except for the files in the list $tree.files: all that
# were ever laid over it. A file that the checkout no longer has becomes the package's
# again, or is removed. Only changed files are written, so that make rebuilds no more
# than necessary.
tree=$CACHE/tree/$version
if [ ! -d "$tree" ]; then
	rm -rf "$tree".*
	cp -al "$source" "$tree.new"
	mv "$tree.new" "$tree"
fi
touch "$tree.files"
(cd "$ours" && find . -type f) | sort -u - "$tree.files" >"$tree.files.new"
mv "$tree.files.new" "$tree.files"
while read -r file; do
	for from in "$ours/$file" "$source/$file" /dev/null; do
		[ ! -e "$from" ] || break
	done
	if [ "$from" = /dev/null ]; then
		rm -f "$tree/$file"
	elif ! cmp -s "$from" "$tree/$file"; then
		mkdir -p "${tree:?}/${file%/*}"
		cp --remove-destination "$from" "$tree/$file"
	fi
done <"$tree.files"

# build_in NAME: chooses a build directory. If make was interrupted there, or ran out of
# space, it is removed first.
build_in() {
	want_space 500
	build=$CACHE/build/$version-$ARCH-$1
	[ ! -e "$build.dirty" ] || rm -rf "$build"
	mkdir -p "$build"
}

# configure FRAGMENT...: makes the configuration of a kernel from these, over allnoconfig.
configure() {
	kmake -s KCONFIG_ALLCONFIG=kernel/configs/tiny-base.config allnoconfig >/dev/null
	cat "$@" >>"$build/.config"
	kmake -s olddefconfig 2>&1 | { grep -v 'warning: override:' >&2 || true; }
}

# In depend mode ccache does not run the preprocessor: an empty cache costs almost no
# time.
export CCACHE_DIR=$CACHE/ccache CCACHE_DEPEND=1 KBUILD_BUILD_{TIMESTAMP=@0,VERSION=1,USER=lab,HOST=ioasids}
mapfile -t gcov < <(printf 'GCOV_PROFILE_%s.o=y\n' "${measured[@]##*/}" | sed 's/\.c\././')
kmake() {
	local status=0
	touch "$build.dirty"
	make --no-print-directory -C "$tree" O="$build" ARCH="$ARCH" CROSS_COMPILE="$CROSS" \
		CC="ccache ${CROSS}gcc" -j"$(nproc)" "${gcov[@]}" "$@" || status=$?
	[ $status = 0 ] || want_space 200
	rm "$build.dirty"
	return $status
}
