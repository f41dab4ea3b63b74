#!/usr/bin/env bash
# Installs the Kafka clients that the client tests run, below $TIDEMILL_TOOLS/clients (by default
# ~/.cache/tidemill/tools/clients). Does nothing for a part that is there already in this version.
# A part that cannot be installed is told loudly, and the tests that need it say so, too; the rest goes on.
#
#   tests/clients/install.sh            everything
#   tests/clients/install.sh java go    some parts: python node go java kcat
set -uo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
tools="${TIDEMILL_TOOLS:-$HOME/.cache/tidemill/tools}/clients"
mkdir -p "$tools"

kafka_python=3.0.12
confluent_current=2.16.1
# The last line of librdkafka before 2.11.1, which asks for other versions of Produce.
confluent_before=2.10.1
kafka_3=3.9.1
kafka_4=4.1.1

missing=0
skip() { # part, what to do by hand
    printf '\nSKIPPED: the client part "%s" could not be installed: its tests will be skipped.\n    by hand: %s\n\n' "$1" "$2" >&2
    missing=1
}

# What a part was made from: its files, and the pins above. An equal stamp means that nothing is to be done.
stamp() { cat "$here/install.sh" "$@" | sha256sum | cut -d ' ' -f 1; }
is_done() { [ -f "$tools/.$1" ] && [ "$(cat "$tools/.$1")" = "$2" ]; }
need() { command -v "$1" >/dev/null || { echo "$1 is not installed" >&2; return 1; }; }

# A pinned version; where the registry lacks it, the newest that fits the second form.
pip_install() { # venv, pinned, fallback, others
    local venv="$1" pinned="$2" fallback="$3"
    shift 3
    "$venv/bin/pip" install -q --disable-pip-version-check "$pinned" "$@" && return
    echo "the registry lacks $pinned: taking $fallback" >&2
    "$venv/bin/pip" install -q --disable-pip-version-check "$fallback" "$@"
}

python_parts() {
    need python3 || return 1
    [ -x "$tools/python/bin/pip" ] || python3 -m venv "$tools/python" || return 1
    [ -x "$tools/python-before/bin/pip" ] || python3 -m venv "$tools/python-before" || return 1
    pip_install "$tools/python" "kafka-python==$kafka_python" "kafka-python>=3,<4" \
        lz4==4.4.5 zstandard==0.25.0 python-snappy==0.7.3 || return 1
    pip_install "$tools/python" "confluent-kafka==$confluent_current" "confluent-kafka>=2.12" || return 1
    pip_install "$tools/python-before" "confluent-kafka==$confluent_before" "confluent-kafka>=2.8,<2.11.1"
}

node_parts() {
    need npm || return 1
    mkdir -p "$tools/node" && cp "$here"/node/package*.json "$tools/node/" || return 1
    (cd "$tools/node" && npm ci --silent --no-audit --no-fund)
}

go_parts() {
    need go || return 1
    (cd "$here/go" && go build -trimpath -o "$tools/bin/franz-go" .)
}

jars() { # pom, folder, Kafka's version
    local now
    now="$3 $(sha256sum <"$here/java/$1")"
    [ "$(cat "$tools/java/$2/.made-from" 2>/dev/null)" = "$now" ] && return
    rm -rf "${tools:?}/java/$2"
    mvn -q -B -f "$here/java/$1" -Dkafka.version="$3" -DoutputDirectory="$tools/java/$2" \
        org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies &&
        echo "$now" >"$tools/java/$2/.made-from"
}

java_parts() {
    need mvn && need javac || return 1
    jars clients.xml clients-3 "$kafka_3" || return 1
    jars clients.xml clients-4 "$kafka_4" || return 1
    jars tools.xml tools "$kafka_4" || return 1
    for version in clients-3 clients-4 tools; do
        local sources=("$here"/java/clients/*.java)
        [ "$version" = tools ] && sources=("$here"/java/wire/*.java)
        rm -rf "${tools:?}/java/$version/classes"
        javac -nowarn -Xlint:-removal -cp "$tools/java/$version/*" -d "$tools/java/$version/classes" "${sources[@]}" || return 1
    done
}

kcat_parts() {
    command -v kcat >/dev/null && return
    need apt-get && [ "$(id -u)" = 0 ] || return 1
    apt-get install -qq -y kcat >/dev/null 2>&1 ||
        { apt-get update -qq && apt-get install -qq -y kcat >/dev/null; }
}

install() { # part, what to do by hand, the files it is made from
    local part="$1" by_hand="$2" now
    shift 2
    now="$(stamp "$@")"
    if is_done "$part" "$now" && { [ "$part" != kcat ] || command -v kcat >/dev/null; }; then return; fi
    echo "installing the client part $part"
    rm -f "$tools/.$part"
    if "${part}_parts"; then echo "$now" >"$tools/.$part"; else skip "$part" "$by_hand"; fi
}

wanted=("$@")
[ ${#wanted[@]} -gt 0 ] || wanted=(python node go java kcat)
for part in "${wanted[@]}"; do
    case "$part" in
    python) install python "install Python 3 with venv, then tests/clients/install.sh python" ;;
    node) install node "install Node.js 20 with npm, then tests/clients/install.sh node" "$here"/node/package*.json ;;
    go) install go "install Go, then tests/clients/install.sh go" "$here"/go/* ;;
    java) install java "install a JDK 17 and Maven, then tests/clients/install.sh java" "$here"/java/*.xml "$here"/java/*/*.java ;;
    kcat) install kcat "apt-get install kcat (as root)" ;;
    *)
        echo "no client part is called $part; there are: python node go java kcat" >&2
        exit 2
        ;;
    esac
done
exit "$missing"
