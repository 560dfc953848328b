/* Child workflows: a workflow that starts others and puts their results together.
 *
 * A child is an instance of its own, with its own history, status and failures. Use one
 * to keep histories small, to reuse a workflow, or to give a part a name of its own. What
 * nobody waits for is a detached workflow: it has no parent.
 */
#include "example.h"

#include <stdio.h>

#define CHAPTERS 3

static pawl_err write_page(struct pawl_activity_ctx *ctx, struct pawl_bytes input)
{
    char text[64];
    (void)snprintf(text, sizeof text, "page %s", pawl_as_text(input));
    return pawl_activity_return(ctx, pawl_text(text));
}

/* The child: one chapter of two pages. */
static pawl_err chapter(struct pawl_workflow_ctx *ctx, struct pawl_bytes number)
{
    struct pawl_bytes pages[2];
    for (int i = 0; i < 2; i++) {
        const char *page = pawl_format(ctx, "%s.%d", pawl_as_text(number), i + 1);
        pawl_err err = pawl_call_activity(ctx, "write_page", pawl_text(page), NULL, &pages[i]);
        if (err) return err;
    }
    return pawl_return(ctx, pawl_text(pawl_format(ctx, "[%s, %s]", pawl_as_text(pages[0]),
                                                  pawl_as_text(pages[1]))));
}

/* The parent: all chapters at the same time. */
static pawl_err book(struct pawl_workflow_ctx *ctx, struct pawl_bytes title)
{
    struct pawl_task *chapters[CHAPTERS];
    for (int i = 0; i < CHAPTERS; i++) {
        const char *number = pawl_format(ctx, "%d", i + 1);
        chapters[i] = pawl_schedule_child_workflow(ctx, "chapter", pawl_text(number), NULL);
    }
    pawl_err err = pawl_when_all(ctx, chapters, CHAPTERS);
    if (err) return err;

    const char *text = pawl_as_text(title);
    for (int i = 0; i < CHAPTERS; i++) {
        text = pawl_format(ctx, "%s %s", text, pawl_as_text(pawl_task_output(chapters[i])));
    }
    return pawl_return(ctx, pawl_text(text));
}

/* What is started when the book is done, and then goes its own way. */
static pawl_err advertise(struct pawl_workflow_ctx *ctx, struct pawl_bytes title)
{
    return pawl_return(ctx, pawl_text(pawl_format(ctx, "Read %s", pawl_as_text(title))));
}

static pawl_err publish(struct pawl_workflow_ctx *ctx, struct pawl_bytes title)
{
    struct pawl_bytes text;
    struct pawl_call_options options = { .parent_close = PAWL_PARENT_CLOSE_TERMINATE };
    pawl_err err = pawl_call_child_workflow(ctx, "book", title, &options, &text);
    if (err) return err;

    const char *campaign = pawl_format(ctx, "%s-campaign", pawl_instance_id(ctx));
    struct pawl_detached_options detached = { .instance_id = campaign };
    err = pawl_start_detached_workflow(ctx, "advertise", title, &detached, NULL);
    if (err) return err;
    return pawl_return(ctx, text);
}

static bool demo(struct pawl_client *client)
{
    char id[64];
    return example_start(client, "publish", "Ratchets:", id)
           && example_finish(client, id, PAWL_STATUS_COMPLETED,
                             "Ratchets: [page 1.1, page 1.2] [page 2.1, page 2.2] "
                             "[page 3.1, page 3.2]");
}

int main(int argc, char **argv)
{
    static const struct pawl_workflow_def workflows[] = { { .name = "book", .run = book },
                                                          { .name = "chapter", .run = chapter },
                                                          { .name = "publish", .run = publish },
                                                          { .name = "advertise", .run = advertise },
                                                          { .name = NULL } };
    static const struct pawl_activity_def activities[] = {
        { .name = "write_page", .run = write_page }, { .name = NULL }
    };
    return example_main(argc, argv, &(struct example){ workflows, activities, demo });
}
