// What open() of a target waits for: that it is attached for the first time, or refused.
//
// Threads   Any.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>

#include "ddsnap/target/parking.h"
#include "ddsnap/wire/messages.h"

namespace ddsnap {

class FirstAttach {
 public:
  void succeed();
  void fail(const Error& error);
  // Parking's errors, or the refusal.
  Status wait(const Parking& parking);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_attached_ = false;      // under mutex_
  std::optional<Error> refusal_;  // under mutex_
};

}  // namespace ddsnap
