// The log: one line an event to standard error, as text for people or as JSON lines for programs.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_BASE_LOG_H
#define SLIPWAY_BASE_LOG_H

typedef enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR } log_level;
typedef enum log_form { LOG_TEXT, LOG_JSON } log_form;

// Set once at start, before any thread. Text is coloured on a terminal unless NO_COLOR is set.
void log_init(log_level least, log_form form);

// Any thread; a line is one write. `event` is a short fixed name ("version deployed"); the format gives the details.
// Control characters in the details are escaped, so nobody can forge a line.
void log_event(log_level level, const char *event, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
