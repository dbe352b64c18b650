// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A target's line to its server: found through the agent, said HELLO on, and when it is lost found
 * again, for ever (T3).
 *
 * Shape     The first attach is made by the constructor, in the context of whoever loads the table.
 *           From then on one thread receives, and reconnects by the addresses that were kept. A
 *           path that only the table's loader could see is found again by `message NAME 0
 *           reconnect`, which connects in its caller's context and hands the socket over.
 * Errors    A line that fails in any way is shut down; its thread notices, tells lost() and
 *           searches. Only "not found" and "dropped" end it for good, and only a snapshot's.
 * Threads   The buffer, welcome and was_attached belong to the link thread once it runs. send_mutex
 *           is taken before sock_mutex.
 * Memory    No allocation on the line may start I/O: the socket's own are GFP_NOIO, the thread is
 *           marked so. Frames are received into one buffer and sent from where they lie.
 */
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/nsproxy.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uuid.h>
#include <net/net_namespace.h>

#include "dm-ddsnap.h"

#define DETACH_REQUEST (~0ULL) /* the targets count their requests from 1 */
#define HELLO_REQUEST (~0ULL - 1)

struct ddsnap_link {
	u32 role;
	struct ddsnap_pair pair;
	u64 dm_device;
	char control[DDSNAP_ADDRESS_BYTES];
	char tag[DDSNAP_TAG_BYTES];
	char label[DDSNAP_TAG_BYTES];
	u8 target_uuid[16];
	uuid_t boot_id; /* nil when the loader could not see it */
	struct net *net; /* of the table's loader: where abstract names are looked for */

	const struct ddsnap_link_ops *ops;
	void *context;
	struct task_struct *thread;
	struct ddsnap_welcome welcome; /* of the attachment that we return to */
	bool was_attached;
	bool is_greeted; /* the socket handed over by the constructor has heard HELLO */
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
	char server[DDSNAP_ADDRESS_BYTES];
	bool is_stopping;
	bool is_detached;
};

/* ---- the socket in use ---- */

/* Publishes the socket, so that whoever stops the link can wake its user. */
static int adopt_socket(struct ddsnap_link *link, struct socket *sock)
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

static void drop_socket(struct ddsnap_link *link)
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

/* ---- finding the server and attaching ---- */

static int ask_agent_on(struct ddsnap_link *link, struct socket *agent, u8 *body, char *server)
{
	struct ddsnap_header header;
	const struct ddsnap_address *found = (const void *)body;
	int err;

	err = ddsnap_socket_send(agent, DDSNAP_FIND_SERVER, 1, &link->pair, sizeof(link->pair));
	if (!err)
		err = ddsnap_socket_receive(agent, &header, body);
	if (err)
		return err;
	if (le16_to_cpu(header.type) != DDSNAP_SERVER_AT ||
	    le32_to_cpu(header.body_bytes) != sizeof(*found) || !found->path[0] ||
	    found->path[DDSNAP_ADDRESS_BYTES - 1])
		return -EPROTO;
	memcpy(server, found->path, DDSNAP_ADDRESS_BYTES);
	return 0;
}

static void keep_server(struct ddsnap_link *link, const char *server)
{
	spin_lock_irq(&link->lock);
	memcpy(link->server, server, sizeof(link->server));
	spin_unlock_irq(&link->lock);
}

/* In the context of a constructor or a message. */
static int find_server(struct ddsnap_link *link, struct socket **result)
{
	char server[DDSNAP_ADDRESS_BYTES];
	struct socket *agent;
	u8 *body;
	int err;

	err = ddsnap_socket_open(link->net, link->control, &agent);
	if (err)
		return err;
	body = kvmalloc(DDSNAP_MAX_BODY_BYTES, GFP_NOIO);
	if (!body)
		err = -ENOMEM;
	ddsnap_socket_patience(agent, DDSNAP_FIRST_PATIENCE_S * HZ);
	if (!err)
		err = ask_agent_on(link, agent, body, server);
	kvfree(body);
	sock_release(agent);
	if (!err)
		err = ddsnap_socket_open(link->net, server, result);
	if (!err)
		keep_server(link, server);
	return err;
}

/* In the link thread: the agent for a while, then the last known address. */
static int search(struct ddsnap_link *link)
{
	char server[DDSNAP_ADDRESS_BYTES];
	struct socket *sock;
	int err;

	memcpy(server, link->server, sizeof(server));
	if (!ddsnap_socket_open(link->net, link->control, &sock)) {
		err = adopt_socket(link, sock);
		if (err)
			return err;
		ddsnap_socket_patience(sock, DDSNAP_AGENT_PATIENCE_S * HZ);
		if (!ask_agent_on(link, sock, link->buffer, server))
			keep_server(link, server);
		drop_socket(link);
	}
	err = ddsnap_socket_open(link->net, server, &sock);
	return err ? err : adopt_socket(link, sock);
}

static void fill_hello(const struct ddsnap_link *link, struct ddsnap_hello *hello)
{
	u32 flags = DDSNAP_HELLO_KERNEL | DDSNAP_HELLO_DIRECT;

	memset(hello, 0, sizeof(*hello));
	if (link->was_attached)
		flags |= DDSNAP_HELLO_RETURNING;
	hello->role = cpu_to_le32(link->role);
	hello->flags = cpu_to_le32(flags);
	hello->pair = link->pair;
	memcpy(hello->target_uuid, link->target_uuid, sizeof(hello->target_uuid));
	memcpy(hello->boot_id, &link->boot_id, sizeof(hello->boot_id));
	hello->dm_device = cpu_to_le64(link->dm_device);
	memcpy(hello->label, link->label, sizeof(hello->label));
	if (link->was_attached) {
		hello->attachment_id = cpu_to_le32(link->welcome.attachment_id);
		memcpy(hello->snapshot_uuid, link->welcome.snapshot_uuid, 16);
	} else {
		memcpy(hello->tag, link->tag, sizeof(hello->tag));
	}
}

static int read_welcome(const void *body, u32 bytes, struct ddsnap_welcome *welcome)
{
	const struct ddsnap_hello_ok *ok = body;

	if (bytes < sizeof(*ok) ||
	    bytes != sizeof(*ok) + le16_to_cpu(ok->origin_path_bytes) +
			     le16_to_cpu(ok->snapstore_path_bytes))
		return -EPROTO;
	memcpy(welcome->store_uuid, ok->store_uuid, 16);
	memcpy(welcome->snapshot_uuid, ok->snapshot_uuid, 16);
	welcome->volume_bytes = le64_to_cpu(ok->volume_bytes);
	welcome->slots_offset_bytes = le64_to_cpu(ok->slots_offset_bytes);
	welcome->slot_count = le64_to_cpu(ok->slot_count);
	welcome->epoch = le64_to_cpu(ok->epoch);
	welcome->chunk_shift = le32_to_cpu(ok->chunk_shift);
	welcome->attachment_id = le32_to_cpu(ok->attachment_id);
	if (welcome->chunk_shift < 12 || welcome->chunk_shift > 20 || !welcome->attachment_id)
		return -EPROTO;
	if (!(le32_to_cpu(ok->flags) & DDSNAP_HELLO_OK_DIRECT))
		return -EPROTO; /* a kernel target bypasses the page cache, and so must all (T8) */
	return 0;
}

static const struct ddsnap_error *read_error(const void *body, u32 bytes)
{
	const struct ddsnap_error *error = body;

	if (bytes < sizeof(*error) || bytes != sizeof(*error) + le16_to_cpu(error->text_bytes))
		return NULL;
	return error;
}

int ddsnap_errno_of(const void *body, u32 bytes)
{
	const struct ddsnap_error *error = read_error(body, bytes);

	return error && le32_to_cpu(error->code) == DDSNAP_E_NO_SPACE ? -ENOSPC : -EIO;
}

/* Returns 0, a negative errno, or the positive code of the server's ERROR. */
static int say_hello(struct ddsnap_link *link, struct socket *sock, u8 *body,
		     struct ddsnap_welcome *welcome)
{
	const struct ddsnap_error *error;
	struct ddsnap_header header;
	struct ddsnap_hello hello;
	u32 bytes;
	int err;

	fill_hello(link, &hello);
	ddsnap_socket_patience(sock, DDSNAP_HELLO_PATIENCE_S * HZ);
	err = ddsnap_socket_send(sock, DDSNAP_HELLO, HELLO_REQUEST, &hello, sizeof(hello));
	if (!err)
		err = ddsnap_socket_receive(sock, &header, body);
	if (err)
		return err;
	ddsnap_socket_patience(sock, MAX_SCHEDULE_TIMEOUT);
	bytes = le32_to_cpu(header.body_bytes);
	if (le16_to_cpu(header.type) == DDSNAP_HELLO_OK)
		return read_welcome(body, bytes, welcome);
	error = le16_to_cpu(header.type) == DDSNAP_ERROR ? read_error(body, bytes) : NULL;
	if (!error)
		return -EPROTO;
	DMWARN("%s: the server refused: %.*s", link->label,
	       min_t(int, le16_to_cpu(error->text_bytes), DDSNAP_ERROR_TEXT_BYTES), error->text);
	return le32_to_cpu(error->code) ? (int)(le32_to_cpu(error->code) & 0xffff) : -EPROTO;
}

/* ---- the link thread ---- */

static int receive_until_lost(struct ddsnap_link *link)
{
	struct ddsnap_header header;
	int err;

	for (;;) {
		err = ddsnap_socket_receive(link->sock, &header, link->buffer);
		if (err)
			return err;
		if (le64_to_cpu(header.request_id) == DETACH_REQUEST) {
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

static void serve(struct ddsnap_link *link)
{
	int err;

	link->was_attached = true;
	set_state(link, DDSNAP_UP);
	err = link->ops->attached(link->context, &link->welcome, link->generation);
	if (!err)
		err = receive_until_lost(link);
	set_state(link, DDSNAP_SEARCHING);
	link->ops->lost(link->context);
	if (!READ_ONCE(link->is_stopping))
		DMWARN("%s: the server is gone (%d); writes wait until it is found again",
		       link->label, err);
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

static struct socket *take_handed_over(struct ddsnap_link *link)
{
	struct socket *sock;

	spin_lock_irq(&link->lock);
	sock = link->handed_over;
	link->handed_over = NULL;
	spin_unlock_irq(&link->lock);
	return sock;
}

/* One attempt. True: it was up. */
static bool serve_once(struct ddsnap_link *link)
{
	struct socket *sock = take_handed_over(link);
	int err;

	err = sock ? adopt_socket(link, sock) : search(link);
	if (!err && !link->is_greeted)
		err = say_hello(link, link->sock, link->buffer, &link->welcome);
	if (!err) {
		serve(link);
	} else if (err > 0 && is_farewell(link, err)) {
		set_state(link, DDSNAP_REFUSED);
		link->ops->refused(link->context);
	}
	WRITE_ONCE(link->is_greeted, false);
	drop_socket(link);
	return !err;
}

static int link_thread(void *data)
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

/* ---- what the target calls ---- */

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
	struct socket *sock = take_handed_over(link);

	if (sock)
		sock_release(sock);
	put_net(link->net);
	kvfree(link->buffer);
	kfree(link);
}

static struct ddsnap_link *make_link(const struct ddsnap_link_options *options)
{
	struct ddsnap_link *link = kzalloc(sizeof(*link), GFP_KERNEL);

	if (!link)
		return NULL;
	link->buffer = kvmalloc(DDSNAP_MAX_BODY_BYTES, GFP_KERNEL);
	if (!link->buffer) {
		kfree(link);
		return NULL;
	}
	link->role = options->role;
	link->pair = options->pair;
	link->dm_device = options->dm_device;
	strscpy(link->control, options->control, sizeof(link->control));
	strscpy_pad(link->tag, options->tag, sizeof(link->tag));
	strscpy_pad(link->label, options->label, sizeof(link->label));
	generate_random_uuid(link->target_uuid);
	read_boot_id(&link->boot_id);
	link->net = get_net(current->nsproxy->net_ns);
	mutex_init(&link->send_mutex);
	mutex_init(&link->sock_mutex);
	spin_lock_init(&link->lock);
	init_waitqueue_head(&link->changed);
	return link;
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
	err = find_server(link, &sock);
	if (err)
		goto free;
	*error = "The server refused this target (its sentence is in the kernel's log)";
	err = say_hello(link, sock, link->buffer, &link->welcome);
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
	thread = kthread_run(link_thread, link, "ddsnap/%u:%u", (u32)(link->dm_device >> 32),
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
	if (!ddsnap_socket_send(link->handed_over, DDSNAP_DETACH, DETACH_REQUEST, NULL, 0))
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
					     DETACH_REQUEST, NULL, 0))
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
	struct socket *sock, *older;
	unsigned int noio;
	int err;

	ddsnap_link_cut(link);
	noio = memalloc_noio_save(); /* the volume's own writes may be what waits for us */
	err = find_server(link, &sock);
	memalloc_noio_restore(noio);
	if (err)
		return err;
	spin_lock_irq(&link->lock);
	older = link->handed_over;
	link->handed_over = sock;
	spin_unlock_irq(&link->lock);
	if (older)
		sock_release(older);
	wake_up_all(&link->changed);
	/* It may be up again already, by itself. */
	sock = is_up(link) ? take_handed_over(link) : NULL;
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
