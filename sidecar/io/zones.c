#include "sidecar/io/zones.h"

#include <stdio.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/mem.h"

#define FOLDER "/usr/share/zoneinfo"

struct entry {
    struct pawl_bytes name; /* owned */
    struct pawl_zone *zone;
};

struct pawl_zones {
    char folder[256];
    struct pawl_map entries; /* name -> struct entry */
};

struct pawl_zones *pawl_zones_new(const char *folder)
{
    struct pawl_zones *zones = PAWL_NEW(struct pawl_zones);
    (void)snprintf(zones->folder, sizeof zones->folder, "%s", folder ? folder : FOLDER);
    pawl_map_init(&zones->entries, 1);
    return zones;
}

static void entry_free(struct entry *entry)
{
    union {
        const uint8_t *shown;
        void *owned;
    } name = { entry->name.data };
    pawl_zone_free(entry->zone);
    pawl_mem_free(name.owned);
    pawl_mem_free(entry);
}

void pawl_zones_free(struct pawl_zones *zones)
{
    if (!zones) return;
    uint32_t cursor = 0;
    for (struct entry *entry; (entry = pawl_map_next(&zones->entries, &cursor)) != NULL;)
        entry_free(entry);
    pawl_map_deinit(&zones->entries);
    pawl_mem_free(zones);
}

static struct pawl_zone *zone_read(const struct pawl_zones *zones, struct pawl_bytes name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%.*s", zones->folder, PAWL_BYTES_FMT(name));
    FILE *file = fopen(path, "rbe");
    if (!file) return NULL;
    uint8_t *data = pawl_mem_alloc(PAWL_ZONE_FILE_SIZE_MAX + 1);
    size_t size = fread(data, 1, PAWL_ZONE_FILE_SIZE_MAX + 1, file);
    struct pawl_zone *zone = ferror(file) ? NULL : pawl_zone_new(pawl_bytes_make(data, size));
    pawl_mem_free(data);
    (void)fclose(file);
    return zone;
}

const struct pawl_zone *pawl_zones_find(void *context, struct pawl_bytes name)
{
    struct pawl_zones *zones = context;
    const struct entry *known = pawl_map_find(&zones->entries, name);
    if (known) return known->zone;
    if (!pawl_zone_name_is_valid(name)) return NULL;
    struct pawl_zone *zone = zone_read(zones, name);
    if (!zone) return NULL;
    struct entry *entry = PAWL_NEW(struct entry);
    uint8_t *copy = pawl_mem_alloc(name.size);
    memcpy(copy, name.data, name.size);
    entry->name = pawl_bytes_make(copy, name.size);
    entry->zone = zone;
    pawl_map_insert(&zones->entries, entry->name, entry);
    return zone;
}
