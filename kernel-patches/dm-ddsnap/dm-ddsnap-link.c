// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A target's line to its server, as the target sees it: opened, started, sent on, stopped.
 *
 * Shape     The first attach is made by the constructor, in the context of whoever loads the table.
 *           From then on the link thread receives, and reconnects by what was kept of that context
 *           (dm-ddsnap-view.c). When that is of no use any more, `message NAME 0 reconnect`
 *           connects in its caller's context, hands the socket over, and has that context kept.
 * Threads   Sending from anywhere that may sleep; opening and stopping once each.
 */
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "dm-ddsnap-link.h"

/* ---- the socket in use ---- */

int ddsnap_link_adopt(struct ddsnap_link *link, struct socket *sock)
{
	bool is_stopping;

	mutex_lock(&link->sock_mutex);
	spin_lock_irq(&link->lock);
	is_stopping = link->is_stopping;
	spin_unlock_irq(&link->lock);
	if (!is_stopping)
		link->sock = sock;
	mutex_unlock(&link->sock_mutex);
	if (!is_stopping)
		return 0;
	sock_release(sock);
	return -ESHUTDOWN;
}

void ddsnap_link_drop(struct ddsnap_link *link)
{
	struct socket *sock;

	ddsnap_link_cut(link); /* wakes a sender that waits */
	mutex_lock(&link->send_mutex);
	mutex_lock(&link->sock_mutex);
	sock = link->sock;
	link->sock = NULL;
	mutex_unlock(&link->sock_mutex);
	mutex_unlock(&link->send_mutex);
	if (sock)
		sock_release(sock);
}

struct socket *ddsnap_link_take_handed_over(struct ddsnap_link *link, bool *is_greeted)
{
	struct socket *sock;

	spin_lock_irq(&link->lock);
	sock = link->handed_over;
	link->handed_over = NULL;
	*is_greeted = link->is_greeted;
	spin_unlock_irq(&link->lock);
	return sock;
}

/* ---- birth and death ---- */

static void read_boot_id(uuid_t *boot_id)
{
	char text[UUID_STRING_LEN + 1] = {};
	struct file *file;
	loff_t at = 0;

	*boot_id = uuid_null;
	file = filp_open("/proc/sys/kernel/random/boot_id", O_RDONLY, 0);
	if (IS_ERR(file))
		return;
	if (kernel_read(file, text, UUID_STRING_LEN, &at) != UUID_STRING_LEN ||
	    uuid_parse(text, boot_id))
		*boot_id = uuid_null;
	filp_close(file, NULL);
}

void ddsnap_link_free(struct ddsnap_link *link)
{
	if (link->handed_over)
		sock_release(link->handed_over);
	ddsnap_view_put(link->view);
	ddsnap_alive_end(link->alive);
	kvfree(link->buffer);
	kfree(link);
}

static struct ddsnap_link *make_link(const struct ddsnap_link_options *options)
{
	struct ddsnap_link *link = kzalloc(sizeof(*link), GFP_KERNEL);

	if (!link)
		return NULL;
	link->role = options->role;
	link->pair = options->pair;
	link->dm_device = options->dm_device;
	strscpy(link->control, options->control, sizeof(link->control));
	strscpy_pad(link->tag, options->tag, sizeof(link->tag));
	strscpy_pad(link->label, options->label, sizeof(link->label));
	generate_random_uuid(link->target_uuid);
	read_boot_id(&link->boot_id);
	mutex_init(&link->send_mutex);
	mutex_init(&link->sock_mutex);
	spin_lock_init(&link->lock);
	init_waitqueue_head(&link->changed);
	link->buffer = kvmalloc(DDSNAP_MAX_BODY_BYTES, GFP_KERNEL);
	link->view = ddsnap_view_of_caller();
	link->alive = ddsnap_alive_begin(link->target_uuid);
	if (link->buffer && link->view && link->alive)
		return link;
	ddsnap_link_free(link);
	return NULL;
}

struct ddsnap_link *ddsnap_link_open(const struct ddsnap_link_options *options,
				     struct ddsnap_welcome *welcome, char **error)
{
	struct ddsnap_link *link = make_link(options);
	struct socket *sock;
	int err;

	*error = "Out of memory";
	if (!link)
		return ERR_PTR(-ENOMEM);
	*error = "Cannot find the server: is an agent at the control socket, and a server up?";
	err = ddsnap_find_server(link, link->view, &sock);
	if (err)
		goto free;
	*error = "The server refused this target (its sentence is in the kernel's log)";
	err = ddsnap_say_hello(link, sock, link->buffer, &link->welcome);
	if (err) {
		sock_release(sock);
		goto free;
	}
	*welcome = link->welcome;
	link->is_greeted = true;
	link->handed_over = sock;
	return link;
free:
	ddsnap_link_free(link);
	if (err > 0)
		err = err == DDSNAP_E_NOT_FOUND ? -ENOENT : err == DDSNAP_E_BUSY ? -EBUSY : -EINVAL;
	return ERR_PTR(err);
}

int ddsnap_link_start(struct ddsnap_link *link, const struct ddsnap_link_ops *ops, void *context)
{
	struct task_struct *thread;

	link->ops = ops;
	link->context = context;
	thread = kthread_run(ddsnap_link_thread, link, "ddsnap/%u:%u", (u32)(link->dm_device >> 32),
			     (u32)link->dm_device);
	if (IS_ERR(thread))
		return PTR_ERR(thread);
	link->thread = thread;
	return 0;
}

/* Of a link that never ran: it leaves no attachment behind. The answer is of no interest. */
static void detach_unstarted(struct ddsnap_link *link)
{
	struct ddsnap_header header;

	ddsnap_socket_patience(link->handed_over, msecs_to_jiffies(DDSNAP_DETACH_PATIENCE_MS));
	if (!ddsnap_socket_send(link->handed_over, DDSNAP_DETACH, DDSNAP_DETACH_REQUEST, NULL, 0))
		ddsnap_socket_receive(link->handed_over, &header, link->buffer);
}

static bool is_up(struct ddsnap_link *link)
{
	return READ_ONCE(link->state) == DDSNAP_UP;
}

void ddsnap_link_stop(struct ddsnap_link *link)
{
	if (!link->thread) {
		detach_unstarted(link);
		return;
	}
	/* The thread may not have come to its first attach yet. */
	wait_event_timeout(link->changed, is_up(link) || !READ_ONCE(link->is_greeted), HZ);
	if (is_up(link) && !ddsnap_link_send(link, READ_ONCE(link->generation), DDSNAP_DETACH,
					     DDSNAP_DETACH_REQUEST, NULL, 0))
		wait_event_timeout(link->changed, READ_ONCE(link->is_detached) || !is_up(link),
				   msecs_to_jiffies(DDSNAP_DETACH_PATIENCE_MS));
	spin_lock_irq(&link->lock);
	link->is_stopping = true;
	spin_unlock_irq(&link->lock);
	wake_up_all(&link->changed);
	ddsnap_link_cut(link);
	kthread_stop(link->thread);
}

void ddsnap_link_cut(struct ddsnap_link *link)
{
	mutex_lock(&link->sock_mutex);
	if (link->sock)
		kernel_sock_shutdown(link->sock, SHUT_RDWR);
	mutex_unlock(&link->sock_mutex);
}

int ddsnap_link_reconnect(struct ddsnap_link *link)
{
	struct ddsnap_view *view, *older_view;
	struct socket *sock, *older;
	unsigned int noio;
	bool is_greeted;
	int err = -ENOMEM;

	ddsnap_link_cut(link);
	noio = memalloc_noio_save(); /* the volume's own writes may be what waits for us */
	view = ddsnap_view_of_caller();
	if (view)
		err = ddsnap_find_server(link, view, &sock);
	memalloc_noio_restore(noio);
	if (err) {
		ddsnap_view_put(view);
		return err;
	}
	spin_lock_irq(&link->lock);
	older_view = link->view;
	link->view = view;
	older = link->handed_over;
	link->handed_over = sock;
	if (older)
		link->is_greeted = false; /* it was the constructor's, which nobody took */
	spin_unlock_irq(&link->lock);
	ddsnap_view_put(older_view);
	if (older)
		sock_release(older);
	wake_up_all(&link->changed);
	/* It may be up again already, by itself. */
	sock = is_up(link) ? ddsnap_link_take_handed_over(link, &is_greeted) : NULL;
	if (sock)
		sock_release(sock);
	return 0;
}

int ddsnap_link_send(struct ddsnap_link *link, u64 generation, u16 type, u64 request_id,
		     const void *body, u32 bytes)
{
	int err = -ENOTCONN;
	bool is_right;

	mutex_lock(&link->send_mutex);
	spin_lock_irq(&link->lock);
	is_right = link->state == DDSNAP_UP && link->generation == generation;
	spin_unlock_irq(&link->lock);
	/* The socket stays: it is released under the mutex that we hold. */
	if (is_right && link->sock)
		err = ddsnap_socket_send(link->sock, type, request_id, body, bytes);
	mutex_unlock(&link->send_mutex);
	if (err && is_right)
		ddsnap_link_cut(link); /* perhaps half of it went out */
	return err;
}

enum ddsnap_link_state ddsnap_link_state(const struct ddsnap_link *link)
{
	return READ_ONCE(link->state);
}

const char *ddsnap_link_state_name(const struct ddsnap_link *link)
{
	static const char *const names[] = {
		[DDSNAP_SEARCHING] = "searching",
		[DDSNAP_UP] = "up",
		[DDSNAP_REFUSED] = "refused",
	};

	return names[READ_ONCE(link->state)];
}

const char *ddsnap_link_address(const struct ddsnap_link *link)
{
	return link->server;
}

u64 ddsnap_link_losses(const struct ddsnap_link *link)
{
	return READ_ONCE(link->losses);
}
