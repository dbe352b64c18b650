/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the origin's role share: parked bios, and the count of writes in flight.
 */
#ifndef DM_DDSNAP_ORIGIN_H
#define DM_DDSNAP_ORIGIN_H

#include "dm-ddsnap.h"

struct origin_bio {
	struct list_head list; /* in wanted or asked */
	struct bio *bio;
	u64 question; /* that asked for it */
	u64 granted; /* a bit for each of its chunks; of those that no page could remember */
	bool is_counted;
};

struct question {
	u64 id; /* 0: free */
};

struct origin {
	struct ddsnap_target *target;
	struct ddsnap_grants grants;
	atomic_t in_flight;
	struct workqueue_struct *sender;
	struct work_struct send_work;
	struct delayed_work patience; /* of a suspend */

	spinlock_t lock; /* the lists, the questions, the flags */
	struct list_head wanted;
	struct list_head asked;
	struct question questions[DDSNAP_MAX_QUESTIONS];
	u64 last_question;
	u64 generation; /* of the line */
	u64 epoch;
	u64 barrier;
	bool is_open;
	bool is_holding;
	bool is_ack_due;
	bool is_suspending;
	bool is_noflush;
	bool has_marked; /* a parked bio may have a bit in `granted` */
	u32 parked;

	struct ddsnap_ranges *message; /* the sender's alone */

	/* for people */
	atomic64_t granted_writes;
	u64 parked_writes;
	u64 questions_sent;
	u64 barriers;
	u64 unremembered; /* answers that not all of could be remembered, for want of memory */
	atomic64_t discards_undone;
};

static inline struct origin_bio *of_bio(struct bio *bio)
{
	return dm_per_bio_data(bio, sizeof(struct origin_bio));
}

/* Which chunks a bio touches. */
void ddsnap_bio_chunks(const struct ddsnap_target *target, const struct bio *bio, u32 *first,
		       u32 *count);
/* Counts a write in flight, then looks up its grant. False: not granted, not counted. */
bool ddsnap_try_enter(struct origin *origin, u32 first, u32 count);
void ddsnap_leave(struct origin *origin);

/* Ends all bios of a list that nobody else has. */
void ddsnap_end_all(struct list_head *bios, blk_status_t status);
void __ddsnap_take_all_parked(struct origin *origin, struct list_head *into);
/* The line is down and the device is being suspended: nobody would come and free them. */
bool __ddsnap_must_not_park(const struct origin *origin);

/* What the server says; and the sender of questions and acknowledgments. */
extern const struct ddsnap_link_ops ddsnap_origin_line;
void ddsnap_origin_send_due(struct work_struct *work);

#endif
