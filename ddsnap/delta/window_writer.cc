#include "ddsnap/delta/window_writer.h"

#include <utility>

namespace ddsnap {

// A future that the next window's thread holds too waits for nobody when it goes away.
WindowWriter::~WindowWriter() {
  if (!has_threads_) return;
  for (const Window& window : under_way_) window.durable.wait();
}

Status WindowWriter::start(std::vector<DecodedFrame> frames, ApplyWindow record) {
  std::shared_future<Status> before;
  if (!under_way_.empty()) before = under_way_.back().durable;
  Window& window =
      under_way_.emplace_back(Window{.frames = std::move(frames), .record = std::move(record)});
  const auto write = [this, &window] {
    ChunkIo target = target_;
    return write_frames(target, window.frames, window.written);
  };
  const auto make_durable = [this, before](const Status& written) -> Status {
    DD_TRY(written);
    if (before.valid()) DD_TRY(before.get());
    return target_.device().flush();
  };
  if (has_threads_) {
    window.durable = std::async(std::launch::async, [write, make_durable] {
                       return make_durable(write());
                     }).share();
    return {};
  }
  const Status written = write();
  window.durable = std::async(std::launch::deferred, [written, make_durable] {
                     return make_durable(written);
                   }).share();
  return written;
}

Status WindowWriter::finish(std::size_t most_under_way,
                            const std::function<void(DecodedFrame&)>& done) {
  while (under_way_.size() > most_under_way) {
    Window& window = under_way_.front();
    DD_TRY(window.durable.get());
    written_.add(window.written);
    for (DecodedFrame& one : window.frames) done(one);
    under_way_.pop_front();
  }
  return {};
}

std::optional<ApplyWindow> WindowWriter::record() const {
  if (under_way_.empty()) return std::nullopt;
  ApplyWindow all = under_way_.front().record;
  for (std::size_t i = 1; i < under_way_.size(); ++i) all = join_windows(all, under_way_[i].record);
  return all;
}

}  // namespace ddsnap
