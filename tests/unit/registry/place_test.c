// Network file systems: which are refused.
// SPDX-License-Identifier: Apache-2.0
#include "registry/place_impl.h"

#include "check.h"

static void networks_are_known_by_their_magic(void **state)
{
    (void)state;
    assert_string_equal(place_network_name(0x6969, ""), "NFS");
    assert_string_equal(place_network_name((unsigned long)(long)(int)0xFF534D42, ""), "CIFS"); // sign-extended
    assert_string_equal(place_network_name(0xFE534D42, ""), "SMB");
    assert_string_equal(place_network_name(0x01021997, ""), "9P");
    assert_null(place_network_name(0xEF53, ""));     // ext4
    assert_null(place_network_name(0x58465342, "")); // xfs
    assert_null(place_network_name(0x9123683E, "")); // btrfs
    assert_null(place_network_name(0x01021994, "")); // tmpfs
    assert_null(place_network_name(0x794C7630, "")); // overlay
}

static void fuse_is_looked_at_by_its_type(void **state)
{
    (void)state;
    assert_string_equal(place_network_name(0x65735546, "fuse.sshfs"), "sshfs");
    assert_string_equal(place_network_name(0x65735546, "fuse.rclone"), "rclone");
    assert_null(place_network_name(0x65735546, "fuse.fuse-overlayfs"));
    assert_null(place_network_name(0x65735546, "fuseblk"));
    assert_null(place_network_name(0x65735546, ""));
    assert_null(place_network_name(0xEF53, "fuse.sshfs"));
}

static void mounts_are_found_by_their_device(void **state)
{
    (void)state;
    char type[64];
    str text = STR("22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
                   "30 22 0:51 / /mnt/a\\040b rw,nosuid shared:7 master:3 - fuse.sshfs me@host:/x rw,user_id=0\n"
                   "31 22 0:52 / /mnt/c rw - tmpfs tmpfs rw\n");
    place_mount_type(text, 0, 51, type);
    assert_string_equal(type, "fuse.sshfs");
    place_mount_type(text, 8, 1, type);
    assert_string_equal(type, "ext4");
    place_mount_type(text, 0, 52, type);
    assert_string_equal(type, "tmpfs");
    place_mount_type(text, 0, 5, type);
    assert_string_equal(type, "");
    place_mount_type(STR("30 22 0:51"), 0, 51, type);
    assert_string_equal(type, "");
}

static void local_places_are_fine(void **state)
{
    (void)state;
    err e = ERR_NONE;
    char *folder = check_folder();
    char inside[4096];
    snprintf(inside, sizeof inside, "%s/not/there/yet", folder);
    check_ok(place_check(folder, &e), &e);
    check_ok(place_check(inside, &e), &e);
    check_ok(place_check("relative", &e), &e);
    check_ok(place_check("/", &e), &e);
    check_folder_free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_are_known_by_their_magic),
        cmocka_unit_test(fuse_is_looked_at_by_its_type),
        cmocka_unit_test(mounts_are_found_by_their_device),
        cmocka_unit_test(local_places_are_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
