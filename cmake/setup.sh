# Sourced by ./run and ./test: installs what is missing, configures and builds. No output unless something is done.
# shellcheck shell=bash

jobs=$(nproc 2>/dev/null || echo 1)
if command -v ccache >/dev/null; then export CMAKE_C_COMPILER_LAUNCHER=ccache; fi

# What a package is needed for is looked at, not whether it is installed: tools from elsewhere are fine.
has_package() {
  case $1 in
    gcc) command -v gcc >/dev/null ;;
    libc6-dev) [ -e /usr/include/stdio.h ] ;;
    cmake) command -v cmake >/dev/null ;;
    ninja-build) command -v ninja >/dev/null ;;
    pkg-config) command -v pkg-config >/dev/null ;;
    libjansson-dev) pkg-config --exists jansson 2>/dev/null ;;
    libsodium-dev) pkg-config --exists libsodium 2>/dev/null ;;
    zlib1g-dev) pkg-config --exists zlib 2>/dev/null ;;
    libssl-dev) pkg-config --exists libssl libcrypto 2>/dev/null ;;
    libcurl4-openssl-dev) pkg-config --exists libcurl 2>/dev/null ;;
    libsqlite3-dev) pkg-config --exists sqlite3 2>/dev/null ;;
    libcmocka-dev) pkg-config --exists cmocka 2>/dev/null ;;
    clang | clang-format | curl | jq | openssl) command -v "$1" >/dev/null ;;
    libclang-rt-14-dev) [ -n "$(find /usr/lib/llvm-*/lib/clang -name 'libclang_rt.fuzzer-x86_64.a' 2>/dev/null)" ] ||
      [ "$(uname -m)" != x86_64 ] ;;
    python3) command -v python3 >/dev/null ;;
    python3-venv) python3 -c 'import ensurepip' 2>/dev/null ;;
    *) dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'install ok installed' ;;
  esac
}

build_packages=(gcc libc6-dev cmake ninja-build pkg-config libjansson-dev libsodium-dev zlib1g-dev libsqlite3-dev libssl-dev
  libcurl4-openssl-dev)
# What the tests labelled clients talk through and check with.
client_packages=(nginx-light haproxy slowhttptest testssl.sh prometheus lintian systemd dpkg-dev)
command -v npm >/dev/null || client_packages+=(npm)
package_packages=(dpkg-dev)
test_packages=(libcmocka-dev clang libclang-rt-14-dev clang-format python3 python3-venv curl jq openssl)

# install_packages NAME...: those that are missing, by apt.
install_packages() {
  local missing=() name as_root=()
  for name in "$@"; do has_package "$name" || missing+=("$name"); done
  [ ${#missing[@]} -gt 0 ] || return 0
  if ! command -v apt-get >/dev/null; then
    echo "missing: ${missing[*]} (Debian's names); this system has no apt-get: please install them" >&2
    return 1
  fi
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "missing: ${missing[*]}; run as root: apt-get install ${missing[*]}" >&2
      return 1
    fi
    as_root=(sudo)
  fi
  echo "installing ${missing[*]}"
  mkdir -p build/logs
  if ! { "${as_root[@]}" apt-get update -q &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}"; } \
    >build/logs/apt.log 2>&1; then
    tail -n 20 build/logs/apt.log >&2
    echo "apt could not install: ${missing[*]} (all of it in build/logs/apt.log)" >&2
    return 1
  fi
}

# build PRESET [TARGET...]: configures if needed, builds; shows the errors if it fails.
build() {
  local preset=$1 log
  shift
  log=build/logs/$preset.log
  mkdir -p build/logs
  # A cache made in another place (a folder that was moved or copied) is of no use.
  if [ -f "build/$preset/CMakeCache.txt" ] &&
    ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "build/$preset/CMakeCache.txt"; then
    rm -rf "build/$preset"
  fi
  if [ ! -f "build/$preset/build.ninja" ] && ! cmake --preset "$preset" >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    echo "cmake --preset $preset failed (all of it in $log)" >&2
    return 1
  fi
  echo "building $preset"
  local target=()
  if [ $# -gt 0 ]; then target=(--target "$@"); fi
  if ! cmake --build --preset "$preset" -j "$jobs" "${target[@]}" >"$log" 2>&1; then
    grep -E -A 8 'error|FAILED|undefined reference|ninja:' "$log" | head -n 80 >&2
    echo "the build of $preset failed (all of it in $log)" >&2
    return 1
  fi
}
