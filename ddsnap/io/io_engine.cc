#include "ddsnap/io/io_engine.h"

#include <fmt/format.h>

#include <utility>

#include "ddsnap/io/sync_engine.h"
#include "ddsnap/io/thread_engine.h"
#include "ddsnap/io/uring_pool.h"

namespace ddsnap {

std::unique_ptr<IoEngine> make_io_engine(IoEngineKind kind) {
  switch (kind) {
    case IoEngineKind::kSync:
      return std::make_unique<SyncEngine>();
    case IoEngineKind::kUring:
      if (auto uring = UringPool::make()) return std::move(*uring);
      // Forbidden (containers, kernel.io_uring_disabled) or too old: the pool does the same.
      return std::make_unique<ThreadEngine>();
    case IoEngineKind::kThreads:
      return std::make_unique<ThreadEngine>();
  }
  std::unreachable();
}

Status transfer_error(const IoFile& file, const IoRequest& request, int sys_errno) {
  const char* verb = request.kind == IoRequest::Kind::kRead ? "read" : "write";
  return fail_errno(
      fmt::format("cannot {} {} bytes at {} of", verb, request.length_bytes, request.offset_bytes),
      file.name, sys_errno);
}

}  // namespace ddsnap
