#compdef ioasidctl
# SPDX-License-Identifier: GPL-2.0
#
# zsh completion for ioasidctl. The names of commands, options and columns come from
# ioasidctl itself.

local command columns
local -a names

# A list of columns goes on after a comma.
_ioasidctl_columns() {
	names=(${(f)"$(ioasidctl $command --list-columns 2>/dev/null)"})
	_values -s , column $names
}

_ioasidctl_cgroups() {
	if [[ $PREFIX = /* ]]; then
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
	_ioasidctl_columns
	return
	;;
esac
if [[ $PREFIX = -* ]]; then
	names=(${(f)"$(ioasidctl $command --help 2>/dev/null |
		sed -n 's/^  [ -].*\(--[a-z-]*\).*/\1/p')"})
	compadd -a names
	return
fi
case $command in
run)
	shift 2 words
	((CURRENT -= 2))
	_normal
	;;
ls|top|show|who|set|enable|disable|events|apply)
	_ioasidctl_cgroups
	;;
esac
