# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154
#
# All commands of ioasidctl, each with each of its options, in environments in which others'
# programs have failed. What there is ioasidctl says itself, in its help: a new command or a
# new option is tested with no change here.
#
# A script that sources this sets $work, a directory of its own, and $tool, an array that
# begins with what runs ioasidctl. It has a function prepare, which is called with the name
# of the environment before each command and sets $cgroup and $file, and for each
# environment NAME a function in_NAME that runs a command in it, with its output in $out and
# its messages in $messages.

shopt -s extglob

# value_of WORD COMMAND: an argument, where the help of COMMAND has WORD.
value_of() {
	case $1 in
	CGROUP)		echo "$cgroup" ;;
	COLUMN)		echo MAX ;;
	COMMAND)	echo true ;;
	EVENTS)		echo refused,move ;;
	FILE)		echo "$file" ;;
	KIB)		echo 8 ;;
	LIST)		"${tool[@]}" "$2" --list-columns | head -n 2 | paste -sd, ;;
	MAX)		echo 5 ;;
	N)		echo 1 ;;
	PID)		echo 1 ;;
	SECONDS)	echo 0.1 ;;
	SLICE)		echo table.slice ;;
	*)		echo "the table of tests has no value for $1 in the help of ioasidctl" >&2; return 1 ;;
	esac
}

commands() { "${tool[@]}" help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'; }

# options_of HELP: one a line, with the word for its value.
options_of() { sed -n 's/^  [ -].*\(--[a-z-]*\) *\([A-Z]*\)  .*/\1 \2/p' <<<"$1"; }

# variants: one a line: a command, options and words; before them the only environment to run
# it in, if there is one. Other words than that of an option are
# those of the usage: [IN BRACKETS] only in a variant of its own, and of A|B only A.
variants() {
	local command help usage least most fixed option value words
	for command in $(commands); do
		help=$("${tool[@]}" help "$command")
		usage=$(sed -n "1s/^Usage: ioasidctl $command *//p" <<<"$help" | sed 's/\[OPTION\]//; s/\.\.\.//g')
		least=$(sed 's/\[[^]]*\]//g; s/|[^ ]*//g' <<<"$usage")
		most=$(sed 's/\[\([A-Z]*\)\]/\1/g; s/\[[^]]*\]//g; s/|[^ ]*//g' <<<"$usage")
		# Else it uses the terminal, until a key is pressed.
		fixed=
		if [[ $help = *--batch* ]]; then
			echo "narrow: $command $least"
			fixed='--batch --iterations N'
		fi
		# It would not end.
		[[ $help != *--duration* ]] || fixed='--duration SECONDS'
		echo "$command $fixed $least"
		[ "$least" = "$most" ] || echo "$command $fixed $most"
		while read -r option value; do
			words=$least
			# Of A|B it is B.
			[[ $usage != *"|$option"* ]] || words=${least/[A-Z]*([A-Z])/}
			echo "$command $option $value $fixed $words"
		done < <(options_of "$help")
	done | sed 's/  */ /g; s/ $//' | sort -u
}

# without_options: of the variants that it reads, those with no option that may be left out.
without_options() { sed -nE '/^[a-z]+( --batch --iterations N)?( -[a-z] [A-Z]+)*( [A-Z]+)*$/p'; }

# arguments_of VARIANT: into the array $arguments.
arguments_of() {
	local word
	arguments=()
	for word in $1; do
		[[ $word != [A-Z]* ]] || word=$(value_of "$word" "${1%% *}") || return
		arguments+=("$word")
	done
}

# is_harmless TEXT: it is UTF-8, and has nothing that a terminal obeys or that reorders what
# it shows. What is called most often needs no other program: in a guest they take long.
is_harmless() {
	[[ $1 =~ ^([[:print:]]|$'\n')*$ && $1 != *[$'\u80'-$'\u9f\u200b'-$'\u200f\u2028'-$'\u202e\u2060'-$'\u206f']* ]]
}

# judge ENVIRONMENT VARIANT STATUS: prints what is wrong.
judge() {
	local environment=$1 variant=$2 status=$3 said line
	said=$(<"$messages")
	case $status in
	[0-5]) ;;
	124)	echo "it does not end" ;;
	*)	echo "it ends with status $status" ;;
	esac
	[ "$status" = 0 ] || [ "$said" ] || [[ $variant = check* ]] || echo "it says nothing, and ends with status $status"
	while IFS= read -r line; do
		[[ $line = @(|ioasidctl: *) ]] || echo "a message does not begin with its name"
	done <<<"$said"
	is_harmless "$said" || echo "its messages are not safe for a terminal"
	[ "$environment" = narrow ] || is_harmless "$(<"$out")" || echo "its output is not safe for a terminal"
	[[ $variant != *--json* ]] || [ "$status" -gt 1 ] || [[ $environment = @(narrow|full|closed) ]] || is_json "$out" ||
		echo "its output is not JSON"
	case $environment in
	plain)	[ "$status" = 0 ] || [[ $said = *@(systemd|cannot trace)* || $variant = check* ]] || echo "it fails" ;;
	full|closed)
		[ ! "${printed[$variant]}" ] || [[ $said = *'cannot write to standard output'* ]] ||
			echo "it does not say that its output is lost"
		[ ! "${printed[$variant]}" ] || [ "$status" = 1 ] || echo "its output is lost, and its status is $status"
		;;
	narrow)
		[[ $variant != *--output* ]] || awk -v width=20 '{ sub(/\r$/, "") } length() > width && !/\.$/ { exit 1 }' "$out" ||
			echo "its table is wider than the terminal"
		;;
	permission)
		[ "$status" = 0 ] || [[ $said = *@(Permission denied|permitted|systemd|cannot trace)* || $variant = check* ]] ||
			echo "it fails, and not for want of permission"
		;;
	older)	[ "$status" = "${expected[$variant]}" ] || [[ $said = *'this kernel has no'* || $variant = check* ]] ||
			echo "its status is $status, which is ${expected[$variant]} on another kernel"
		;;
	gone)	[[ $status = [01345] ]] || echo "its status is $status" ;;
	*)	[ "$status" = "${expected[$variant]}" ] || [[ $said = *@(systemd|namespace)* || $variant = check* ]] ||
			echo "its status is $status, which is ${expected[$variant]} elsewhere"
		;;
	esac
}

# cell ENVIRONMENT VARIANT: runs it, and fails if something is wrong.
cell() {
	local environment=$1 variant=$2 limit=60 status=0 wrong arguments
	out=$work/out.$environment messages=$work/messages.$environment
	prepare "$environment"
	arguments_of "$variant" || return
	[[ $variant != *--follow* ]] || limit=1
	: >"$out"
	"in_$environment" timeout --foreground -k 5 "$limit" "${tool[@]}" "${arguments[@]}" || status=$?
	if [[ $status = 124 && $variant = *--follow* ]]; then
		status=0
	fi
	if [ "$environment" = plain ]; then
		expected[$variant]=$status
		printed[$variant]=
		[ ! -s "$out" ] || printed[$variant]=1
	fi
	wrong=$(judge "$environment" "$variant" "$status")
	[ "$wrong" ] || return 0
	echo "$environment: ioasidctl ${arguments[*]}: $wrong"
	sed 's/^/	/' "$messages" "$out" | cat -v | head -n 30
	return 1
}

# row ENVIRONMENT: all cells of one environment. That of plain comes first, as others are
# compared with it.
row() {
	local variant status=0 count=0
	local -A expected printed
	# shellcheck source=/dev/null
	[ "$1" = plain ] || . "$work/expected"
	while IFS= read -r variant <&3; do
		[[ $variant != *": "* || $variant = "$1: "* ]] || continue
		cell "$1" "${variant#*: }" || status=1
		count=$((count + 1))
	done 3<"$work/variants"
	[ "$1" != plain ] || declare -p expected printed >"$work/expected"
	[ "$count" -ge 15 ] || { echo "there are only $count commands"; return 1; }
	return $status
}
