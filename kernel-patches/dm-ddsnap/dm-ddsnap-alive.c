// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which targets are alive, for the server to see: /sys/kernel/ddsnap/TARGET-UUID (T4).
 *
 * Shape     A directory for each target, from before its first HELLO until its last I/O is done. A
 *           server that lost a target and finds /sys/kernel/ddsnap without it has the proof that
 *           the target is gone, whatever has become of its device's number meanwhile.
 * Threads   Any that may sleep.
 */
#include <linux/kobject.h>
#include <linux/sysfs.h>
#include <linux/uuid.h>

#include "dm-ddsnap.h"

static struct kobject *targets;

int ddsnap_alive_init(void)
{
	targets = kobject_create_and_add("ddsnap", kernel_kobj);
	return targets ? 0 : -ENOMEM;
}

void ddsnap_alive_exit(void)
{
	kobject_put(targets);
}

struct kobject *ddsnap_alive_begin(const u8 *target_uuid)
{
	char name[UUID_STRING_LEN + 1];

	snprintf(name, sizeof(name), "%pUb", target_uuid);
	return kobject_create_and_add(name, targets);
}

void ddsnap_alive_end(struct kobject *alive)
{
	kobject_put(alive);
}
