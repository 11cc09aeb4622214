#!/usr/bin/env bash
# Install what the lists of packages name and the system lacks: `bash dev/install.sh packages.txt`.
# Of programs that stand in for one another, it wants the first.
set -euo pipefail
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # an ordinary user's may lack them

is_there() {
  case $1 in
    python3:*) python3 -c "import ${1#python3:}" 2> /dev/null ;;
    *) command -v "$1" > /dev/null ;;
  esac
}

missing=()
for list in "$@"; do
  while read -r programs package _; do
    [[ $programs == \#* ]] || is_there "${programs%%,*}" || missing+=("$package")
  done < "$list"
done
((${#missing[@]})) || exit 0

root=()
[[ $(id -u) == 0 ]] || root=(sudo --non-interactive)
apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get)
install=(install -y --no-install-recommends "${missing[@]}")
if ! { "${apt[@]}" update && "${apt[@]}" "${install[@]}"; }; then
  echo "$0: install ${missing[*]} as root, then run this again; apt-get could not." >&2
  exit 1
fi
