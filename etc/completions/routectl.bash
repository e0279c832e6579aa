# bash completion for routectl(1). Verbs and options come from routectl itself, platforms, models and policies from the daemon
# that the command line would ask; without a daemon those stay empty, and nothing is said.

# Runs routectl on the socket that the words so far name.
_routectl_ask() {
    local i
    local -a socket=()
    for ((i = 1; i < ${#COMP_WORDS[@]} - 1; i++)); do
        case ${COMP_WORDS[i]} in
            -s | --socket) socket=(--socket "${COMP_WORDS[i + 1]}") ;;
        esac
    done
    command "${COMP_WORDS[0]}" "${socket[@]}" --timeout 1s "$@" 2>/dev/null
}

# Column $2 of the rows of table $1 of a verb's tagged TSV.
_routectl_column() {
    awk -F '\t' -v table="$1" -v column="$2" '$1 == table && !seen[$column]++ { print $column }'
}

_routectl_policies() { _routectl_ask status --tsv | _routectl_column policies 2; }
_routectl_platforms() { _routectl_ask status --tsv | _routectl_column platforms 2; }
_routectl_models() { _routectl_ask routes --tsv | awk -F '\t' '!/^#/ && !seen[$1]++ { print $1 }'; }
_routectl_routes() { _routectl_ask routes --tsv | awk -F '\t' '!/^#/ { print $3 "/" $1 }'; }

# The reference currency and those that there is a rate for.
_routectl_currencies() { _routectl_ask prices --tsv | awk -F '\t' '$1 == "fact" && $2 == "currency" { print $3 } $1 == "rates" { print $2 }' | sort -u; }

# Offers the lines of standard input that begin with the word being typed.
_routectl_offer() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        [[ $line == "$cur"* ]] && COMPREPLY+=("$(printf '%q' "$line")")
    done
}

_routectl() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb='' i word
    COMPREPLY=()

    case $prev in
        -p | --policy) _routectl_offer < <(_routectl_policies); return ;;
        -o | --output)
            for word in "${COMP_WORDS[@]}"; do
                [[ $word == dump || $word == report ]] && { compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return; }
            done
            [[ " ${COMP_WORDS[*]} " == *' forecast '* ]] && return
            _routectl_offer < <(printf '%s\n' url platform env json); return ;;
        -s | --socket) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        -f | --for) # -f of events has no value
            [[ $prev == -f && " ${COMP_WORDS[*]} " == *' events '* ]] || { _routectl_offer < <(printf '%s\n' 10m 30m 2h 1d); return; } ;;
        -S | --since | -U | --until) _routectl_offer < <(printf '%s\n' 1h 24h 7d 30d); return ;;
        -c | --config | -w | --with | -P | --probed) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        -m | --metric) _routectl_offer < <(printf '%s\n' ttft total availability price speed rank balance); return ;;
        -k | --kind) [[ " ${COMP_WORDS[*]} " == *" probe "* ]] && { _routectl_offer < <(printf '%s\n' reach models chat price balance burst capabilities); return; }
            _routectl_offer < <(printf '%s\n' state first override budget breaker endpoint level local store price listed feed implausible charged inflated credit topup capability rate started stopped reloaded reload_failed); return ;;
        -M | --month) _routectl_offer < <(date +%Y-%m; date -d "$(date +%Y-%m-15) -1 month" +%Y-%m 2>/dev/null); return ;;
        -y | --currency) _routectl_offer < <(_routectl_currencies); return ;;
        -R | --requests) _routectl_offer < <(printf '%s\n' 1k/day 50k/day 1M/day 300/h); return ;;
        -D | --days) _routectl_offer < <(printf '%s\n' 7 30 90 365); return ;;
        -r | --reason | -n | --count | -T | --timeout | -e | --every | -I | --input) return ;;
    esac

    # The verb is the first word that is neither an option nor an option's value.
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
            -p | --policy | -o | --output | -s | --socket | -f | --for | -r | --reason | -n | --count | -T | --timeout | -S | --since | -U | --until | -e | --every | -c | --config | -w | --with | -P | --probed | -m | --metric | -k | --kind | -M | --month | -y | --currency | -R | --requests | -I | --input | -D | --days) ((i++)) ;;
            -*) ;;
            *) verb=$word; break ;;
        esac
    done

    if [[ $cur == -* ]]; then
        _routectl_offer < <(_routectl_ask help ${verb:+"$verb"} --tsv | _routectl_column options 2)
        return
    fi
    case $verb in
        '') _routectl_offer < <(_routectl_ask help --tsv | _routectl_column verbs 2) ;;
        routes | best | watch | top | check | prices | forecast) _routectl_offer < <(_routectl_models) ;;
        explain) _routectl_offer < <(_routectl_routes) ;;
        drain | pin | enable | probe | history | events) _routectl_offer < <(_routectl_platforms; [[ $cur == */* ]] && _routectl_routes) ;;
        replay) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        capabilities | honesty) _routectl_offer < <(_routectl_platforms; _routectl_models; [[ $cur == */* ]] && _routectl_routes) ;;
        compare | report | spend) _routectl_offer < <(_routectl_platforms) ;;
        help) _routectl_offer < <(_routectl_ask help --tsv | _routectl_column verbs 2) ;;
    esac
}

complete -F _routectl routectl
