#!/bin/sh
# test_unit.sh UNIT PAWLD: systemd accepts the unit, finds it closed enough, and its
# command starts a sidecar with the unit's own environment. 77: no systemd here.
set -eu
command -v systemd-analyze >/dev/null || exit 77
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# As installed, but with the program of this build, and with its state in our folder.
program=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$1")
sed -e "s|$program|$2|" -e "s|/var/lib/pawl-%i|$folder|" "$1" >"$folder/pawld@.service"
systemd-analyze verify "$folder/pawld@.service" 2>"$folder/complaints" || true
if grep -F "pawld@" "$folder/complaints"; then exit 1; fi
systemd-analyze security --offline=true --threshold=20 "$folder/pawld@.service" >"$folder/security" || {
    cat "$folder/security"
    exit 1
}

sed -n 's/^Environment=//p' "$folder/pawld@.service" | sed 's/%i/shop/g' >"$folder/environment"
command=$(sed -n 's/^ExecStart=//p' "$folder/pawld@.service" | sed 's/%i/shop/g')
mkfifo "$folder/ready"
# Ports that others may use are the only thing that is changed. In the foreground timeout
# passes a signal on to the program alone, and once.
# shellcheck disable=SC2046,SC2086
env -i $(cat "$folder/environment") PAWL_HTTP_PORT=0 PAWL_APP_LISTEN="ipc://$folder/app.sock" \
    timeout --foreground 200 $command --ready-fd 3 3>"$folder/ready" 2>"$folder/log" &
pid=$!
if ! grep -q '"http"' "$folder/ready" || ! test -s "$folder/state.db"; then
    cat "$folder/log"
    exit 1
fi
kill "$pid"
wait "$pid" || true
grep -q 'msg="stopped"' "$folder/log" || {
    cat "$folder/log"
    exit 1
}
