// The folder of a run: where its files are, and what it said.
// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/mem.h"
#include "serve/jobs.h"

enum { FOLDER_MODE = 0700, FILE_MODE = 0600, EVENT_MAX = 1 << 20 };

int run_path(const char *data_dir, const char *id, const char *name, char **out, err *e)
{
    size_t size = strlen(data_dir) + strlen(id) + (name ? strlen(name) : 0) + sizeof "/runs//";
    char *path = mem_alloc(size, 1);
    if (!path) return err_set(e, ERR_MEMORY, "no memory for the path of a run");
    snprintf(path, size, "%s/runs/%s%s%s", data_dir, id, name ? "/" : "", name ? name : "");
    *out = path;
    return 0;
}

void run_folder_remove(const char *data_dir, const char *id)
{
    char *folder;
    if (run_path(data_dir, id, NULL, &folder, NULL) < 0) return;
    DIR *d = opendir(folder);
    for (struct dirent *entry; d && (entry = readdir(d));) unlinkat(dirfd(d), entry->d_name, 0); // there are no folders
    if (d) closedir(d);
    rmdir(folder);
    mem_free(folder);
}

static int append(const char *path, str line, err *e)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, FILE_MODE);
    if (fd < 0) return err_set_errno(e, "the events of a run");
    int rc = fd_write_all(fd, line, e);
    close(fd);
    return rc;
}

int run_event(const char *data_dir, const char *id, int64_t number, const char *event, json_t *data, err *e)
{
    char time[CLOCK_TEXT_SIZE], *folder = NULL, *path = NULL;
    json_t *j = data ? json_pack("{s:I,s:s,s:s,s:o}", "id", (json_int_t)number, "event", event, "time",
                                 clock_format_utc(clock_utc_ms(), time), "data", data)
                     : NULL;
    buf line;
    buf_init(&line, EVENT_MAX);
    int rc = j ? json_format(j, false, &line, e) : err_set(e, ERR_MEMORY, "no memory for an event");
    buf_add_char(&line, '\n');
    if (rc == 0) rc = buf_check(&line, e);
    if (rc == 0) rc = run_path(data_dir, id, NULL, &folder, e);
    if (rc == 0 && !path_exists(folder)) rc = dir_make(folder, FOLDER_MODE, e);
    if (rc == 0) rc = run_path(data_dir, id, RUN_EVENTS, &path, e);
    if (rc == 0) rc = append(path, buf_str(&line), e);
    mem_free(path);
    mem_free(folder);
    buf_clear(&line);
    json_decref(j);
    return rc;
}
