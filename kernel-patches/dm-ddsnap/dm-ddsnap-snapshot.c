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

#include "dm-ddsnap-snapshot.h"

#define MIN_PIECES 64
#define MIN_ATTEMPTS 16

struct snapshot_bio {
	struct work_struct work;
	struct bio *bio;
	struct snapshot *snapshot;
	u64 failures; /* as they stood when it came */
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

/* ---- standing on a footing ---- */

static bool __is_firm(const struct snapshot *snapshot, const struct attempt *attempt)
{
	return snapshot->is_up && snapshot->generation == attempt->generation;
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

	err = ddsnap_slot_io(snapshot, bio, attempt);

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

	ddsnap_read_unknown(snapshot, bio, attempt);
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
	mod_delayed_work(snapshot->sender, &snapshot->patience, DDSNAP_SUSPEND_PATIENCE_S * HZ);
}

static void lose_patience(struct work_struct *work)
{
	struct snapshot *snapshot = container_of(to_delayed_work(work), struct snapshot, patience);

	spin_lock_irq(&snapshot->lock);
	if (snapshot->is_suspending) { /* and not just resumed */
		snapshot->failures++;
		queue_delayed_work(snapshot->sender, &snapshot->patience, HZ);
	}
	spin_unlock_irq(&snapshot->lock);
	wake_up_all(&snapshot->changed);
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
	INIT_WORK(&snapshot->send_work, ddsnap_snapshot_send_due);
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

	/* Said aloud, so that nobody believes more than holds: kernels have no XXH3 (S5). */
	return scnprintf(buffer, bytes,
			 "served %lld again %lld questions %llu cached %u orders %llu hashes unchecked",
			 atomic64_read(&snapshot->bios_done), atomic64_read(&snapshot->again),
			 READ_ONCE(snapshot->questions_sent),
			 READ_ONCE(snapshot->slots.young_count), READ_ONCE(snapshot->orders));
}

const struct ddsnap_role_ops ddsnap_snapshot_role = {
	.link = &ddsnap_snapshot_line,
	.create = snapshot_create,
	.destroy = snapshot_destroy,
	.map = snapshot_map,
	.presuspend = snapshot_presuspend,
	.resume = snapshot_resume,
	.fail_parked = snapshot_fail_parked,
	.describe = snapshot_describe,
	.per_bio_bytes = sizeof(struct snapshot_bio),
};
