#include "ddsnap/io/nbd_batch.h"

#include <fmt/format.h>
#include <libnbd.h>

#include <algorithm>

#include "ddsnap/base/limits.h"

namespace ddsnap {

Status nbd_error(nbd_handle* handle, std::string_view what, const std::string& name) {
  const int sys_errno = nbd_get_errno();  // both first: the questions below replace them
  const char* const told = nbd_get_error();
  const std::string why = told == nullptr ? "no reason given" : told;
  if (nbd_aio_is_dead(handle) == 1 || nbd_aio_is_closed(handle) == 1)
    return fail(ErrorCode::kDisconnected, fmt::format("{} {}: the connection is lost", what, name));
  if (sys_errno == 0) return fail(ErrorCode::kIo, fmt::format("{} {}: {}", what, name, why));
  return fail_errno(what, name, sys_errno);
}

NbdBatch::NbdBatch(nbd_handle* handle, const std::string& name, std::span<IoRequest> requests,
                   std::size_t max_piece_bytes)
    : handle_(handle), name_(name) {
  for (IoRequest& request : requests) {
    for (std::size_t done = 0; done < request.length_bytes; done += max_piece_bytes)
      pieces_.push_back({&request, done, std::min(max_piece_bytes, request.length_bytes - done)});
  }
}

void NbdBatch::issue(const Piece& piece) {
  IoRequest& request = *piece.request;
  if (!request.status) return;  // an earlier piece failed: the request has
  std::byte* const data = request.data + piece.done_bytes;
  const std::uint64_t offset = request.offset_bytes + piece.done_bytes;
  const bool is_read = request.kind == IoRequest::Kind::kRead;
  const std::int64_t cookie =
      is_read ? nbd_aio_pread(handle_, data, piece.length_bytes, offset, NBD_NULL_COMPLETION, 0)
              : nbd_aio_pwrite(handle_, data, piece.length_bytes, offset, NBD_NULL_COMPLETION, 0);
  if (cookie < 0)
    request.status = nbd_error(handle_, is_read ? "cannot read" : "cannot write to", name_);
  else
    in_flight_.emplace(cookie, &request);
}

void NbdBatch::retire_completed() {
  while (true) {
    const std::int64_t cookie = nbd_aio_peek_command_completed(handle_);
    if (cookie <= 0) return;
    const int result = nbd_aio_command_completed(handle_, static_cast<std::uint64_t>(cookie));
    const auto entry = in_flight_.find(cookie);
    if (entry == in_flight_.end()) continue;
    IoRequest& request = *entry->second;
    in_flight_.erase(entry);
    const bool is_read = request.kind == IoRequest::Kind::kRead;
    if (result != 1 && request.status)
      request.status = nbd_error(handle_, is_read ? "cannot read" : "cannot write to", name_);
  }
}

// A dead connection touches the callers' memory no more.
void NbdBatch::fail_in_flight(const Status& why) {
  for (const auto& [cookie, request] : in_flight_)
    if (request->status) request->status = why;
  in_flight_.clear();
}

void NbdBatch::run() {
  std::size_t next = 0;
  while (next < pieces_.size() || !in_flight_.empty()) {
    while (next < pieces_.size() && in_flight_.size() < kIoQueueDepth) issue(pieces_[next++]);
    retire_completed();
    if (in_flight_.empty()) continue;
    if (nbd_poll(handle_, -1) >= 0) continue;
    const Status why = nbd_error(handle_, "cannot talk to", name_);
    retire_completed();
    if (nbd_aio_is_dead(handle_) == 1 || nbd_aio_is_closed(handle_) == 1) fail_in_flight(why);
  }
}

}  // namespace ddsnap
