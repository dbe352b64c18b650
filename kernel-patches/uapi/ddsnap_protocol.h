/* SPDX-License-Identifier: GPL-2.0-or-later WITH Linux-syscall-note */
/*
 * The protocol between ddsnap targets, servers and agents: the part that the kernel and user space share.
 * Little-endian throughout; no padding; every message is struct ddsnap_header and a body of body_bytes bytes.
 * What the messages mean, and in which order they may come, is told in ddsnap/wire/PROTOCOL.md.
 */
#ifndef _UAPI_LINUX_DDSNAP_PROTOCOL_H
#define _UAPI_LINUX_DDSNAP_PROTOCOL_H

#include <linux/types.h>

#define DDSNAP_MAGIC 0x4e534444u /* "DDSN" */
#define DDSNAP_PROTOCOL_VERSION 1
#define DDSNAP_MAX_MESSAGE_BYTES 65536
#define DDSNAP_MAX_RANGES 1024
#define DDSNAP_MAX_ANSWER_ENTRIES 1024
#define DDSNAP_TAG_BYTES 64
#define DDSNAP_ADDRESS_BYTES 108
#define DDSNAP_ERROR_TEXT_BYTES 256

struct ddsnap_header {
	__le32 magic;
	__le16 version;
	__le16 type;
	__le32 body_bytes;
	__le32 reserved;
	__le64 request_id; /* chosen by the asker, echoed by the answer */
};

enum ddsnap_message {
	/* to and from anybody */
	DDSNAP_OK = 1, /* no body */
	DDSNAP_ERROR = 2, /* struct ddsnap_error */

	/* to and from the agent */
	DDSNAP_SERVE = 16, /* server: struct ddsnap_serve; answered OK; holds while the connection lives */
	DDSNAP_FIND_SERVER = 17, /* target: struct ddsnap_pair; answered SERVER_AT when a server is there */
	DDSNAP_SERVER_AT = 18, /* struct ddsnap_address */

	/* between target and server */
	DDSNAP_HELLO = 32, /* struct ddsnap_hello */
	DDSNAP_HELLO_OK = 33, /* struct ddsnap_hello_ok */
	DDSNAP_PREPARE_WRITE = 34, /* ranges; answered by one or more GRANT */
	DDSNAP_GRANT = 35, /* struct ddsnap_grant, ranges */
	DDSNAP_LOCATE = 36, /* ranges; snapshot target; answered by one or more LOCATED */
	DDSNAP_PREPARE_SNAPSHOT_WRITE = 37, /* ranges; snapshot target; answered by one or more LOCATED */
	DDSNAP_LOCATED = 38, /* struct ddsnap_located, entries */
	DDSNAP_BARRIER = 39, /* server: struct ddsnap_barrier */
	DDSNAP_BARRIER_ACK = 40, /* origin target: struct ddsnap_barrier, number echoed */
	DDSNAP_RELEASE = 41, /* server: struct ddsnap_barrier, with the epoch from now on */
	DDSNAP_DROPPED = 42, /* server to snapshot target: no body; answered DROPPED_ACK */
	DDSNAP_DROPPED_ACK = 43,
	DDSNAP_INVALIDATE = 44, /* server to snapshot target: struct ddsnap_barrier, ranges */
	DDSNAP_INVALIDATE_ACK = 45, /* struct ddsnap_barrier, number echoed */
	DDSNAP_DETACH = 46, /* target: no body; answered OK; the attachment is forgotten durably */

	/* 64 and above: user space only, see ddsnap/wire/messages.h */
};

struct ddsnap_error {
	__le32 code; /* ddsnap::ErrorCode */
	__le32 sys_errno;
	__le16 text_bytes;
	__u8 text[]; /* UTF-8, not terminated, at most DDSNAP_ERROR_TEXT_BYTES */
} __attribute__((packed));

/* One device, as both sides can find it out for themselves. */
enum ddsnap_device_kind { DDSNAP_DEVICE_BLOCK = 1, DDSNAP_DEVICE_FILE = 2 };
struct ddsnap_device_id {
	__le32 kind;
	__le32 reserved;
	__le64 device; /* block: (major << 32 | minor); file: the same of the file system's device */
	__le64 inode; /* file only */
};

struct ddsnap_pair {
	struct ddsnap_device_id snapstore;
	struct ddsnap_device_id origin;
};

struct ddsnap_address {
	__u8 path[DDSNAP_ADDRESS_BYTES]; /* zero-padded; '@' first means an abstract name */
};

struct ddsnap_serve {
	struct ddsnap_pair pair;
	struct ddsnap_address address;
} __attribute__((packed));

enum ddsnap_role { DDSNAP_ROLE_ORIGIN = 1, DDSNAP_ROLE_SNAPSHOT = 2 };
enum ddsnap_hello_flags {
	DDSNAP_HELLO_KERNEL = 1, /* a kernel target: all I/O bypasses the page cache */
	DDSNAP_HELLO_DIRECT = 2, /* a user-space target that opened its devices with O_DIRECT */
	DDSNAP_HELLO_RETURNING = 4, /* attachment_id and snapshot_uuid are from an earlier HELLO_OK */
};
struct ddsnap_hello {
	__le32 role;
	__le32 flags;
	struct ddsnap_pair pair; /* zero kinds: the server tells its paths in HELLO_OK (user space only) */
	__u8 target_uuid[16]; /* made by the target at its birth */
	__u8 boot_id[16];
	__le64 dm_device; /* kernel: (major << 32 | minor) of the mapped device; else the process id */
	__le32 attachment_id; /* returning only */
	__le32 reserved;
	__u8 snapshot_uuid[16]; /* returning only */
	__u8 tag[DDSNAP_TAG_BYTES]; /* snapshot, not returning: zero-padded */
	__u8 label[DDSNAP_TAG_BYTES]; /* how messages name this target, e.g. its device name */
} __attribute__((packed));

enum ddsnap_hello_ok_flags { DDSNAP_HELLO_OK_DIRECT = 1 /* open the devices with O_DIRECT */ };
struct ddsnap_hello_ok {
	__u8 store_uuid[16];
	__u8 snapshot_uuid[16]; /* zero for the origin */
	__le64 volume_bytes; /* of the origin, or of the snapshot */
	__le64 slots_offset_bytes; /* of slot 0 on the snapstore */
	__le64 slot_count;
	__le64 epoch; /* of grants; see RELEASE */
	__le32 chunk_shift;
	__le32 attachment_id; /* byte of the ownership lock, see PROTOCOL.md */
	__le32 flags;
	__le32 reserved;
	__le16 origin_path_bytes;
	__le16 snapstore_path_bytes;
	__u8 paths[]; /* origin, then snapstore; not terminated */
} __attribute__((packed));

struct ddsnap_range {
	__le32 first; /* chunk */
	__le32 count;
};

struct ddsnap_ranges {
	__le32 count;
	__le32 reserved;
	struct ddsnap_range range[];
};

/*
 * Answers one question, perhaps in parts: `last` is set in the final one. result 0: the ranges are granted for `epoch`, and may be
 * more than was asked. result errno (ENOSPC, EIO): the ranges are refused, the writes fail.
 */
struct ddsnap_grant {
	__le64 epoch;
	__le32 result;
	__le32 last;
	__le32 count;
	__le32 reserved;
	struct ddsnap_range range[];
};

enum ddsnap_place {
	DDSNAP_AT_ORIGIN = 1, /* nothing had overwritten it when the question was answered */
	DDSNAP_AT_SLOT = 2, /* content is immutable, hash holds */
	DDSNAP_AT_ZERO = 3, /* all zeros, no slot */
	DDSNAP_AT_PRIVATE = 4, /* slot may be written in place by this target; no hash */
	DDSNAP_AT_NOWHERE = 5, /* damaged or refused: result holds an errno */
};
struct ddsnap_located_entry {
	__le32 chunk;
	__le32 slot;
	__le64 hash;
	__le32 place;
	__le32 result;
};
struct ddsnap_located {
	__le32 count;
	__le32 last;
	struct ddsnap_located_entry entry[];
};

struct ddsnap_barrier {
	__le64 number; /* BARRIER, BARRIER_ACK, RELEASE: of the barrier; INVALIDATE and its answer: its own count */
	__le64 epoch; /* RELEASE: grants are for this epoch from now on; else 0 */
	__le32 count; /* INVALIDATE: ranges that follow; else 0 */
	__le32 reserved;
	struct ddsnap_range range[];
};

#endif
