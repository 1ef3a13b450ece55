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

readonly AWS_SDK_V2=2.1693.0
readonly DEPENDENCY_PLUGIN=org.apache.maven.plugins:maven-dependency-plugin:3.8.1
readonly LITESTREAM=v0.5.18
readonly MC=v0.0.0-20250313080218-cf909e1063a9
readonly LIMIT_SECONDS=900

install_python() {
  [ -x "$place/python/bin/python" ] || python3 -m venv "$place/python" || return
  "$place/python/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
}

install_javascript() {
  npm install --silent --no-audit --no-fund --prefix "$place/javascript" "aws-sdk@$AWS_SDK_V2"
}

install_java() {
  mkdir -p "$place/java/classes"
  mvn --batch-mode --quiet --file "$here/java/pom.xml" "$DEPENDENCY_PLUGIN:copy-dependencies" \
    "-DoutputDirectory=$place/java/lib" -DincludeScope=runtime &&
    javac -nowarn -encoding UTF-8 -d "$place/java/classes" -cp "$place/java/lib/*" "$here"/java/*.java
}

install_go() {
  mkdir -p "$place/bin"
  (cd "$here/go" && go build -o "$place/bin/go-checks" .)
}

install_litestream() {
  GOBIN="$place/bin" go install "github.com/benbjohnson/litestream/cmd/litestream@$LITESTREAM"
}

install_mc() {
  GOBIN="$place/bin" go install "github.com/minio/mc@$MC"
}

# The files that say what is installed; when they change, it is installed anew.
pins() {
  cat "$here/install.sh"
  case $1 in
    python) cat "$here/requirements.txt" ;;
    java) cat "$here"/java/* ;;
    go) cat "$here"/go/* ;;
  esac
}

# CLIENT=PROGRAM that installs it
readonly CLIENTS=(python=python3 javascript=npm java=javac go=go litestream=go mc=go)

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
