# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# bash completion for ioasidctl. The names of commands, options and columns, and the kind of
# the arguments, come from ioasidctl itself.

# _ioasidctl_cgroups PATTERN: completes paths of cgroups, or names that match the pattern.
# Names can have backslashes. They are doubled in what was typed, and readline doubles those
# of file names.
_ioasidctl_cgroups() {
	local root=/sys/fs/cgroup word=${cur#[\'\"]} where=(. -mindepth 1 -name "$1") what=.%f name
	[[ $cur = \'* ]] || word=${word//\\\\/\\}
	[[ $word != /* ]] || where=(".${word%/*}" -mindepth 1 -maxdepth 1) what=%p
	compopt -o filenames 2>/dev/null
	while IFS= read -r name; do
		[[ ${name#.} != "$word"* ]] || COMPREPLY+=("${name#.}")
	done < <(cd $root && find "${where[@]}" -type d -printf "$what\n" 2>/dev/null)
	# The only match is completed further if it has children.
	if [[ ${#COMPREPLY[@]} = 1 && ${COMPREPLY[0]} = /* ]] && compgen -G "$root${COMPREPLY[0]//\\/\\\\}/*/" >/dev/null; then
		COMPREPLY[0]+=/
		compopt -o nospace 2>/dev/null
	fi
}

_ioasidctl() {
	local cur prev words cword command i
	_init_completion -n , || return

	for ((i = 1; i < cword; i++)); do
		case ${words[i]} in
		-r|--root)
			((i++))
			[[ ${words[i]} != = ]] || ((i++))
			;;
		-*) ;;
		*) command=${words[i]}; break ;;
		esac
	done
	# run: once its own options end, another command is completed.
	if [[ $command = run ]]; then
		for ((i++; i < cword; i++)); do
			case ${words[i]} in
			-m|--max|-S|--slice)
				((i++))
				[[ ${words[i]} != = ]] || ((i++))
				;;
			--) ((i++)); break ;;
			-*) ;;
			*) break ;;
			esac
		done
		if [[ $i -lt $cword || ( $i = "$cword" && ( ${words[i - 1]} = -- || $cur != -* ) ) ]]; then
			_command_offset "$i"
			return
		fi
	fi
	if [[ ! $command && $prev = @(-r|--root) ]]; then
		_filedir -d
		return
	elif [[ ! $command && $cur = -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W '--root --help --version' -- "$cur")
		return
	elif [[ ! $command || $command = help ]]; then
		mapfile -t COMPREPLY < <(compgen -W "help $(ioasidctl --help 2>/dev/null |
			sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')" -- "$cur")
		return
	elif [[ $command = export && $prev = @(-o|--output) ]]; then
		_filedir
		return
	elif [[ $prev = @(-o|--output|-s|--sort) ]]; then
		local done=
		[[ $prev = -s || $prev = --sort || $cur != *,* ]] || done=${cur%,*},
		mapfile -t COMPREPLY < <(compgen -P "$done" -W "$(ioasidctl "$command" --list-columns 2>/dev/null)" -- "${cur##*,}")
		return
	elif [[ $command = run && $prev = @(-S|--slice) ]]; then
		_ioasidctl_cgroups '*.slice'
		return
	elif [[ $cur = -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(ioasidctl "$command" --help 2>/dev/null |
			sed -n 's/^  \(-., \|    \)\(--[a-z-]*\).*/\2/p')" -- "$cur")
		return
	fi
	case $(ioasidctl help "$command" 2>/dev/null | head -n 1) in
	*CGROUP*)	_ioasidctl_cgroups '*.*' ;;
	*SLICE*)	_ioasidctl_cgroups '*.slice' ;;
	*FILE*)		_filedir ;;
	esac
} && complete -F _ioasidctl ioasidctl
