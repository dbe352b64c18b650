// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which chunks an origin target may write: the bitmap that makes a granted chunk cost no message
 * (T1).
 *
 * Shape     Pages of bits, made when first granted into and kept; clearing ages all of them at once
 *           by a generation number, so that a barrier costs the same at every size of volume. A
 *           volume without a snapshot is granted whole: long grants from the first chunk on are one
 *           number.
 * Errors    A page that cannot be had leaves its chunks out: they are asked for each time, until
 *           there is memory. Nobody waits for it here, since writing out may be what would free it.
 * Threads   ddsnap_granted() takes no lock and may run beside anything. Only the link thread grants
 *           and clears. The caller counts its write in flight before it looks here, with a full
 *           barrier between; ddsnap_grants_clear() ends with one, before the count is looked at
 *           (T2): one of the two sees the other.
 */
#include <linux/bitops.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "dm-ddsnap.h"

#define PAGE_CHUNKS ((u32)((PAGE_SIZE - sizeof(u64)) * BITS_PER_BYTE))

struct ddsnap_grant_page {
	u64 generation; /* bits of another one than the map's do not count */
	unsigned long bits[BITS_TO_LONGS((PAGE_SIZE - sizeof(u64)) * BITS_PER_BYTE)];
};

int ddsnap_grants_init(struct ddsnap_grants *grants, u64 chunk_count)
{
	BUILD_BUG_ON(sizeof(struct ddsnap_grant_page) != PAGE_SIZE);
	grants->chunk_count = chunk_count;
	grants->generation = 1;
	grants->page_count = DIV_ROUND_UP_ULL(chunk_count, PAGE_CHUNKS);
	grants->pages = kvcalloc(grants->page_count, sizeof(*grants->pages), GFP_KERNEL);
	return grants->pages ? 0 : -ENOMEM;
}

void ddsnap_grants_exit(struct ddsnap_grants *grants)
{
	u32 i;

	for (i = 0; grants->pages && i < grants->page_count; i++)
		free_page((unsigned long)grants->pages[i]);
	kvfree(grants->pages);
}

static bool is_granted(const struct ddsnap_grants *grants, u32 chunk)
{
	const struct ddsnap_grant_page *page;

	if (chunk >= grants->chunk_count)
		return false;
	/* Pairs with the release in grant_head(): the end is this generation's, or 0. */
	if (smp_load_acquire(&grants->head_generation) == READ_ONCE(grants->generation) &&
	    chunk < READ_ONCE(grants->head_end))
		return true;
	/* Pairs with the release in current_page(): an empty page, whole. */
	page = smp_load_acquire(&grants->pages[chunk / PAGE_CHUNKS]);
	if (!page)
		return false;
	/* Pairs with the release in current_page(): the bits are this generation's, or younger. */
	if (smp_load_acquire(&page->generation) != READ_ONCE(grants->generation))
		return false;
	return test_bit(chunk % PAGE_CHUNKS, page->bits);
}

bool ddsnap_granted(const struct ddsnap_grants *grants, u32 first, u32 count)
{
	while (count--)
		if (!is_granted(grants, first++))
			return false;
	return true;
}

u32 ddsnap_granted_run(const struct ddsnap_grants *grants, u32 first, u32 max, bool *granted)
{
	u32 count = 1;

	*granted = is_granted(grants, first);
	while (count < max && is_granted(grants, first + count) == *granted)
		count++;
	return count;
}

static struct ddsnap_grant_page *current_page(struct ddsnap_grants *grants, u32 chunk)
{
	struct ddsnap_grant_page **place = &grants->pages[chunk / PAGE_CHUNKS];
	struct ddsnap_grant_page *page = *place;

	if (!page) {
		page = (void *)get_zeroed_page(GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN);
		if (!page)
			return NULL;
		/* Pairs with the acquire in is_granted(). */
		smp_store_release(place, page);
	}
	if (page->generation != grants->generation) {
		memset(page->bits, 0, sizeof(page->bits));
		/* Emptied before it counts again; a reader meanwhile finds the old generation. */
		smp_store_release(&page->generation, grants->generation);
	}
	return page;
}

/* Whether [@first, @end) is long and goes on where the head ends, which then ends at @end. */
static bool grant_head(struct ddsnap_grants *grants, u64 first, u64 end)
{
	if (grants->head_generation != grants->generation) {
		WRITE_ONCE(grants->head_end, 0);
		/* Pairs with the acquire in is_granted(). */
		smp_store_release(&grants->head_generation, grants->generation);
	}
	if (first > grants->head_end || end < first + PAGE_CHUNKS)
		return false;
	if (end > grants->head_end)
		WRITE_ONCE(grants->head_end, end);
	return true;
}

bool ddsnap_grant(struct ddsnap_grants *grants, u32 first, u32 count)
{
	const u64 end = min_t(u64, (u64)first + count, grants->chunk_count);
	struct ddsnap_grant_page *page;
	u64 chunk = first, page_end;
	bool is_remembered = true;

	if (grant_head(grants, first, end))
		return true;
	while (chunk < end) {
		page = current_page(grants, chunk);
		page_end = min(end, (chunk / PAGE_CHUNKS + 1) * PAGE_CHUNKS);
		for (; page && chunk < page_end; chunk++)
			set_bit((u32)chunk % PAGE_CHUNKS, page->bits);
		is_remembered &= !!page;
		chunk = page_end;
		cond_resched();
	}
	return is_remembered;
}

void ddsnap_grants_clear(struct ddsnap_grants *grants)
{
	WRITE_ONCE(grants->generation, grants->generation + 1);
	smp_mb(); /* before the count of writes in flight is looked at (T2) */
}
