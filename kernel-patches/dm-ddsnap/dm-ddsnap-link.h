/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the line share: the link, which is one target's line to its server.
 *
 * Parts     link         what the target calls: opened, started, sent on, stopped
 *           link-thread  receives; when the line is lost, finds the server again
 *           search       asks the agent where the server is, and connects
 *           hello        the first words
 * Threads   The buffer, welcome, was_attached and backoff belong to the link thread once it runs.
 *           send_mutex is taken before sock_mutex.
 * Memory    No allocation on the line may start I/O: the socket's own are GFP_NOIO, the thread is
 *           marked so. Frames are received into one buffer and sent from where they lie.
 */
#ifndef DM_DDSNAP_LINK_H
#define DM_DDSNAP_LINK_H

#include <linux/uuid.h>

#include "dm-ddsnap.h"

/* The targets count their requests from 1. */
#define DDSNAP_DETACH_REQUEST (~0ULL)
#define DDSNAP_HELLO_REQUEST (~0ULL - 1)

struct ddsnap_link {
	u32 role;
	struct ddsnap_pair pair;
	u64 dm_device;
	char control[DDSNAP_ADDRESS_BYTES];
	char tag[DDSNAP_TAG_BYTES];
	char label[DDSNAP_TAG_BYTES];
	u8 target_uuid[16];
	uuid_t boot_id; /* nil when the loader could not see it */
	struct kobject *alive;

	const struct ddsnap_link_ops *ops;
	void *context;
	struct task_struct *thread;
	struct ddsnap_welcome welcome; /* of the attachment that we return to */
	bool was_attached;
	bool has_heard; /* the server has said something since HELLO */
	u8 *buffer;

	struct mutex send_mutex; /* one frame at a time */
	struct mutex sock_mutex; /* `sock` is not released while it is shut down */
	struct socket *sock;

	spinlock_t lock; /* everything below */
	wait_queue_head_t changed;
	enum ddsnap_link_state state;
	u64 generation; /* counts the connections that came up */
	u64 losses;
	struct socket *handed_over;
	bool is_greeted; /* the constructor's socket has heard HELLO, and is not in use yet */
	struct ddsnap_view *view; /* of the table's loader, or of the last who asked to reconnect */
	char server[DDSNAP_ADDRESS_BYTES];
	bool is_stopping;
	bool is_detached;
};

/* ---- the socket in use ---- */

/* Publishes the socket, so that whoever stops the link can wake its user. */
int ddsnap_link_adopt(struct ddsnap_link *link, struct socket *sock);
void ddsnap_link_drop(struct ddsnap_link *link);
/* The socket that somebody else has connected, if any, and whether it has heard HELLO. */
struct socket *ddsnap_link_take_handed_over(struct ddsnap_link *link, bool *is_greeted);

/* ---- finding the server ---- */

/* In the context of a constructor or a message. */
int ddsnap_find_server(struct ddsnap_link *link, struct ddsnap_view *view, struct socket **result);
/* In the link thread: the agent for a while, then the last known address. */
int ddsnap_search(struct ddsnap_link *link);

/* ---- the first words ---- */

/* Returns 0, a negative errno, or the positive code of the server's ERROR. */
int ddsnap_say_hello(struct ddsnap_link *link, struct socket *sock, u8 *body,
		     struct ddsnap_welcome *welcome);

/* ---- the thread ---- */

int ddsnap_link_thread(void *link);

#endif
