/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The source is written for the newest kernel; this makes older ones, from 6.1 on, look like it.
 */
#ifndef DM_DDSNAP_COMPAT_H
#define DM_DDSNAP_COMPAT_H

#include <linux/fs_struct.h>
#include <linux/net.h>
#include <linux/version.h>

/* 6.19 gave socket addresses a type of their own. */
#if KERNEL_VERSION(6, 19, 0) > LINUX_VERSION_CODE
#define sockaddr_unsized sockaddr
#endif

/* 6.17 made one sequence lock of an fs_struct's two. */
static inline void ddsnap_lock_fs(struct fs_struct *fs)
{
#if KERNEL_VERSION(6, 17, 0) > LINUX_VERSION_CODE
	spin_lock(&fs->lock);
	write_seqcount_begin(&fs->seq);
#else
	write_seqlock(&fs->seq);
#endif
}

static inline void ddsnap_unlock_fs(struct fs_struct *fs)
{
#if KERNEL_VERSION(6, 17, 0) > LINUX_VERSION_CODE
	write_seqcount_end(&fs->seq);
	spin_unlock(&fs->lock);
#else
	write_sequnlock(&fs->seq);
#endif
}

#endif
