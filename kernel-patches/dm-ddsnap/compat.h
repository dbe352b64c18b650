/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The source is written for the newest kernel; this makes older ones, from 6.1 on, look like it.
 */
#ifndef DM_DDSNAP_COMPAT_H
#define DM_DDSNAP_COMPAT_H

#include <linux/net.h>
#include <linux/version.h>

/* 6.19 gave socket addresses a type of their own. */
#if KERNEL_VERSION(6, 19, 0) > LINUX_VERSION_CODE
#define sockaddr_unsized sockaddr
#endif

#endif
