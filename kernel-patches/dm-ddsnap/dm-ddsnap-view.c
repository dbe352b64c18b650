// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a caller sees, kept for the link thread: its network name space, and the directories of the
 * sockets that it found.
 *
 * Shape     A kernel thread looks a path up from its own root directory, in the mounts of the first
 *           process. Whoever loads a table may see others (chroot, PrivateTmp, a container). So the
 *           directory of each socket that was opened in a caller's context is kept, and the thread
 *           steps into it to open a socket there again: the directory and not the socket's own
 *           file, since a daemon that is restarted makes a new one. A path in no such directory, or
 *           in one that was made anew, is looked up from the thread's own root.
 * Errors    As ddsnap_socket_open()'s.
 * Threads   ddsnap_view_open() is its maker's, before anybody else knows the view. Afterwards it
 *           does not change. ddsnap_view_reopen() is the link thread's.
 * Lifetime  Counted. While it lives, the file systems of its directories stay mounted.
 */
#include <linux/fs_struct.h>
#include <linux/kref.h>
#include <linux/namei.h>
#include <linux/nsproxy.h>
#include <linux/path.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <net/net_namespace.h>

#include "compat.h"
#include "dm-ddsnap.h"

struct kept_directory {
	char prefix[DDSNAP_ADDRESS_BYTES]; /* of an address: up to the last slash, which is in it */
	struct path path;
};

struct ddsnap_view {
	struct kref users;
	struct net *net;
	u32 kept_count;
	struct kept_directory kept[2]; /* the agent's, the server's */
};

struct ddsnap_view *ddsnap_view_of_caller(void)
{
	struct ddsnap_view *view = kzalloc(sizeof(*view), GFP_NOIO);

	if (!view)
		return NULL;
	kref_init(&view->users);
	view->net = get_net(current->nsproxy->net_ns);
	return view;
}

struct ddsnap_view *ddsnap_view_get(struct ddsnap_view *view)
{
	kref_get(&view->users);
	return view;
}

static void free_view(struct kref *users)
{
	struct ddsnap_view *view = container_of(users, struct ddsnap_view, users);

	while (view->kept_count)
		path_put(&view->kept[--view->kept_count].path);
	put_net(view->net);
	kfree(view);
}

void ddsnap_view_put(struct ddsnap_view *view)
{
	if (view)
		kref_put(&view->users, free_view);
}

/* The bytes of an address that name its directory, the last slash included. */
static size_t prefix_bytes(const char *address)
{
	const char *slash = strrchr(address, '/');

	return slash ? slash - address + 1 : 0;
}

static bool is_in(const struct kept_directory *kept, const char *address)
{
	const size_t bytes = prefix_bytes(address);

	return address[0] != '@' && strlen(kept->prefix) == bytes &&
	       !memcmp(kept->prefix, address, bytes);
}

static void keep_directory_of(struct ddsnap_view *view, const char *address)
{
	struct kept_directory *kept = &view->kept[view->kept_count];
	u32 i;

	for (i = 0; i < view->kept_count; i++)
		if (is_in(&view->kept[i], address))
			return;
	if (address[0] == '@' || view->kept_count == ARRAY_SIZE(view->kept))
		return;
	memcpy(kept->prefix, address, prefix_bytes(address));
	/* If it cannot be kept, the path is still tried from the thread's own root. */
	if (!kern_path(kept->prefix[0] ? kept->prefix : ".", LOOKUP_FOLLOW | LOOKUP_DIRECTORY,
		       &kept->path))
		view->kept_count++;
}

int ddsnap_view_open(struct ddsnap_view *view, const char *address, struct socket **result)
{
	int err = ddsnap_socket_open(view->net, address, result);

	if (!err)
		keep_directory_of(view, address);
	return err;
}

/* Requires: the current thread's fs_struct is nobody else's. */
static void change_directory(const struct path *to)
{
	struct fs_struct *fs = current->fs;
	struct path from;

	path_get(to);
	ddsnap_lock_fs(fs);
	from = fs->pwd;
	fs->pwd = *to;
	ddsnap_unlock_fs(fs);
	path_put(&from);
}

static int reopen_in(struct ddsnap_view *view, const struct kept_directory *kept,
		     const char *address, struct socket **result)
{
	struct path home;
	int err;

	if (WARN_ON_ONCE(!(current->flags & PF_KTHREAD)))
		return -EINVAL;
	/* Kernel threads share one, until they ask for their own. */
	err = READ_ONCE(current->fs->users) == 1 ? 0 : unshare_fs_struct();
	if (err)
		return err;
	get_fs_pwd(current->fs, &home);
	change_directory(&kept->path);
	err = ddsnap_socket_open(view->net, address + prefix_bytes(address), result);
	change_directory(&home);
	path_put(&home);
	return err;
}

int ddsnap_view_reopen(struct ddsnap_view *view, const char *address, struct socket **result)
{
	u32 i;

	for (i = 0; i < view->kept_count; i++)
		if (is_in(&view->kept[i], address) &&
		    !reopen_in(view, &view->kept[i], address, result))
			return 0;
	return ddsnap_socket_open(view->net, address, result);
}
