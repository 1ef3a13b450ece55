#!/usr/bin/env bash
# Installs the clients of the end-to-end tests that are no packages of this project or of Debian, at fixed versions, into .clients. With
# names as arguments, those alone. What is there already stays. What cannot be had is said in one line each; the tests that need it
# then say that they were left out.
set -uo pipefail
exec </dev/null
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
place="$here/../../../.clients"
mkdir -p "$place"
place=$(cd "$place" && pwd)

readonly LIMIT_SECONDS=900

install_python() {
  [ -x "$place/python/bin/python" ] || python3 -m venv "$place/python" || return
  "$place/python/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
}

# The files that say what is installed; when they change, it is installed anew.
pins() {
  cat "$here/install.sh"
  case $1 in
    python) cat "$here/requirements.txt" ;;
  esac
}

# CLIENT=PROGRAM that installs it
readonly CLIENTS=(python=python3)

# install.sh RUN CLIENT is how this script calls itself below a time limit.
if [ "${1:-}" = RUN ]; then
  "install_$2"
  exit
fi

failed=0
for entry in "${CLIENTS[@]}"; do
  name=${entry%=*}
  if [ $# -gt 0 ] && [[ " $* " != *" $name "* ]]; then continue; fi
  began=$SECONDS
  stamp=$(pins "$name" | sha256sum)
  if [ "$(cat "$place/$name.stamp" 2>/dev/null)" = "$stamp" ]; then
    echo "$name: already there"
  elif ! command -v "${entry#*=}" >/dev/null; then
    echo "$name: left out, there is no ${entry#*=}"
    failed=1
  elif timeout "$LIMIT_SECONDS" bash "$here/install.sh" RUN "$name" >"$place/$name.log" 2>&1; then
    echo "$stamp" >"$place/$name.stamp"
    echo "$name: installed in $((SECONDS - began)) s"
  else
    echo "$name: left out, it could not be installed: $(tail -n 1 "$place/$name.log")"
    failed=1
  fi
done
exit "$failed"
