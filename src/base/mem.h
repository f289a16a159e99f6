// The one door to the heap: sizes are checked, and tests can make the nth request fail.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_BASE_MEM_H
#define SLIPWAY_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

// All: any thread. NULL if count * size overflows or there is no memory; the caller turns that into ERR_MEMORY.
// A request for zero bytes gives a unique pointer. The memory is the caller's: mem_free().
void *mem_alloc(size_t count, size_t size) __attribute__((malloc));
void *mem_zalloc(size_t count, size_t size) __attribute__((malloc));                    // filled with zeros
void *mem_realloc(void *old, size_t count, size_t size);                                // on failure `old` is untouched
void *mem_aligned(size_t alignment, size_t count, size_t size) __attribute__((malloc)); // a power of two, >= 16
char *mem_strdup(const char *text) __attribute__((malloc));
char *mem_strndup(const char *text, size_t len) __attribute__((malloc)); // adds the NUL
void mem_free(void *p);                                                  // NULL is fine
void mem_trim(void); // gives what is free back to the system: milliseconds, not for event loops

// Fault injection, for tests: the nth request from now (1 is the next one) fails, and with `sticky` all later ones
// too. 0 switches it off. Returns the number of requests since the last call.
uint64_t mem_fail_at(uint64_t nth, int sticky);

#endif
