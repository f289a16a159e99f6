// SQLite's WAL keeps its index in shared memory, and its locks are POSIX record locks: both hold on one machine only,
// and a network file system lets two machines in without telling.
// SPDX-License-Identifier: Apache-2.0
#include "registry/place_impl.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "base/buf.h"
#include "base/files.h"
#include "base/mem.h"

enum { MOUNTINFO_MAX = 16 << 20 };

#define FUSE_MAGIC 0x65735546ul

// f_type of statfs(2), from the kernel's magic numbers.
static const struct {
    unsigned long magic;
    const char *name;
} networks[] = {
    {0x6969, "NFS"},        {0x517B, "SMB"},     {0xFF534D42, "CIFS"},   {0xFE534D42, "SMB"},   {0x01021997, "9P"},
    {0x5346414F, "AFS"},    {0x6B414653, "AFS"}, {0x00C36400, "Ceph"},   {0x73757245, "Coda"},  {0x47504653, "GPFS"},
    {0x0BD00BD0, "Lustre"}, {0x564C, "NCP"},     {0x19830326, "BeeGFS"}, {0x7461636F, "OCFS2"}, {0x01161970, "GFS2"},
};

// FUSE has one magic for everything; the subtype says who it is.
static const char *const fuse_networks[] = {
    "sshfs",   "rclone",   "s3fs",      "gcsfuse",   "goofys",
    "davfs",   "davfs2",   "glusterfs", "curlftpfs", "smbnetfs",
    "juicefs", "mount-s3", "blobfuse",  "blobfuse2", "ceph-fuse",
    "cephfs",  "moosefs",  "seaweedfs", "hdfs",      "google-drive-ocamlfuse",
};

const char *place_network_name(unsigned long magic, const char *type)
{
    magic &= 0xFFFFFFFFul; // f_type is signed: 0xFF534D42 comes with the upper half set
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++)
        if (networks[i].magic == magic) return networks[i].name;
    if (magic != FUSE_MAGIC || strncmp(type, "fuse.", 5) != 0) return NULL;
    for (size_t i = 0; i < sizeof fuse_networks / sizeof *fuse_networks; i++)
        if (strcmp(type + 5, fuse_networks[i]) == 0) return fuse_networks[i];
    return NULL;
}

// The next word of `line`, words being separated by one blank.
static str next_word(str *line)
{
    const char *blank = line->len ? memchr(line->data, ' ', line->len) : NULL;
    str word = {line->data, blank ? (size_t)(blank - line->data) : line->len};
    size_t used = word.len + (blank != NULL);
    *line = (str){line->data + used, line->len - used};
    return word;
}

// A line of proc(5): ID PARENT MAJOR:MINOR ROOT POINT OPTIONS TAGS... - TYPE SOURCE OPTIONS
void place_mount_type(str mountinfo, unsigned major_number, unsigned minor_number, char type[64])
{
    char device[32];
    snprintf(device, sizeof device, "%u:%u", major_number, minor_number);
    type[0] = '\0';
    while (mountinfo.len > 0) {
        const char *end = memchr(mountinfo.data, '\n', mountinfo.len);
        str line = {mountinfo.data, end ? (size_t)(end - mountinfo.data) : mountinfo.len};
        size_t used = line.len + (end != NULL);
        mountinfo = (str){mountinfo.data + used, mountinfo.len - used};
        next_word(&line);
        next_word(&line);
        if (!str_equal(next_word(&line), str_of(device))) continue;
        while (line.len > 0 && !str_equal(next_word(&line), STR("-"))) {
        }
        str word = next_word(&line);
        snprintf(type, 64, "%.*s", (int)(word.len < 63 ? word.len : 63), word.data);
        return;
    }
}

// Fills `type`, or leaves it empty: then FUSE counts as local.
static void find_mount_type(const char *path, char type[64])
{
    struct stat st;
    buf text;
    type[0] = '\0';
    if (stat(path, &st) != 0 || file_read("/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL) < 0) return;
    place_mount_type(buf_str(&text), major(st.st_dev), minor(st.st_dev), type);
    buf_clear(&text);
}

int place_check(const char *dir, err *e)
{
    char *path = mem_strdup(dir);
    if (!path) return err_set(e, ERR_MEMORY, "%s: no memory for its name", dir);
    struct statfs fs;
    int rc = statfs(path, &fs);
    while (rc != 0) {
        char *slash = strrchr(path, '/');
        if (slash && slash > path)
            *slash = '\0';
        else
            snprintf(path, strlen(path) + 1, "%s", slash ? "/" : ".");
        rc = statfs(path, &fs);
        if (strcmp(path, "/") == 0 || strcmp(path, ".") == 0) break;
    }
    const char *name = NULL;
    if (rc == 0) {
        char type[64] = "";
        if (((unsigned long)fs.f_type & 0xFFFFFFFFul) == FUSE_MAGIC) find_mount_type(path, type);
        name = place_network_name((unsigned long)fs.f_type, type);
    }
    mem_free(path);
    if (!name) return 0; // an unreadable place shows itself when it is used
    return err_set(e, ERR_UNSUPPORTED,
                   "%s: on a network file system (%s), where a registry would be damaged; use a local disk", dir, name);
}
