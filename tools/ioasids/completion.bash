# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# bash completion for ioasidctl

# _ioasidctl_cgroups PATTERN: paths, or names like the pattern. These can have backslashes:
# in what was typed they are doubled, and readline doubles those of file names.
_ioasidctl_cgroups() {
	local root=/sys/fs/cgroup word=${cur#[\'\"]} where=(. -mindepth 1 -name "$1") what=.%f name
	[[ $cur = \'* ]] || word=${word//\\\\/\\}
	[[ $word != /* ]] || where=(".${word%/*}" -mindepth 1 -maxdepth 1) what=%p
	compopt -o filenames 2>/dev/null
	while IFS= read -r name; do
		[[ ${name#.} != "$word"* ]] || COMPREPLY+=("${name#.}")
	done < <(cd $root && find "${where[@]}" -type d -printf "$what\n" 2>/dev/null)
	# It can go on below.
	if [[ ${#COMPREPLY[@]} = 1 && ${COMPREPLY[0]} = /* ]] && compgen -G "$root${COMPREPLY[0]//\\/\\\\}/*/" >/dev/null; then
		COMPREPLY[0]+=/
		compopt -o nospace 2>/dev/null
	fi
}

_ioasidctl() {
	local cur prev words cword command i
	local commands='ls top show who set enable disable events run apply check'
	local columns='CGROUP PATH MAX CURRENT USE PEAK ALLOCATED RESERVED SETS REFUSED FAILED'
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
	# Where the command stands that is to be run, if it has been reached.
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
	if [[ $prev = @(-r|--root) ]]; then
		_filedir -d
		return
	elif [[ ! $command ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$commands --root --help" -- "$cur")
		return
	elif [[ $prev = @(-o|--output) ]]; then
		local done=
		[[ $cur != *,* ]] || done=${cur%,*},
		mapfile -t COMPREPLY < <(compgen -P "$done" -W "$columns" -- "${cur##*,}")
		return
	elif [[ $prev = @(-s|--sort) ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$columns" -- "$cur")
		return
	elif [[ $prev = @(-S|--slice) ]]; then
		_ioasidctl_cgroups '*.slice'
		return
	elif [[ $cur = -* ]]; then
		local options
		case $command in
		ls) options='--json --noheadings --output --sort' ;;
		top) options='--delay --sort' ;;
		show) options=--json ;;
		who) options='--json --noheadings' ;;
		set) options='--create --here --try' ;;
		enable) options='--children --here --try' ;;
		disable) options=--children ;;
		events) options=--follow ;;
		run) options='--max --slice' ;;
		apply) options=--try ;;
		esac
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
		return
	fi
	case $command in
	ls|top|show|who|set|enable|disable|events)
		_ioasidctl_cgroups '*.*'
		;;
	apply)
		_ioasidctl_cgroups '*.slice'
		;;
	esac
} && complete -F _ioasidctl ioasidctl
