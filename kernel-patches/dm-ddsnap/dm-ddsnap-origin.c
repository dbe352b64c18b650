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

#include "dm-ddsnap-origin.h"

void ddsnap_bio_chunks(const struct ddsnap_target *target, const struct bio *bio, u32 *first,
		       u32 *count)
{
	*first = ddsnap_chunk_of(target, bio->bi_iter.bi_sector);
	*count = ddsnap_chunk_of(target, bio_end_sector(bio) - 1) - *first + 1;
}

/* ---- the count of writes in flight ---- */

void ddsnap_leave(struct origin *origin)
{
	/* Fully ordered: either we see that an answer is due, or its maker sees our count. */
	if (atomic_dec_and_test(&origin->in_flight) && READ_ONCE(origin->is_ack_due))
		queue_work(origin->sender, &origin->send_work);
}

bool ddsnap_try_enter(struct origin *origin, u32 first, u32 count)
{
	atomic_inc(&origin->in_flight);
	smp_mb__after_atomic(); /* counted before the look (T1) */
	if (ddsnap_granted(&origin->grants, first, count))
		return true;
	ddsnap_leave(origin);
	return false;
}

/* ---- the lists of parked bios ---- */

void ddsnap_end_all(struct list_head *bios, blk_status_t status)
{
	struct origin_bio *parked, *next;

	list_for_each_entry_safe(parked, next, bios, list) {
		list_del_init(&parked->list);
		parked->bio->bi_status = status;
		bio_endio(parked->bio);
	}
}

void __ddsnap_take_all_parked(struct origin *origin, struct list_head *into)
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
	__ddsnap_take_all_parked(origin, &bios);
	spin_unlock_irqrestore(&origin->lock, flags);
	ddsnap_end_all(&bios, status);
}

bool __ddsnap_must_not_park(const struct origin *origin)
{
	return origin->is_suspending && (origin->is_noflush || !origin->is_open);
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
	if (granted && ddsnap_try_enter(origin, first, run)) {
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
	if (ddsnap_try_enter(origin, first, count)) { /* granted meanwhile */
		parked->is_counted = true;
		result = DM_MAPIO_REMAPPED;
	} else if (__ddsnap_must_not_park(origin)) {
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
	mine->granted = 0;
	mine->is_counted = false;
	bio_set_dev(bio, target->origin->bdev);

	if (!op_is_write(bio_op(bio)) || !bio_sectors(bio))
		return DM_MAPIO_REMAPPED; /* reads ask nobody; an empty flush holds no data */
	if (bio_op(bio) == REQ_OP_DISCARD)
		return map_discard(origin, bio);

	ddsnap_bio_chunks(target, bio, &first, &count);
	if (count > DDSNAP_MAX_BIO_CHUNKS) {
		count = DDSNAP_MAX_BIO_CHUNKS;
		dm_accept_partial_bio(bio, (((sector_t)first + count)
					    << (target->chunk_shift - SECTOR_SHIFT)) -
						   bio->bi_iter.bi_sector);
	}
	if (ddsnap_try_enter(origin, first, count)) {
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
	ddsnap_leave(target->state);
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
	if (__ddsnap_must_not_park(origin))
		__ddsnap_take_all_parked(origin, &bios);
	spin_unlock_irq(&origin->lock);
	ddsnap_end_all(&bios, noflush ? BLK_STS_DM_REQUEUE : BLK_STS_IOERR);
	mod_delayed_work(origin->sender, &origin->patience, DDSNAP_SUSPEND_PATIENCE_S * HZ);
}

static void lose_patience(struct work_struct *work)
{
	struct origin *origin = container_of(to_delayed_work(work), struct origin, patience);

	LIST_HEAD(bios);

	spin_lock_irq(&origin->lock);
	if (origin->is_suspending) { /* and not just resumed */
		__ddsnap_take_all_parked(origin, &bios);
		queue_delayed_work(origin->sender, &origin->patience, HZ);
	}
	spin_unlock_irq(&origin->lock);
	ddsnap_end_all(&bios, BLK_STS_IOERR);
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
	INIT_WORK(&origin->send_work, ddsnap_origin_send_due);
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
			 "epoch %llu in_flight %d parked %u passed %lld waited %llu questions %llu barriers %llu discards_undone %lld unremembered %llu",
			 READ_ONCE(origin->epoch), atomic_read(&origin->in_flight),
			 READ_ONCE(origin->parked), atomic64_read(&origin->granted_writes),
			 READ_ONCE(origin->parked_writes), READ_ONCE(origin->questions_sent),
			 READ_ONCE(origin->barriers), atomic64_read(&origin->discards_undone),
			 READ_ONCE(origin->unremembered));
}

const struct ddsnap_role_ops ddsnap_origin_role = {
	.link = &ddsnap_origin_line,
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
