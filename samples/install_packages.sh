#!/usr/bin/env bash
# Installs the packages that building eet needs, and those given as arguments, where they are not
# there yet. For Debian 12, Ubuntu 24.04 and newer; elsewhere it only says what is needed.
set -euo pipefail

packages=(g++ cmake ninja-build pkg-config libcli11-dev nlohmann-json3-dev libsentencepiece-dev
          libprotobuf-dev libonig-dev zlib1g-dev libzstd-dev liblzma-dev libxxhash-dev "$@")

if ! command -v apt-get >/dev/null; then
  echo "no apt-get here; please install the equivalents of: ${packages[*]}" >&2
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $status == installed ]] || missing+=("$package")
done
((${#missing[@]})) || exit 0

as_root=()
((EUID == 0)) || as_root=(sudo)
echo "installing ${missing[*]}" >&2
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
