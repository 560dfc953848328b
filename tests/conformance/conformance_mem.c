/* The reference behind the port: its adapter copies, orders and answers right. */
#include "suite.h"

int main(int argc, char **argv)
{
    struct suite_options options = {
        .name = "mem", .open = pawl_store_mem_open, .url = "mem://", .ops = 20000
    };
    suite_parse(&options, argc, argv);
    return suite_run(&options);
}
