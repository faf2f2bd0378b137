# SPDX-License-Identifier: GPL-2.0
#
# fish completion for ioasidctl. The names of commands, options and columns, and the kind of
# the arguments, come from ioasidctl itself.

function __ioasidctl_commands
	echo help
	ioasidctl --help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\)  *\(.*\)/\1\t\2/p'
end

function __ioasidctl_command
	set -l words (commandline -opc)
	test (count $words) -gt 1; and echo $words[2]
end

function __ioasidctl_options
	ioasidctl (__ioasidctl_command) --help 2>/dev/null |
		sed -n 's/^  [ -].*\(--[a-z-]*\)[A-Z ]*  \(.*\)/\1\t\2/p'
end

# In a list, those before the last comma are kept.
function __ioasidctl_columns
	set -l before (commandline -ct | string match -r '.*,')
	ioasidctl (__ioasidctl_command) --list-columns 2>/dev/null | sed "s/^/$before/"
end

function __ioasidctl_after_columns
	set -l words (commandline -opc)
	string match -qr '^(-o|--output|-s|--sort)$' -- $words[-1]
end

function __ioasidctl_after_file
	test "$(__ioasidctl_command)" = export; and __ioasidctl_after_columns
end

# Whether the command takes one of these.
function __ioasidctl_takes
	set -l command (__ioasidctl_command)
	test -n "$command"; and ioasidctl help $command 2>/dev/null | head -n 1 |
		string match -qr (string join '|' $argv)
end

function __ioasidctl_cgroups
	set -l word (commandline -ct)
	if string match -q '/*' -- $word
		find /sys/fs/cgroup(dirname $word"x") -mindepth 1 -maxdepth 1 -type d -printf '/%P\n' 2>/dev/null |
			string replace -r '^/' (dirname $word"x" | string replace -r '/?$' '/')
	else
		find /sys/fs/cgroup -mindepth 1 -type d -name '*.*' -printf '%f\n' 2>/dev/null
	end
end

complete -c ioasidctl -f
complete -c ioasidctl -n 'test -z (__ioasidctl_command)' -a '(__ioasidctl_commands)'
complete -c ioasidctl -n 'test -n "$(__ioasidctl_command)"; and __ioasidctl_after_columns; and not __ioasidctl_after_file' -a '(__ioasidctl_columns)'
complete -c ioasidctl -n 'test -n "$(__ioasidctl_command)"; and string match -q -- "-*" (commandline -ct)' -a '(__ioasidctl_options)'
complete -c ioasidctl -n '__ioasidctl_takes CGROUP SLICE; and not __ioasidctl_after_columns' -a '(__ioasidctl_cgroups)'
complete -c ioasidctl -n '__ioasidctl_takes FILE; or __ioasidctl_after_file' -F
