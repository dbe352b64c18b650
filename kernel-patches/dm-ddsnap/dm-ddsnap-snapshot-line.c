// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the server says to a snapshot target: answers, and the orders INVALIDATE and DROPPED.
 *
 * Shape     An order is answered when all slot I/O that began before it has ended: whoever ends
 *           some queues the sender, which looks. Answers are remembered here, in the order of the
 *           messages, so that a later INVALIDATE finds them.
 * Errors    What makes no sense costs the line (-EPROTO).
 * Threads   The link thread; the sender.
 */
#include <linux/errno.h>
#include <linux/slab.h>

#include "dm-ddsnap-snapshot.h"

/* ---- what is to be sent ---- */

static bool __is_clear_before(struct snapshot *snapshot, u64 order)
{
	struct attempt *oldest =
		list_first_entry_or_null(&snapshot->tickets, struct attempt, ticket);

	return !oldest || oldest->orders >= order;
}

void ddsnap_snapshot_send_due(struct work_struct *work)
{
	struct snapshot *snapshot = container_of(work, struct snapshot, send_work);
	struct ddsnap_link *link = snapshot->target->link;
	struct ddsnap_barrier body = {};
	struct pending_ack ack;
	u64 generation;
	bool is_due;

	do {
		spin_lock_irq(&snapshot->lock);
		generation = snapshot->generation;
		ack = snapshot->acks[0];
		is_due = snapshot->ack_count && __is_clear_before(snapshot, ack.order);
		if (is_due)
			memmove(&snapshot->acks[0], &snapshot->acks[1],
				--snapshot->ack_count * sizeof(ack));
		spin_unlock_irq(&snapshot->lock);
		if (!is_due)
			break;
		/* A failure needs no answer: the link thread notices it too. */
		body.number = cpu_to_le64(ack.number);
		if (ack.number)
			ddsnap_link_send(link, generation, DDSNAP_INVALIDATE_ACK, 0, &body,
					 sizeof(body));
		else
			ddsnap_link_send(link, generation, DDSNAP_DROPPED_ACK, 0, NULL, 0);
	} while (is_due);
}

/* An order came: everything begun so far is before it. */
static int __owe_ack(struct snapshot *snapshot, u64 number)
{
	if (snapshot->ack_count == DDSNAP_MAX_PENDING_ACKS)
		return -EPROTO;
	snapshot->acks[snapshot->ack_count].order = ++snapshot->orders;
	snapshot->acks[snapshot->ack_count++].number = number;
	return 0;
}

/* ---- what the server says ---- */

static int on_attached(void *context, const struct ddsnap_welcome *welcome, u64 generation)
{
	struct ddsnap_target *target = context;
	struct snapshot *snapshot = target->state;

	if (memcmp(welcome->store_uuid, target->store_uuid, 16) ||
	    memcmp(welcome->snapshot_uuid, target->snapshot_uuid, 16) ||
	    welcome->chunk_shift != target->chunk_shift) {
		DMERR_LIMIT("the server has come back with another store or snapshot");
		return -EINVAL;
	}
	spin_lock_irq(&snapshot->lock);
	snapshot->generation = generation;
	snapshot->is_up = true;
	spin_unlock_irq(&snapshot->lock);
	wake_up_all(&snapshot->changed);
	return 0;
}

static void __end_questions(struct snapshot *snapshot, int err)
{
	struct attempt *attempt;

	list_for_each_entry(attempt, &snapshot->questions, list)
		attempt->error = err;
}

static void on_lost(void *context)
{
	struct ddsnap_target *target = context;
	struct snapshot *snapshot = target->state;

	spin_lock_irq(&snapshot->lock);
	snapshot->is_up = false;
	snapshot->ack_count = 0;
	ddsnap_slots_clear(&snapshot->slots);
	__end_questions(snapshot, -ENOTCONN);
	spin_unlock_irq(&snapshot->lock);
	wake_up_all(&snapshot->changed);
}

static void on_refused(void *context)
{
	struct ddsnap_target *target = context;
	struct snapshot *snapshot = target->state;

	spin_lock_irq(&snapshot->lock);
	snapshot->is_refused = true;
	ddsnap_slots_clear(&snapshot->slots);
	__end_questions(snapshot, -EIO);
	spin_unlock_irq(&snapshot->lock);
	wake_up_all(&snapshot->changed);
	DMERR("snapshot %s is no more: its I/O fails from now on", target->tag);
}

static int on_dropped(struct ddsnap_target *target)
{
	struct snapshot *snapshot = target->state;
	int err;

	on_refused(target);
	spin_lock_irq(&snapshot->lock);
	err = __owe_ack(snapshot, 0);
	spin_unlock_irq(&snapshot->lock);
	queue_work(snapshot->sender, &snapshot->send_work);
	return err;
}

static int on_invalidate(struct snapshot *snapshot, const struct ddsnap_barrier *body, u32 bytes)
{
	u32 count, i;
	int err;

	if (bytes < sizeof(*body))
		return -EPROTO;
	count = le32_to_cpu(body->count);
	if (!body->number || count > DDSNAP_MAX_RANGES ||
	    !ddsnap_body_is(bytes, sizeof(*body), count, sizeof(body->range[0])))
		return -EPROTO;
	spin_lock_irq(&snapshot->lock);
	for (i = 0; i < count; i++)
		if (body->range[i].count)
			ddsnap_slots_forget(&snapshot->slots,
					    le32_to_cpu(body->range[i].first),
					    le32_to_cpu(body->range[i].count));
	err = __owe_ack(snapshot, le64_to_cpu(body->number));
	spin_unlock_irq(&snapshot->lock);
	queue_work(snapshot->sender, &snapshot->send_work);
	return err;
}

static struct attempt *__find_question(struct snapshot *snapshot, u64 id)
{
	struct attempt *attempt;

	list_for_each_entry(attempt, &snapshot->questions, list)
		if (attempt->id == id)
			return attempt;
	return NULL;
}

static int __take_entry(struct snapshot *snapshot, struct attempt *attempt,
			const struct ddsnap_located_entry *entry)
{
	const u32 chunk = le32_to_cpu(entry->chunk), slot = le32_to_cpu(entry->slot);
	const u32 place = le32_to_cpu(entry->place), result = le32_to_cpu(entry->result);
	const bool is_nowhere = place == DDSNAP_AT_NOWHERE;
	struct located *located;

	if (place < DDSNAP_AT_ORIGIN || place > DDSNAP_AT_NOWHERE || result > MAX_ERRNO ||
	    is_nowhere == !result)
		return -EPROTO;
	ddsnap_slots_remember(&snapshot->slots, chunk, slot, place);
	if (!attempt) /* given up meanwhile */
		return 0;
	if (chunk < attempt->first || chunk - attempt->first >= attempt->count)
		return -EPROTO;
	located = &attempt->located[chunk - attempt->first];
	if (located->place != ASKED)
		return -EPROTO; /* each chunk is answered exactly once */
	located->slot = slot;
	located->place = place;
	located->result = result;
	attempt->unanswered--;
	return 0;
}

static int on_located(struct snapshot *snapshot, u64 id, const struct ddsnap_located *body,
		      u32 bytes)
{
	struct attempt *attempt;
	u32 count, i;
	int err = 0;

	if (bytes < sizeof(*body))
		return -EPROTO;
	count = le32_to_cpu(body->count);
	if (count > DDSNAP_MAX_ANSWER_ENTRIES ||
	    !ddsnap_body_is(bytes, sizeof(*body), count, sizeof(body->entry[0])))
		return -EPROTO;
	spin_lock_irq(&snapshot->lock);
	attempt = __find_question(snapshot, id);
	for (i = 0; i < count && !err; i++)
		err = __take_entry(snapshot, attempt, &body->entry[i]);
	if (!err && attempt && body->last && attempt->unanswered)
		err = -EPROTO;
	spin_unlock_irq(&snapshot->lock);
	wake_up_all(&snapshot->changed);
	return err;
}

static int on_frame(void *context, const struct ddsnap_header *header, const void *body, u32 bytes)
{
	struct ddsnap_target *target = context;
	struct snapshot *snapshot = target->state;
	u64 id = le64_to_cpu(header->request_id);
	struct attempt *attempt;

	switch (le16_to_cpu(header->type)) {
	case DDSNAP_LOCATED:
		return on_located(snapshot, id, body, bytes);
	case DDSNAP_INVALIDATE:
		return on_invalidate(snapshot, body, bytes);
	case DDSNAP_DROPPED:
		return on_dropped(target);
	case DDSNAP_ERROR:
		if (!id)
			return -ECONNABORTED; /* it is about the connection */
		spin_lock_irq(&snapshot->lock);
		attempt = __find_question(snapshot, id);
		if (attempt)
			attempt->error = ddsnap_errno_of(body, bytes);
		spin_unlock_irq(&snapshot->lock);
		wake_up_all(&snapshot->changed);
		return 0;
	default:
		return -EPROTO;
	}
}

const struct ddsnap_link_ops ddsnap_snapshot_line = {
	.attached = on_attached,
	.frame = on_frame,
	.lost = on_lost,
	.refused = on_refused,
};
