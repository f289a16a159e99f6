// Moving means.
// SPDX-License-Identifier: Apache-2.0
#include "serve/admission.h"

enum { SHARE = 16 };

void job_times_add(job_times *t, uint64_t spent_ns)
{
    double mean = atomic_load_explicit(&t->mean_ns, memory_order_relaxed);
    double now = mean > 0 ? mean + ((double)spent_ns - mean) / SHARE : (double)spent_ns;
    atomic_store_explicit(&t->mean_ns, now, memory_order_relaxed); // two at once: one of them is lost
}
