#include "ddsnap/base/write_out_path.h"

#include <link.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

namespace ddsnap {

namespace {

constexpr std::size_t kThreadStackBytes = 512u << 10;
constexpr std::size_t kPageBytes = 4096;
// A library that a library pulls in may carry tens of megabytes of tables that nobody here reads.
constexpr std::size_t kLargestSegmentBytes = 4u << 20;

std::string because(const char* what) {
  return std::string(what) + ": " + std::strerror(errno);
}

bool may_lock_without_limit() {
  rlimit limit{};
  if (::geteuid() == 0) return true;
  return ::getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY;
}

// A locked default stack would cost 8 MiB a thread.
void make_stacks_small() {
  pthread_attr_t attributes;
  if (::pthread_attr_init(&attributes) != 0) return;
  if (::pthread_attr_setstacksize(&attributes, kThreadStackBytes) == 0)
    ::pthread_setattr_default_np(&attributes);
  ::pthread_attr_destroy(&attributes);
}

// Reads across everything in a segment, what a sanitizer put between the variables too.
[[gnu::no_sanitize_address]] int touch_object(dl_phdr_info* object, std::size_t, void*) {
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const auto& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_R) == 0) continue;
    if (segment.p_memsz > kLargestSegmentBytes) continue;
    const auto* bytes =
        reinterpret_cast<const volatile unsigned char*>(object->dlpi_addr + segment.p_vaddr);
    for (std::size_t at = 0; at < segment.p_memsz; at += kPageBytes) (void)bytes[at];
  }
  return 0;
}

// Locks pages as they are touched, and touches all code, which otherwise would be read from disk
// when it is first needed. Locking everything at once would count reserves and tables as resident.
bool lock_memory() {
  if (::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0) return false;
  ::dl_iterate_phdr(touch_object, nullptr);
  return true;
}

}  // namespace

std::vector<std::string> enter_write_out_path() {
  std::vector<std::string> missing;
  make_stacks_small();
  if (!may_lock_without_limit()) {
    missing.push_back("memory is not locked: RLIMIT_MEMLOCK is in the way");
  } else if (!lock_memory()) {
    missing.push_back(because("memory is not locked"));
  }
  if (::prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) != 0)
    missing.push_back(because("memory reclaim may wait for this process (PR_SET_IO_FLUSHER)"));
  return missing;
}

}  // namespace ddsnap
