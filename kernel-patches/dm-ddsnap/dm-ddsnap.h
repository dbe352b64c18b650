/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dm-ddsnap: what its files share.
 *
 * Parts     target     the device-mapper face: constructor, table, status, messages
 *           origin     the origin's writes: granted or parked (T1, T3, T10); -line: asked for, and
 *                      barriers (T2)
 *           snapshot   a snapshot's reads and writes (T5, T6); -io: on the devices; -line: answers
 *                      and orders
 *           grants     which chunks may be written
 *           slots      where a snapshot's chunks are known to be
 *           link       the line to the server: found (search), said HELLO on (hello), lost, found
 *                      again (link-thread)
 *           view       what the loader of a table could see, for the thread to find again
 *           alive      which targets are alive, for the server to see
 *           socket     frames
 * Threads   Each target has one link thread (receives, reconnects, calls the role), and one ordered
 *           workqueue for what is sent. Nothing of a target outlives its destructor.
 * Source    Invariants (S1..., T1...) are those of the project's design; messages and their order
 *           are in PROTOCOL.md.
 */
#ifndef DM_DDSNAP_H
#define DM_DDSNAP_H

#include <linux/device-mapper.h>
#include <linux/mempool.h>
#include <linux/mutex.h>
#include <linux/net.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/un.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "ddsnap_protocol.h"

#define DM_MSG_PREFIX "ddsnap"

/* Limits: the twins of those in ddsnap/base/limits.h. */
#define DDSNAP_MAX_BIO_CHUNKS 64 /* of one bio, so that it needs no more grants at once */
#define DDSNAP_MAX_SNAPSHOT_BIO_BYTES SZ_1M
#define DDSNAP_MAX_ASKED_CHUNKS 1024 /* in one PREPARE_WRITE */
#define DDSNAP_MAX_QUESTIONS 2 /* PREPARE_WRITEs unanswered */
#define DDSNAP_MAX_SNAPSHOT_WORKERS 64
#define DDSNAP_MAX_CACHED_SLOTS SZ_64K
#define DDSNAP_MAX_PENDING_ACKS 16
#define DDSNAP_FIRST_BACKOFF_MS 20
#define DDSNAP_LAST_BACKOFF_MS 2000
#define DDSNAP_SEND_PATIENCE_S 10
#define DDSNAP_AGENT_PATIENCE_S 2 /* then the last known address is tried */
#define DDSNAP_FIRST_PATIENCE_S 10 /* of the constructor, for agent and server */
#define DDSNAP_HELLO_PATIENCE_S 60 /* an attach waits for a barrier's end */
#define DDSNAP_DETACH_PATIENCE_MS 2000
#define DDSNAP_SUSPEND_PATIENCE_S 15 /* of a suspend, for the server to grant what is parked */

/* The error codes of ddsnap/base/result.h that a target acts on. */
enum ddsnap_error_code {
	DDSNAP_E_NOT_FOUND = 4,
	DDSNAP_E_BUSY = 5,
	DDSNAP_E_NO_SPACE = 7,
	DDSNAP_E_DROPPED = 12,
};

/* ---- grants ---- */

struct ddsnap_grant_page;

struct ddsnap_grants {
	u64 chunk_count;
	u64 generation; /* written by the link thread alone */
	u64 head_generation; /* the one that head_end is of */
	u64 head_end; /* every chunk before this one is granted, without a page */
	u32 page_count;
	struct ddsnap_grant_page **pages; /* set once, freed at the end */
};

int ddsnap_grants_init(struct ddsnap_grants *grants, u64 chunk_count);
void ddsnap_grants_exit(struct ddsnap_grants *grants);
bool ddsnap_granted(const struct ddsnap_grants *grants, u32 first, u32 count);
/* How many chunks from @first on are granted (or, if it is not, are not), at most @max. */
u32 ddsnap_granted_run(const struct ddsnap_grants *grants, u32 first, u32 max, bool *granted);
/*
 * May sleep. Chunks beyond the volume are passed over: a server may grant more than was asked.
 * False: not all of it could be remembered.
 */
bool ddsnap_grant(struct ddsnap_grants *grants, u32 first, u32 count);
void ddsnap_grants_clear(struct ddsnap_grants *grants);

/* ---- slots ---- */

struct ddsnap_slots {
	struct xarray half[2]; /* at most half of the limit in each */
	u32 young; /* index of the younger half */
	u32 young_count;
};

void ddsnap_slots_init(struct ddsnap_slots *slots);
void ddsnap_slots_clear(struct ddsnap_slots *slots);
void ddsnap_slots_remember(struct ddsnap_slots *slots, u32 chunk, u32 slot, u8 place);
/* The place, and its slot; 0 when nothing is known. */
u8 ddsnap_slots_find(struct ddsnap_slots *slots, u32 chunk, u32 *slot);
/* Requires: @count is not 0. */
void ddsnap_slots_forget(struct ddsnap_slots *slots, u32 first, u32 count);

/* ---- sockets ---- */

#define DDSNAP_MAX_BODY_BYTES (DDSNAP_MAX_MESSAGE_BYTES - sizeof(struct ddsnap_header))

/* By path, from the current root and working directory, or by abstract name ('@') in @net. */
int ddsnap_socket_open(struct net *net, const char *address, struct socket **result);
/* How long one receive may wait. */
void ddsnap_socket_patience(struct socket *sock, long jiffies_each);
int ddsnap_socket_send(struct socket *sock, u16 type, u64 request_id, const void *body, u32 bytes);
/* @body has room for DDSNAP_MAX_BODY_BYTES. */
int ddsnap_socket_receive(struct socket *sock, struct ddsnap_header *header, u8 *body);

/* ---- views ---- */

struct ddsnap_view;

/* The caller's network name space; no directories yet. NULL without memory. */
struct ddsnap_view *ddsnap_view_of_caller(void);
struct ddsnap_view *ddsnap_view_get(struct ddsnap_view *view);
void ddsnap_view_put(struct ddsnap_view *view);
/* In the caller's own context; keeps the socket's directory. */
int ddsnap_view_open(struct ddsnap_view *view, const char *address, struct socket **result);
/* In a kernel thread: in the directory that was kept, else by the path. */
int ddsnap_view_reopen(struct ddsnap_view *view, const char *address, struct socket **result);

/* ---- which targets are alive ---- */

int ddsnap_alive_init(void);
void ddsnap_alive_exit(void);
struct kobject *ddsnap_alive_begin(const u8 *target_uuid);
void ddsnap_alive_end(struct kobject *alive);

/* ---- the line ---- */

enum ddsnap_link_state { DDSNAP_SEARCHING, DDSNAP_UP, DDSNAP_REFUSED };

/* What HELLO_OK said, in the machine's own byte order. */
struct ddsnap_welcome {
	u8 store_uuid[16];
	u8 snapshot_uuid[16];
	u64 volume_bytes;
	u64 slots_offset_bytes;
	u64 slot_count;
	u64 epoch;
	u32 chunk_shift;
	u32 attachment_id;
};

struct ddsnap_link;

/* Called by the link thread only. A negative errno from the first two gives the connection up. */
struct ddsnap_link_ops {
	int (*attached)(void *context, const struct ddsnap_welcome *welcome, u64 generation);
	int (*frame)(void *context, const struct ddsnap_header *header, const void *body,
		     u32 bytes);
	void (*lost)(void *context);
	/* The server said never again. */
	void (*refused)(void *context);
};

struct ddsnap_link_options {
	u32 role;
	const char *control;
	const char *tag; /* snapshot targets */
	const char *label;
	struct ddsnap_pair pair;
	u64 dm_device;
};

/*
 * Finds the server and attaches, in the caller's context: its root directory, its network name
 * space, its signals. On success the line is up, but nobody listens before ddsnap_link_start().
 */
struct ddsnap_link *ddsnap_link_open(const struct ddsnap_link_options *options,
				     struct ddsnap_welcome *welcome, char **error);
int ddsnap_link_start(struct ddsnap_link *link, const struct ddsnap_link_ops *ops, void *context);
/* Detaches where the line is up, and stops: no call of the role comes any more. Never hangs. */
void ddsnap_link_stop(struct ddsnap_link *link);
/* Requires: stopped, and nobody sends. */
void ddsnap_link_free(struct ddsnap_link *link);
/*
 * Gives up the line that is there and looks for the server in the caller's context, whose view is
 * the one to find it by from now on.
 */
int ddsnap_link_reconnect(struct ddsnap_link *link);
/* Gives the line up; it is looked for again. */
void ddsnap_link_cut(struct ddsnap_link *link);
/*
 * Sends one frame; may sleep. -ENOTCONN when the line is down or of another generation: the message
 * is not kept, and lost() tells the rest.
 */
int ddsnap_link_send(struct ddsnap_link *link, u64 generation, u16 type, u64 request_id,
		     const void *body, u32 bytes);
enum ddsnap_link_state ddsnap_link_state(const struct ddsnap_link *link);
const char *ddsnap_link_state_name(const struct ddsnap_link *link);
const char *ddsnap_link_address(const struct ddsnap_link *link);
u64 ddsnap_link_losses(const struct ddsnap_link *link);

/* Checks that a body of @bytes is @fixed bytes and @count times @each. */
static inline bool ddsnap_body_is(u32 bytes, size_t fixed, u32 count, size_t each)
{
	return bytes == (u64)fixed + (u64)count * each;
}

int ddsnap_errno_of(const void *error_body, u32 bytes);

/* ---- the target and its two roles ---- */

struct ddsnap_target;

struct ddsnap_role_ops {
	const struct ddsnap_link_ops *link;
	int (*create)(struct ddsnap_target *target, const struct ddsnap_welcome *welcome,
		      char **error);
	void (*destroy)(struct ddsnap_target *target);
	int (*map)(struct ddsnap_target *target, struct bio *bio);
	void (*end_io)(struct ddsnap_target *target, struct bio *bio);
	/* Suspending: nothing may stay parked that only a dead server could free. */
	void (*presuspend)(struct ddsnap_target *target, bool noflush);
	void (*resume)(struct ddsnap_target *target);
	void (*fail_parked)(struct ddsnap_target *target);
	/* Numbers for `status` and `message stats`. */
	int (*describe)(struct ddsnap_target *target, char *buffer, unsigned int bytes);
	size_t per_bio_bytes;
};

extern const struct ddsnap_role_ops ddsnap_origin_role;
extern const struct ddsnap_role_ops ddsnap_snapshot_role;

struct ddsnap_target {
	struct dm_target *ti;
	struct dm_dev *snapstore;
	struct dm_dev *origin;
	const struct ddsnap_role_ops *role;
	void *state; /* the role's */
	struct ddsnap_link *link;
	char control[DDSNAP_ADDRESS_BYTES];
	char tag[DDSNAP_TAG_BYTES]; /* empty: the origin */
	u32 chunk_shift;
	u64 volume_bytes;
	u64 slots_offset_bytes;
	u64 slot_count;
	u8 store_uuid[16];
	u8 snapshot_uuid[16];
};

static inline u32 ddsnap_chunk_of(const struct ddsnap_target *target, sector_t sector)
{
	return sector >> (target->chunk_shift - SECTOR_SHIFT);
}

static inline u32 ddsnap_chunk_sectors(const struct ddsnap_target *target)
{
	return 1U << (target->chunk_shift - SECTOR_SHIFT);
}

#endif
