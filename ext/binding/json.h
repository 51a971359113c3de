/* SPDX-License-Identifier: MIT */
/* Python objects from JSON that the core has read: what json.loads() gives,
 * in the order of the text. */
#ifndef HR_BINDING_JSON_H
#define HR_BINDING_JSON_H

#include "state.h"

#include "base/json.h"

/* A dict of the `count` members of an object that hr_json_index() accepted.
 * New reference. */
PyObject *json_object(core_state *state, const char *text,
                      const hr_json_member *members, size_t count);

/* The value of one member. New reference. */
PyObject *json_value(const char *text, const hr_json_member *member);

/* The name of a member as str. New reference. */
PyObject *json_name(core_state *state, const char *text,
                    const hr_json_member *member);

#endif
