/*
 * registry_script.h: registry.lua cut into the scripts of the verbs, each with the part that all share and the prefix of the keys before
 * it. Pure.
 */
#ifndef CLUSTER_REGISTRY_SCRIPT_H
#define CLUSTER_REGISTRY_SCRIPT_H

#include "cluster/registry.h"

/* The whole text of a verb's script, in the arena. The prefix has only letters, digits and ".:_-" (registry_prefix_is_sound). */
struct str registry_script(struct arena *a, enum registry_verb v, struct str prefix);
bool registry_prefix_is_sound(struct str prefix);

#define REGISTRY_NUMBER 13
/* 64 bits as 13 digits of base 32 (0-9, a-v), so that they compare as text. */
void registry_number_write(uint64_t n, char out[REGISTRY_NUMBER]);
/* False: it is no such number. */
bool registry_number_read(struct str s, uint64_t *out);

#endif
