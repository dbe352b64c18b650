#include "ddsnap/target/first_attach.h"

namespace ddsnap {

void FirstAttach::succeed() {
  const std::lock_guard lock(mutex_);
  is_attached_ = true;
  changed_.notify_all();
}

void FirstAttach::fail(const Error& error) {
  const std::lock_guard lock(mutex_);
  refusal_ = error;
  changed_.notify_all();
}

Status FirstAttach::wait(const Parking& parking) {
  std::unique_lock lock(mutex_);
  Parking::Stay stay(parking);
  DD_TRY(stay.wait(lock, changed_, [this] { return is_attached_ || refusal_; }));
  if (!is_attached_) return std::unexpected(*refusal_);
  return {};
}

}  // namespace ddsnap
