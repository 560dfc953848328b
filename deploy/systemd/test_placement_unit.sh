#!/bin/sh
# test_placement_unit.sh UNIT PROGRAM: systemd accepts the unit, finds it closed enough, and
# its command starts and stops a placement service. 77: no systemd here.
set -eu
command -v systemd-analyze >/dev/null || exit 77
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# As installed, but with the program of this build.
unit="$folder/pawl-placement.service"
program=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$1")
sed -e "s|$program|$2|" "$1" >"$unit"
systemd-analyze verify "$unit" 2>"$folder/complaints" || true
if grep -F "pawl-placement" "$folder/complaints"; then exit 1; fi
systemd-analyze security --offline=true --threshold=20 "$unit" >"$folder/security" || {
    cat "$folder/security"
    exit 1
}

command=$(sed -n 's/^ExecStart=//p' "$unit")
mkfifo "$folder/ready"
# Ports that others may use are the only thing that is changed. In the foreground timeout
# passes a signal on to the program alone, and once.
# shellcheck disable=SC2086
env -i PAWL_PLACEMENT_HTTP_PORT=0 PAWL_PLACEMENT_LISTEN=tcp://127.0.0.1:0 \
    timeout --foreground 200 $command --ready-fd 3 3>"$folder/ready" 2>"$folder/log" &
pid=$!
if ! grep -q '"placement"' "$folder/ready"; then
    cat "$folder/log"
    exit 1
fi
kill "$pid"
wait "$pid" || true
grep -q 'msg="stopped"' "$folder/log" || {
    cat "$folder/log"
    exit 1
}
