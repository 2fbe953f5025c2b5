#!/usr/bin/env bash
# Installs what `make system-test` needs from Debian, as far as it is missing. Needs root only if anything is.
set -euo pipefail

missing=()
compgen -G '/usr/lib/postgresql/*/bin/initdb' > /dev/null || missing+=(postgresql)
command -v redis-server > /dev/null || missing+=(redis-server)
command -v chromium > /dev/null || missing+=(chromium)

if (( ${#missing[@]} == 0 )); then
    exit 0
fi
if (( EUID != 0 )) || ! command -v apt-get > /dev/null; then
    echo "make system-test needs ${missing[*]}. Install them, or run it as root on Debian, where it does so." >&2
    exit 1
fi
echo "Installing ${missing[*]}..."
export DEBIAN_FRONTEND=noninteractive
# Debian's packages start a server when they are installed; the tests start their own.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
