#include "ddsnap/io/sync_engine.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

namespace ddsnap {

Status transfer_rest(const IoFile& file, const IoRequest& request, std::size_t done_bytes) {
  while (done_bytes < request.length_bytes) {
    std::byte* const data = request.data + done_bytes;
    const std::size_t length = request.length_bytes - done_bytes;
    const auto offset = static_cast<off_t>(request.offset_bytes + done_bytes);
    const ssize_t moved = request.kind == IoRequest::Kind::kRead
                              ? ::pread(file.fd, data, length, offset)
                              : ::pwrite(file.fd, data, length, offset);
    if (moved < 0 && errno == EINTR) continue;
    if (moved < 0) return transfer_error(file, request, errno);
    if (moved == 0)
      return fail(ErrorCode::kIo, fmt::format("{} ends at {} now: it has become shorter", file.name,
                                              request.offset_bytes + done_bytes));
    done_bytes += static_cast<std::size_t>(moved);
  }
  return {};
}

void SyncEngine::run(const IoFile& file, std::span<IoRequest> requests) {
  for (IoRequest& request : requests) request.status = transfer_rest(file, request, 0);
}

}  // namespace ddsnap
