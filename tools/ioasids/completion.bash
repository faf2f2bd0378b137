# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# bash completion for ioasidctl

_ioasidctl() {
	local cur prev words cword command i
	local commands='ls top show who set enable disable events run apply check'
	local columns='CGROUP PATH MAX CURRENT USE PEAK ALLOCATED RESERVED SETS REFUSED FAILED'
	_init_completion -n , || return

	for ((i = 1; i < cword; i++)); do
		case ${words[i]} in
		-r|--root) ((i++)) ;;
		-*) ;;
		*) command=${words[i]}; break ;;
		esac
	done
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
		mapfile -t COMPREPLY < <(cd /sys/fs/cgroup && compgen -G '*.slice' | grep "^$cur")
		return
	elif [[ $cur = -* ]]; then
		local options
		case $command in
		ls) options='--json --noheadings --output --sort' ;;
		top) options='--delay --sort' ;;
		show) options=--json ;;
		who) options='--json --noheadings' ;;
		set) options='--create --try' ;;
		enable) options='--children --try' ;;
		disable) options=--children ;;
		events) options=--follow ;;
		run) options='--max --slice' ;;
		esac
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
		return
	fi
	case $command in
	run)
		_command_offset "$cword"
		;;
	ls|top|show|who|set|enable|disable|events)
		if [[ $cur = /* ]]; then
			mapfile -t COMPREPLY < <(cd /sys/fs/cgroup && compgen -d -P / -S / -- "${cur#/}")
			compopt -o nospace 2>/dev/null
		else
			mapfile -t COMPREPLY < <(find /sys/fs/cgroup -type d -name "$cur*" -name '*.*' -printf '%f\n' 2>/dev/null)
		fi
		;;
	esac
} && complete -F _ioasidctl ioasidctl
