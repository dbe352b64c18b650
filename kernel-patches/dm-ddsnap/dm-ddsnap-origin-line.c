// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the origin's target and its server say: questions and grants (T1), barriers (T2).
 *
 * Shape     Whatever is due is sent by one worker, which looks at the state: an acknowledgment when
 *           the last write in flight has ended, a question when bios wait and one is free.
 * Errors    What makes no sense costs the line (-EPROTO). A grant that no memory can be had for is
 *           noted with the bios that wait for it; others ask again.
 * Threads   The link thread owns grants, epoch and holding; the sender owns the message.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/errno.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "dm-ddsnap-origin.h"

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
		ddsnap_bio_chunks(origin->target, parked->bio, &first, &count);
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

void ddsnap_origin_send_due(struct work_struct *work)
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

/* Notes with the parked bios what the grants' pages could not be had for. */
static void mark_granted(struct origin *origin, const struct ddsnap_range *range, u32 ranges)
{
	struct list_head *lists[] = { &origin->asked, &origin->wanted };
	struct origin_bio *parked;
	u64 from, to;
	u32 first, count, i, l;

	spin_lock_irq(&origin->lock);
	origin->has_marked = true;
	origin->unremembered++;
	for (l = 0; l < ARRAY_SIZE(lists); l++) {
		list_for_each_entry(parked, lists[l], list) {
			ddsnap_bio_chunks(origin->target, parked->bio, &first, &count);
			for (i = 0; i < ranges; i++) {
				from = max(first, le32_to_cpu(range[i].first));
				to = min((u64)first + count, (u64)le32_to_cpu(range[i].first) +
								     le32_to_cpu(range[i].count));
				if (from < to)
					parked->granted |=
						GENMASK_ULL(to - first - 1, from - first);
			}
		}
	}
	spin_unlock_irq(&origin->lock);
}

/* Whatever was granted is so no longer. The caller sees to it that nothing is granted meanwhile. */
static void void_grants(struct origin *origin)
{
	struct list_head *lists[] = { &origin->asked, &origin->wanted };
	struct origin_bio *parked;
	u32 l;

	ddsnap_grants_clear(&origin->grants);
	spin_lock_irq(&origin->lock);
	for (l = 0; origin->has_marked && l < ARRAY_SIZE(lists); l++)
		list_for_each_entry(parked, lists[l], list)
			parked->granted = 0;
	origin->has_marked = false;
	spin_unlock_irq(&origin->lock);
}

/* As ddsnap_try_enter(), for a bio that may be marked. */
static bool __try_enter_parked(struct origin *origin, const struct origin_bio *parked)
{
	u32 first, count, i;

	ddsnap_bio_chunks(origin->target, parked->bio, &first, &count);
	if (!parked->granted)
		return ddsnap_try_enter(origin, first, count);
	atomic_inc(&origin->in_flight);
	smp_mb__after_atomic(); /* counted before the look (T1) */
	for (i = 0; i < count; i++)
		if (!(parked->granted & BIT_ULL(i)) &&
		    !ddsnap_granted(&origin->grants, first + i, 1))
			break;
	if (i == count)
		return true;
	ddsnap_leave(origin);
	return false;
}

/* Takes what is granted now out of a list, counting it in flight. */
static void __take_granted(struct origin *origin, struct list_head *from, struct list_head *into)
{
	struct origin_bio *parked, *next;

	list_for_each_entry_safe(parked, next, from, list) {
		if (!__try_enter_parked(origin, parked))
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
	    welcome->volume_bytes < target->volume_bytes) {
		DMERR_LIMIT("the server has come back with another store or a smaller volume");
		return -EINVAL;
	}
	void_grants(origin);
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

	void_grants(origin);
	spin_lock_irq(&origin->lock);
	origin->is_open = false;
	origin->is_holding = false;
	WRITE_ONCE(origin->is_ack_due, false);
	memset(origin->questions, 0, sizeof(origin->questions));
	list_splice_init(&origin->asked, &origin->wanted);
	if (__ddsnap_must_not_park(origin))
		__ddsnap_take_all_parked(origin, &bios);
	status = origin->is_noflush ? BLK_STS_DM_REQUEUE : BLK_STS_IOERR;
	spin_unlock_irq(&origin->lock);
	ddsnap_end_all(&bios, status);
}

static void on_refused(void *context)
{
	/* Never said to an origin target: see is_farewell() in dm-ddsnap-link-thread.c. */
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
			ddsnap_bio_chunks(origin->target, parked->bio, &first, &count);
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
	ddsnap_end_all(&bios, errno_to_blk_status(err));
}

static int on_grant(struct origin *origin, u64 id, const struct ddsnap_grant *grant, u32 bytes)
{
	u32 count, result, i;
	bool is_remembered = true;

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
			is_remembered &= ddsnap_grant(&origin->grants,
						      le32_to_cpu(grant->range[i].first),
						      le32_to_cpu(grant->range[i].count));
	if (!is_remembered)
		mark_granted(origin, grant->range, count);
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
	ddsnap_end_all(&bios, errno_to_blk_status(err));
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
	void_grants(origin);
	spin_lock_irq(&origin->lock);
	WRITE_ONCE(origin->is_ack_due, true);
	spin_unlock_irq(&origin->lock);
	smp_mb(); /* due before the sender looks at the count; pairs with ddsnap_leave() */
	queue_work(origin->sender, &origin->send_work);
	return 0;
}

static int on_release(struct origin *origin, const struct ddsnap_barrier *release, u32 bytes)
{
	if (bytes != sizeof(*release))
		return -EPROTO;
	if (!origin->is_holding || le64_to_cpu(release->number) != origin->barrier)
		return 0;
	void_grants(origin);
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

const struct ddsnap_link_ops ddsnap_origin_line = {
	.attached = on_attached,
	.frame = on_frame,
	.lost = on_lost,
	.refused = on_refused,
};
