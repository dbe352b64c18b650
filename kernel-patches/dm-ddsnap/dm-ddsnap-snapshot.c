// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A snapshot's role: "read first, ask after" (T5), slots remembered (T6), writes to private slots.
 *
 *     cached? ---yes------------------------------+
 *        | no                                     v
 *     read origin -> LOCATE -> origin: done    read slots; line still up? done
 *                           -> slot ------------^             | no: again from the start
 *
 * Shape     Each bio is worked off by a worker that may sleep, DDSNAP_MAX_SNAPSHOT_WORKERS of them
 *           at once, in pieces of the bio's own pages: no data is copied. What one attempt stands
 *           on is its footing: the generation of the line, and the number of orders (INVALIDATE,
 *           DROPPED) heard so far. It counts only if the footing holds after the slot I/O.
 * Errors    A chunk that is nowhere: the server's errno. A failed origin read is judged after the
 *           answer. Dropped, or unknown after a return: all I/O fails, for good. The hashes of
 *           slots are not checked: the kernel has no XXH3 (S5).
 * Threads   `lock` guards all but the cache's inside. Answers are remembered by the link thread, in
 *           the order of the messages, so that a later INVALIDATE finds them.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/errno.h>
#include <linux/slab.h>

#include "dm-ddsnap.h"

#define MIN_PIECES 64
#define MIN_ATTEMPTS 16

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

struct snapshot_bio {
	struct work_struct work;
	struct bio *bio;
	struct snapshot *snapshot;
	u64 failures; /* as they stood when it came */
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

/* ---- waiting, and its exits (T3) ---- */

/* 0: go on waiting. Else the errno to end with; -EAGAIN is for the device-mapper to requeue. */
static int exit_of(struct snapshot *snapshot, u64 failures)
{
	if (READ_ONCE(snapshot->is_refused) || READ_ONCE(snapshot->failures) != failures)
		return -EIO;
	if (!READ_ONCE(snapshot->is_suspending))
		return 0;
	if (READ_ONCE(snapshot->is_noflush))
		return -EAGAIN;
	return READ_ONCE(snapshot->is_up) ? 0 : -EIO;
}

static int wait_for_line(struct snapshot *snapshot, struct attempt *attempt, u64 failures)
{
	int err;

	wait_event_idle(snapshot->changed,
			(err = exit_of(snapshot, failures)) || READ_ONCE(snapshot->is_up));
	if (err)
		return err;
	spin_lock_irq(&snapshot->lock);
	attempt->generation = snapshot->generation;
	attempt->orders = snapshot->orders;
	spin_unlock_irq(&snapshot->lock);
	return 0;
}

/* ---- questions ---- */

struct question_message {
	__le32 count;
	__le32 reserved;
	struct ddsnap_range range[DDSNAP_MAX_SNAPSHOT_BIO_BYTES >> 13];
};

/* The chunks of the attempt that are in state ASKED, as ranges. */
static u32 fill_question(const struct attempt *attempt, struct question_message *message)
{
	u32 i, ranges = 0, run = 0;

	for (i = 0; i < attempt->count; i++) {
		if (attempt->located[i].place != ASKED) {
			run = 0;
			continue;
		}
		if (!run)
			message->range[ranges++].first = cpu_to_le32(attempt->first + i);
		message->range[ranges - 1].count = cpu_to_le32(++run);
	}
	message->count = cpu_to_le32(ranges);
	message->reserved = 0;
	return sizeof(message->count) * 2 + ranges * sizeof(message->range[0]);
}

static bool is_answered(struct snapshot *snapshot, struct attempt *attempt)
{
	bool answered;

	spin_lock_irq(&snapshot->lock);
	answered = !attempt->unanswered || attempt->error;
	spin_unlock_irq(&snapshot->lock);
	return answered;
}

/* Asks about what is marked ASKED. -ENOTCONN: the line was lost meanwhile, ask again. */
static int ask(struct snapshot *snapshot, struct attempt *attempt, u16 type, u64 failures)
{
	struct question_message message;
	u32 bytes = fill_question(attempt, &message);
	int err, exit = 0;

	if (!message.count)
		return 0;
	spin_lock_irq(&snapshot->lock);
	attempt->id = ++snapshot->last_question;
	attempt->error = 0;
	snapshot->questions_sent++;
	if (!snapshot->is_up || snapshot->generation != attempt->generation)
		attempt->error = -ENOTCONN;
	list_add_tail(&attempt->list, &snapshot->questions);
	spin_unlock_irq(&snapshot->lock);

	err = ddsnap_link_send(snapshot->target->link, attempt->generation, type, attempt->id,
			       &message, bytes);
	if (!err)
		wait_event_idle(snapshot->changed,
				is_answered(snapshot, attempt) ||
					(exit = exit_of(snapshot, failures)));
	else
		err = -ENOTCONN;
	spin_lock_irq(&snapshot->lock);
	list_del(&attempt->list);
	if (!err && attempt->unanswered)
		err = attempt->error ?: exit;
	spin_unlock_irq(&snapshot->lock);
	return err;
}

/* ---- device I/O in pieces of the bio ---- */

struct batch {
	atomic_t left;
	blk_status_t status;
	struct completion done;
};

static void piece_done(struct bio *piece)
{
	struct batch *batch = piece->bi_private;

	if (piece->bi_status)
		WRITE_ONCE(batch->status, piece->bi_status);
	bio_put(piece);
	if (atomic_dec_and_test(&batch->left))
		complete(&batch->done);
}

static void begin_batch(struct batch *batch)
{
	atomic_set(&batch->left, 1);
	batch->status = BLK_STS_OK;
	init_completion(&batch->done);
}

static int end_batch(struct batch *batch)
{
	if (!atomic_dec_and_test(&batch->left))
		wait_for_completion_io(&batch->done);
	return blk_status_to_errno(batch->status);
}

/* The part of the bio from chunk index @from on, @count chunks: where it begins, and how long. */
static void part_of(const struct snapshot *snapshot, const struct bio *bio,
		    const struct attempt *attempt, u32 from, u32 count, u32 *skip, u32 *sectors)
{
	const u32 chunk = ddsnap_chunk_sectors(snapshot->target);
	const sector_t base = (sector_t)attempt->first * chunk;
	sector_t begin = base + (sector_t)from * chunk, end = begin + (sector_t)count * chunk;

	begin = max(begin, bio->bi_iter.bi_sector);
	end = min_t(sector_t, end, bio_end_sector(bio));
	*skip = begin - bio->bi_iter.bi_sector;
	*sectors = end - begin;
}

static struct bio *clone_part(struct snapshot *snapshot, struct bio *bio, struct dm_dev *device,
			      u32 skip, u32 sectors)
{
	struct bio *piece = bio_alloc_clone(device->bdev, bio, GFP_NOIO, &snapshot->bios);

	bio_trim(piece, skip, sectors);
	return piece;
}

static void submit_piece(struct batch *batch, struct bio *piece)
{
	atomic_inc(&batch->left);
	piece->bi_private = batch;
	piece->bi_end_io = piece_done;
	submit_bio_noacct(piece);
}

static int read_origin(struct snapshot *snapshot, struct bio *bio, struct attempt *attempt,
		       u32 from, u32 count)
{
	struct batch batch;
	u32 skip, sectors;

	part_of(snapshot, bio, attempt, from, count, &skip, &sectors);
	begin_batch(&batch);
	submit_piece(&batch, clone_part(snapshot, bio, snapshot->target->origin, skip, sectors));
	return end_batch(&batch);
}

/* Marks what is not known as asked, and reads it from the origin first (T5). */
static void read_unknown(struct snapshot *snapshot, struct bio *bio, struct attempt *attempt)
{
	u32 i, from, run;

	for (from = 0; from < attempt->count; from += max(run, 1U)) {
		run = 0;
		while (from + run < attempt->count && attempt->located[from + run].place == UNKNOWN)
			attempt->located[from + run++].place = ASKED;
		attempt->unanswered += run;
		if (!run || !read_origin(snapshot, bio, attempt, from, run))
			continue;
		/* One bad sector must not condemn its neighbours. */
		for (i = from; i < from + run; i++)
			attempt->located[i].is_unread = !!read_origin(snapshot, bio, attempt, i, 1);
	}
}

static int do_slot_io(struct snapshot *snapshot, struct bio *bio, struct attempt *attempt)
{
	const struct ddsnap_target *target = snapshot->target;
	const u32 chunk_sectors = ddsnap_chunk_sectors(target);
	const struct located *located;
	struct batch batch;
	struct bio *piece;
	u32 i, skip, sectors;

	begin_batch(&batch);
	for (i = 0; i < attempt->count; i++) {
		located = &attempt->located[i];
		if (located->place == DDSNAP_AT_ORIGIN)
			continue;
		part_of(snapshot, bio, attempt, i, 1, &skip, &sectors);
		piece = clone_part(snapshot, bio, target->snapstore, skip, sectors);
		if (located->place == DDSNAP_AT_ZERO) {
			zero_fill_bio(piece);
			bio_put(piece);
			continue;
		}
		piece->bi_iter.bi_sector =
			(target->slots_offset_bytes >> SECTOR_SHIFT) +
			(sector_t)located->slot * chunk_sectors +
			((bio->bi_iter.bi_sector + skip) & (chunk_sectors - 1));
		submit_piece(&batch, piece);
	}
	return end_batch(&batch);
}

/* ---- standing on a footing ---- */

static bool __is_firm(const struct snapshot *snapshot, const struct attempt *attempt)
{
	return snapshot->is_up && snapshot->generation == attempt->generation;
}

static bool __is_clear_before(struct snapshot *snapshot, u64 order)
{
	struct attempt *oldest =
		list_first_entry_or_null(&snapshot->tickets, struct attempt, ticket);

	return !oldest || oldest->orders >= order;
}

/* Slot I/O with a ticket. -ENOTCONN: the footing is gone, all of it is to be done again. */
static int on_footing(struct snapshot *snapshot, struct bio *bio, struct attempt *attempt)
{
	bool is_firm, is_refused;
	int err;

	spin_lock_irq(&snapshot->lock);
	is_refused = snapshot->is_refused;
	/* What was looked up before an order came may be what it takes away. */
	is_firm = __is_firm(snapshot, attempt) && snapshot->orders == attempt->orders;
	if (is_firm && !is_refused)
		list_add_tail(&attempt->ticket, &snapshot->tickets);
	spin_unlock_irq(&snapshot->lock);
	if (is_refused)
		return -EIO;
	if (!is_firm)
		return -ENOTCONN;

	err = do_slot_io(snapshot, bio, attempt);

	spin_lock_irq(&snapshot->lock);
	list_del(&attempt->ticket);
	is_firm = __is_firm(snapshot, attempt); /* counts only if the line is up after it (T6) */
	if (snapshot->ack_count)
		queue_work(snapshot->sender, &snapshot->send_work);
	spin_unlock_irq(&snapshot->lock);
	return is_firm ? err : -ENOTCONN;
}

static int judge(const struct snapshot *snapshot, const struct attempt *attempt, bool is_write)
{
	const struct located *located;
	u32 i;

	for (i = 0; i < attempt->count; i++) {
		located = &attempt->located[i];
		switch (located->place) {
		case DDSNAP_AT_NOWHERE:
			return -(int)located->result;
		case DDSNAP_AT_ORIGIN:
		case DDSNAP_AT_ZERO:
			if (is_write || (located->place == DDSNAP_AT_ORIGIN && located->is_unread))
				return -EIO;
			break;
		case DDSNAP_AT_SLOT:
		case DDSNAP_AT_PRIVATE:
			if (located->slot >= snapshot->target->slot_count ||
			    (is_write && located->place != DDSNAP_AT_PRIVATE))
				return -EIO;
			break;
		default:
			return -EIO;
		}
	}
	return 0;
}

static void __recall(struct snapshot *snapshot, u32 chunk, struct located *located)
{
	memset(located, 0, sizeof(*located));
	located->place = ddsnap_slots_find(&snapshot->slots, chunk, &located->slot);
}

static void recall(struct snapshot *snapshot, struct attempt *attempt)
{
	u32 i;

	attempt->unanswered = 0;
	spin_lock_irq(&snapshot->lock);
	for (i = 0; i < attempt->count; i++)
		__recall(snapshot, attempt->first + i, &attempt->located[i]);
	spin_unlock_irq(&snapshot->lock);
}

static int try_read(struct snapshot *snapshot, struct bio *bio, struct attempt *attempt,
		    u64 failures)
{
	int err;

	read_unknown(snapshot, bio, attempt);
	err = ask(snapshot, attempt, DDSNAP_LOCATE, failures);
	if (!err)
		err = judge(snapshot, attempt, false);
	return err ? err : on_footing(snapshot, bio, attempt);
}

static int try_write(struct snapshot *snapshot, struct bio *bio, struct attempt *attempt,
		     u64 failures)
{
	int err;
	u32 i;

	for (i = 0; i < attempt->count; i++) {
		if (attempt->located[i].place == DDSNAP_AT_PRIVATE)
			continue;
		attempt->located[i].place = ASKED;
		attempt->unanswered++;
	}
	err = ask(snapshot, attempt, DDSNAP_PREPARE_SNAPSHOT_WRITE, failures);
	if (!err)
		err = judge(snapshot, attempt, true);
	return err ? err : on_footing(snapshot, bio, attempt);
}

static int do_bio(struct snapshot *snapshot, struct bio *bio, struct attempt *attempt, u64 failures)
{
	int err;

	attempt->first = ddsnap_chunk_of(snapshot->target, bio->bi_iter.bi_sector);
	attempt->count = ddsnap_chunk_of(snapshot->target, bio_end_sector(bio) - 1) -
			 attempt->first + 1;
	for (;;) {
		err = wait_for_line(snapshot, attempt, failures);
		if (err)
			return err;
		recall(snapshot, attempt);
		err = op_is_write(bio_op(bio)) ? try_write(snapshot, bio, attempt, failures) :
						 try_read(snapshot, bio, attempt, failures);
		if (err != -ENOTCONN)
			return err;
		atomic64_inc(&snapshot->again);
	}
}

static void work_bio(struct work_struct *work)
{
	struct snapshot_bio *mine = container_of(work, struct snapshot_bio, work);
	struct snapshot *snapshot = mine->snapshot;
	struct bio *bio = mine->bio;
	struct attempt *attempt = mempool_alloc(&snapshot->attempts, GFP_NOIO);
	int err = do_bio(snapshot, bio, attempt, mine->failures);

	mempool_free(attempt, &snapshot->attempts);
	atomic64_inc(&snapshot->bios_done);
	bio->bi_status = err == -EAGAIN ? BLK_STS_DM_REQUEUE : errno_to_blk_status(err);
	bio_endio(bio);
}

static int snapshot_map(struct ddsnap_target *target, struct bio *bio)
{
	struct snapshot *snapshot = target->state;
	struct snapshot_bio *mine = dm_per_bio_data(bio, sizeof(*mine));
	const u32 chunk = ddsnap_chunk_sectors(target);
	u32 allowed;

	if (!bio_sectors(bio)) { /* a flush: what is in the slots must last */
		bio_set_dev(bio, target->snapstore->bdev);
		return DM_MAPIO_REMAPPED;
	}
	allowed = snapshot->max_chunks * chunk - (bio->bi_iter.bi_sector & (chunk - 1));
	if (bio_sectors(bio) > allowed)
		dm_accept_partial_bio(bio, allowed);
	mine->bio = bio;
	mine->snapshot = snapshot;
	mine->failures = READ_ONCE(snapshot->failures);
	INIT_WORK(&mine->work, work_bio);
	queue_work(snapshot->workers, &mine->work);
	return DM_MAPIO_SUBMITTED;
}

/* ---- what is to be sent ---- */

static void send_due(struct work_struct *work)
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

/* ---- suspending, the exits ---- */

static void snapshot_fail_parked(struct ddsnap_target *target)
{
	struct snapshot *snapshot = target->state;

	spin_lock_irq(&snapshot->lock);
	snapshot->failures++;
	spin_unlock_irq(&snapshot->lock);
	wake_up_all(&snapshot->changed);
}

static void snapshot_presuspend(struct ddsnap_target *target, bool noflush)
{
	struct snapshot *snapshot = target->state;

	spin_lock_irq(&snapshot->lock);
	snapshot->is_noflush = noflush;
	WRITE_ONCE(snapshot->is_suspending, true);
	spin_unlock_irq(&snapshot->lock);
	wake_up_all(&snapshot->changed);
	queue_delayed_work(snapshot->sender, &snapshot->patience, DDSNAP_SUSPEND_PATIENCE_S * HZ);
}

static void lose_patience(struct work_struct *work)
{
	struct snapshot *snapshot = container_of(to_delayed_work(work), struct snapshot, patience);

	if (!READ_ONCE(snapshot->is_suspending))
		return;
	snapshot_fail_parked(snapshot->target);
	queue_delayed_work(snapshot->sender, &snapshot->patience, HZ);
}

static void snapshot_resume(struct ddsnap_target *target)
{
	struct snapshot *snapshot = target->state;

	spin_lock_irq(&snapshot->lock);
	snapshot->is_suspending = false;
	snapshot->is_noflush = false;
	spin_unlock_irq(&snapshot->lock);
	cancel_delayed_work(&snapshot->patience);
}

/* ---- birth and death ---- */

static void free_snapshot(struct snapshot *snapshot)
{
	if (snapshot->workers)
		destroy_workqueue(snapshot->workers);
	if (snapshot->sender)
		destroy_workqueue(snapshot->sender);
	ddsnap_slots_clear(&snapshot->slots);
	mempool_exit(&snapshot->attempts);
	bioset_exit(&snapshot->bios);
	kfree(snapshot);
}

static int snapshot_create(struct ddsnap_target *target, const struct ddsnap_welcome *welcome,
			   char **error)
{
	struct snapshot *snapshot;

	*error = "The slots lie beyond the snapstore, or on no block of it";
	if (welcome->slots_offset_bytes & (SECTOR_SIZE - 1) ||
	    welcome->slots_offset_bytes > bdev_nr_bytes(target->snapstore->bdev) ||
	    welcome->slot_count > (bdev_nr_bytes(target->snapstore->bdev) -
				   welcome->slots_offset_bytes) >> welcome->chunk_shift)
		return -EINVAL;
	*error = "Out of memory";
	snapshot = kzalloc(sizeof(*snapshot), GFP_KERNEL);
	if (!snapshot)
		return -ENOMEM;
	snapshot->target = target;
	snapshot->max_chunks = max(1U, DDSNAP_MAX_SNAPSHOT_BIO_BYTES >> welcome->chunk_shift);
	spin_lock_init(&snapshot->lock);
	init_waitqueue_head(&snapshot->changed);
	INIT_LIST_HEAD(&snapshot->questions);
	INIT_LIST_HEAD(&snapshot->tickets);
	INIT_WORK(&snapshot->send_work, send_due);
	INIT_DELAYED_WORK(&snapshot->patience, lose_patience);
	ddsnap_slots_init(&snapshot->slots);
	snapshot->workers = alloc_workqueue("ddsnap-snapshot", WQ_MEM_RECLAIM | WQ_UNBOUND,
					    DDSNAP_MAX_SNAPSHOT_WORKERS);
	snapshot->sender = alloc_ordered_workqueue("ddsnap-acks", WQ_MEM_RECLAIM);
	if (!snapshot->workers || !snapshot->sender ||
	    bioset_init(&snapshot->bios, MIN_PIECES, 0, 0) ||
	    mempool_init_kmalloc_pool(&snapshot->attempts, MIN_ATTEMPTS, sizeof(struct attempt))) {
		free_snapshot(snapshot);
		return -ENOMEM;
	}
	target->ti->num_flush_bios = 1;
	target->state = snapshot;
	return 0;
}

/* After the link has stopped: nothing of it calls us any more, and what we send goes nowhere. */
static void snapshot_destroy(struct ddsnap_target *target)
{
	struct snapshot *snapshot = target->state;

	cancel_delayed_work_sync(&snapshot->patience);
	free_snapshot(snapshot);
}

static int snapshot_describe(struct ddsnap_target *target, char *buffer, unsigned int bytes)
{
	struct snapshot *snapshot = target->state;

	return scnprintf(buffer, bytes,
			 "served %lld again %lld questions %llu cached %u orders %llu",
			 atomic64_read(&snapshot->bios_done), atomic64_read(&snapshot->again),
			 READ_ONCE(snapshot->questions_sent),
			 READ_ONCE(snapshot->slots.young_count), READ_ONCE(snapshot->orders));
}

const struct ddsnap_role_ops ddsnap_snapshot_role = {
	.link = {
		.attached = on_attached,
		.frame = on_frame,
		.lost = on_lost,
		.refused = on_refused,
	},
	.create = snapshot_create,
	.destroy = snapshot_destroy,
	.map = snapshot_map,
	.presuspend = snapshot_presuspend,
	.resume = snapshot_resume,
	.fail_parked = snapshot_fail_parked,
	.describe = snapshot_describe,
	.per_bio_bytes = sizeof(struct snapshot_bio),
};
