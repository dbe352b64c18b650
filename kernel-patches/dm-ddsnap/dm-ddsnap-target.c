// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The device-mapper face of ddsnap:
 *
 *     0 SECTORS ddsnap SNAPSTORE ORIGIN CONTROL-SOCKET TAG       a snapshot
 *     0 SECTORS ddsnap SNAPSTORE ORIGIN CONTROL-SOCKET -1        the origin (or the word `origin`)
 *
 * Messages  fail        parked I/O fails now
 *           reconnect   look for the server in the caller's context
 *           stats       numbers
 * Status    role, state of the line, attachment's snapshot uuid (or -), chunk size, numbers.
 */
#include <linux/blkdev.h>
#include <linux/kdev_t.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "compat.h"
#include "dm-ddsnap.h"

static void name_device(struct ddsnap_device_id *id, const struct dm_dev *device)
{
	const dev_t number = device->bdev->bd_dev;

	memset(id, 0, sizeof(*id));
	id->kind = cpu_to_le32(DDSNAP_DEVICE_BLOCK);
	id->device = cpu_to_le64((u64)MAJOR(number) << 32 | MINOR(number));
}

/* Finds the server and fills in what it said. */
static int attach(struct ddsnap_target *target, struct ddsnap_welcome *welcome)
{
	struct mapped_device *md = dm_table_get_md(target->ti->table);
	const dev_t number = disk_devt(dm_disk(md));
	char name[DM_NAME_LEN], uuid[DM_UUID_LEN];
	struct ddsnap_link_options options = {
		.role = target->role == &ddsnap_origin_role ? DDSNAP_ROLE_ORIGIN :
							      DDSNAP_ROLE_SNAPSHOT,
		.control = target->control,
		.tag = target->tag,
		.label = name,
		.dm_device = (u64)MAJOR(number) << 32 | MINOR(number),
	};

	if (dm_copy_name_and_uuid(md, name, uuid))
		strscpy(name, dm_device_name(md), sizeof(name));
	name_device(&options.pair.snapstore, target->snapstore);
	name_device(&options.pair.origin, target->origin);
	target->link = ddsnap_link_open(&options, welcome, &target->ti->error);
	if (IS_ERR(target->link))
		return PTR_ERR(target->link);
	target->chunk_shift = welcome->chunk_shift;
	target->volume_bytes = welcome->volume_bytes;
	target->slots_offset_bytes = welcome->slots_offset_bytes;
	target->slot_count = welcome->slot_count;
	memcpy(target->store_uuid, welcome->store_uuid, 16);
	memcpy(target->snapshot_uuid, welcome->snapshot_uuid, 16);
	return 0;
}

static int check_sizes(struct ddsnap_target *target)
{
	struct dm_target *ti = target->ti;

	if (target->volume_bytes >> target->chunk_shift > U32_MAX) {
		ti->error = "The volume has more chunks than their numbers can tell apart";
		return -EINVAL;
	}
	if (ti->len > target->volume_bytes >> SECTOR_SHIFT) {
		ti->error = "The table is longer than the volume that the server knows";
		return -EINVAL;
	}
	if (target->role == &ddsnap_origin_role &&
	    ti->len > bdev_nr_sectors(target->origin->bdev)) {
		ti->error = "The table is longer than the origin";
		return -EINVAL;
	}
	return 0;
}

static int read_arguments(struct ddsnap_target *target, unsigned int argc, char **argv)
{
	struct dm_target *ti = target->ti;

	ti->error = "Wanted: SNAPSTORE ORIGIN CONTROL-SOCKET TAG";
	if (argc != 4)
		return -EINVAL;
	ti->error = "The table must begin at 0";
	if (ti->begin)
		return -EINVAL;
	ti->error = "The control socket's name is empty or too long";
	if (!argv[2][0] || strscpy(target->control, argv[2], sizeof(target->control)) < 0)
		return -EINVAL;
	target->role = &ddsnap_origin_role;
	if (!strcmp(argv[3], "-1") || !strcmp(argv[3], "origin"))
		return 0;
	target->role = &ddsnap_snapshot_role;
	ti->error = "The snapshot's tag is empty or too long";
	if (!argv[3][0] || strscpy(target->tag, argv[3], sizeof(target->tag)) < 0)
		return -EINVAL;
	return 0;
}

static int ddsnap_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct ddsnap_target *target;
	struct ddsnap_welcome welcome;
	int err;

	target = kzalloc(sizeof(*target), GFP_KERNEL);
	if (!target) {
		ti->error = "Out of memory";
		return -ENOMEM;
	}
	target->ti = ti;
	err = read_arguments(target, argc, argv);
	if (err)
		goto free_target;
	ti->error = "Cannot open the snapstore";
	err = dm_get_device(ti, argv[0], dm_table_get_mode(ti->table), &target->snapstore);
	if (err)
		goto free_target;
	ti->error = "Cannot open the origin";
	err = dm_get_device(ti, argv[1], dm_table_get_mode(ti->table), &target->origin);
	if (err)
		goto put_snapstore;
	err = attach(target, &welcome);
	if (err)
		goto put_origin;
	err = check_sizes(target);
	if (!err)
		err = target->role->create(target, &welcome, &ti->error);
	if (err)
		goto detach;
	ti->per_io_data_size = target->role->per_bio_bytes;
	ti->private = target;
	ti->error = "Cannot start a thread";
	err = ddsnap_link_start(target->link, target->role->link, target);
	if (err)
		goto destroy;
	return 0;

destroy:
	target->role->destroy(target);
detach:
	ddsnap_link_stop(target->link);
	ddsnap_link_free(target->link);
put_origin:
	dm_put_device(ti, target->origin);
put_snapstore:
	dm_put_device(ti, target->snapstore);
free_target:
	kfree(target);
	return err;
}

static void ddsnap_dtr(struct dm_target *ti)
{
	struct ddsnap_target *target = ti->private;

	ddsnap_link_stop(target->link);
	target->role->destroy(target);
	ddsnap_link_free(target->link);
	dm_put_device(ti, target->origin);
	dm_put_device(ti, target->snapstore);
	kfree(target);
}

static int ddsnap_map(struct dm_target *ti, struct bio *bio)
{
	struct ddsnap_target *target = ti->private;

	return target->role->map(target, bio);
}

static int ddsnap_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error)
{
	struct ddsnap_target *target = ti->private;

	if (target->role->end_io)
		target->role->end_io(target, bio);
	return DM_ENDIO_DONE;
}

static void ddsnap_presuspend(struct dm_target *ti)
{
	struct ddsnap_target *target = ti->private;

	target->role->presuspend(target, dm_noflush_suspending(ti));
}

/* Also when a suspend was given up half way. */
static void ddsnap_resume(struct dm_target *ti)
{
	struct ddsnap_target *target = ti->private;

	target->role->resume(target);
}

static void ddsnap_status(struct dm_target *ti, status_type_t type, unsigned int flags,
			  char *result, unsigned int maxlen)
{
	struct ddsnap_target *target = ti->private;
	const bool is_origin = target->role == &ddsnap_origin_role;
	unsigned int sz = 0;

	switch (type) {
	case STATUSTYPE_INFO:
		DMEMIT("%s %s ", is_origin ? "origin" : "snapshot",
		       ddsnap_link_state_name(target->link));
		if (is_origin)
			DMEMIT("- ");
		else
			DMEMIT("%pUb ", target->snapshot_uuid);
		DMEMIT("%u ", 1U << target->chunk_shift);
		target->role->describe(target, result + sz, maxlen - sz);
		break;
	case STATUSTYPE_TABLE:
		DMEMIT("%s %s %s %s", target->snapstore->name, target->origin->name,
		       target->control, is_origin ? "-1" : target->tag);
		break;
	default: /* nothing is measured */
		result[0] = 0;
		break;
	}
}

static int ddsnap_message(struct dm_target *ti, unsigned int argc, char **argv, char *result,
			  unsigned int maxlen)
{
	struct ddsnap_target *target = ti->private;
	unsigned int sz = 0;

	if (argc == 1 && !strcasecmp(argv[0], "fail")) {
		target->role->fail_parked(target);
		return 0;
	}
	if (argc == 1 && !strcasecmp(argv[0], "reconnect"))
		return ddsnap_link_reconnect(target->link);
	if (argc == 1 && !strcasecmp(argv[0], "stats")) {
		DMEMIT("server %s losses %llu ", ddsnap_link_address(target->link),
		       ddsnap_link_losses(target->link));
		target->role->describe(target, result + sz, maxlen - sz);
		return 1;
	}
	DMERR("messages are: fail, reconnect, stats");
	return -EINVAL;
}

static int ddsnap_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn, void *data)
{
	struct ddsnap_target *target = ti->private;
	const sector_t origin_sectors = bdev_nr_sectors(target->origin->bdev);
	int err;

	err = fn(ti, target->origin, 0, min(ti->len, origin_sectors), data);
	if (err || target->role == &ddsnap_origin_role)
		return err;
	return fn(ti, target->snapstore, 0, bdev_nr_sectors(target->snapstore->bdev), data);
}

static void ddsnap_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	struct ddsnap_target *target = ti->private;

	/* Smaller discards do nothing (T10). */
	limits->discard_granularity = max(limits->discard_granularity, 1U << target->chunk_shift);
}

static struct target_type ddsnap_target = {
	.name = "ddsnap",
	.version = { 1, 0, 0 },
	.module = THIS_MODULE,
	.ctr = ddsnap_ctr,
	.dtr = ddsnap_dtr,
	.map = ddsnap_map,
	.end_io = ddsnap_end_io,
	.presuspend = ddsnap_presuspend,
	.presuspend_undo = ddsnap_resume,
	.resume = ddsnap_resume,
	.status = ddsnap_status,
	.message = ddsnap_message,
	.iterate_devices = ddsnap_iterate_devices,
	.io_hints = ddsnap_io_hints,
};

static int __init ddsnap_init(void)
{
	int err = ddsnap_alive_init();

	if (err)
		return err;
	err = dm_register_target(&ddsnap_target);
	if (err)
		ddsnap_alive_exit();
	return err;
}

static void __exit ddsnap_exit(void)
{
	dm_unregister_target(&ddsnap_target);
	ddsnap_alive_exit();
}

module_init(ddsnap_init);
module_exit(ddsnap_exit);

MODULE_DESCRIPTION("device-mapper target of ddsnap: snapshots decided by a server in user space");
MODULE_AUTHOR("The ddsnap developers");
MODULE_LICENSE("GPL");
