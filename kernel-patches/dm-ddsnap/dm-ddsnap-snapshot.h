/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the snapshot's role share: what one bio knows of its chunks, and what all know.
 */
#ifndef DM_DDSNAP_SNAPSHOT_H
#define DM_DDSNAP_SNAPSHOT_H

#include "dm-ddsnap.h"

enum place {
	UNKNOWN = 0,
	ASKED = 16, /* not yet answered */
};

struct located {
	u32 slot;
	u8 place; /* enum ddsnap_place, or enum place */
	u8 is_unread; /* the origin could not be read */
	u16 result;
};

/* One bio being worked off: where its chunks are, and the question about them. */
struct attempt {
	struct list_head list; /* in questions while the answer is awaited */
	struct list_head ticket; /* in tickets while its slots are read or written */
	u64 id;
	u64 generation;
	u64 orders;
	u32 first;
	u32 count;
	u32 unanswered;
	int error;
	struct located located[DDSNAP_MAX_SNAPSHOT_BIO_BYTES >> 12];
};

struct pending_ack {
	u64 order;
	u64 number; /* of the INVALIDATE; 0: DROPPED */
};

struct snapshot {
	struct ddsnap_target *target;
	struct workqueue_struct *workers;
	struct workqueue_struct *sender; /* apart: an answer to an order waits for no reader */
	struct work_struct send_work;
	struct delayed_work patience; /* of a suspend */
	struct bio_set bios;
	mempool_t attempts;
	u32 max_chunks; /* of one bio */

	spinlock_t lock; /* everything below */
	wait_queue_head_t changed; /* an answer, the line, a refusal, an exit */
	bool is_up;
	bool is_refused;
	bool is_suspending;
	bool is_noflush;
	u64 generation;
	u64 orders;
	u64 failures; /* how often parked I/O was told to fail */
	u64 last_question;
	struct list_head questions;
	struct list_head tickets; /* in the order of their beginning */
	struct pending_ack acks[DDSNAP_MAX_PENDING_ACKS];
	u32 ack_count;

	struct ddsnap_slots slots;

	/* for people */
	atomic64_t bios_done;
	atomic64_t again;
	u64 questions_sent;
};

/* Marks what is not known as asked, and reads it from the origin first (T5). */
void ddsnap_read_unknown(struct snapshot *snapshot, struct bio *bio, struct attempt *attempt);
/* Reads or writes what is in slots, fills in what is zero. */
int ddsnap_slot_io(struct snapshot *snapshot, struct bio *bio, struct attempt *attempt);

/* The server's answers and orders; and the sender of acknowledgments that are due. */
extern const struct ddsnap_link_ops ddsnap_snapshot_line;
void ddsnap_snapshot_send_due(struct work_struct *work);

#endif
