// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames over a Unix socket, from within the kernel.
 *
 * Errors    Negative errnos: -ENOTCONN at the end of the stream, -EPROTO for what is no frame,
 *           -EPERM when the other end is not root. After an error the socket is of no more use:
 *           half of a frame may have passed.
 * Threads   One may send while another receives.
 * Memory    Nothing here starts I/O. What is sent is little, and the way out of a lack of memory:
 *           it may take from the reserves.
 */
#include <linux/cred.h>
#include <linux/sched/mm.h>
#include <linux/uidgid.h>
#include <linux/un.h>
#include <net/sock.h>

#include "compat.h"
#include "dm-ddsnap.h"

static int fill_address(struct sockaddr_un *to, const char *address)
{
	size_t length = strlen(address);

	memset(to, 0, sizeof(*to));
	to->sun_family = AF_UNIX;
	memcpy(to->sun_path, address, length);
	if (address[0] != '@')
		return offsetof(struct sockaddr_un, sun_path) + length + 1;
	to->sun_path[0] = 0;
	return offsetof(struct sockaddr_un, sun_path) + length;
}

/* Anybody may bind an abstract name, so the peer's user is asked for: root, or none of ours. */
static bool is_peer_root(struct sock *sk)
{
	bool is_root;

	spin_lock(&sk->sk_peer_lock);
	is_root = sk->sk_peer_cred && uid_eq(sk->sk_peer_cred->euid, GLOBAL_ROOT_UID);
	spin_unlock(&sk->sk_peer_lock);
	return is_root;
}

static int open_socket(struct net *net, const char *address, struct socket **result)
{
	struct sockaddr_un to;
	struct socket *sock;
	int length = fill_address(&to, address);
	int err;

	/* As a process would make it: such a socket holds its name space, a kernel's does not. */
	err = __sock_create(net, AF_UNIX, SOCK_STREAM, 0, &sock, 0);
	if (err)
		return err;
	sock->sk->sk_allocation = GFP_NOIO | __GFP_MEMALLOC;
	sock_set_sndtimeo(sock->sk, DDSNAP_SEND_PATIENCE_S);
	err = kernel_connect(sock, (struct sockaddr_unsized *)&to, length, 0);
	if (!err && !is_peer_root(sock->sk))
		err = -EPERM;
	if (err) {
		sock_release(sock);
		return err;
	}
	*result = sock;
	return 0;
}

int ddsnap_socket_open(struct net *net, const char *address, struct socket **result)
{
	const unsigned int noio = memalloc_noio_save();
	const int err = open_socket(net, address, result);

	memalloc_noio_restore(noio);
	return err;
}

void ddsnap_socket_patience(struct socket *sock, long jiffies_each)
{
	WRITE_ONCE(sock->sk->sk_rcvtimeo, jiffies_each);
}

int ddsnap_socket_send(struct socket *sock, u16 type, u64 request_id, const void *body, u32 bytes)
{
	struct ddsnap_header header = {
		.magic = cpu_to_le32(DDSNAP_MAGIC),
		.version = cpu_to_le16(DDSNAP_PROTOCOL_VERSION),
		.type = cpu_to_le16(type),
		.body_bytes = cpu_to_le32(bytes),
		.request_id = cpu_to_le64(request_id),
	};
	struct kvec pieces[] = {
		{ .iov_base = &header, .iov_len = sizeof(header) },
		{ .iov_base = (void *)body, .iov_len = bytes },
	};
	struct msghdr message = { .msg_flags = MSG_NOSIGNAL };
	const unsigned int noio = memalloc_noio_save();
	int sent;

	sent = kernel_sendmsg(sock, &message, pieces, bytes ? 2 : 1, sizeof(header) + bytes);
	memalloc_noio_restore(noio);
	if (sent == sizeof(header) + bytes)
		return 0;
	return sent < 0 ? sent : -EIO;
}

static int receive_bytes(struct socket *sock, void *into, size_t bytes)
{
	struct kvec piece = { .iov_base = into, .iov_len = bytes };
	struct msghdr message = {};
	int got;

	if (!bytes)
		return 0;
	got = kernel_recvmsg(sock, &message, &piece, 1, bytes, MSG_WAITALL);
	if (got == bytes)
		return 0;
	return got < 0 ? got : -ENOTCONN;
}

int ddsnap_socket_receive(struct socket *sock, struct ddsnap_header *header, u8 *body)
{
	u32 bytes;
	int err;

	err = receive_bytes(sock, header, sizeof(*header));
	if (err)
		return err;
	bytes = le32_to_cpu(header->body_bytes);
	if (le32_to_cpu(header->magic) != DDSNAP_MAGIC || header->reserved ||
	    le16_to_cpu(header->version) != DDSNAP_PROTOCOL_VERSION ||
	    bytes > DDSNAP_MAX_BODY_BYTES)
		return -EPROTO;
	return receive_bytes(sock, body, bytes);
}
