# Which Debian packages Pawl needs, and how to get them. For bash scripts that stand at
# the root of the project; sourced, not run.

# To build and run it. (libcyaml-dev does not bring libyaml-dev, though it needs it to link.)
build_packages=(
    gcc libc6-dev cmake ninja-build pkg-config
    libnng-dev libuv1-dev libhiredis-dev libmsgpack-dev libsodium-dev libsqlite3-dev
    libmicrohttpd-dev libjansson-dev libcurl4-openssl-dev libcyaml-dev libyaml-dev
    libnghttp2-dev libssl-dev libprotobuf-c-dev protobuf-c-compiler
    tzdata # time zones of schedules
)

# To check it as well.
check_packages=(
    "${build_packages[@]}" ccache clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev
    libcmocka-dev redis-server python3 jq curl git g++ openssl
)

is_installed() {
    [ "$(dpkg-query -W -f '${Status}' "$1" 2>/dev/null)" = "install ok installed" ]
}

# Debian starts a service when its package is installed. The tests start Redis servers
# of their own; one more on the machine's port would only be in somebody's way.
policy=/usr/sbin/policy-rc.d
policy_is_ours=no
forbid_services() {
    [ -e "$policy" ] && return
    policy_is_ours=yes
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
}
# Call it when the script ends, too: an interrupted installation must not leave the
# policy behind.
allow_services() {
    [ "$policy_is_ours" = no ] || rm -f "$policy"
    policy_is_ours=no
}

# patiently APT-COMMAND…: again when it fails, because a server does not answer, or because
# another apt is at work (it waits by itself for the lock of dpkg only).
apt_pause_s=10
patiently() {
    local attempt command=$1
    shift
    for attempt in 1 2 3 4 5; do
        "$command" -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" && return
        [ $attempt = 5 ] || sleep $apt_pause_s
    done
    return 1
}

# install_missing PACKAGE…: as root, install what is not there; for others, say what is
# missing and fail.
install_missing() {
    command -v dpkg-query >/dev/null || return 0 # not Debian: CMake will name what is missing
    local missing=() package
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ]; then
        echo "missing packages; install them with: sudo apt-get install ${missing[*]}" >&2
        return 1
    fi
    echo "== installing ${missing[*]}"
    forbid_services
    export DEBIAN_FRONTEND=noninteractive
    # One list that cannot be had now may be one that is not needed.
    patiently apt-get update -q -o APT::Update::Error-Mode=any || true
    patiently apt-get install -q -y --no-install-recommends "${missing[@]}"
    allow_services
}
