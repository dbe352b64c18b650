// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * HELLO, and what a server answers: a welcome, or an error.
 *
 * Errors    -EPROTO for what makes no sense, or for a server whose devices are not opened as a
 *           kernel target needs it (T8). The server's own sentence goes to the log.
 * Threads   Whoever has the socket for himself: the constructor, then the link thread.
 */
#include <linux/errno.h>

#include "dm-ddsnap-link.h"

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

int ddsnap_say_hello(struct ddsnap_link *link, struct socket *sock, u8 *body,
		     struct ddsnap_welcome *welcome)
{
	const struct ddsnap_error *error;
	struct ddsnap_header header;
	struct ddsnap_hello hello;
	u32 bytes;
	int err;

	fill_hello(link, &hello);
	ddsnap_socket_patience(sock, DDSNAP_HELLO_PATIENCE_S * HZ);
	err = ddsnap_socket_send(sock, DDSNAP_HELLO, DDSNAP_HELLO_REQUEST, &hello, sizeof(hello));
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
	DMWARN_LIMIT("%s: the server refused: %.*s", link->label,
		     min_t(int, le16_to_cpu(error->text_bytes), DDSNAP_ERROR_TEXT_BYTES),
		     error->text);
	return le32_to_cpu(error->code) ? (int)(le32_to_cpu(error->code) & 0xffff) : -EPROTO;
}
