/* SPDX-License-Identifier: MIT */
/* The sink thread. sink/sink.c starts it. */
#ifndef HR_SINK_THREAD_H
#define HR_SINK_THREAD_H

/* The thread's body; `context` is the sink, one reference of it is the
 * thread's. Returns NULL when the sink's wake is stopped. */
void *hr_sink_thread(void *context);

#endif
