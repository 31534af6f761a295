#!/bin/sh
# Everything from a fresh clone, on a machine with Node or curl.
#   ./install.sh run [flags of serve]          build when needed, start on http://localhost:4000
#   ./install.sh test                          every check and the whole suite, SQLite and Postgres
#   ./install.sh install [--service] [--prefix DIR]   put the binary into DIR/bin (default /usr/local)
set -eu
cd "$(dirname "$0")"

say() { printf '%s\n' "$*" >&2; }
fail() { say "install.sh: $*"; exit 1; }
usage() { sed -n '3,5s/^# *//p' "$0" >&2; exit 2; }

BUN_VERSION=$(sed -n 's/^ *"bun": *"\([0-9.]*\)".*/\1/p' package.json)

# The npm package that holds Bun's runtime for this machine.
runtime_package() {
  case $(uname -s) in
    Linux) os=linux ;;
    Darwin) os=darwin ;;
    *) fail "no build for $(uname -s) by this script: see build.ts --target" ;;
  esac
  case $(uname -m) in
    x86_64 | amd64) cpu=x64 ;;
    aarch64 | arm64) cpu=aarch64 ;;
    *) fail "Bun does not run on $(uname -m)" ;;
  esac
  suffix=
  if [ "$os" = linux ] && ls /lib/ld-musl-*.so.1 >/dev/null 2>&1; then suffix=-musl; fi
  # Processors before 2013 have no AVX2; Bun has a build of its own for them.
  if [ "$os-$cpu" = linux-x64 ] && ! grep -q avx2 /proc/cpuinfo; then suffix=$suffix-baseline; fi
  echo "@oven/bun-$os-$cpu$suffix"
}

bun_by_npm() {
  package=$(runtime_package)
  say "Fetching Bun $BUN_VERSION (npm package $package)"
  draft=.tools/bun.$$
  mkdir -p "$draft"
  archive=$(cd "$draft" && npm pack --silent "$package@$BUN_VERSION" 2>/dev/null) ||
    { rm -rf "$draft"; return 1; }
  tar xzf "$draft/$archive" -C "$draft" --strip-components=1
  rm -rf .tools/bun
  mv "$draft" .tools/bun
  ln -sf bun .tools/bun/bin/bunx
}

bun_by_installer() {
  say "Fetching Bun $BUN_VERSION (bun.sh)"
  command -v unzip >/dev/null || fail "Bun's installer needs unzip: install it (apt-get install unzip), or install Node"
  curl -fsSL https://bun.sh/install | BUN_INSTALL="$PWD/.tools/bun" bash -s "bun-v$BUN_VERSION" >&2 ||
    fail "could not fetch Bun from bun.sh: check the network, or install Node with npm and run this again"
}

find_bun() {
  if [ "$(bun --version 2>/dev/null || true)" = "$BUN_VERSION" ]; then return; fi
  if [ "$(.tools/bun/bin/bun --version 2>/dev/null || true)" != "$BUN_VERSION" ]; then
    if command -v npm >/dev/null && bun_by_npm; then :
    elif command -v curl >/dev/null && command -v bash >/dev/null; then bun_by_installer
    else fail "Bun $BUN_VERSION is missing and can't be fetched: install Node with npm, or curl and unzip, then run this again"
    fi
  fi
  PATH="$PWD/.tools/bun/bin:$PATH"
  export PATH
  [ "$(bun --version 2>/dev/null || true)" = "$BUN_VERSION" ] ||
    fail "Bun was fetched but does not start: run .tools/bun/bin/bun --version to see why"
}

set_up() {
  find_bun
  bun install --frozen-lockfile --silent || fail "dependencies could not be installed: check the network and run this again"
}

build() {
  if [ -x dist/qeetid ] && [ -z "$(find src db build.ts package.json bun.lock -newer dist/qeetid -print | head -n 1)" ]; then
    return
  fi
  say "Building dist/qeetid"
  bun build.ts >&2 || fail "the build failed; the lines above say why"
}

# Programs that some tests talk to. Without them those tests are skipped, and say so.
test_packages() {
  missing=
  command -v chromium >/dev/null || missing="$missing chromium"
  command -v redis-server >/dev/null || missing="$missing redis-server"
  command -v qemu-aarch64 >/dev/null || missing="$missing qemu-user"
  [ -e /usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1 ] || missing="$missing libc6-arm64-cross libgcc-s1-arm64-cross"
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    say "Not installed:$missing. The tests that need them will be skipped."
    return 0
  fi
  say "Installing$missing"
  export DEBIAN_FRONTEND=noninteractive
  # One by one: what this release does not have keeps nothing else away.
  apt-get update -qq >/dev/null 2>&1 || say "apt-get update failed; going on with what is known"
  for package in $missing; do
    apt-get install -y -qq --no-install-recommends "$package" >/dev/null 2>&1 ||
      say "apt-get could not install $package. The tests that need it will be skipped."
  done
}

install_binary() {
  prefix=/usr/local service=
  while [ $# -gt 0 ]; do
    case $1 in
      --service) service=yes ;;
      --prefix) [ $# -ge 2 ] || usage; prefix=$2; shift ;;
      --prefix=*) prefix=${1#--prefix=} ;;
      *) usage ;;
    esac
    shift
  done
  set_up
  build
  mkdir -p "$prefix/bin" 2>/dev/null && [ -w "$prefix/bin" ] ||
    fail "$prefix/bin can't be written: run this with sudo, or choose another place with --prefix"
  # Beside it first, then a rename: a running server keeps its file.
  cp dist/qeetid "$prefix/bin/.qeetid.$$"
  chmod 755 "$prefix/bin/.qeetid.$$"
  mv "$prefix/bin/.qeetid.$$" "$prefix/bin/qeetid"
  say "Installed $prefix/bin/qeetid"
  if [ -n "$service" ]; then "$prefix/bin/qeetid" service install; fi
}

[ $# -gt 0 ] || usage
command=$1
shift
case $command in
  run)
    set_up
    build
    exec dist/qeetid serve "$@"
    ;;
  test)
    set_up
    test_packages
    exec bun test/run.ts "$@"
    ;;
  install) install_binary "$@" ;;
  *) usage ;;
esac
