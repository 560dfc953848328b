/* Flags: what getopt_long(3) does not do for us. */
#ifndef PAWL_BASE_FLAGS_H
#define PAWL_BASE_FLAGS_H

/* getopt_long takes the beginning of a name for the name, and so `--id` for `--idempotency-key`:
 * whoever wrote it meant something else. To be asked when it has just found the option `name`;
 * `next` is its optind, `value` its optarg. The option as it was written, part of argv; NULL: it
 * was written out. */
const char *pawl_flag_cut_short(char *const *argv, int next, const char *value, const char *name);

#endif /* PAWL_BASE_FLAGS_H */
