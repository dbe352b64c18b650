// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a snapshot target remembers of where its chunks are: slots, zeros, private slots (T6).
 *
 * Shape     Two halves: what is used moves to the young one; when that is full it becomes the old
 *           one, and the old one is forgotten. "Origin" is never remembered: it is true at one
 *           instant only.
 * Errors    Without memory nothing is remembered, and the server is asked again.
 * Threads   The caller serialises.
 */
#include "dm-ddsnap.h"

#define PLACE_BITS 3

static struct xarray *young(struct ddsnap_slots *slots)
{
	return &slots->half[slots->young];
}

static struct xarray *old(struct ddsnap_slots *slots)
{
	return &slots->half[!slots->young];
}

void ddsnap_slots_init(struct ddsnap_slots *slots)
{
	BUILD_BUG_ON(BITS_PER_LONG < 32 + PLACE_BITS + 1);
	xa_init(&slots->half[0]);
	xa_init(&slots->half[1]);
	slots->young = 0;
	slots->young_count = 0;
}

void ddsnap_slots_clear(struct ddsnap_slots *slots)
{
	xa_destroy(&slots->half[0]);
	xa_destroy(&slots->half[1]);
	slots->young_count = 0;
}

void ddsnap_slots_remember(struct ddsnap_slots *slots, u32 chunk, u32 slot, u8 place)
{
	void *entry = xa_mk_value((unsigned long)slot << PLACE_BITS | place);
	void *older;

	if (place != DDSNAP_AT_SLOT && place != DDSNAP_AT_ZERO && place != DDSNAP_AT_PRIVATE)
		return;
	if (slots->young_count >= DDSNAP_MAX_CACHED_SLOTS / 2) {
		xa_destroy(old(slots));
		slots->young = !slots->young;
		slots->young_count = 0;
	}
	xa_erase(old(slots), chunk);
	older = xa_store(young(slots), chunk, entry, GFP_NOWAIT | __GFP_NOWARN);
	if (xa_is_err(older))
		xa_erase(young(slots), chunk);
	else if (!older)
		slots->young_count++;
}

u8 ddsnap_slots_find(struct ddsnap_slots *slots, u32 chunk, u32 *slot)
{
	void *entry = xa_load(young(slots), chunk);
	const bool is_young = entry;
	u8 place;

	if (!entry)
		entry = xa_load(old(slots), chunk);
	if (!entry)
		return 0;
	*slot = xa_to_value(entry) >> PLACE_BITS;
	place = xa_to_value(entry) & ((1 << PLACE_BITS) - 1);
	if (!is_young)
		ddsnap_slots_remember(slots, chunk, *slot, place);
	return place;
}

void ddsnap_slots_forget(struct ddsnap_slots *slots, u32 first, u32 count)
{
	unsigned long chunk, last = (unsigned long)first + count - 1;
	void *entry;
	u32 half;

	for (half = 0; half < ARRAY_SIZE(slots->half); half++)
		xa_for_each_range(&slots->half[half], chunk, entry, first, last)
			xa_erase(&slots->half[half], chunk);
}
