#include "ddsnap/io/uring_engine.h"

#include <algorithm>
#include <cerrno>

#include "ddsnap/base/limits.h"

namespace ddsnap {

namespace {

// An entry's length has 32 bits, and the kernel moves less than 2 GiB at once; the rest of a longer
// request is finished synchronously.
constexpr std::size_t kMaxEntryBytes = 1u << 30;

void fill_entry(io_uring_sqe* entry, const IoFile& file, const IoRequest& request) {
  const auto length =
      static_cast<unsigned>(std::min<std::size_t>(request.length_bytes, kMaxEntryBytes));
  if (request.kind == IoRequest::Kind::kRead)
    io_uring_prep_read(entry, file.fd, request.data, length, request.offset_bytes);
  else
    io_uring_prep_write(entry, file.fd, request.data, length, request.offset_bytes);
}

Status finish(const IoFile& file, const IoRequest& request, int result) {
  if (result == -EINTR || result == -EAGAIN) return transfer_rest(file, request, 0);
  if (result < 0) return transfer_error(file, request, -result);
  return transfer_rest(file, request, static_cast<std::size_t>(result));
}

}  // namespace

Result<std::unique_ptr<UringEngine>> UringEngine::make() {
  std::unique_ptr<UringEngine> engine(new UringEngine);
  // Completions wait for the thread that asks for them, which is what run() does anyway (5.19).
  int result = io_uring_queue_init(kIoQueueDepth, &engine->ring_, IORING_SETUP_COOP_TASKRUN);
  if (result == -EINVAL) result = io_uring_queue_init(kIoQueueDepth, &engine->ring_, 0);
  if (result < 0) return fail_errno("cannot set up", "io_uring", -result);
  engine->is_open_ = true;
  return engine;
}

UringEngine::~UringEngine() {
  if (is_open_) io_uring_queue_exit(&ring_);
}

void UringEngine::prepare_more(const IoFile& file, std::span<IoRequest> requests,
                               Progress& progress) {
  while (progress.prepared < requests.size() &&
         progress.prepared - progress.completed < kIoQueueDepth) {
    io_uring_sqe* const entry = io_uring_get_sqe(&ring_);
    if (entry == nullptr) return;  // the kernel has not taken the earlier ones yet
    fill_entry(entry, file, requests[progress.prepared]);
    io_uring_sqe_set_data64(entry, progress.prepared++);
  }
}

// False when the ring cannot be used any more.
bool UringEngine::submit_and_wait(Progress& progress) {
  const int result = io_uring_submit_and_wait(&ring_, 1);
  if (result >= 0) {
    progress.submitted += static_cast<std::size_t>(result);
    return true;
  }
  if (result == -EINTR) return true;
  // No memory or no room in the completion queue: what is in flight will make some.
  const bool is_passing = result == -EAGAIN || result == -EBUSY || result == -ENOMEM;
  return is_passing && progress.submitted > progress.completed;
}

void UringEngine::reap(const IoFile& file, std::span<IoRequest> requests, Progress& progress) {
  io_uring_cqe* done = nullptr;
  while (io_uring_peek_cqe(&ring_, &done) == 0) {
    IoRequest& request = requests[io_uring_cqe_get_data64(done)];
    const int result = done->res;
    io_uring_cqe_seen(&ring_, done);
    ++progress.completed;
    request.status = finish(file, request, result);
  }
}

// Waits for what the kernel has, because it uses the caller's memory, and does the rest without it.
void UringEngine::give_up(const IoFile& file, std::span<IoRequest> requests, Progress& progress) {
  while (progress.completed < progress.submitted) {
    io_uring_cqe* done = nullptr;
    const int result = io_uring_wait_cqe(&ring_, &done);
    DD_CHECK(result == 0 || result == -EINTR || result == -EAGAIN);
    reap(file, requests, progress);
  }
  io_uring_queue_exit(&ring_);  // and with it the entries that were prepared but not taken
  is_open_ = false;
  for (IoRequest& request : requests.subspan(progress.submitted))
    request.status = transfer_rest(file, request, 0);
}

void UringEngine::run(const IoFile& file, std::span<IoRequest> requests) {
  Progress progress;
  while (is_open_ && progress.completed < requests.size()) {
    prepare_more(file, requests, progress);
    if (!submit_and_wait(progress)) return give_up(file, requests, progress);
    reap(file, requests, progress);
  }
  if (is_open_) return;
  for (IoRequest& request : requests) request.status = transfer_rest(file, request, 0);
}

}  // namespace ddsnap
