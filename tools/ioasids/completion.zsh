#compdef ioasidctl
# SPDX-License-Identifier: GPL-2.0
#
# zsh completion for ioasidctl. The names of commands, options and columns, and the kind of
# the arguments, come from ioasidctl itself.

local command columns
local -a names

_ioasidctl_cgroups() {
	if compset -P /; then
		_path_files -W /sys/fs/cgroup -/
	else
		names=(/sys/fs/cgroup/**/*.*(N/:t))
		compadd -a names
	fi
}

if ((CURRENT == 2)); then
	names=(help ${(f)"$(ioasidctl --help 2>/dev/null |
		sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')"})
	compadd -a names
	[[ $PREFIX != -* ]] || compadd -- --root --help --version
	return
fi
command=$words[2]
case $words[CURRENT-1] in
-o|--output|-s|--sort)
	if [[ $command = export ]]; then
		_files
		return
	fi
	names=(${(f)"$(ioasidctl $command --list-columns 2>/dev/null)"})
	# A list of columns goes on after a comma.
	if [[ $words[CURRENT-1] = -o || $words[CURRENT-1] = --output ]]; then
		_values -s , column $names
	else
		compadd -a names
	fi
	return
	;;
esac
if [[ $PREFIX = -* ]]; then
	names=(${(f)"$(ioasidctl $command --help 2>/dev/null |
		sed -n 's/^  \(-., \|    \)\(--[a-z-]*\).*/\2/p')"})
	compadd -a names
	return
fi
case $(ioasidctl help $command 2>/dev/null | head -n 1) in
*COMMAND*)
	shift 2 words
	((CURRENT -= 2))
	_normal
	;;
*FILE*)
	_files
	;;
*(CGROUP|SLICE)*)
	_ioasidctl_cgroups
	;;
esac
