// What a program says to systemd's journal: the journal stamps each line itself, and takes its
// priority from the beginning of it.
//
// Threads   Plain functions.
// Source    sd-daemon(3); systemd.exec(5), $JOURNAL_STREAM.
#pragma once

#include "ddsnap/base/log.h"

namespace ddsnap {

// Whether what is written there goes to the journal.
bool goes_to_journal(int fd);
// "<3>" and its like.
const char* journal_prefix(LogLevel level);

}  // namespace ddsnap
