// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The origin's role: every write is counted in flight, granted, or parked (T1, T2, T3).
 *
 * Shape     A write is counted *before* its grant is looked up, so that a barrier that clears the
 *           grants and then looks at the count misses nobody:
 *
 *               writer                             link thread, at BARRIER
 *               in_flight += 1                     grants.clear()
 *               granted? submit, ... in_flight -= 1   in_flight == 0? acknowledge
 *               else in_flight -= 1, park          else whoever brings it to 0 has it acknowledged
 *
 *           Parked bios wait in `wanted` until a question takes their chunks along, then in `asked`
 *           until its answer. While DDSNAP_MAX_QUESTIONS are unanswered, the rest gathers.
 * Errors    A refused chunk fails its bios with the server's errno. A lost line fails none: they
 *           wait. The exits are `message NAME 0 fail`, and suspending (see presuspend).
 * Threads   map and end_io from anywhere, without the lock where granted. What the server says
 *           comes from the link thread alone, which also owns the grants. The sender works off what
 *           is to be sent.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/errno.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "dm-ddsnap.h"

struct origin_bio {
	struct list_head list; /* in wanted or asked */
	struct bio *bio;
	u64 question; /* that asked for it */
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
	u32 parked;

	struct ddsnap_ranges *message; /* the sender's alone */

	/* for people */
	atomic64_t granted_writes;
	u64 parked_writes;
	u64 questions_sent;
	u64 barriers;
	atomic64_t discards_undone;
};

static struct origin_bio *of_bio(struct bio *bio)
{
	return dm_per_bio_data(bio, sizeof(struct origin_bio));
}

static void chunks_of(const struct ddsnap_target *target, const struct bio *bio, u32 *first,
		      u32 *count)
{
	*first = ddsnap_chunk_of(target, bio->bi_iter.bi_sector);
	*count = ddsnap_chunk_of(target, bio_end_sector(bio) - 1) - *first + 1;
}

/* ---- the count of writes in flight ---- */

static void leave(struct origin *origin)
{
	/* Fully ordered: either we see that an answer is due, or its maker sees our count. */
	if (atomic_dec_and_test(&origin->in_flight) && READ_ONCE(origin->is_ack_due))
		queue_work(origin->sender, &origin->send_work);
}

static bool try_enter(struct origin *origin, u32 first, u32 count)
{
	atomic_inc(&origin->in_flight);
	smp_mb__after_atomic(); /* counted before the look (T1) */
	if (ddsnap_granted(&origin->grants, first, count))
		return true;
	leave(origin);
	return false;
}

/* ---- the lists of parked bios ---- */

static void end_all(struct list_head *bios, blk_status_t status)
{
	struct origin_bio *parked, *next;

	list_for_each_entry_safe(parked, next, bios, list) {
		list_del_init(&parked->list);
		parked->bio->bi_status = status;
		bio_endio(parked->bio);
	}
}

static void __take_all_parked(struct origin *origin, struct list_head *into)
{
	list_splice_tail_init(&origin->asked, into);
	list_splice_tail_init(&origin->wanted, into);
	origin->parked = 0;
}

static void end_all_parked(struct origin *origin, blk_status_t status)
{
	unsigned long flags;
	LIST_HEAD(bios);

	spin_lock_irqsave(&origin->lock, flags);
	__take_all_parked(origin, &bios);
	spin_unlock_irqrestore(&origin->lock, flags);
	end_all(&bios, status);
}

/* The line is down and the device is being suspended: nobody would come and free them. */
static bool __must_not_park(const struct origin *origin)
{
	return origin->is_suspending && (origin->is_noflush || !origin->is_open);
}

/* Takes what is granted now out of a list, counting it in flight. */
static void __take_granted(struct origin *origin, struct list_head *from, struct list_head *into)
{
	struct origin_bio *parked, *next;
	u32 first, count;

	list_for_each_entry_safe(parked, next, from, list) {
		chunks_of(origin->target, parked->bio, &first, &count);
		if (!try_enter(origin, first, count))
			continue;
		parked->is_counted = true;
		list_move_tail(&parked->list, into);
		origin->parked--;
	}
}

/* In the link thread. No barrier comes in between: it would come from the same thread. */
static void submit_granted(struct origin *origin)
{
	struct origin_bio *parked, *next;
	struct blk_plug plug;
	LIST_HEAD(bios);

	spin_lock_irq(&origin->lock);
	__take_granted(origin, &origin->asked, &bios);
	__take_granted(origin, &origin->wanted, &bios);
	spin_unlock_irq(&origin->lock);

	blk_start_plug(&plug);
	list_for_each_entry_safe(parked, next, &bios, list) {
		list_del_init(&parked->list);
		submit_bio_noacct(parked->bio);
	}
	blk_finish_plug(&plug);
}

/* ---- I/O ---- */

static int map_discard(struct origin *origin, struct bio *bio)
{
	const struct ddsnap_target *target = origin->target;
	const u32 sectors = ddsnap_chunk_sectors(target);
	const u32 skip = bio->bi_iter.bi_sector & (sectors - 1);
	u32 first = ddsnap_chunk_of(target, bio->bi_iter.bi_sector);
	u32 whole, run;
	bool granted;

	/* Advice: whole chunks that are granted already are passed down, no others (T10). */
	if (skip || bio_sectors(bio) < sectors) {
		if (bio_sectors(bio) > sectors - skip)
			dm_accept_partial_bio(bio, sectors - skip);
		goto undone;
	}
	whole = bio_sectors(bio) / sectors;
	run = ddsnap_granted_run(&origin->grants, first, min_t(u32, whole, 4096), &granted);
	if (run * sectors < bio_sectors(bio))
		dm_accept_partial_bio(bio, run * sectors);
	if (granted && try_enter(origin, first, run)) {
		of_bio(bio)->is_counted = true;
		return DM_MAPIO_REMAPPED;
	}
undone:
	atomic64_inc(&origin->discards_undone);
	bio_endio(bio);
	return DM_MAPIO_SUBMITTED;
}

static int park(struct origin *origin, struct bio *bio, u32 first, u32 count)
{
	struct origin_bio *parked = of_bio(bio);
	int result = DM_MAPIO_SUBMITTED;
	unsigned long flags;

	spin_lock_irqsave(&origin->lock, flags);
	if (try_enter(origin, first, count)) { /* granted meanwhile */
		parked->is_counted = true;
		result = DM_MAPIO_REMAPPED;
	} else if (__must_not_park(origin)) {
		result = origin->is_noflush ? DM_MAPIO_REQUEUE : DM_MAPIO_KILL;
	} else {
		list_add_tail(&parked->list, &origin->wanted);
		origin->parked++;
		origin->parked_writes++;
	}
	spin_unlock_irqrestore(&origin->lock, flags);
	if (result == DM_MAPIO_SUBMITTED)
		queue_work(origin->sender, &origin->send_work);
	return result;
}

static int origin_map(struct ddsnap_target *target, struct bio *bio)
{
	struct origin *origin = target->state;
	struct origin_bio *mine = of_bio(bio);
	u32 first, count;

	INIT_LIST_HEAD(&mine->list);
	mine->bio = bio;
	mine->question = 0;
	mine->is_counted = false;
	bio_set_dev(bio, target->origin->bdev);

	if (!op_is_write(bio_op(bio)) || !bio_sectors(bio))
		return DM_MAPIO_REMAPPED; /* reads ask nobody; an empty flush holds no data */
	if (bio_op(bio) == REQ_OP_DISCARD)
		return map_discard(origin, bio);

	chunks_of(target, bio, &first, &count);
	if (count > DDSNAP_MAX_BIO_CHUNKS) {
		count = DDSNAP_MAX_BIO_CHUNKS;
		dm_accept_partial_bio(bio, (((sector_t)first + count)
					    << (target->chunk_shift - SECTOR_SHIFT)) -
						   bio->bi_iter.bi_sector);
	}
	if (try_enter(origin, first, count)) {
		mine->is_counted = true;
		atomic64_inc(&origin->granted_writes);
		return DM_MAPIO_REMAPPED;
	}
	return park(origin, bio, first, count);
}

static void origin_end_io(struct ddsnap_target *target, struct bio *bio)
{
	struct origin_bio *mine = of_bio(bio);

	if (!mine->is_counted)
		return;
	mine->is_counted = false;
	leave(target->state);
}

/* ---- what is to be sent ---- */

static int compare_ranges(const void *a, const void *b)
{
	const u32 x = le32_to_cpu(((const struct ddsnap_range *)a)->first);
	const u32 y = le32_to_cpu(((const struct ddsnap_range *)b)->first);

	return x < y ? -1 : x > y;
}

/* Sorts the message's ranges and joins those that touch. */
static void join_ranges(struct origin *origin, u32 count)
{
	struct ddsnap_range *range = origin->message->range;
	u64 end, other_end;
	u32 i, last = 0;

	sort(range, count, sizeof(*range), compare_ranges, NULL);
	for (i = 1; i < count; i++) {
		end = (u64)le32_to_cpu(range[last].first) + le32_to_cpu(range[last].count);
		if (le32_to_cpu(range[i].first) > end) {
			range[++last] = range[i];
			continue;
		}
		other_end = (u64)le32_to_cpu(range[i].first) + le32_to_cpu(range[i].count);
		end = max(end, other_end);
		range[last].count = cpu_to_le32(end - le32_to_cpu(range[last].first));
	}
	origin->message->count = cpu_to_le32(last + 1);
}

/* Gathers parked bios into a free question. Returns its id, or 0 when there is nothing to ask. */
static u64 __begin_question(struct origin *origin, u32 *ranges)
{
	struct origin_bio *parked, *next;
	struct question *question = NULL;
	u32 first, count, chunks = 0, i;

	*ranges = 0;
	if (!origin->is_open || origin->is_holding || list_empty(&origin->wanted))
		return 0;
	for (i = 0; i < DDSNAP_MAX_QUESTIONS && !question; i++)
		if (!origin->questions[i].id)
			question = &origin->questions[i];
	if (!question)
		return 0;
	question->id = ++origin->last_question;
	list_for_each_entry_safe(parked, next, &origin->wanted, list) {
		chunks_of(origin->target, parked->bio, &first, &count);
		chunks += count;
		if (chunks > DDSNAP_MAX_ASKED_CHUNKS || *ranges == DDSNAP_MAX_RANGES)
			break;
		origin->message->range[*ranges].first = cpu_to_le32(first);
		origin->message->range[(*ranges)++].count = cpu_to_le32(count);
		parked->question = question->id;
		list_move_tail(&parked->list, &origin->asked);
	}
	origin->questions_sent++;
	return question->id;
}

static void send_due(struct work_struct *work)
{
	struct origin *origin = container_of(work, struct origin, send_work);
	struct ddsnap_barrier ack = {};
	struct ddsnap_link *link = origin->target->link;
	u64 generation, question;
	bool is_ack;
	u32 ranges;

	do {
		spin_lock_irq(&origin->lock);
		generation = origin->generation;
		is_ack = origin->is_ack_due && !atomic_read(&origin->in_flight);
		if (is_ack)
			WRITE_ONCE(origin->is_ack_due, false);
		ack.number = cpu_to_le64(origin->barrier);
		question = is_ack ? 0 : __begin_question(origin, &ranges);
		spin_unlock_irq(&origin->lock);
		/* A failure needs no answer: the link thread notices it too. */
		if (is_ack)
			ddsnap_link_send(link, generation, DDSNAP_BARRIER_ACK, 0, &ack,
					 sizeof(ack));
		if (!question)
			continue;
		join_ranges(origin, ranges);
		ranges = le32_to_cpu(origin->message->count);
		ddsnap_link_send(link, generation, DDSNAP_PREPARE_WRITE, question,
				 origin->message,
				 struct_size(origin->message, range, ranges));
	} while (is_ack || question);
}

/* ---- what the server says ---- */

static void __end_question(struct origin *origin, u64 id)
{
	struct origin_bio *parked, *next;
	LIST_HEAD(again);
	u32 i;

	for (i = 0; i < DDSNAP_MAX_QUESTIONS; i++)
		if (origin->questions[i].id == id)
			origin->questions[i].id = 0;
	/* What was not granted, for an instant that has passed, is asked for again. */
	list_for_each_entry_safe(parked, next, &origin->asked, list)
		if (parked->question == id)
			list_move_tail(&parked->list, &again);
	list_splice(&again, &origin->wanted);
}

static int on_attached(void *context, const struct ddsnap_welcome *welcome, u64 generation)
{
	struct ddsnap_target *target = context;
	struct origin *origin = target->state;

	if (memcmp(welcome->store_uuid, target->store_uuid, 16) ||
	    welcome->chunk_shift != target->chunk_shift ||
	    welcome->volume_bytes != target->volume_bytes) {
		DMERR_LIMIT("the server has come back with another store or volume size");
		return -EINVAL;
	}
	ddsnap_grants_clear(&origin->grants);
	spin_lock_irq(&origin->lock);
	origin->generation = generation;
	origin->epoch = welcome->epoch;
	origin->is_open = true;
	spin_unlock_irq(&origin->lock);
	queue_work(origin->sender, &origin->send_work);
	return 0;
}

static void on_lost(void *context)
{
	struct ddsnap_target *target = context;
	struct origin *origin = target->state;
	blk_status_t status;
	LIST_HEAD(bios);

	ddsnap_grants_clear(&origin->grants);
	spin_lock_irq(&origin->lock);
	origin->is_open = false;
	origin->is_holding = false;
	WRITE_ONCE(origin->is_ack_due, false);
	memset(origin->questions, 0, sizeof(origin->questions));
	list_splice_init(&origin->asked, &origin->wanted);
	if (__must_not_park(origin))
		__take_all_parked(origin, &bios);
	status = origin->is_noflush ? BLK_STS_DM_REQUEUE : BLK_STS_IOERR;
	spin_unlock_irq(&origin->lock);
	end_all(&bios, status);
}

static void on_refused(void *context)
{
	/* Never said to an origin target: see is_farewell() in the transport. */
}

/* The bios that touch one of the ranges fail. */
static void refuse(struct origin *origin, const struct ddsnap_range *range, u32 ranges, int err)
{
	struct list_head *lists[] = { &origin->asked, &origin->wanted };
	struct origin_bio *parked, *next;
	u32 first, count, i, l;
	LIST_HEAD(bios);

	spin_lock_irq(&origin->lock);
	for (l = 0; l < ARRAY_SIZE(lists); l++) {
		list_for_each_entry_safe(parked, next, lists[l], list) {
			chunks_of(origin->target, parked->bio, &first, &count);
			for (i = 0; i < ranges; i++)
				if (le32_to_cpu(range[i].first) < (u64)first + count &&
				    first < (u64)le32_to_cpu(range[i].first) +
						    le32_to_cpu(range[i].count))
					break;
			if (i == ranges)
				continue;
			list_move_tail(&parked->list, &bios);
			origin->parked--;
		}
	}
	spin_unlock_irq(&origin->lock);
	end_all(&bios, errno_to_blk_status(err));
}

static int on_grant(struct origin *origin, u64 id, const struct ddsnap_grant *grant, u32 bytes)
{
	u32 count, result, i;

	if (bytes < sizeof(*grant))
		return -EPROTO;
	count = le32_to_cpu(grant->count);
	result = le32_to_cpu(grant->result);
	if (count > DDSNAP_MAX_RANGES || result > MAX_ERRNO ||
	    !ddsnap_body_is(bytes, sizeof(*grant), count, sizeof(grant->range[0])))
		return -EPROTO;
	/* Flags and epoch change in this thread alone. */
	if (result)
		refuse(origin, grant->range, count, -(int)result);
	else if (origin->is_open && !origin->is_holding &&
		 le64_to_cpu(grant->epoch) == origin->epoch)
		for (i = 0; i < count; i++)
			ddsnap_grant(&origin->grants, le32_to_cpu(grant->range[i].first),
				     le32_to_cpu(grant->range[i].count));
	submit_granted(origin);
	if (grant->last) {
		spin_lock_irq(&origin->lock);
		__end_question(origin, id);
		spin_unlock_irq(&origin->lock);
	}
	queue_work(origin->sender, &origin->send_work);
	return 0;
}

/* An ERROR in place of an answer: all that the question asked for is refused. */
static void on_question_failed(struct origin *origin, u64 id, int err)
{
	struct origin_bio *parked, *next;
	LIST_HEAD(bios);

	spin_lock_irq(&origin->lock);
	list_for_each_entry_safe(parked, next, &origin->asked, list) {
		if (parked->question != id)
			continue;
		list_move_tail(&parked->list, &bios);
		origin->parked--;
	}
	__end_question(origin, id);
	spin_unlock_irq(&origin->lock);
	end_all(&bios, errno_to_blk_status(err));
	queue_work(origin->sender, &origin->send_work);
}

static int on_barrier(struct origin *origin, const struct ddsnap_barrier *barrier, u32 bytes)
{
	if (bytes != sizeof(*barrier))
		return -EPROTO;
	spin_lock_irq(&origin->lock);
	origin->is_holding = true;
	origin->barrier = le64_to_cpu(barrier->number);
	origin->barriers++;
	spin_unlock_irq(&origin->lock);
	/* After this no write passes; those that did are counted. */
	ddsnap_grants_clear(&origin->grants);
	spin_lock_irq(&origin->lock);
	WRITE_ONCE(origin->is_ack_due, true);
	spin_unlock_irq(&origin->lock);
	smp_mb(); /* due before the sender looks at the count; pairs with leave() */
	queue_work(origin->sender, &origin->send_work);
	return 0;
}

static int on_release(struct origin *origin, const struct ddsnap_barrier *release, u32 bytes)
{
	if (bytes != sizeof(*release))
		return -EPROTO;
	if (!origin->is_holding || le64_to_cpu(release->number) != origin->barrier)
		return 0;
	ddsnap_grants_clear(&origin->grants);
	spin_lock_irq(&origin->lock);
	origin->is_holding = false;
	WRITE_ONCE(origin->is_ack_due, false); /* an aborted barrier wants none any more */
	origin->epoch = le64_to_cpu(release->epoch);
	spin_unlock_irq(&origin->lock);
	queue_work(origin->sender, &origin->send_work);
	return 0;
}

static int on_frame(void *context, const struct ddsnap_header *header, const void *body, u32 bytes)
{
	struct ddsnap_target *target = context;
	struct origin *origin = target->state;
	u64 id = le64_to_cpu(header->request_id);

	switch (le16_to_cpu(header->type)) {
	case DDSNAP_GRANT:
		return on_grant(origin, id, body, bytes);
	case DDSNAP_BARRIER:
		return on_barrier(origin, body, bytes);
	case DDSNAP_RELEASE:
		return on_release(origin, body, bytes);
	case DDSNAP_ERROR:
		if (!id)
			return -ECONNABORTED; /* it is about the connection */
		on_question_failed(origin, id, ddsnap_errno_of(body, bytes));
		return 0;
	default:
		return -EPROTO;
	}
}

/* ---- suspending, the exits ---- */

/*
 * While the server is there, parked writes come to their end by themselves. Those that would wait
 * for a dead one are requeued (noflush) or fail; a live one that does not answer has a deadline.
 */
static void origin_presuspend(struct ddsnap_target *target, bool noflush)
{
	struct origin *origin = target->state;
	LIST_HEAD(bios);

	spin_lock_irq(&origin->lock);
	origin->is_suspending = true;
	origin->is_noflush = noflush;
	if (__must_not_park(origin))
		__take_all_parked(origin, &bios);
	spin_unlock_irq(&origin->lock);
	end_all(&bios, noflush ? BLK_STS_DM_REQUEUE : BLK_STS_IOERR);
	queue_delayed_work(origin->sender, &origin->patience, DDSNAP_SUSPEND_PATIENCE_S * HZ);
}

static void lose_patience(struct work_struct *work)
{
	struct origin *origin = container_of(to_delayed_work(work), struct origin, patience);

	if (!READ_ONCE(origin->is_suspending))
		return;
	end_all_parked(origin, BLK_STS_IOERR);
	queue_delayed_work(origin->sender, &origin->patience, HZ);
}

static void origin_resume(struct ddsnap_target *target)
{
	struct origin *origin = target->state;

	spin_lock_irq(&origin->lock);
	origin->is_suspending = false;
	origin->is_noflush = false;
	spin_unlock_irq(&origin->lock);
	cancel_delayed_work(&origin->patience);
	queue_work(origin->sender, &origin->send_work);
}

static void origin_fail_parked(struct ddsnap_target *target)
{
	end_all_parked(target->state, BLK_STS_IOERR);
}

/* ---- birth and death ---- */

static int origin_create(struct ddsnap_target *target, const struct ddsnap_welcome *welcome,
			 char **error)
{
	struct dm_target *ti = target->ti;
	struct origin *origin;
	u64 chunks = DIV_ROUND_UP_ULL(welcome->volume_bytes, 1ULL << welcome->chunk_shift);
	int err = -ENOMEM;

	*error = "Out of memory";
	origin = kvzalloc(sizeof(*origin), GFP_KERNEL);
	if (!origin)
		return -ENOMEM;
	origin->target = target;
	atomic_set(&origin->in_flight, 0);
	spin_lock_init(&origin->lock);
	INIT_LIST_HEAD(&origin->wanted);
	INIT_LIST_HEAD(&origin->asked);
	INIT_WORK(&origin->send_work, send_due);
	INIT_DELAYED_WORK(&origin->patience, lose_patience);
	origin->message = kmalloc(struct_size(origin->message, range, DDSNAP_MAX_RANGES),
				  GFP_KERNEL | __GFP_ZERO);
	origin->sender = alloc_ordered_workqueue("ddsnap-origin", WQ_MEM_RECLAIM);
	if (!origin->message || !origin->sender)
		goto destroy_sender;
	err = ddsnap_grants_init(&origin->grants, chunks);
	if (err)
		goto destroy_sender;
	ti->num_flush_bios = 1;
	ti->num_discard_bios = 1;
	ti->num_write_zeroes_bios = 1;
	target->state = origin;
	return 0;

destroy_sender:
	if (origin->sender)
		destroy_workqueue(origin->sender);
	kfree(origin->message);
	kvfree(origin);
	return err;
}

/* After the link has stopped: nothing of it calls us any more, and what we send goes nowhere. */
static void origin_destroy(struct ddsnap_target *target)
{
	struct origin *origin = target->state;

	cancel_delayed_work_sync(&origin->patience);
	destroy_workqueue(origin->sender);
	WARN_ON(origin->parked || atomic_read(&origin->in_flight));
	ddsnap_grants_exit(&origin->grants);
	kfree(origin->message);
	kvfree(origin);
}

static int origin_describe(struct ddsnap_target *target, char *buffer, unsigned int bytes)
{
	struct origin *origin = target->state;

	return scnprintf(buffer, bytes,
			 "epoch %llu in_flight %d parked %u passed %lld waited %llu questions %llu barriers %llu discards_undone %lld",
			 READ_ONCE(origin->epoch), atomic_read(&origin->in_flight),
			 READ_ONCE(origin->parked), atomic64_read(&origin->granted_writes),
			 READ_ONCE(origin->parked_writes), READ_ONCE(origin->questions_sent),
			 READ_ONCE(origin->barriers), atomic64_read(&origin->discards_undone));
}

const struct ddsnap_role_ops ddsnap_origin_role = {
	.link = {
		.attached = on_attached,
		.frame = on_frame,
		.lost = on_lost,
		.refused = on_refused,
	},
	.create = origin_create,
	.destroy = origin_destroy,
	.map = origin_map,
	.end_io = origin_end_io,
	.presuspend = origin_presuspend,
	.resume = origin_resume,
	.fail_parked = origin_fail_parked,
	.describe = origin_describe,
	.per_bio_bytes = sizeof(struct origin_bio),
};
