/* Story: everything that is stored of one instance, for a person. Pure; fed with its pages. */
#ifndef PAWL_DOCTOR_STORY_H
#define PAWL_DOCTOR_STORY_H

#include "doctor/report.h"

struct pawl_doctor_story;

struct pawl_doctor_story *pawl_doctor_story_new(const struct pawl_doctor_subject *subject,
                                                uint32_t partition);
void pawl_doctor_story_free(struct pawl_doctor_story *story);

/* A page; a first one begins anew. */
void pawl_doctor_story_page(struct pawl_doctor_story *story,
                            const struct pawl_stored_instance *stored, bool is_first);
void pawl_doctor_story_waits(struct pawl_doctor_story *story,
                             const struct pawl_stored_instance *stored, uint32_t waits_count,
                             const struct pawl_wait *waits);
void pawl_doctor_story_payloads(struct pawl_doctor_story *story,
                                const struct pawl_payloads *payloads);

/* False: there was no such instance. The findings come from the report. */
bool pawl_doctor_story_is_there(const struct pawl_doctor_story *story);
void pawl_doctor_story_write(const struct pawl_doctor_story *story,
                             const struct pawl_doctor_report *report, struct pawl_buf *buf);

#endif /* PAWL_DOCTOR_STORY_H */
