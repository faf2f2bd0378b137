#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# series.sh: writes the project as a series of patches for git am, from the user who
# runs it, and prints their directory. series.sh build then builds and boots the kernel after
# each patch, and reports that as test results.
#
# Each patch in patches/$KERNEL is a step. Its lines "File:" name the files of this
# checkout that come with it.

CDPATH='' cd "$(dirname "$0")/.." || exit
# initramfs.sh takes the lock of the cache, which this script then keeps.
[ "${1-}" != build ] || lab/initramfs.sh >/dev/null
MORE_PACKAGES=git
. lab/tree.sh

ident=$(git -c user.useConfigOnly=true var GIT_AUTHOR_IDENT 2>/dev/null) ||
	die "Who sends the series? git config --global user.name and user.email say it"
ident=${ident%>*}\>
export GIT_AUTHOR_NAME="${ident% <*}" GIT_COMMITTER_NAME="${ident% <*}"
GIT_AUTHOR_EMAIL=${ident##*<} GIT_AUTHOR_EMAIL=${GIT_AUTHOR_EMAIL%>}
export GIT_AUTHOR_EMAIL GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL GIT_CONFIG_GLOBAL=/dev/null

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
repo=$work/repo
git() { command git -C "$repo" "$@"; }
mkdir "$repo"
git init -q -b master
sed -nE 's,^--- a/([^[:space:]]+).*,\1,p' "${patches[@]}" | sort -u | (cd "$source" && xargs cp --parents -t "$repo")
chmod -R u+w "$repo"
git add -A
git commit -qm "$package $version"
git tag base
for patch in "${patches[@]}"; do
	mapfile -t files < <(sed -n 's/^File: //p' "$patch")
	[ ${#files[@]} = 0 ] || cp --parents "${files[@]}" "$repo"
	chmod -R u+w "$repo"
	patch -s -p1 -F0 --no-backup-if-mismatch -d "$repo" <"$patch"
	# The sender is the maintainer.
	[[ $patch != *MAINTAINERS* ]] || sed -i "/^IOASIDS CONTROLLER/a M:\t$ident" "$repo/MAINTAINERS"
	git add -A
	sed -n '1s/^Subject: \[PATCH\] //p; 2,/^---$/{/^---$/!p}' "$patch" | git commit -qsF -
done

# The result must be what the lab builds.
while read -r file; do
	cmp -s "$ours/$file" "$repo/$file" || die "$file is not in the series as the lab builds it"
done < <(cd "$ours" && find kernel drivers include Documentation init tools/testing/selftests -type f)

result=$CACHE/series/$KERNEL
rm -rf "$result"
mkdir -p "$result"
git format-patch -q --cover-letter -o "$result" base
perl -0pi -e '
	BEGIN { open(F, "<", shift); local $/; ($subject, $text) = split(/\n\n/, <F>, 2) }
	s/\*\*\* SUBJECT HERE \*\*\*/$subject/; s/\*\*\* BLURB HERE \*\*\*\n/$text/' \
	patches/cover-letter "$result/0000-cover-letter.patch"
sed -i "s/@VERSION@/$version/" "$result/0000-cover-letter.patch"
git checkout -q -b applied base
series=("$result"/*.patch)
git am -q --whitespace=error-all "${series[@]:1}"
git diff --quiet master applied || die "git am does not give what the series was made of"
if [ "${1-}" != build ]; then
	echo "$result"
	exit
fi

# One build directory, in order: make rebuilds what a step changes.
steps=$CACHE/series/tree-$version
if [ ! -d "$steps" ]; then
	rm -rf "$steps.new"
	cp -al "$source" "$steps.new"
	mv "$steps.new" "$steps"
fi
tree=$steps
build_in series
fragments=(lab/config/kernel.config "lab/config/arch/$ARCH.config" "lab/config/versions/$KERNEL.config")
lay() {
	git ls-tree -r --name-only HEAD | while read -r file; do
		cmp -s "$repo/$file" "$tree/$file" && continue
		mkdir -p "$tree/$(dirname "$file")"
		cp --remove-destination "$repo/$file" "$tree/$file"
	done
}
git rev-list --reverse base..master | while read -r commit; do
	git checkout -q "$commit"
	lay
	name=$(git log -1 --format=%s)
	say "Building: $name"
	configure "${fragments[@]}" 2>/dev/null
	# Warnings are errors.
	if ! kmake -s W=e "${IMAGE##*/}" >"$build.log" 2>&1; then
		tail -n 30 "$build.log" | sed 's/^/# /'
		echo "not ok - $name ($ARCH builds)"
		break
	fi
	mkdir -p "$work/kernel"
	cp "$build/$IMAGE" "$work/kernel/image"
	if BUILT=$work/kernel lab/boot.sh probe >"$work/report" 2>&1 9>&-; then
		echo "ok - $name ($ARCH builds and boots)"
	else
		sed 's/^/# /' "$work/report"
		echo "not ok - $name ($ARCH boots)"
	fi
done
