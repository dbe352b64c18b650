// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A snapshot bio's device I/O: in pieces of its own pages, so that no data is copied.
 *
 * Errors    The first error of a batch, after all of it is done.
 * Threads   May sleep. Nothing is shared but the pool of bios.
 * Memory    A piece is submitted before the next one is allocated, so the pool always refills.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/errno.h>

#include "dm-ddsnap-snapshot.h"

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
	bio_clear_polled(piece); /* whoever polls for the bio knows nothing of its pieces */
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

void ddsnap_read_unknown(struct snapshot *snapshot, struct bio *bio, struct attempt *attempt)
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

int ddsnap_slot_io(struct snapshot *snapshot, struct bio *bio, struct attempt *attempt)
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
