#!/bin/sh
# The installed library: what it exports, and that C and C++ programs can be built with it
# by pkg-config, shared and static.
#   library.sh <build folder of sdk> <C compiler> <extra link flags>
set -eu
build=$1 cc=$2 flags=${3-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for component in development runtime; do
    cmake --install "$build" --prefix "$work/root" --component "$component" >/dev/null
done
library=$(find "$work/root" -name libpawl.so)
libdir=$(dirname "$library")
export PKG_CONFIG_PATH="$libdir/pkgconfig" LD_LIBRARY_PATH="$libdir"

# Only functions that a public header declares, and all of those.
nm -D --defined-only "$library" | awk '$2 == "T" { print $3 }' | sort >"$work/exported"
cat "$work"/root/include/pawl/*.h | tr '\n' ' ' | grep -o 'PAWL_API [^;{]*(' |
    grep -o 'pawl_[a-z0-9_]*(' | tr -d '(' | sort -u >"$work/declared"
if ! diff "$work/exported" "$work/declared"; then
    echo "FAILED: the library's symbols (<) and the public headers (>) differ"
    exit 1
fi

cat >"$work/program.c" <<'END'
#include <pawl/pawl.h>
#include <pawl/testing.h>
#include <stdio.h>
static pawl_err echo(struct pawl_workflow_ctx *ctx, struct pawl_bytes input)
{
    return pawl_return(ctx, input);
}
int main(void)
{
    struct pawl_worker *worker;
    struct pawl_test *test;
    struct pawl_workflow_def def;
    pawl_err err = pawl_worker_new(NULL, &worker);
    def.name = "echo";
    def.version = NULL;
    def.run = echo;
    def.user = NULL;
    if (err == PAWL_OK) err = pawl_worker_add_workflow(worker, &def);
    pawl_worker_free(worker);
    if (err == PAWL_OK) err = pawl_test_new(NULL, &test);
    if (err == PAWL_OK) {
        err = pawl_test_add_workflow(test, &def);
        pawl_test_free(test);
    }
    puts(pawl_err_text(PAWL_E_BUSY));
    return err == PAWL_OK ? 0 : 1;
}
END
cp "$work/program.c" "$work/program.cc"
cd "$work"
strict="-Wall -Wextra -Wpedantic -Werror"
# shellcheck disable=SC2046,SC2086
{
    $cc -std=c11 $strict program.c $(pkg-config --cflags --libs pawl) $flags -o shared
    rm -f "$libdir"/libpawl.so*
    $cc -std=c11 $strict program.c $(pkg-config --cflags --static --libs pawl) $flags -o static
    ${CXX:-c++} -std=c++11 $strict -fsyntax-only program.cc $(pkg-config --cflags pawl)
}
./static | grep -q queued
cmake --install "$build" --prefix "$work/root" --component runtime >/dev/null
./shared | grep -q queued
echo "passed: $(wc -l <exported) functions exported"
