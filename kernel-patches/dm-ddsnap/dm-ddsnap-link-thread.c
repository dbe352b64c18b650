// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The link thread: receives while the line is up; when it is lost tells the role, and looks for the
 * server again, with growing pauses, for ever (T3).
 *
 * Errors    A line that fails in any way is shut down; the thread notices, tells lost() and
 *           searches. Only "not found" and "dropped" end it for good, and only a snapshot's.
 * Threads   One for each target. It alone calls the role.
 */
#include <linux/kthread.h>
#include <linux/sched/mm.h>

#include "dm-ddsnap-link.h"

static int receive_until_lost(struct ddsnap_link *link)
{
	struct ddsnap_header header;
	int err;

	for (;;) {
		err = ddsnap_socket_receive(link->sock, &header, link->buffer);
		if (err)
			return err;
		link->has_heard = true;
		if (le64_to_cpu(header.request_id) == DDSNAP_DETACH_REQUEST) {
			spin_lock_irq(&link->lock);
			link->is_detached = true;
			spin_unlock_irq(&link->lock);
			wake_up_all(&link->changed);
			continue;
		}
		err = link->ops->frame(link->context, &header, link->buffer,
				       le32_to_cpu(header.body_bytes));
		if (err) {
			DMERR("%s: a message of type %u makes no sense (%d), the line is given up",
			      link->label, le16_to_cpu(header.type), err);
			return err;
		}
	}
}

static void set_state(struct ddsnap_link *link, enum ddsnap_link_state state)
{
	spin_lock_irq(&link->lock);
	if (state == DDSNAP_UP)
		link->generation++;
	else if (link->state == DDSNAP_UP)
		link->losses++;
	link->state = state;
	spin_unlock_irq(&link->lock);
	wake_up_all(&link->changed);
}

/* True: the line was of use. One that breaks at once, again and again, is looked for less often. */
static bool serve(struct ddsnap_link *link)
{
	const unsigned long since = jiffies;
	int err;

	link->was_attached = true;
	link->has_heard = false;
	set_state(link, DDSNAP_UP);
	err = link->ops->attached(link->context, &link->welcome, link->generation);
	if (!err)
		err = receive_until_lost(link);
	set_state(link, DDSNAP_SEARCHING);
	link->ops->lost(link->context);
	if (!READ_ONCE(link->is_stopping))
		DMWARN_LIMIT("%s: the server is gone (%d); writes wait until it is found again",
			     link->label, err);
	return link->has_heard ||
	       time_after(jiffies, since + msecs_to_jiffies(DDSNAP_LAST_BACKOFF_MS));
}

/* Whether the server's answer to HELLO was the last word. */
static bool is_farewell(struct ddsnap_link *link, int code)
{
	if (link->role == DDSNAP_ROLE_SNAPSHOT)
		return code == DDSNAP_E_NOT_FOUND || code == DDSNAP_E_DROPPED;
	/*
	 * The server no longer knows this origin target: since no grant outlives its connection, a
	 * new attachment is as good.
	 */
	if (code == DDSNAP_E_NOT_FOUND)
		link->was_attached = false;
	return false;
}

/* One attempt. True: it was up, and of use. */
static bool serve_once(struct ddsnap_link *link)
{
	bool is_greeted, was_useful = false;
	struct socket *sock = ddsnap_link_take_handed_over(link, &is_greeted);
	int err;

	err = sock ? ddsnap_link_adopt(link, sock) : ddsnap_search(link);
	if (!err && !(sock && is_greeted))
		err = ddsnap_say_hello(link, link->sock, link->buffer, &link->welcome);
	if (!err) {
		was_useful = serve(link);
	} else if (err > 0 && is_farewell(link, err)) {
		set_state(link, DDSNAP_REFUSED);
		link->ops->refused(link->context);
	}
	spin_lock_irq(&link->lock);
	link->is_greeted = false;
	spin_unlock_irq(&link->lock);
	ddsnap_link_drop(link);
	return was_useful;
}

int ddsnap_link_thread(void *data)
{
	struct ddsnap_link *link = data;
	unsigned int noio = memalloc_noio_save();
	u32 pause_ms = 0;

	while (!READ_ONCE(link->is_stopping) && link->state != DDSNAP_REFUSED) {
		if (serve_once(link))
			pause_ms = 0;
		pause_ms = clamp_t(u32, pause_ms * 2, DDSNAP_FIRST_BACKOFF_MS,
				   DDSNAP_LAST_BACKOFF_MS);
		wait_event_idle_timeout(link->changed,
					READ_ONCE(link->is_stopping) ||
						READ_ONCE(link->handed_over),
					msecs_to_jiffies(pause_ms));
	}
	wait_event_idle(link->changed, kthread_should_stop());
	memalloc_noio_restore(noio);
	return 0;
}
