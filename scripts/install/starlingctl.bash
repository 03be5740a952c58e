# bash completion for starlingctl: commands and their options, from the program itself; hosts, where a node answers.
_starlingctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} word command='' i
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case $word in
		--socket) i=$((i + 1)) ;;
		-*) ;;
		*) command=$word && break ;;
		esac
	done
	if [ "${COMP_WORDS[COMP_CWORD - 1]}" = --socket ]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
	elif [ -z "$command" ]; then
		mapfile -t COMPREPLY < <(compgen -W "--json --socket --help --version help $("$1" --list 2>/dev/null | cut -d' ' -f1)" -- "$cur")
	elif [ "$command" = help ]; then
		mapfile -t COMPREPLY < <(compgen -W "$("$1" --list 2>/dev/null | cut -d' ' -f1)" -- "$cur")
	elif [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "--json $("$1" --list 2>/dev/null | sed -n "s/^$command //p")" -- "$cur")
		if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then compopt -o nospace 2>/dev/null; fi
	else
		mapfile -t COMPREPLY < <(compgen -W "$("$1" --json status 2>/dev/null | sed -n '/"hosts"/,/\]/s/^ *"\([^"]*\)",\{0,1\}$/\1/p')" -- "$cur")
	fi
}
complete -F _starlingctl starlingctl
