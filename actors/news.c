#include "actors/news.h"

#include "actors/directory.h"
#include "actors/watch.h"

struct pawl_news {
    struct pawl_alarm alarm; /* the next time to tell */
    int64_t tell_ms;         /* not before */
    int64_t want_ms;         /* as above */
    int64_t until_ms;        /* nobody has asked for news after that */
    uint32_t count;
    uint32_t *partitions; /* to be told of; each once */
    bool *is_listed;      /* by partition */
};

static void news_on_alarm(struct pawl_node *node, struct pawl_alarm *alarm);

void pawl_news_init(struct pawl_node *node)
{
    uint32_t partitions = node->config.partitions;
    struct pawl_news *news = PAWL_NEW(struct pawl_news);
    news->alarm.fire = news_on_alarm;
    news->partitions = pawl_mem_alloc(partitions * sizeof *news->partitions);
    news->is_listed = pawl_mem_alloc(partitions * sizeof *news->is_listed);
    memset(news->is_listed, 0, partitions * sizeof *news->is_listed);
    node->news = news;
}

void pawl_news_deinit(struct pawl_node *node)
{
    pawl_alarm_clear(node, &node->news->alarm);
    pawl_mem_free(node->news->partitions);
    pawl_mem_free(node->news->is_listed);
    pawl_mem_free(node->news);
}

/* Those whose link is down, too: it is made again by this. */
void pawl_news_want(struct pawl_node *node)
{
    struct pawl_host **hosts;
    uint32_t count = pawl_directory_own_hosts(node, &hosts);
    if (node->now_ms < node->news->want_ms) return;
    node->news->want_ms = node->now_ms + PAWL_WATCH_LOOK_MS;
    for (uint32_t i = 0; i < count; i++)
        if (!hosts[i]->is_self)
            pawl_node_peer_send(node, hosts[i], pawl_node_peer_frame(node, PAWL_PEER_NEWS_WANTED));
}

void pawl_news_on_wanted(struct pawl_node *node, struct pawl_host *host)
{
    if (!pawl_directory_is_own_app(node, host->app->id)) return; /* another store's */
    host->news_until_ms = node->now_ms + PAWL_NEWS_WANTED_MS;
    node->news->until_ms = host->news_until_ms;
}

static void news_send(struct pawl_node *node)
{
    struct pawl_news *news = node->news;
    struct pawl_peer_frame *frame = pawl_node_peer_frame(node, PAWL_PEER_NEWS);
    frame->news.count = news->count;
    frame->news.partitions = PAWL_ARENA_ARRAY(&node->effects->arena, uint32_t, news->count);
    for (uint32_t i = 0; i < news->count; i++) {
        frame->news.partitions[i] = news->partitions[i];
        news->is_listed[news->partitions[i]] = false;
    }
    news->count = 0;
    news->tell_ms = node->now_ms + PAWL_NEWS_TELL_MS;
    struct pawl_host **hosts;
    uint32_t hosts_count = pawl_directory_own_hosts(node, &hosts);
    for (uint32_t i = 0; i < hosts_count; i++)
        if (hosts[i]->news_until_ms > node->now_ms) pawl_node_peer_send(node, hosts[i], frame);
}

static void news_on_alarm(struct pawl_node *node, struct pawl_alarm *alarm)
{
    (void)alarm;
    news_send(node);
}

void pawl_news_tell(struct pawl_node *node, uint32_t partition)
{
    struct pawl_news *news = node->news;
    if (node->now_ms >= news->until_ms || news->is_listed[partition]) return;
    news->is_listed[partition] = true;
    news->partitions[news->count++] = partition;
    if (pawl_heap_node_is_linked(&news->alarm.node)) return;
    if (node->now_ms >= news->tell_ms)
        news_send(node);
    else
        pawl_alarm_set(node, &news->alarm, news->tell_ms);
}

void pawl_news_on_told(struct pawl_node *node, const struct pawl_peer_news *told)
{
    for (uint32_t i = 0; i < told->count; i++)
        if (told->partitions[i] < node->config.partitions)
            pawl_watch_on_told(node, told->partitions[i]);
}
